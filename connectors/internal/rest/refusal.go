package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// Redact returns a function that makes text from the other side fit for an error:
// without the secrets, in the forms they take in URLs, JSON and HTML, on one line,
// and cut to a length.
func Redact(secrets ...string) func(string) string {
	hide := newMask()
	hide.learn(secrets...)
	return func(text string) string { return clip(hide.hide(clean(hide.hide(text))), maxText) }
}

// NoToken says why an answer of a token endpoint, whose body was read, holds no
// token for the client. A refusal is class Unauthorized: asking again gives the
// same. An endpoint that fails for now, by its status or by its code, is
// Transient, or Throttled with RetryAfter where it asks to wait; whoever sends
// the request that the token was for tries again. Every text of the endpoint goes
// through say, which comes from Redact: servers repeat what they were sent.
func NoToken(answer *http.Response, body []byte, client string, say func(string) string) *connectors.Error {
	code, text := told(answer.Header, body)
	status := answer.StatusCode
	out := &connectors.Error{Class: connectors.Unauthorized, Code: clip(say(code), maxCode)}
	class := classOf(status)
	if status < 400 { // some servers refuse with 200
		class = connectors.Unauthorized
	}
	wait, asked := RetryAfter(answer.Header, time.Now())
	switch {
	case class == connectors.Throttled, class == connectors.Transient && status == http.StatusServiceUnavailable && asked:
		out.Class, out.RetryAfter = connectors.Throttled, wait
	case class == connectors.Transient, passing(code):
		out.Class = connectors.Transient
	}
	what := "refused " + client
	if out.Class != connectors.Unauthorized {
		what = "has no token now for " + client
	}
	switch {
	case text != "":
	case status < 400:
		// The body is not shown: it may be a token under another name.
		what = "answered without a token for " + client
	default:
		text = describe(answer.Header, body)
	}
	if text = say(text); text != "" {
		text = ": " + text
	}
	out.Err = fmt.Errorf("the token endpoint %s%s (%s)", what, text, statusText(status))
	return out
}

// passing reports whether the code says that the endpoint is in trouble and the
// client is not (RFC 6749, section 4.1.2.1; token endpoints send them too, and not
// always with a status of 500 or more).
func passing(code string) bool { return code == "temporarily_unavailable" || code == "server_error" }

// told returns the code and the text of the refusal of a token endpoint (RFC 6749,
// section 5.2), where it gives them.
func told(h http.Header, body []byte) (string, string) {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil && isForm(h) {
		form, _ := url.ParseQuery(string(body)) // what can be read is
		fields = map[string]any{"error": form.Get("error"), "error_description": form.Get("error_description")}
	}
	code, _ := fields["error"].(string)
	text, _ := fields["error_description"].(string)
	if text == "" {
		text = code
	}
	return code, text
}
