package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Ids that one wave makes are filled in for the next: members, references, and
// the object itself.
func TestWaves(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.own(user("old"), identity.Attrs{"userName": "old"})
	b.plan(
		identity.Change{Op: identity.AddMembers, Ref: group("late"), Name: "late", Members: []identity.Member{member("new", ""), member("nobody", "")}},
		change(identity.Delete, user("old"), old),
		create(group("team"), member("new", "")),
		create(group("late")),
		identity.Change{
			Op: identity.Update, Ref: user("new"), Cause: identity.CauseReference,
			Attributes: []identity.Attribute{{Path: "manager", After: identity.Reference{Ref: user("boss")}}},
		},
		create(user("new")), create(user("boss")),
	)
	b.want(b.run(), plan.Outcomes{Applied: 7},
		"create new: applied", "create boss: applied", "update new: applied", "create team: applied", "create late: applied",
		"add-members late: applied", "delete old: applied")
	if got := b.target.objects["t-new"].Attrs["manager"]; got != "t-boss" {
		t.Errorf("the manager is %v, want the id of boss", got)
	}
	for _, g := range []string{"t-team", "t-late"} {
		if got := b.target.members[g]; !slices.Equal(got, []string{"t-new"}) {
			t.Errorf("members of %s: %v, want new alone", g, got)
		}
	}
	if _, owned := b.owner(user("old")); owned {
		t.Error("what was deleted is still owned")
	}
	if b.open() != 0 {
		t.Errorf("%d intents are open", b.open())
	}
}

// What depends on something that was not made is not tried, and says so.
func TestDependence(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, call := range []string{"create gone", "create boss", "create team", "adopt a"} {
		b.target.script[call] = []reply{fails(connectors.Rejected)}
	}
	b.target.put(identity.User, "t-a", identity.Attrs{"userName": "a"})
	g := b.own(group("g"), identity.Attrs{})
	b.own(user("kept"), identity.Attrs{})
	adopt := change(identity.Adopt, user("a"), "t-a", title("x"))
	b.plan(
		create(user("gone")), create(user("boss")), create(group("team")),
		identity.Change{Op: identity.AddMembers, Ref: group("team"), Members: []identity.Member{member("kept", "t-kept")}},
		identity.Change{Op: identity.AddMembers, Ref: group("g"), TargetID: g, Members: []identity.Member{member("gone", "")}},
		identity.Change{
			Op: identity.Update, Ref: user("kept"), TargetID: "t-kept", Cause: identity.CauseReference,
			Attributes: []identity.Attribute{{Path: "manager", After: identity.Reference{Ref: user("boss")}}},
		},
		adopt, change(identity.Reactivate, user("a"), "t-a"), change(identity.Delete, user("a"), "t-a"),
	)
	b.want(b.run(), plan.Outcomes{Failed: 4, NotTried: 5},
		"create gone: failed", "create boss: failed", "adopt a: failed", "reactivate a: not_tried", "update kept: not_tried",
		"create team: failed", "add-members team: not_tried", "add-members g: not_tried", "delete a: not_tried")
	if _, still := b.target.objects["t-a"]; !still {
		t.Error("an account that could not be adopted was deleted")
	}
}

// The steps of one object follow one another, also where a batch ends between
// them; those of different objects run side by side.
func TestChains(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var changes []identity.Change
	for i := range 300 {
		id := fmt.Sprintf("u%03d", i)
		b.target.put(identity.User, "t-"+id, identity.Attrs{"userName": id})
		changes = append(changes, change(identity.Adopt, user(id), "t-"+id, title("a")),
			change(identity.Reactivate, user(id), "t-"+id), change(identity.Update, user(id), "t-"+id, title("b")))
		if i%10 == 0 {
			b.target.script["adopt "+id] = []reply{fails(connectors.Forbidden)}
		}
	}
	b.plan(changes...)
	b.want(b.run(), plan.Outcomes{Applied: 810, Failed: 30, NotTried: 60})
	if b.target.overlap != "" {
		t.Errorf("%s was written twice at once", b.target.overlap)
	}
	for id, e := range b.target.objects {
		number := strings.TrimPrefix(id, "t-u")
		if refused := strings.HasSuffix(number, "0"); refused == (e.Attrs["title"] == "b") {
			t.Fatalf("%s: title %v, adoption refused: %t", id, e.Attrs["title"], refused)
		}
	}
	if b.journal.batches > 9 {
		t.Errorf("%d transactions of intents for 900 changes", b.journal.batches)
	}
}

