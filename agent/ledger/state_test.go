package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func TestOneOwner(t *testing.T) {
	t.Parallel()
	l := open(t)
	a := Owned{Sync: "sync", Ref: user("a"), Target: "target", TargetID: "1", Origin: OriginCreated, Name: "a", Since: noon()}
	if err := l.Own(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Owned{
		"another sync":     {Sync: "other", Ref: user("a"), Target: "target", TargetID: "1"},
		"one bad of two":   {Sync: "other", Ref: user("z"), Target: "target", TargetID: "1"},
		"without a target": {Sync: "sync", Ref: user("b"), TargetID: "2"},
	} {
		if err := l.Own(t.Context(), Owned{Sync: "sync", Ref: user("fine" + name), Target: "target", TargetID: "f" + name}, o); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	if n, _ := l.CountOwned(t.Context(), "sync", identity.User); n != 1 {
		t.Errorf("a refused call left %d owned", n)
	}
	// The same target id may exist at another target and as another kind.
	if err := l.Own(t.Context(), Owned{Sync: "b", Ref: user("a"), Target: "target 2", TargetID: "1"},
		Owned{Sync: "sync", Ref: group("g"), Target: "target", TargetID: "1"}); err != nil {
		t.Fatal(err)
	}
	// Recreated at the target: a new ownership; only renamed: the old one.
	again := a
	again.Name, again.Since = "a2", later()
	if err := l.Own(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	got, _, err := l.OwnedBy(t.Context(), "target", identity.User, "1")
	if err != nil || got.Name != "a2" || !got.Since.Equal(noon()) {
		t.Errorf("renamed: %+v, %v", got, err)
	}
	again.TargetID = "3"
	if err := l.Own(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if got, _, err = l.OwnedRef(t.Context(), "sync", user("a")); err != nil || got.TargetID != "3" || !got.Since.Equal(later()) {
		t.Errorf("recreated: %+v, %v", got, err)
	}
	if _, ok, err := l.OwnedBy(t.Context(), "target", identity.User, "1"); ok || err != nil {
		t.Errorf("the old target id is still owned: %v", err)
	}
	// A target that was emptied hands its ids out again: the newest counts.
	if err := l.Own(t.Context(), Owned{Sync: "sync", Ref: user("b"), Target: "target", TargetID: "3"}); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := l.OwnedBy(t.Context(), "target", identity.User, "3"); err != nil || !ok || got.Ref != user("b") {
		t.Errorf("an id handed out again: %+v, %v", got, err)
	}
	if _, ok, err := l.OwnedRef(t.Context(), "sync", user("a")); ok || err != nil {
		t.Errorf("the earlier owner still has it: %v", err)
	}
	if err := l.Disown(t.Context(), "sync", user("b")); err != nil {
		t.Fatal(err)
	}
	if err := l.Own(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if err := l.Disown(t.Context(), "sync", user("a"), user("never")); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := l.OwnedRef(t.Context(), "sync", user("a")); ok || err != nil {
		t.Errorf("still owned: %v", err)
	}
}

func TestDirty(t *testing.T) {
	t.Parallel()
	l := open(t)
	get := func() Dirty {
		t.Helper()
		d, ok, err := l.DirtyOf(t.Context(), "sync", user("a"))
		if err != nil || !ok {
			t.Fatalf("%v, %v", ok, err)
		}
		return d
	}
	if err := l.MarkDirty(t.Context(), "sync", "hook", user("a")); err != nil {
		t.Fatal(err)
	}
	seen := get()
	for i, wait := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute} {
		if err := l.RetryDirty(t.Context(), "sync", noon(), Retry{Ref: user("a"), Why: "429"}); err != nil {
			t.Fatal(err)
		}
		if d := get(); d.Tries != i+1 || !d.NextTry.Equal(noon().Add(wait)) || d.Mark != seen.Mark || !d.Since.Equal(seen.Since) {
			t.Errorf("after failure %d: %+v", i+1, d)
		}
	}
	if err := l.RetryDirty(t.Context(), "sync", noon(), Retry{Ref: user("a"), At: later()}, Retry{Ref: group("g"), Why: "held"}); err != nil {
		t.Fatal(err)
	}
	if d := get(); !d.NextTry.Equal(later()) {
		t.Errorf("at a given time: %+v", d)
	}
	if total, failing, err := l.CountDirty(t.Context(), "sync"); total != 2 || failing != 2 || err != nil {
		t.Errorf("%d dirty, %d failing, %v", total, failing, err)
	}
	// A change at the source meanwhile: a new marking, tried at once, that the
	// old one cannot clear.
	read(t, l.Mirror("src"), full("1"), small()...)
	if d := get(); d.Mark == seen.Mark || d.Tries != 0 || !d.NextTry.IsZero() || !d.Since.Equal(seen.Since) {
		t.Errorf("after a change: %+v", d)
	}
	if err := l.ClearDirty(t.Context(), "sync", seen); err != nil {
		t.Fatal(err)
	}
	if err := l.ClearDirty(t.Context(), "sync", get()); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := l.DirtyOf(t.Context(), "sync", user("a")); ok {
		t.Error("not cleared")
	}
	if backoff(1) != firstRetry || backoff(30) != lastRetry {
		t.Errorf("backoff: %v, %v", backoff(1), backoff(30))
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	l := open(t)
	one := Held{Sync: "sync", Op: identity.Deactivate, Ref: user("a"), TargetID: "ta", Name: "a", Rule: "max", Since: noon()}
	member := Held{Sync: "sync", Op: identity.RemoveMembers, Ref: group("g"), Member: "a", TargetID: "tg", Name: "G", Rule: "share", Since: noon()}
	list := func() []Held {
		t.Helper()
		held, err := l.Held(t.Context(), "sync")
		if err != nil {
			t.Fatal(err)
		}
		if holding, err := l.Holding(t.Context(), "sync"); holding != (len(held) > 0) || err != nil {
			t.Errorf("holding %t, %v with %d held", holding, err, len(held))
		}
		return held
	}
	keep := func(sync string, held ...Held) {
		t.Helper()
		w, err := l.NewWorkspace(t.Context(), sync, "source", "target")
		must(t, err)
		since := noon()
		for _, h := range held {
			s := plan.Step{Held: plan.Rule(h.Rule), Change: identity.Change{Op: h.Op, Ref: h.Ref, TargetID: h.TargetID, Name: h.Name}}
			if h.Member != "" {
				s.Members = []identity.Member{{Ref: user(h.Member)}}
			}
			_, err := w.PutStep(t.Context(), s)
			must(t, err)
			since = h.Since
		}
		_, err = w.PutStep(t.Context(), plan.Step{Change: identity.Change{Op: identity.Deactivate, Ref: user("free")}})
		must(t, err)
		must(t, w.KeepHeld(t.Context(), since))
		must(t, w.Close())
	}
	replace := func(held ...Held) {
		t.Helper()
		keep("sync", held...)
	}
	keep("other", one)
	replace(one, member)
	shown := list()
	same(t, "held", shown, []Held{one, member})
	if n, err := l.Decide(t.Context(), Approved, later(), shown...); n != 2 || err != nil {
		t.Errorf("%d decided, %v", n, err)
	}
	// One is still wanted, one not any more, and one is new.
	again, fresh := one, one
	again.Rule, again.Since = "share", later()
	fresh.Ref, fresh.Since = user("b"), later()
	replace(again, fresh)
	got := list()
	if len(got) != 2 || got[0].Rule != "share" || !got[0].Since.Equal(noon()) || got[0].Decided(noon()) != Approved ||
		got[0].Decided(later()) != Undecided || got[1].Decision != Undecided {
		t.Errorf("after the next cycle: %+v", got)
	}
	// Dissolved, then held again: what was shown then is not what is held now.
	replace()
	same(t, "dissolved", list(), []Held(nil))
	replace(again)
	if n, err := l.Decide(t.Context(), Rejected, later(), shown...); n != 0 || err != nil {
		t.Errorf("%d decided, %v", n, err)
	}
	if n, err := l.Decide(t.Context(), Rejected, later(), list()...); n != 1 || err != nil || list()[0].Decided(noon()) != Rejected {
		t.Errorf("%d decided, %v", n, err)
	}
	if n, err := l.Decide(t.Context(), Undecided, later(), list()...); n != 1 || err != nil || list()[0].Decided(noon()) != Undecided {
		t.Errorf("%d decided, %v", n, err)
	}
	if other, err := l.Held(t.Context(), "other"); len(other) != 1 || err != nil {
		t.Errorf("another sync: %+v, %v", other, err)
	}
}

func TestBindingAndPause(t *testing.T) {
	t.Parallel()
	l := open(t)
	if _, ok, err := l.Binding(t.Context(), "sync"); ok || err != nil {
		t.Errorf("before the first cycle: %v, %v", ok, err)
	}
	b := Binding{Sync: "sync", Target: "target", URL: "https://x.example.com", Members: "blind", Users: 1, Groups: 2, Memberships: 3}
	for _, at := range []time.Time{{}, noon()} {
		b.FullAt, b.ConfigHash, b.Selection = at, fmt.Sprint(at), "s"
		if err := l.Bind(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		got, _, err := l.Binding(t.Context(), "sync")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "binding", got, b)
	}
	for _, why := range []string{"undo", "pause"} {
		if err := l.Pause(t.Context(), Pause{Sync: "sync", Since: noon(), Why: why}); err != nil {
			t.Fatal(err)
		}
	}
	p, paused, err := l.Paused(t.Context(), "sync")
	if err != nil || !paused {
		t.Fatal(err)
	}
	same(t, "pause", p, Pause{Sync: "sync", Since: noon(), Why: "undo"})
	for _, want := range []bool{true, false} {
		if was, err := l.Resume(t.Context(), "sync"); was != want || err != nil {
			t.Errorf("resume: %v, %v", was, err)
		}
	}
	if _, paused, err := l.Paused(t.Context(), "sync"); paused || err != nil {
		t.Errorf("still paused: %v", err)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("1"), append(small(), upsert(record(user("c"), "", nil)), upsert(record(user("d"), "", nil)))...)
	read(t, m, Checkpoint{Cursor: "2", Full: []identity.Kind{identity.User}, NoLinks: true, At: noon()}, small()[0])
	dirtied(t, l)
	// b is owned, c is not in step, d is forgotten.
	if err := l.Own(t.Context(), Owned{Sync: "sync", Ref: user("b"), Target: "target", TargetID: "tb"}); err != nil {
		t.Fatal(err)
	}
	if err := l.MarkDirty(t.Context(), "sync", "", user("c")); err != nil {
		t.Fatal(err)
	}
	for i, r := range []struct {
		id       string
		settled  bool
		finished bool
	}{{"old", true, true}, {"crashed", true, false}, {"open", false, false}, {"last", true, true}} {
		if err := l.StartRun(t.Context(), Run{ID: r.id, Sync: "sync", Started: noon().Add(time.Duration(i) * time.Second)}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Intend(t.Context(), nil, r.id, "sync", changes(r.id)); err != nil {
			t.Fatal(err)
		}
		if r.settled {
			if err := l.Settle(t.Context(), []Outcome{{Run: r.id, Seq: 1, Outcome: plan.Applied}}); err != nil {
				t.Fatal(err)
			}
		}
		if r.finished {
			if err := l.FinishRun(t.Context(), r.id, noon().Add(time.Minute), "done", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := l.Prune(t.Context(), noon())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "nothing is older than itself", got, Pruned{})
	if got, err = l.Prune(t.Context(), later()); err != nil {
		t.Fatal(err)
	}
	same(t, "pruned", got, Pruned{Runs: 2, Changes: 2, Tombstones: 1})
	runs, err := l.Runs(t.Context(), "sync", 10)
	if err != nil || len(runs) != 2 || runs[0].ID != "last" || runs[1].ID != "open" {
		t.Errorf("runs: %+v, %v", runs, err)
	}
	v := look(t, m)
	if _, ok := v.Objects[user("d")]; ok || len(v.Objects) != 4 {
		t.Errorf("mirror: %+v", v.Objects)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	l := open(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"write": l.MarkDirty(t.Context(), "sync", "", user("a")),
		"read":  func() error { _, _, err := l.Binding(t.Context(), "sync"); return err }(),
		"iterate": func() error {
			for _, err := range l.Owned(t.Context(), "sync", identity.User) {
				return err
			}
			return nil
		}(),
	} {
		if err == nil || errors.Is(err, ErrReadOnly) {
			t.Errorf("%s a closed ledger: %v", name, err)
		}
	}
}
