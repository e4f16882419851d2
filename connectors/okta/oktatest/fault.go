package oktatest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Fault is something that goes wrong, on schedule.
type Fault struct {
	// ID names the fault in Unfired.
	ID string
	// Match says which requests it is for; nil means all.
	Match func(*http.Request) bool
	// Skip lets that many matching requests pass first.
	Skip int
	// Times bounds how often it fires; zero means always.
	Times int
	// MinFires is how often it must fire for the test to mean anything.
	MinFires int
	// Effect is what happens.
	Effect Effect
}

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

type scheduled struct {
	Fault
	seen, fired int
}

// Inject schedules faults, after those already there.
func (s *Server) Inject(faults ...Fault) {
	s.schedule.Lock()
	defer s.schedule.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &scheduled{Fault: f})
	}
}

// ClearFaults drops every fault.
func (s *Server) ClearFaults() {
	s.schedule.Lock()
	defer s.schedule.Unlock()
	s.faults = nil
}

// Fired returns how often the fault with that ID has fired.
func (s *Server) Fired(id string) int {
	s.schedule.Lock()
	defer s.schedule.Unlock()
	fired := 0
	for _, f := range s.faults {
		if f.ID == id {
			fired += f.fired
		}
	}
	return fired
}

// Unfired names every fault that fired less often than it must.
func (s *Server) Unfired() []string {
	s.schedule.Lock()
	defer s.schedule.Unlock()
	var names []string
	for _, f := range s.faults {
		if f.fired < f.MinFires {
			names = append(names, fmt.Sprintf("%s: fired %d of %d times", f.ID, f.fired, f.MinFires))
		}
	}
	return names
}

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
	effect, due := s.due(c.r)
	if !due {
		return false
	}
	if !wait(c.r.Context(), effect.Latency) {
		return true
	}
	h := c.w.Header()
	switch {
	case effect.Hangup:
		hangup(c.w)
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
		c.w = &truncating{ResponseWriter: c.w, keep: effect.Truncate}
		return false
	default:
		return false
	}
	return true
}

func (s *Server) due(r *http.Request) (Effect, bool) {
	s.schedule.Lock()
	defer s.schedule.Unlock()
	for _, f := range s.faults {
		if f.Match != nil && !f.Match(r) {
			continue
		}
		f.seen++
		if f.seen <= f.Skip || f.Times > 0 && f.fired >= f.Times {
			continue
		}
		f.fired++
		return f.Effect, true
	}
	return Effect{}, false
}

// hangup closes the connection with nothing sent, so that the client reads EOF.
func hangup(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// truncating sends a part of an answer and then gives up.
type truncating struct {
	http.ResponseWriter
	keep int
}

func (t *truncating) Write(p []byte) (int, error) {
	t.Header().Set("Content-Length", fmt.Sprint(len(p)))
	if t.keep < len(p) {
		p = p[:t.keep]
	}
	_, _ = t.ResponseWriter.Write(p)
	_ = http.NewResponseController(t.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// Unwrap lets http.ResponseController reach the writer below.
func (t *truncating) Unwrap() http.ResponseWriter { return t.ResponseWriter }
