// Package faulttest is the schedule of what goes wrong at a fake vendor: which
// requests a fault is for, how many it lets pass, how often it fires, and whether
// it fired as often as the test needs.
//
// It does not know what a fault does: each fake has an Effect of its own, in its
// vendor's words. Only the fakes import it.
package faulttest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Fault is something that goes wrong, on schedule. E is what happens.
type Fault[E any] struct {
	// ID names the fault in Fired and Unfired.
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
	Effect E
}

type scheduled[E any] struct {
	Fault[E]

	seen, fired int
}

// Schedule holds the faults of one server. The zero value has none. It is safe for
// concurrent use, and has a lock of its own, so that a Match may call any method
// of the server but those of its schedule.
type Schedule[E any] struct {
	mu     sync.Mutex
	faults []*scheduled[E]
}

// Inject schedules faults, after those already there.
func (s *Schedule[E]) Inject(faults ...Fault[E]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &scheduled[E]{Fault: f})
	}
}

// ClearFaults drops every fault.
func (s *Schedule[E]) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Fired returns how often the faults with that ID have fired.
func (s *Schedule[E]) Fired(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	fired := 0
	for _, f := range s.faults {
		if f.ID == id {
			fired += f.fired
		}
	}
	return fired
}

// Unfired names every fault that fired less often than it must.
func (s *Schedule[E]) Unfired() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, f := range s.faults {
		if f.fired < f.MinFires {
			names = append(names, fmt.Sprintf("%s: fired %d of %d times", f.ID, f.fired, f.MinFires))
		}
	}
	return names
}

// Due returns the effect of the first fault that is due for a request, and counts
// it as fired; false where none is.
func (s *Schedule[E]) Due(r *http.Request) (E, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
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
	var none E
	return none, false
}

// Wait returns after d, and false when the client went away first.
func Wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Hangup closes the connection with nothing sent, so that the client reads EOF.
// Where the connection cannot be had, it panics with http.ErrAbortHandler.
func Hangup(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// Truncate returns a writer that announces the first piece written to it as the
// whole answer, sends keep bytes of it and gives up, by a panic with
// http.ErrAbortHandler.
func Truncate(w http.ResponseWriter, keep int) http.ResponseWriter {
	return &truncating{ResponseWriter: w, keep: keep}
}

type truncating struct {
	http.ResponseWriter

	keep int
}

func (t *truncating) Write(p []byte) (int, error) {
	t.Header().Set("Content-Length", strconv.Itoa(len(p)))
	_, _ = t.ResponseWriter.Write(p[:min(t.keep, len(p))])
	_ = http.NewResponseController(t.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// Unwrap lets http.ResponseController reach the writer below.
func (t *truncating) Unwrap() http.ResponseWriter { return t.ResponseWriter }
