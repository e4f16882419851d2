package connectortest

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// onlyQuery asks for a few objects with their memberships.
func onlyQuery(keys ...connectors.Key) connectors.Query {
	q := all()
	q.Only, q.From = keys, "cursor-given"
	return q
}

// onlyEnds fails unless a read with Only ended as the contract says, with just
// these objects.
func onlyEnds(t T, got *reading, want ...identity.Ref) {
	t.Helper()
	if got.err != nil {
		t.Errorf("the read ended in an error: %v", got.err)
		return
	}
	if got.checkpoint == nil {
		return // already a breach
	}
	if len(got.checkpoint.Full) > 0 {
		t.Errorf("a read with Only vouches for %v: everybody else would be gone", got.checkpoint.Full)
	}
	if got.checkpoint.Cursor != "cursor-given" {
		t.Errorf("a read with Only returned the cursor %q, want the one it was given", got.checkpoint.Cursor)
	}
	found := []string{}
	for ref := range got.records {
		found = append(found, ref.String())
	}
	slices.Sort(found)
	wanted := []string{}
	for _, ref := range want {
		wanted = append(wanted, ref.String())
	}
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, found); diff != "" {
		t.Errorf("objects of a read with Only (-asked +read):\n%s", diff)
	}
}

// onlyByID: just these, and all members of these groups.
func (s SourceSuite) onlyByID(t T) {
	w := Synthetic(2*s.PageSize+1, 4, 5*s.PageSize, 12)
	source := s.open(SourceOptions{World: w}).Source
	user := identity.Ref{Kind: identity.User, ID: w.Users[2*s.PageSize].ID}
	group := w.Groups[3]
	groupRef := identity.Ref{Kind: identity.Group, ID: group.ID}
	onlyEnds(t, s.read(t, source, onlyQuery(connectors.Key{Kind: identity.User, ID: user.ID})), user)
	got := s.read(t, source, onlyQuery(
		connectors.Key{Kind: identity.Group, ID: group.ID}, connectors.Key{Kind: identity.User, ID: user.ID}))
	onlyEnds(t, got, user, groupRef)
	wholeGroup(t, got, group)
}

// onlyByName: the names people type, whatever letters they hold.
func (s SourceSuite) onlyByName(t T) {
	w := awkward()
	source := s.open(SourceOptions{World: w}).Source
	for _, u := range w.Users {
		t.Logf("user %s", u.UserName)
		onlyEnds(t, s.read(t, source, onlyQuery(connectors.Key{Kind: identity.User, Name: u.UserName})),
			identity.Ref{Kind: identity.User, ID: u.ID})
	}
	for _, g := range w.Groups {
		t.Logf("group %s", g.Name)
		got := s.read(t, source, onlyQuery(connectors.Key{Kind: identity.Group, Name: g.Name}))
		onlyEnds(t, got, identity.Ref{Kind: identity.Group, ID: g.ID})
		wholeGroup(t, got, g)
	}
}

// onlyMissing: what does not exist is gone, by its id; a name nobody has names
// nobody.
func (s SourceSuite) onlyMissing(t T) {
	w := Synthetic(3, 2, 4, 13)
	source := s.open(SourceOptions{World: w}).Source
	for _, kind := range identity.Kinds() {
		ref := identity.Ref{Kind: kind, ID: "no-such-id"}
		got := s.read(t, source, onlyQuery(connectors.Key{Kind: kind, ID: ref.ID}))
		onlyEnds(t, got)
		if _, ok := got.gone[ref]; !ok {
			t.Errorf("a read of the missing %s did not say that it is gone: %v", ref, got.gone)
		}
		onlyEnds(t, s.read(t, source, onlyQuery(connectors.Key{Kind: kind, Name: "nobody@example.com"})))
	}
}
