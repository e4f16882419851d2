package scim_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

func TestMemberChunks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ members, limit, patches int }{{4, 4, 1}, {5, 4, 2}, {9, 4, 3}} {
		r := newRig(t, scimtest.Options{}, scim.Settings{Limits: scim.Limits{MembersPerPatch: c.limit}})
		people := r.people(t, c.members)
		group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
		for _, op := range []identity.Op{identity.AddMembers, identity.RemoveMembers} {
			r.fake.ResetRequests()
			if result := r.apply(t, groupChange(op, group, people)); result.Status != connectors.Applied {
				t.Errorf("%s: %s, want applied", op, result.Status)
			}
			if got := r.fake.Requests()["PATCH /Groups"]; got != c.patches {
				t.Errorf("%s of %d members, %d a request: %d requests, want %d", op, c.members, c.limit, got, c.patches)
			}
			want := ids(people)
			if op == identity.RemoveMembers {
				want = nil
			}
			if got := r.members(t, group); !slices.Equal(got, want) {
				t.Errorf("%s: the group holds %v, want %v", op, got, want)
			}
		}
	}
}

// A request that is too large is halved, and the size is remembered.
func TestMemberCapIsLearned(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge} {
		r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{MaxMembersPerPatch: 5, MaxMembersStatus: status}}, scim.Settings{})
		people := r.people(t, 16)
		group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
		result := r.apply(t, groupChange(identity.AddMembers, group, people))
		r.fired(t, "MaxMembersPerPatch")
		if len(result.Refused) > 0 || !slices.Equal(r.members(t, group), ids(people)) {
			t.Errorf("%d: refused %v, held %d", status, result.Refused, len(r.members(t, group)))
		}
		r.fake.ResetRequests()
		r.apply(t, groupChange(identity.RemoveMembers, group, people))
		for _, request := range r.fake.Log() {
			if request.Status >= 400 {
				t.Errorf("%d: a request was refused again: %s", status, request.Body)
			}
		}
	}
}

func TestRefusedMembersAreFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	people := r.people(t, 20)
	bad := []identity.Member{people[3], people[17], {Ref: identity.Ref{Kind: identity.User, ID: "new"}, Name: "not created"}}
	r.fake.SetHazards(scimtest.Hazards{RejectMembers: []string{bad[0].TargetID, bad[1].TargetID}})
	group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
	result := r.apply(t, groupChange(identity.AddMembers, group, append(slices.Clone(people), bad[2])))
	r.fired(t, "RejectMembers")
	var refused []string
	for _, m := range result.Refused {
		if m.Why == "" {
			t.Errorf("%s is refused without a reason", m.Member.Name)
		}
		refused = append(refused, m.Member.TargetID)
	}
	slices.Sort(refused)
	if want := ids(bad); !slices.Equal(refused, want) {
		t.Errorf("refused %v, want %v", refused, want)
	}
	if got := r.members(t, group); len(got) != 18 {
		t.Errorf("the group holds %d members, want 18", len(got))
	}
}

// A request that is wrong for every member is not tried a hundred times.
func TestHopelessMembers(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	people := r.people(t, 100)
	r.fake.SetHazards(scimtest.Hazards{RejectMembers: ids(people)})
	group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
	_, err := r.session.Apply(t.Context(), groupChange(identity.AddMembers, group, people))
	wantClass(t, err, connectors.Rejected)
	if got := r.fake.Requests()["PATCH /Groups"]; got > 30 {
		t.Errorf("%d requests to learn that nobody is taken", got)
	}
}

// A create with members that one member spoils still makes the group.
func TestCreateGroupWithBadMember(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	people := r.people(t, 3)
	r.fake.SetHazards(scimtest.Hazards{RejectMembers: []string{people[1].TargetID}})
	result := r.apply(t, groupChange(identity.Create, "", people, set("displayName", "Quality")))
	if len(result.Refused) != 1 || result.Refused[0].Member.TargetID != people[1].TargetID {
		t.Errorf("refused %v, want %s", result.Refused, people[1].TargetID)
	}
	if got := r.members(t, result.Entry.TargetID); len(got) != 2 {
		t.Errorf("the group holds %v", got)
	}
}

func TestLostMemberAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{
		DuplicateMembersKept: true, LoseAnswerAfter: scimtest.When{Every: 1, Times: 1, Method: http.MethodPatch},
	}}, scim.Settings{})
	people := r.people(t, 6)
	group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
	r.apply(t, groupChange(identity.AddMembers, group, people))
	r.fired(t, "LoseAnswerAfter")
	if got := r.members(t, group); !slices.Equal(got, ids(people)) {
		t.Errorf("the group holds %v, want each of %v once", got, ids(people))
	}
}

