package rest

import (
	"net/http"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// fault is one try that did not succeed, as the layers tell it each other. It
// never leaves the package: seal makes a *connectors.Error of it.
type fault struct {
	class connectors.Class
	code  string // the vendor's
	text  string // for people; masked, cleaned and cut by seal
	note  string // our own addition, never cut: the status, the number of tries
	// sent says that the request may have reached the other side.
	sent bool
	// stale says that a kept-alive connection had been closed before the
	// request was written to it, so that a new one may be tried at once.
	stale bool
	// final says that trying again would not change the answer.
	final bool
	// slow says that the other side asked to slow down.
	slow bool
	wait Wait
	// pause is how long the gate lets nothing through for it.
	pause time.Duration
	// told is what the answer's headers say about limits.
	told report
	// cause is the caller's own context error, or nil. No other error is
	// kept: its text might hold an address, and the Okta SDK repeats
	// without end whatever has io.EOF in its chain.
	cause error
}

// Error returns the text.
func (f *fault) Error() string { return f.text }

// Unwrap returns the caller's context error, if that ended the try.
func (f *fault) Unwrap() error { return f.cause }

// Wait is what a throttled answer asks for.
type Wait struct {
	// Delay is how long nothing should be sent. Zero means that the other
	// side did not say.
	Delay time.Duration
	// Concurrent says that too many requests were open at once (Okta: both
	// X-Rate-Limit-Limit and -Remaining are 0): fewer workers and a short
	// retry help, a pause does not.
	Concurrent bool
}

// Error text names the parts of an answer up to these sizes.
const (
	maxText = 300
	maxCode = 100
	maxPath = 200
)

// idempotent reports whether a method may be repeated after its answer was lost
// (RFC 9110, section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, "":
		return true
	}
	return false
}
