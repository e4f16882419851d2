package connectortest

import (
	"net/url"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// ada is the user of the cases that need one.
func ada() User {
	return User{ID: "Ext-AbC-1", UserName: "ada.archer@example.com", Given: "Ada", Family: "Archer", Email: "Ada.Archer@example.com", Active: true}
}

func team() Group { return Group{ID: "Ext-Team-1", Name: "Équipe Qualité"} }

// profile: the session says what it talks to and how far.
func (s TargetSuite) profile(t T) {
	w := s.start(t, TargetOptions{})
	p := w.profile
	u, err := url.Parse(p.URL)
	if err != nil || p.URL == "" || u.User != nil || u.RawQuery != "" {
		t.Errorf("Profile.URL is %q: an address without credentials and query is wanted, since ledgers are bound to it", p.URL)
	}
	if !p.Users && !p.Groups {
		t.Errorf("the profile has neither users nor groups")
	}
	switch p.Members {
	case connectors.MembersReadable, connectors.MembersBlind, connectors.MembersNone:
	default:
		t.Errorf("Profile.Members is %q", p.Members)
	}
	switch p.Delete {
	case connectors.DeleteRemoves, connectors.DeleteSuspends, connectors.DeleteUnsupported:
	default:
		t.Errorf("Profile.Delete is %q", p.Delete)
	}
	if p.Limits.MembersPerPatch != s.MembersPerPatch {
		t.Errorf("Profile.Limits.MembersPerPatch is %d, and %d was set", p.Limits.MembersPerPatch, s.MembersPerPatch)
	}
}

// createUser: what was sent is what is held, and what is read back.
func (s TargetSuite) createUser(t T) {
	w := s.start(t, TargetOptions{})
	want := ada().desired()
	result := w.apply(t, create(w.profile, want))
	id := result.Entry.TargetID
	if id == "" {
		t.Fatalf("Result.Entry has no TargetID")
	}
	if result.Status != connectors.Applied || len(result.Paths) > 0 {
		t.Errorf("Result is %s, not kept %v; want applied", result.Status, result.Paths)
	}
	w.keeps(t, identity.User, id, want.Attrs)
	found := w.find(t, identity.User, "id", id)
	if len(found) != 1 {
		t.Fatalf("find by the new id found %d", len(found))
	}
	if !found[0].Ref.IsZero() {
		t.Errorf("a live entry has the source reference %s", found[0].Ref)
	}
	w.match(t, "found", identity.User, want.Attrs, found[0].Attrs)
	listed := w.list(t, identity.User, connectors.Want{})
	if len(listed) != 1 || listed[0].TargetID != id {
		t.Fatalf("the listing has %d users", len(listed))
	}
	w.match(t, "listed", identity.User, want.Attrs, listed[0].Attrs)
}

// createInactive: active=false at creation is kept.
func (s TargetSuite) createInactive(t T) {
	w := s.start(t, TargetOptions{})
	if !w.profile.Active {
		t.Skipf("the profile says that users have no active")
	}
	u := ada()
	u.Active = false
	w.keeps(t, identity.User, w.create(t, u.desired()), identity.Attrs{"active": false})
}

// createGroup: with and without members from the start.
func (s TargetSuite) createGroup(t T) {
	w := s.start(t, TargetOptions{})
	people := w.people(t, 3)
	empty := team().desired()
	emptyID := w.create(t, empty)
	w.keeps(t, identity.Group, emptyID, empty.Attrs)
	w.members(t, emptyID, nil)

	full := Group{ID: "Ext-Team-2", Name: "Team \"Blue\""}.desired()
	fullID := w.create(t, full, people...)
	w.keeps(t, identity.Group, fullID, full.Attrs)
	w.members(t, fullID, people)
	w.members(t, emptyID, nil)
	if fullID == emptyID {
		t.Errorf("two groups share the id %s", fullID)
	}
}

// awkwardValues: letters, quotes and backslashes survive the way there and
// back, at creation and in an update.
func (s TargetSuite) awkwardValues(t T) {
	w := s.start(t, TargetOptions{})
	for _, u := range awkward().Users {
		want := u.desired()
		id := w.create(t, want)
		w.keeps(t, identity.User, id, want.Attrs)
		renamed := `D'Arcy "Dé" \ 李娜 <&> ` + u.ID
		w.apply(t, change(identity.Update, want.Ref, id, identity.Attribute{Path: "displayName", Before: want.Attrs["displayName"], After: renamed}))
		w.keeps(t, identity.User, id, identity.Attrs{"displayName": renamed})
	}
	for _, g := range awkward().Groups {
		want := g.desired()
		w.keeps(t, identity.Group, w.create(t, want), want.Attrs)
	}
}

// updateTouches: an update changes its paths and no other, ours or foreign.
func (s TargetSuite) updateTouches(t T) {
	w := s.start(t, TargetOptions{})
	want := ada().desired()
	id := w.create(t, want)
	foreign := identity.Attrs{"nickName": "Somebody's word", "preferredLanguage": "sv-SE"}
	w.Edit(identity.User, id, foreign)
	w.apply(t, change(identity.Update, want.Ref, id,
		identity.Attribute{Path: "name.familyName", Before: "Archer", After: "Björk"},
		identity.Attribute{Path: workEmail, Before: want.Attrs[workEmail], After: "ada.bjork@example.com"},
	))
	want.Attrs["name.familyName"], want.Attrs[workEmail] = "Björk", "ada.bjork@example.com"
	w.keeps(t, identity.User, id, want.Attrs)
	w.keeps(t, identity.User, id, foreign)
}

// updateClears: a nil After empties the attribute, and an attribute that was
// not there can be set.
func (s TargetSuite) updateClears(t T) {
	w := s.start(t, TargetOptions{})
	want := ada().desired()
	probe := identity.Entry{Ref: want.Ref, Attrs: identity.Attrs{"title": "Engineer"}}
	if len(w.profile.Normalize(probe).Attrs) == 0 {
		t.Skipf("the profile says that the target drops title")
	}
	id := w.create(t, want)
	w.apply(t, change(identity.Update, want.Ref, id, identity.Attribute{Path: "title", After: "Engineer"}))
	w.keeps(t, identity.User, id, identity.Attrs{"title": "Engineer"})
	w.apply(t, change(identity.Update, want.Ref, id, identity.Attribute{Path: "title", Before: "Engineer"}))
	w.keeps(t, identity.User, id, identity.Attrs{"title": nil})
	w.keeps(t, identity.User, id, want.Attrs)
}

// updateTwice: the same update again changes nothing and is no error.
func (s TargetSuite) updateTwice(t T) {
	w := s.start(t, TargetOptions{})
	want := ada().desired()
	id := w.create(t, want)
	again := change(identity.Update, want.Ref, id, identity.Attribute{Path: "displayName", Before: "Ada Archer", After: "Ada B"})
	want.Attrs["displayName"] = "Ada B"
	for range 2 {
		if result := w.apply(t, again); result.Status == connectors.NotKept {
			t.Errorf("update: accepted and not kept: %v", result.Paths)
		}
		w.keeps(t, identity.User, id, want.Attrs)
	}
	if n := len(w.Held(identity.User)); n != 1 {
		t.Errorf("after two updates the target holds %d users", n)
	}
}

// updateMissing: what is not there cannot be updated, and is not made by it.
func (s TargetSuite) updateMissing(t T) {
	w := s.start(t, TargetOptions{})
	_, err := w.session.Apply(t.Context(), change(identity.Update, ada().desired().Ref, "no-such-id",
		identity.Attribute{Path: "displayName", Before: "a", After: "b"}))
	if class := connectors.ClassOf(err); class != connectors.Missing {
		t.Errorf("update of a missing user: %v, of class %q; want class missing", err, class)
	}
	if n := len(w.Held(identity.User)); n != 0 {
		t.Errorf("update of a missing user left %d users", n)
	}
}

// rename: names change, everything else stays, members too.
func (s TargetSuite) rename(t T) {
	w := s.start(t, TargetOptions{})
	people := w.people(t, 2)
	if w.profile.RenameUsers {
		want := ada().desired()
		id := w.create(t, want)
		w.apply(t, change(identity.Update, want.Ref, id, identity.Attribute{Path: "userName", Before: want.Attrs["userName"], After: "ada.bjork@example.com"}))
		want.Attrs["userName"] = "ada.bjork@example.com"
		w.keeps(t, identity.User, id, want.Attrs)
		w.findsOnly(t, identity.User, "userName", "ada.bjork@example.com", id)
	}
	if w.profile.RenameGroups {
		want := team().desired()
		id := w.create(t, want, people...)
		w.apply(t, change(identity.Update, want.Ref, id, identity.Attribute{Path: "displayName", Before: want.Attrs["displayName"], After: "Quality"}))
		w.keeps(t, identity.Group, id, identity.Attrs{"displayName": "Quality"})
		w.members(t, id, people)
	}
	if !w.profile.RenameUsers && !w.profile.RenameGroups {
		t.Skipf("the profile says that nothing can be renamed")
	}
}

// deactivate: off and on again, and nothing but active differs.
func (s TargetSuite) deactivate(t T) {
	w := s.start(t, TargetOptions{})
	if !w.profile.Active {
		t.Skipf("the profile says that users have no active")
	}
	want := ada().desired()
	id := w.create(t, want)
	w.Edit(identity.User, id, identity.Attrs{"nickName": "Somebody's word"})
	want.Attrs["nickName"] = "Somebody's word"
	for _, step := range []struct {
		op     identity.Op
		active bool
	}{{identity.Deactivate, false}, {identity.Reactivate, true}, {identity.Deactivate, false}} {
		w.apply(t, change(step.op, want.Ref, id, identity.Attribute{Path: "active", Before: !step.active, After: step.active}))
		want.Attrs["active"] = step.active
		w.keeps(t, identity.User, id, want.Attrs)
	}
}

// deleteUser: gone, or suspended where the profile says so; deleting what is
// not there is done already (RFC 7644, section 3.6).
func (s TargetSuite) deleteUser(t T) {
	w := s.start(t, TargetOptions{})
	if w.profile.Delete == connectors.DeleteUnsupported {
		t.Skipf("the profile says that users cannot be deleted")
	}
	people := w.people(t, 2)
	gone := change(identity.Delete, people[0].Ref, people[0].TargetID)
	w.apply(t, gone)
	switch e, ok := w.held(identity.User, people[0].TargetID); {
	case ok && w.profile.Delete == connectors.DeleteRemoves:
		t.Errorf("the deleted user is still held")
	case ok && e.Attrs["active"] != false:
		t.Errorf("the deleted user is still active")
	}
	if _, ok := w.held(identity.User, people[1].TargetID); !ok {
		t.Errorf("another user went too")
	}
	w.apply(t, gone)
	w.apply(t, change(identity.Delete, people[0].Ref, "no-such-id"))
}

// deleteGroup: the group goes, its members stay.
func (s TargetSuite) deleteGroup(t T) {
	w := s.start(t, TargetOptions{})
	people := w.people(t, 2)
	want := team().desired()
	id := w.create(t, want, people...)
	other := w.create(t, Group{ID: "Ext-Other", Name: "Other"}.desired(), people...)
	gone := change(identity.Delete, want.Ref, id)
	w.apply(t, gone)
	if _, ok := w.held(identity.Group, id); ok {
		t.Errorf("the deleted group is still held")
	}
	w.members(t, other, people)
	if n := len(w.Held(identity.User)); n != len(people) {
		t.Errorf("after deleting a group the target holds %d users, want %d", n, len(people))
	}
	w.apply(t, gone)
}

// conflict: a name that is taken is class Conflict, and the holder is untouched.
func (s TargetSuite) conflict(t T) {
	w := s.start(t, TargetOptions{})
	first := ada().desired()
	id := w.create(t, first)
	second := ada()
	second.ID, second.Given = "Ext-Other", "Another"
	result, err := w.session.Apply(t.Context(), create(w.profile, second.desired()))
	if class := connectors.ClassOf(err); class != connectors.Conflict {
		t.Errorf("create of a taken userName: %v, %v, of class %q; want class conflict", result, err, class)
	}
	if n := len(w.Held(identity.User)); n != 1 {
		t.Errorf("after the conflict the target holds %d users", n)
	}
	w.keeps(t, identity.User, id, first.Attrs)
}
