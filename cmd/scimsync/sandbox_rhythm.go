package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	leastPause = 10 * time.Millisecond
	mostPause  = 24 * time.Hour
)

// paceProblem says what a pause between two changes has to be, or "" where it is;
// zero makes none.
func paceProblem(every time.Duration) string {
	if every != 0 && (every < leastPause || every > mostPause) {
		return fmt.Sprintf("%s to %s, or 0 for no changes", leastPause, mostPause)
	}
	return ""
}

// rhythm lets a churn take a step at each interval, and can be asked and set over
// HTTP:
//
//	GET /sandbox/churn              {"every": "2s", "changes": 17}
//	PUT /sandbox/churn?every=500ms  0 stops it
type rhythm struct {
	churn *churn
	say   streams

	mu      sync.Mutex
	every   time.Duration
	changes int
	reset   chan struct{} // closed when every has changed
}

func newRhythm(c *churn, s streams) *rhythm {
	return &rhythm{churn: c, say: s, reset: make(chan struct{})}
}

// set changes the interval; zero stops. A step that is being taken is finished
// first.
func (h *rhythm) set(every time.Duration) error {
	if problem := paceProblem(every); problem != "" {
		return fmt.Errorf("every takes %s", problem)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.every = every
	close(h.reset)
	h.reset = make(chan struct{})
	return nil
}

// run takes the steps until the context ends.
func (h *rhythm) run(ctx context.Context) {
	for {
		h.mu.Lock()
		every, reset := h.every, h.reset
		h.mu.Unlock()
		var due <-chan time.Time
		if every > 0 {
			due = time.After(every)
		}
		select {
		case <-due:
			h.step(reset)
		case <-reset:
		case <-ctx.Done():
			return
		}
	}
}

// step takes a step, unless the interval has been changed since it was due.
func (h *rhythm) step(reset <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if reset != h.reset {
		return
	}
	h.say.say("%s", h.churn.step())
	h.changes++
}

// ServeHTTP answers below /sandbox/churn.
func (h *rhythm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut:
		every, err := time.ParseDuration(r.URL.Query().Get("every"))
		if err == nil {
			err = h.set(every)
		}
		if err != nil {
			http.Error(w, "every: "+err.Error()+"; for example: curl -X PUT '…/sandbox/churn?every=2s'", http.StatusBadRequest)
			return
		}
	default:
		w.Header().Set("Allow", "GET, PUT")
		http.Error(w, "GET shows the churn, PUT ?every=2s sets it, 0 stops it", http.StatusMethodNotAllowed)
		return
	}
	h.mu.Lock()
	answer := struct {
		Every   string `json:"every"`
		Changes int    `json:"changes"`
	}{h.every.String(), h.changes}
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that has gone away is its own business
}
