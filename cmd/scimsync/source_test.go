package main

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// person is a user as Okta's own API shows it.
type person struct {
	id, login string
	active    bool
}

// get asks the org as any client would.
func (w *world) get(path string, into any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.orgURL+path, nil)
	w.must(err)
	r.Header.Set("Authorization", "SSWS "+oktatest.DefaultToken)
	answer, err := http.DefaultClient.Do(r)
	w.must(err)
	defer answer.Body.Close()
	w.must(json.NewDecoder(answer.Body).Decode(into))
}

// people returns every user of a world of at most 200.
func (w *world) people() []person {
	w.t.Helper()
	type user struct {
		ID      string
		Status  string
		Profile struct{ Login string }
	}
	var list, gone []user
	w.get("/api/v1/users?limit=200", &list)
	w.get("/api/v1/users?limit=200&filter=status+eq+%22DEPROVISIONED%22", &gone)
	var out []person
	for _, u := range append(list, gone...) {
		active := slices.Contains([]string{"ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT"}, u.Status)
		out = append(out, person{u.ID, u.Profile.Login, active})
	}
	return out
}

// activeIDs returns the ids of the active people, in order.
func (w *world) activeIDs() []string {
	w.t.Helper()
	var out []string
	for _, p := range w.people() {
		if p.active {
			out = append(out, p.id)
		}
	}
	return out
}

// teams returns the active members, by login, of each group to be provisioned.
func (w *world) teams(logins map[string]string, active map[string]bool) map[string]map[string]bool {
	w.t.Helper()
	var groups []struct {
		ID, Type string
		Profile  struct{ Name string }
	}
	w.get("/api/v1/groups?limit=200", &groups)
	out := map[string]map[string]bool{}
	for _, g := range groups {
		if g.Type != "OKTA_GROUP" {
			continue
		}
		var members []struct{ ID string }
		w.get("/api/v1/groups/"+g.ID+"/users?limit=200", &members)
		out[g.Profile.Name] = map[string]bool{}
		for _, m := range members {
			if login := logins[m.ID]; active[login] {
				out[g.Profile.Name][login] = true
			}
		}
	}
	return out
}
