package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// limits are those of an unconfigured sync, with a small max.
func limits() plan.Limits {
	return plan.Limits{
		Max:   map[plan.Class]int{plan.Users: 50, plan.Groups: 10, plan.Memberships: 500},
		Share: map[plan.Class]float64{plan.Users: 0.1, plan.Groups: 0.1, plan.Memberships: 0.2},
		Floor: 5,
	}
}

func removal(class plan.Class, n int, byConfig bool) plan.Step {
	s := plan.Step{Change: identity.Change{Op: identity.Deactivate, Ref: identity.Ref{Kind: identity.User, ID: "u" + fmt.Sprint(n)}}}
	switch class {
	case plan.Groups:
		s.Op, s.Ref.Kind = identity.Delete, identity.Group
	case plan.Memberships:
		s.Op, s.Ref.Kind = identity.RemoveMembers, identity.Group
		s.Members = make([]identity.Member, n)
	case plan.Users:
	}
	s.Evidence.ByConfiguration = byConfig
	return s
}

// removals are steps that weigh n in all.
func removals(class plan.Class, n int, byConfig bool) []plan.Step {
	if class == plan.Memberships {
		return []plan.Step{removal(class, n, byConfig)}
	}
	var out []plan.Step
	for i := range n {
		out = append(out, removal(class, i, byConfig))
	}
	return out
}

