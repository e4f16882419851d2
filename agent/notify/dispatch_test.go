package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func everyone() Route { return Route{To: []string{"stewards"}} }

func TestNothingTwice(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	const all = "3 failed, 2 changes held by a guard, 2 groups exist already, 2 groups created"
	expect(t, "first run", h.report(t, sample()), all)
	expect(t, "the same run again", h.report(t, sample()))

	again := sample()
	again.Run = "20260822-2"
	var steps []plan.Step
	for s := range sample().Steps {
		if s.Outcome != plan.Applied && s.Outcome != plan.Unverified {
			steps = append(steps, s)
		}
	}
	again.Steps = plan.Of(steps)
	expect(t, "the next run, nothing new", h.report(t, again))

	// After a restart the memory is all there is.
	h = build(t, h.memory, h.route)
	expect(t, "after a restart", h.report(t, again))

	again.Steps = plan.Of(append(steps, kept(identity.Deactivate, user("u9"), "new@example.com")))
	got := h.report(t, again)
	expect(t, "one more is held", got, "1 change held by a guard: new@example.com")
}

func TestFailureAndRecovery(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	fails := func(problem string) plan.Step {
		return did(identity.Update, user("u1"), "ada@example.com", plan.Failed, problem)
	}
	expect(t, "fails", h.report(t, ran("r1", plan.Full, fails("400 bad title"))), "1 failed: ada@example.com")
	expect(t, "fails alike", h.report(t, ran("r2", plan.Full, fails("400 bad title"))))
	expect(t, "fails otherwise", h.report(t, ran("r3", plan.Full, fails("400 bad name"))), "1 failed: ada@example.com")
	expect(t, "fails as at first", h.report(t, ran("r4", plan.Full, fails("400 bad title"))))
	expect(t, "a delta says nothing of it", h.report(t, ran("r5", plan.Delta)))
	expect(t, "not tried", h.report(t, ran("r6", plan.Full, did(identity.Update, user("u1"), "ada@example.com", plan.NotTried, ""))))
	expect(t, "u11 is not u1", h.report(t, ran("r7", plan.Delta, did(identity.Update, user("u11"), "x", plan.Applied, ""))))
	expect(t, "works", h.report(t, ran("r8", plan.Delta, did(identity.Update, user("u1"), "ada@example.com", plan.Applied, ""))),
		"1 recovered: ada@example.com")
	expect(t, "still works", h.report(t, ran("r9", plan.Full, did(identity.Update, user("u1"), "ada@example.com", plan.Applied, ""))))
	expect(t, "fails again", h.report(t, ran("r10", plan.Full, fails("400 bad title"))), "1 failed: ada@example.com")
	expect(t, "nothing left to do", h.report(t, ran("r11", plan.Full)), "1 recovered: u1")

	undecided := ran("r12", plan.Full)
	undecided.Skipped = []plan.Skipped{{Ref: user("u2"), Name: "eve", Why: "ambiguous", Undecided: true}}
	expect(t, "undecided", h.report(t, undecided), "1 failed: eve")
	expect(t, "still undecided", h.report(t, undecided))
	expect(t, "half of it works", h.report(t, ran("r13", plan.Full,
		did(identity.Update, user("u2"), "eve", plan.Applied, ""), did(identity.Deactivate, user("u2"), "eve", plan.Failed, "500"))),
		"1 failed: eve")
	expect(t, "all of it works", h.report(t, ran("r14", plan.Full)), "1 recovered: u2")
}

func TestHeldAndReleased(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	a, b := kept(identity.Deactivate, user("a"), "a"), kept(identity.RemoveMembers, group("g"), "g", "u1", "u2")
	grown := kept(identity.RemoveMembers, group("g"), "g", "u1", "u2", "u3")
	expect(t, "held", h.report(t, ran("r1", plan.Full, a, b)), "2 changes held by a guard")
	expect(t, "held still", h.report(t, ran("r2", plan.Delta, a, b)))
	expect(t, "one released", h.report(t, ran("r3", plan.Full, b)))
	expect(t, "held anew", h.report(t, ran("r4", plan.Full, a, b)), "1 change held by a guard: a")
	expect(t, "more members", h.report(t, ran("r5", plan.Full, a, grown)), "1 change held by a guard: g")
	expect(t, "all released", h.report(t, ran("r6", plan.Full)), "nothing is held any more")
	expect(t, "nothing held", h.report(t, ran("r7", plan.Full)))
	if keys, err := h.memory.Keys(t.Context(), ""); err != nil || len(keys) > 0 {
		t.Errorf("remembered after all is over: %q, %v", keys, err)
	}
}

