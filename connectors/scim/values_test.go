package scim_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/identity"
)

// target answers some paths with what is given, and else with empty lists.
type target map[string]http.HandlerFunc

func (a target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if own, ok := a[r.URL.Path]; ok {
		own(w, r)
		return
	}
	answer(w, http.StatusOK, listOf())
}

// What is small on the wire and millions of values is refused before it is decoded,
// wherever it stands.
func TestTooManyValues(t *testing.T) { //nolint:paralleltest // measures the memory of the whole process
	const page, one = 14 << 20, 30 << 20
	const values, listed = "the answer holds more than 500000 values", "the answer holds more than 1500000 values"
	list := func(head, piece, tail string, size int) http.HandlerFunc {
		return connectortest.Packed(`{"totalResults":1,`+head, piece, tail, size)
	}
	group := `{"id":"g1","displayName":"Staff"`
	for name, c := range map[string]struct {
		path    string
		handler http.HandlerFunc
		says    string
	}{
		"beside users":    {"/Users", list(`"Resources":[],"x":[{}`, ",{}", "]}", page), listed},
		"in a user":       {"/Users", list(`"Resources":[{"id":"1","userName":"a","x":[0`, ",0", "]}]}", page), listed},
		"users":           {"/Users", list(`"Resources":[{}`, ",{}", "]}", page), listed},
		"beside groups":   {"/Groups", list(`"x":[{}`, ",{}", `],"Resources":[]}`, page), values},
		"in a group":      {"/Groups", list(`"Resources":[`+group+`,"x":[{}`, ",{}", "]}]}", page), values},
		"groups":          {"/Groups", list(`"Resources":[{}`, ",{}", "]}", page), values},
		"no groups":       {"/Groups", list(`"Resources":[0`, ",0", "]}", page), values},
		"many attributes": {"/Groups", list(`"Resources":[`+group, `,"x":0`, "}]}", page), values},
		"one group":       {"/Groups/g1", connectortest.Packed(group+`,"x":[{}`, ",{}", "]}", one), values},
		"not members":     {"/Groups/g1", connectortest.Packed(group+`,"x":{"members":[{}`, ",{}", "]}}", one), values},
		"no members":      {"/Groups/g1", connectortest.Packed(group+`,"members":[{}`, ",{}", "]}", one), "a member has no value"},
	} {
		t.Run(name, func(t *testing.T) {
			handler := target{"/Groups": func(w http.ResponseWriter, _ *http.Request) {
				answer(w, http.StatusOK, listOf(map[string]any{"id": "g1", "displayName": "Staff"}))
			}}
			session, err := openAt(t, handler, scim.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			handler[c.path] = c.handler
			kind := identity.User
			if strings.HasPrefix(c.path, "/Groups") {
				kind = identity.Group
			}
			// A page is asked for in smaller pieces up to four times, and one
			// alone took more.
			most := uint64(1000 << 20) // the race detector takes its share
			if c.says == listed {
				most *= 4
			}
			connectortest.Allocates(t, most, func() {
				for _, err = range session.List(t.Context(), kind, connectors.Want{Members: true}) {
					if err != nil {
						break
					}
				}
			})
			wantClass(t, err, connectors.Incomplete)
			if !strings.Contains(err.Error(), c.says) || len(err.Error()) > 1000 {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

// A write whose answer holds too much may have happened.
func TestTooManyValuesAfterAWrite(t *testing.T) {
	t.Parallel()
	bomb := connectortest.Packed(`{"id":"1","x":[{}`, ",{}", "]}", 3<<20)
	handler := target{}
	session, err := openAt(t, handler, scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/Users", "/Groups"} {
		handler[path] = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				bomb(w, r)
				return
			}
			answer(w, http.StatusOK, listOf())
		}
	}
	_, err = session.Apply(t.Context(), userChange(identity.Create, "", set("userName", "ada")))
	wantClass(t, err, connectors.Lost)
	_, err = session.Apply(t.Context(), groupChange(identity.Create, "", nil, set("displayName", "Staff")))
	wantClass(t, err, connectors.Lost)
}

// A group of a million members is read whole.
func TestMillionMembers(t *testing.T) { //nolint:paralleltest // takes much of the memory
	const members = 1_000_000
	handler := target{
		"/Groups": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, listOf(map[string]any{"id": "g1", "displayName": "Staff"}))
		},
		"/Groups/g1": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"id":"g1","displayName":"Staff","members":[`)
			comma := ""
			for m := range members {
				_, _ = fmt.Fprintf(w, `%s{"value":"6c3c1b5e-%07d","display":"Ada, Archer","type":"User"}`, comma, m)
				comma = ","
			}
			_, _ = io.WriteString(w, `]}`)
		},
	}
	session, err := openAt(t, handler, scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range session.List(t.Context(), identity.Group, connectors.Want{Members: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Members.TargetIDs) != members {
			t.Errorf("%d members, want %d", len(e.Members.TargetIDs), members)
		}
	}
}

// However many objects cannot be read, a few are named and all are counted.
func TestManyUnreadable(t *testing.T) {
	t.Parallel()
	const users = 3000
	handler := target{}
	session, err := openAt(t, handler, scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	handler["/Users"] = func(w http.ResponseWriter, r *http.Request) {
		list := []map[string]any{}
		for n := range users {
			list = append(list, map[string]any{"id": fmt.Sprint("u", n), "userName": []any{1, []any{}}, "active": map[string]any{"x": 1}})
		}
		if r.URL.Query().Get("startIndex") != "1" {
			list = nil
		}
		all := listOf(list...)
		all["totalResults"] = users
		answer(w, http.StatusOK, all)
	}
	for _, err = range session.List(t.Context(), identity.User, connectors.Want{}) {
		if err != nil {
			break
		}
	}
	wantClass(t, err, connectors.Incomplete)
	if !strings.Contains(err.Error(), "3000 of the users could not be read") || len(err.Error()) > 2000 {
		t.Errorf("%v", err)
	}
}
