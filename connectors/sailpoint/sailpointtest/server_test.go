package sailpointtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
)

// session is a client of a tenant.
type session struct {
	t     *testing.T
	url   string
	token string
}

func start(t *testing.T, w sailpointtest.World, client sailpointtest.Client) (*sailpointtest.Server, session) {
	t.Helper()
	server, err := sailpointtest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	address, err := server.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s := session{t: t, url: address}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret}}
	_, body := s.do(http.MethodPost, "/oauth/token", form.Encode(), "application/x-www-form-urlencoded")
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	s.token = answer.Token
	return server, s
}

func (s session) do(method, path, body, kind string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(data)
}

func (s session) get(path string) (*http.Response, string) {
	s.t.Helper()
	return s.do(http.MethodGet, path, "", "")
}

func filters(expression string) string { return "filters=" + url.QueryEscape(expression) }

// TestAnswers: statuses and numbers of rows, as the documents have them.
func TestAnswers(t *testing.T) {
	t.Parallel()
	w := sailpointtest.Synthetic(300, 7, 600, 1)
	_, s := start(t, w, sailpointtest.DefaultClient())
	tests := []struct {
		path   string
		status int
		rows   int // of a list; -1 for none
		total  string
	}{
		{"/v2025/accounts?limit=250", 200, 250, ""},
		{"/v2025/accounts?limit=251", 400, -1, ""},
		{"/v2025/accounts?limit=x", 400, -1, ""},
		{"/v2025/accounts?limit=0&count=true", 200, 0, "303"},
		{"/v2025/accounts", 200, 250, ""},
		{"/v2025/accounts?offset=250&count=true", 200, 53, "303"},
		{"/v2025/accounts?offset=303", 200, 0, ""},
		{"/v2025/accounts?offset=-1", 400, -1, ""},
		{"/v2025/accounts?sorters=id", 200, 250, ""},
		{"/v2025/accounts?sorters=-name,id", 200, 250, ""},
		{"/v2025/accounts?sorters=disabled", 400, -1, ""},
		{"/v2025/accounts?" + filters(`sourceId eq "`+sailpointtest.DirectoryID+`" and uncorrelated eq true`) + "&count=true", 200, 1, "1"},
		{"/v2025/accounts?" + filters(`not (uncorrelated eq false) or name sw "person1" and name in ("person1","person10")`), 200, 3, ""},
		{"/v2025/accounts?" + filters(`disabled eq true`), 400, -1, ""},
		{"/v2025/accounts?" + filters(`name EQ "x"`), 400, -1, ""},
		{"/v2025/accounts?" + filters(`name eq "x`), 400, -1, ""},
		{"/v2025/accounts?" + filters(`name gt "x"`), 400, -1, ""},
		{"/v2025/accounts?" + filters(`modified gt "2024-01-01T00:00:00Z"`), 200, 250, ""},
		{"/v2025/accounts?" + filters(`modified gt "2026-01-01T00:00:00Z"`), 200, 0, ""},
		{"/v2025/entitlements?" + filters(`source.id eq "`+sailpointtest.DirectoryID+`" and type eq "group"`), 200, 7, ""},
		{"/v2025/entitlements?account-id=1&" + filters(`type eq "group"`), 400, -1, ""},
		{"/entitlements/v1", 200, 9, ""},
		{"/v2024/entitlements", 200, 9, ""},
		{"/beta/entitlements", 200, 9, ""},
		{"/v3/entitlements", 404, -1, ""},
		{"/v3/accounts", 200, 250, ""},
		{"/entitlements", 404, -1, ""},
		{"/v2025/accounts/" + w.Accounts[0].ID, 200, -1, ""},
		{"/accounts/v1/" + w.Accounts[0].ID, 200, -1, ""},
		{"/v2025/accounts/nobody", 404, -1, ""},
		{"/v2025/access-profiles", 200, 3, ""},
		{"/v2025/access-profiles?limit=250&sorters=created,name&count=true", 200, 3, "3"},
		{"/v2025/access-profiles?sorters=id", 400, -1, ""},
		{"/beta/access-profiles?limit=51", 400, -1, ""},
		{"/v2025/access-profiles?" + filters(`name eq "Data basics"`), 200, 1, ""},
		{"/v2025/access-profiles?" + filters(`name sw "Labs +"`), 200, 0, ""},
		{"/v2025/access-profiles?" + filters(`name in ("x")`), 400, -1, ""},
		{"/access-profiles/v1/" + w.AccessProfiles[0].ID, 200, -1, ""},
		{"/v2025/account-aggregations/nobody/status", 404, -1, ""},
	}
	for _, test := range tests {
		resp, body := s.get(test.path)
		var rows []json.RawMessage
		if resp.StatusCode != test.status {
			t.Errorf("%s: %s %s, want %d", test.path, resp.Status, body, test.status)
			continue
		}
		if got := resp.Header.Get("X-Total-Count"); got != test.total {
			t.Errorf("%s: X-Total-Count is %q, want %q", test.path, got, test.total)
		}
		if test.rows >= 0 && (json.Unmarshal([]byte(body), &rows) != nil || len(rows) != test.rows) {
			t.Errorf("%s: %d rows, want %d", test.path, len(rows), test.rows)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	server, s := start(t, sailpointtest.Synthetic(10, 2, 9, 1), sailpointtest.ServiceClient())
	for path, status := range map[string]int{
		"/v2025/accounts": 200, "/v2025/entitlements": 200, "/v2025/access-profiles": 403, "/v2025/account-aggregations/x/status": 403,
	} {
		if resp, body := s.get(path); resp.StatusCode != status {
			t.Errorf("%s for an API client: %s %s, want %d", path, resp.Status, body, status)
		}
	}
	server.RevokeTokens()
	if resp, _ := s.get("/v2025/accounts"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked token: %s", resp.Status)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"x"}, "client_secret": {"y"}}
	if resp, body := s.do(http.MethodPost, "/oauth/token", form.Encode(), "application/x-www-form-urlencoded"); resp.StatusCode != 401 || !strings.Contains(body, "invalid_client") {
		t.Errorf("an unknown client: %s %s", resp.Status, body)
	}
	if resp, _ := s.get("/oauth/token?" + form.Encode()); resp.StatusCode == 200 {
		t.Error("a token for a GET")
	}
}

// TestRateLimit: 100 requests in 10 s for a client and version, by the server's
// clock.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	server, s := start(t, sailpointtest.Synthetic(1, 1, 1, 1), sailpointtest.DefaultClient())
	at := time.Now()
	server.Configure(func(o *sailpointtest.Options) {
		o.RateLimit, o.Now = sailpointtest.RateLimit, func() time.Time { return at }
	})
	for i := range sailpointtest.RateLimit {
		if resp, _ := s.get("/v2025/sources"); resp.StatusCode != 200 {
			t.Fatalf("request %d: %s", i+1, resp.Status)
		}
	}
	resp, _ := s.get("/v2025/accounts")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "10" {
		t.Errorf("request 101: %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if resp, _ := s.get("/v2024/accounts"); resp.StatusCode != 200 {
		t.Errorf("another version: %s", resp.Status)
	}
	server.Configure(func(o *sailpointtest.Options) { o.Now = func() time.Time { return at.Add(10 * time.Second) } })
	if resp, _ := s.get("/v2025/accounts"); resp.StatusCode != 200 {
		t.Errorf("ten seconds later: %s", resp.Status)
	}
}

func TestAggregation(t *testing.T) {
	t.Parallel()
	server, s := start(t, sailpointtest.Synthetic(1, 1, 1, 1), sailpointtest.DefaultClient())
	const kind = "multipart/form-data; boundary=b"
	form := func(name, value string) string {
		return fmt.Sprintf("--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n--b--\r\n", name, value)
	}
	path := "/v2025/sources/" + sailpointtest.DirectoryID + "/load-accounts"
	for _, test := range []struct {
		path, body, kind string
		status           int
	}{
		{path, "{}", "application/json", 415},
		{path, form("file", "x"), kind, 400},
		{path, form("disableOptimization", "perhaps"), kind, 400},
		{"/v2025/sources/nowhere/load-accounts", form("disableOptimization", "true"), kind, 404},
		{"/v3/sources/" + sailpointtest.DirectoryID + "/load-accounts", form("disableOptimization", "true"), kind, 404},
	} {
		if resp, body := s.do(http.MethodPost, test.path, test.body, test.kind); resp.StatusCode != test.status {
			t.Errorf("%s %s: %s %s, want %d", test.path, test.kind, resp.Status, body, test.status)
		}
	}
	brought := 0
	server.Configure(func(o *sailpointtest.Options) { o.Aggregated = func() { brought++ } })
	resp, body := s.do(http.MethodPost, path, form("disableOptimization", "false"), kind)
	var started struct{ Task struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &started); err != nil || resp.StatusCode != 202 || started.Task.ID == "" {
		t.Fatalf("%s %s", resp.Status, body)
	}
	for _, want := range []string{"STARTED", "ACCOUNTS_COLLECTED", "COMPLETED", "COMPLETED"} {
		if _, body := s.get("/account-aggregations/v1/" + started.Task.ID + "/status"); !strings.Contains(body, `"status":"`+want+`"`) {
			t.Errorf("status is %s, want %s", body, want)
		}
	}
	if brought != 1 {
		t.Errorf("Aggregated was called %d times", brought)
	}
}

// TestSandbox: what a person would type.
func TestSandbox(t *testing.T) {
	t.Parallel()
	server, s := start(t, sailpointtest.Synthetic(2, 1, 0, 1), sailpointtest.DefaultClient())
	steps := []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/sandbox/accounts", `{"id":"new","name":"new","attributes":{"mail":"new@example.com"}}`, 204},
		{"POST", "/sandbox/entitlements", `{"id":"team","name":"Team, \"A\""}`, 204},
		{"PUT", "/sandbox/entitlements/team/accounts/new", "", 204},
		{"POST", "/sandbox/entitlements/team", `{"name":"Team B","value":"CN=Team B,DC=example,DC=com"}`, 204},
		{"POST", "/sandbox/accounts/new", `{"disabled":true}`, 204},
		{"POST", "/sandbox/access-profiles", `{"id":"bundle","name":"Bundle","entitlements":["team"]}`, 204},
		{"DELETE", "/sandbox/access-profiles/bundle", "", 204},
		{"DELETE", "/sandbox/access-profiles/bundle", "", 404},
		{"POST", "/sandbox/accounts/nobody", `{"disabled":true}`, 404},
		{"POST", "/sandbox/accounts", `{"nonsense":true}`, 400},
		{"DELETE", "/sandbox/accounts/nobody", "", 404},
	}
	for _, step := range steps {
		if resp, body := s.do(step.method, step.path, step.body, ""); resp.StatusCode != step.status {
			t.Errorf("%s %s: %s %s, want %d", step.method, step.path, resp.Status, body, step.status)
		}
	}
	_, body := s.get("/v2025/accounts/new")
	for _, want := range []string{`"disabled":true`, `"memberOf":["CN=Team B,DC=example,DC=com"]`} {
		if !strings.Contains(body, want) {
			t.Errorf("the account lacks %s: %s", want, body)
		}
	}
	for _, path := range []string{"/sandbox/entitlements/team/accounts/new", "/sandbox/entitlements/team", "/sandbox/accounts/new"} {
		if resp, body := s.do(http.MethodDelete, path, "", ""); resp.StatusCode != 204 {
			t.Errorf("DELETE %s: %s %s", path, resp.Status, body)
		}
	}
	if resp, body := s.get("/sandbox/"); resp.StatusCode != 200 || !strings.Contains(body, `"accounts":2`) {
		t.Errorf("summary: %s %s", resp.Status, body)
	}
	if n := server.Total(); n != 2 {
		t.Errorf("%d requests were counted, want the token and the account: %v", n, server.Requests())
	}
	r := httptest.NewRequest(http.MethodDelete, "/sandbox/accounts/x", http.NoBody)
	r.Header.Set("Origin", "https://www.example.com")
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, r)
	if answer.Code != http.StatusForbidden {
		t.Errorf("a web page was answered %d", answer.Code)
	}
}

// TestSynthetic: the same arguments give the same world, and a world that
// contradicts itself is refused.
func TestSynthetic(t *testing.T) {
	t.Parallel()
	one, other := fmt.Sprint(sailpointtest.Synthetic(50, 9, 200, 7)), fmt.Sprint(sailpointtest.Synthetic(50, 9, 200, 7))
	if one != other {
		t.Error("two worlds of one seed differ")
	}
	for name, w := range map[string]sailpointtest.World{
		"no source": {Accounts: []sailpointtest.Account{{ID: "1", SourceID: "x"}}},
		"twice":     {Sources: []sailpointtest.Connection{{ID: "1"}, {ID: "1"}}},
		"no id":     {Sources: []sailpointtest.Connection{{Name: "x"}}},
	} {
		if _, err := sailpointtest.New(w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