// A delta cycle looks at what changed: what it does not mention still stands.
func TestDeltaClosesWhatItProves(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	a, b := kept(identity.Deactivate, user("a"), "a"), kept(identity.RemoveMembers, group("g"), "g", "u1")
	fails := did(identity.Update, user("u9"), "eve", plan.Failed, "400 bad title")
	expect(t, "held and failed", h.report(t, ran("r1", plan.Full, a, b, fails)), "1 failed, 2 changes held by a guard")
	expect(t, "nothing mentioned", h.report(t, ran("r2", plan.Delta)))
	expect(t, "others are held", h.report(t, ran("r3", plan.Delta, kept(identity.Delete, user("c"), "c"))), "1 change held by a guard: c")

	released := a
	released.Held, released.Outcome = "", plan.Applied
	expect(t, "one was done", h.report(t, ran("r4", plan.Delta, released)))
	expect(t, "held anew", h.report(t, ran("r5", plan.Delta, a)), "1 change held by a guard: a")
	expect(t, "held since the beginning", h.report(t, ran("r6", plan.Delta, b)))

	// The ledger knows what the plan does not show.
	over := Recover("ad-groups", "r7", Held, noon)
	expect(t, "all is over", h.report(t, ran("r7", plan.Delta, released), over), "nothing is held any more")
	expect(t, "and stays so", h.report(t, ran("r8", plan.Delta), over))
	expect(t, "the failure stands", h.report(t, ran("r9", plan.Delta, fails)))
	expect(t, "until it is mended", h.report(t, ran("r10", plan.Delta, did(identity.Update, user("u9"), "eve", plan.Applied, ""))),
		"1 recovered: eve")
}

// What a run says about its sync is in the same message as what it did.
func TestOneMessageOfARun(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	expect(t, "fails", h.dispatch(t, RunFailed("ad-groups", "r1", errors.New("no answer"), noon)), "run failed: no answer")
	expect(t, "recovers and creates", h.report(t, ran("r2", plan.Full, did(identity.Create, group("g1"), "Finance", plan.Applied, "")),
		Recover("ad-groups", "r2", Failed, noon)), "1 group created, runs again")
}

// A memory that drops what is old never drops what stands.
func TestWhatStandsIsKeptInMind(t *testing.T) {
	t.Parallel()
	memory := InMemory()
	h := build(t, memory, everyone())
	fails := did(identity.Update, user("u1"), "ada", plan.Failed, "400 bad title")
	expect(t, "fails", h.report(t, ran("r1", plan.Full, fails)), "1 failed: ada")
	later := noon.Add(100 * wholeDay)
	h.Dispatcher.now = func() time.Time { return later }
	expect(t, "stands", h.report(t, ran("r2", plan.Full, fails)))
	for key, at := range memory.(*volatile).told {
		if !at.Equal(later) {
			t.Errorf("%s was told at %s, and stood at %s", key, at, later)
		}
	}
}

func TestWholeRuns(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	refused := errors.New("target alation: the credential is refused (request 77a-1)")
	expect(t, "fails", h.dispatch(t, RunFailed("ad-groups", "r1", refused, noon)), "run failed: "+refused.Error())
	expect(t, "fails alike", h.dispatch(t, RunFailed("ad-groups", "r2", errors.New("target alation: the credential is refused (request 99b-2)"), noon)))
	expect(t, "stale", h.dispatch(t, Staleness("ad-groups", noon.Add(-49*time.Hour), noon)),
		"no complete run: the last complete run was at 2026-08-20 11:00 UTC, 2 days ago")
	expect(t, "stale still", h.dispatch(t, Staleness("ad-groups", noon.Add(-50*time.Hour), noon)))
	good := []Event{Recover("ad-groups", "r3", Failed, noon), Recover("ad-groups", "r3", Stale, noon)}
	expect(t, "runs again", h.dispatch(t, good...), "runs again, complete runs again")
	expect(t, "runs on", h.dispatch(t, good...))
	expect(t, "fails anew", h.dispatch(t, RunFailed("ad-groups", "r4", refused, noon)), "run failed: "+refused.Error())
}

