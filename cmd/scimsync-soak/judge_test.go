package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound is evidence of a daemon that did everything right for half an hour: a
// stop after five minutes, a kill in the middle of a run after ten, then one long
// life with hooks.
func sound() *evidence {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := &evidence{
		name: "okta", began: begin, ended: begin.Add(30 * time.Minute),
		source: 90, application: 90, changes: 700,
	}
	number := 0
	perform := func(l *life, s start, took time.Duration) {
		number++
		l.starts = append(l.starts, s)
		r := run{id: fmt.Sprint("run-", number), began: s.at.Add(30 * time.Millisecond), result: "done"}
		if took > 0 {
			r.finished = r.began.Add(took)
		} else {
			r.result = ""
		}
		e.runs = append(e.runs, r)
	}
	scheduled := func(at time.Time) start { return start{at: at.Add(3 * time.Second), trigger: "schedule", fire: at} }

	first := life{up: begin.Add(time.Second), down: begin.Add(5 * time.Minute), ending: terminated}
	perform(&first, start{at: first.up, trigger: "missed", fire: first.up}, time.Second)
	for at := first.up.Add(every); at.Add(spread).Before(first.down); at = at.Add(every) {
		perform(&first, scheduled(at), time.Second)
	}
	second := life{up: first.down.Add(2 * time.Second), down: begin.Add(10 * time.Minute), ending: killed, code: -1}
	for at := first.starts[0].fire.Add(5 * every); at.Add(spread).Before(second.down); at = at.Add(every) {
		perform(&second, scheduled(at), time.Second)
	}
	e.hooks = append(e.hooks, second.down.Add(-11*time.Second))
	perform(&second, start{at: second.down.Add(-500 * time.Millisecond), trigger: "hook"}, 0)
	third := life{up: second.down.Add(time.Second), down: e.ended, ending: terminated}
	perform(&third, start{at: third.up.Add(time.Second), trigger: "retry"}, time.Second)
	for at := third.up.Add(30 * time.Second); at.Before(third.down.Add(-time.Minute)); at = at.Add(50 * time.Second) {
		e.hooks = append(e.hooks, at, at.Add(4*time.Second))
		perform(&third, start{at: at.Add(10 * time.Second), trigger: "hook"}, 2*time.Second)
	}
	for at := third.up; at.Before(third.down); at = at.Add(5 * time.Second) {
		third.samples = append(third.samples, sample{at: at, rss: 40 << 20, goroutines: 15 + len(third.samples)%3})
	}
	e.lives = []life{first, second, third}
	return e
}

func TestSound(t *testing.T) {
	t.Parallel()
	for _, violation := range judge(sound()) {
		t.Error(violation)
	}
}

// TestPlants puts in one violation at a time: each is found, and named by the
// words that belong to it.
func TestPlants(t *testing.T) {
	t.Parallel()
	words := map[string]string{
		"drift": "not converged: plan", "people": "91 at the application", "still": "never changed",
		"exit": "ended with 1 on SIGTERM", "crash": "ended by itself with 2", "failed": "ended as failed",
		"cut": "never ended", "overlap": "before run", "double": "2 runs belong to the one start",
		"refire": "two starts answer the fire", "missed": "a run was missed", "unanswered": "no run followed it",
		"memory": "memory grew", "goroutines": "goroutines grew",
	}
	for _, name := range slices.Sorted(maps.Keys(plants())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := sound()
			if err := plant(name, e); err != nil {
				t.Fatal(err)
			}
			found := judge(e)
			if words[name] == "" || !slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, words[name]) }) {
				t.Errorf("found %q, want something about %q", found, words[name])
			}
		})
	}
	if err := plant("nothing", sound()); err == nil {
		t.Error("a plant without a name was planted")
	}
}

// TestCutOff is about runs that a kill cut off, which are the one excuse.
func TestCutOff(t *testing.T) {
	t.Parallel()
	e := sound()
	e.lives[1].ending = terminated
	e.lives[1].code = 0
	found := judge(e)
	if !slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, "never ended") }) {
		t.Errorf("a run that a clean stop cut off is excused: %q", found)
	}
}

// TestInterrupted is about a hook's run that a stop interrupted before it made a
// run: it has answered nothing, so that the one after the restart has its reason.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	e := sound()
	first, second := &e.lives[0], &e.lives[1]
	e.hooks = append([]time.Time{first.down.Add(-11 * time.Second)}, e.hooks...)
	first.starts = append(first.starts, start{at: first.down.Add(-time.Second), trigger: "hook", result: "interrupted"})
	again := start{at: second.up.Add(200 * time.Millisecond), trigger: "hook"}
	second.starts = append([]start{again}, second.starts...)
	e.runs = append(e.runs, run{id: "run-again", began: again.at.Add(time.Millisecond), finished: again.at.Add(time.Second), result: "done"})
	slices.SortFunc(e.runs, func(a, b run) int { return a.began.Compare(b.began) })
	for _, violation := range judge(e) {
		t.Error(violation)
	}
	first.starts[len(first.starts)-1].result = "done"
	if found := judge(e); !slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, "no hook had been called") }) {
		t.Errorf("a run without a reason is excused: %q", found)
	}
}

// TestUnmeasured demands measurements of a life that was long enough for them, and
// none of a short one.
func TestUnmeasured(t *testing.T) {
	t.Parallel()
	e := sound()
	for i := range e.lives[2].samples {
		e.lives[2].samples[i].goroutines = 0
	}
	if found := judge(e); !slices.Equal(found, []string{"okta: goroutines could not be measured"}) {
		t.Errorf("found %q", found)
	}
	short := life{up: e.lives[2].up, down: e.lives[2].up.Add(2 * time.Minute), samples: e.lives[2].samples[:20]}
	for _, f := range figures() {
		if _, measured := short.growth(f); measured {
			t.Errorf("%s of 20 samples, 12 of them of the warm-up, is measured", f.name)
		}
	}
}
