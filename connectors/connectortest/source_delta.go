package connectortest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// deltaEqualsFull: what a delta read makes of the last state is what a full
// read would have seen.
func (s SourceSuite) deltaEqualsFull(t T) {
	w := Synthetic(2*s.PageSize+1, 5, 4*s.PageSize, 27)
	sut := s.deltaSource(t, w)
	state := s.read(t, sut.Source, all())
	whole(t, state, w)
	for round, edited := range edits(w) {
		sut.Edit(edited)
		q := all()
		q.From = state.checkpoint.Cursor
		delta := s.read(t, sut.Source, q)
		if delta.err != nil || delta.checkpoint == nil {
			t.Fatalf("delta read %d: %v", round+1, delta.err)
		}
		state.apply(delta)
		full := s.read(t, sut.Source, all())
		whole(t, full, edited)
		if diff := cmp.Diff(full.contents(), state.contents()); diff != "" {
			t.Errorf("delta read %d differs from a full read (-full +delta):\n%s", round+1, diff)
		}
	}
}

// expiredCursor: a cursor the directory has dropped says so, and reads nothing.
func (s SourceSuite) expiredCursor(t T) {
	sut := s.deltaSource(t, Synthetic(3, 1, 2, 28))
	if sut.ExpireCursors == nil {
		t.Fatalf("this case needs SourceUnderTest.ExpireCursors: give it, or name the case in Skip with a reason")
	}
	first := s.read(t, sut.Source, all())
	if first.checkpoint == nil {
		t.Fatalf("full read: %v", first.err)
	}
	sut.ExpireCursors()
	q := all()
	q.From = first.checkpoint.Cursor
	got := s.read(t, sut.Source, q)
	if class := connectors.ClassOf(got.err); class != connectors.Expired {
		t.Errorf("a read from an expired cursor ended with %v, of class %q; want class expired", got.err, class)
	}
}

// deltaSource opens a source, and ends the case where it reads no deltas.
func (s SourceSuite) deltaSource(t T, w World) SourceUnderTest {
	t.Helper()
	sut := s.open(SourceOptions{World: w})
	info, err := sut.Source.Info(t.Context())
	if err != nil {
		t.Fatalf("Info: %v", err)
	}
	if !info.Delta {
		t.Skipf("the source reads no deltas: %s", info.DeltaReason)
	}
	if sut.Edit == nil {
		t.Fatalf("this case needs SourceUnderTest.Edit: give it, or name the case in Skip with a reason")
	}
	return sut
}

// edits are worlds that follow on w and on each other: people join, leave, are
// renamed and disabled; groups come, go and change members.
func edits(w World) []World {
	one := w.Clone()
	one.Users[0].Given, one.Users[1].Active = "Renamed", false
	one.Users = append(one.Users, User{ID: "zz-newcomer", UserName: "newcomer@example.com", Given: "New", Family: "Comer", Email: "newcomer@example.com", Active: true})
	one.Groups[0].Members = []string{"zz-newcomer", one.Users[2].ID}
	one.Groups[1].Name = "Renamed group"

	two := one.Clone()
	left := two.Users[2].ID
	two.Users = slices.Delete(two.Users, 2, 3)
	for i := range two.Groups {
		two.Groups[i].Members = slices.DeleteFunc(two.Groups[i].Members, func(id string) bool { return id == left })
	}
	two.Groups = slices.Delete(two.Groups, 4, 5)
	two.Groups = append(two.Groups, Group{ID: "zz-group", Name: "New group", Members: []string{"zz-newcomer"}})

	return []World{one, two, two.Clone()}
}

// apply makes of r what r and a later delta read say together.
func (r *reading) apply(delta *reading) {
	for ref, record := range delta.records {
		if old, ok := r.records[ref]; ok && record.Partial {
			merged := map[string]any{}
			maps.Copy(merged, old.Fields)
			maps.Copy(merged, record.Fields)
			record.Fields = merged
		}
		r.records[ref] = record
	}
	for group, closed := range delta.closed {
		if closed.Members != nil {
			delete(r.members, group)
		}
	}
	for group, members := range delta.members {
		for m := range members {
			add(r.members, group, m)
		}
	}
	for group, members := range delta.unlinked {
		for m := range members {
			delete(r.members[group], m)
		}
	}
	for ref := range delta.gone {
		delete(r.records, ref)
		delete(r.members, ref)
		for _, members := range r.members {
			delete(members, ref)
		}
	}
	r.checkpoint = delta.checkpoint
}

// contents lists the fields of all records and the members of all groups, in
// order.
func (r *reading) contents() []string {
	lines := []string{}
	for ref, record := range r.records {
		lines = append(lines, fmt.Sprintf("%s %v", ref, record.Fields))
		if ref.Kind == identity.Group {
			lines = append(lines, fmt.Sprintf("%s members %v", ref, r.linked(ref)))
		}
	}
	slices.Sort(lines)
	return lines
}
