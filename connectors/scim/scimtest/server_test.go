package scimtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/identity"
)

const token = "canary-token"

// harness drives a Server without a network.
type harness struct {
	*Server
	t *testing.T
}

func newHarness(t *testing.T, change ...func(*Options)) *harness {
	t.Helper()
	o := Options{Token: token}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &harness{s, t}
}

func lenient(o *Options) { o.Lenient = true }

type reply struct {
	status int
	header http.Header
	raw    string
	doc    map[string]any
}

// text returns the value at a path of keys, as JSON without quotes.
func (r reply) text(keys ...string) string {
	var v any = r.doc
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return strings.Trim(string(encode(v)), `"`)
}

func (h *harness) do(method, path, body string, headers ...string) reply {
	h.t.Helper()
	r := httptest.NewRequest(method, "/scim/v2"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &out.doc)
	return out
}

// want insists on a status and, for an error, its scimType and shape.
func (h *harness) want(r reply, status int, scimType string) {
	h.t.Helper()
	if r.status != status {
		h.t.Fatalf("status %d, want %d: %s", r.status, status, r.raw)
	}
	if status < 400 {
		return
	}
	if got := r.text("scimType"); got != scimType && !(got == "null" && scimType == "") {
		h.t.Errorf("scimType %s, want %q: %s", got, scimType, r.raw)
	}
	if r.text("schemas") != `[\"`+urnError+`\"]` && !strings.Contains(r.raw, urnError) || r.text("detail") == "null" {
		h.t.Errorf("not an RFC 7644 error: %s", r.raw)
	}
}

func (h *harness) user(name, more string) string {
	h.t.Helper()
	r := h.do("POST", "/Users", userBody(name, more))
	h.want(r, 201, "")
	return r.text("id")
}

func userBody(name, more string) string {
	return `{"schemas":["` + urnUser + `"],"userName":` + string(encode(name)) + more + `}`
}

func (h *harness) group(name string, members ...string) string {
	h.t.Helper()
	r := h.do("POST", "/Groups", groupBody(name, members...))
	h.want(r, 201, "")
	return r.text("id")
}

func groupBody(name string, members ...string) string {
	list := []any{}
	for _, id := range members {
		list = append(list, map[string]any{"value": id})
	}
	return string(encode(map[string]any{"schemas": []string{urnGroup}, "displayName": name, "members": list}))
}

func patchBody(operations string) string {
	return `{"schemas":["` + urnPatch + `"],"Operations":[` + operations + `]}`
}

func (h *harness) members(group string) []string {
	h.t.Helper()
	g, ok := h.Find(identity.Group, group)
	if !ok {
		h.t.Fatalf("no group %s", group)
	}
	return g.Members
}

func filterQuery(filter string) string { return "?filter=" + url.QueryEscape(filter) }

func TestNewNeedsCredential(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("a server without a credential was made")
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.Username, o.Password = "agent", "long password!" })
	basic := func(user, password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	cases := map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, token: 401,
		"Bearer " + token: 200, "bearer " + token: 200,
		basic("agent", "long password!"): 200, basic("agent", "x"): 401, basic("x", "long password!"): 401,
	}
	for value, status := range cases {
		r := h.do("GET", "/Users", "", "Authorization", value)
		h.want(r, status, "")
		if status == 401 && r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: no challenge", value)
		}
	}
	h.SetToken("next")
	h.want(h.do("GET", "/Users", ""), 401, "")
	h.want(h.do("GET", "/Users", "", "Authorization", "Bearer next"), 200, "")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.MaxBody = 2000 })
	id := h.user("ada@example.com", "")
	cases := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		scimType                 string
	}{
		{"no media type", "POST", "/Users", userBody("x", ""), []string{"Content-Type", ""}, 415, ""},
		{"wrong media type", "POST", "/Users", userBody("x", ""), []string{"Content-Type", "text/plain"}, 415, ""},
		{"plain JSON", "POST", "/Users", userBody("json", ""), []string{"Content-Type", "application/json; charset=utf-8"}, 201, ""},
		{"not JSON", "POST", "/Users", `{"schemas"`, nil, 400, "invalidSyntax"},
		{"two values", "POST", "/Users", userBody("x", "") + "{}", nil, 400, "invalidSyntax"},
		{"a list", "POST", "/Users", `[]`, nil, 400, "invalidSyntax"},
		{"too large", "POST", "/Users", userBody(strings.Repeat("x", 3000), ""), nil, 413, ""},
		{"unknown endpoint", "GET", "/Devices", "", nil, 404, ""},
		{"unknown id", "GET", "/Users/x", "", nil, 404, ""},
		{"a user as group", "GET", "/Groups/" + id, "", nil, 404, ""},
		{"deeper", "GET", "/Users/" + id + "/groups", "", nil, 404, ""},
		{"method", "DELETE", "/Users", "", nil, 405, ""},
		{"bulk", "POST", "/Bulk", `{}`, nil, 501, ""},
		{"me", "GET", "/Me", "", nil, 501, ""},
		{"count", "GET", "/Users?count=ten", "", nil, 400, "invalidValue"},
		{"both selections", "GET", "/Users?attributes=title&excludedAttributes=name", "", nil, 400, "invalidValue"},
		{"discovery filter", "GET", "/Schemas" + filterQuery(`id eq "x"`), "", nil, 403, ""},
		{"search schema", "POST", "/Users/.search", `{}`, nil, 400, "invalidSyntax"},
		{"escape", "GET", "/Users/%41%zz", "", nil, 0, ""},
	}
	for _, c := range cases {
		if c.status == 0 {
			continue // net/http refuses it before a handler sees it
		}
		t.Run(c.name, func(t *testing.T) {
			h := &harness{h.Server, t}
			h.want(h.do(c.method, c.path, c.body, c.headers...), c.status, c.scimType)
		})
	}
}

