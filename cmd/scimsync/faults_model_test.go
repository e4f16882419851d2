package main

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

// struck is a model among whose operations are syncs that something goes wrong
// with.
type struck struct {
	*model

	u     *unruly
	done  []string
	fired map[string]int
}

// strike draws what happens to a sync: a mishap at a place, once or for a while, or
// a crash.
func (s *struck) strike() {
	if rapid.IntRange(1, 4).Draw(s.draw, "of four") == 1 {
		s.crash()
		return
	}
	place := rapid.SampledFrom(places()).Draw(s.draw, "place")
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

// crashed is how crashes are counted.
const crashed = "a crash"

// crash kills a sync with SIGKILL where it comes to a place that is drawn.
func (s *struck) crash() {
	at := rapid.SampledFrom([]place{
		{side: toLedger, path: "commit the read, inside"},
		{side: toLedger, path: "commit the read, after"},
		{side: toLedger, path: "journal intents, after"},
		{side: toLedger, path: "journal outcomes, before"},
		{side: toLedger, path: "journal outcomes, inside"},
		{side: toLedger, path: "finish cycle, inside"},
		{side: toSource, method: "GET", path: "/groups", moment: answered},
		{side: toTarget, method: "POST", moment: arrived},
		{side: toTarget, method: "POST", moment: performed},
		{side: toTarget, method: "PATCH", moment: performed},
		{side: toTarget, method: "PATCH", moment: answered},
	}).Draw(s.draw, "where")
	at.n = rapid.IntRange(1, 2).Draw(s.draw, "which")
	before := s.enabled()
	s.u.gates.environ = []string{fmt.Sprintf("%s=%d", aheadVariable, s.u.ahead.Load())}
	p := s.u.gates.dieAt(at, "sync")
	if p == nil {
		s.fired[crashed]++
		s.done = append(s.done, "a crash at "+at.String())
		s.guarded(before, ran{code: -1})
		return
	}
	// It did not come there, and ended by itself.
	r := ran{p.cmd.ProcessState.ExitCode(), p.out.String(), p.err.String()}
	s.done = append(s.done, "no crash")
	if r.code != exitDone && r.code != exitHeld {
		s.t.Fatalf("after %v: %s", s.done, r)
	}
	s.guarded(before, r)
}

// guarded demands that a run took away no more than the guard lets pass, and
// nothing that is not ours.
func (s *struck) guarded(before map[string]bool, r ran) {
	lost, now := 0, s.enabled()
	for id := range before {
		if !now[id] {
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
		s.u.leap(tenMinutes)
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
		if problem = s.u.wrong(); problem == "" {
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
			runs, limit, failed := 0, asked(t, "SCIMSYNC_FAULT_RUNS", 2), false
			fired := map[string]int{}
			total := func() int {
				sum := 0
				for _, n := range fired {
					sum += n
				}
				return sum
			}
			rapid.Check(t, func(rt *rapid.T) {
				// A failure is run again to be made small, and in a few runs it
				// may be that nothing goes wrong.
				if runs >= limit && total() > 0 && !failed {
					return
				}
				runs++
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
			t.Logf("%d runs; %d times something went wrong: %v", runs, total(), fired)
			if total() == 0 {
				t.Error("nothing ever went wrong")
			}
			// Where there were runs enough, everything has to have happened.
			for _, name := range append(slices.Sorted(maps.Keys(mishaps())), crashed) {
				if limit >= 50 && fired[name] == 0 {
					t.Errorf("%s never happened in %d runs", name, limit)
				}
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
		"a foreign account that is gone": func(s *struck) {
			s.world.must(s.world.application.Delete(identity.User, s.foreign[0].ID))
		},
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
