package sailpoint_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
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

// FuzzList: whatever SailPoint answers to a list, the read is an error with a class
// or has an end, nothing in it is about nobody, and it asks a bounded number of
// times.
func FuzzList(f *testing.F) {
	for _, answer := range []string{
		`[]`, `null`, `{}`, `[null]`, `[{}]`, `<html>`, ``, `[`,
		`[{"id":"e1","name":"Staff","value":"CN=Staff,DC=x","attribute":"memberOf","source":{"id":"1"}}]`,
		`[{"id":"e1","name":"A","value":"a"},{"id":"e1","name":"B","value":"b"},{"id":7},{"id":""},7]`,
		`[{"id":"a1","nativeIdentity":"CN=ada,DC=x","disabled":false,"attributes":{"memberOf":["CN=Staff,DC=x",7,null]},"identity":{"id":"i1"}}]`,
		`[{"id":"a1","attributes":[]},{"id":"a2","attributes":{"memberOf":{"a":1}}}]`,
	} {
		f.Add([]byte(answer), []byte(`[]`), "1")
		f.Add([]byte(`[]`), []byte(answer), "")
		f.Add([]byte(answer), []byte(answer), "-1")
	}
	type said struct {
		entitlements, accounts []byte
		total                  string
	}
	var now atomic.Pointer[said]
	var asked atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var text []byte
		switch say := now.Load(); {
		case strings.HasSuffix(r.URL.Path, "/oauth/token"):
			text = []byte(`{"access_token":"t","token_type":"bearer","expires_in":100000}`)
		case strings.HasSuffix(r.URL.Path, "/sources"):
			text = []byte(`[{"id":"1","name":"` + sailpointtest.DirectoryName + `"}]`)
		case r.URL.Query().Get("offset") != "" && r.URL.Query().Get("offset") != "0":
			asked.Add(1)
			text = []byte(`[]`)
		case strings.HasSuffix(r.URL.Path, "/entitlements"):
			asked.Add(1)
			w.Header().Set("X-Total-Count", say.total)
			text = say.entitlements
		case strings.HasSuffix(r.URL.Path, "/accounts"):
			asked.Add(1)
			w.Header().Set("X-Total-Count", say.total)
			text = say.accounts
		}
		_, _ = w.Write(text)
	}))
	f.Cleanup(web.Close)
	client := sailpointtest.DefaultClient()
	file := filepath.Join(f.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(client.Secret), 0o600); err != nil {
		f.Fatal(err)
	}
	source, err := sailpoint.Open(sailpoint.Settings{
		URL: web.URL, ClientID: client.ID, ClientSecret: connectors.Secret{File: file}, Source: sailpointtest.DirectoryName,
		Limits: sailpoint.Limits{RequestsPerSecond: 10_000},
	}, connectors.Runtime{UserAgent: "scimsync/test", Traffic: new(connectors.Traffic)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, entitlements, accounts []byte, total string) {
		if strings.ContainsFunc(total, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header
		}
		now.Store(&said{entitlements, accounts, total})
		asked.Store(0)
		connectortest.Sound(t, sailpoint.Type(), source, everything())
		if n := asked.Load(); n > 60 {
			t.Fatalf("%d requests for two lists of one page", n)
		}
	})
}
