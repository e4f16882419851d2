package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// telling is how scimsync comes to know the rate the target allows.
type telling string

const (
	byConfiguration telling = "configuration"
	byHeaders       telling = "headers"
	byRefusal       telling = "refusal"
)

func (t telling) known() bool {
	return t == byConfiguration || t == byHeaders || t == byRefusal
}

// tellingRate says in every answer what the limit is, as draft-ietf-httpapi-
// ratelimit-headers has it.
func tellingRate(perSecond float64, h http.Handler) http.Handler {
	policy := fmt.Sprintf(`"default";q=%g;w=1`, perSecond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("RateLimit-Policy", policy)
		h.ServeHTTP(w, r)
	})
}

// span counts what is answered from the first write to the last.
type span struct {
	mu          sync.Mutex
	first, last time.Time
	n           int // from the first write on
	upTo        int // of these, up to the last write
}

// timed counts what passes through.
func (s *span) timed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		c := &counter{ResponseWriter: w}
		h.ServeHTTP(c, r)
		s.add(r.Method != http.MethodGet, c.status == http.StatusTooManyRequests, at)
	})
}

func (s *span) add(write, refused bool, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.IsZero() && !write {
		return
	}
	if s.first.IsZero() || at.Before(s.first) {
		s.first = at
	}
	if !refused {
		s.n++
	}
	if write {
		s.upTo = s.n
		if at.After(s.last) {
			s.last = at
		}
	}
}

// take returns the counts and begins anew.
func (s *span) take() (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, took := s.upTo, s.last.Sub(s.first)
	s.first, s.last, s.n, s.upTo = time.Time{}, time.Time{}, 0, 0
	return n, took
}

// limitUsed returns the share of what the target allowed that was used, while it
// was written to and over the whole run.
func (o *options) limitUsed(r result) string {
	s := r.sample
	if o.rate <= 0 || s.Target.total() <= int(o.rate) {
		return ""
	}
	answered := s.Target.total() - s.Target.Statuses[http.StatusTooManyRequests]
	whole := percent(float64(answered) / (o.rate * r.wall.Seconds()))
	if s.Writing <= time.Second {
		return whole + " of the run"
	}
	return percent(float64(s.Written)/(o.rate*s.Writing.Seconds())) + " writing, " + whole + " of the run"
}
