package connectortest

import (
	"net/http"
	"sync"
)

// Fault is one planned misbehaviour of a fake server.
type Fault struct {
	// ID names the fault in failures.
	ID string
	// Match says which requests it is for; nil means every one. It may look
	// at anything but the body.
	Match func(*http.Request) bool
	// Effect is what happens; nil only counts, and lets later faults of the
	// schedule have the request too.
	Effect Effect
	// Skip is the number of matching requests that pass before the first
	// firing: 1 breaks the second page.
	Skip int
	// Times is how often it fires; 0 means from then on always.
	Times int
	// MinFires is how often it must have fired for AssertFired to pass: 0
	// makes it optional.
	MinFires int
}

// Faults is a schedule of faults for one fake server. The zero value lets
// everything pass. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*scheduled
}

type scheduled struct {
	Fault
	seen, fired int
}

// Add puts a fault at the end of the schedule. Of several that match a request,
// the first that is due decides.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &scheduled{Fault: fault})
}

// Wrap returns next with the schedule in front of it. A nil schedule returns
// next itself.
func (f *Faults) Wrap(next http.Handler) http.Handler {
	if f == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if effect := f.due(r); effect != nil {
			effect(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// due counts the request and returns the effect it is to have, or nil.
func (f *Faults) due(r *http.Request) Effect {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.list {
		if s.Match != nil && !s.Match(r) {
			continue
		}
		s.seen++
		if s.seen <= s.Skip || s.Times > 0 && s.fired >= s.Times {
			continue
		}
		s.fired++
		if s.Effect != nil {
			return s.Effect
		}
	}
	return nil
}

// Fired returns how often the fault with the id has fired.
func (f *Faults) Fired(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.list {
		if s.ID == id {
			n += s.fired
		}
	}
	return n
}

// AssertFired fails the test for every fault that fired less often than it
// must: a test whose fault never happened has proved nothing.
func (f *Faults) AssertFired(t T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.list {
		if s.fired < s.MinFires {
			t.Errorf("fault %q fired %d times, must fire at least %d times: of the requests that matched (%d), %d were to pass first", s.ID, s.fired, s.MinFires, s.seen, s.Skip)
		}
	}
}
