package oktatest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

type fake struct {
	*oktatest.Server
	t   *testing.T
	url string
}

func serve(t *testing.T, w oktatest.World) fake {
	t.Helper()
	s, err := oktatest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return fake{s, t, web.URL}
}

// call sends a request and returns status, headers and body.
func (f fake) call(method, target, body string, header ...string) (int, http.Header, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+target, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "SSWS "+oktatest.DefaultToken)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

// ids lists the ids of one page.
func (f fake) ids(target string) []string {
	f.t.Helper()
	status, _, body := f.call(http.MethodGet, target, "")
	if status != http.StatusOK {
		f.t.Fatalf("GET %s: %d %s", target, status, body)
	}
	var items []struct{ ID string }
	if err := json.Unmarshal([]byte(body), &items); err != nil {
		f.t.Fatalf("GET %s: %v in %s", target, err, body)
	}
	out := []string{}
	for _, item := range items {
		out = append(out, item.ID)
	}
	return out
}

func small() oktatest.World {
	var w oktatest.World
	for i, status := range oktatest.Statuses() {
		u := oktatest.Person(fmt.Sprint("u", i), fmt.Sprintf("p%d@example.com", i), "A", "B")
		u.Status = status
		w.Users = append(w.Users, u)
	}
	w.Groups = []oktatest.Group{oktatest.Team("g1", "One", "u0", "u7"), oktatest.Team("g2", `T"wo`, "u2")}
	w.Apps = []oktatest.App{{ID: "0oa1", Label: "App", Groups: []string{"g1"}, Users: []oktatest.AppUser{{ID: "u2"}}}}
	return w
}

