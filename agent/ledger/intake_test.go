package ledger

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/identity"
)

// open returns a new ledger in a folder of its own.
func open(t testing.TB) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "scimsync.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func user(id string) identity.Ref  { return identity.Ref{Kind: identity.User, ID: id} }
func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }

func record(ref identity.Ref, version string, fields map[string]any) identity.Record {
	return identity.Record{Ref: ref, Version: version, Fields: fields}
}

// noon is when everything in these tests happens; later is an hour on.
func noon() time.Time  { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
func later() time.Time { return noon().Add(time.Hour) }

// event is one call on an Intake.
type event func(*Intake) error

func upsert(r identity.Record) event { return func(in *Intake) error { return in.Upsert(r) } }
func link(g, m identity.Ref) event   { return func(in *Intake) error { return in.Link(g, m) } }
func unlink(g, m identity.Ref) event { return func(in *Intake) error { return in.Unlink(g, m) } }
func unreadable(r identity.Ref, why string) event {
	return func(in *Intake) error { return in.Unreadable(r, why) }
}

func gone(r identity.Ref, why identity.Cause) event {
	return func(in *Intake) error { return in.Gone(r, why) }
}

func closes(g identity.Ref, state LinksState, members ...identity.Ref) event {
	return func(in *Intake) error { return in.Links(g, members, string(state), "") }
}

func partial(ref identity.Ref, version string, fields map[string]any) event {
	return upsert(identity.Record{Ref: ref, Version: version, Fields: fields, Partial: true})
}

// read commits events as one read.
func read(t testing.TB, m *Mirror, cp Checkpoint, events ...event) Summary {
	t.Helper()
	in, err := m.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := e(in); err != nil {
			t.Fatal(err)
		}
	}
	s, err := in.Commit(t.Context(), cp, []string{"sync"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func full(cursor string) Checkpoint {
	return Checkpoint{Cursor: cursor, Full: identity.Kinds(), At: noon()}
}

func delta(cursor string) Checkpoint { return Checkpoint{Cursor: cursor, At: later()} }

// view is a mirror in a form that compares.
type view struct {
	Objects map[identity.Ref]Mirrored
	Members map[identity.Ref][]identity.Ref
}

func look(t testing.TB, m *Mirror) view {
	t.Helper()
	v := view{Objects: map[identity.Ref]Mirrored{}, Members: map[identity.Ref][]identity.Ref{}}
	for _, k := range identity.Kinds() {
		for o, err := range m.Records(t.Context(), k) {
			if err != nil {
				t.Fatal(err)
			}
			v.Objects[o.Record.Ref] = o
			if k != identity.Group {
				continue
			}
			for ref, err := range m.Members(t.Context(), o.Record.Ref.ID) {
				if err != nil {
					t.Fatal(err)
				}
				v.Members[o.Record.Ref] = append(v.Members[o.Record.Ref], ref)
			}
		}
	}
	return v
}

// dirtied returns what is marked for the sync, and clears it.
func dirtied(t testing.TB, l *Ledger) []string {
	t.Helper()
	var out []string
	var all []Dirty
	for d, err := range l.Dirty(t.Context(), "sync") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d.Ref.String())
		all = append(all, d)
	}
	if err := l.ClearDirty(t.Context(), "sync", all...); err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// small is a world of two people and one group.
func small() []event {
	return []event{
		upsert(record(user("a"), "1", map[string]any{"login": "a@example.com", "n": 1.0})),
		upsert(record(user("b"), "1", map[string]any{"login": "b@example.com", "none": nil})),
		upsert(record(group("g"), "1", map[string]any{"name": "G"})),
		link(group("g"), user("a")), link(group("g"), user("b")), closes(group("g"), LinksComplete),
	}
}

func TestFirstRead(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	if _, marked, err := m.Bookmark(t.Context()); marked || err != nil {
		t.Fatalf("a mirror before its first read has a bookmark: %v", err)
	}
	s := read(t, m, Checkpoint{Cursor: "c1", Full: identity.Kinds(), Selection: "sel", Fields: "f", At: noon()}, small()...)
	same(t, "summary", s, Summary{
		Read: map[identity.Kind]int{identity.User: 2, identity.Group: 1},
		New:  map[identity.Kind]int{identity.User: 2, identity.Group: 1},
	})
	mark, _, err := m.Bookmark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "bookmark", mark, Bookmark{Cursor: "c1", Selection: "sel", Fields: "f", CompletedAt: noon()})
	v := look(t, m)
	same(t, "members", v.Members, map[identity.Ref][]identity.Ref{group("g"): {user("a"), user("b")}})
	a := v.Objects[user("a")]
	same(t, "fields", a.Record.Fields, map[string]any{"login": "a@example.com", "n": 1.0})
	same(t, "a nil field", v.Objects[user("b")].Record.Fields, map[string]any{"login": "b@example.com"})
	if a.State != StatePresent || a.Hash == "" || !a.Since.Equal(noon()) || a.LinksState != "" {
		t.Errorf("user: %+v", a)
	}
	if g := v.Objects[group("g")]; g.LinksState != LinksComplete || g.LinksWhy != "" {
		t.Errorf("group: %+v", g)
	}
	same(t, "dirty", dirtied(t, l), []string{"user:a", "user:b", "group:g"})
	known, err := m.Known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if version, ok := known(group("g")); version != "1" || !ok {
		t.Errorf("known(g) = %q, %v", version, ok)
	}
	if _, ok := known(user("a")); ok {
		t.Error("a user has known links")
	}
	for ref, err := range m.GroupsOf(t.Context(), user("a")) {
		if err != nil || ref != group("g") {
			t.Errorf("groups of a: %v, %v", ref, err)
		}
	}
}

func TestSameAgainChangesNothing(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("c1"), small()...)
	before := look(t, m)
	dirtied(t, l)
	cp := full("c2")
	cp.At = later()
	s := read(t, m, cp, small()...)
	same(t, "summary", s, Summary{Read: map[identity.Kind]int{identity.User: 2, identity.Group: 1}})
	same(t, "mirror", look(t, m), before)
	same(t, "dirty", dirtied(t, l), []string(nil))
}

