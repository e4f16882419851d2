package connectortest

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const workEmail = `emails[type eq "work"].value`

// desired returns the entry of a user, by the default mapping of most sources.
func (u User) desired() identity.Entry {
	return identity.Entry{
		Ref: identity.Ref{Kind: identity.User, ID: u.ID},
		Attrs: identity.Attrs{
			"externalId":      u.ID,
			"userName":        u.UserName,
			"name.givenName":  u.Given,
			"name.familyName": u.Family,
			"displayName":     u.Given + " " + u.Family,
			workEmail:         u.Email,
			"active":          u.Active,
		},
	}
}

// desired returns the entry of a group, without members.
func (g Group) desired() identity.Entry {
	return identity.Entry{
		Ref:   identity.Ref{Kind: identity.Group, ID: g.ID},
		Attrs: identity.Attrs{"externalId": g.ID, "displayName": g.Name},
	}
}

// create returns the change that makes the entry, in this target's form.
func create(p connectors.Profile, e identity.Entry, members ...identity.Member) identity.Change {
	c := identity.Change{Op: identity.Create, Ref: e.Ref, Name: nameOf(e), Members: members, Cause: identity.CauseNew, Reason: "conformance"}
	attrs := p.Normalize(e).Attrs
	for _, path := range attrs.Paths() {
		c.Attributes = append(c.Attributes, identity.Attribute{Path: path, After: attrs[path]})
	}
	return c
}

// change returns a change of op on a live object.
func change(op identity.Op, ref identity.Ref, targetID string, attributes ...identity.Attribute) identity.Change {
	slices.SortFunc(attributes, func(a, b identity.Attribute) int { return strings.Compare(a.Path, b.Path) })
	return identity.Change{Op: op, Ref: ref, TargetID: targetID, Name: ref.ID, Attributes: attributes, Cause: identity.CauseChanged, Reason: "conformance"}
}

func nameOf(e identity.Entry) string {
	if e.Ref.Kind == identity.User {
		return e.Attrs.String("userName")
	}
	return e.Attrs.String("displayName")
}

// opened is a target and a session, with what the cases need at hand.
type opened struct {
	TargetUnderTest
	session connectors.Session
	profile connectors.Profile
}

// start opens a target and a session, and ends the test where it cannot.
func (s TargetSuite) start(t T, o TargetOptions) opened {
	t.Helper()
	sut := s.open(o)
	if sut.Held == nil || sut.Edit == nil {
		t.Fatalf("TargetUnderTest needs Held and Edit: the implementation may not be its own witness")
	}
	session, err := sut.Target.Open(t.Context())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return opened{TargetUnderTest: sut, session: session, profile: session.Profile()}
}

// apply performs a change and ends the test where it fails.
func (w opened) apply(t T, c identity.Change) connectors.Result {
	t.Helper()
	result, err := w.session.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.Op, c.Ref, err)
	}
	switch result.Status {
	case connectors.Applied, connectors.Unverified, connectors.NotKept:
	default:
		t.Errorf("%s %s: Result.Status is %q", c.Op, c.Ref, result.Status)
	}
	return result
}

// create makes an object and returns its target id.
func (w opened) create(t T, e identity.Entry, members ...identity.Member) string {
	t.Helper()
	result := w.apply(t, create(w.profile, e, members...))
	if result.Entry.TargetID == "" {
		t.Fatalf("create %s: Result.Entry has no TargetID", e.Ref)
	}
	return result.Entry.TargetID
}

// people creates n users and returns them as members.
func (w opened) people(t T, n int) []identity.Member {
	t.Helper()
	var members []identity.Member
	for _, u := range People(n, 40) {
		e := u.desired()
		e.Attrs["active"] = true
		members = append(members, identity.Member{Ref: e.Ref, TargetID: w.create(t, e), Name: u.UserName})
	}
	return members
}

// held returns the object the fake holds under the id, and false where none.
func (w opened) held(k identity.Kind, targetID string) (identity.Entry, bool) {
	for _, e := range w.Held(k) {
		if e.TargetID == targetID {
			return e, true
		}
	}
	return identity.Entry{}, false
}

// keeps fails unless the object in the fake has every desired attribute, in the
// target's form.
func (w opened) keeps(t T, k identity.Kind, targetID string, want identity.Attrs) {
	t.Helper()
	live, ok := w.held(k, targetID)
	if !ok {
		t.Errorf("the target holds no %s %s", k, targetID)
		return
	}
	w.match(t, "held", k, want, live.Attrs)
}

// match fails for each desired attribute that differs from the live one.
func (w opened) match(t T, where string, k identity.Kind, want, live identity.Attrs) {
	t.Helper()
	normal := w.profile.Normalize(identity.Entry{Ref: identity.Ref{Kind: k}, Attrs: want}).Attrs
	for _, path := range normal.Paths() {
		if !w.profile.Same(k, path, normal[path], live[path]) {
			t.Errorf("%s: %s is %#v, want %#v", where, path, live[path], normal[path])
		}
	}
}

// members fails unless the group in the fake has exactly these members.
func (w opened) members(t T, groupID string, want []identity.Member) {
	t.Helper()
	live, ok := w.held(identity.Group, groupID)
	if !ok {
		t.Errorf("the target holds no group %s", groupID)
		return
	}
	if diff := cmp.Diff(targetIDs(want), slices.Sorted(slices.Values(live.Members.TargetIDs))); diff != "" {
		t.Errorf("members of group %s (-wanted +held):\n%s", groupID, diff)
	}
}

func targetIDs(members []identity.Member) []string {
	var ids []string
	for _, m := range members {
		ids = append(ids, m.TargetID)
	}
	slices.Sort(ids)
	return ids
}

// memberChange adds or removes members.
func memberChange(op identity.Op, ref identity.Ref, groupID string, members []identity.Member) identity.Change {
	c := change(op, ref, groupID)
	c.Members, c.Cause = slices.Clone(members), identity.CauseMembership
	return c
}

// list reads a listing to its end. A listing in an error ends the test.
func (w opened) list(t T, k identity.Kind, want connectors.Want) []identity.Entry {
	t.Helper()
	var out []identity.Entry
	for e, err := range w.session.List(t.Context(), k, want) {
		if err != nil {
			t.Fatalf("list %s: %v", k.Plural(), err)
		}
		out = append(out, e)
		if len(out) > eventBound {
			t.Fatalf("list %s does not end", k.Plural())
		}
	}
	return out
}

// find looks objects up and ends the test where that fails.
func (w opened) find(t T, k identity.Kind, path, value string) []identity.Entry {
	t.Helper()
	found, err := w.session.Find(t.Context(), k, connectors.Match{Path: path, Value: value}, connectors.Want{Members: true})
	if err != nil {
		t.Fatalf("find %s by %s %q: %v", k, path, value, err)
	}
	return found
}

// findsOnly fails unless a look-up finds the one object.
func (w opened) findsOnly(t T, k identity.Kind, path, value, targetID string) {
	t.Helper()
	ids := []string{}
	for _, e := range w.find(t, k, path, value) {
		ids = append(ids, e.TargetID)
	}
	if !slices.Equal(ids, []string{targetID}) {
		t.Errorf("find %s by %s %q found %q, want %q alone", k, path, value, ids, targetID)
	}
}
