package scimtest

import (
	"errors"
	"strings"
	"time"
)

// Options say how a Server behaves. The zero value of everything but the
// credential is a strict and complete server.
type Options struct {
	// Token is the bearer token a request must carry. Username and Password
	// admit HTTP basic authentication as well or instead. One of the two is
	// required.
	Token              string
	Username, Password string

	// BasePath is where the service begins; default /scim/v2.
	BasePath string
	// File keeps the resources over a restart, also after a SIGKILL; empty
	// keeps them in memory only. One server at a time may use a file.
	File string

	// PageSize is the most resources one page holds, and how many it holds
	// when the client names no count; default 100.
	PageSize int
	// MaxBody is the largest request body in bytes; default 1 MiB. A larger
	// one is answered 413.
	MaxBody int64
	// Latency is added to every SCIM request.
	Latency time.Duration
	// RateLimit answers 429 beyond the rate; zero is no limit.
	RateLimit RateLimit

	// Lenient accepts what the RFCs do not allow and many clients send:
	// unknown attributes and schema URNs (ignored), booleans as strings,
	// PATCH operations with a capital letter, dotted keys in a PATCH without
	// path, a value list with remove, and removals that match nothing.
	Lenient bool
	// SharedGroupNames lets several groups have one displayName.
	SharedGroupNames bool
	// NoETag leaves out meta.version, ETag, If-Match and If-None-Match (RFC
	// 7644, section 3.14).
	NoETag bool
	// CursorPaging offers the cursors of RFC 9865 beside startIndex.
	CursorPaging bool
	// PatchNoContent answers PATCH with 204 instead of 200 and the resource;
	// RFC 7644, section 3.5.2, allows both.
	PatchNoContent bool

	// LogRequests keeps that many of the latest requests with their bodies,
	// for Log; default 0. Credentials are never kept.
	LogRequests int

	// Hazards are the faults to begin with; see SetHazards.
	Hazards Hazards
}

// RateLimit is a token bucket: PerSecond requests a second in the long run,
// Burst at once. A Burst below 1 counts as 1.
type RateLimit struct {
	PerSecond float64
	Burst     int
}

const (
	defaultBasePath = "/scim/v2"
	defaultPageSize = 100
	defaultMaxBody  = 1 << 20
)

var errNoCredential = errors.New("the server has no credential: set Options.Token, or Options.Username and Options.Password")

func (o Options) withDefaults() (Options, error) {
	if o.Token == "" && (o.Username == "" || o.Password == "") {
		return o, errNoCredential
	}
	if o.BasePath == "" {
		o.BasePath = defaultBasePath
	}
	o.BasePath = "/" + strings.Trim(o.BasePath, "/")
	if o.PageSize <= 0 {
		o.PageSize = defaultPageSize
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	return o, nil
}