func TestJudge(t *testing.T) {
	t.Parallel()
	owned := func(users, groups, memberships int) map[plan.Class]int {
		return map[plan.Class]int{plan.Users: users, plan.Groups: groups, plan.Memberships: memberships}
	}
	for name, c := range map[string]struct {
		tally plan.Tally
		steps []plan.Step
		want  []plan.Trip
		say   []string
	}{
		"nothing":              {tally: plan.Tally{Owned: owned(100, 10, 500)}},
		"as many as the floor": {tally: plan.Tally{Owned: owned(6, 1, 1)}, steps: removals(plan.Users, 5, false)},
		"exactly the share":    {tally: plan.Tally{Owned: owned(100, 1, 1)}, steps: removals(plan.Users, 10, false)},
		"more than the share": {
			tally: plan.Tally{Owned: owned(100, 1, 1)}, steps: removals(plan.Users, 11, false),
			want: []plan.Trip{{Rule: plan.RuleShare, Kind: plan.Users, Count: 11, Of: 100, Limit: 0.1}},
			say:  []string{"11 user removals: 11% of the 100 owned, the limit is 10%"},
		},
		"exactly the max": {tally: plan.Tally{Owned: owned(1000, 1, 1)}, steps: removals(plan.Users, 50, false)},
		"more than the max": {
			tally: plan.Tally{Owned: owned(1000, 1, 1)}, steps: removals(plan.Users, 51, false),
			want: []plan.Trip{{Rule: plan.RuleMax, Kind: plan.Users, Count: 51, Of: 1000, Limit: 50}},
			say:  []string{"51 user removals, the limit is 50"},
		},
		"more than both": {
			tally: plan.Tally{Owned: owned(1, 20, 1)}, steps: removals(plan.Groups, 11, false),
			want: []plan.Trip{
				{Rule: plan.RuleMax, Kind: plan.Groups, Count: 11, Of: 20, Limit: 10},
				{Rule: plan.RuleShare, Kind: plan.Groups, Count: 11, Of: 20, Limit: 0.1},
			},
			say: []string{"11 group removals, the limit is 10", "11 group removals: 55% of the 20 owned, the limit is 10%"},
		},
		"memberships count one by one": {
			tally: plan.Tally{Owned: owned(1, 1, 1000)}, steps: removals(plan.Memberships, 201, false),
			want: []plan.Trip{{Rule: plan.RuleShare, Kind: plan.Memberships, Count: 201, Of: 1000, Limit: 0.2}},
			say:  []string{"201 membership removals: 20.1% of the 1000 owned, the limit is 20%"},
		},
		"classes are apart": {
			tally: plan.Tally{Owned: owned(100, 100, 100)},
			steps: slices.Concat(removals(plan.Users, 6, false), removals(plan.Groups, 6, false), removals(plan.Memberships, 6, false)),
		},
		"more than was ever owned": {
			tally: plan.Tally{Owned: owned(0, 0, 0)}, steps: removals(plan.Users, 6, false),
			want: []plan.Trip{{Rule: plan.RuleShare, Kind: plan.Users, Count: 6, Limit: 0.1}},
			say:  []string{"6 user removals: more than all of the 0 owned, the limit is 10%"},
		},
		"the source shows nobody": {
			tally: plan.Tally{Owned: owned(100, 1, 1), Present: map[plan.Class]int{plan.Users: 0}},
			steps: removals(plan.Users, 1, false),
			want:  []plan.Trip{{Rule: plan.RuleEmptied, Kind: plan.Users, Count: 1, Of: 100}},
			say:   []string{"the source shows no users at all, 100 owned"},
		},
		"the source shows nobody, nothing to remove": {
			tally: plan.Tally{Owned: owned(100, 1, 1), Present: map[plan.Class]int{plan.Users: 0}},
		},
		"users were not read": {
			tally: plan.Tally{Owned: owned(100, 1, 1), Present: map[plan.Class]int{plan.Groups: 0}},
			steps: removals(plan.Users, 1, false),
		},
		"most have vanished": {
			tally: plan.Tally{Owned: owned(100, 1, 1), Vanished: map[plan.Class]int{plan.Users: 51}},
			want:  []plan.Trip{{Rule: plan.RuleVanished, Kind: plan.Users, Count: 51, Of: 100, Limit: 0.5}},
			say:   []string{"51 of 100 owned users are not at the target: was it emptied, restored, or is it another one?"},
		},
		"half have vanished": {tally: plan.Tally{Owned: owned(100, 1, 1), Vanished: map[plan.Class]int{plan.Users: 50}}},
		"all of a few have vanished": {
			tally: plan.Tally{Owned: owned(1, 3, 1), Vanished: map[plan.Class]int{plan.Groups: 3}},
			want:  []plan.Trip{{Rule: plan.RuleVanished, Kind: plan.Groups, Count: 3, Of: 3, Limit: 0.5}},
			say:   []string{"3 of 3 owned groups are not at the target: was it emptied, restored, or is it another one?"},
		},
		"the only one has vanished": {tally: plan.Tally{Owned: owned(1, 3, 1), Vanished: map[plan.Class]int{plan.Users: 1}}},
		"another target": {
			tally: plan.Tally{Owned: owned(7, 2, 30), WrongTarget: "https://old.example.com/scim"},
			want:  []plan.Trip{{Rule: plan.RuleWrongTarget, Kind: plan.Users, Count: 9, Of: 9, Name: "https://old.example.com/scim"}},
			say:   []string{"the target has another address than the one this state belongs to: https://old.example.com/scim"},
		},
		"one removal by configuration": {
			tally: plan.Tally{Owned: owned(100, 1, 1)}, steps: removals(plan.Users, 1, true),
			want: []plan.Trip{{Rule: plan.RuleConfig, Kind: plan.Users, Count: 1, Of: 100}},
			say:  []string{"1 user removal by an edit of the configuration, not by the source"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tally := c.tally
			for _, s := range c.steps {
				tally.Add(s)
			}
			got := tally.Judge(limits())
			if diff := cmp.Diff(c.want, got.Trips, cmpopts.IgnoreUnexported(plan.Trip{})); diff != "" {
				t.Errorf("trips (-want +got):\n%s", diff)
			}
			if got.Tripped != (len(c.want) > 0) {
				t.Errorf("tripped is %t", got.Tripped)
			}
			var say []string
			for _, trip := range got.Trips {
				say = append(say, trip.String())
				if !got.Has(trip.Rule) {
					t.Errorf("Has(%s) is false", trip.Rule)
				}
			}
			if diff := cmp.Diff(c.say, say); diff != "" {
				t.Errorf("sentences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTripSentences(t *testing.T) {
	t.Parallel()
	for want, trip := range map[string]plan.Trip{
		`the source shows nobody in "Ops \"A\"", which had 1 member`: {Rule: plan.RuleEmptiedGroup, Of: 1, Name: `Ops "A"`},
		"120 changes, --max-changes is 100":                          {Rule: plan.RuleCeiling, Count: 120, Limit: 100},
		"--allow-removals is 3, the plan holds 5":                    {Rule: plan.RuleAllowance, Count: 5, Limit: 3},
		"depends": {Rule: plan.RuleDepends},
	} {
		if got := trip.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestShareIsExact: n of d never exceed a limit of exactly n/d, whatever the
// float of that share is.
func TestShareIsExact(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 100; n++ {
		tally := plan.Tally{Owned: map[plan.Class]int{plan.Users: 100}}
		for _, s := range removals(plan.Users, n, false) {
			tally.Add(s)
		}
		share := float64(n) / 100
		if g := tally.Judge(plan.Limits{Share: map[plan.Class]float64{plan.Users: share}}); g.Tripped {
			t.Errorf("%d of 100 trip a limit of %d%%", n, n)
		}
		tally.Add(removal(plan.Users, n, false))
		if g := tally.Judge(plan.Limits{Share: map[plan.Class]float64{plan.Users: share}}); !g.Tripped {
			t.Errorf("%d of 100 do not trip a limit of %d%%", n+1, n)
		}
	}
}

// anyStep draws a step of any operation over few objects.
func anyStep(t *rapid.T) plan.Step {
	user := rapid.Bool().Draw(t, "user")
	ops := []identity.Op{
		identity.Create, identity.Adopt, identity.Update, identity.Reactivate, identity.Deactivate, identity.Delete, identity.Release,
	}
	s := plan.Step{Change: identity.Change{Ref: identity.Ref{Kind: identity.User}}}
	if !user {
		s.Ref.Kind = identity.Group
		ops = []identity.Op{
			identity.Create, identity.Adopt, identity.Update, identity.Delete, identity.AddMembers, identity.RemoveMembers,
		}
	}
	s.Ref.ID = rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
	s.Op = rapid.SampledFrom(ops).Draw(t, "op")
	s.Cause = rapid.SampledFrom([]identity.Cause{
		identity.CauseNew, identity.CauseVanished, identity.CauseGone, identity.CauseChanged,
	}).Draw(t, "cause")
	if s.Op == identity.AddMembers || s.Op == identity.RemoveMembers {
		s.Members = make([]identity.Member, rapid.IntRange(1, 30).Draw(t, "members"))
	}
	s.Evidence.ByConfiguration = rapid.Bool().Draw(t, "by configuration")
	return s
}

func anyLimits(t *rapid.T) plan.Limits {
	l := plan.Limits{Max: map[plan.Class]int{}, Share: map[plan.Class]float64{}, Floor: rapid.IntRange(0, 6).Draw(t, "floor")}
	for _, class := range []plan.Class{plan.Users, plan.Groups, plan.Memberships} {
		if rapid.Bool().Draw(t, "has max") {
			l.Max[class] = rapid.IntRange(0, 20).Draw(t, "max")
		}
		if rapid.Bool().Draw(t, "has share") {
			l.Share[class] = rapid.Float64Range(0, 1).Draw(t, "share")
		}
	}
	return l
}

type emptiedGroup struct {
	id   string
	size int
}

// world is everything a tally is made of, so that it can be made again.
type world struct {
	owned, present, vanished map[plan.Class]int
	wrong                    string
	steps                    []plan.Step
	emptied                  []emptiedGroup
}

func anyWorld(t *rapid.T) world {
	count := func(label string) map[plan.Class]int {
		out := map[plan.Class]int{}
		for _, class := range []plan.Class{plan.Users, plan.Groups, plan.Memberships} {
			if rapid.Bool().Draw(t, label) {
				out[class] = rapid.IntRange(0, 60).Draw(t, label)
			}
		}
		return out
	}
	return world{
		owned: count("owned"), present: count("present"), vanished: count("vanished"),
		wrong: rapid.SampledFrom([]string{"", "", "https://old.example.com"}).Draw(t, "wrong"),
		steps: rapid.SliceOfN(rapid.Custom(anyStep), 0, 30).Draw(t, "steps"),
		emptied: rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) emptiedGroup {
			return emptiedGroup{rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "group"), rapid.IntRange(0, 20).Draw(t, "size")}
		}), 0, 3, func(e emptiedGroup) string { return e.id }).Draw(t, "emptied"),
	}
}

func (w world) judge(l plan.Limits) plan.Guard {
	tally := plan.Tally{Owned: w.owned, Present: w.present, Vanished: w.vanished, WrongTarget: w.wrong}
	for _, s := range w.steps {
		tally.Add(s)
	}
	for _, e := range w.emptied {
		tally.AddEmptied(identity.Ref{Kind: identity.Group, ID: e.id}, "group "+e.id, e.size)
	}
	return tally.Judge(l)
}

// key is what identifies a trip.
func key(trip plan.Trip) string { return fmt.Sprint(trip.Rule, trip.Kind, trip.Name) }

// TestJudgeDoesNotMindOrder: the same steps in any order are judged the same.
func TestJudgeDoesNotMindOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, l := anyWorld(t), anyLimits(t)
		first := w.judge(l)
		w.steps = rapid.Permutation(w.steps).Draw(t, "steps again")
		w.emptied = rapid.Permutation(w.emptied).Draw(t, "emptied again")
		if diff := cmp.Diff(first, w.judge(l), cmpopts.IgnoreUnexported(plan.Trip{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestJudgeIsMonotone: one more step never lets a tripped rule off.
func TestJudgeIsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, l := anyWorld(t), anyLimits(t)
		before := w.judge(l)
		w.steps = append(slices.Clone(w.steps), anyStep(t))
		after := map[string]bool{}
		for _, trip := range w.judge(l).Trips {
			after[key(trip)] = true
		}
		for _, trip := range before.Trips {
			if !after[key(trip)] {
				t.Fatalf("%s no longer trips after one more step", trip)
			}
		}
	})
}

// TestFloor: up to the floor, neither max, share nor an emptied group trips.
func TestFloor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, l := anyWorld(t), anyLimits(t)
		for _, trip := range w.judge(l).Trips {
			switch trip.Rule {
			case plan.RuleMax, plan.RuleShare, plan.RuleEmptiedGroup:
				if trip.Count <= l.Floor {
					t.Fatalf("%s trips at %d, the floor is %d", trip, trip.Count, l.Floor)
				}
			case plan.RuleEmptied, plan.RuleVanished, plan.RuleWrongTarget, plan.RuleConfig,
				plan.RuleCeiling, plan.RuleAllowance, plan.RuleDepends:
			}
		}
	})
}

