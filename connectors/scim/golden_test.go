package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/identity"
)

// recorder answers like a target that keeps one user and one group and writes
// down what it is asked.
type recorder struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	user := map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
		"id":      "U1", "userName": "ada@example.com", "displayName": "Ada", "nickName": "Countess", "active": true,
		"emails": []any{map[string]any{"type": "work", "value": "ada@example.com", "primary": true}},
		"meta":   map[string]any{"resourceType": "User"}, "groups": []any{map[string]any{"value": "G1"}},
	}
	group := map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"},
		"id":      "G1", "displayName": "Quality", "members": []any{map[string]any{"value": "U1"}},
	}
	query := r.URL.RawQuery
	if query != "" {
		query = "?" + query
	}
	fmt.Fprintf(&rec.log, "%s %s%s\n", r.Method, r.URL.EscapedPath(), query)
	var body any
	if json.NewDecoder(r.Body).Decode(&body) == nil {
		data, _ := json.MarshalIndent(body, "", "  ")
		fmt.Fprintf(&rec.log, "%s\n", data)
	}
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/Groups":
		answer(w, http.StatusCreated, group)
	case r.Method == http.MethodPost:
		answer(w, http.StatusCreated, map[string]any{"id": "U1"})
	case r.Method == http.MethodPatch, r.Method == http.MethodPut, r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/Users":
		answer(w, http.StatusOK, listOf(user))
	case r.URL.Path == "/Groups":
		answer(w, http.StatusOK, listOf(group))
	case strings.HasPrefix(r.URL.Path, "/Users/"):
		answer(w, http.StatusOK, user)
	case strings.HasPrefix(r.URL.Path, "/Groups/"):
		answer(w, http.StatusOK, group)
	default:
		http.NotFound(w, r)
	}
}

// TestDialects pins the requests of each dialect, byte for byte. What a target
// was told to expect is a contract with it.
func TestDialects(t *testing.T) {
	t.Parallel()
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
	members := []identity.Member{{TargetID: "U1"}, {TargetID: `U"2`}}
	for _, dialect := range []string{"rfc", "okta", "entra", "entra_2020", "sailpoint", "pingfederate", "one_identity"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			session, err := openAt(t, rec, scim.Settings{Dialect: dialect})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, c := range []struct {
				title  string
				change identity.Change
			}{
				{"create a user", userChange(identity.Create, "",
					set("userName", "ada@example.com"), set("externalId", "00u1"), set("active", true), set("displayName", ""),
					set("name.givenName", "Ada"), set("name.familyName", "Archer"), set(workEmail, "ada@example.com"),
					set(enterprise+"department", "Quality"), set(enterprise+"manager.value", "U9"), set("roles", []string{"a", "b"}))},
				{"update a user", userChange(identity.Update, "U1",
					change("displayName", "Ada", "Ada A."), change("title", nil, "Engineer"), change("nickName", "Countess", nil),
					change(workEmail, "ada@example.com", "ada.a@example.com"), change("name.givenName", nil, "Ada"),
					change(`phoneNumbers[type eq "mobile"].value`, nil, "+41 1"), change(enterprise+"manager.value", "U9", nil))},
				{"clear the address", userChange(identity.Update, "U1", change(workEmail, "ada@example.com", nil))},
				{"deactivate", userChange(identity.Deactivate, "U1", change("active", true, false))},
				{"reactivate", userChange(identity.Reactivate, "U1", change("active", false, true))},
				{"delete", userChange(identity.Delete, "U1")},
				{"create a group", groupChange(identity.Create, "", members, set("displayName", "Quality"), set("externalId", "00g1"))},
				{"rename a group", groupChange(identity.Update, "G1", nil, change("displayName", "Quality", "Care"))},
				{"add members", groupChange(identity.AddMembers, "G1", members)},
				{"remove members", groupChange(identity.RemoveMembers, "G1", members)},
			} {
				rec.log.Reset()
				if _, err := session.Apply(t.Context(), c.change); err != nil {
					t.Errorf("%s: %v", c.title, err)
				}
				fmt.Fprintf(&out, "# %s\n%s\n", c.title, rec.log.String())
			}
			for _, m := range []struct {
				kind identity.Kind
				path string
			}{{identity.User, "userName"}, {identity.User, workEmail}, {identity.Group, "displayName"}} {
				rec.log.Reset()
				if _, err := findFirst(t, session, m.kind, m.path, "a+b@example.com"); err != nil {
					t.Errorf("find by %s: %v", m.path, err)
				}
				fmt.Fprintf(&out, "# find a %s by %s\n%s\n", m.kind, m.path, rec.log.String())
			}
			golden(t, filepath.Join("testdata", "dialects", dialect+".txt"), out.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s\nrun the test with UPDATE_GOLDEN=1 when the change is meant", name, diff)
	}
}
