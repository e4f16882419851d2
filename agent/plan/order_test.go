package plan_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func TestArrange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		moves []plan.NameMove
		want  plan.Order
	}{
		"nothing": {nil, plan.Order{Level: map[int64]int{}}},
		"a step waits for another": {
			[]plan.NameMove{{Step: 1, Holder: 2}},
			plan.Order{Level: map[int64]int{2: 0, 1: 1}},
		},
		"a chain": {
			[]plan.NameMove{{Step: 1, Holder: 2}, {Step: 2, Holder: 3}, {Step: 3, Holder: 4}},
			plan.Order{Level: map[int64]int{4: 0, 3: 1, 2: 2, 1: 3}},
		},
		"a swap": {
			[]plan.NameMove{{Step: 7, Holder: 4}, {Step: 4, Holder: 7}},
			plan.Order{Level: map[int64]int{7: 1, 4: 2}, Parked: []int64{4}},
		},
		"a circle of three, and a chain": {
			[]plan.NameMove{{Step: 1, Holder: 2}, {Step: 2, Holder: 3}, {Step: 3, Holder: 1}, {Step: 8, Holder: 9}},
			plan.Order{Level: map[int64]int{3: 1, 2: 2, 1: 3, 9: 0, 8: 1}, Parked: []int64{1}},
		},
		"two circles": {
			[]plan.NameMove{{Step: 3, Holder: 4}, {Step: 4, Holder: 3}, {Step: 2, Holder: 1}, {Step: 1, Holder: 2}},
			plan.Order{Level: map[int64]int{2: 1, 1: 2, 4: 1, 3: 2}, Parked: []int64{1, 3}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, plan.Arrange(c.moves)); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

// rename is one step over a directory of unique names: the object gives up the
// name it has, and takes another, or none when it is deleted.
type rename struct {
	step     int64
	has      string
	takes    string
	creating bool
}

// anyRenames draws steps in which each name is held by at most one object and
// wanted by at most one: permutations of names (circles), steps to fresh names
// (the ends of chains), deletions and creations.
func anyRenames(t *rapid.T) []rename {
	n := rapid.IntRange(0, 12).Draw(t, "objects")
	names := make([]string, n)
	for i := range names {
		names[i] = "name" + strconv.Itoa(i)
	}
	to := rapid.Permutation(names).Draw(t, "permutation")
	numbers := rapid.Permutation(sequence(2*n)).Draw(t, "numbers")
	var steps []rename
	for i, name := range names {
		r := rename{step: numbers[i], has: name, takes: to[i]}
		switch rapid.SampledFrom([]string{"move", "move", "move", "fresh", "delete", "create"}).Draw(t, "what") {
		case "fresh":
			r.takes = "fresh" + strconv.Itoa(i)
		case "delete":
			r.takes = ""
		case "create":
			// The name is taken by a new object; its own one stays free.
			r.has, r.creating = "", true
		case "move":
		}
		if r.has != r.takes {
			steps = append(steps, r)
		}
	}
	return steps
}

func sequence(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i + 1)
	}
	return out
}

// moves are the waits the agent finds: who wants a name another object has.
func moves(steps []rename) []plan.NameMove {
	holder := map[string]int64{}
	for _, s := range steps {
		if s.has != "" {
			holder[s.has] = s.step
		}
	}
	var out []plan.NameMove
	for _, s := range steps {
		if by, ok := holder[s.takes]; ok && s.takes != "" {
			out = append(out, plan.NameMove{Step: s.step, Holder: by})
		}
	}
	return out
}

