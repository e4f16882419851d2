package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// A removal written to a target that shows no members is remembered by every run
// after the one that learned it.
func TestBlindRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers), withHazards(scimtest.Hazards{EmptyMembers: true}))
	w.sync(exitDone)
	w.settled()
	w.must(w.org.RemoveMember("00gred", "00uada"))
	got := w.sync(exitDone)
	if diff := cmp.Diff([]string{"remove-members group Red ada@example.com"}, listed(got.Changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	w.settled()
	w.complete()
}

// A target that hides the suspended for good, and still refuses their names,
// cannot take anybody back: that is said, and nothing else comes to harm.
func TestHiddenAndRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers), withHazards(scimtest.Hazards{HideInactive: scimtest.HiddenConflicts}))
	w.sync(exitDone)
	w.must(w.org.SetStatus("00uada", oktatest.Suspended))
	w.sync(exitDone)
	w.inactive("ada@example.com")
	w.settled()
	w.must(w.org.SetStatus("00uada", oktatest.Active))
	got := w.sync(exitPartial)
	if len(got.Changes) == 0 || got.Changes[0].Outcome != "failed" || !strings.Contains(got.Changes[0].Error, "suspended") {
		t.Errorf("changes %+v; want the reactivation named as failed", got.Changes)
	}
	w.unique()
}

// A delete frees a name before its next holder takes it.
func TestNameFreedByDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {leavers: delete}\ngroups: {leavers: delete}\n"))
	w.sync(exitDone)
	w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned))
	w.must(w.org.DeleteUser("00uada"))
	w.create(colleague("00uother", "ada@example.com", "Adam", "Other", "77"))
	w.must(w.org.DeleteGroup("00gnone"))
	_, err := w.org.CreateGroup(oktatest.Team("00gnew", "nobody", "00ubob"))
	w.must(err)
	got := w.sync(exitDone)
	want := []string{
		"delete user ada@example.com", "create user ada@example.com",
		"delete group Nobody", "create group nobody bob@example.com",
	}
	if diff := cmp.Diff(want, listed(got.Changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	w.settled()
	w.complete()
}

// A target that says it has groups and has none still gets its users.
func TestGroupsThatAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers), withHazards(scimtest.Hazards{NoGroups: true, NoDiscovery: true}))
	got := w.sync(exitPartial)
	if users, _, _ := w.application.Counts(); users != 5 || got.Summary.Users.Create != 5 {
		t.Errorf("%d users, want all five", users)
	}
}

// What a guard held when the plan was saved stays held, and is said.
func TestSavedPlanKeepsWhatWasHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(exitDone)
	for _, id := range w.activeIDs()[:12] {
		w.must(w.org.SetStatus(id, oktatest.Deprovisioned))
	}
	file := filepath.Join(w.dir, "plan.json")
	if r := w.command("plan", "--out", file); r.code != exitDone {
		t.Fatal(r)
	}
	got := w.json(exitHeld, "apply", file)
	if len(got.Held) != 12 || len(got.Changes) != 0 {
		t.Errorf("%d held and %d changed, want 12 and none", len(got.Held), len(got.Changes))
	}
}

// A record nobody can identify shields its kind, and that is named.
func TestUnidentifiedRecordIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {}\n"))
	w.sync(exitDone)
	w.org.Inject(oktatest.Fault{
		ID: "odd", Match: oktatest.Path("/api/v1/users"), MinFires: 1,
		Effect: oktatest.Effect{Status: 200, Body: `[{"status":"ACTIVE","profile":{"login":"x@example.com"}}]`},
	})
	got := w.sync(exitPartial)
	if len(got.Changes) != 0 || len(got.Skipped) == 0 {
		t.Errorf("changes %v, skipped %v; want nothing done and the reason named", listed(got.Changes), got.Skipped)
	}
}

// A target that was emptied hands its ids out again, here to somebody who is not
// ours at all: an id alone proves nothing.
func TestReusedTargetID(t *testing.T) {
	t.Parallel()
	for _, left := range []bool{false, true} {
		w := newWorld(t, withPeople(office()), withSync("users: {}\n"))
		w.sync(exitDone)
		ada, _ := w.application.Find(identity.User, "ada@example.com")
		w.must(w.application.Edit(identity.User, ada.ID, "userName", "boss@corp.example"))
		w.must(w.application.Edit(identity.User, ada.ID, "externalId", "hr-1"))
		before, _ := w.application.Find(identity.User, ada.ID)
		if left {
			w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned))
			w.must(w.org.DeleteUser("00uada"))
		}
		got := w.sync(exitDone)
		if want := map[bool]int{false: 1, true: 0}[left]; len(got.Changes) != want {
			t.Errorf("left %t: changes %v, want %d", left, listed(got.Changes), want)
		}
		after, _ := w.application.Find(identity.User, ada.ID)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("left %t: a stranger was changed:\n%s", left, diff)
		}
		w.settled()
	}
}
