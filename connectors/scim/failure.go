package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// The codes of RFC 7644, section 3.12, and RFC 9865 that lead to a decision
// here, and the transport's own for an answer of 413.
const (
	codeInvalidFilter = "invalidFilter"
	codeUniqueness    = "uniqueness"
	codeNoTarget      = "noTarget"
	codeInvalidPath   = "invalidPath"
	codeInvalidCursor = "invalidCursor"
	codeExpiredCursor = "expiredCursor"
	codeTooLarge      = "tooLarge"
	codeTooMany       = "tooMany"
)

// decodeFailure reads a SCIM error body. Servers send the detail as a string or
// a list, the status as a string or a number, or no SCIM error at all; then the
// transport describes the answer.
func decodeFailure(status int, _ http.Header, body []byte) rest.Failure {
	var f rest.Failure
	var raw map[string]any
	if json.Unmarshal(body, &raw) == nil {
		f.Code = text(raw, "scimType")
		f.Message = firstText(raw, "detail", "message", "msg", "error_description", "error", "title")
		// Old servers nest the error: {"Errors":[{"description":…}]}.
		if list, ok := lookup(raw, "Errors").([]any); ok && f.Message == "" && len(list) > 0 {
			if first, ok := list[0].(map[string]any); ok {
				f.Message = firstText(first, "description", "detail", "message")
			}
		}
	}
	switch {
	// RFC 9110, section 15.5.6: the method is known and not offered here.
	case status == http.StatusMethodNotAllowed:
		f.Class = connectors.Unsupported
	// RFC 7644, section 3.12 lets a server refuse an operation it does not
	// offer with 403; only the text tells it from a missing permission.
	case status == http.StatusForbidden && saysUnsupported(f.Message):
		f.Class = connectors.Unsupported
	case status == http.StatusBadRequest && f.Code == codeUniqueness:
		f.Class = connectors.Conflict
	}
	return f
}

func saysUnsupported(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "not supported") || strings.Contains(message, "unsupported") ||
		strings.Contains(message, "not implemented")
}

// lookup returns the member of a JSON object whose name matches without regard
// to case (RFC 7643, section 2.1).
func lookup(object map[string]any, name string) any {
	if v, ok := object[name]; ok {
		return v
	}
	for key, v := range object {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

// text returns a member as text: a string, a number, or a list of strings.
func text(object map[string]any, name string) string {
	switch v := lookup(object, name).(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	case json.Number:
		return v.String()
	case []any:
		var parts []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, "; ")
	}
	return ""
}

func firstText(object map[string]any, names ...string) string {
	for _, name := range names {
		if s := text(object, name); s != "" {
			return s
		}
	}
	return ""
}

// hasSchema reports whether the schemas of an object name the URN.
func hasSchema(object map[string]any, urn string) bool {
	list, _ := lookup(object, "schemas").([]any)
	for _, item := range list {
		if s, ok := item.(string); ok && strings.EqualFold(s, urn) {
			return true
		}
	}
	return false
}

// codeOf returns the vendor code of a failure.
func codeOf(err error) string {
	if e, ok := asError(err); ok {
		return e.Code
	}
	return ""
}