// TestReads holds one read after small() each, and what it leaves.
func TestReads(t *testing.T) {
	t.Parallel()
	onlyUsers := Checkpoint{Full: []identity.Kind{identity.User}, NoLinks: true, At: later()}
	again := Checkpoint{Full: identity.Kinds(), At: later()}
	only := Checkpoint{Only: true, At: later()}
	a1 := upsert(record(user("a"), "1", map[string]any{"login": "a@example.com", "n": 1.0}))
	b1 := upsert(record(user("b"), "1", map[string]any{"login": "b@example.com"}))
	g1 := upsert(record(group("g"), "1", map[string]any{"name": "G"}))
	g2 := upsert(record(group("g"), "2", map[string]any{"name": "G"}))
	both := []identity.Ref{user("a"), user("b")}
	for _, c := range []struct {
		name    string
		cp      Checkpoint
		events  []event
		state   map[identity.Ref]State
		why     map[identity.Ref]string
		members []identity.Ref
		links   LinksState
		dirty   []string
		fields  map[string]any // of user a; nil: as before
	}{
		{
			name: "an absent user is gone and nobody knows why",
			cp:   again, events: []event{a1, g1, closes(group("g"), LinksComplete, user("a"))},
			state: map[identity.Ref]State{user("b"): StateGone}, members: both[:1], links: LinksComplete,
			dirty: []string{"user:b", "group:g"},
		},
		{
			name: "absence counts for full kinds only",
			cp:   onlyUsers, events: []event{a1},
			state: map[identity.Ref]State{user("b"): StateGone}, members: both, links: LinksComplete, dirty: []string{"user:b"},
		},
		{
			name: "a delta takes nobody for absent",
			cp:   delta("c2"), events: nil, members: both, links: LinksComplete,
		},
		{
			name: "a kind with an unreadable stranger takes nobody for absent",
			cp:   onlyUsers, events: []event{a1, unreadable(user(""), "page 3 held garbage")}, members: both, links: LinksComplete,
		},
		{
			name: "an unreadable object is not absent and keeps its fields",
			cp:   onlyUsers, events: []event{unreadable(user("a"), "no login"), b1},
			state: map[identity.Ref]State{user("a"): StateUnreadable}, why: map[identity.Ref]string{user("a"): "no login"},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
		},
		{
			name: "an object that was never read is shielded all the same",
			cp:   delta("c2"), events: []event{unreadable(user("x"), "no login")},
			state: map[identity.Ref]State{user("x"): StateUnreadable}, why: map[identity.Ref]string{user("x"): "no login"},
			members: both, links: LinksComplete, dirty: []string{"user:x"},
		},
		{
			name: "gone with a cause",
			cp:   delta("c2"), events: []event{gone(user("b"), identity.CauseUnassigned), gone(user("never"), identity.CauseGone)},
			state: map[identity.Ref]State{user("b"): StateGone}, why: map[identity.Ref]string{user("b"): "unassigned"},
			members: both, links: LinksComplete, dirty: []string{"user:b"},
		},
		{
			name: "a gone group has no members",
			cp:   delta("c2"), events: []event{gone(group("g"), identity.CauseGone)},
			state: map[identity.Ref]State{group("g"): StateGone}, why: map[identity.Ref]string{group("g"): "gone"},
			links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "a partial record is merged, nil clears",
			cp:   delta("c2"), events: []event{partial(user("a"), "2", map[string]any{"n": nil, "title": "x"})},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
			fields: map[string]any{"login": "a@example.com", "title": "x"},
		},
		{
			name: "partial records add up, also over a whole one of the same read",
			cp:   delta("c2"), events: []event{
				upsert(record(user("a"), "2", map[string]any{"login": "new@example.com", "n": 2.0})),
				partial(user("a"), "3", map[string]any{"n": nil}), partial(user("a"), "4", map[string]any{"m": 3.0}),
			},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
			fields: map[string]any{"login": "new@example.com", "m": 3.0},
		},
		{
			name: "of two records the later counts, back to what is mirrored",
			cp:   delta("c2"), events: []event{upsert(record(user("a"), "2", map[string]any{"login": "new@example.com"})), a1},
			members: both, links: LinksComplete,
		},
		{
			name: "gone and back within one read",
			cp:   delta("c2"), events: []event{gone(user("a"), identity.CauseGone), a1}, members: both, links: LinksComplete,
		},
		{
			name: "unreadable after readable",
			cp:   delta("c2"), events: []event{a1, unreadable(user("a"), "gibberish")},
			state: map[identity.Ref]State{user("a"): StateUnreadable}, why: map[identity.Ref]string{user("a"): "gibberish"},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
		},
		{
			name: "a full read replaces links",
			cp:   again, events: []event{a1, b1, g1, link(group("g"), user("b")), closes(group("g"), LinksComplete)},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a full read may empty a group",
			cp:   again, events: []event{a1, b1, g1, closes(group("g"), LinksComplete)},
			links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "unchanged keeps links, and a new version alone marks nothing",
			cp:   again, events: []event{a1, b1, g2, closes(group("g"), LinksUnchanged)}, members: both, links: LinksComplete,
		},
		{
			name: "unknown keeps links and says so",
			cp:   again, events: []event{a1, b1, g1, link(group("g"), user("a")), closes(group("g"), LinksUnknown)},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "a group that was not closed is unknown",
			cp:   again, events: []event{a1, b1, g1, link(group("g"), user("a"))},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "members after the close make it unknown",
			cp:   again, events: []event{a1, b1, g1, closes(group("g"), LinksComplete), link(group("g"), user("a"))},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "a read without links leaves them alone",
			cp:   Checkpoint{Full: identity.Kinds(), NoLinks: true, At: later()}, events: []event{a1, b1, g2},
			members: both, links: LinksComplete,
		},
		{
			name: "a delta applies link and unlink, the later counts",
			cp:   delta("c2"), events: []event{
				unlink(group("g"), user("a")), link(group("g"), group("h")), link(group("g"), user("c")), unlink(group("g"), user("c")),
				closes(group("g"), LinksComplete),
			},
			members: []identity.Ref{user("b"), group("h")}, links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "members that are given replace, also in a delta",
			cp:   delta("c2"), events: []event{closes(group("g"), LinksComplete, user("b"))},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a read of single objects replaces",
			cp:   only, events: []event{g1, link(group("g"), user("b")), closes(group("g"), LinksComplete)},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a group told twice: the later telling counts",
			cp:   again, events: []event{
				a1, b1, g1, link(group("g"), user("a")), link(group("g"), user("b")), closes(group("g"), LinksComplete),
				g1, link(group("g"), user("b")), closes(group("g"), LinksComplete),
			},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a group closed twice is closed",
			cp:   again, events: []event{
				a1, b1, g1, link(group("g"), user("a")), link(group("g"), user("b")), closes(group("g"), LinksComplete), closes(group("g"), LinksComplete),
			},
			members: both, links: LinksComplete,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			m := l.Mirror("src")
			read(t, m, full("c1"), small()...)
			dirtied(t, l)
			read(t, m, c.cp, c.events...)
			v := look(t, m)
			for ref, o := range v.Objects {
				want := StatePresent
				if s, ok := c.state[ref]; ok {
					want = s
				}
				if o.State != want || o.Why != c.why[ref] {
					t.Errorf("%s is %s (%s), want %s (%s)", ref, o.State, o.Why, want, c.why[ref])
				}
				if since := map[bool]time.Time{true: noon(), false: later()}[want == StatePresent]; !o.Since.Equal(since) {
					t.Errorf("%s: since %v, want %v", ref, o.Since, since)
				}
			}
			for ref := range c.state {
				if _, ok := v.Objects[ref]; !ok {
					t.Errorf("%s is not mirrored", ref)
				}
			}
			same(t, "members", v.Members[group("g")], c.members)
			if g := v.Objects[group("g")]; g.LinksState != c.links || (g.LinksState == LinksUnknown) != (g.LinksWhy != "") {
				t.Errorf("links are %s (%s), want %s", g.LinksState, g.LinksWhy, c.links)
			}
			same(t, "dirty", dirtied(t, l), c.dirty)
			if c.fields == nil {
				c.fields = map[string]any{"login": "a@example.com", "n": 1.0}
			}
			same(t, "fields", v.Objects[user("a")].Record.Fields, c.fields)
		})
	}
}