// The next steps are written down while the first are still on their way, so that
// the target does not wait for the disk; but not all of them, whatever there is.
func TestAhead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.engine.Workers = 4
	b.target.after = func(identity.Change) { <-b.journal.second } // or nothing ever ends
	var changes []identity.Change
	for i := range 2000 {
		changes = append(changes, create(user(fmt.Sprintf("u%04d", i))))
	}
	b.plan(changes...)
	b.want(b.run(), plan.Outcomes{Applied: 2000})
	if b.journal.most > 512 {
		t.Errorf("%d intents were open at a time", b.journal.most)
	}
}

// Held steps, and those that a saved plan marks as stale, are left as they are.
func TestHeldStays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	seqs := b.plan(create(user("a")), create(user("b")), create(user("c")))
	must(t, b.scratch.HoldStep(t.Context(), seqs[1], plan.RuleMax))
	must(t, b.scratch.SettleStep(t.Context(), seqs[2], plan.NotTried, "", "stale"))
	b.want(b.run(), plan.Outcomes{Applied: 1}, "create a: applied", "create b: ", "create c: not_tried")
}

// A refused credential ends the run at once and is not hidden by what fails
// beside it.
func TestUnauthorizedStops(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.engine.Workers = 1
	var changes []identity.Change
	for i := range 60 {
		id := fmt.Sprintf("u%02d", i)
		changes = append(changes, create(user(id)))
		b.target.script["create "+id] = []reply{fails(connectors.Transient)}
	}
	b.target.script["create u10"] = []reply{fails(connectors.Unauthorized)}
	b.plan(append(changes, create(group("g")))...)
	r := b.run()
	if connectors.ClassOf(r.Stopped) != connectors.Unauthorized {
		t.Errorf("stopped by %v, want the refused credential", r.Stopped)
	}
	if calls := len(b.target.calls); calls != 11 {
		t.Errorf("%d calls, want 11: none after the refusal", calls)
	}
	if r.Failed+r.NotTried != 61 || b.open() != 0 {
		t.Errorf("%+v, %d open; want every step settled", r.Outcomes, b.open())
	}
}

// What was in flight when the credential was refused does not change the reason,
// even where it would have been one by itself.
func TestFirstReasonCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.engine.Workers = 2
	judged, flying, refused := 0, make(chan struct{}), make(chan struct{})
	b.engine.Advance = func(int) {
		if judged++; judged == 25 {
			close(refused)
		}
	}
	var changes []identity.Change
	for i := range 24 {
		id := fmt.Sprintf("u%02d", i)
		changes = append(changes, create(user(id)))
		b.target.script["create "+id] = []reply{fails(connectors.Transient)}
	}
	b.plan(changes...)
	// The next wave has two in flight: one is refused first, then the other fails.
	b.target.script["create last"] = []reply{fails(connectors.Unauthorized)}
	b.target.script["create slow"] = []reply{fails(connectors.Transient)}
	b.plan(create(group("slow")), create(group("last")))
	b.target.after = func(c identity.Change) {
		switch c.Ref.ID {
		case "slow":
			close(flying)
			<-refused
		case "last":
			<-flying
		}
	}
	if r := b.run(); connectors.ClassOf(r.Stopped) != connectors.Unauthorized {
		t.Errorf("stopped by %v, want the refused credential", r.Stopped)
	}
}

// A target that fails again and again is given up; one that refuses objects, or
// answers in between, is not.
func TestPatience(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply   func(i int) []reply
		stopped bool
		calls   int
	}{
		"in a row":   {func(int) []reply { return []reply{fails(connectors.Transient)} }, true, 25},
		"throttled":  {func(int) []reply { return []reply{fails(connectors.Throttled)} }, true, 25},
		"refuses":    {func(int) []reply { return []reply{fails(connectors.Rejected)} }, false, 100},
		"off and on": {func(i int) []reply { return []reply{fails(connectors.Transient)}[min(1, i%20/19):] }, false, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.engine.Workers = 1
			var changes []identity.Change
			for i := range 100 {
				id := fmt.Sprintf("u%02d", i)
				changes = append(changes, create(user(id)))
				b.target.script["create "+id] = c.reply(i)
			}
			b.plan(changes...)
			r := b.run()
			if (r.Stopped != nil) != c.stopped || len(b.target.calls) != c.calls {
				t.Errorf("stopped by %v after %d calls; want stopped %t after %d", r.Stopped, len(b.target.calls), c.stopped, c.calls)
			}
		})
	}
}