// TestHolds: what a guard holds is a removal, unless the target itself is in
// doubt or a number on the command line does not fit; and no removal of a class
// that tripped goes.
func TestHolds(t *testing.T) {
	t.Parallel()
	whole := []plan.Rule{plan.RuleWrongTarget, plan.RuleCeiling, plan.RuleAllowance}
	rapid.Check(t, func(t *rapid.T) {
		w, l := anyWorld(t), anyLimits(t)
		g := w.judge(l)
		if rule := rapid.SampledFrom([]plan.Rule{"", "", plan.RuleCeiling, plan.RuleAllowance}).Draw(t, "overruled"); rule != "" {
			g.Trips = append(g.Trips, plan.Trip{Rule: rule})
		}
		s := anyStep(t)
		rule := g.Holds(s)
		if rule != "" && !g.Has(rule) {
			t.Fatalf("held by %s, which has not tripped", rule)
		}
		everything := slices.ContainsFunc(whole, g.Has)
		if everything && rule == "" {
			t.Fatal("a step goes to a target that is in doubt")
		}
		if everything {
			return
		}
		if rule != "" && !s.Op.Removes() && (rule != plan.RuleVanished || s.Cause != identity.CauseVanished) {
			t.Fatalf("%s (%s) is held by %s", s.Op, s.Cause, rule)
		}
		must := false
		for _, trip := range g.Trips {
			class := trip.Kind == plan.ClassOf(s.Change)
			switch trip.Rule {
			case plan.RuleMax, plan.RuleShare, plan.RuleEmptied:
				must = must || class && s.Op.Removes()
			case plan.RuleConfig:
				must = must || class && s.Op.Removes() && s.Evidence.ByConfiguration
			case plan.RuleVanished:
				must = must || class && s.Cause == identity.CauseVanished
			case plan.RuleEmptiedGroup:
				must = must || s.Op == identity.RemoveMembers && "group "+s.Ref.ID == trip.Name
			case plan.RuleWrongTarget, plan.RuleCeiling, plan.RuleAllowance, plan.RuleDepends:
			}
		}
		if must != (rule != "") {
			t.Fatalf("%s of %s is held by %q, of the trips %v", s.Op, s.Ref, rule, g.Trips)
		}
	})
}

// TestEmptiedGroup: only the group that was emptied keeps its members.
func TestEmptiedGroup(t *testing.T) {
	t.Parallel()
	tally := plan.Tally{Owned: map[plan.Class]int{plan.Memberships: 10_000}}
	of := func(id string) plan.Step {
		s := removal(plan.Memberships, 6, false)
		s.Ref.ID = id
		return s
	}
	tally.Add(of("1"))
	tally.Add(of("2"))
	tally.AddEmptied(identity.Ref{Kind: identity.Group, ID: "2"}, "Ops", 6)
	tally.AddEmptied(identity.Ref{Kind: identity.Group, ID: "3"}, "Tiny", 5)
	g := tally.Judge(limits())
	if len(g.Trips) != 1 || g.Trips[0].Name != "Ops" || g.Trips[0].Limit != 5 {
		t.Fatalf("got %+v", g.Trips)
	}
	for id, want := range map[string]plan.Rule{"1": "", "2": plan.RuleEmptiedGroup, "3": ""} {
		if got := g.Holds(of(id)); got != want {
			t.Errorf("group %s is held by %q, want %q", id, got, want)
		}
	}
}
