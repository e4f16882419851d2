// Package rest is the one layer between scimsync and the wire: it paces,
// retries, authorizes, keeps credentials at home, bounds answers and turns every
// failed answer into a *connectors.Error. It is the one place that reads an HTTP
// status code.
//
// It is not an API client: URLs, JSON and paging belong to the vendors. Each
// concern is an http.RoundTripper in a file of its own; NewClient stacks them,
// from the caller to the wire:
//
//	seal       every error is a *connectors.Error without credential or query
//	origin     refuses every other origin before anything is sent
//	retry      waits and repeats what may safely be repeated
//	pace       rate and concurrency, learned from the answers
//	classify   a status of 400 or more, or a stray redirect, becomes a fault
//	authorize  adds the credential; one fresh credential on 401
//	dress      adds the user's headers and the user agent
//	bound      a try ends in time; its answer is read whole, up to a size, and counted
//
// A vendor calls Do, or hands the client to its SDK, and passes what comes back
// through Wrap. JoinPath, ResolveLink, NextLinks and ReadJSON are the parts of
// URL and body handling in which a mistake would leak a credential or cut a
// listing short.
package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// Config says how to reach one API.
type Config struct {
	// Base is the address of the API. Requests go to its scheme, host and
	// port, at or below its path, and nowhere else. Plain http is refused
	// outside loopback.
	Base *url.URL
	// Auth adds the credential to each request; nil sends none (an SDK may
	// have set one itself).
	Auth Auth
	// HTTP are the user's transport settings.
	HTTP connectors.HTTP
	// Limits bound the pace; zero values are learned.
	Limits connectors.Limits
	// Decode reads the vendor's error body, of which it sees at most 64 KiB.
	// It may leave everything empty.
	Decode func(status int, header http.Header, body []byte) Failure
	// Reset reads the vendor's own rate-limit headers of a throttled answer;
	// nil, or a zero Wait, reads Retry-After only.
	Reset func(header http.Header) Wait
	// Repeatable says which requests beyond GET, HEAD, PUT and DELETE may be
	// sent again after an answer was lost; nil means none.
	Repeatable func(*http.Request) bool
	// MaxBody bounds an answer, after decompression, in bytes; 0 means 64 MiB.
	// An answer beyond it is an error with CodeAnswerTooLarge.
	MaxBody int64
	// MaxBodyOf bounds the answer to one request, where MaxBody would let a
	// hostile server fill the memory with what is known to be small; nil, or
	// an answer of 0, leaves MaxBody.
	MaxBodyOf func(*http.Request) int64
	// Streamed says which answers may hold more than MaxValues values, because
	// who reads them decodes them piece by piece and counts; nil means none. Any
	// other that does is an error with CodeAnswerTooLarge.
	Streamed func(*http.Request) bool
	// UTF8 refuses an answer of JSON that is not UTF-8 (RFC 8259, section 8.1).
	// encoding/json says nothing and puts U+FFFD for each byte that is not,
	// which would damage what is written on from there.
	UTF8 bool

	Runtime connectors.Runtime
}

// CodeAnswerTooLarge is the code of an answer that is larger than is read, in bytes
// or values, of class Incomplete, or Lost after a write: a smaller page may do.
const CodeAnswerTooLarge = "answerTooLarge"

// Failure is what a vendor's error body says.
type Failure struct {
	// Class overrides the class that follows from the status; empty keeps it.
	Class connectors.Class
	// Code is the vendor's code, Message its text for people.
	Code, Message string
}

// Auth adds a credential to requests for the API's own origin.
type Auth interface {
	// Authorize sets the credential on r, in its headers only.
	Authorize(ctx context.Context, r *http.Request) error
	// Refresh is called once after a 401. It reads or fetches the
	// credential anew and reports whether it differs, so that one more try
	// makes sense.
	Refresh(ctx context.Context) (changed bool, err error)
}

