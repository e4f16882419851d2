package sailpoint_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
)

// FuzzFilter: a name in a filter finds the source of that name and no other,
// through the tenant's own parser.
func FuzzFilter(f *testing.F) {
	for _, name := range []string{"", "Active Directory", `"`, `\`, `\"`, `a" or name eq "b`, "100% #1 & a+b?", "Zoë\n", `") or (id eq "x`} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) || name == "decoy" {
			t.Skip("not text that JSON or YAML could hold")
		}
		server, err := sailpointtest.New(sailpointtest.World{Sources: []sailpointtest.Connection{{ID: "1", Name: name}, {ID: "2", Name: "decoy"}}})
		if err != nil {
			t.Fatal(err)
		}
		query := strings.ReplaceAll(url.Values{"filters": {sailpoint.Equal("name", name)}}.Encode(), "+", "%20")
		r := httptest.NewRequest(http.MethodGet, "/v2025/sources?"+query, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token(t, server))
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		answer := w.Body.String()
		if !strings.Contains(answer, `"id":"1"`) || strings.Contains(answer, `"id":"2"`) {
			t.Errorf("name %q: %s", name, answer)
		}
	})
}

// token fetches an access token.
func token(t *testing.T, server *sailpointtest.Server) string {
	t.Helper()
	client := sailpointtest.DefaultClient()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret}}
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Token == "" {
		t.Fatalf("no token: %v, %s", err, w.Body)
	}
	return answer.Token
}

// FuzzCanonical: no value makes it fail, and the form does not depend on case or
// on blanks around separators.
func FuzzCanonical(f *testing.F) {
	for _, dn := range []string{"CN=a,DC=x", `CN=a\,b,DC=x`, `CN="a",DC=x`, `CN=\`, "CN=a+b=c,DC=x", `CN=\ff,DC=x`} {
		f.Add(dn)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		form, ok := sailpoint.Canonical(dn)
		if !ok {
			return
		}
		if again, ok := sailpoint.Canonical(" " + dn); !ok || again != form {
			t.Errorf("%q is %q, and %q with a blank in front", dn, form, again)
		}
		if !strings.Contains(form, "\x00") {
			t.Errorf("%q has one part: %q", dn, form)
		}
	})
}
