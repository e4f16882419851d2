package connectortest

import (
	"context"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// findByKey: every key a match may name finds its object and no other.
func (s TargetSuite) findByKey(t T) {
	w := s.start(t, TargetOptions{})
	user, group := ada().desired(), team().desired()
	people := w.people(t, 3)
	userID := w.create(t, user)
	w.create(t, Group{ID: "Ext-Other", Name: "Other"}.desired())
	groupID := w.create(t, group, people...)

	w.findsOnly(t, identity.User, "id", userID, userID)
	w.findsOnly(t, identity.User, "userName", "ada.archer@example.com", userID)
	// userName and displayName are not caseExact, externalId is (RFC 7643,
	// sections 3.1 and 4).
	w.findsOnly(t, identity.User, "userName", "ADA.Archer@Example.com", userID)
	w.findsOnly(t, identity.Group, "id", groupID, groupID)
	w.findsOnly(t, identity.Group, "displayName", "Équipe Qualité", groupID)
	w.findsOnly(t, identity.Group, "displayName", "équipe QUALITÉ", groupID)

	w.findsAtMost(t, identity.User, "externalId", "Ext-AbC-1", userID)
	w.findsAtMost(t, identity.Group, "externalId", "Ext-Team-1", groupID)
	w.findsAtMost(t, identity.User, "externalId", "ext-abc-1")
	w.findsAtMost(t, identity.User, workEmail, "ada.archer@example.com", userID)

	for _, miss := range []struct {
		kind        identity.Kind
		path, value string
	}{
		{identity.User, "userName", "nobody@example.com"},
		{identity.User, "userName", "ada.archer@example.co"},
		{identity.User, "id", "no-such-id"},
		{identity.Group, "displayName", "Équipe"},
		{identity.Group, "id", userID},
	} {
		if found := w.find(t, miss.kind, miss.path, miss.value); len(found) > 0 {
			t.Errorf("find %s by %s %q found %d", miss.kind, miss.path, miss.value, len(found))
		}
	}
	if found := w.find(t, identity.Group, "id", groupID); len(found) == 1 && w.profile.Members == connectors.MembersReadable {
		w.readable(t, found[0], people)
	}
}

// findsAtMost is findsOnly for keys a target may be unable to filter by, which
// it says with class Unsupported.
func (w opened) findsAtMost(t T, k identity.Kind, path, value string, want ...string) {
	t.Helper()
	found, err := w.session.Find(t.Context(), k, connectors.Match{Path: path, Value: value}, connectors.Want{})
	if connectors.ClassOf(err) == connectors.Unsupported {
		t.Logf("find %s by %s is not supported: %v", k, path, err)
		return
	}
	if err != nil {
		t.Errorf("find %s by %s %q: %v", k, path, value, err)
		return
	}
	var ids []string
	for _, e := range found {
		ids = append(ids, e.TargetID)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("find %s by %s %q found %q, want %q", k, path, value, ids, want)
	}
}

// readable fails unless the live entry shows exactly these members.
func (w opened) readable(t T, live identity.Entry, want []identity.Member) {
	t.Helper()
	if !live.Members.Known {
		t.Errorf("the members of group %s are unknown, and the profile says that they are readable", live.TargetID)
		return
	}
	if diff := cmp.Diff(targetIDs(want), slices.Sorted(slices.Values(live.Members.TargetIDs))); diff != "" {
		t.Errorf("members of group %s (-wanted +read):\n%s", live.TargetID, diff)
	}
}

// findAwkward: a value is data, whatever letters it holds.
func (s TargetSuite) findAwkward(t T) {
	w := s.start(t, TargetOptions{})
	names := []string{
		"o'neil@example.com", "plus+tag@example.com", "zoë.müller@example.com", `quo"te@example.com`,
		`back\slash@example.com`, `back\\slash@example.com`, "percent%20@example.com", "and&amp=1@example.com", "hash#tag@example.com",
		"two words@example.com", `x" or userName pr or userName eq "y`, "李娜@example.com", "semi;colon,comma@example.com", "(paren)[bracket]@example.com",
	}
	ids := map[string]string{}
	for i, name := range names {
		u := People(len(names), 41)[i]
		u.UserName = name
		ids[name] = w.create(t, u.desired())
	}
	for _, name := range names {
		w.findsOnly(t, identity.User, "userName", name, ids[name])
		if found := w.find(t, identity.User, "userName", name+"x"); len(found) > 0 {
			t.Errorf("find by userName %q found %d", name+"x", len(found))
		}
	}
	for i, name := range []string{`Team "Blue" & Co`, "R&D / QA + Ops", `a\b #1 100%`} {
		id := w.create(t, Group{ID: Groups(3, 41)[i].ID, Name: name}.desired())
		w.findsOnly(t, identity.Group, "displayName", name, id)
	}
}

// findIgnored: a server that answers everything has found nothing.
func (s TargetSuite) findIgnored(t T) {
	w := s.start(t, TargetOptions{Hazards: []Hazard{IgnoresFilters}})
	people := w.people(t, 2*s.PageSize+1)
	last := people[len(people)-1]
	w.findsOnly(t, identity.User, "userName", last.Name, last.TargetID)
	if found := w.find(t, identity.User, "userName", "nobody@example.com"); len(found) > 0 {
		t.Errorf("a server that ignores filters made find believe in nobody@example.com: %d found, the first is %s", len(found), found[0].Attrs.String("userName"))
	}
	w.create(t, team().desired())
	if found := w.find(t, identity.Group, "displayName", "No such team"); len(found) > 0 {
		t.Errorf("a server that ignores filters made find believe in a group: %s", found[0].Attrs.String("displayName"))
	}
}

// listPages: no size of a listing loses, repeats or invents anything.
func (s TargetSuite) listPages(t T) {
	for _, n := range []int{0, 1, s.PageSize - 1, s.PageSize, s.PageSize + 1, 2*s.PageSize + 1} {
		t.Logf("%d users and groups, page size %d", n, s.PageSize)
		w := s.start(t, TargetOptions{})
		w.people(t, n)
		for _, g := range Groups(n, 42) {
			w.create(t, g.desired())
		}
		w.listsAll(t)
	}
}

// listWithoutTotals: the last page is known by what it holds.
func (s TargetSuite) listWithoutTotals(t T) {
	for _, n := range []int{0, s.PageSize, s.PageSize + 1} {
		t.Logf("%d users without a total, page size %d", n, s.PageSize)
		w := s.start(t, TargetOptions{Hazards: []Hazard{NoTotals}})
		w.people(t, n)
		w.listsAll(t)
	}
}

// listsAll fails unless a listing is what the target holds.
func (w opened) listsAll(t T) {
	t.Helper()
	for _, kind := range identity.Kinds() {
		if diff := cmp.Diff(entryIDs(w.Held(kind)), entryIDs(w.list(t, kind, connectors.Want{Members: true}))); diff != "" {
			t.Errorf("%s (-held +listed):\n%s", kind.Plural(), diff)
		}
	}
}

func entryIDs(entries []identity.Entry) []string {
	ids := []string{}
	for _, e := range entries {
		ids = append(ids, e.TargetID)
	}
	slices.Sort(ids)
	return ids
}

// listRepeats: pages that do not advance are whole by another way, or an error
// of class Incomplete; never a short listing.
func (s TargetSuite) listRepeats(t T) {
	w := s.start(t, TargetOptions{Hazards: []Hazard{RepeatsPages}})
	w.people(t, 2*s.PageSize+1)
	seen := map[string]bool{}
	for e, err := range w.session.List(t.Context(), identity.User, connectors.Want{}) {
		if err != nil {
			if class := connectors.ClassOf(err); class != connectors.Incomplete {
				t.Errorf("a listing that does not advance: %v, of class %q; want class incomplete", err, class)
			}
			return
		}
		seen[e.TargetID] = true
		if len(seen) > eventBound {
			t.Fatalf("the listing does not end")
		}
	}
	if held := len(w.Held(identity.User)); len(seen) != held {
		t.Errorf("a listing that does not advance ended without an error after %d of %d users", len(seen), held)
	}
}

// listStopped: a caller that stops early leaves nothing running.
func (s TargetSuite) listStopped(t T) {
	w := s.start(t, TargetOptions{})
	w.people(t, 3*s.PageSize)
	w.list(t, identity.User, connectors.Want{})
	for _, n := range []int{1, s.PageSize, 3 * s.PageSize} {
		seen := 0
		stacks := leaked(t.Context(), func(ctx context.Context) {
			for _, err := range w.session.List(ctx, identity.User, connectors.Want{}) {
				if err != nil {
					t.Errorf("list users: %v", err)
				}
				if seen++; seen == n {
					break
				}
			}
		})
		for _, stack := range stacks {
			t.Errorf("stopping a listing after %d leaves goroutines behind:\n%s", n, stack)
		}
		if len(stacks) > 0 {
			return
		}
	}
}

// listError: a page that is refused ends the listing in an error, once.
func (s TargetSuite) listError(t T) {
	faults := &Faults{}
	w := s.start(t, TargetOptions{Faults: faults})
	w.people(t, 2*s.PageSize+1)
	faults.Add(Fault{ID: "second page", Match: s.ListsUsers, Skip: 1, MinFires: 1, Effect: jsonStatus(400, "no such page")})
	var failure error
	for _, err := range w.session.List(t.Context(), identity.User, connectors.Want{}) {
		if failure != nil {
			t.Errorf("the listing went on after its error %v", failure)
		}
		failure = err
	}
	if failure == nil {
		t.Errorf("the second page was refused, and the listing ended without an error")
	}
	faults.AssertFired(t)
}

// stringBooleans: "True" is true, and true is a bool here.
func (s TargetSuite) stringBooleans(t T) {
	w := s.start(t, TargetOptions{Hazards: []Hazard{StringBooleans}})
	if !w.profile.Active {
		t.Skipf("the profile says that users have no active")
	}
	want := ada().desired()
	id := w.create(t, want)
	for _, active := range []bool{true, false} {
		if !active {
			w.apply(t, change(identity.Deactivate, want.Ref, id, identity.Attribute{Path: "active", Before: true, After: false}))
		}
		for where, entries := range map[string][]identity.Entry{
			"listed": w.list(t, identity.User, connectors.Want{}),
			"found":  w.find(t, identity.User, "id", id),
		} {
			if len(entries) != 1 {
				t.Fatalf("%s: %d users", where, len(entries))
			}
			if got, known := entries[0].Attrs.Active(); !known || got != active {
				t.Errorf("%s: active is %#v, want the boolean %v", where, entries[0].Attrs["active"], active)
			}
		}
		held, _ := w.held(identity.User, id)
		if text, ok := held.Attrs["active"].(string); ok {
			held.Attrs["active"] = strings.EqualFold(text, "true")
		}
		if held.Attrs["active"] != active {
			t.Errorf("held: active is %#v, want %v", held.Attrs["active"], active)
		}
	}
}
