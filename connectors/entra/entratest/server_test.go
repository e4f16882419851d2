package entratest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func serve(t *testing.T, w entratest.World) (*entratest.Server, func(method, target, body string) answer) {
	t.Helper()
	server, err := entratest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, func(method, target, body string) answer {
		t.Helper()
		if !strings.HasPrefix(target, "http") {
			target = web.URL + target
		}
		r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+entratest.DefaultToken)
		if strings.Contains(target, "eventual") {
			r.Header.Set("ConsistencyLevel", "eventual")
		}
		resp, err := web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{status: resp.StatusCode, header: resp.Header}
		if len(data) > 0 && json.Unmarshal(data, &a.body) != nil {
			t.Fatalf("%s %s answered no JSON object: %s", method, target, data)
		}
		return a
	}
}

func (a answer) values() []map[string]any {
	list, _ := a.body["value"].([]any)
	out := make([]map[string]any, len(list))
	for i, v := range list {
		out[i], _ = v.(map[string]any)
	}
	return out
}

func (a answer) code() string {
	e, _ := a.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func world() entratest.World {
	u := func(id string) entratest.User {
		return entratest.Person(id, id+"@example.com", "Given", strings.ToUpper(id))
	}
	return entratest.World{
		Users:  []entratest.User{u("u1"), u("u2"), u("u3"), u("u4"), u("u5")},
		Others: []entratest.Other{{ID: "d1", Type: entratest.Device}},
		Groups: []entratest.Group{entratest.Team("g1", "One", "u1", "u2", "u3", "d1"), entratest.Team("g2", "Two", "g1", "u5")},
		Apps:   []entratest.App{{ID: "sp", AppID: "app", Name: "App", Assigned: []string{"g1", "u4"}}},
	}
}

func TestSelectIsHonoured(t *testing.T) {
	t.Parallel()
	_, ask := serve(t, world())
	for _, spelling := range []string{"delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"} {
		u := ask("GET", "/v1.0/users/"+spelling, "").values()[0]
		if _, ok := u["accountEnabled"]; ok || u["userPrincipalName"] != "u1@example.com" {
			t.Errorf("%s without $select: %v", spelling, u)
		}
		u = ask("GET", "/v1.0/users/"+spelling+"?$select=accountEnabled", "").values()[0]
		if u["accountEnabled"] != true || u["userPrincipalName"] != nil || u["id"] != "u1" {
			t.Errorf("%s with $select: %v", spelling, u)
		}
	}
	if a := ask("GET", "/v1.0/users/delta?$select=nonsense", ""); a.status != 400 {
		t.Errorf("an unknown property was answered %d", a.status)
	}
	if a := ask("GET", "/v1.0/users/delta?$top=5", ""); a.status != 400 {
		t.Errorf("$top was answered %d", a.status)
	}
	if g := ask("GET", "/v1.0/groups/delta?$select=displayName", "").values()[0]; g["members@delta"] != nil {
		t.Errorf("members were not selected: %v", g)
	}
}

// round follows the links of a round and returns its objects and its deltaLink.
func round(t *testing.T, ask func(string, string, string) answer, target string) ([]map[string]any, string) {
	t.Helper()
	var all []map[string]any
	for range 100 {
		a := ask("GET", target, "")
		if a.status != 200 {
			t.Fatalf("%s: %d %v", target, a.status, a.body)
		}
		all = append(all, a.values()...)
		if link, ok := a.body["@odata.deltaLink"].(string); ok {
			return all, link
		}
		target, _ = a.body["@odata.nextLink"].(string)
	}
	t.Fatal("the round does not end")
	return nil, ""
}

func TestMembersInPieces(t *testing.T) {
	t.Parallel()
	server, ask := serve(t, world())
	server.Configure(func(o *entratest.Options) { o.PageSize, o.MembersPerPage, o.Interleave = 1, 2, true })
	told, link := round(t, ask, "/v1.0/groups/delta?$select=displayName,members")
	var order []any
	for _, g := range told {
		order = append(order, g["id"])
	}
	if want := []any{"g1", "g2", "g1"}; !reflect.DeepEqual(order, want) {
		t.Errorf("groups came as %v, want %v", order, want)
	}
	if err := server.RemoveMember("g1", "u1"); err != nil {
		t.Fatal(err)
	}
	if err := server.DeleteUser("u2"); err != nil {
		t.Fatal(err)
	}
	if err := server.AddMember("g1", "u4"); err != nil {
		t.Fatal(err)
	}
	told, link = round(t, ask, link)
	text, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	const removed = `"@removed":{"reason":"deleted"}`
	if len(told) != 2 || strings.Count(string(text), removed) != 2 || !strings.Contains(string(text), `"id":"u4"`) {
		t.Errorf("changes came as %s", text)
	}
	if told, _ = round(t, ask, link); len(told) != 0 {
		t.Errorf("told again: %v", told)
	}
}

func TestRemovedAndRestored(t *testing.T) {
	t.Parallel()
	server, ask := serve(t, world())
	_, link := round(t, ask, "/v1.0/users/delta")
	if err := server.DeleteUser("u1"); err != nil {
		t.Fatal(err)
	}
	if err := server.PurgeUser("u2"); err != nil {
		t.Fatal(err)
	}
	told, _ := round(t, ask, link)
	reasons := map[any]any{}
	for _, u := range told {
		removed, _ := u["@removed"].(map[string]any)
		reasons[u["id"]] = removed["reason"]
	}
	if want := map[any]any{"u1": "changed", "u2": "deleted"}; !reflect.DeepEqual(reasons, want) {
		t.Errorf("removed: %v, want %v", reasons, want)
	}
	if err := server.RestoreUser("u1"); err != nil {
		t.Fatal(err)
	}
	if told, _ = round(t, ask, link); told[0]["userPrincipalName"] != "u1@example.com" {
		t.Errorf("restored: %v", told)
	}
	if a := ask("GET", "/v1.0/users/u2", ""); a.status != 404 || a.code() != "Request_ResourceNotFound" {
		t.Errorf("a deleted user was answered %d %s", a.status, a.code())
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	server, ask := serve(t, world())
	_, link := round(t, ask, "/v1.0/users/delta")
	server.Configure(func(o *entratest.Options) {
		o.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	})
	a := ask("GET", link, "")
	if a.status != 410 || a.code() != "syncStateNotFound" || !strings.Contains(a.header.Get("Location"), "/users/delta") {
		t.Errorf("a token of eight days was answered %d %s, Location %q", a.status, a.code(), a.header.Get("Location"))
	}
	server.Configure(func(o *entratest.Options) { o.Resync = entratest.ResyncBadRequest })
	if a := ask("GET", link, ""); a.status != 400 || a.code() != "syncStateNotFound" {
		t.Errorf("in the other form: %d %s", a.status, a.code())
	}
	if a := ask("GET", "/v1.0/groups/delta?"+strings.SplitN(link, "?", 2)[1], ""); a.status != 400 {
		t.Errorf("a token of users was taken for groups: %d", a.status)
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	server, ask := serve(t, world())
	told, link := round(t, ask, "/v1.0/users/delta?$select=displayName&$deltatoken=latest")
	if len(told) != 0 {
		t.Errorf("told: %v", told)
	}
	if err := server.UpdateUser("u3", map[string]any{"displayName": "Now"}); err != nil {
		t.Fatal(err)
	}
	if told, _ = round(t, ask, link); len(told) != 1 || told[0]["displayName"] != "Now" || told[0]["mail"] != nil {
		t.Errorf("told: %v", told)
	}
}

func TestMembersAndAssignments(t *testing.T) {
	t.Parallel()
	_, ask := serve(t, world())
	count := func(target string) int { return len(ask("GET", target, "").values()) }
	for target, want := range map[string]int{
		"/v1.0/groups/g1/members": 4, "/v1.0/groups/g2/members": 2, "/v1.0/groups/g2/transitiveMembers": 6,
		"/v1.0/groups/g2/transitiveMembers/microsoft.graph.user?$count=true&x=eventual": 4,
		"/v1.0/groups/g2/members/graph.group?$count=true&x=eventual":                    1,
		"/v1.0/users/u1/memberOf": 1, "/v1.0/users/u1/transitiveMemberOf": 2,
		"/v1.0/servicePrincipals/sp/appRoleAssignedTo":                       2,
		"/v1.0/users?$filter=" + url.QueryEscape("id in ('u1','u2','x')"):    2,
		"/v1.0/users?$filter=" + url.QueryEscape("mail eq 'U1@example.com'"): 1,
	} {
		if got := count(target); got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
	if a := ask("GET", "/v1.0/servicePrincipals(appId='app')", ""); a.body["id"] != "sp" {
		t.Errorf("by appId: %v", a.body)
	}
	if a := ask("GET", "/v1.0/groups/g1/members/microsoft.graph.user", ""); a.status != 400 {
		t.Errorf("a cast without ConsistencyLevel was answered %d", a.status)
	}
	if a := ask("GET", "/v1.0/users?$top=1000", ""); a.status != 400 {
		t.Errorf("$top=1000 was answered %d", a.status)
	}
	sixteen := strings.Repeat("'x',", 15) + "'x'"
	if a := ask("GET", "/v1.0/users?$filter="+url.QueryEscape("id in ("+sixteen+")"), ""); a.status != 400 {
		t.Errorf("sixteen values were answered %d", a.status)
	}
}

func TestTokenIsAsked(t *testing.T) {
	t.Parallel()
	server, err := entratest.New(world())
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"", "Bearer nonsense", "Basic abc"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1.0/users", nil)
		r.Header.Set("Authorization", header)
		server.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%q was answered %d", header, w.Code)
		}
	}
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	server, ask := serve(t, world())
	server.Configure(func(o *entratest.Options) { o.RateLimit = 2 })
	for range 2 {
		ask("GET", "/v1.0/users", "")
	}
	if a := ask("GET", "/v1.0/users", ""); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("the third request was answered %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
}

func TestSandbox(t *testing.T) {
	t.Parallel()
	server, ask := serve(t, world())
	for _, step := range []struct {
		method, target, body string
		status               int
	}{
		{"POST", "/sandbox/users", `{"id":"u9","properties":{"userPrincipalName":"u9@example.com","displayName":"Nine"}}`, 200},
		{"POST", "/sandbox/users", `{"properties":{"userPrincipalName":"U9@example.com"}}`, 409},
		{"POST", "/sandbox/users/u9@example.com", `{"properties":{"jobTitle":"Boss"}}`, 204},
		{"POST", "/sandbox/users/u9/disable", ``, 204},
		{"PUT", "/sandbox/groups/g1/members/u9", ``, 204},
		{"DELETE", "/sandbox/groups/g1/members/u1", ``, 204},
		{"PUT", "/sandbox/apps/app/assigned/u9", ``, 204},
		{"DELETE", "/sandbox/apps/app/assigned/u4", ``, 204},
		{"DELETE", "/sandbox/users/u3", ``, 204},
		{"POST", "/sandbox/users/u3/restore", ``, 204},
		{"POST", "/sandbox/groups", `{"properties":{"displayName":"New"},"members":["u9"]}`, 200},
		{"POST", "/sandbox/groups/g2", `{"properties":{"displayName":"Renamed"}}`, 204},
		{"DELETE", "/sandbox/groups/g2", ``, 204},
		{"DELETE", "/sandbox/users/nobody", ``, 404},
		{"POST", "/sandbox/users", `{"nonsense":1}`, 400},
		{"POST", "/sandbox/expire", ``, 204},
	} {
		if a := ask(step.method, step.target, step.body); a.status != step.status {
			t.Errorf("%s %s: %d %v, want %d", step.method, step.target, a.status, a.body, step.status)
		}
	}
	if a := ask("GET", "/v1.0/users/u9?$select=accountEnabled,jobTitle", ""); a.body["accountEnabled"] != false || a.body["jobTitle"] != "Boss" {
		t.Errorf("u9 is %v", a.body)
	}
	sum := ask("GET", "/sandbox/", "")
	if sum.body["groups"] != 2.0 {
		t.Errorf("summary: %v", sum.body)
	}
	if n := server.Total(); n != 1 {
		t.Errorf("%d requests were counted, want the one outside /sandbox/", n)
	}
}

func TestSyntheticIsTheSame(t *testing.T) {
	t.Parallel()
	one, other := entratest.Synthetic(100, 20, 400, 1), entratest.Synthetic(100, 20, 400, 1)
	if !reflect.DeepEqual(one, other) {
		t.Error("the same arguments give two worlds")
	}
	members := 0
	for _, g := range one.Groups {
		members += len(g.Members)
	}
	if members < 400 {
		t.Errorf("%d memberships", members)
	}
	if _, err := entratest.New(one); err != nil {
		t.Error(err)
	}
}

func TestWorldThatContradictsItself(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]entratest.World{
		"id twice":       {Users: []entratest.User{entratest.Person("a", "a@example.com", "", ""), entratest.Person("a", "b@example.com", "", "")}},
		"name twice":     {Users: []entratest.User{entratest.Person("a", "a@example.com", "", ""), entratest.Person("b", "A@example.com", "", "")}},
		"unknown member": {Groups: []entratest.Group{entratest.Team("g", "G", "x")}},
		"unknown app":    {Apps: []entratest.App{{ID: "sp", AppID: "app", Assigned: []string{"x"}}}},
	} {
		if _, err := entratest.New(w); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
