package plan_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// ann is a source user.
var ann = identity.Ref{Kind: identity.User, ID: "00u1"}

const title = "title"

// same compares as a target does that keeps the case of everything but names.
func same(path string, desired, live any) bool {
	a, ok := desired.(string)
	b, also := live.(string)
	if ok && also && path == "userName" {
		return identity.Fold(a) == identity.Fold(b)
	}
	return identity.Equal(desired, live)
}

// users is the policy most cases start from: everything on, leavers are
// deactivated.
func users(edits ...func(*plan.Policy)) plan.Policy {
	p := plan.Policy{
		Kind: identity.User, Create: true, Update: true, HasActive: true, Rename: true, Same: same,
		Leave: map[identity.Cause]plan.Leave{
			identity.CauseDisabled: plan.LeaveDeactivate, identity.CauseGone: plan.LeaveDeactivate,
			identity.CauseUnassigned: plan.LeaveDeactivate, identity.CauseOutOfScope: plan.LeaveDeactivate,
		},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func groups(edits ...func(*plan.Policy)) plan.Policy {
	p := plan.Policy{Kind: identity.Group, Create: true, Update: true, Rename: true, Same: same}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func leave(l plan.Leave, causes ...identity.Cause) func(*plan.Policy) {
	return func(p *plan.Policy) {
		leave := map[identity.Cause]plan.Leave{}
		maps.Copy(leave, p.Leave)
		for _, cause := range causes {
			leave[cause] = l
		}
		p.Leave = leave
	}
}

// want and have are the two sides of one user, told apart by their title.
func want(active any, edits ...identity.Attrs) *identity.Entry {
	return entry("", active, edits...)
}

func have(active any, edits ...identity.Attrs) *identity.Entry {
	return entry("u-1", active, edits...)
}

func entry(id string, active any, edits ...identity.Attrs) *identity.Entry {
	attrs := identity.Attrs{"userName": "ann@example.com", "externalId": "00u1", title: "Dr"}
	if active != nil {
		attrs["active"] = active
	}
	for _, edit := range edits {
		maps.Copy(attrs, edit)
	}
	return &identity.Entry{TargetID: id, Attrs: attrs}
}

// brief writes changes as "op cause path=before>after …", so that a table can
// say what it expects on one line.
func brief(changes []identity.Change) []string {
	var out []string
	for _, c := range changes {
		parts := []string{string(c.Op), string(c.Cause)}
		for _, a := range c.Attributes {
			parts = append(parts, a.Path+"="+show(a.Before)+">"+show(a.After))
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		if v {
			return "true"
		}
		return "false"
	case string:
		return v
	case []string:
		return "[" + strings.Join(v, " ") + "]"
	}
	return "?"
}

const (
	createAnn = "create new active=nil>true externalId=nil>00u1 title=nil>Dr userName=nil>ann@example.com"
	deleteAnn = "active=true>nil externalId=00u1>nil title=Dr>nil userName=ann@example.com>nil"
)

// TestDiff follows the truth table in the comment of Diff, line by line, and
// then each switch of Policy.
func TestDiff(t *testing.T) {
	t.Parallel()
	owned := func(desired, live *identity.Entry) plan.Object {
		return plan.Object{Ref: ann, Name: "ann@example.com", Desired: desired, Live: live, Hold: plan.Owned, Waited: true}
	}
	held := func(hold plan.Hold, desired, live *identity.Entry) plan.Object {
		o := owned(desired, live)
		o.Hold = hold
		return o
	}
	left := func(cause identity.Cause, live *identity.Entry) plan.Object {
		o := owned(nil, live)
		o.Left = cause
		return o
	}
	prof := identity.Attrs{title: "Prof"}
	adopted := func(o plan.Object) plan.Object {
		o.Adopted = true
		return o
	}
	hasty := func(o plan.Object) plan.Object {
		o.Waited = false
		return o
	}
	off := func(p *plan.Policy) { p.Create, p.Update = false, false }
	frozenTitle := func(p *plan.Policy) { p.Frozen = func(path string) bool { return path == title } }
	keepsName := func(p *plan.Policy) { p.Rename = false }
	noActive := func(p *plan.Policy) { p.HasActive = false }
	suspends := func(p *plan.Policy) { p.DeleteSuspends = true }
	membersOnly := func(p *plan.Policy) { p.MembersOnly = true }

	for name, c := range map[string]struct {
		object plan.Object
		policy plan.Policy
		want   []string
		left   string
	}{
		// The truth table.
		"stranger, active": {held(plan.Stranger, want(true), nil), users(), []string{createAnn}, ""},
		"stranger, active not mapped": {
			held(plan.Stranger, want(nil), nil), users(),
			[]string{"create new externalId=nil>00u1 title=nil>Dr userName=nil>ann@example.com"},
			"",
		},
		"stranger, inactive": {held(plan.Stranger, want(false), nil), users(), nil, ""},
		"vanished, active": {
			held(plan.Vanished, want(true), nil), users(),
			[]string{strings.Replace(createAnn, "new", "vanished", 1)},
			"",
		},
		"vanished, inactive":   {held(plan.Vanished, want(false), nil), users(), nil, ""},
		"recognized, the same": {held(plan.Recognized, want(true), have(true)), users(), nil, ""},
		"recognized, differs": {
			held(plan.Recognized, want(true, prof), have(true)), users(), []string{"update changed title=Dr>Prof"}, "",
		},
		"recognized, inactive at the source": {
			held(plan.Recognized, want(false), have(true)), users(), []string{"deactivate disabled active=true>false"}, "",
		},
		"matched, the same": {held(plan.Matched, want(true), have(true)), users(), []string{"adopt matched"}, ""},
		"matched, other externalId": {
			held(plan.Matched, want(true, prof), have(true, identity.Attrs{"externalId": nil})), users(),
			[]string{"adopt matched externalId=nil>00u1 title=Dr>Prof"},
			"",
		},
		"matched, inactive at the target": {
			held(plan.Matched, want(true), have(false)), users(),
			[]string{"adopt matched", "reactivate enabled active=false>true"},
			"",
		},
		"matched, inactive at the source": {
			held(plan.Matched, want(false), have(true)), users(),
			[]string{"adopt matched", "deactivate disabled active=true>false"},
			"",
		},
		"successor": {
			held(plan.Successor, want(true), have(false, identity.Attrs{"externalId": "00u0"})), users(),
			[]string{"adopt rehire externalId=00u0>00u1", "reactivate enabled active=false>true"},
			"",
		},
		"owned, the same": {owned(want(true), have(true)), users(), nil, ""},
		"owned, differs":  {owned(want(true, prof), have(true)), users(), []string{"update changed title=Dr>Prof"}, ""},
		"owned, returned and differs": {
			owned(want(true, prof), have(false)), users(),
			[]string{"reactivate enabled active=false>true", "update changed title=Dr>Prof"},
			"",
		},
		"owned, disabled and differs": {
			owned(want(false, prof), have(true)), users(), []string{"deactivate disabled active=true>false"}, "",
		},
		"owned, disabled, deleted by policy": {
			owned(want(false), have(true)), users(leave(plan.LeaveDelete, identity.CauseDisabled)),
			[]string{"delete disabled " + deleteAnn},
			"",
		},
		"owned, inactive on both sides and differs": {owned(want(false, prof), have(false)), users(), nil, ""},
		"owned, inactive on both sides, deleted by policy": {
			owned(want(false), have(false)), users(leave(plan.LeaveDelete, identity.CauseDisabled)),
			[]string{"delete disabled " + strings.Replace(deleteAnn, "true", "false", 1)},
			"",
		},
		"left, active": {left(identity.CauseGone, have(true)), users(), []string{"deactivate gone active=true>false"}, ""},
		"left, unassigned": {
			left(identity.CauseUnassigned, have(true)), users(), []string{"deactivate unassigned active=true>false"}, "",
		},
		"left, out of scope": {
			left(identity.CauseOutOfScope, have(true)), users(), []string{"deactivate out_of_scope active=true>false"}, "",
		},
		"left, deleted by policy": {
			left(identity.CauseGone, have(true)), users(leave(plan.LeaveDelete, identity.CauseGone)),
			[]string{"delete gone " + deleteAnn},
			"",
		},
		"left, kept by policy": {
			left(identity.CauseGone, have(true)), users(leave(plan.LeaveKeep, identity.CauseGone)),
			nil, "no longer at the source; leavers say keep",
		},
		"left, no policy for the cause": {
			left(identity.CauseGone, have(true)), users(func(p *plan.Policy) { p.Leave = nil }),
			nil, "no longer at the source; leavers say keep",
		},
		"left, inactive": {left(identity.CauseGone, have(false)), users(), nil, ""},
		"left, inactive, deleted by policy": {
			left(identity.CauseGone, have(false)), users(leave(plan.LeaveDelete, identity.CauseGone)),
			[]string{"delete gone " + strings.Replace(deleteAnn, "true", "false", 1)},
			"",
		},
		"left and vanished": {left(identity.CauseGone, nil), users(leave(plan.LeaveDelete, identity.CauseGone)), nil, ""},

		// The switches.
		"create is off":           {held(plan.Stranger, want(true), nil), users(off), nil, "create is off"},
		"create is off, vanished": {held(plan.Vanished, want(true), nil), users(off), nil, "create is off"},
		"create is off, inactive": {held(plan.Stranger, want(false), nil), users(off), nil, ""},
		"update is off":           {owned(want(true, prof), have(true)), users(off), nil, "update is off"},
		"update is off, the same": {owned(want(true), have(true)), users(off), nil, ""},
		"update is off, disabled": {
			owned(want(false, prof), have(true)), users(off), []string{"deactivate disabled active=true>false"}, "",
		},
		"update is off, returned": {
			owned(want(true, prof), have(false)), users(off), []string{"reactivate enabled active=false>true"}, "update is off",
		},
		"grace, disabled": {
			hasty(owned(want(false), have(true))), users(), nil, "disabled at the source; within the grace period",
		},
		"grace, left": {
			hasty(left(identity.CauseUnassigned, have(true))), users(), nil,
			"no longer assigned to the application; within the grace period",
		},
		"grace, left, already inactive": {hasty(left(identity.CauseGone, have(false))), users(), nil, ""},
		"grace does not delay a return": {
			hasty(owned(want(true), have(false))), users(), []string{"reactivate enabled active=false>true"}, "",
		},
		"grace does not delay an update": {
			hasty(owned(want(true, prof), have(true))), users(), []string{"update changed title=Dr>Prof"}, "",
		},
		"no active at the target": {
			left(identity.CauseGone, have(nil)), users(noActive), nil,
			"no longer at the source, but the target cannot deactivate: set leavers to delete or keep",
		},
		"no active at the target, deleted by policy": {
			left(identity.CauseOutOfScope, have(nil)), users(noActive, leave(plan.LeaveDelete, identity.CauseOutOfScope)),
			[]string{"delete out_of_scope externalId=00u1>nil title=Dr>nil userName=ann@example.com>nil"},
			"",
		},
		"the target does not say active": {
			left(identity.CauseGone, have(nil)), users(), []string{"deactivate gone active=nil>false"}, "",
		},
		"DELETE suspends": {
			left(identity.CauseGone, have(true)), users(suspends, leave(plan.LeaveDelete, identity.CauseGone)),
			[]string{"delete gone " + deleteAnn},
			"",
		},
		"DELETE suspends, suspended already": {
			left(identity.CauseGone, have(false)), users(suspends, leave(plan.LeaveDelete, identity.CauseGone)), nil, "",
		},
		"frozen attribute": {owned(want(true, prof), have(true)), users(frozenTitle), nil, ""},
		"frozen attribute of a new user": {
			held(plan.Stranger, want(true), nil), users(frozenTitle), []string{createAnn}, "",
		},
		"frozen attribute of an adopted user": {
			held(plan.Matched, want(true, prof), have(true)), users(frozenTitle), []string{"adopt matched"}, "",
		},
		"name that stays": {
			owned(want(true, identity.Attrs{"userName": "anna@example.com"}), have(true)), users(keepsName), nil,
			"its new userName is not taken over: the target does not rename",
		},
		"name that may change": {
			owned(want(true, identity.Attrs{"userName": "anna@example.com"}), have(true)), users(),
			[]string{"update changed userName=ann@example.com>anna@example.com"},
			"",
		},
		"name in another case": {owned(want(true, identity.Attrs{"userName": "ANN@example.com"}), have(true)), users(), nil, ""},
		"externalId drift": {
			owned(want(true), have(true, identity.Attrs{"externalId": "other"})), users(),
			[]string{"update changed externalId=other>00u1"},
			"",
		},
		"nil clears": {
			owned(want(true, identity.Attrs{title: nil}), have(true)), users(), []string{"update changed title=Dr>nil"}, "",
		},
		"nil is kept clear": {
			owned(want(true, identity.Attrs{title: nil}), have(true, identity.Attrs{title: ""})), users(), nil, "",
		},
		"nil of a new user is not sent": {
			held(plan.Stranger, want(true, identity.Attrs{title: nil}), nil), users(),
			[]string{"create new active=nil>true externalId=nil>00u1 userName=nil>ann@example.com"},
			"",
		},
		"what is not mapped is not managed": {
			owned(want(true), have(true, identity.Attrs{"nickName": "Annie"})), users(), nil, "",
		},
		"lists compare without order": {
			owned(want(true, identity.Attrs{"roles": []string{"a", "b"}}), have(true, identity.Attrs{"roles": []string{"b", "a"}})),
			users(), nil, "",
		},
		"lists differ": {
			owned(want(true, identity.Attrs{"roles": []string{"a"}}), have(true, identity.Attrs{"roles": []string{"b", "a"}})),
			users(),
			[]string{"update changed roles=[b a]>[a]"},
			"",
		},

		// Groups.
		"members only, matched": {
			held(plan.Matched, want(nil, prof), have(nil)), groups(membersOnly), []string{"adopt matched"}, "",
		},
		"members only, adopted": {adopted(owned(want(nil, prof), have(nil))), groups(membersOnly), nil, ""},
		"members only, ours": {
			owned(want(nil, prof), have(nil)), groups(membersOnly), []string{"update changed title=Dr>Prof"}, "",
		},
		"members only, adopted and gone": {
			adopted(left(identity.CauseGone, have(nil))), groups(membersOnly, leave(plan.LeaveDelete, identity.CauseGone)),
			nil, "no longer at the source; adopted for its members only",
		},
		"members only, ours and gone": {
			left(identity.CauseGone, have(nil)), groups(membersOnly, leave(plan.LeaveDelete, identity.CauseGone)),
			[]string{"delete gone externalId=00u1>nil title=Dr>nil userName=ann@example.com>nil"},
			"",
		},
		"a group has no active": {owned(want(false), have(true)), groups(), []string{"update changed active=true>false"}, ""},
		"a group that stays":    {left(identity.CauseGone, have(nil)), groups(), nil, "no longer at the source; leavers say keep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes, why := plan.Diff(c.object, c.policy)
			if diff := cmp.Diff(c.want, brief(changes)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if why != c.left {
				t.Errorf("left alone because %q, want %q", why, c.left)
			}
			for _, change := range changes {
				if change.Ref != ann || change.Name != "ann@example.com" || change.Reason == "" {
					t.Errorf("a change must name its object and its reason: %+v", change)
				}
				if (change.TargetID == "") != (c.object.Live == nil) {
					t.Errorf("%s has target id %q", change.Op, change.TargetID)
				}
			}
		})
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	o := plan.Object{
		Ref: ann, Hold: plan.Owned,
		Desired: want(true, identity.Attrs{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}), Live: have(true),
	}
	changes, _ := plan.Diff(o, users())
	if got, want := changes[0].Reason, "differs from the source in a, b, c and 2 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// A cause of leaving without words of its own is named as it is.
	o = plan.Object{Ref: ann, Hold: plan.Owned, Live: have(true), Left: "other", Waited: true}
	changes, _ = plan.Diff(o, users(leave(plan.LeaveDeactivate, "other")))
	if len(changes) != 1 || changes[0].Reason != "other" {
		t.Errorf("got %+v", changes)
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	e := identity.Entry{Attrs: identity.Attrs{"userName": "ann", "name.givenName": "", "title": nil, "roles": []string{}}}
	got := plan.Missing(e, []string{"userName", "name.givenName", "title", "roles", "emails", "userName", "title"})
	if diff := cmp.Diff([]string{"name.givenName", "title", "roles", "emails"}, got); diff != "" {
		t.Error(diff)
	}
}