func TestCredentialOncePerThreshold(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	end := noon.Add(20 * wholeDay)
	var when []string
	var all sync.WaitGroup
	for hour := range 24 * 25 {
		now := noon.Add(time.Duration(hour) * time.Hour)
		e, due := CredentialExpiring("", "target alation", end, DefaultWarn(), now)
		if !due {
			continue
		}
		// Three syncs use the target.
		for _, name := range []string{"a", "b", "c"} {
			all.Go(func() {
				if err := h.Dispatch(t.Context(), h.route, name, []Event{e}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := len(h.ears["stewards"].since()); n > 0 {
			when = append(when, fmt.Sprintf("%s ×%d", now.Format("01-02 15h"), n))
		}
	}
	want := []string{"08-27 00h ×1", "09-10 00h ×1", "09-11 00h ×1", "09-12 00h ×1"}
	if !slices.Equal(when, want) {
		t.Errorf("told at %q, want %q", when, want)
	}
	renewed, _ := CredentialExpiring("", "target alation", end.AddDate(1, 0, 0), DefaultWarn(), end.AddDate(1, 0, -15))
	if err := h.Dispatch(t.Context(), h.route, "a", []Event{renewed}); err != nil {
		t.Fatal(err)
	}
	if got := h.ears["stewards"].since(); len(got) != 1 {
		t.Errorf("a renewed credential was told %d times", len(got))
	}
}

func TestRouteChooses(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), Route{To: []string{"stewards"}, Events: []Kind{GroupCreated, Held}})
	expect(t, "chosen", h.report(t, sample()), "2 changes held by a guard, 2 groups created")
	expect(t, "recoveries of what was told", h.report(t, ran("r2", plan.Full)), "nothing is held any more")
	if got := h.ears["chat"].since(); len(got) > 0 {
		t.Errorf("chat heard %q", got)
	}
	h.route.To = []string{"stewards", "nobody"}
	err := h.Report(t.Context(), h.route, sample())
	if err == nil || !strings.Contains(err.Error(), "notifier nobody: there is none of this name") {
		t.Errorf("error %v", err)
	}
	expect(t, "the others", h.ears["stewards"].since(), "2 changes held by a guard")
}

func TestPerObject(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), Route{To: []string{"stewards"}, Batch: PerObject, Events: []Kind{GroupExists, GroupCreated, Failed}})
	expect(t, "one each", h.report(t, sample()),
		"1 failed: Führungskräfte", "1 failed: grace@example.com", "1 failed: dup@example.com",
		"1 group exists already: Marketing", "1 group exists already: x  Bcc: eve@example.com",
		"1 group created: Finance", `1 group created: O'Brien "The Team" <b>`)
	expect(t, "not again", h.report(t, sample()))
	expect(t, "recovered, one each", h.report(t, ran("r2", plan.Full)), "1 recovered: g3", "1 recovered: u2", "1 recovered: u5")

	flood := ran("r3", plan.Full)
	flood.Steps = many(200, plan.Applied)
	got := h.report(t, flood)
	if len(got) != mostSingle+1 || got[mostSingle] != "150 groups created" {
		t.Errorf("%d messages, the last %q", len(got), got[len(got)-1])
	}
	expect(t, "flood, not again", h.report(t, flood))
}