func TestUserLists(t *testing.T) {
	t.Parallel()
	f := serve(t, small())
	tests := map[string][]string{
		"":                                 {"u0", "u1", "u2", "u3", "u4", "u5", "u6"},
		`filter=status eq "DEPROVISIONED"`: {"u7"},
		`search=status eq "ACTIVE" or status eq "STAGED"`:                                 {"u0", "u2"},
		`filter=lastUpdated gt "1970-01-01T00:00:00.000Z"`:                                {"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"},
		`filter=(status eq "ACTIVE" or id eq "u7") and profile.login eq "p7@example.com"`: {"u7"},
		`search=profile.firstName sw "a" and status eq "SUSPENDED"`:                       {"u6"},
		"q=p3": {"u3"},
	}
	for query, want := range tests {
		name, value, _ := strings.Cut(query, "=")
		target := "/api/v1/users"
		if name != "" {
			target += "?" + url.Values{name: {value}}.Encode()
		}
		if got := f.ids(target); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, bad := range []string{`title eq "x"`, `status sw "A"`, `status eq ACTIVE`, `status eq "A" x`, `(status eq "A"`, `lastUpdated gt "soon"`} {
		if status, _, body := f.call(http.MethodGet, "/api/v1/users?"+url.Values{"filter": {bad}}.Encode(), ""); status != http.StatusBadRequest || !strings.Contains(body, "E0000031") {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	if got := f.ids("/api/v1/groups?" + url.Values{"search": {`profile.name eq "T\"wo"`}}.Encode()); !slices.Equal(got, []string{"g2"}) {
		t.Errorf("groups = %v", got)
	}
}

func TestLinksAndLimits(t *testing.T) {
	t.Parallel()
	f := serve(t, small())
	_, h, _ := f.call(http.MethodGet, "/api/v1/users?limit=3", "")
	links := h.Values("Link")
	if len(links) != 2 || links[0] != "<"+f.url+`/api/v1/users?limit=3>; rel="self"` || links[1] != "<"+f.url+`/api/v1/users?after=u2&limit=3>; rel="next"` {
		t.Errorf("links = %q", links)
	}
	if h.Get("Date") == "" || h.Get("X-Rate-Limit-Limit") == "" || h.Get("X-Rate-Limit-Remaining") == "" {
		t.Errorf("headers = %v", h)
	}
	if _, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64); err != nil {
		t.Error(err)
	}
	if _, h, _ := f.call(http.MethodGet, "/api/v1/users?after=u5&limit=3", ""); len(h.Values("Link")) != 1 {
		t.Errorf("the last page links on: %q", h.Values("Link"))
	}
	f.Configure(func(o *oktatest.Options) { o.Links = oktatest.JoinedLine })
	if _, h, _ := f.call(http.MethodGet, "/api/v1/users?limit=3", ""); len(h.Values("Link")) != 1 || strings.Count(h.Get("Link"), "rel=") != 2 {
		t.Errorf("joined = %q", h.Values("Link"))
	}
	f.Configure(func(o *oktatest.Options) { o.RateLimit = 2 })
	statuses := []int{}
	var last http.Header
	for range 3 {
		status, h, _ := f.call(http.MethodGet, "/api/v1/org", "")
		statuses, last = append(statuses, status), h
	}
	if !slices.Equal(statuses, []int{200, 200, 429}) || last.Get("X-Rate-Limit-Remaining") != "0" || last.Get("X-Rate-Limit-Limit") != "2" {
		t.Errorf("statuses = %v, headers = %v", statuses, last)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	f := serve(t, small())
	f.Inject(oktatest.Fault{ID: "busy", Match: oktatest.Path("/api/v1/groups"), Effect: oktatest.Effect{Throttle: oktatest.ThrottleConcurrent}})
	tests := []struct {
		target, auth string
		status       int
		code         string
	}{
		{"/api/v1/users", "SSWS wrong", 401, "E0000011"},
		{"/api/v1/users", "Bearer wrong", 401, "E0000011"},
		{"/api/v1/users/nobody", "", 404, "E0000007"},
		{"/api/v1/groups/none/users", "", 404, "E0000007"},
		{"/api/v1/apps/0oa1/users/u1", "", 404, "E0000007"},
		{"/api/v1/apps/0oa1/groups?limit=5", "", 400, "E0000001"},
		{"/api/v1/unknown", "", 404, "E0000007"},
		{"/api/v1/groups", "", 429, "E0000047"},
	}
	for _, test := range tests {
		header := []string{}
		if test.auth != "" {
			header = []string{"Authorization", test.auth}
		}
		status, h, body := f.call(http.MethodGet, test.target, "", header...)
		var e struct{ ErrorCode string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != test.status || e.ErrorCode != test.code {
			t.Errorf("%s: %d %s", test.target, status, body)
		}
		if test.status == 429 && h.Get("X-Rate-Limit-Limit") != "0" {
			t.Errorf("headers = %v", h)
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	f := serve(t, small())
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Configure(func(o *oktatest.Options) { o.Now = func() time.Time { return at } })
	do := func(method, target, body string) string {
		t.Helper()
		status, _, answer := f.call(method, target, body)
		if status >= 400 {
			t.Fatalf("%s %s: %d %s", method, target, status, answer)
		}
		return answer
	}
	const stamp = `"2026-03-01T12:00:00.000Z"`
	do(http.MethodPost, "/sandbox/users", `{"id":"u9","profile":{"login":"new@example.com"}}`)
	do(http.MethodPost, "/sandbox/users/u1", `{"profile":{"login":"renamed@example.com","title":"Boss"}}`)
	do(http.MethodPost, "/sandbox/users/u2/disable", "")
	do(http.MethodPut, "/sandbox/groups/g1/users/u9", "")
	do(http.MethodDelete, "/sandbox/groups/g1/users/u0", "")
	do(http.MethodPost, "/sandbox/groups/g2", `{"profile":{"name":"Renamed"}}`)
	do(http.MethodDelete, "/sandbox/users/p3@example.com", "")
	do(http.MethodPut, "/sandbox/apps/0oa1/users/u4", "")

	if body := do(http.MethodGet, "/api/v1/users/renamed@example.com", ""); !strings.Contains(body, `"lastUpdated":`+stamp) || !strings.Contains(body, "Boss") {
		t.Errorf("renamed user = %s", body)
	}
	if got := f.ids("/api/v1/groups/g1/users"); !slices.Equal(got, []string{"u7", "u9"}) {
		t.Errorf("members = %v", got)
	}
	one, two := do(http.MethodGet, "/api/v1/groups/g1", ""), do(http.MethodGet, "/api/v1/groups/g2", "")
	if !strings.Contains(one, `"lastMembershipUpdated":`+stamp) || strings.Contains(one, `"lastUpdated":`+stamp) ||
		strings.Contains(two, `"lastMembershipUpdated":`+stamp) || !strings.Contains(two, `"lastUpdated":`+stamp) {
		t.Errorf("groups = %s, %s", one, two)
	}
	// u2 is out of the app and still in its group; u7, deactivated, never was
	// in; u9 came with g1.
	if got := f.ids("/api/v1/apps/0oa1/users"); !slices.Equal(got, []string{"u4", "u9"}) {
		t.Errorf("app users = %v", got)
	}
	if got := f.ids("/api/v1/groups/g2/users"); !slices.Equal(got, []string{"u2"}) {
		t.Errorf("members = %v", got)
	}
	if status, _, _ := f.call(http.MethodGet, "/api/v1/users/u3", ""); status != http.StatusNotFound {
		t.Errorf("a deleted user answers %d", status)
	}
	logs := do(http.MethodGet, "/api/v1/logs?since=2026-03-01T00:00:00Z&until=2026-03-02T00:00:00Z", "")
	for _, want := range []string{"user.lifecycle.create", "user.lifecycle.deactivate", "group.user_membership.add", "group.user_membership.remove", "application.user_membership.remove"} {
		if !strings.Contains(logs, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	_, h, body := f.call(http.MethodGet, "/api/v1/logs?since=2026-03-02T00:00:00Z", "")
	if body != "[]" || len(h.Values("Link")) != 2 {
		t.Errorf("an empty polling request answers %s, %q: it always links on", body, h.Values("Link"))
	}
	for target, body := range map[string]string{
		"/sandbox/users": `{"profile":{"login":"renamed@example.com"}}`, "/sandbox/users/u0": `{"status":"HAPPY"}`,
		"/sandbox/groups": `{"profile":{}}`,
	} {
		if status, _, _ := f.call(http.MethodPost, target, body); status != http.StatusConflict {
			t.Errorf("%s took %s: %d", target, body, status)
		}
	}
	if status, _, _ := f.call(http.MethodPost, "/sandbox/users/u0/disable", "", "Origin", "https://example.com"); status != http.StatusForbidden {
		t.Errorf("a web page may change the sandbox: %d", status)
	}
	if n := f.Requests()["POST /sandbox/users"]; n != 0 {
		t.Errorf("sandbox requests are counted: %v", f.Requests())
	}
}

func TestSynthetic(t *testing.T) {
	t.Parallel()
	a, b := oktatest.Synthetic(1000, 50, 5000, 7), oktatest.Synthetic(1000, 50, 5000, 7)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives another world")
	}
	if reflect.DeepEqual(a, oktatest.Synthetic(1000, 50, 5000, 8)) {
		t.Error("another seed gives the same world")
	}
	memberships, largest := 0, 0
	for _, g := range a.Groups {
		memberships += len(g.Members)
		largest = max(largest, len(g.Members))
	}
	if len(a.Users) != 1000 || len(a.Groups) != 50 || memberships != 5000 || largest > 200 {
		t.Errorf("%d users, %d groups, %d memberships, at most %d in a group", len(a.Users), len(a.Groups), memberships, largest)
	}
	statuses := map[string]int{}
	for _, u := range a.Users {
		statuses[u.Status]++
		if !strings.Contains(string(u.Profile), "@example.com") {
			t.Fatalf("%s lives elsewhere", u.Profile)
		}
	}
	if len(statuses) != len(oktatest.Statuses()) {
		t.Errorf("statuses = %v", statuses)
	}
	if w := oktatest.Synthetic(3, 4, 100, 1); len(w.Groups[0].Members)+len(w.Groups[1].Members)+len(w.Groups[2].Members)+len(w.Groups[3].Members) != 12 {
		t.Error("memberships are not capped at users × groups")
	}
	for _, w := range []oktatest.World{a, oktatest.Synthetic(0, 0, 0, 1), oktatest.Synthetic(0, 3, 5, 1), {}} {
		if _, err := oktatest.New(w); err != nil {
			t.Error(err)
		}
	}
}

func TestContradictoryWorlds(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]oktatest.World{
		"id twice":         {Users: []oktatest.User{oktatest.Person("u", "a@example.com", "A", "B"), oktatest.Person("u", "b@example.com", "A", "B")}},
		"login twice":      {Users: []oktatest.User{oktatest.Person("u", "a@example.com", "A", "B"), oktatest.Person("v", "A@example.com", "A", "B")}},
		"no login":         {Users: []oktatest.User{{ID: "u", Profile: oktatest.Profile(map[string]any{})}}},
		"unknown status":   {Users: []oktatest.User{{ID: "u", Status: "X", Profile: oktatest.Profile(map[string]any{"login": "a"})}}},
		"unknown member":   {Groups: []oktatest.Group{oktatest.Team("g", "G", "u")}},
		"unknown in app":   {Apps: []oktatest.App{{ID: "a", Groups: []string{"g"}}}},
		"unknown app user": {Apps: []oktatest.App{{ID: "a", Users: []oktatest.AppUser{{ID: "u"}}}}},
	} {
		if _, err := oktatest.New(w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
