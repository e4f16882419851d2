package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

// truth is a source as it is: what a mirror must come to.
type truth struct {
	fields  map[identity.Ref]map[string]any
	version map[identity.Ref]int
	members map[identity.Ref]map[identity.Ref]bool
}

func (w *truth) refs() []identity.Ref {
	return slices.SortedFunc(maps.Keys(w.fields), func(a, b identity.Ref) int {
		return strings.Compare(a.String(), b.String())
	})
}

// record returns the object as the source tells it.
func (w *truth) record(ref identity.Ref) identity.Record {
	return record(ref, fmt.Sprint(w.version[ref]), maps.Clone(w.fields[ref]))
}

// all returns a full read, in any order and with objects told twice.
func (w *truth) all(t *rapid.T) []event {
	var out []event
	for _, ref := range rapid.Permutation(w.refs()).Draw(t, "order") {
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			out = append(out, upsert(w.record(ref)))
			if ref.Kind != identity.Group {
				continue
			}
			members := slices.Collect(maps.Keys(w.members[ref]))
			if rapid.Bool().Draw(t, "given") {
				out = append(out, closes(ref, LinksComplete, append([]identity.Ref{}, members...)...))
				continue
			}
			for _, m := range members {
				out = append(out, link(ref, m))
			}
			out = append(out, closes(ref, LinksComplete))
		}
	}
	return out
}

