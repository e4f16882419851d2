package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// mirrored fills the mirror with groups: "g: a b >h" has two users and a group;
// a name that ends in ? is not completely known.
func (r room) mirrored(groups ...string) {
	r.t.Helper()
	var events []event
	for _, text := range groups {
		name, members, _ := strings.Cut(text, ":")
		state := LinksComplete
		if before, ok := strings.CutSuffix(name, "?"); ok {
			name, state = before, LinksUnknown
		}
		events = append(events, upsert(record(group(name), "1", map[string]any{"name": name})))
		for m := range strings.FieldsSeq(members) {
			ref := user(m)
			if strings.HasPrefix(m, ">") {
				ref = group(m[1:])
			}
			events = append(events, link(group(name), ref))
		}
		events = append(events, closes(group(name), state))
	}
	read(r.t, r.l.Mirror("source"), full("1"), events...)
}

// team lets a group take part; at says who is in it at the target.
func (r room) team(id string, readable bool, at ...string) {
	r.t.Helper()
	must(r.t, r.PutTeam(r.t.Context(), id, "t-"+id, id, readable))
	for i := range at {
		at[i] = "t-" + at[i]
	}
	r.has(identity.Group, "t-"+id, id, at...)
}

func (r room) accounts(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		must(r.t, r.PutAccount(r.t.Context(), id, "t-"+id, id, true))
	}
}

func (r room) joiners() []string { return collected(r.t, r.Joiners(r.t.Context()), teamMember) }

func (r room) departed() []string { return collected(r.t, r.Departed(r.t.Context()), teamMember) }

func teamMember(m TeamMember) string { return m.Group.ID + " " + m.Member.Ref.ID }

// Who is added and who is removed, by what is known of both sides.
func TestWorkspaceMembers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source         string // of group g
		team           func(r room)
		join, depart   []string
		wanted, owned  int
		noted, flatten bool
	}{
		"in step":             {source: "g: a b", team: func(r room) { r.team("g", true, "a", "b") }, wanted: 2, owned: 2},
		"one each way":        {source: "g: a b", team: func(r room) { r.team("g", true, "b", "c") }, join: []string{"g a"}, depart: []string{"g c"}, wanted: 2, owned: 2},
		"foreign members":     {source: "g: a", team: func(r room) { r.team("g", true, "a", "stranger") }, wanted: 1, owned: 1},
		"emptied":             {source: "g:", team: func(r room) { r.team("g", true, "a", "b") }, depart: []string{"g a", "g b"}, owned: 2},
		"unknown at source":   {source: "g?: a", team: func(r room) { r.team("g", true, "b") }, owned: 1, noted: true},
		"unreadable":          {source: "g: a", team: func(r room) { r.team("g", false, "b") }, wanted: 1, owned: 1},
		"to be made":          {source: "g: a new", team: func(r room) { must(r.t, r.PutTeam(r.t.Context(), "g", "", "g", false)) }, join: []string{"g a", "g new"}, wanted: 2},
		"takes no part":       {source: "g: a", team: func(r room) { r.team("other", true, "b") }, noted: true, owned: 1},
		"inactive":            {source: "g: idle", team: func(r room) { r.team("g", true, "a", "away") }, depart: []string{"g a"}, wanted: 1, owned: 2},
		"no account":          {source: "g: nobody", team: func(r room) { r.team("g", true) }, wanted: 1},
		"account to be made":  {source: "g: new", team: func(r room) { r.team("g", true) }, join: []string{"g new"}, wanted: 1},
		"dropped from plan":   {source: "g: a b", team: func(r room) { r.team("g", true); must(r.t, r.Unenrol(r.t.Context(), user("a"))) }, join: []string{"g b"}, wanted: 2},
		"group dropped":       {source: "g: a", team: func(r room) { r.team("g", true); must(r.t, r.Unenrol(r.t.Context(), group("g"))) }},
		"nested, not wanted":  {source: "g: a >h", team: func(r room) { r.team("g", true, "b") }, join: []string{"g a"}, depart: []string{"g b"}, wanted: 1, owned: 1},
		"nested, unreadable":  {source: "g: a >h", flatten: true, team: func(r room) { r.team("g", true, "b") }, join: []string{"g a"}, wanted: 1, owned: 1, noted: true},
		"one id at both ends": {source: "g: a", team: func(r room) { r.team("g", true, "a", "a") }, wanted: 1, owned: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.mirrored(c.source)
			r.accounts("a", "b", "c")
			must(t, r.PutAccount(t.Context(), "new", "", "new", true))
			must(t, r.PutAccount(t.Context(), "idle", "t-idle", "idle", false))
			must(t, r.PutAccount(t.Context(), "away", "t-away", "away", false))
			c.team(r)
			must(t, r.WantMembers(t.Context(), c.flatten))
			same(t, "joiners", r.joiners(), c.join)
			same(t, "departed", r.departed(), c.depart)
			wanted, err := r.CountWanted(t.Context(), "g")
			must(t, err)
			owned, err := r.CountMemberships(t.Context())
			must(t, err)
			if wanted != c.wanted || owned != c.owned {
				t.Errorf("wanted %d, owned %d; want %d and %d", wanted, owned, c.wanted, c.owned)
			}
			noted, err := r.every(r.Incomplete(t.Context()))
			must(t, err)
			if (len(noted) > 0) != c.noted {
				t.Errorf("not completely known: %v, want %t", noted, c.noted)
			}
			unreadable, err := r.every(r.Unreadable(t.Context()))
			must(t, err)
			same(t, "unreadable", len(unreadable), map[bool]int{true: 1}[name == "unreadable"])
		})
	}
}