func TestUnknownLinksStayUnknownUntilReadWhole(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("1"), append(small()[:5], closes(group("g"), LinksUnknown))...)
	read(t, m, delta("2"), unlink(group("g"), user("a")), closes(group("g"), LinksComplete))
	if g := look(t, m).Objects[group("g")]; g.LinksState != LinksUnknown || g.LinksWhy == "" {
		t.Errorf("after a delta: %s (%s)", g.LinksState, g.LinksWhy)
	}
	read(t, m, delta("3"), closes(group("g"), LinksUnchanged))
	if g := look(t, m).Objects[group("g")]; g.LinksState != LinksUnknown {
		t.Errorf("after unchanged: %s", g.LinksState)
	}
	if known, err := m.Known(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, ok := known(group("g")); ok {
		t.Error("a group with unknown links is known")
	}
	dirtied(t, l)
	read(t, m, full("4"), small()...)
	if g := look(t, m).Objects[group("g")]; g.LinksState != LinksComplete || g.LinksWhy != "" {
		t.Errorf("after a full read: %s (%s)", g.LinksState, g.LinksWhy)
	}
	same(t, "dirty", dirtied(t, l), []string{"group:g"})
}

func TestVersions(t *testing.T) {
	t.Parallel()
	m := open(t).Mirror("src")
	read(t, m, full("1"), small()...)
	known := func(want string, ok bool) {
		t.Helper()
		f, err := m.Known(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, known := f(group("g")); got != want || known != ok {
			t.Errorf("known: %q, %v, want %q, %v", got, known, want, ok)
		}
	}
	for _, version := range []string{"2", "", "3"} {
		read(t, m, delta("2"), upsert(record(group("g"), version, map[string]any{"name": "G"})), closes(group("g"), LinksUnchanged),
			upsert(record(user("a"), version, map[string]any{"login": "a@example.com", "n": 1.0})))
		known(version, version != "")
		if a := look(t, m).Objects[user("a")]; a.Record.Version != version {
			t.Errorf("version %q, want %q", a.Record.Version, version)
		}
	}
	read(t, m, delta("3"), unreadable(group("g"), "x"), closes(group("g"), LinksUnchanged))
	known("", false)
}

func TestPartialDoesNotMendUnreadable(t *testing.T) {
	t.Parallel()
	m := open(t).Mirror("src")
	read(t, m, full("1"), small()...)
	read(t, m, delta("2"), unreadable(user("a"), "no login"))
	read(t, m, delta("3"), partial(user("a"), "3", map[string]any{"n": 2.0}))
	a := look(t, m).Objects[user("a")]
	if a.State != StateUnreadable || a.Why != "no login" {
		t.Errorf("a change after one that could not be read made it %s (%s)", a.State, a.Why)
	}
	read(t, m, delta("4"), small()[0])
	if a := look(t, m).Objects[user("a")]; a.State != StatePresent || a.Why != "" {
		t.Errorf("a whole record left it %s (%s)", a.State, a.Why)
	}
}

func TestReturnAndClassify(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("1"), small()...)
	read(t, m, full("2"), small()[0])
	refs, err := m.Unclassified(t.Context(), identity.User)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unclassified", refs, []identity.Ref{user("b")})
	if err := m.SetAllGone(t.Context(), map[identity.Ref]identity.Cause{
		user("b"): identity.CauseGone, user("a"): identity.CauseGone,
	}); err != nil {
		t.Fatal(err)
	}
	v := look(t, m)
	if v.Objects[user("b")].Why != "gone" || v.Objects[user("a")].State != StatePresent {
		t.Errorf("classified: %+v", v.Objects)
	}
	counts, err := m.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "counts", counts, map[identity.Kind]Counts{identity.User: {Present: 1, Gone: 1}, identity.Group: {Gone: 1}})

	// Another full read leaves the cause; a return clears it.
	read(t, m, full("3"), small()[0])
	if b := look(t, m).Objects[user("b")]; b.Why != "gone" {
		t.Errorf("the cause was forgotten: %+v", b)
	}
	// A delta tells a group that is back whole.
	s := read(t, m, delta("4"), small()[1:]...)
	same(t, "new", s.New, map[identity.Kind]int{identity.User: 1, identity.Group: 1})
	v = look(t, m)
	if b, g := v.Objects[user("b")], v.Objects[group("g")]; b.State != StatePresent || b.Why != "" || g.LinksState != LinksComplete {
		t.Errorf("returned: %+v, %+v", b, g)
	}
	same(t, "members", v.Members[group("g")], []identity.Ref{user("a"), user("b")})
}

