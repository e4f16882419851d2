package oktatest

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

// Fault is something that goes wrong, on schedule; Server's Inject schedules it.
type Fault = faulttest.Fault[Effect]

// Effect is what a fault does to a request. The first of Hangup, Throttle,
// Status and Truncate that is set decides; with none of them the request is
// answered as usual after Latency.
type Effect struct {
	// Latency delays the answer.
	Latency time.Duration
	// Hangup closes the connection without an answer.
	Hangup bool
	// Throttle answers 429 E0000047.
	Throttle Throttle
	// Status answers with this status, Okta's error body and Code, or with
	// Body and Header when those are set.
	Status  int
	Code    string
	Summary string
	Header  http.Header
	Body    string
	// BodyOf returns the body in place of Body.
	BodyOf func(*http.Request) string
	// Link returns where the next page is, for an answer with Body.
	Link func(*http.Request) string
	// Truncate announces the whole answer, sends that many bytes of it and
	// closes the connection.
	Truncate int
}

// Throttle is the form of a 429.
type Throttle int

// The forms. ThrottleBare has neither a reset nor a Date.
const (
	NoThrottle Throttle = iota
	ThrottleReset
	ThrottleBare
	ThrottleConcurrent
)

// Path returns a Match for requests of one path, which may end in * for a
// prefix, or hold * for one segment.
func Path(pattern string) func(*http.Request) bool {
	want := strings.Split(pattern, "/")
	return func(r *http.Request) bool {
		got := strings.Split(r.URL.Path, "/")
		for i, segment := range want {
			if i == len(want)-1 && segment == "*" {
				return len(got) > i
			}
			if i >= len(got) || segment != "*" && segment != got[i] {
				return false
			}
		}
		return len(got) == len(want)
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
	h := c.w.Header()
	switch {
	case effect.Hangup:
		faulttest.Hangup(c.w)
	case effect.Throttle != NoThrottle:
		switch effect.Throttle {
		case ThrottleBare:
			h["Date"] = nil
			for _, name := range []string{"X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"} {
				h.Del(name)
			}
		case ThrottleConcurrent:
			setRate(h, 0, 0, c.now.Add(time.Minute))
		default:
			setRate(h, 600, 0, c.now)
		}
		c.fail(failure{status: http.StatusTooManyRequests, code: "E0000047", summary: "API call exceeded rate limit due to too many requests."})
	case effect.Status != 0 && (effect.Body != "" || effect.Header != nil):
		h.Set("Content-Type", "application/json")
		maps.Copy(h, effect.Header)
		if effect.Link != nil {
			h.Set("Link", "<"+effect.Link(c.r)+`>; rel="next"`)
		}
		body := effect.Body
		if effect.BodyOf != nil {
			body = effect.BodyOf(c.r)
		}
		c.w.WriteHeader(effect.Status)
		_, _ = c.w.Write([]byte(body))
	case effect.Status != 0:
		c.fail(failure{status: effect.Status, code: effect.Code, summary: effect.Summary})
	case effect.Truncate > 0:
		c.w = faulttest.Truncate(c.w, effect.Truncate)
		return false
	default:
		return false
	}
	return true
}
