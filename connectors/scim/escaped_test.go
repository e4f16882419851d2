package scim_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/identity"
)

// TestFindEscaped: a name that has to be escaped in a filter is found also where
// the target refuses the escape or reads it wrongly. Otherwise a group that is
// there would be created a second time.
func TestFindEscaped(t *testing.T) {
	t.Parallel()
	const name = `The "Quoted" \ Readers`
	group := map[string]any{
		"id": "g1", "displayName": name, "members": []any{map[string]any{"value": "u1"}},
	}
	other := map[string]any{"id": "g2", "displayName": "Readers"}
	for _, reaction := range []string{"refuses", "finds nothing"} {
		t.Run(reaction, func(t *testing.T) {
			t.Parallel()
			var listings atomic.Int32
			session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				filter := r.URL.Query().Get("filter")
				switch {
				case r.URL.Path == "/Groups/g1":
					answer(w, http.StatusOK, group)
				case r.URL.Path != "/Groups" && r.URL.Path != "/Users":
					w.WriteHeader(http.StatusNotFound)
				case strings.Contains(filter, `\`) && reaction == "refuses":
					answer(w, http.StatusBadRequest, map[string]any{
						"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": "400", "scimType": "invalidFilter",
					})
				case filter != "" || r.URL.Path == "/Users":
					answer(w, http.StatusOK, listOf())
				default:
					listings.Add(1)
					answer(w, http.StatusOK, listOf(group, other))
				}
			}), scim.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name           string
				found, listing bool
			}{{name, true, true}, {`The "Other" Readers`, false, true}, {"Plain", false, false}} {
				before := listings.Load()
				m := connectors.Match{Path: "displayName", Value: c.name}
				found, err := session.Find(t.Context(), identity.Group, m, connectors.Want{Members: true})
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				if (len(found) == 1) != c.found {
					t.Errorf("%s: found %d groups", c.name, len(found))
				}
				if (listings.Load() > before) != c.listing {
					t.Errorf("%s: %d listings", c.name, listings.Load()-before)
				}
				if c.found && len(found) == 1 && len(found[0].Members.TargetIDs) != 1 {
					t.Errorf("%s: its members are %v", c.name, found[0].Members)
				}
			}
		})
	}
}
