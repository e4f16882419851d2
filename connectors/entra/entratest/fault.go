package entratest

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

// Fault is something that goes wrong, on schedule; Server's Inject schedules it.
type Fault = faulttest.Fault[Effect]

// Effect is what a fault does to a request. The first of Hangup, Throttle,
// Status and Truncate that is set decides; with none of them the request is
// answered as usual after Latency and Do.
type Effect struct {
	// Latency delays the answer.
	Latency time.Duration
	// Do is called first: an administrator changes something just now.
	Do func()
	// Hangup closes the connection without an answer.
	Hangup bool
	// Throttle answers 429; RetryAfter is how long to wait, and left out
	// when zero.
	Throttle   bool
	RetryAfter time.Duration
	// Status answers with this status and Graph's error body, or with Body
	// and Header when Body is set.
	Status  int
	Code    string
	Message string
	Header  http.Header
	Body    string
	// Truncate announces the whole answer, sends that many bytes of it and
	// closes the connection.
	Truncate int
}

// Path returns a Match for requests of one path below /v1.0, such as
// "/users/delta" in any spelling or "/groups/*/members".
func Path(pattern string) func(*http.Request) bool {
	want := strings.Split("/v1.0"+pattern, "/")
	return func(r *http.Request) bool {
		got := strings.Split(r.URL.Path, "/")
		if len(got) != len(want) {
			return false
		}
		for i, segment := range want {
			name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(got[i], "()"), "microsoft."), "graph.")
			if segment != "*" && segment != got[i] && segment != name {
				return false
			}
		}
		return true
	}
}

// Next narrows a Match to requests for a page after the first.
func Next(match func(*http.Request) bool) func(*http.Request) bool {
	return func(r *http.Request) bool {
		_, later := parameter(r.URL.Query(), "$skiptoken")
		return later && match(r)
	}
}

// strike lets the first fault that is due happen and reports whether the
// request is answered.
func (s *Server) strike(c *call) bool {
	effect, due := s.Due(c.r)
	if !due {
		return false
	}
	if !faulttest.Wait(c.r.Context(), effect.Latency) {
		return true
	}
	if effect.Do != nil {
		effect.Do()
	}
	h := c.w.Header()
	switch {
	case effect.Hangup:
		faulttest.Hangup(c.w)
	case effect.Throttle:
		if effect.RetryAfter > 0 {
			h.Set("Retry-After", strconv.Itoa(int((effect.RetryAfter+time.Second-1)/time.Second)))
		}
		c.fail(http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
	case effect.Status != 0:
		maps.Copy(h, effect.Header)
		if effect.Body == "" {
			c.fail(effect.Status, effect.Code, effect.Message)
			return true
		}
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/json")
		}
		c.w.WriteHeader(effect.Status)
		_, _ = c.w.Write([]byte(effect.Body))
	case effect.Truncate > 0:
		c.w = faulttest.Truncate(c.w, effect.Truncate)
		return false
	default:
		return false
	}
	return true
}
