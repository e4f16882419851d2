package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

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
	known := m.Known(t.Context())
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
	if _, ok := m.Known(t.Context())(group("g")); ok {
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
		if got, known := m.Known(t.Context())(group("g")); got != want || known != ok {
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
	for kind, want := range map[identity.Kind]bool{identity.User: true, identity.Group: false} {
		if shows, err := m.Shows(t.Context(), kind); shows != want || err != nil {
			t.Errorf("shows a %s: %t, %v", kind, shows, err)
		}
	}

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