func TestShieldStandsUntilFullRead(t *testing.T) {
	t.Parallel()
	m := open(t).Mirror("src")
	read(t, m, full("1"), append(small(), unreadable(user(""), "garbage"))...)
	shielded := func(want map[identity.Kind]string) {
		t.Helper()
		mark, _, err := m.Bookmark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "shield", mark.Shield, want)
	}
	shielded(map[identity.Kind]string{identity.User: "garbage"})
	read(t, m, delta("2"))
	shielded(map[identity.Kind]string{identity.User: "garbage"})
	read(t, m, Checkpoint{Cursor: "x", Only: true}, unreadable(group(""), "more garbage"))
	shielded(map[identity.Kind]string{identity.User: "garbage", identity.Group: "more garbage"})
	read(t, m, Checkpoint{Cursor: "3", Full: []identity.Kind{identity.User}, NoLinks: true}, small()[:2]...)
	shielded(map[identity.Kind]string{identity.Group: "more garbage"})
}

func TestOnlyKeepsBookmark(t *testing.T) {
	t.Parallel()
	m := open(t).Mirror("src")
	read(t, m, Checkpoint{Only: true, At: noon()}, small()[0])
	if _, marked, err := m.Bookmark(t.Context()); marked || err != nil {
		t.Fatalf("a read of one object made a bookmark: %v", err)
	}
	read(t, m, full("1"), small()...)
	read(t, m, Checkpoint{Cursor: "old", Only: true, At: later()}, small()[0])
	mark, _, err := m.Bookmark(t.Context())
	if err != nil || mark.Cursor != "1" || !mark.CompletedAt.Equal(noon()) {
		t.Errorf("bookmark: %+v, %v", mark, err)
	}
}

