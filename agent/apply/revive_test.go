package apply_test

import (
	"context"
	"testing"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// A target hides a suspended account, refuses its name, and still takes a change
// by its id: the account we own is reactivated.
func TestReviveHidden(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.own(user("a"), identity.Attrs{"id": "t-a", "active": false})
	b.target.script["create a"] = []reply{fails(connectors.Conflict)}
	b.engine.TakeOver = func(_ context.Context, o apply.Obstacle) (apply.Takeover, error) {
		if o.Owner == nil || o.Live.TargetID != id {
			t.Errorf("obstacle %s, owner %v; want ours", o.Live.TargetID, o.Owner)
		}
		return apply.Takeover{Changes: []identity.Change{change(identity.Update, user("a"), id, title("new"))}}, nil
	}
	c := create(user("a"))
	c.Cause = identity.CauseVanished
	b.plan(c)
	b.want(b.run(), plan.Outcomes{Applied: 1}, "create a: applied")
	if b.target.count("reactivate a") != 1 || b.target.objects[id].Attrs["title"] != "new" {
		t.Errorf("calls %v; want one reactivation and the update", b.target.calls)
	}
	if owner, _ := b.owner(user("a")); owner.TargetID != id {
		t.Errorf("owned as %s, want %s", owner.TargetID, id)
	}
}
