package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// FinishCycle tells what is in step from what is not.
func TestFinishCycle(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	ids := []string{"same", "done", "failed", "held", "shielded", "undecided", "kept"}
	var refs []identity.Ref
	for _, id := range ids {
		refs = append(refs, user(id))
		state := In
		if id == "shielded" {
			state = Shielded
		}
		r.want(user(id), state, id)
		r.owns("sync", user(id), "t-"+id)
	}
	must(t, r.l.MarkDirty(ctx, "sync", "", refs...))
	must(t, r.l.MarkDirty(ctx, "other", "", user("same")))
	must(t, r.Mark(ctx))
	put := func(id string, held plan.Rule, outcome plan.Outcome) {
		s := step(identity.Update, user(id), plan.WaveUsers)
		s.Held, s.Outcome, s.Error = held, outcome, "because"
		_, err := r.PutStep(ctx, s)
		must(t, err)
	}
	put("done", "", plan.Applied)
	put("failed", "", plan.Applied)
	put("failed", "", plan.Failed)
	put("held", plan.RuleMax, "")
	put("new", "", plan.NotTried)
	must(t, r.Skip(ctx, user("undecided"), "", "ambiguous", true))
	must(t, r.Skip(ctx, user("shielded"), "", "unread", true))
	must(t, r.Skip(ctx, user("kept"), "", "leavers say keep", false))
	for _, id := range []string{"stays", "returns"} {
		since, err := r.LeftSince(ctx, user(id), noon())
		must(t, err)
		same(t, "since", since, noon())
	}
	next, err := r.l.NewWorkspace(ctx, "sync", "source", "target")
	must(t, err)
	defer next.Close()
	if since, err := next.LeftSince(ctx, user("stays"), later()); err != nil || !since.Equal(noon()) {
		t.Errorf("leaving since %v, %v; want the first cycle that saw it", since, err)
	}
	must(t, r.FinishCycle(ctx, noon()))
	must(t, next.FinishCycle(ctx, later())) // sees "stays" alone
	if since, err := next.LeftSince(ctx, user("returns"), later()); err != nil || !since.Equal(later()) {
		t.Errorf("leaving since %v, %v; want a new grace period", since, err)
	}
	hashes := map[string]string{}
	for o, err := range r.l.Owned(ctx, "sync", identity.User) {
		must(t, err)
		hashes[o.Ref.ID] = o.RecordHash
	}
	same(t, "hashes", hashes, map[string]string{
		"same": "h-same", "done": "h-done", "failed": "old", "held": "old", "shielded": "old", "undecided": "h-undecided", "kept": "h-kept",
	})
}

// What was not settled stays marked, with the reason.
func TestFinishCycleDirty(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	must(t, r.l.MarkDirty(ctx, "sync", "", user("done"), user("unseen"), user("unread")))
	must(t, r.Skip(ctx, user("unread"), "", "unread", true))
	must(t, r.l.MarkDirty(ctx, "sync", "", user("again")))
	must(t, r.Mark(ctx))
	must(t, r.l.MarkDirty(ctx, "sync", "", user("again"))) // changed since the plan was made
	for id, outcome := range map[string]plan.Outcome{"done": plan.Unverified, "failed": plan.Failed, "held": "", "edited": ""} {
		s := step(identity.Deactivate, user(id), plan.WaveDeactivate)
		if s.Outcome, s.Error = outcome, "409"; outcome == "" {
			s.Held, s.Evidence.ByConfiguration = plan.RuleAllowance, id == "edited"
		}
		_, err := r.PutStep(ctx, s)
		must(t, err)
	}
	must(t, r.FinishCycle(ctx, noon()))
	got := collected(t, r.l.Dirty(ctx, "sync"), func(d Dirty) string { return d.Ref.ID + ": " + d.Why })
	slices.Sort(got)
	same(t, "dirty", got, []string{
		"again: ", "edited: held: configuration", "failed: 409", "held: held: allowance", "unread: undecided: unread",
	})
	for id, want := range map[string]bool{"done": true, "held": false, "edited": true, "elsewhere": true} {
		unmoved, err := r.Unmoved(ctx, user(id))
		must(t, err)
		same(t, "unmoved "+id, unmoved, want)
	}
}

// Whatever does not get in step waits twice as long after every cycle, up to a
// day; what changes at the source does not wait.
func TestFinishCycleWaits(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	now := noon()
	var waits []time.Duration
	for range 10 {
		w, err := r.l.NewWorkspace(ctx, "sync", "source", "target")
		must(t, err)
		must(t, w.SelectDue(ctx, now))
		must(t, w.Mark(ctx))
		s := step(identity.Update, user("fails"), plan.WaveUsers)
		s.Outcome, s.Error = plan.Failed, "409"
		_, err = w.PutStep(ctx, s)
		must(t, err)
		must(t, w.Skip(ctx, user("unread"), "", "unread", true))
		must(t, w.FinishCycle(ctx, now))
		must(t, w.Close())
		var next []time.Time
		for d, err := range r.l.Dirty(ctx, "sync") {
			must(t, err)
			next = append(next, d.NextTry)
		}
		if len(next) != 2 || !next[0].Equal(next[1]) {
			t.Fatalf("next tries %v, want one for both", next)
		}
		waits = append(waits, next[0].Sub(now))
		now = next[0]
	}
	same(t, "waits", waits, []time.Duration{
		5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 160 * time.Minute,
		320 * time.Minute, 640 * time.Minute, 1280 * time.Minute, 24 * time.Hour,
	})
	must(t, r.l.MarkDirty(ctx, "sync", "", user("fails")))
	w, err := r.l.NewWorkspace(ctx, "sync", "source", "target")
	must(t, err)
	defer w.Close()
	must(t, w.SelectDue(ctx, now.Add(-time.Minute)))
	users, _, err := w.Selected(ctx)
	must(t, err)
	same(t, "due", users, []identity.Ref{user("fails")})
}