func TestIncompleteIntakeLeavesNoTrace(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("1"), small()...)
	before := look(t, m)
	dirtied(t, l)
	in, err := m.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * stageRows {
		if err := in.Upsert(record(user(string(rune('a'+i%26))+"-new"), "", map[string]any{"i": float64(i)})); err != nil {
			t.Fatal(err)
		}
	}
	// Nobody waits for the reader.
	if err := l.Pause(t.Context(), Pause{Sync: "sync", Since: noon()}); err != nil {
		t.Fatal(err)
	}
	same(t, "mirror during the read", look(t, m), before)
	if err := in.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := in.Discard(); err != nil {
		t.Fatal(err)
	}
	same(t, "mirror", look(t, m), before)
	same(t, "dirty", dirtied(t, l), []string(nil))
	if _, err := in.Commit(t.Context(), full("2"), nil); err == nil {
		t.Error("a discarded intake was committed")
	}
	if err := in.Upsert(record(user("z"), "", nil)); err == nil {
		t.Error("a discarded intake took a record")
	}
}

func TestIntakeRefuses(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]event{
		"kind":          upsert(record(identity.Ref{Kind: "robot", ID: "1"}, "", nil)),
		"members":       link(user("a"), user("b")),
		"no group":      link(group(""), user("b")),
		"no member":     link(group("g"), user("")),
		"links state":   closes(group("g"), "perhaps"),
		"user is group": closes(user("a"), LinksComplete),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t).Mirror("src")
			in, err := m.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := call(in); err == nil {
				t.Fatal("was taken")
			}
			// What is staged has a hole now.
			if _, err := in.Commit(t.Context(), full("1"), nil); err == nil {
				t.Error("and the rest was committed")
			}
		})
	}
}

