package scim_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	status := func(code int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	// Discovery is public and answers whatever the credential; only reading
	// users tells.
	publicDiscovery := func(users http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/Users" {
				users(w, r)
				return
			}
			answer(w, http.StatusOK, map[string]any{"schemas": []string{"x"}, "patch": map[string]any{"supported": true}})
		}
	}
	for _, c := range []struct {
		name    string
		handler http.Handler
		profile string
		class   connectors.Class
		says    string
	}{
		{"401", status(401, "application/json", `{"detail":"no"}`), "", connectors.Unauthorized, ""},
		{"401 behind public discovery", publicDiscovery(status(401, "text/plain", "no")), "", connectors.Unauthorized, ""},
		{"403", status(403, "application/json", `{"detail":"no"}`), "", connectors.Unauthorized, "may not read users"},
		{"501", status(501, "application/json", `{}`), "", connectors.Unsupported, "not in this edition"},
		{"501 from OpenMetadata", status(501, "application/json", `{}`), "collate", connectors.Unsupported, "managed edition only"},
		{"404", status(404, "text/html", "<html>"), "", connectors.Unsupported, "check its path"},
		{"login page", status(200, "text/html", "<html>Log in</html>"), "", connectors.Rejected, "HTML"},
		{"empty answer", status(200, "application/json", ""), "", connectors.Rejected, "nothing"},
		{"envelope of another API", status(200, "application/json", `{"status":"error","msg":"Unauthorized operation"}`), "", connectors.Unauthorized, "Unauthorized operation"},
		{"SCIM error in 200", status(200, "application/scim+json", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"401","detail":["a","b"]}`), "", connectors.Unauthorized, "a; b"},
		{"bare list", status(200, "application/json", `[]`), "", connectors.Rejected, "bare JSON list"},
		{"no list", status(200, "application/json", `{"totalResults":3}`), "", connectors.Rejected, "no Resources"},
		{"half an answer", status(200, "application/json", `{"totalResults":3,"Resources":[{"id"`), "", connectors.Incomplete, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := openAt(t, c.handler, scim.Settings{Profile: c.profile})
			wantClass(t, err, c.class)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if strings.Contains(err.Error(), testToken) {
				t.Errorf("%q holds the token", err)
			}
		})
	}
}

// The token is in no error and no log line, also where the target echoes it.
func TestCanary(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	echo := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if echo {
			answer(w, http.StatusBadRequest, map[string]any{"detail": "bad header " + r.Header.Get("Authorization"), "scimType": "invalidValue"})
			return
		}
		if r.URL.Path == "/Users" && r.Method == http.MethodGet {
			answer(w, http.StatusOK, listOf(map[string]any{"id": "1", "userName": "ada@example.com"}))
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	target, err := scim.Type().Open(&scim.Settings{URL: server.URL, Auth: scim.Auth{Bearer: secretFile(t, testToken)}}, connectors.Runtime{
		Log:     slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Traffic: &connectors.Traffic{},
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := target.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	echo = true
	texts := []string{}
	for _, err := range session.List(t.Context(), identity.User, connectors.Want{}) {
		texts = append(texts, err.Error())
	}
	_, err = session.Find(t.Context(), identity.User, connectors.Match{Path: "userName", Value: "private@example.com"}, connectors.Want{})
	texts = append(texts, err.Error())
	_, err = session.Apply(t.Context(), userChange(identity.Create, "", ada...))
	texts = append(texts, err.Error(), log.String())
	for _, text := range texts {
		if strings.Contains(text, testToken) || strings.Contains(text, "private%40") {
			t.Errorf("%q holds what must not be seen", text)
		}
	}
	if len(texts) != 4 {
		t.Fatalf("%d texts, want 4", len(texts))
	}
}

func TestProfileAndNotes(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{PutReplaceOnly: true}}, scim.Settings{Dialect: "entra"})
	p := r.session.Profile()
	if !p.ReplaceOnly || !p.Users || !p.Groups || !p.Active || p.Delete != connectors.DeleteRemoves || p.URL != r.url {
		t.Errorf("profile %+v", p)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "no PATCH") || !strings.Contains(notes, "list of values") {
		t.Errorf("notes %q", notes)
	}
	short := secretFile(t, "Sh0rtpassword")
	fake := scimtest.Options{Username: "svc", Password: "Sh0rtpassword"}
	r = newRig(t, fake, scim.Settings{Profile: "alation", Auth: scim.Auth{Basic: &scim.Basic{Username: "svc", Password: short}}})
	p = r.session.Profile()
	notes := strings.Join(p.Notes, "\n")
	if !strings.Contains(notes, "more than 16 characters and a special character") || strings.Contains(notes, "Sh0rt") {
		t.Errorf("notes %q", notes)
	}
	if p.Delete != connectors.DeleteSuspends || p.Name != "alation" {
		t.Errorf("profile %+v", p)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, hazards := range []scimtest.Hazards{{}, {IgnoreFilters: true}, {FilterUserNameCaseSensitive: true}} {
		r := newRig(t, scimtest.Options{PageSize: 3, Hazards: hazards}, scim.Settings{})
		r.people(t, 8)
		names := []string{`o'neill+test@example.com`, `quote"back\slash@example.com`, `żółw@example.com`, `a b&c=d%41#e@example.com`}
		for _, name := range names {
			want := r.put(t, identity.User, map[string]any{
				"userName": name, "externalId": "Ext-" + name, "emails": []any{map[string]any{"type": "work", "value": name}},
			})
			for _, m := range []connectors.Match{
				{Path: "userName", Value: name},
				{Path: "userName", Value: strings.ToUpper(name)},
				{Path: "externalId", Value: "Ext-" + name},
				{Path: "id", Value: want},
				{Path: workEmail, Value: name},
			} {
				if hazards.FilterUserNameCaseSensitive && strings.Contains(m.Value, "ŻÓŁW") {
					continue
				}
				found, err := r.session.Find(t.Context(), identity.User, m, connectors.Want{})
				if err != nil || len(found) != 1 || found[0].TargetID != want {
					t.Errorf("%+v: %s %q: found %v, %v", hazards, m.Path, m.Value, found, err)
				}
			}
			found, err := r.session.Find(t.Context(), identity.User, connectors.Match{Path: "externalId", Value: "ext-" + name}, connectors.Want{})
			if err != nil || len(found) != 0 {
				t.Errorf("externalId is compared with case: found %v, %v", found, err)
			}
		}
	}
}

func TestFindUnsupported(t *testing.T) {
	t.Parallel()
	drop := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("filter") {
			panic(http.ErrAbortHandler)
		}
		answer(w, http.StatusOK, listOf(map[string]any{"id": "1", "userName": "ada@example.com"}))
	}
	session, err := openAt(t, http.HandlerFunc(drop), scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.Find(t.Context(), identity.User, connectors.Match{Path: "externalId", Value: "x"}, connectors.Want{})
	wantClass(t, err, connectors.Unsupported)

	r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{ExternalIDNotFilterable: true}}, scim.Settings{})
	_, err = r.session.Find(t.Context(), identity.Group, connectors.Match{Path: "externalId", Value: "x"}, connectors.Want{})
	wantClass(t, err, connectors.Unsupported)
	r.fired(t, "ExternalIDNotFilterable")

	r = newRig(t, scimtest.Options{}, scim.Settings{Profile: "atlassian"})
	r.fake.ResetRequests()
	_, err = r.session.Find(t.Context(), identity.User, connectors.Match{Path: workEmail, Value: "x"}, connectors.Want{})
	wantClass(t, err, connectors.Unsupported)
	if len(r.fake.Log()) > 0 {
		t.Error("a filter the product is known not to have was asked for")
	}
}
