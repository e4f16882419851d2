// Package rest is the one layer between scimsync and the wire: it paces,
// retries, authorizes, keeps credentials at home, bounds answers and turns every
// failed answer into a *connectors.Error. It is the one place that reads an HTTP
// status code.
//
// It is not an API client: URLs, JSON and paging belong to the vendors. Each
// concern is an http.RoundTripper in a file of its own; NewClient stacks them,
// from the caller to the wire:
//
//	deadline   every call ends, whatever the other side does
//	redact     no credential or query string in an error
//	retry      waits and repeats what may safely be repeated
//	classify   a status of 400 or more becomes *connectors.Error
//	pace       rate and concurrency, learned from the answers
//	authorize  adds the credential; one fresh credential on 401
//	origin     refuses every other origin, link and redirect
//	bound      limits the size of an answer, and EOF in mid-answer is an error
package rest

import (
	"context"
	"net/http"
	"net/url"

	"github.com/scimsync/scimsync/connectors"
)

// Config says how to reach one API.
type Config struct {
	// Base is the address of the API. Requests go to its scheme, host and
	// port, at or below its path, and nowhere else. Plain http is refused
	// outside loopback.
	Base *url.URL
	// Auth adds the credential to each request; nil sends none.
	Auth Auth
	// HTTP are the user's transport settings.
	HTTP connectors.HTTP
	// Limits bound the pace; zero values are learned.
	Limits connectors.Limits
	// Decode reads the vendor's error body. It may leave everything empty.
	Decode func(status int, header http.Header, body []byte) Failure
	// Reset reads the vendor's own rate-limit headers of a throttled answer;
	// nil reads Retry-After only.
	Reset func(header http.Header) Wait
	// Repeatable says which requests beyond GET, HEAD, PUT and DELETE may be
	// sent again after an answer was lost; nil means none.
	Repeatable func(*http.Request) bool
	// MaxBody bounds an answer, after decompression, in bytes; 0 means 64 MiB.
	MaxBody int64

	Runtime connectors.Runtime
}

// Failure is what a vendor's error body says.
type Failure struct {
	// Class overrides the class that follows from the status; empty keeps it.
	Class connectors.Class
	// Code is the vendor's code, Message its text for people.
	Code, Message string
}

// Auth adds a credential to requests for the API's own origin.
type Auth interface {
	// Authorize sets the credential on r.
	Authorize(ctx context.Context, r *http.Request) error
	// Refresh is called once after a 401. It reads or fetches the
	// credential anew and reports whether it differs, so that one more try
	// makes sense.
	Refresh(ctx context.Context) (changed bool, err error)
}
