package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// orgUser is a user as the org's own API shows it.
type orgUser struct {
	ID, Status string
	Profile    struct{ Login, Email, FirstName, LastName, DisplayName, EmployeeNumber, Department, Title string }
}

func (e orgUser) active() bool {
	return slices.Contains([]string{"ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT"}, e.Status)
}

func (e orgUser) displayName() string {
	if e.Profile.DisplayName != "" {
		return e.Profile.DisplayName
	}
	return e.Profile.FirstName + " " + e.Profile.LastName
}

// orgPages reads a listing of the org to its end.
func orgPages[T any](w *interop, path string) []T {
	w.t.Helper()
	var all []T
	for next := w.orgURL + path; next != ""; {
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, next, nil)
		w.must(err)
		r.Header.Set("Authorization", "SSWS "+oktatest.DefaultToken)
		answer, err := http.DefaultClient.Do(r)
		w.must(err)
		var page []T
		w.must(json.NewDecoder(answer.Body).Decode(&page))
		answer.Body.Close()
		all, next = append(all, page...), ""
		for _, link := range answer.Header.Values("Link") {
			if target, found := strings.CutSuffix(link, `>; rel="next"`); found {
				next = strings.TrimPrefix(target, "<")
			}
		}
	}
	return all
}

// staff returns every user of the org by id.
func (w *interop) staff() map[string]orgUser {
	w.t.Helper()
	all := map[string]orgUser{}
	for _, path := range []string{"/api/v1/users?limit=200", "/api/v1/users?limit=200&filter=status+eq+%22DEPROVISIONED%22"} {
		for _, e := range orgPages[orgUser](w, path) {
			all[e.ID] = e
		}
	}
	return all
}

// orgGroup is a group as the org shows it.
type orgGroup struct {
	ID, Type string
	Profile  struct{ Name string }
}

// departments returns the groups of the org that are provisioned.
func (w *interop) departments() []orgGroup {
	w.t.Helper()
	return slices.DeleteFunc(orgPages[orgGroup](w, "/api/v1/groups?limit=200"), func(d orgGroup) bool { return d.Type != "OKTA_GROUP" })
}

func (w *interop) staffOf(d orgGroup) []string {
	w.t.Helper()
	var ids []string
	for _, e := range orgPages[orgUser](w, "/api/v1/groups/"+d.ID+"/users?limit=200") {
		ids = append(ids, e.ID)
	}
	return ids
}

// agree demands that the peer holds what the org shows, each object once, and
// that nothing foreign was touched.
func (w *interop) agree() {
	w.t.Helper()
	for path, before := range w.foreign {
		if now := w.bytes(path); now != before {
			w.t.Errorf("%s is foreign and was changed:\nbefore %s\nnow    %s", path, before, now)
		}
	}
	users, owners := w.agreeUsers()
	w.agreeGroups(users, owners)
}

// agreeUsers returns the users of the peer by the id of their source user, and
// the other way round.
func (w *interop) agreeUsers() (map[string]peerResource, map[string]string) {
	w.t.Helper()
	byName, bySource, owners := map[string]peerResource{}, map[string]peerResource{}, map[string]string{}
	for _, u := range w.peer.list("Users") {
		name := strings.ToLower(u.UserName)
		if _, twice := byName[name]; twice {
			w.t.Errorf("two users are called %s", u.UserName)
		}
		byName[name] = u
		if u.ExternalID == "" {
			continue
		}
		if other, twice := bySource[u.ExternalID]; twice {
			w.t.Errorf("%s and %s carry one externalId", other.UserName, u.UserName)
		}
		bySource[u.ExternalID], owners[u.ID] = u, u.ExternalID
	}
	staff := w.staff()
	for id, e := range staff {
		u, found := bySource[id]
		switch {
		case !e.active():
			if found && u.Active {
				w.t.Errorf("%s has left and is active at the peer", e.Profile.Login)
			}
			continue
		case !found:
			w.t.Errorf("%s is missing at the peer", e.Profile.Login)
			continue
		}
		want := []any{e.Profile.Login, e.Profile.FirstName, e.Profile.LastName, e.displayName(), e.Profile.Email, e.Profile.Title, e.Profile.EmployeeNumber, e.Profile.Department, true}
		have := []any{u.UserName, u.Name.GivenName, u.Name.FamilyName, u.DisplayName, u.email(), u.Title, u.Enterprise.EmployeeNumber, u.Enterprise.Department, u.Active}
		if !slices.Equal(want, have) {
			w.t.Errorf("%s at the peer:\nwant %v\nhave %v", e.Profile.Login, want, have)
		}
	}
	for id, u := range bySource {
		if _, known := staff[id]; !known && u.Active && w.foreign["/Users/"+u.ID] == "" {
			w.t.Errorf("%s is gone from the org and is active at the peer", u.UserName)
		}
	}
	return bySource, owners
}

// agreeGroups demands for every group exactly its active members, besides those
// who have left and guests.
func (w *interop) agreeGroups(users map[string]peerResource, owners map[string]string) {
	w.t.Helper()
	staff, byName, bySource := w.staff(), map[string]bool{}, map[string]peerResource{}
	for _, g := range w.peer.list("Groups") {
		if byName[g.DisplayName] {
			w.t.Errorf("two groups are called %s", g.DisplayName)
		}
		byName[g.DisplayName] = true
		bySource[g.ExternalID] = g
	}
	for _, d := range w.departments() {
		g, found := bySource[d.ID]
		if !found || g.DisplayName != d.Profile.Name {
			w.t.Errorf("group %s is at the peer as %q", d.Profile.Name, g.DisplayName)
			continue
		}
		want, have := map[string]bool{}, map[string]bool{}
		for _, id := range w.staffOf(d) {
			if staff[id].active() {
				want[users[id].ID] = true
			}
		}
		for _, id := range g.members() {
			if have[id] {
				w.t.Errorf("group %s holds member %s twice", d.Profile.Name, id)
			}
			have[id] = true
		}
		if guest := w.guests[g.ID]; guest != "" && !have[guest] {
			w.t.Errorf("group %s has lost its guest, whom we did not put there", d.Profile.Name)
		}
		// Leavers keep their place, guests were not put there by us, and
		// SCIMMY keeps the ids of users that were deleted.
		maps.DeleteFunc(have, func(id string, _ bool) bool { return !staff[owners[id]].active() })
		if !maps.Equal(want, have) {
			w.t.Errorf("group %s has %d active members at the peer, %d in the org", d.Profile.Name, len(have), len(want))
		}
	}
}

// converge syncs, demands that nothing is left to do and that both sides agree.
func (w *interop) converge() syncJSON {
	w.t.Helper()
	done := w.sync(exitDone)
	w.settled()
	w.agree()
	return done
}
