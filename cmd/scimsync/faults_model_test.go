package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// faultyRuns is how many runs a part of the test below makes: $SCIMSYNC_FAULT_RUNS,
// or few enough for every day. A nightly run takes some hundreds.
func faultyRuns(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SCIMSYNC_FAULT_RUNS")
	if text == "" {
		return 2
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SCIMSYNC_FAULT_RUNS takes a number, not %q", text)
	}
	return n
}

// struck is a model among whose operations are syncs that something goes wrong
// with.
type struck struct {
	*model

	u     *unruly
	done  []string
	fired map[string]int
}

// strike draws a mishap and a place and lets a sync meet it, once or for a while.
func (s *struck) strike() {
	place := rapid.SampledFrom([]at{atReading, atListing, atMaking, atEditing, atJoining}).Draw(s.draw, "place")
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(mishaps()))).Draw(s.draw, "mishap")
	times := rapid.IntRange(1, 2).Draw(s.draw, "times")
	s.done = append(s.done, fmt.Sprintf("%s while %s, %d times", name, place, times))
	before := s.enabled()
	trap := s.u.arm(place, times, mishaps()[name])
	r := s.u.run("sync")
	s.fired[name] += trap.disarm()
	switch r.code {
	case exitDone, exitPartial, exitUnauthorized, exitIncomplete, exitHeld:
	default:
		s.t.Fatalf("after %v: %s", s.done, r)
	}
	s.guarded(before, r)
}

// guarded demands that a run took away no more than the guard lets pass, and
// nothing that is not ours.
func (s *struck) guarded(before map[string]bool, r ran) {
	lost, now := 0, s.enabled()
	for login := range before {
		if !now[login] {
			lost++
		}
	}
	if lost > 1 {
		s.t.Fatalf("after %v: %d accounts were switched off in one run, beyond the guard\n%s", s.done, lost, r)
	}
	if problem := s.foreignDiffers(); problem != "" {
		s.t.Fatalf("after %v: %s\n%s", s.done, problem, r)
	}
}

// rests lets quiet runs follow, each ten minutes after the other, and removals that
// a guard holds be allowed: the target has to become what the model expects.
func (s *struck) rests() {
	problem := ""
	for range 4 {
		s.u.ahead += tenMinutes
		before := s.enabled()
		r := s.u.run("sync")
		s.guarded(before, r)
		if r.code == exitHeld {
			held := s.world.json(exitDone, "plan").Summary.Held
			r = s.u.run("sync", "--allow-removals", fmt.Sprint(held))
		}
		if r.code != exitDone {
			problem = r.String()
			continue
		}
		if problem = s.differs(); problem == "" {
			for _, p := range s.people {
				if p.active {
					s.served[p.login] = true
				}
			}
			return
		}
	}
	s.t.Fatalf("after %v and four quiet runs: %s", s.done, problem)
}

// Whatever happens on both sides and goes wrong between them, a while after the
// trouble is over the target is what the source says, and no run removes more than
// the guard lets pass.
func TestModelWithFaults(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"full": "", "delta": nightly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs, limit, failed := 0, faultyRuns(t), false
			fired := map[string]int{}
			rapid.Check(t, func(rt *rapid.T) {
				// A failure is run again to be made small.
				if runs++; runs > limit && !failed {
					return
				}
				defer func() { failed = failed || rt.Failed() }()
				u, m := unrulyOkta(t, more)
				m.t, m.draw = rt, rt
				s := &struck{model: m, u: u, fired: fired}
				s.rests()
				operations := m.operations()
				operations["sync"], operations["quiet"] = s.strike, s.rests
				if more != "" {
					// What somebody's hand does at the target is for a
					// full cycle to see.
					delete(operations, "tamper")
					delete(operations, "drop")
				}
				names := slices.Sorted(maps.Keys(operations))
				for range rapid.IntRange(2, 6).Draw(rt, "rounds") {
					for range rapid.IntRange(1, 3).Draw(rt, "operations") {
						name := rapid.SampledFrom(names).Draw(rt, "operation")
						s.done = append(s.done, name)
						operations[name]()
					}
					s.strike()
				}
				s.rests()
			})
			t.Logf("%d runs; mishaps %v", min(runs, limit), fired)
			if total := strings.Count(fmt.Sprint(fired), ":"); total == 0 {
				t.Error("nothing ever went wrong")
			}
		})
	}
}

// The checks of the model under faults see a run that removes too much, and one
// that touches what is not ours.
func TestModelWithFaultsSeesDefects(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*struck){
		"two accounts switched off": func(s *struck) {
			s.world.must(s.world.application.Edit("user", "ada@example.com", "active", false))
			s.world.must(s.world.application.Edit("user", "bob@example.com", "active", false))
		},
		"a foreign account": func(s *struck) { s.foreign[0].Version++ },
	} {
		u, m := unrulyOkta(t, "")
		seen := &witness{}
		s := &struck{model: m, u: u, fired: map[string]int{}}
		s.rests()
		before := s.enabled()
		m.t = seen
		if s.guarded(before, ran{}); seen.failed {
			t.Errorf("%s: seen before it was planted", name)
		}
		plant(s)
		if s.guarded(before, ran{}); !seen.failed {
			t.Errorf("%s is not seen", name)
		}
	}
}

// witness notes that a check failed, and goes on.
type witness struct{ failed bool }

func (w *witness) Helper()               {}
func (w *witness) Fatal(...any)          { w.failed = true }
func (w *witness) Fatalf(string, ...any) { w.failed = true }
