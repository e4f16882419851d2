package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

// spanning makes spans as long as so many accounts; 0 makes one of all.
func (r room) spanning(accounts int) {
	r.enrolled = volume{}
	if accounts > 0 {
		fits := tempCache << 10 / spanShare
		r.enrolled = volume{n: accounts + 1, bytes: (accounts + 1) * (fits / accounts)}
	}
}

// sides are who is in which groups on both sides, as small numbers.
type sides struct {
	account map[string]string // source id to target id; "" where it is to be made
	idle    map[string]bool
	team    map[string]string
	blind   map[string]bool // teams whose live members are not known
	vague   map[string]bool // teams whose members the source does not show completely
	want    map[string][]string
	live    map[string][]string // by source id of the team, target ids
}

func drawSides(t *rapid.T) sides {
	s := sides{
		account: map[string]string{}, idle: map[string]bool{}, team: map[string]string{}, blind: map[string]bool{}, vague: map[string]bool{},
		want: map[string][]string{}, live: map[string][]string{},
	}
	people := make([]string, rapid.IntRange(0, 12).Draw(t, "people"))
	targets := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
		for i := range people {
			if !yield(i) {
				return
			}
		}
	})).Draw(t, "order of target ids")
	some := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }
	for i := range people {
		id := fmt.Sprintf("u%02d", i)
		people[i] = id
		if some("a stranger") {
			continue
		}
		if s.account[id] = fmt.Sprintf("t%02d", targets[i]); some("to be made") {
			s.account[id] = ""
		}
		s.idle[id] = some("idle")
	}
	for g := range rapid.IntRange(1, 4).Draw(t, "teams") {
		id := fmt.Sprintf("g%d", g)
		if s.team[id] = "t-" + id; some("team to be made") {
			s.team[id] = ""
		}
		s.blind[id], s.vague[id] = some("blind"), some("vague")
		for i, p := range people {
			// What is not complete at first sight is not mirrored.
			if rapid.Bool().Draw(t, "wanted") && !s.vague[id] {
				s.want[id] = append(s.want[id], p)
			}
			if s.team[id] != "" && rapid.Bool().Draw(t, "live") {
				s.live[id] = append(s.live[id], fmt.Sprintf("t%02d", targets[i]))
			}
		}
	}
	return s
}

// room puts both sides into a workspace.
func (s sides) room(t *testing.T) room {
	r := newRoom(t)
	var groups []string
	for id := range s.team {
		name := id
		if s.vague[id] {
			name += "?"
		}
		groups = append(groups, name+": "+strings.Join(s.want[id], " "))
	}
	r.mirrored(groups...)
	for id, target := range s.account {
		must(t, r.PutAccount(t.Context(), id, target, "name of "+id, !s.idle[id]))
	}
	for id, target := range s.team {
		must(t, r.PutTeam(t.Context(), id, target, "name of "+id, target != "" && !s.blind[id]))
		if target != "" {
			r.has(identity.Group, target, id, s.live[id]...)
		}
	}
	must(t, r.WantMembers(t.Context(), false))
	return r
}

// expected are the answers, worked out one by one.
type expected struct {
	Join, Depart []string
	Live, Wanted int
}

func (s sides) expected() expected {
	var e expected
	holder := map[string]string{}
	for id, target := range s.account {
		if target != "" {
			holder[target] = id
		}
	}
	for _, g := range slices.Sorted(maps.Keys(s.team)) {
		target := s.team[g]
		readable := target != "" && !s.blind[g]
		for _, u := range s.want[g] {
			at, ours := s.account[u]
			if !ours || s.idle[u] {
				continue
			}
			e.Wanted++
			if (readable || target == "") && (at == "" || !slices.Contains(s.live[g], at)) {
				e.Join = append(e.Join, g+" "+u)
			}
		}
		var depart []string
		for _, at := range s.live[g] {
			u, ours := holder[at]
			if !ours {
				continue
			}
			e.Live++
			if readable && !s.vague[g] && !s.idle[u] && !slices.Contains(s.want[g], u) {
				depart = append(depart, g+" "+u)
			}
		}
		e.Depart = append(e.Depart, slices.Sorted(slices.Values(depart))...)
	}
	return e
}

// Who is wanting and who is too many does not depend on whether all accounts fit
// into the cache, nor on how many spans they are divided into if not.
func TestMembersInSpans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSides(rt)
		want := s.expected()
		r := s.room(t)
		for _, accounts := range []int{0, 1, 2, 5} {
			r.spanning(accounts)
			live, err := r.CountMemberships(t.Context())
			must(t, err)
			wanted, err := r.CountWantedAll(t.Context())
			must(t, err)
			if diff := cmp.Diff(want, expected{r.joiners(), r.departed(), live, wanted}); diff != "" {
				rt.Fatalf("in spans of %d (-want +got):\n%s", accounts, diff)
			}
		}
	})
}

// Accounts are divided so that every one is in one span, in order.
func TestSpans(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ids := []string{"a", "b", "c", "d", "e", "\xf0\x9f\x98\x80", "~"}
	r.accounts(ids...)
	for accounts, want := range map[int]int{0: 1, 1: 8, 2: 4, 3: 3, 7: 2, 100: 1} {
		r.spanning(accounts)
		for name, divide := range map[string]func() ([]span, error){
			"source": func() ([]span, error) { return r.sourceSpans(t.Context()) },
			"target": func() ([]span, error) { return r.targetSpans(t.Context()) },
		} {
			spans, err := divide()
			must(t, err)
			if len(spans) != want {
				t.Errorf("%d spans of %d accounts by %s id, want %d", len(spans), accounts, name, want)
			}
			low := ""
			for i, s := range spans {
				if s.low != low || s.high.Valid == (i == len(spans)-1) || s.high.Valid && s.high.String <= s.low {
					t.Errorf("span %d by %s id is %+v after %q", i, name, s, low)
				}
				low = s.high.String
			}
		}
	}
	// There are so many as do not fit into the part of the cache that is theirs.
	r.spanning(0)
	if r.enrolled.n != 0 {
		t.Fatalf("%+v", r.enrolled)
	}
	must(t, r.Load(t.Context(), func() error {
		for i := range 2 {
			name := strings.Repeat("n", tempCache<<10/spanShare/2)
			must(t, r.PutAccount(t.Context(), fmt.Sprint("large", i), "", name, true))
			spans, err := r.sourceSpans(t.Context())
			must(t, err)
			if len(spans) > 1 != (i > 0) {
				t.Errorf("%d spans after %d large accounts", len(spans), i+1)
			}
		}
		return nil
	}))
}