// A soft stop lets what is in flight end and marks the rest; it is the same with
// a context that ends, whose outcomes are written down as well.
func TestStops(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stop", "cancel"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.engine.Workers = 2
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := make(chan struct{})
			b.engine.Stop = stop
			told := make(chan struct{})
			b.target.after = func(c identity.Change) {
				switch {
				case c.Ref.ID > "u005":
					<-told // or the other worker runs through all of them meanwhile
				case c.Ref.ID < "u005":
				case how == "stop":
					close(stop)
					close(told)
				default:
					cancel()
					close(told)
				}
			}
			var changes []identity.Change
			for i := range 600 {
				changes = append(changes, create(user(fmt.Sprintf("u%03d", i))))
			}
			b.plan(append(changes, create(group("g")))...)
			r, err := b.engine.Run(ctx)
			must(t, err)
			if !errors.Is(r.Stopped, apply.ErrInterrupted) || r.Stopped.Error() != "interrupted" {
				t.Errorf("stopped by %q, want interrupted", r.Stopped)
			}
			if r.Applied < 5 || r.Applied > 10 || r.Applied+r.NotTried+r.Failed != 601 || r.Failed > 1 {
				t.Errorf("%+v, want a few applied and the rest not tried", r.Outcomes)
			}
			if b.open() != 0 {
				t.Errorf("%d intents are open", b.open())
			}
			for _, s := range b.outcomes() {
				if strings.HasSuffix(s, ": ") {
					t.Fatalf("%sno outcome", s)
				}
			}
		})
	}
}

// What cannot be written down is not done.
func TestJournalFails(t *testing.T) {
	t.Parallel()
	disk := &ledger.StateError{Err: errors.New("disk full")}
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.journal.intend = disk
		b.plan(create(user("a")))
		if _, err := b.engine.Run(t.Context()); !errors.Is(err, disk) {
			t.Errorf("error %v, want that of the journal", err)
		}
		if len(b.target.calls) != 0 {
			t.Errorf("calls %v, want none", b.target.calls)
		}
	})
	t.Run("after", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.engine.Workers = 1
		b.journal.settle = disk
		var changes []identity.Change
		for i := range 500 {
			changes = append(changes, create(user(fmt.Sprintf("u%03d", i))))
		}
		b.plan(changes...)
		if _, err := b.engine.Run(t.Context()); !errors.Is(err, disk) {
			t.Errorf("error %v, want that of the journal", err)
		}
		made := len(b.target.objects)
		if made > 256 || b.open() < made {
			t.Errorf("%d made, %d open; want writing to stop, and everything made to be looked up", made, b.open())
		}
	})
}

// An object that another run has written since the plan was made is left alone.
func TestClaimedElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	must(t, b.ledger.StartRun(t.Context(), ledger.Run{ID: "other", Sync: "sync", Cycle: "only"}))
	_, err := b.ledger.Intend(t.Context(), nil, "other", "sync", []identity.Change{create(user("a"))})
	must(t, err)
	b.plan(create(user("a")), create(user("b")))
	b.want(b.run(), plan.Outcomes{Applied: 1, NotTried: 1}, "create a: not_tried", "create b: applied")
}

// What the target said of a change becomes its outcome.
func TestAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.target.profile.Members = connectors.MembersBlind
	g := b.own(group("g"), identity.Attrs{})
	b.own(user("u"), identity.Attrs{})
	must(t, b.ledger.Assume(t.Context(), "sync", ledger.Membership{GroupID: g, MemberID: "t-out"}))
	b.target.script["update u"] = []reply{{status: connectors.NotKept}}
	b.target.script["create v"] = []reply{{status: connectors.Unverified}}
	b.target.script["add-members g"] = []reply{{refused: []connectors.RefusedMember{{Member: member("no", "t-no"), Why: "a robot"}}}}
	b.plan(
		change(identity.Update, user("u"), "t-u", title("x")), create(user("v")),
		identity.Change{Op: identity.AddMembers, Ref: group("g"), TargetID: g, Members: []identity.Member{member("yes", "t-yes"), member("no", "t-no")}},
		identity.Change{Op: identity.RemoveMembers, Ref: group("g"), TargetID: g, Members: []identity.Member{member("out", "t-out")}},
	)
	b.want(b.run(), plan.Outcomes{Applied: 1, Unverified: 1, NotKept: 1, Failed: 1},
		"update u: not_kept", "create v: unverified", "add-members g: failed", "remove-members g: applied")
	var assumed []string
	for id, err := range b.ledger.Assumed(t.Context(), "sync", g) {
		must(t, err)
		assumed = append(assumed, id)
	}
	if !slices.Equal(assumed, []string{"t-yes"}) {
		t.Errorf("assumed members %v, want those the target took", assumed)
	}
}