func TestManyObjects(t *testing.T) {
	t.Parallel()
	for _, batch := range []Batch{PerRun, PerObject} {
		h := build(t, InMemory(), Route{To: []string{"stewards"}, Batch: batch})
		p := ran("r1", plan.Full)
		p.Steps = many(MostObjects+500, plan.Failed)
		got := h.report(t, p)
		want := fmt.Sprintf("%d failed", MostObjects+500)
		if batch == PerObject {
			want = fmt.Sprintf("%d failed", MostObjects+500-mostSingle)
		}
		if got[len(got)-1] != want {
			t.Errorf("%s: heard %q, want %q", batch, got[len(got)-1], want)
		}
		expect(t, "not again", h.report(t, p))
		p.Steps = many(MostObjects+500, plan.Applied)
		if got := h.report(t, p); len(got) == 0 {
			t.Error("no recovery")
		}
		left, err := h.memory.Keys(t.Context(), "stewards/ad-groups/failed/")
		if err != nil || len(left) > 0 {
			t.Errorf("%s: %d failures still remembered, %v", batch, len(left), err)
		}
	}
}

func TestManyHeld(t *testing.T) {
	t.Parallel()
	h := build(t, InMemory(), everyone())
	p := ran("r1", plan.Full)
	p.Steps = many(MostObjects+500, plan.NotTried)
	expect(t, "held", h.report(t, p), fmt.Sprintf("%d changes held by a guard", MostObjects+500))
	expect(t, "held still", h.report(t, p))
	p.Steps = many(MostObjects+501, plan.NotTried)
	expect(t, "one more beyond the list", h.report(t, p), "501 changes held by a guard")
	expect(t, "released", h.report(t, ran("r2", plan.Full)), "nothing is held any more")
}

func TestUnsentIsNotLost(t *testing.T) {
	t.Parallel()
	for _, batch := range []Batch{PerRun, PerObject} {
		h := build(t, InMemory(), Route{To: []string{"stewards", "chat"}, Batch: batch})
		h.ears["stewards"].turn(true)
		p := ran("r1", plan.Full, did(identity.Create, group("g1"), "Finance", plan.Applied, ""))
		if err := h.Report(t.Context(), h.route, p); !errors.Is(err, errDeaf) {
			t.Fatalf("error %v", err)
		}
		expect(t, "the other notifier", h.ears["chat"].since(), "1 group created: Finance")
		if err := h.Report(t.Context(), h.route, ran("r2", plan.Delta)); !errors.Is(err, errDeaf) {
			t.Fatalf("still down: error %v", err)
		}
		h.ears["stewards"].turn(false)
		expect(t, "later", h.report(t, ran("r3", plan.Delta)), "1 group created: Finance")
		expect(t, "once", h.report(t, ran("r4", plan.Delta)))
		expect(t, "the other notifier, once", h.ears["chat"].since())

		// A recovery that was not told is void when the failure is back.
		bad := did(identity.Update, user("u1"), "ada", plan.Failed, "400")
		expect(t, "fails", h.report(t, ran("r5", plan.Full, bad)), "1 failed: ada")
		h.ears["stewards"].turn(true)
		if err := h.Report(t.Context(), h.route, ran("r6", plan.Full)); !errors.Is(err, errDeaf) {
			t.Fatalf("error %v", err)
		}
		h.ears["stewards"].turn(false)
		expect(t, "fails again", h.report(t, ran("r7", plan.Full, bad)))
		expect(t, "recovers", h.report(t, ran("r8", plan.Full)), "1 recovered: u1")
	}
}

// forgetful is a Memory that cannot write.
type forgetful struct{ Memory }

var errDisk = errors.New("disk full")

func (forgetful) Remember(context.Context, []string, time.Time) error { return errDisk }

func TestMemoryFails(t *testing.T) {
	t.Parallel()
	h := build(t, forgetful{InMemory()}, everyone())
	err := h.Report(t.Context(), h.route, sample())
	if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "it may be sent again") {
		t.Errorf("error %v", err)
	}
}

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	send := func(p *plan.Plan) Message {
		h := build(t, InMemory(), everyone())
		if err := h.Report(t.Context(), h.route, p); err != nil {
			t.Fatal(err)
		}
		return h.ears["stewards"].heard[0]
	}
	a, b := send(sample()), send(sample())
	if a.ID != b.ID || len(a.ID) != 32 {
		t.Errorf("ids of the same: %q, %q", a.ID, b.ID)
	}
	other := sample()
	other.Run = "another"
	if c := send(other); c.ID == a.ID {
		t.Errorf("the id of another run is %q too", c.ID)
	}
}
