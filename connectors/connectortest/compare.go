package connectortest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// whole fails unless the read ended in a Checkpoint for both kinds and yielded
// the world: every object, and every group closed with all of its members.
func whole(t T, got *reading, w World) {
	t.Helper()
	if got.err != nil {
		t.Errorf("the read ended in an error: %v", got.err)
		return
	}
	if got.checkpoint == nil {
		t.Errorf("the read has no Checkpoint")
		return
	}
	for _, kind := range identity.Kinds() {
		if !got.full(kind) {
			t.Errorf("the Checkpoint of a full read does not vouch for %s: Full is %v", kind.Plural(), got.checkpoint.Full)
		}
	}
	if diff := cmp.Diff(w.ids(identity.User), got.ids(identity.User)); diff != "" {
		t.Errorf("users (-directory +read):\n%s", diff)
	}
	if diff := cmp.Diff(w.ids(identity.Group), got.ids(identity.Group)); diff != "" {
		t.Errorf("groups (-directory +read):\n%s", diff)
	}
	for ref, why := range got.unreadable {
		t.Errorf("%s is unreadable: %s", ref, why)
	}
	for _, g := range w.Groups {
		wholeGroup(t, got, g)
	}
}

// wholeGroup fails unless the group was closed as complete with its members.
func wholeGroup(t T, got *reading, g Group) {
	t.Helper()
	ref := identity.Ref{Kind: identity.Group, ID: g.ID}
	closed, ok := got.closed[ref]
	if !ok {
		t.Errorf("%s was not closed by Links", ref)
		return
	}
	if closed.State != connectors.Complete {
		t.Errorf("Links of %s are %s (%s), want complete", ref, closed.State, closed.Why)
	}
	if diff := cmp.Diff(g.sorted(), got.linked(ref)); diff != "" {
		t.Errorf("members of %s (-directory +read):\n%s", ref, diff)
	}
}

// honest fails when the read claims something that is not so. An error, an
// unreadable object and an unknown membership are honest; a Checkpoint that
// vouches for a kind with an object missing is not.
func honest(t T, got *reading, w World) {
	t.Helper()
	for _, kind := range identity.Kinds() {
		_, shielded := got.unreadable[identity.Ref{Kind: kind}]
		if !got.full(kind) || shielded {
			continue
		}
		for _, id := range w.ids(kind) {
			ref := identity.Ref{Kind: kind, ID: id}
			_, read := got.records[ref]
			_, unreadable := got.unreadable[ref]
			if !read && !unreadable {
				t.Errorf("the Checkpoint vouches for all %s, and %s was not seen", kind.Plural(), ref)
			}
		}
	}
	if got.checkpoint == nil {
		return
	}
	for ref, closed := range got.closed {
		g, ok := w.Group(ref.ID)
		if !ok || closed.State != connectors.Complete {
			continue
		}
		if diff := cmp.Diff(g.sorted(), got.linked(ref)); diff != "" {
			t.Errorf("Links of %s claim to be complete (-directory +read):\n%s", ref, diff)
		}
	}
}

// same fails where two reads of one directory differ.
func same(t T, a, b *reading) {
	t.Helper()
	if diff := cmp.Diff(a.summary(), b.summary()); diff != "" {
		t.Errorf("two reads of one directory differ (-one +other):\n%s", diff)
	}
}

// summary lists records with fields and versions, links and their states, in
// order.
func (r *reading) summary() []string {
	lines := []string{}
	for ref, record := range r.records {
		// fmt prints maps in the order of their keys.
		lines = append(lines, fmt.Sprintf("%s version %s %v", ref, record.Version, record.Fields))
	}
	for ref, closed := range r.closed {
		lines = append(lines, fmt.Sprintf("%s links %s %v", ref, closed.State, r.linked(ref)))
	}
	slices.Sort(lines)
	return lines
}

// ids returns the ids of the objects of a kind in order.
func (w World) ids(kind identity.Kind) []string {
	ids := []string{}
	switch kind {
	case identity.User:
		for _, u := range w.Users {
			ids = append(ids, u.ID)
		}
	case identity.Group:
		for _, g := range w.Groups {
			ids = append(ids, g.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (g Group) sorted() []identity.Ref {
	refs := g.Refs()
	slices.SortFunc(refs, byRef)
	if len(refs) == 0 {
		return nil
	}
	return refs
}
