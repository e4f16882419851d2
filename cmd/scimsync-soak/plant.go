package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// plants are violations put into what was seen, by name, to show that the judge
// finds them: make soak SOAKFLAGS='-plant overlap'.
func plants() map[string]func(*evidence) {
	last := func(e *evidence) *run { return &e.runs[len(e.runs)-1] }
	longest := func(e *evidence) *life {
		at := 0
		for i, l := range e.lives {
			if l.down.Sub(l.up) > e.lives[at].down.Sub(e.lives[at].up) {
				at = i
			}
		}
		return &e.lives[at]
	}
	return map[string]func(*evidence){
		"drift":  func(e *evidence) { e.secondPlan = 5 },
		"people": func(e *evidence) { e.application++ },
		"still":  func(e *evidence) { e.changes = 0 },
		"exit":   func(e *evidence) { e.lives[len(e.lives)-1].code = 1 },
		"crash":  func(e *evidence) { e.lives[0].ending, e.lives[0].code = byItself, 2 },
		"failed": func(e *evidence) { last(e).result = "failed" },
		"cut":    func(e *evidence) { last(e).finished = time.Time{} },
		"overlap": func(e *evidence) {
			before := &e.runs[len(e.runs)-2]
			before.finished = last(e).began.Add(time.Second)
		},
		"double": func(e *evidence) {
			again := *last(e)
			again.id += "-again"
			again.began = again.finished.Add(10 * time.Millisecond)
			again.finished = again.began.Add(time.Second)
			e.runs = append(e.runs, again)
		},
		"refire": func(e *evidence) {
			for i := range e.lives {
				for _, s := range e.lives[i].starts {
					if !s.fire.IsZero() {
						s.at = s.at.Add(time.Second)
						e.lives[i].starts = append(e.lives[i].starts, s)
						return
					}
				}
			}
		},
		"missed": func(e *evidence) {
			// Two intervals without a start, in the middle of the longest life.
			l := longest(e)
			middle := l.up.Add(l.down.Sub(l.up) / 2)
			from, until := middle.Add(-every-every/2), middle.Add(every+every/2)
			inside := func(t time.Time) bool { return t.After(from) && t.Before(until) }
			l.starts = slices.DeleteFunc(l.starts, func(s start) bool { return inside(s.at) })
			e.runs = slices.DeleteFunc(e.runs, func(r run) bool { return inside(r.began) })
			e.hooks = slices.DeleteFunc(e.hooks, inside)
		},
		"unanswered": func(e *evidence) {
			l := longest(e)
			at := l.down.Add(-3 * every)
			e.hooks = append(e.hooks, at)
			e.runs = slices.DeleteFunc(e.runs, func(r run) bool { return !r.began.Before(at) })
		},
		"memory": func(e *evidence) {
			for i := range longest(e).samples {
				longest(e).samples[i].rss += int64(i) << 20
			}
		},
		"goroutines": func(e *evidence) {
			for i := range longest(e).samples {
				longest(e).samples[i].goroutines += i
			}
		},
	}
}

func plantNames() string { return strings.Join(slices.Sorted(maps.Keys(plants())), ", ") }

// plant puts a violation into the evidence.
func plant(name string, e *evidence) error {
	do, ok := plants()[name]
	if !ok {
		return fmt.Errorf("-plant takes one of %s", plantNames())
	}
	do(e)
	return nil
}
