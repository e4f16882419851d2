package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	l := open(t)
	start(t, l, "run")
	if err := l.MarkDirty(t.Context(), "sync", "", user("a"), user("b"), user("old")); err != nil {
		t.Fatal(err)
	}
	if err := l.Own(t.Context(), Owned{Sync: "sync", Ref: user("old"), Target: "target", TargetID: "t2", Origin: OriginCreated}); err != nil {
		t.Fatal(err)
	}
	want := changes("a", "b", "c")
	seqs, err := l.Intend(t.Context(), nil, "run", "sync", want[:2])
	if err != nil {
		t.Fatal(err)
	}
	more, err := l.Intend(t.Context(), nil, "run", "sync", want[2:])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "numbers", append(seqs, more...), []int64{1, 2, 3})
	open := opened(t, l)
	if len(open) != 3 || open[0].Cycle != "full" || open[0].Run != "run" || time.Since(open[0].IntentAt).Abs() > time.Minute {
		t.Fatalf("open: %+v", open)
	}
	for i := range open {
		same(t, "change", open[i].Change, want[i])
	}
	at := time.Now().Truncate(time.Millisecond).UTC()
	outcomes := []Outcome{
		{
			Run: "run", Seq: 1, Ref: user("a"), TargetID: "t1", Outcome: plan.Applied, At: at, Clear: []Dirty{{Ref: user("a")}},
			Own:    &Owned{Sync: "sync", Ref: user("a"), Target: "target", TargetID: "t1", Origin: OriginCreated, Name: "a", RecordHash: "h", Since: at},
			Assume: []Membership{{"g", "t1"}, {"g", "t0"}},
		},
		{ // takes over the account of old
			Run: "run", Seq: 2, Ref: user("b"), TargetID: "t2", Outcome: plan.Applied, At: at, Disown: user("old"),
			Own: &Owned{Sync: "sync", Ref: user("b"), Target: "target", TargetID: "t2", Origin: OriginAdopted, Since: at},
		},
		{Run: "run", Seq: 3, Ref: user("c"), Outcome: plan.Failed, Error: "409", At: at, Retry: []Retry{{Ref: user("c"), Why: "409"}}},
	}
	for range 2 { // a second time changes nothing
		if err := l.Settle(t.Context(), outcomes); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(opened(t, l)); n != 0 {
		t.Errorf("%d intents are open", n)
	}
	var got []Owned
	for o, err := range l.Owned(t.Context(), "sync", identity.User) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	same(t, "owned", got, []Owned{*outcomes[0].Own, *outcomes[1].Own})
	var members []string
	for id, err := range l.Assumed(t.Context(), "sync", "g") {
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, id)
	}
	same(t, "assumed", members, []string{"t0", "t1"})
	c, dirty, err := l.DirtyOf(t.Context(), "sync", user("c"))
	if err != nil || !dirty || c.Tries != 1 || c.Why != "409" || !c.NextTry.Equal(at.Add(firstRetry)) {
		t.Errorf("dirty: %+v, %v", c, err)
	}
	same(t, "dirty", dirtied(t, l), []string{"user:b", "user:c", "user:old"})

	// The next change of a renames it and moves it out of the group.
	seqs, err = l.Intend(t.Context(), nil, "run", "sync", []identity.Change{{Op: identity.Update, Ref: user("a"), TargetID: "t1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Settle(t.Context(), []Outcome{{
		Run: "run", Seq: seqs[0], Ref: user("a"), Outcome: plan.Unverified, Rename: "a2", RecordHash: "h2", Unassume: []Membership{{"g", "t1"}},
	}}); err != nil {
		t.Fatal(err)
	}
	a, _, err := l.OwnedRef(t.Context(), "sync", user("a"))
	if err != nil || a.Name != "a2" || a.RecordHash != "h2" || !a.Since.Equal(at) {
		t.Errorf("owned: %+v, %v", a, err)
	}
	if n, err := l.CountOwned(t.Context(), "sync", identity.User); n != 2 || err != nil {
		t.Errorf("%d owned, %v", n, err)
	}
	if err := l.FinishRun(t.Context(), "run", at, "partial", map[string]int{"failed": 1}); err != nil {
		t.Fatal(err)
	}
	run, _, err := l.Run(t.Context(), "run")
	if err != nil || run.Result != "partial" || !run.Finished.Equal(at) || string(run.Summary) != `{"failed":1}` {
		t.Errorf("run: %+v, %v", run, err)
	}
	if _, err := l.Intend(t.Context(), nil, "run", "sync", want[:1]); err == nil {
		t.Error("a finished run goes on")
	}
	var journal []Journaled
	for j, err := range l.Changes(t.Context(), "run") {
		if err != nil {
			t.Fatal(err)
		}
		journal = append(journal, j)
	}
	if len(journal) != 4 || journal[0].Change.TargetID != "t1" || journal[2].Error != "409" || !journal[0].OutcomeAt.Equal(at) {
		t.Errorf("journal: %+v", journal)
	}
}

