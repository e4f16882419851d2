package entra

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// codeNotFound is what the directory says of an object that does not exist.
const codeNotFound = "Request_ResourceNotFound"

// resyncs reports whether Graph means by the code that a delta token or page
// token has ended and everything is to be read anew. The codes come with 400, 404
// or 410 (learn.microsoft.com/graph/delta-query-overview, "Synchronization
// reset"; learn.microsoft.com/graph/errors).
func resyncs(code string) bool {
	switch code {
	case "syncStateNotFound", "SyncStateNotFound", "syncStateInvalid", "SyncStateInvalid", "resyncRequired", "ResyncRequired",
		"resyncChangesApplyDifferences", "resyncChangesUploadDifferences", "Directory_ExpiredPageToken", "Directory_ResyncRequired":
		return true
	}
	return false
}

// decodeFailure reads Graph's error body.
func decodeFailure(status int, _ http.Header, body []byte) rest.Failure {
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   struct {
				Code string `json:"code"`
			} `json:"innerError"`
		} `json:"error"`
	}
	var f rest.Failure
	if json.Unmarshal(body, &e) == nil {
		f.Code, f.Message = e.Error.Code, e.Error.Message
	}
	// Graph sends 410 for nothing else than a token that has ended.
	if status == http.StatusGone || resyncs(f.Code) || resyncs(e.Error.Inner.Code) {
		f.Class = connectors.Expired
		if f.Message == "" {
			f.Message = "the token has ended"
		}
	}
	return f
}

func asError(err error) *connectors.Error {
	e, _ := errors.AsType[*connectors.Error](err)
	return e
}

// notFound reports whether the directory itself says that the object does not
// exist. A 404 of a proxy, or of an endpoint that is not Graph, says nothing
// about a person.
func notFound(err error) bool {
	e := asError(err)
	return e != nil && e.Class == connectors.Missing && e.Code == codeNotFound
}

// absent is the error Graph gives for what does not exist.
func absent(why string) error {
	e := connectors.Errorf(connectors.Missing, "%s", why)
	e.Code = codeNotFound
	return e
}

// objectError says what the failure to read one object means: the object is
// gone, or shielded, or the read is over.
func objectError(op string, ref identity.Ref, err error) (connectors.Event, error) {
	switch {
	case notFound(err):
		return connectors.Gone{Ref: ref, Why: identity.CauseGone}, nil
	case connectors.ClassOf(err) == connectors.Forbidden:
		return connectors.Unreadable{Ref: ref, Why: err.Error()}, nil
	}
	return nil, rest.Wrap(op, ref, err)
}

// whole classes an error that ends a read: whatever became of one request, the
// read is incomplete, unless nobody will get further with this credential or, in
// a delta read, with this cursor.
func (r *reading) whole(err error) error {
	class := connectors.ClassOf(err)
	switch {
	case class == connectors.Unauthorized, class == connectors.Incomplete,
		class == connectors.Expired && r.query.From != "":
		return err
	}
	out := &connectors.Error{Class: connectors.Incomplete, Err: err}
	if inner := asError(err); inner != nil {
		out.Code, out.RetryAfter = inner.Code, inner.RetryAfter
	}
	return out
}
