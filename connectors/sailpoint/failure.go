package sailpoint

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// decodeFailure reads SailPoint's error body: {detailCode, trackingId, messages,
// causes} from the services, {error} from the gateway in front of them.
func decodeFailure(_ int, _ http.Header, body []byte) rest.Failure {
	var e struct {
		Code     string `json:"detailCode"`
		Tracking string `json:"trackingId"`
		Messages []struct {
			Locale string `json:"locale"`
			Text   string `json:"text"`
		} `json:"messages"`
		Error       any    `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &e) != nil {
		return rest.Failure{}
	}
	f := rest.Failure{Code: e.Code, Message: e.Description}
	for _, m := range e.Messages {
		if f.Message = m.Text; m.Locale == "en-US" {
			break
		}
	}
	if f.Message == "" {
		f.Message, _ = e.Error.(string)
	}
	if f.Message != "" && e.Tracking != "" {
		f.Message += " [tracking id " + e.Tracking + "]"
	}
	return f
}

// notFound reports whether SailPoint itself says that an object does not exist.
// A 404 of a proxy, or of a path that an API version does not have, says nothing
// about a person.
func notFound(err error) bool {
	e := asError(err)
	return e != nil && e.Class == connectors.Missing && e.Code != ""
}

func asError(err error) *connectors.Error {
	e, _ := errors.AsType[*connectors.Error](err)
	return e
}

// whole classes an error that ends a read: whatever became of one request, the
// read is incomplete, unless nobody will get further with this credential, or
// this credential may not read one of the lists.
func whole(err error) error {
	switch connectors.ClassOf(err) {
	case connectors.Unauthorized, connectors.Forbidden, connectors.Expired, connectors.Incomplete:
		return err
	}
	out := &connectors.Error{Class: connectors.Incomplete, Err: err}
	if inner := asError(err); inner != nil {
		out.Code, out.RetryAfter = inner.Code, inner.RetryAfter
	}
	return out
}