// Groups within groups count, however deep and in circles; what is not known
// below makes what is above not known either.
func TestWorkspaceNested(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mirrored("top: a >mid", "mid: b >low >top", "low: c >mid", "self: d >self", "lost: a >gone", "vague: >half", "half?: e", "above: >vague")
	r.accounts("a", "b", "c", "d", "e")
	teams := []string{"top", "mid", "low", "self", "lost", "vague", "half", "above"}
	for _, id := range teams {
		r.team(id, true, "a")
	}
	must(t, r.WantMembers(t.Context(), true))
	want := map[string][]string{
		"top": {"a", "b", "c"}, "mid": {"a", "b", "c"}, "low": {"a", "b", "c"}, "self": {"d"},
		"lost": {"a"}, "vague": nil, "half": nil, "above": nil,
	}
	got := map[string][]string{}
	for _, id := range teams {
		ids, err := r.strings(t.Context(), `SELECT user_id FROM temp.want_member WHERE group_id = ? ORDER BY user_id`, id)
		must(t, err)
		got[id] = ids
	}
	same(t, "members", got, want)
	incomplete, err := r.every(r.Incomplete(t.Context()))
	must(t, err)
	same(t, "not completely known", incomplete, []identity.Ref{group("above"), group("half"), group("lost"), group("vague")})
	same(t, "departed", r.departed(), []string{"self a"})
	for _, c := range []struct {
		group, user string
		want        bool
	}{{"top", "a", true}, {"top", "b", true}, {"top", "c", true}, {"top", "d", false}, {"self", "d", true}, {"self", "a", false}, {"top", "c", true}} {
		nested, err := r.Nests(t.Context(), c.group, c.user)
		must(t, err)
		same(t, c.user+" in "+c.group+" by nesting alone", nested, c.want)
	}
}

// Memberships are read in batches, without loss or repetition.
func TestWorkspaceMembersPage(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var ids []string
	for i := range 2*batch + 3 {
		ids = append(ids, fmt.Sprintf("u%05d", i))
	}
	r.mirrored("big: "+strings.Join(ids, " "), "empty:")
	must(t, r.Load(t.Context(), func() error { r.accounts(ids...); return nil }))
	must(t, r.Load(t.Context(), func() error {
		r.team("big", true)
		r.team("empty", true, slices.Clone(ids)...)
		return nil
	}))
	must(t, r.WantMembers(t.Context(), true))
	var join, depart []string
	for _, id := range ids {
		join, depart = append(join, "big "+id), append(depart, "empty "+id)
	}
	same(t, "joiners", r.joiners(), join)
	same(t, "departed", r.departed(), depart)
	live, err := r.LiveMembers(t.Context())
	must(t, err)
	same(t, "everybody who is in a team", len(live), len(ids))
}

// What was written to a member-blind target is taken for what it holds.
func TestWorkspaceAssumed(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.mirrored("g: a b", "h: a")
	r.accounts("a", "b", "c")
	for _, id := range []string{"a", "b", "c"} {
		r.owns("sync", user(id), "t-"+id)
	}
	r.owns("sync", group("g"), "t-g")
	r.owns("sync", group("h"), "t-h")
	r.team("g", true)
	r.team("h", true)
	must(t, r.l.Assume(t.Context(), "sync", Membership{"t-g", "t-a"}, Membership{"t-g", "t-c"}))
	must(t, r.l.Assume(t.Context(), "other", Membership{"t-g", "t-b"}))
	must(t, r.AssumeMembers(t.Context()))
	must(t, r.WantMembers(t.Context(), true))
	same(t, "joiners", r.joiners(), []string{"g b", "h a"})
	same(t, "departed", r.departed(), []string{"g c"})
	s := step(identity.AddMembers, group("h"), 5)
	s.Outcome = "failed"
	_, err := r.PutStep(t.Context(), s)
	must(t, err)
	must(t, r.AssumeWritten(t.Context()))
	got := collected(t, r.l.Assumed(t.Context(), "sync", "t-g"), func(id string) string { return id })
	same(t, "assumed", got, []string{"t-a", "t-b", "t-c"})
	if got := collected(t, r.l.Assumed(t.Context(), "sync", "t-h"), func(id string) string { return id }); len(got) != 0 {
		t.Errorf("assumed of a group whose step failed: %v", got)
	}
}
