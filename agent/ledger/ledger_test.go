package ledger

import (
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
