package scimtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

func TestSandbox(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.LogRequests = 5 })
	base, stop := h.Start()
	defer stop()
	root := strings.TrimSuffix(base, "/scim/v2") + "/sandbox/"
	call := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, root+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // what curl -d says
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(text)
	}
	steps := []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "", "", 200, "POST   /sandbox/wipe"},
		{"POST", "seed", "users=3&groups=1&members=2", 200, "3 users, 1 groups, 2 memberships"},
		{"GET", "users", "", 200, "user0003@example.com"},
		{"GET", "groups", "", 200, "user0001@example.com, user0002@example.com"},
		{"POST", "users", `{"userName":"ada@example.com"}`, 200, "4 users"},
		{"POST", "groups", `{"displayName":"Math"}`, 200, "2 groups"},
		{"POST", "edit", "kind=user&name=ADA@example.com&path=title&value=Countess", 200, "done"},
		{"POST", "edit", "kind=user&name=ada@example.com&path=active&value=false", 200, "done"},
		{"POST", "edit?kind=user&name=ada@example.com&path=nickName&value=A", "", 200, "done"},
		{"GET", "users/ada@example.com", "", 200, `"title": "Countess"`},
		{"POST", "edit", "kind=user&name=ada@example.com&path=title", 200, "done"},
		{"POST", "members", "group=Math&add=ada@example.com", 200, "3 memberships"},
		{"POST", "members", "group=Math&remove=ada@example.com", 200, "2 memberships"},
		{"POST", "hazards", `{"EmptyMembers":true,"Throttle":{"Every":5,"RetryAfter":1000000000}}`, 200, "done"},
		{"GET", "hazards", "", 200, `"Every": 5`},
		{"GET", "requests", "", 200, ""},
		{"POST", "delete", "kind=user&name=ada@example.com", 200, "3 users"},
		{"GET", "dump", "", 200, "user0002@example.com"},

		{"POST", "edit", "kind=cat&name=x&path=title", 400, "kind must be user or group"},
		{"POST", "edit", "kind=user&name=nobody&path=title", 400, `no user "nobody"`},
		{"POST", "edit", "kind=user&name=user0001@example.com&path=shoeSize&value=1", 400, "shoeSize"},
		{"POST", "delete", "kind=group&name=nobody", 400, `no group "nobody"`},
		{"POST", "members", "group=Math", 400, "add or remove"},
		{"POST", "members", "group=Math&add=nobody", 400, "nobody"},
		{"POST", "hazards", `{"Unheard":true}`, 400, "Unheard"},
		{"POST", "seed", "users=many", 400, "users must be a number"},
		{"POST", "users", `{"title":"x"}`, 400, "userName is required"},
		{"POST", "explode", "", 404, "/sandbox/"},
		{"GET", "explode", "", 404, "/sandbox/"},
		{"GET", "users/nobody", "", 404, "nobody"},
		{"DELETE", "users", "", 405, "GET or POST"},
		{"POST", "wipe", "", 200, "0 users, 0 groups"},
	}
	for _, s := range steps {
		status, text := call(s.method, s.path, s.body)
		if status != s.status || !strings.Contains(text, s.has) {
			t.Errorf("%s %s %s: status %d, want %d with %q: %s", s.method, s.path, s.body, status, s.status, s.has, text)
		}
	}
	if len(h.Requests()) > 0 {
		t.Errorf("the sandbox was counted: %v", h.Requests())
	}
}

func TestSandboxIsForThisMachine(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cases := []struct {
		name, remote, host, origin string
		status                     int
	}{
		{"curl", "127.0.0.1:5000", "127.0.0.1:8080", "", 200},
		{"curl by name", "127.0.0.1:5000", "localhost:8080", "", 200},
		{"IPv6", "[::1]:5000", "[::1]:8080", "", 200},
		{"its own page", "127.0.0.1:5000", "127.0.0.1:8080", "http://127.0.0.1:8080", 200},
		{"another machine", "192.0.2.1:5000", "127.0.0.1:8080", "", 403},
		{"a rebound name", "127.0.0.1:5000", "evil.example.com:8080", "", 403},
		{"a web page", "127.0.0.1:5000", "127.0.0.1:8080", "https://evil.example.com", 403},
	}
	for _, c := range cases {
		h.user("ada@example.com", "")
		r := httptest.NewRequest("POST", "/sandbox/wipe", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		users, _, _ := h.Counts()
		if w.Code != c.status || (users == 0) != (c.status == 200) {
			t.Errorf("%s: status %d, want %d; %d users left", c.name, w.Code, c.status, users)
		}
		if err := h.Wipe(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if err := h.Seed(5); err != nil {
		t.Fatal(err)
	}
	if err := h.SeedGroups(2, 3); err != nil {
		t.Fatal(err)
	}
	if users, groups, members := h.Counts(); users != 5 || groups != 2 || members != 6 {
		t.Errorf("seeded %d users, %d groups, %d memberships", users, groups, members)
	}
	// Hazards and schedules do not touch what somebody else does.
	h.SetHazards(Hazards{ExternalIDNotStored: true, Fail500: Every(1), RenameRefused: true})
	id, err := h.Put(identity.User, map[string]any{
		"userName": "ada@example.com", "externalId": "x", "emails": []map[string]any{{"value": "a@example.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Put(identity.User, map[string]any{"userName": "ADA@example.com", "externalId": "y"})
	if err != nil || again != id {
		t.Errorf("put again made %s: %v", again, err)
	}
	u, ok := h.Find(identity.User, id)
	if !ok || u.ExternalID != "y" || u.Name != "ADA@example.com" || u.Attributes["emails"] != nil || !u.Active {
		t.Errorf("user %+v", u)
	}
	if err := h.Edit(identity.User, id, "userName", "new@example.com"); err != nil {
		t.Error(err)
	}
	if err := h.AddMember("Group 0001", "Group 0002"); err != nil {
		t.Error(err)
	}
	if err := h.AddMember("Group 0001", "nobody"); err == nil {
		t.Error("added nobody")
	}
	if err := h.RemoveMember("Group 0001", id); err == nil {
		t.Error("removed a user that is no member")
	}
	if _, err := h.Put(identity.Group, map[string]any{"displayName": "x", "shoeSize": "41"}); err == nil {
		t.Error("an unknown attribute was stored")
	}
	if len(h.Fired()) > 0 {
		t.Errorf("fired %v", h.Fired())
	}
}
