package sailpointtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

// Fault is something that goes wrong, on schedule; Server's Inject schedules it.
type Fault = faulttest.Fault[Effect]

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
	effect, due := s.Due(c.r)
	if !due {
		return false
	}
	if effect.Do != nil {
		effect.Do()
	}
	if !faulttest.Wait(c.r.Context(), effect.Latency) {
		return true
	}
	switch {
	case effect.Hangup:
		faulttest.Hangup(c.w)
	case effect.Throttle > 0:
		c.throttle(effect.Throttle.Truncate(time.Second))
	case effect.Status != 0 && effect.Body != "":
		c.w.Header().Set("Content-Type", "application/json")
		c.w.WriteHeader(effect.Status)
		_, _ = c.w.Write([]byte(effect.Body))
	case effect.Status != 0:
		c.fail(failure{status: effect.Status, code: fmt.Sprintf("%d.0", effect.Status), text: http.StatusText(effect.Status)})
	case effect.Truncate > 0:
		c.w = faulttest.Truncate(c.w, effect.Truncate)
		return false
	default:
		return false
	}
	return true
}