func TestOutsideBasePath(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.BasePath = "api/scim/" })
	for path, status := range map[string]int{"/api/scim/Users": 200, "/api/scim/Users/": 200, "/api/scimUsers": 404, "/scim/v2/Users": 404} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", path, w.Code, status)
		}
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.CursorPaging, o.NoETag = true, true })
	config := h.do("GET", "/ServiceProviderConfig", "")
	h.want(config, 200, "")
	for path, want := range map[string]string{"patch": "true", "bulk": "false", "filter": "true", "sort": "true", "etag": "false"} {
		if got := config.text(path, "supported"); got != want {
			t.Errorf("%s.supported = %s, want %s", path, got, want)
		}
	}
	if got := config.text("pagination", "cursor"); got != "true" {
		t.Errorf("pagination.cursor = %s", got)
	}
	types := h.do("GET", "/ResourceTypes", "")
	if types.text("totalResults") != "2" {
		t.Errorf("resource types: %s", types.raw)
	}
	if one := h.do("GET", "/ResourceTypes/User", ""); one.text("schema") != urnUser {
		t.Errorf("resource type User: %s", one.raw)
	}
	for _, urn := range []string{urnUser, urnGroup, urnEnterprise} {
		if one := h.do("GET", "/Schemas/"+urn, ""); one.status != 200 || one.text("id") != urn {
			t.Errorf("schema %s: %s", urn, one.raw)
		}
	}
	h.want(h.do("GET", "/Schemas/urn:x", ""), 404, "")
}

func TestCountsAndLog(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.LogRequests = 3 })
	id := h.user("ada@example.com", "")
	h.do("GET", "/Users", "")
	h.do("GET", "/Users/"+id, "")
	h.do("PATCH", "/Users/"+id, patchBody(`{"op":"replace","path":"title","value":"Countess"}`))
	h.do("DELETE", "/Users/"+id, "")
	got := h.Requests()
	for _, kind := range []string{"POST /Users", "GET /Users", "GET /Users/{id}", "PATCH /Users", "DELETE /Users"} {
		if got[kind] != 1 {
			t.Errorf("%s counted %d times: %v", kind, got[kind], got)
		}
	}
	log := h.Log()
	if len(log) != 3 || log[1].Method != "PATCH" || !strings.Contains(string(log[1].Body), "Countess") || log[2].Status != 204 {
		t.Errorf("log: %+v", log)
	}
	if strings.Contains(string(encode(log)), token) {
		t.Error("the log holds the credential")
	}
	h.ResetRequests()
	if len(h.Requests())+len(h.Log()) != 0 {
		t.Error("reset left something")
	}
}

func TestRateLimitAndLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(o *Options) {
			o.RateLimit, o.Latency = RateLimit{PerSecond: 2, Burst: 3}, 20*time.Millisecond
		})
		begin := time.Now()
		for range 3 {
			h.want(h.do("GET", "/Users", ""), 200, "")
		}
		if took := time.Since(begin); took != 60*time.Millisecond {
			t.Errorf("three requests took %v", took)
		}
		r := h.do("GET", "/Users", "")
		h.want(r, 429, "")
		if r.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
		}
		time.Sleep(time.Second)
		h.want(h.do("GET", "/Users", ""), 200, "")
		h.want(h.do("GET", "/Users", ""), 200, "")
		h.want(h.do("GET", "/Users", ""), 429, "")
	})
}
