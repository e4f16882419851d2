package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// TestFaultsOracle plants what the tests of faults look for, in every world: each
// defect is seen, and nothing before it and once it is undone.
func TestFaultsOracle(t *testing.T) {
	t.Parallel()
	for _, cycle := range cycles() {
		t.Run(cycle.name, func(t *testing.T) {
			t.Parallel()
			u := cycle.open(t)
			u.sync(exitDone)
			u.day(1)
			if u.wrong() == "" {
				t.Error("a day that was not followed is not seen")
			}
			if problem := u.settles(); problem != "" {
				t.Fatal(problem)
			}
			for name, c := range u.defects() {
				undo := c.plant()
				if problem := u.wrong(); problem == "" || !strings.Contains(problem, c.seen) {
					t.Errorf("%s is not seen, but %q", name, problem)
				}
				undo()
				if problem := u.wrong(); problem != "" {
					t.Fatalf("%s: after it was undone: %s", name, problem)
				}
			}
			before, whole := u.active(), u.everything()
			u.must(u.application.Wipe())
			if len(u.lost(before)) != len(before) || u.everything() == whole || u.wrong() == "" {
				t.Error("a target that was emptied is not seen")
			}
			if trap := u.arm(atMaking, 1, mishaps()["500"]); trap.disarm() != 0 {
				t.Error("a mishap that never happened counts")
			}
			if problem := u.settles(); problem == "" {
				t.Error("runs that a guard holds count as settled")
			}
		})
	}
}

// defect is something that is wrong.
type defect struct {
	plant func() (undo func())
	seen  string // what is said of it
}

func (u *unruly) defects() map[string]defect {
	edit := func(name, path string, value, back any) func() func() {
		return func() func() {
			u.must(u.application.Edit(identity.User, name, path, value))
			return func() { u.must(u.application.Edit(identity.User, name, path, back)) }
		}
	}
	ada, group := u.byName(u.application.Users(), "ada@example.com"), scimtest.Resource{}
	for _, g := range u.application.Groups() {
		if g.ExternalID != "" && len(g.Members) > 0 {
			group = g
		}
	}
	last, _ := ada.Attributes["name"].(map[string]any)
	return map[string]defect{
		"a lost account":    {edit("ada@example.com", "active", false, true), "ada@example.com"},
		"a stale attribute": {edit("ada@example.com", "name.familyName", "Stale", last["familyName"]), "Stale"},
		"a second account": {func() func() {
			id, err := u.application.Put(identity.User, map[string]any{"userName": "twin@example.com", "externalId": ada.ExternalID, "active": true})
			u.must(err)
			return func() { u.must(u.application.Delete(identity.User, id)) }
		}, ""},
		"a second group": {func() func() {
			id, err := u.application.Put(identity.Group, map[string]any{"displayName": "Another"})
			u.must(err)
			u.must(u.application.Edit(identity.Group, id, "displayName", group.Name))
			return func() { u.must(u.application.Delete(identity.Group, id)) }
		}, ""},
		"a lost membership": {func() func() {
			u.must(u.application.RemoveMember(group.ID, group.Members[0]))
			return func() { u.must(u.application.AddMember(group.ID, group.Members[0])) }
		}, ""},
		"an open intent": {u.openIntent, "the journal does not know what became of [create Nobody]"},
	}
}

func (u *unruly) byName(list []scimtest.Resource, name string) scimtest.Resource {
	u.t.Helper()
	for _, r := range list {
		if r.Name == name {
			return r
		}
	}
	u.t.Fatalf("nobody is called %s", name)
	return scimtest.Resource{}
}

// openIntent writes down that something is about to be done, and then that it was
// not.
func (u *unruly) openIntent() func() {
	u.t.Helper()
	ctx, run := u.t.Context(), fmt.Sprint("planted", time.Now().UnixNano())
	ref := identity.Ref{Kind: identity.User, ID: "nobody"}
	var seq int64
	u.inLedger(func(l *ledger.Ledger) error {
		if err := l.StartRun(ctx, ledger.Run{ID: run, Sync: "main", Cycle: "full", Started: time.Now()}); err != nil {
			return err
		}
		seqs, err := l.Intend(ctx, nil, run, "main", []identity.Change{{Op: identity.Create, Ref: ref, Name: "Nobody"}})
		seq = seqs[0]
		return err
	})
	return func() {
		u.inLedger(func(l *ledger.Ledger) error {
			if err := l.Settle(ctx, []ledger.Outcome{{Run: run, Seq: seq, Ref: ref, Outcome: plan.NotTried}}); err != nil {
				return err
			}
			return l.FinishRun(ctx, run, time.Now(), "done", nil)
		})
	}
}

func (u *unruly) inLedger(do func(*ledger.Ledger) error) {
	u.t.Helper()
	l, err := ledger.Open(u.t.Context(), u.dir+"/scimsync.db")
	u.must(err)
	u.must(do(l))
	u.must(l.Close())
}