func TestSettleIsAllOrNothing(t *testing.T) {
	t.Parallel()
	own := func(id, target string) *Owned {
		return &Owned{Sync: "sync", Ref: user(id), Target: "target", TargetID: target, Origin: OriginCreated}
	}
	for name, bad := range map[string]Outcome{
		"not intended":     {Run: "run", Seq: 9, Outcome: plan.Applied},
		"no outcome":       {Run: "run", Seq: 2},
		"owned by another": {Run: "run", Seq: 2, Outcome: plan.Applied, Own: &Owned{Sync: "other", Ref: user("b"), Target: "target", TargetID: "t1"}},
		"no target id":     {Run: "run", Seq: 2, Outcome: plan.Applied, Own: own("b", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			start(t, l, "run")
			if _, err := l.Intend(t.Context(), nil, "run", "sync", changes("a", "b")); err != nil {
				t.Fatal(err)
			}
			err := l.Settle(t.Context(), []Outcome{{Run: "run", Seq: 1, Outcome: plan.Applied, Own: own("a", "t1")}, bad})
			if err == nil {
				t.Fatal("was settled")
			}
			if name == "owned by another" {
				taken, ok := errors.AsType[*OwnedError](err)
				if !ok || taken.Owner != (SyncRef{"sync", user("a")}) || taken.Wanted != (SyncRef{"other", user("b")}) || taken.TargetID != "t1" {
					t.Errorf("got %#v", err)
				}
			}
			if n := len(opened(t, l)); n != 2 {
				t.Errorf("%d intents are open", n)
			}
			if n, err := l.CountOwned(t.Context(), "sync", identity.User); n != 0 || err != nil {
				t.Errorf("%d owned, %v", n, err)
			}
		})
	}
	t.Run("settled otherwise", func(t *testing.T) {
		t.Parallel()
		l := open(t)
		start(t, l, "run")
		if _, err := l.Intend(t.Context(), nil, "run", "sync", changes("a")); err != nil {
			t.Fatal(err)
		}
		if err := l.Settle(t.Context(), []Outcome{{Run: "run", Seq: 1, Outcome: plan.Applied}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Settle(t.Context(), []Outcome{{Run: "run", Seq: 1, Outcome: plan.Failed}}); err == nil {
			t.Error("an outcome was changed")
		}
	})
}

// TestClaims: two runs do not write one object at once, nor the later what the
// other wrote since it was planned.
func TestClaims(t *testing.T) {
	t.Parallel()
	l := open(t)
	start(t, l, "cycle")
	start(t, l, "only")
	intend := func(run string, want []int64, ids ...string) {
		t.Helper()
		seqs, err := l.Intend(t.Context(), nil, run, "sync", changes(ids...))
		if err != nil {
			t.Fatal(err)
		}
		same(t, run, seqs, want)
	}
	intend("only", []int64{1}, "a")
	intend("cycle", []int64{0, 1}, "a", "b")
	intend("only", []int64{0}, "b")
	if err := l.Settle(t.Context(), []Outcome{{Run: "only", Seq: 1, Outcome: plan.Applied}, {Run: "cycle", Seq: 1, Outcome: plan.NotTried}}); err != nil {
		t.Fatal(err)
	}
	intend("cycle", []int64{0}, "a") // written since the cycle began
	intend("only", []int64{2}, "b")  // never sent
	if err := l.StartRun(t.Context(), Run{ID: "next", Sync: "sync", Started: time.Now().Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	intend("next", []int64{1}, "a")
	if _, err := l.Intend(t.Context(), nil, "nobody", "sync", nil); err == nil {
		t.Error("a run that was not started has intents")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	l := open(t)
	for i, run := range []string{"r1", "r2"} {
		if err := l.StartRun(t.Context(), Run{ID: run, Sync: "sync", Started: noon().Add(time.Duration(i) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		seqs, err := l.Intend(t.Context(), nil, run, "sync", []identity.Change{
			{Op: identity.Update, Ref: user("a"), TargetID: "ta", Name: "Ann@example.com"},
			{Op: identity.Delete, Ref: group("g" + run), TargetID: "tg", Name: "G"},
		})
		if err != nil {
			t.Fatal(err)
		}
		var outcomes []Outcome
		for i, seq := range seqs {
			if seq != 0 {
				outcomes = append(outcomes, Outcome{Run: run, Seq: seq, Outcome: []plan.Outcome{plan.Applied, plan.Failed}[i]})
			}
		}
		if run == "r1" {
			if err := l.Settle(t.Context(), outcomes); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		filter Filter
		want   []string
	}{
		"all, newest run first": {Filter{}, []string{"r2 group:gr2", "r1 user:a", "r1 group:gr1"}},
		"run":                   {Filter{Run: "r1"}, []string{"r1 user:a", "r1 group:gr1"}},
		"other sync":            {Filter{Sync: "other"}, nil},
		"name in any case":      {Filter{Sync: "sync", Kind: identity.User, Object: "ann@EXAMPLE.com"}, []string{"r1 user:a"}},
		"target id":             {Filter{Object: "tg"}, []string{"r2 group:gr2", "r1 group:gr1"}},
		"kind":                  {Filter{Kind: identity.User}, []string{"r1 user:a"}},
		"op":                    {Filter{Op: identity.Delete}, []string{"r2 group:gr2", "r1 group:gr1"}},
		"outcome":               {Filter{Outcome: plan.Failed}, []string{"r1 group:gr1"}},
		"open":                  {Filter{Outcome: "open"}, []string{"r2 group:gr2"}},
		"since":                 {Filter{Since: time.Now().Add(time.Hour)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for j, err := range l.History(t.Context(), c.filter) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, j.Run+" "+j.Change.Ref.String())
			}
			same(t, "history", got, c.want)
		})
	}
	runs, err := l.Runs(t.Context(), "", 1)
	if err != nil || len(runs) != 1 || runs[0].ID != "r2" {
		t.Errorf("runs: %+v, %v", runs, err)
	}
}

func TestLongIterationsPage(t *testing.T) {
	t.Parallel()
	l := open(t)
	start(t, l, "run")
	var ids []string
	for i := range batch + 1 {
		ids = append(ids, fmt.Sprintf("%04d", i))
	}
	if _, err := l.Intend(t.Context(), nil, "run", "sync", changes(ids...)); err != nil {
		t.Fatal(err)
	}
	if n := len(opened(t, l)); n != len(ids) {
		t.Errorf("%d of %d open intents", n, len(ids))
	}
	n := 0
	for _, err := range l.Changes(t.Context(), "run") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(ids) {
		t.Errorf("%d of %d changes", n, len(ids))
	}
	for range l.Changes(t.Context(), "run") {
		break // leaks nothing
	}
}

func TestSummaryThatIsNoJSON(t *testing.T) {
	t.Parallel()
	l := open(t)
	start(t, l, "run")
	if err := l.FinishRun(t.Context(), "run", noon(), "done", func() {}); err == nil {
		t.Error("was taken")
	}
	if err := l.FinishRun(t.Context(), "nobody", noon(), "done", nil); err == nil {
		t.Error("a run that never began has finished")
	}
	run, _, err := l.Run(t.Context(), "run")
	if err != nil || !run.Finished.IsZero() || !json.Valid(run.Summary) {
		t.Errorf("%+v, %v", run, err)
	}
}

// What was written before the clock was set back does not keep a run from its
// objects, though it is dated after its beginning.
func TestClaimsOfTheFuture(t *testing.T) {
	t.Parallel()
	l := open(t)
	began := time.Now().Add(-time.Minute)
	for _, id := range []string{"earlier", "now"} {
		if err := l.StartRun(t.Context(), Run{ID: id, Sync: "sync", Cycle: "full", Started: began}); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(run string) int64 {
		t.Helper()
		seqs, err := l.Intend(t.Context(), nil, run, "sync", []identity.Change{{Op: identity.Update, Ref: user("a"), TargetID: "t"}})
		if err != nil {
			t.Fatal(err)
		}
		return seqs[0]
	}
	seq := claim("earlier")
	if err := l.Settle(t.Context(), []Outcome{{Run: "earlier", Seq: seq, Ref: user("a"), Outcome: plan.Applied}}); err != nil {
		t.Fatal(err)
	}
	if claim("now") != 0 {
		t.Error("what another run has written meanwhile is written again")
	}
	if _, err := l.writer.ExecContext(t.Context(), `UPDATE change SET intent_at = ?`, millis(time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if claim("now") == 0 {
		t.Error("what was written by a clock that was ahead claims the object")
	}
}