const (
	defaultTimeout = 60 * time.Second
	defaultMaxBody = 64 << 20
)

// NewClient returns a client for one API. It does not connect and reads no
// secret; it fails where the settings cannot work. The client is safe for
// concurrent use. Its answers are whole (their bodies are in memory) and its
// errors carry a *connectors.Error; the *url.Error that net/http puts around
// them shows the query string, so use Do, or pass errors through Wrap.
func NewClient(cfg Config) (*http.Client, error) {
	own, err := newOrigin(cfg.Base)
	if err != nil {
		return nil, err
	}
	if err := checkHeaders(cfg.HTTP.Headers); err != nil {
		return nil, err
	}
	wire, err := newWire(own, cfg.HTTP, poolSize(cfg.Limits))
	if err != nil {
		return nil, err
	}
	return newStack(cfg, own, wire, patient()), nil
}

// newStack puts the layers on top of wire.
func newStack(cfg Config, own origin, wire http.RoundTripper, p patience) *http.Client {
	if cfg.Runtime.Traffic == nil {
		cfg.Runtime.Traffic = new(connectors.Traffic)
	}
	if cfg.Runtime.Log == nil {
		cfg.Runtime.Log = slog.New(slog.DiscardHandler)
	}
	hide := newMask()
	hide.learnHeaders(cfg.HTTP.Headers)

	var rt http.RoundTripper = &bound{
		next: wire, timeout: timeoutOf(cfg.HTTP), max: maxBody(cfg.MaxBody), maxOf: cfg.MaxBodyOf,
		streamed: cfg.Streamed, utf8: cfg.UTF8, traffic: cfg.Runtime.Traffic, large: newLock(),
	}
	rt = &dress{next: rt, headers: cfg.HTTP.Headers, agent: cfg.Runtime.UserAgent}
	rt = &authorize{next: rt, auth: cfg.Auth, hide: hide, traffic: cfg.Runtime.Traffic, renewing: newLock()}
	rt = &classify{next: rt, own: own, decode: cfg.Decode, reset: cfg.Reset}
	gate := gateOf(cfg, p.longest)
	rt = &pace{next: rt, gate: gate, traffic: cfg.Runtime.Traffic}
	rt = &retry{
		next: rt, patience: p, repeatable: cfg.Repeatable, hide: hide,
		traffic: cfg.Runtime.Traffic, log: cfg.Runtime.Log,
	}
	rt = &guard{next: rt, own: own}
	rt = &seal{next: rt, wire: wire, hide: hide, gate: gate}
	return &http.Client{Transport: rt, CheckRedirect: own.checkRedirect}
}

// gateOf returns the gate of all clients with these settings, or one of its own.
func gateOf(cfg Config, longest time.Duration) *gate {
	begin := func() any { return newGate(cfg.Limits, longest) }
	if cfg.Runtime.Learned != nil {
		if shared, ok := cfg.Runtime.Learned.Or(begin).(*gate); ok {
			return shared
		}
	}
	return newGate(cfg.Limits, longest)
}

// PaceOf returns how fast a client of NewClient goes by now; the zero Pace for any
// other client.
func PaceOf(client *http.Client) connectors.Pace {
	if t, ok := client.Transport.(*seal); ok {
		return t.gate.pace()
	}
	return connectors.Pace{}
}

func timeoutOf(h connectors.HTTP) time.Duration {
	if h.Timeout > 0 {
		return time.Duration(h.Timeout)
	}
	return defaultTimeout
}

func maxBody(n int64) int64 {
	if n > 0 {
		return n
	}
	return defaultMaxBody
}

// lock is a mutex whose wait ends with the context.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) release() { <-l }

// closeBody does what RoundTrip owes the caller when it sends nothing.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // nothing was read from it, so nothing can be lost
	}
}

// sleep waits for d or until ctx ends, and returns ctx's error then.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errNoBase = errors.New("no address given: set url")
