package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

const employeeNumber = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"

func (w *world) leave(id string) {
	w.t.Helper()
	w.must(w.org.SetStatus(id, oktatest.Deprovisioned))
	w.must(w.org.DeleteUser(id))
}

// One account has one heir: of two people who both prove to be its holder, one
// takes it over and the other is named.
func TestTwoHeirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(`users:
  matching: {by: [externalId, userName, '`+employeeNumber+`']}
  map:
    `+employeeNumber+`: profile.employeeNumber
`))
	w.sync(exitDone)
	w.leave("00uada")
	w.create(colleague("00uheir1", "ada.one@example.com", "Ada", "Byron", "1"))
	w.create(colleague("00uheir2", "ada.two@example.com", "Ada", "Byron", "1"))
	got := w.sync(exitPartial)
	targets := map[string]int{}
	for _, c := range got.Changes {
		if c.Op == "adopt" {
			targets[c.TargetID]++
		}
	}
	if len(targets) != 1 || len(got.Skipped) != 1 {
		t.Errorf("adoptions by account %v, skipped %v; want one heir and one named", targets, got.Skipped)
	}
	for id, n := range targets {
		if n != 1 {
			t.Errorf("%d people take over %s", n, id)
		}
	}
}

// What was provisioned stays ours while the target is another one, also what has
// left the source meanwhile.
func TestLeaverSurvivesWrongTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {}\n"))
	w.sync(exitDone)
	right := w.url
	w.leave("00uada")
	// A copy, where most people are found by what we wrote.
	other, err := scimtest.New(scimtest.Options{Token: scimToken})
	w.must(err)
	for _, u := range w.application.Users() {
		if u.Attributes["externalId"] = u.ExternalID; u.ExternalID != "00uada" {
			_, err := other.Put(identity.User, u.Attributes)
			w.must(err)
		}
	}
	url, stop := other.Start()
	t.Cleanup(stop)
	w.url = url
	w.resync("users: {}\n")
	got := w.sync(exitHeld)
	if len(got.Guard.Trips) != 1 || got.Guard.Trips[0].Rule != "wrong_target" {
		t.Fatalf("guard %+v, want wrong_target alone", got.Guard)
	}
	w.url = right
	w.resync("users: {}\n")
	w.sync(exitDone)
	w.inactive("ada@example.com")
	w.settled()
}