func TestBlindTargetIsLearned(t *testing.T) {
	t.Parallel()
	for _, noContent := range []bool{false, true} {
		r := newRig(t, scimtest.Options{PatchNoContent: noContent, Hazards: scimtest.Hazards{EmptyMembers: true}}, scim.Settings{})
		people := r.people(t, 2)
		group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
		if got := r.session.Profile().Members; got != connectors.MembersReadable {
			t.Fatalf("members %s before anything was tried", got)
		}
		result := r.apply(t, groupChange(identity.AddMembers, group, people))
		r.fired(t, "EmptyMembers")
		if result.Status != connectors.Unverified || r.session.Profile().Members != connectors.MembersBlind {
			t.Errorf("no content %t: status %s, members %s; want unverified and blind", noContent, result.Status, r.session.Profile().Members)
		}
		entries, err := r.list(t, identity.Group, connectors.Want{Members: true})
		if err != nil || len(entries) != 1 || entries[0].Members.Known {
			t.Errorf("members of a blind target are unknown: %+v, %v", entries, err)
		}
		if r.apply(t, groupChange(identity.RemoveMembers, group, people[:1])).Status != connectors.Unverified {
			t.Error("a removal at a blind target is unverified")
		}
		if got := r.members(t, group); !slices.Equal(got, ids(people[1:])) {
			t.Errorf("the group holds %v", got)
		}
	}
}

func TestMembersNotKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		hazards scimtest.Hazards
		op      identity.Op
		fired   string
	}{
		{"removal by filter ignored", scimtest.Hazards{IgnoreMemberRemoveByFilter: true}, identity.RemoveMembers, "IgnoreMemberRemoveByFilter"},
		{"patch of members ignored", scimtest.Hazards{PatchIgnored: []string{"members"}}, identity.AddMembers, "PatchIgnored"},
	} {
		for _, noContent := range []bool{false, true} {
			r := newRig(t, scimtest.Options{PatchNoContent: noContent}, scim.Settings{})
			people := r.people(t, 3)
			group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
			r.apply(t, groupChange(identity.AddMembers, group, people[:2]))
			r.fake.SetHazards(c.hazards)
			members := people[:1]
			if c.op == identity.AddMembers {
				if noContent {
					continue // proven readable, 204: taken at its word
				}
				members = people[2:]
			}
			result := r.apply(t, groupChange(c.op, group, members))
			r.fired(t, c.fired)
			if result.Status != connectors.NotKept || !slices.Equal(result.Paths, []string{"members"}) {
				t.Errorf("%s, no content %t: %s %v, want not kept members", c.name, noContent, result.Status, result.Paths)
			}
		}
	}
}

// A group that may hold members nobody is shown is never written back whole.
func TestReplaceNeverEmptiesGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{PutReplaceOnly: true, EmptyMembers: true}}, scim.Settings{})
	people := r.people(t, 3)
	group := r.put(t, identity.Group, map[string]any{
		"displayName": "Quality", "members": []any{map[string]any{"value": people[0].TargetID}},
	})
	for _, c := range []identity.Change{
		groupChange(identity.AddMembers, group, people[1:]),
		groupChange(identity.RemoveMembers, group, people[1:]),
		groupChange(identity.Update, group, nil, change("displayName", "Quality", "Care")),
	} {
		_, err := r.session.Apply(t.Context(), c)
		wantClass(t, err, connectors.Unsupported)
	}
	if got := r.members(t, group); !slices.Equal(got, ids(people[:1])) {
		t.Errorf("the group holds %v, want its own member", got)
	}
	if r.fake.Requests()["PUT /Groups"] != 0 {
		t.Error("the group was replaced")
	}
}

// No request ever removes members without saying which.
func TestRemovalsAlwaysNameMembers(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"rfc", "okta", "entra", "entra_2020", "sailpoint", "pingfederate", "one_identity"} {
		r := newRig(t, scimtest.Options{Lenient: true}, scim.Settings{Dialect: dialect})
		people := r.people(t, 3)
		group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
		r.apply(t, groupChange(identity.AddMembers, group, people))
		r.apply(t, groupChange(identity.RemoveMembers, group, people[:2]))
		if _, err := r.session.Apply(t.Context(), groupChange(identity.RemoveMembers, group, nil)); err != nil {
			t.Error(err)
		}
		for _, request := range r.fake.Log() {
			var body struct {
				Operations []struct {
					Op, Path string
					Value    json.RawMessage
				}
			}
			if request.Method != http.MethodPatch || json.Unmarshal(request.Body, &body) != nil {
				continue
			}
			for _, op := range body.Operations {
				if op.Path == "members" && bytes.EqualFold([]byte(op.Op), []byte("remove")) && len(op.Value) < 5 {
					t.Errorf("%s: %s", dialect, request.Body)
				}
			}
		}
		if got := r.members(t, group); !slices.Equal(got, ids(people[2:])) {
			t.Errorf("%s: the group holds %v", dialect, got)
		}
	}
}

// A target that empties a group on Entra's form of a removal is found out at the
// first one, and the others get their membership back.
func TestListRemovalThatEmpties(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{Lenient: true, Hazards: scimtest.Hazards{ValueListRemoveEmpties: true}}, scim.Settings{Dialect: "entra"})
	people := r.people(t, 5)
	group := r.put(t, identity.Group, map[string]any{"displayName": "Quality"})
	r.apply(t, groupChange(identity.AddMembers, group, people))
	_, err := r.session.Apply(t.Context(), groupChange(identity.RemoveMembers, group, people[:1]))
	r.fired(t, "ValueListRemoveEmpties")
	wantClass(t, err, connectors.Rejected)
	if got := r.members(t, group); !slices.Equal(got, ids(people[1:])) {
		t.Errorf("the group holds %v, want the four others", got)
	}
}
