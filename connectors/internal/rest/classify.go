package rest

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// classify turns answers that are no success into faults, so that nobody above
// reads a status code.
type classify struct {
	next   http.RoundTripper
	own    origin
	decode func(status int, header http.Header, body []byte) Failure
	reset  func(header http.Header) Wait
}

func (t *classify) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		return resp, nil
	case status >= 300 && status < 400:
		return t.redirect(r, resp)
	default:
		return nil, t.failure(resp)
	}
}

// redirect lets a read follow a redirect within the origin and refuses all
// others: a redirected write may turn into a GET, and a credential stays home.
func (t *classify) redirect(r *http.Request, resp *http.Response) (*http.Response, error) {
	f := &fault{class: connectors.Rejected, final: true, sent: true, note: statusText(resp.StatusCode)}
	to, err := r.URL.Parse(resp.Header.Get("Location"))
	switch {
	case !follows(resp.StatusCode):
		f.text = "neither an answer nor a redirect that could be followed: set url to the address that answers itself"
	case err != nil || resp.Header.Get("Location") == "":
		f.text = "redirected to nowhere"
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != "":
		f.text = fmt.Sprintf("redirected to %s, which is not followed for a %s: set url to the address that answers itself",
			nameOrigin(to), r.Method)
	default:
		err := t.own.check(to)
		if err == nil {
			return resp, nil
		}
		f.text = "redirect refused: " + err.Error() + ": set url to the address that answers itself"
	}
	_ = resp.Body.Close() // in memory
	return nil, f
}

// follows reports whether net/http follows a redirect of this status. It hands the
// others on as if they were answers.
func follows(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// failure makes a fault of an error answer.
func (t *classify) failure(resp *http.Response) *fault {
	body, _ := io.ReadAll(resp.Body) // in memory: it cannot fail
	_ = resp.Body.Close()

	f := &fault{class: classOf(resp.StatusCode), sent: true}
	var told Failure
	if t.decode != nil {
		told = t.decode(resp.StatusCode, resp.Header, body)
	}
	if told.Class != "" {
		f.class = told.Class
	}
	f.code = told.Code
	if f.code == "" && resp.StatusCode == http.StatusRequestEntityTooLarge {
		f.code = "tooLarge"
	}
	f.text = told.Message
	if f.text == "" {
		f.text = describe(resp.Header, body)
	}
	f.note = statusText(resp.StatusCode)
	f.told = readReport(resp.Header, time.Now())
	t.pacing(f, resp)
	f.final = f.class != connectors.Transient && f.class != connectors.Throttled
	return f
}

// pacing reads what the answer says about waiting. A 503 asks to slow down only
// when it says for how long (RFC 9110, section 15.6.4).
func (t *classify) pacing(f *fault, resp *http.Response) {
	throttled := f.class == connectors.Throttled
	if !throttled && (resp.StatusCode != http.StatusServiceUnavailable || f.class != connectors.Transient) {
		return
	}
	delay, asked := RetryAfter(resp.Header, time.Now())
	f.wait.Delay = delay
	f.slow = throttled || asked
	if throttled && t.reset != nil {
		if wait := t.reset(resp.Header); wait != (Wait{}) {
			f.wait = wait
			f.wait.Delay = min(max(wait.Delay, 0), longestDemand)
		}
	}
	if throttled && f.wait == (Wait{}) && f.told.counts && f.told.left == 0 {
		// No Retry-After, but the end of the window.
		f.wait.Delay = min(time.Until(f.told.reset), longestDemand)
	}
}

// classOf returns the class that follows from a status alone (RFC 9110, section
// 15; RFC 7644, section 3.12). A write that may have happened becomes Lost in
// the retry layer.
func classOf(status int) connectors.Class {
	switch status {
	case http.StatusUnauthorized:
		return connectors.Unauthorized
	case http.StatusForbidden:
		return connectors.Forbidden
	case http.StatusNotFound, http.StatusGone:
		return connectors.Missing
	case http.StatusConflict, http.StatusPreconditionFailed:
		return connectors.Conflict
	case http.StatusTooManyRequests:
		return connectors.Throttled
	case http.StatusRequestTimeout:
		return connectors.Transient
	case http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return connectors.Unsupported
	}
	if status >= 400 && status < 500 {
		return connectors.Rejected
	}
	return connectors.Transient
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// describe says in words what a body is that the vendor's decoder did not
// understand. A page is named, not dumped.
func describe(h http.Header, body []byte) string {
	if isHTML(h, body) {
		if title := htmlTitle(body); title != "" {
			// Masked and clipped later, in that order: a secret cut in two
			// would no longer be recognized.
			return fmt.Sprintf("an HTML page titled %q", title)
		}
		return "an HTML page"
	}
	return string(body)
}

func isHTML(h http.Header, body []byte) bool {
	if strings.Contains(strings.ToLower(h.Get("Content-Type")), "html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 256)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

func htmlTitle(body []byte) string {
	lower := bytes.ToLower(body)
	// Lower case may change the length of text that is not ASCII.
	if len(lower) != len(body) {
		body = lower
	}
	open := bytes.Index(lower, []byte("<title"))
	if open < 0 {
		return ""
	}
	start := bytes.IndexByte(lower[open:], '>')
	if start < 0 {
		return ""
	}
	start += open + 1
	length := bytes.Index(lower[start:], []byte("</title"))
	if length < 0 {
		return ""
	}
	return clean(html.UnescapeString(string(body[start : start+length])))
}
