package plan_test

import (
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// What was held before counts on top, and an earlier cycle's removals alone keep a
// guard tripped.
func TestHeldBefore(t *testing.T) {
	t.Parallel()
	l := plan.Limits{Floor: 5, Max: map[plan.Class]int{plan.Users: 10}}
	for _, c := range []struct {
		held, now int
		want      bool
	}{{0, 10, false}, {8, 2, false}, {9, 2, true}, {11, 0, true}, {0, 0, false}} {
		tally := plan.Tally{Owned: map[plan.Class]int{plan.Users: 1000}}
		for range c.held {
			tally.AddHeld(plan.Users)
		}
		for range c.now {
			tally.Add(plan.Step{Change: identity.Change{Op: identity.Deactivate, Ref: identity.Ref{Kind: identity.User, ID: "x"}}})
		}
		if g := tally.Judge(l); g.Tripped != c.want {
			t.Errorf("%d held and %d more: tripped %t, want %t", c.held, c.now, g.Tripped, c.want)
		}
	}
}
