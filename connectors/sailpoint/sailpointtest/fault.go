package sailpointtest

import (
	"fmt"
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

// Effect is what a fault does to a request. The first of Hangup, Throttle, Status
// and Truncate that is set decides; with none of them the request is answered as
// usual, after Do and Latency.
type Effect struct {
	// Do runs before anything else: somebody changes the world meanwhile.
	Do func()
	// Latency delays the answer.
	Latency time.Duration
	// Hangup closes the connection without an answer.
	Hangup bool
	// Throttle answers 429, with Retry-After where it is more than a
	// nanosecond.
	Throttle time.Duration
	// Status answers with this status and SailPoint's error body, or with Body
	// where it is set.
	Status int
	Body   string
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

// Call returns a Match for requests of one call, whatever the version: the method
// and path of Requests, such as "GET /accounts".
func (s *Server) Call(name string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		e, _, _ := s.route(r)
		return e.name == name
	}
}

// Path returns a Match for requests whose path ends in suffix.
func Path(suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, suffix) }
}

// strike lets the first fault that is due happen and reports whether the request
// is answered.
func (s *Server) strike(c *call) bool {
	effect, due := s.due(c.r)
	if !due {
		return false
	}
	if effect.Do != nil {
		effect.Do()
	}
	if !wait(c.r.Context(), effect.Latency) {
		return true
	}
	switch {
	case effect.Hangup:
		hangup(c.w)
	case effect.Throttle > 0:
		c.throttle(effect.Throttle.Truncate(time.Second))
	case effect.Status != 0 && effect.Body != "":
		c.w.Header().Set("Content-Type", "application/json")
		c.w.WriteHeader(effect.Status)
		_, _ = c.w.Write([]byte(effect.Body))
	case effect.Status != 0:
		c.fail(failure{status: effect.Status, code: fmt.Sprintf("%d.0", effect.Status), text: http.StatusText(effect.Status)})
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