// TestNamesAreFreeWhenTaken plays the steps level by level. Within a level
// nothing is ordered, so a name must be free before the level begins.
func TestNamesAreFreeWhenTaken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := anyRenames(t)
		waits := moves(steps)
		order := plan.Arrange(waits)
		shuffled := rapid.Permutation(waits).Draw(t, "shuffled")
		if diff := cmp.Diff(order, plan.Arrange(shuffled)); diff != "" {
			t.Fatalf("another order of the moves gave another plan:\n%s", diff)
		}
		taken := map[string]bool{}
		for _, s := range steps {
			if s.has != "" {
				taken[s.has] = true
			}
		}
		parked := map[int64]bool{}
		for _, seq := range order.Parked {
			parked[seq] = true
			if order.Level[seq] == 0 {
				t.Fatalf("step %d is parked and takes its name in one level", seq)
			}
		}
		for level := 0; level <= len(steps); level++ {
			before := make(map[string]bool, len(taken))
			for name := range taken {
				before[name] = true
			}
			for _, s := range steps {
				if level == 0 && parked[s.step] {
					delete(taken, s.has)
				}
				if order.Level[s.step] != level {
					continue
				}
				if s.takes != "" && before[s.takes] {
					t.Fatalf("step %d takes %s in level %d, where it is not free: %+v, %+v", s.step, s.takes, level, steps, order)
				}
				if !parked[s.step] {
					delete(taken, s.has)
				}
				if s.takes != "" {
					taken[s.takes] = true
				}
			}
		}
		var want, got []string
		for _, s := range steps {
			if s.takes != "" {
				want = append(want, s.takes)
			}
		}
		for name := range taken {
			got = append(got, name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("names at the end (-want +got):\n%s", diff)
		}
	})
}

// TestLongChain: the depth of a chain is the number of renames, not a limit.
func TestLongChain(t *testing.T) {
	t.Parallel()
	const n = 50_000
	waits := make([]plan.NameMove, n)
	for i := range waits {
		waits[i] = plan.NameMove{Step: int64(i + 1), Holder: int64(i + 2)}
	}
	if got := plan.Arrange(waits).Level[1]; got != n {
		t.Errorf("got level %d, want %d", got, n)
	}
	waits[n-1].Holder = 1 // a circle of all
	order := plan.Arrange(waits)
	if len(order.Parked) != 1 || order.Parked[0] != 1 || order.Level[1] != n {
		t.Errorf("parked %v, level %d", order.Parked, order.Level[1])
	}
}

func TestWaveOf(t *testing.T) {
	t.Parallel()
	user, group := identity.User, identity.Group
	for _, c := range []struct {
		op    identity.Op
		kind  identity.Kind
		cause identity.Cause
		want  plan.Wave
	}{
		{identity.Deactivate, user, identity.CauseGone, plan.WaveDeactivate},
		{identity.Create, user, identity.CauseNew, plan.WaveUsers},
		{identity.Adopt, user, identity.CauseMatched, plan.WaveUsers},
		{identity.Reactivate, user, identity.CauseEnabled, plan.WaveUsers},
		{identity.Update, user, identity.CauseChanged, plan.WaveUsers},
		{identity.Update, user, identity.CauseReference, plan.WaveReferences},
		{identity.Release, user, identity.CauseGone, plan.WaveUsers},
		{identity.Create, group, identity.CauseNew, plan.WaveGroups},
		{identity.Adopt, group, identity.CauseMatched, plan.WaveGroups},
		{identity.Update, group, identity.CauseChanged, plan.WaveGroups},
		{identity.AddMembers, group, identity.CauseMembership, plan.WaveAddMembers},
		{identity.RemoveMembers, group, identity.CauseMembership, plan.WaveRemoveMembers},
		{identity.Delete, group, identity.CauseGone, plan.WaveDeleteGroups},
		{identity.Delete, user, identity.CauseGone, plan.WaveDeleteUsers},
	} {
		got := plan.WaveOf(identity.Change{Op: c.op, Ref: identity.Ref{Kind: c.kind, ID: "1"}, Cause: c.cause})
		if got != c.want {
			t.Errorf("%s %s (%s): wave %d, want %d", c.op, c.kind, c.cause, got, c.want)
		}
	}
	if p, q := (plan.Place{Wave: 2, Level: 9}), (plan.Place{Wave: 3}); p.Compare(q) >= 0 || q.Compare(p) <= 0 || p.Compare(p) != 0 {
		t.Error("places compare by wave first")
	}
	if p, q := (plan.Place{Wave: 2, Level: 0}), (plan.Place{Wave: 2, Level: 1}); p.Compare(q) >= 0 {
		t.Error("places of one wave compare by level")
	}
}
