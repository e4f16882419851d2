package plan_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// attrs draws attributes over a few paths, so that both sides often agree.
func attrs(t *rapid.T, label string, values ...any) identity.Attrs {
	out := identity.Attrs{}
	for _, path := range [...]string{"userName", "displayName", "externalId", title, "roles"} {
		if rapid.Bool().Draw(t, label+" has "+path) {
			out[path] = rapid.SampledFrom(values).Draw(t, label+" "+path)
		}
	}
	if rapid.Bool().Draw(t, label+" has active") {
		out["active"] = rapid.Bool().Draw(t, label+" active")
	}
	return out
}

var causes = []identity.Cause{
	identity.CauseDisabled, identity.CauseGone, identity.CauseUnassigned, identity.CauseOutOfScope,
}

func anyPolicy(t *rapid.T) plan.Policy {
	flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
	frozen := rapid.SampledFrom([]string{"", title, "roles"}).Draw(t, "frozen")
	p := plan.Policy{
		Kind: rapid.SampledFrom(identity.Kinds()).Draw(t, "kind"), Create: flag("create"), Update: flag("update"),
		MembersOnly: flag("members only"), HasActive: flag("has active"), DeleteSuspends: flag("delete suspends"),
		Rename: flag("rename"), Same: same, Leave: map[identity.Cause]plan.Leave{},
		Frozen: func(path string) bool { return path == frozen },
	}
	for _, cause := range causes {
		if flag("leave has " + string(cause)) {
			p.Leave[cause] = rapid.SampledFrom([]plan.Leave{
				plan.LeaveDeactivate, plan.LeaveDelete, plan.LeaveKeep,
			}).Draw(t, "leave "+string(cause))
		}
	}
	return p
}

func anyObject(t *rapid.T, p plan.Policy) plan.Object {
	o := plan.Object{
		Ref: identity.Ref{Kind: p.Kind, ID: "s-1"}, Name: "ann",
		Waited: rapid.Bool().Draw(t, "waited"), Adopted: rapid.Bool().Draw(t, "adopted"),
	}
	if rapid.Bool().Draw(t, "at the target") {
		o.Live = &identity.Entry{TargetID: "t-1", Attrs: attrs(t, "live", "", "a", "A", "b", []string{"x", "y"})}
		o.Hold = rapid.SampledFrom([]plan.Hold{plan.Owned, plan.Recognized, plan.Matched, plan.Successor}).Draw(t, "hold")
	} else {
		o.Hold = rapid.SampledFrom([]plan.Hold{plan.Stranger, plan.Vanished}).Draw(t, "hold")
	}
	if rapid.Bool().Draw(t, "wanted") {
		o.Desired = &identity.Entry{Attrs: attrs(t, "desired", nil, "", "a", "A", "b", []string{"y", "x"})}
		return o
	}
	// What has left is, or was, ours.
	o.Hold = plan.Owned
	o.Left = rapid.SampledFrom(causes).Draw(t, "left")
	return o
}

// carryOut does to the object what a target would do for the changes.
func carryOut(o plan.Object, p plan.Policy, changes []identity.Change) plan.Object {
	for _, c := range changes {
		live := identity.Entry{TargetID: "t-1", Attrs: identity.Attrs{}}
		if o.Live != nil {
			live.Attrs = maps.Clone(o.Live.Attrs)
		}
		for _, a := range c.Attributes {
			if live.Attrs[a.Path] = a.After; identity.Equal(a.After, nil) {
				delete(live.Attrs, a.Path)
			}
		}
		switch {
		case c.Op == identity.Adopt:
			o.Adopted = true
		case c.Op == identity.Delete && p.DeleteSuspends:
			live.Attrs = maps.Clone(o.Live.Attrs)
			live.Attrs["active"] = false
		case c.Op == identity.Delete:
			o.Live, o.Hold = nil, plan.Stranger
			continue
		}
		o.Live, o.Hold = &live, plan.Owned
	}
	return o
}

// TestConverges: once its changes are carried out, an object needs no more.
func TestConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(t)
		o := anyObject(t, p)
		first, _ := plan.Diff(o, p)
		after := carryOut(o, p, first)
		second, _ := plan.Diff(after, p)
		if len(second) > 0 {
			t.Fatalf("%+v with %+v: after %q there is still %q", o, p, brief(first), brief(second))
		}
	})
}

// TestConvergenceIsNoticed shows that the property can fail: a target that
// forgets an attribute leaves a difference.
func TestConvergenceIsNoticed(t *testing.T) {
	t.Parallel()
	o := plan.Object{Ref: ann, Desired: want(true), Hold: plan.Stranger}
	p := users()
	changes, _ := plan.Diff(o, p)
	after := carryOut(o, p, changes)
	delete(after.Live.Attrs, title)
	if again, _ := plan.Diff(after, p); len(again) != 1 {
		t.Errorf("got %q, want one update", brief(again))
	}
}

// TestDiffLaws are what holds of every difference.
func TestDiffLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(t)
		o := anyObject(t, p)
		changes, why := plan.Diff(o, p)
		again, whyAgain := plan.Diff(o, p)
		if diff := cmp.Diff(changes, again); diff != "" || why != whyAgain {
			t.Fatalf("the same input gave another answer: %s", diff)
		}
		ops := map[identity.Op]bool{}
		for _, c := range changes {
			if ops[c.Op] {
				t.Fatalf("two changes are %s: %q", c.Op, brief(changes))
			}
			ops[c.Op] = true
			lawful(t, o, p, c)
		}
		if o.Desired == nil && len(changes) > 0 && !changes[0].Op.Removes() {
			t.Fatalf("%s of somebody who has left", changes[0].Op)
		}
	})
}

func lawful(t *rapid.T, o plan.Object, p plan.Policy, c identity.Change) {
	if c.Ref != o.Ref || c.Reason == "" || c.Cause == "" {
		t.Fatalf("a change without object, reason or cause: %+v", c)
	}
	if !slices.IsSortedFunc(c.Attributes, func(a, b identity.Attribute) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	}) {
		t.Fatalf("attributes are not sorted: %q", brief([]identity.Change{c}))
	}
	if c.Op.Removes() && (!o.Waited || o.Live == nil) {
		t.Fatalf("%s before its time, or of nothing", c.Op)
	}
	if c.Op == identity.Create && (o.Live != nil || !p.Create) {
		t.Fatalf("created, though create is %t and live is %v", p.Create, o.Live)
	}
	if c.Op == identity.Update && !p.Update {
		t.Fatal("updated, though update is off")
	}
	for _, a := range c.Attributes {
		if o.Live != nil && !cmp.Equal(a.Before, o.Live.Attrs[a.Path]) {
			t.Fatalf("%s %s: before is %v, the target holds %v", c.Op, a.Path, a.Before, o.Live.Attrs[a.Path])
		}
		edits := c.Op == identity.Update || c.Op == identity.Adopt
		switch {
		case !edits:
		case a.Path == "active" && p.Kind == identity.User:
			t.Fatalf("%s sends active along", c.Op)
		case p.Frozen(a.Path), !p.Rename && a.Path == plan.NamePath(p.Kind):
			t.Fatalf("%s changes %s", c.Op, a.Path)
		case same(a.Path, a.After, a.Before):
			t.Fatalf("%s of %s changes nothing", c.Op, a.Path)
		}
	}
}
