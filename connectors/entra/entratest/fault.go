package entratest

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
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
	effect, due := s.due(c.r)
	if !due {
		return false
	}
	if !wait(c.r.Context(), effect.Latency) {
		return true
	}
	if effect.Do != nil {
		effect.Do()
	}
	h := c.w.Header()
	switch {
	case effect.Hangup:
		hangup(c.w)
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
	if t.keep < len(p) {
		p = p[:t.keep]
	}
	_, _ = t.ResponseWriter.Write(p)
	_ = http.NewResponseController(t.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// Unwrap lets http.ResponseController reach the writer below.
func (t *truncating) Unwrap() http.ResponseWriter { return t.ResponseWriter }
