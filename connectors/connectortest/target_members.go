package connectortest

import (
	"slices"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// grouped ends the case where the target has no memberships.
func (s TargetSuite) grouped(t T, o TargetOptions) opened {
	t.Helper()
	w := s.start(t, o)
	if !w.profile.Groups || w.profile.Members == connectors.MembersNone {
		t.Skipf("the profile says that there are no memberships")
	}
	return w
}

// membersAtCap: a change with as many members as one request takes, and with
// one more, lands whole.
func (s TargetSuite) membersAtCap(t T) {
	w := s.grouped(t, TargetOptions{})
	limit := s.MembersPerPatch
	people := w.people(t, 2*limit+1)
	for i, n := range []int{limit, limit + 1, 2*limit + 1} {
		t.Logf("%d members, %d a request", n, limit)
		born := Group{ID: Groups(6, 43)[i].ID, Name: Groups(6, 43)[i].Name}.desired()
		w.members(t, w.create(t, born, people[:n]...), people[:n])

		grown := Group{ID: Groups(6, 43)[i+3].ID, Name: Groups(6, 43)[i+3].Name}.desired()
		id := w.create(t, grown)
		w.changeMembers(t, identity.AddMembers, grown.Ref, id, people[:n])
		w.members(t, id, people[:n])
		w.changeMembers(t, identity.RemoveMembers, grown.Ref, id, people[:n-1])
		w.members(t, id, people[n-1:n])
	}
}

// changeMembers applies a membership change that nobody may refuse.
func (w opened) changeMembers(t T, op identity.Op, ref identity.Ref, groupID string, members []identity.Member) {
	t.Helper()
	result := w.apply(t, memberChange(op, ref, groupID, members))
	if len(result.Refused) > 0 {
		t.Errorf("%s of %d members refused %v", op, len(members), result.Refused)
	}
	if result.Status == connectors.NotKept {
		t.Errorf("%s of %d members: accepted and not kept", op, len(members))
	}
}

// removeMember: one goes, the others stay, and so does the group's name.
func (s TargetSuite) removeMember(t T) {
	w := s.grouped(t, TargetOptions{})
	people := w.people(t, 5)
	want := team().desired()
	id := w.create(t, want, people...)
	other := w.create(t, Group{ID: "Ext-Other", Name: "Other"}.desired(), people...)
	w.changeMembers(t, identity.RemoveMembers, want.Ref, id, people[2:3])
	rest := slices.Delete(slices.Clone(people), 2, 3)
	w.members(t, id, rest)
	w.members(t, other, people)
	w.keeps(t, identity.Group, id, want.Attrs)
	if w.profile.Members == connectors.MembersReadable {
		for _, e := range w.list(t, identity.Group, connectors.Want{Members: true}) {
			if e.TargetID == id {
				w.readable(t, e, rest)
			}
		}
	}
	w.changeMembers(t, identity.RemoveMembers, want.Ref, id, rest)
	w.members(t, id, nil)
}

// membersTwice: adding who is there and removing who is not changes nothing.
func (s TargetSuite) membersTwice(t T) {
	w := s.grouped(t, TargetOptions{})
	people := w.people(t, 4)
	want := team().desired()
	id := w.create(t, want, people[:2]...)
	w.changeMembers(t, identity.AddMembers, want.Ref, id, people[1:3])
	w.members(t, id, people[:3])
	w.changeMembers(t, identity.AddMembers, want.Ref, id, people[1:3])
	w.members(t, id, people[:3])
	w.apply(t, memberChange(identity.RemoveMembers, want.Ref, id, people[3:]))
	w.members(t, id, people[:3])
}

// badMember: one member that the target does not take is refused by name, and
// costs the others nothing.
func (s TargetSuite) badMember(t T) {
	w := s.grouped(t, TargetOptions{})
	people := w.people(t, 2*s.MembersPerPatch+1)
	bad := identity.Member{Ref: identity.Ref{Kind: identity.User, ID: "Ext-Ghost"}, TargetID: "no-such-user", Name: "ghost@example.com"}
	want := team().desired()
	id := w.create(t, want)
	result := w.apply(t, memberChange(identity.AddMembers, want.Ref, id, slices.Insert(slices.Clone(people), s.MembersPerPatch+1, bad)))
	w.members(t, id, people)
	if len(result.Refused) != 1 || result.Refused[0].Member.Ref != bad.Ref || result.Refused[0].Why == "" {
		t.Errorf("Result.Refused is %+v, want %s alone with the reason", result.Refused, bad.Ref)
	}
}

// hiddenMembers: a target that shows a group it was just given members for as
// empty cannot be read, and its members are unknown rather than none.
func (s TargetSuite) hiddenMembers(t T) {
	w := s.grouped(t, TargetOptions{Hazards: []Hazard{HidesMembers}})
	people := w.people(t, 3)
	want := team().desired()
	id := w.create(t, want, people[:1]...)
	result := w.apply(t, memberChange(identity.AddMembers, want.Ref, id, people[1:]))
	w.members(t, id, people)
	if result.Status == connectors.NotKept {
		t.Errorf("members that cannot be read back are reported as not kept")
	}
	if access := w.session.Profile().Members; access != connectors.MembersBlind {
		t.Errorf("after members vanished from sight Profile.Members is %q, want blind", access)
	}
	entries := append(w.find(t, identity.Group, "id", id), w.list(t, identity.Group, connectors.Want{Members: true})...)
	for _, e := range entries {
		if e.Members.Known {
			t.Errorf("the members of %s are said to be known: %d of %d", e.TargetID, len(e.Members.TargetIDs), len(people))
		}
	}
}