// step changes the source and returns the events of a delta read that tell it.
func (w *truth) step(t *rapid.T) []event {
	kind := rapid.SampledFrom(identity.Kinds()).Draw(t, "kind")
	ref := identity.Ref{Kind: kind, ID: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")}
	fields, exists := w.fields[ref]
	if !exists || rapid.IntRange(0, 5).Draw(t, "deleted") > 0 {
		return w.change(t, ref, fields, exists)
	}
	delete(w.fields, ref)
	delete(w.members, ref)
	return []event{gone(ref, identity.CauseGone)}
}

func (w *truth) change(t *rapid.T, ref identity.Ref, fields map[string]any, exists bool) []event {
	w.version[ref]++
	next := maps.Clone(fields)
	if next == nil {
		next = map[string]any{"id": ref.ID}
	}
	patch := map[string]any{}
	for _, name := range []string{"x", "y"} {
		switch rapid.IntRange(0, 2).Draw(t, name) {
		case 1:
			value := rapid.SampledFrom([]any{"1", "2", true, 3.5, []any{"p", "q"}, map[string]any{"z": "1"}}).Draw(t, "value")
			next[name], patch[name] = value, value
		case 2:
			delete(next, name)
			patch[name] = nil
		}
	}
	w.fields[ref] = next
	events := []event{upsert(w.record(ref))}
	if exists && rapid.Bool().Draw(t, "partial") {
		events = []event{partial(ref, fmt.Sprint(w.version[ref]), patch)}
	}
	if ref.Kind != identity.Group {
		return events
	}
	if !exists {
		w.members[ref] = map[identity.Ref]bool{}
	}
	changed := false
	for _, m := range []identity.Ref{user("a"), user("b"), group("a")} {
		switch rapid.IntRange(0, 2).Draw(t, m.String()) {
		case 1:
			w.members[ref][m], changed = true, true
			events = append(events, link(ref, m))
		case 2:
			if exists {
				delete(w.members[ref], m)
				changed = true
				events = append(events, unlink(ref, m))
			}
		}
	}
	// A source knows a group from the mirror only, or has just told it.
	if !changed && exists && rapid.Bool().Draw(t, "unchanged") {
		return append(events, closes(ref, LinksUnchanged))
	}
	return append(events, closes(ref, LinksComplete))
}

// told is what a mirror should show of the source, and of what was deleted.
type told struct {
	Fields  map[string]any
	State   State
	Links   LinksState
	Members []identity.Ref
}

func (w *truth) told() map[identity.Ref]told {
	out := map[identity.Ref]told{}
	for ref, fields := range w.fields {
		o := told{Fields: fields, State: StatePresent}
		if ref.Kind == identity.Group {
			o.Links = LinksComplete
			o.Members = slices.SortedFunc(maps.Keys(w.members[ref]), memberOrder)
		}
		out[ref] = o
	}
	return out
}

// memberOrder is that of Mirror.Members: users first.
func memberOrder(a, b identity.Ref) int {
	if a.Kind != b.Kind {
		return -strings.Compare(string(a.Kind), string(b.Kind))
	}
	return strings.Compare(a.ID, b.ID)
}

func present(v view) map[identity.Ref]told {
	out := map[identity.Ref]told{}
	for ref, o := range v.Objects {
		if o.State != StateGone {
			out[ref] = told{Fields: o.Record.Fields, State: o.State, Links: o.LinksState, Members: v.Members[ref]}
		}
	}
	return out
}

// TestMirrorEqualsSource: after any sequence of full, delta and abandoned reads
// the mirror is what the source is, a mirror that was only read in full agrees
// hash by hash, what changed is dirty and nothing else, and every index agrees.
func TestMirrorEqualsSource(t *testing.T) {
	t.Parallel()
	l := open(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := l.Mirror(fmt.Sprint("mixed ", n))
		w := &truth{fields: map[identity.Ref]map[string]any{}, version: map[identity.Ref]int{}, members: map[identity.Ref]map[identity.Ref]bool{}}
		for range rapid.IntRange(0, 6).Draw(rt, "at first") {
			w.step(rt)
		}
		read(t, m, full("0"), w.all(rt)...)
		for i := range rapid.IntRange(1, 5).Draw(rt, "reads") {
			before := look(t, m)
			dirtied(t, l)
			how := rapid.SampledFrom([]string{"full", "delta", "abandoned"}).Draw(rt, "read")
			var events []event
			if how != "abandoned" {
				for range rapid.IntRange(0, 4).Draw(rt, "steps") {
					events = append(events, w.step(rt)...)
				}
			}
			switch how {
			case "full":
				read(t, m, full(fmt.Sprint(i+1)), w.all(rt)...)
			case "delta":
				read(t, m, delta(fmt.Sprint(i+1)), events...)
			default:
				abandon(t, m, w.all(rt))
			}
			after := look(t, m)
			equal(rt, how, present(after), w.told())
			equal(rt, "dirty", dirtied(t, l), differing(before, after))
		}
		whole := l.Mirror(fmt.Sprint("whole ", n))
		read(t, whole, full("0"), w.all(rt)...)
		for ref, o := range look(t, whole).Objects {
			got, _, err := m.Record(t.Context(), ref)
			if err != nil || got.Hash != o.Hash {
				rt.Fatalf("%s: hash %s after deltas, %s after a full read (%v)", ref, got.Hash, o.Hash, err)
			}
		}
		for ref := range w.fields {
			var want, got []identity.Ref
			for _, g := range w.refs() {
				if w.members[g][ref] {
					want = append(want, g)
				}
			}
			for g, err := range m.GroupsOf(t.Context(), ref) {
				if err != nil {
					rt.Fatal(err)
				}
				got = append(got, g)
			}
			equal(rt, "groups of "+ref.String(), got, want)
		}
	})
}

func equal(t *rapid.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// abandon takes events and drops them.
func abandon(t testing.TB, m *Mirror, events []event) {
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
	if err := in.Discard(); err != nil {
		t.Fatal(err)
	}
}

// differing returns what is not the same in both views, in the order of Dirty.
func differing(before, after view) []string {
	var out []string
	for _, kind := range identity.Kinds() {
		var ids []string
		for ref, o := range after.Objects {
			old, ok := before.Objects[ref]
			if ref.Kind == kind && (!ok || old.Hash != o.Hash || old.State != o.State || old.Why != o.Why && o.Why != "" ||
				old.LinksState != o.LinksState || !slices.Equal(before.Members[ref], after.Members[ref])) {
				ids = append(ids, ref.String())
			}
		}
		slices.Sort(ids)
		out = append(out, ids...)
	}
	return out
}