func TestBadRecordIsUnreadable(t *testing.T) {
	t.Parallel()
	m := open(t).Mirror("src")
	s := read(t, m, full("1"),
		upsert(record(user("a"), "", map[string]any{"f": func() {}})),
		upsert(record(user(""), "", nil)),
		upsert(record(user("b"), "", nil)))
	same(t, "unreadable", s.Unreadable, map[identity.Kind]int{identity.User: 1})
	v := look(t, m)
	if v.Objects[user("a")].State != StateUnreadable || v.Objects[user("b")].State != StatePresent {
		t.Errorf("%+v", v.Objects)
	}
	if mark, _, _ := m.Bookmark(t.Context()); mark.Shield[identity.User] == "" {
		t.Error("a record without an id shields nothing")
	}
}

func TestStaleReadIsRefused(t *testing.T) {
	t.Parallel()
	m := open(t).Mirror("src")
	in, err := m.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read(t, m, full("1"), small()...)
	_, err = in.Commit(t.Context(), full("2"), nil)
	if !errors.Is(err, ErrMirrorMoved) {
		t.Errorf("got %v", err)
	}
}

func TestCancelledCommitLeavesNoTrace(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	in, err := m.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range small() {
		if err := e(in); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Commit(ctx, full("1"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	same(t, "objects", look(t, m).Objects, map[identity.Ref]Mirrored{})
	read(t, m, full("1"), small()...) // and the ledger works on
}
