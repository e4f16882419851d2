package scim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/identity"
)

// A create that is answered with somebody else's account or group gives us nothing of
// it, not even where that is all the answer says.
func TestCreateAnsweredWithAnother(t *testing.T) {
	t.Parallel()
	admin := map[string]any{"id": "admin", "userName": "root@example.com", "displayName": "Admins", "active": true}
	for _, c := range []struct {
		name   string
		answer map[string]any
		change identity.Change
	}{
		{"a user", admin, userChange(identity.Create, "", set("userName", "ada@example.com"), set("externalId", "00u1"))},
		{"a user's id", map[string]any{"id": "admin"}, userChange(identity.Create, "", set("userName", "ada@example.com"), set("externalId", "00u1"))},
		{"a group", admin, groupChange(identity.Create, "", []identity.Member{{TargetID: "U1"}}, set("displayName", "Quality"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			posts := 0
			session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					posts++
					answer(w, http.StatusCreated, c.answer)
				case strings.HasSuffix(r.URL.Path, "/admin"):
					if r.Method != http.MethodGet {
						t.Errorf("%s %s: it was written to", r.Method, r.URL.Path)
					}
					answer(w, http.StatusOK, admin)
				case r.URL.Path == "/Users" || r.URL.Path == "/Groups":
					answer(w, http.StatusOK, listOf(admin))
				default:
					http.NotFound(w, r)
				}
			}), scim.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			result, err := session.Apply(t.Context(), c.change)
			wantClass(t, err, connectors.Rejected)
			if result.Entry.TargetID != "" || posts != 1 {
				t.Errorf("%d creates made %q ours: %v", posts, result.Entry.TargetID, err)
			}
		})
	}
}

// What an answer of 200 says may repeat the credential, also where it is cut short.
func TestErrorsOf200HoldNoCredential(t *testing.T) {
	t.Parallel()
	const secret = "canary-0123456789"
	for _, padding := range []int{0, 150, 180, 190, 193} {
		for _, path := range []string{"", "/Users"} {
			body := map[string]any{"error": strings.Repeat(".", padding) + secret}
			if path == "" {
				body = map[string]any{
					"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": "400",
					"detail": strings.Repeat(".", padding) + secret,
				}
			}
			session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+secret {
					t.Error("the credential was not sent")
				}
				if r.Method == http.MethodGet && path == "" {
					answer(w, http.StatusOK, listOf(map[string]any{"id": "U1", "userName": "bo@example.com"}))
					return
				}
				answer(w, http.StatusOK, body)
			}), scim.Settings{Auth: scim.Auth{Bearer: secretFile(t, secret)}})
			if err == nil {
				_, err = session.Apply(t.Context(), userChange(identity.Update, "U1", set("title", "x")))
			}
			if err == nil || strings.Contains(err.Error(), "canary-") || !strings.Contains(err.Error(), "answered 200 with an error") {
				t.Errorf("after %d characters: %v", padding, err)
			}
		}
	}
}

// An access that was to end is looked at again, whoever says that it has ended.
func TestEndsThatDoNotHappen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change identity.Change
		status int
		left   bool // the account is still there afterwards
		want   connectors.Status
		class  connectors.Class
	}{
		{"deactivated", userChange(identity.Deactivate, "U1", change("active", true, false)), http.StatusNoContent, true, connectors.NotKept, ""},
		{"deactivated and hidden", userChange(identity.Deactivate, "U1", change("active", true, false)), http.StatusNoContent, false, connectors.Applied, ""},
		{"deleted", userChange(identity.Delete, "U1"), http.StatusAccepted, true, "", connectors.Rejected},
		{"deleted and gone", userChange(identity.Delete, "U1"), http.StatusAccepted, false, connectors.Applied, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			written := false
			session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				account := map[string]any{"id": "U1", "userName": "ada@example.com", "active": true}
				switch {
				case r.Method != http.MethodGet:
					written = true
					w.WriteHeader(c.status)
				case r.URL.Path == "/Users":
					answer(w, http.StatusOK, listOf(account))
				case r.URL.Path == "/Users/U1" && (c.left || !written):
					answer(w, http.StatusOK, account)
				default:
					http.NotFound(w, r)
				}
			}), scim.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			result, err := session.Apply(t.Context(), c.change)
			if result.Status != c.want || err != nil && connectors.ClassOf(err) != c.class || err == nil && c.class != "" {
				t.Errorf("%s, %v; want %s %s", result.Status, err, c.want, c.class)
			}
		})
	}
}

// A group whose name no filter holds is looked for in a listing, and found there whether
// it is found by its id or not.
func TestFindListedAndNotFoundByID(t *testing.T) {
	t.Parallel()
	group := map[string]any{"id": "G1", "displayName": `"Quality"`, "members": []any{map[string]any{"value": "U1"}}}
	session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("filter"):
			answer(w, http.StatusBadRequest, map[string]any{
				"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": "400", "scimType": "invalidFilter",
			})
		case r.URL.Path == "/Groups":
			answer(w, http.StatusOK, listOf(group))
		case r.URL.Path == "/Users":
			answer(w, http.StatusOK, listOf())
		default:
			http.NotFound(w, r)
		}
	}), scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := session.Find(t.Context(), identity.Group, connectors.Match{Path: "displayName", Value: `"Quality"`}, connectors.Want{Members: true})
	if err != nil || len(found) != 1 || found[0].TargetID != "G1" || found[0].Members.Known {
		t.Errorf("%+v, %v; want the group, its members not known", found, err)
	}
}