// The same while the target shows nothing, as in the middle of a restore.
func TestLeaverSurvivesEmptyTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {}\n"))
	var restoring atomic.Bool
	w.behind(func(answer http.ResponseWriter, r *http.Request) {
		if !restoring.Load() || !strings.Contains(r.URL.Path, "/Users") {
			w.application.ServeHTTP(answer, r)
			return
		}
		answer.Header().Set("Content-Type", "application/scim+json")
		if strings.HasSuffix(r.URL.Path, "/Users") {
			_, _ = answer.Write([]byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`))
			return
		}
		answer.WriteHeader(http.StatusNotFound)
	})
	w.resync("users: {}\n")
	w.sync(exitDone)
	w.leave("00uada")
	restoring.Store(true)
	if got := w.sync(exitHeld); len(got.Changes) != 0 {
		t.Errorf("changes %v while nothing is shown", listed(got.Changes))
	}
	restoring.Store(false)
	w.sync(exitDone)
	w.inactive("ada@example.com")
	w.settled()
}

// behind puts a server in front of the application.
func (w *world) behind(serve http.HandlerFunc) {
	w.t.Helper()
	front := httptest.NewServer(serve)
	w.t.Cleanup(front.Close)
	_, path, _ := strings.Cut(strings.TrimPrefix(w.url, "http://"), "/")
	w.url = front.URL + "/" + path
}

// A listing that leaves somebody out is no proof that he is not there: he is
// asked for by his id, neither made again nor, when he leaves, forgotten.
func TestListingLeavesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {}\n"))
	var omitting atomic.Bool
	w.behind(func(answer http.ResponseWriter, r *http.Request) {
		if !omitting.Load() || !strings.HasSuffix(r.URL.Path, "/Users") || r.Method != http.MethodGet {
			w.application.ServeHTTP(answer, r)
			return
		}
		whole := httptest.NewRecorder()
		w.application.ServeHTTP(whole, r)
		var list struct {
			Schemas   []string         `json:"schemas"`
			Total     int              `json:"totalResults"`
			Resources []map[string]any `json:"Resources"`
		}
		if err := json.Unmarshal(whole.Body.Bytes(), &list); err != nil {
			t.Error(err)
		}
		list.Resources = slices.DeleteFunc(list.Resources, func(u map[string]any) bool { return u["userName"] == "bob@example.com" })
		list.Total = len(list.Resources)
		answer.Header().Set("Content-Type", "application/scim+json")
		if err := json.NewEncoder(answer).Encode(list); err != nil {
			t.Error(err)
		}
	})
	w.resync("users: {}\n")
	w.sync(exitDone)
	omitting.Store(true)
	if got := w.sync(exitDone); len(got.Changes) != 0 {
		t.Errorf("changes %v, want none", listed(got.Changes))
	}
	w.leave("00ubob")
	w.sync(exitDone)
	w.inactive("bob@example.com")
}

// A target where most accounts have long been inactive, and which loses all of
// them, was emptied all the same.
func TestEmptiedWithManyInactive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync("users: {}\nguards: {users: {max: 1000, share: 100%}}\n"))
	w.sync(exitDone)
	ids := w.activeIDs()
	for _, id := range ids[:len(ids)*7/10] {
		w.must(w.org.SetStatus(id, oktatest.Suspended))
	}
	w.sync(exitDone)
	w.must(w.application.Wipe())
	got := w.sync(exitHeld)
	if len(got.Changes) != 0 || got.Guard.Trips[0].Rule != "vanished" {
		t.Errorf("changes %v, guard %+v; want everything held", listed(got.Changes), got.Guard)
	}
}

// People who left long ago, and whom the configuration left alone, are not
// removed by an edit of it without a person's word; nor does the edit hold those
// who leave now.
func TestLeaversEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {leavers: keep}\n"))
	w.sync(exitDone)
	w.leave("00uada")
	w.sync(exitDone)
	w.leave("00ubob")
	w.resync("users: {leavers: delete}\n")
	for range 2 {
		got := w.sync(exitHeld)
		if len(got.Held) != 1 || got.Held[0].Name != "ada@example.com" || got.Guard.Trips[0].Rule != "configuration" {
			t.Fatalf("held %v, guard %+v; want ada held by the edit", listed(got.Held), got.Guard)
		}
	}
	if _, found := w.application.Find(identity.User, "bob@example.com"); found {
		t.Error("bob left after the edit and was held all the same")
	}
	w.sync(exitHeld, "--allow-removals", "7")
	if got := w.sync(exitHeld); len(got.Held) != 1 {
		t.Errorf("held %v after a wrong number, want ada still", listed(got.Held))
	}
	w.sync(exitDone, "--allow-removals", "1")
	w.settled()
}

// An edit does not slip through a grace period.
func TestScopeEditedWithGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {grace: 10ms}\n"))
	w.sync(exitDone)
	w.resync("users: {grace: 10ms, scope: 'profile.lastName != \"Byron\"'}\n")
	w.command("sync") // the grace period begins
	for range 100 {
		r := w.command("sync")
		if r.code == exitDone {
			continue // not over yet
		}
		if r.code != exitHeld {
			t.Fatalf("want exit %d\n%s", exitHeld, r)
		}
		return
	}
	t.Error("the edit removed ada, or never did")
}

// An existing account is adopted before it is switched off, and left alone when
// it cannot be.
func TestAdoptedLeaver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {}\n"))
	_, err := w.application.Put(identity.User, map[string]any{"userName": "ada@example.com", "active": true})
	w.must(err)
	w.must(w.org.SetStatus("00uada", oktatest.Suspended))
	got := w.sync(exitDone)
	if diff := cmp.Diff([]string{"adopt user ada@example.com", "deactivate user ada@example.com"}, adaOnly(got)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	w.inactive("ada@example.com")
	w.settled()
}

func adaOnly(got syncJSON) []string {
	return slices.DeleteFunc(listed(got.Changes), func(s string) bool { return !strings.Contains(s, "ada@") })
}

// An adoption that must wait for a name nobody gives up takes everything else
// about that account with it.
func TestAdoptionDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(`users:
  matching: {by: [externalId, '`+employeeNumber+`']}
  map:
    `+employeeNumber+`: profile.employeeNumber
groups: {}
`))
	_, err := w.application.Put(identity.User, map[string]any{
		"userName": "countess", "active": false,
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"employeeNumber": "1"},
	})
	w.must(err)
	_, err = w.application.Put(identity.User, map[string]any{"userName": "ada@example.com", "active": true})
	w.must(err)
	before := w.application.Users()
	got := w.sync(exitPartial)
	w.same(before, w.application.Users())
	if changes := adaOnly(got); len(changes) != 0 {
		t.Errorf("changes %v, want none about ada", changes)
	}
	red, _ := w.application.Find(identity.Group, "Red")
	if len(red.Members) != 2 {
		t.Errorf("%d members of Red, want those who are ours", len(red.Members))
	}
}

// What one target taught is not believed of another.
func TestBlindnessIsOfOneTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withHazards(scimtest.Hazards{EmptyMembers: true}), withSync("users: {}\ngroups: {}\n"))
	w.sync(exitDone)
	sighted, err := scimtest.New(scimtest.Options{Token: scimToken})
	w.must(err)
	url, stop := sighted.Start()
	t.Cleanup(stop)
	w.url, w.application = url, sighted
	w.resync("users: {}\ngroups: {}\n")
	held := w.sync(exitHeld)
	w.sync(exitDone, "--allow-removals", fmt.Sprint(held.Summary.Held))
	for range 2 { // a blind target's members would be remembered from the first on
		w.must(sighted.RemoveMember("Red", "ada@example.com"))
		if got := w.sync(exitDone); len(got.Changes) != 1 {
			t.Errorf("changes %v; want the membership seen to be missing put back", listed(got.Changes))
		}
	}
}

// A target that was taken to hide members, and shows them after all, is believed: what
// is remembered of it may be wrong.
func TestSightRegained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withHazards(scimtest.Hazards{EmptyMembers: true}), withSync("users: {}\ngroups: {}\n"))
	w.command("sync")
	w.settled()
	w.application.SetHazards(scimtest.Hazards{})
	w.must(w.application.RemoveMember("Red", "bob@example.com"))
	r := w.command("sync")
	if r.code != exitDone || !strings.Contains(r.out, "shows group members now") || !strings.Contains(r.out, "bob@example.com") {
		t.Errorf("the member that is wanting is not given back:\n%s", r)
	}
	w.settled()
	w.complete()
}
