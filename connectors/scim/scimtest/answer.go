package scimtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

const mediaType = "application/scim+json"

// answer is a response before it is written, so that hazards can still bend
// it.
type answer struct {
	status      int
	body        []byte
	contentType string // default mediaType
	location    string
	etag        string
	retryAfter  string
	challenge   string // WWW-Authenticate
	wrote       bool   // a write succeeded
	created     bool
}

// fault is an error on its way to the client (RFC 7644, section 3.12).
type fault struct {
	status   int
	scimType string
	detail   string
}

// Error returns the detail.
func (f *fault) Error() string { return f.detail }

func badRequest(scimType, format string, args ...any) *fault {
	return &fault{http.StatusBadRequest, scimType, fmt.Sprintf(format, args...)}
}

func notFound(what string) *fault {
	return &fault{http.StatusNotFound, "", what + " not found"}
}

func invalidSyntax(format string, args ...any) *fault {
	return badRequest("invalidSyntax", format, args...)
}

func invalidValue(format string, args ...any) *fault {
	return badRequest("invalidValue", format, args...)
}

type errorBody struct {
	Schemas  []string `json:"schemas"`
	Status   any      `json:"status"`
	ScimType string   `json:"scimType,omitempty"`
	Detail   any      `json:"detail"`
}

// refuse turns a fault into an answer, in the shape the hazards ask for.
func (s *Server) refuse(h *Hazards, f *fault) *answer {
	a := &answer{status: f.status}
	body := errorBody{Schemas: []string{urnError}, Status: strconv.Itoa(f.status), ScimType: f.scimType, Detail: f.detail}
	switch {
	case h.ErrorIn200:
		s.fire("ErrorIn200")
		a.status, a.contentType = http.StatusOK, "application/json"
		a.body = encode(map[string]any{"status": "error", "code": f.status, "msg": f.detail})
		return a
	case h.HTMLErrors:
		s.fire("HTMLErrors")
		a.contentType = "text/html; charset=utf-8"
		a.body = fmt.Appendf(nil, "<!DOCTYPE html><html><body><h1>%d %s</h1></body></html>\n", f.status, http.StatusText(f.status))
		return a
	case h.OddErrors:
		s.fire("OddErrors")
		body.Status, body.Detail = f.status, []string{f.detail}
	}
	a.body = encode(body)
	return a
}

// encode encodes what always can be.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("scimtest: encode %T: %v", v, err))
	}
	return b
}
