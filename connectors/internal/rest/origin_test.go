package rest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scimsync/scimsync/connectors"
)

func TestNewClientRefusesAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://api.example.com/scim":           "plain http is for loopback only",
		"http://127.0.0.1.example.com/":         "plain http is for loopback only",
		"ftp://api.example.com":                 "https://",
		"https://":                              "names no host",
		"https://user:hunter2@api.example.com":  "user name or password",
		"https://api.example.com/v1?token=abcd": "query",
		"https://api.example.com/a/../b":        "..",
		"mailto:someone@example.com":            "https://",
	} {
		_, err := NewClient(Config{Base: parse(t, address)})
		wantText(t, err, want)
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "abcd")) {
			t.Errorf("%s: the error shows a credential: %v", address, err)
		}
	}
	if _, err := NewClient(Config{}); err == nil {
		t.Error("a client without an address")
	}
	for _, address := range []string{
		"http://127.0.0.1:8080/scim/", "http://127.8.9.1", "http://[::1]:99", "http://LOCALHOST:1", "https://api.example.com/scim/v2/",
	} {
		if _, err := NewClient(Config{Base: parse(t, address)}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestOriginCheck(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://api.example.com/scim/v2", "https://API.example.com:443/scim/v2/"} {
		own, err := newOrigin(parse(t, base))
		if err != nil {
			t.Fatal(err)
		}
		for address, ok := range map[string]bool{
			"https://api.example.com/scim/v2":                   true,
			"https://api.example.com/scim/v2/Users?startIndex=": true,
			"https://api.example.com:443/scim/v2/Users":         true,
			"HTTPS://API.EXAMPLE.COM/scim/v2/Users/a%2Fb":       true,
			"https://api.example.com/scim/v2/Users/..x":         true,
			"http://api.example.com/scim/v2/Users":              false,
			"https://api.example.com:8443/scim/v2/Users":        false,
			"https://api.example.com/scim/v22":                  false,
			"https://api.example.com/scim":                      false,
			"https://api.example.com/":                          false,
			"https://api.example.com.evil.example/scim/v2":      false,
			"https://api.example.com@evil.example/scim/v2":      false,
			"https://me@api.example.com/scim/v2/Users":          false,
			"https://api.example.com/scim/v2/../admin":          false,
			"https://api.example.com/scim/v2/%2e%2E/admin":      false,
			"https://api.example.com/scim/v2/..%2Fadmin":        false,
			`https://api.example.com/scim/v2/..%5Cadmin`:        false,
			"https:api.example.com/scim/v2":                     false,
		} {
			if err := own.check(parse(t, address)); (err == nil) != ok {
				t.Errorf("%s from %s: %v", address, base, err)
			}
		}
	}
	own, _ := newOrigin(parse(t, "https://api.example.com"))
	err := own.check(parse(t, "https://evil.example/x?canary"))
	wantText(t, err, "https://evil.example", "https://api.example.com:443")
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("query in %v", err)
	}
}

func TestJoinPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base     string
		segments []string
		want     string
	}{
		{"https://h.example/scim/v2", []string{"Users"}, "https://h.example/scim/v2/Users"},
		{"https://h.example/scim/v2/", []string{"Users", "7"}, "https://h.example/scim/v2/Users/7"},
		{"https://h.example", []string{"Users", "a/b c%2F?#;@:"}, "https://h.example/Users/a%2Fb%20c%252F%3F%23%3B@:"},
		{"https://h.example/a%2Fb/", []string{"x"}, "https://h.example/a%2Fb/x"},
		{"https://h.example/?q=1", []string{"Üser"}, "https://h.example/%C3%9Cser"},
		{"https://h.example/", []string{"Users", ".."}, "https://h.example/Users/%2E%2E"},
		{"https://h.example/", []string{"Users", ""}, "https://h.example/Users/%2E"},
		{"https://h.example/", []string{"Users", "..x"}, "https://h.example/Users/..x"},
	} {
		base := parse(t, c.base)
		if got := JoinPath(base, c.segments...).String(); got != c.want {
			t.Errorf("JoinPath(%s, %q) = %s, want %s", c.base, c.segments, got, c.want)
		}
		if base.String() != c.base {
			t.Errorf("the base has become %s", base)
		}
	}
}

func FuzzJoinPath(f *testing.F) {
	for _, id := range []string{"7", "a/b", "..", "", "%2e%2e", "x\x00y", "a?b#c", `..\..`, "\xff"} {
		f.Add(id)
	}
	base := &url.URL{Scheme: "https", Host: "h.example", Path: "/scim/v2"}
	own, err := newOrigin(base)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string) {
		u := JoinPath(base, "Users", id)
		again, err := url.Parse(u.String())
		if err != nil {
			t.Fatalf("%q makes %q: %v", id, u, err)
		}
		if own.check(again) != nil {
			return // refused: nothing is sent
		}
		// What is sent names this id in exactly one segment.
		last, ok := strings.CutPrefix(again.EscapedPath(), "/scim/v2/Users/")
		if got, err := url.PathUnescape(last); !ok || err != nil || got != id || strings.Contains(last, "/") || again.RawQuery != "" {
			t.Fatalf("%q is sent as %s", id, again)
		}
	})
}

func TestResolveLink(t *testing.T) {
	t.Parallel()
	const base = "https://acme.example.com/api/v1"
	for link, want := range map[string]string{
		"https://acme.example.com/api/v1/users?after=x%26y#f": "https://acme.example.com/api/v1/users?after=x%26y",
		"/api/v1/users?after=2":                               "https://acme.example.com/api/v1/users?after=2",
		"users?after=2":                                       "https://acme.example.com/api/v1/users?after=2",
		"//acme.example.com/api/v1/users":                     "https://acme.example.com/api/v1/users",
		"https://acme.example.com:443/api/v1/users":           "https://acme.example.com:443/api/v1/users",
		"https://evil.example/api/v1/users?after=canary":      "",
		"//evil.example/api/v1/users":                         "",
		"http://acme.example.com/api/v1/users":                "",
		"https://x:y@acme.example.com/api/v1/users":           "",
		"https://acme.example.com@evil.example/api/v1":        "",
		"@evil.example/x":                                     "https://acme.example.com/api/v1/@evil.example/x",
		"/admin":                                              "",
		"../../admin":                                         "",
		"javascript:alert(1)":                                 "",
		"https://acme.example.com/%zz?canary":                 "",
		`\\evil.example\api`:                                  `https://acme.example.com/api/v1/%5C%5Cevil.example%5Capi`,
	} {
		for _, slash := range []string{"", "/"} {
			got, err := ResolveLink(parse(t, base+slash), link)
			switch {
			case want == "" && err == nil:
				t.Errorf("%s is followed to %s", link, got)
			case want == "":
				wantClass(t, err, connectors.Rejected)
				if strings.Contains(err.Error(), "canary") {
					t.Errorf("%s: query in %v", link, err)
				}
			case err != nil:
				t.Errorf("%s: %v", link, err)
			case got.String() != want:
				t.Errorf("%s resolves to %s, want %s", link, got, want)
			}
		}
	}
}

// A thief is a second listener; whatever reaches it is a leak.
func TestCredentialStaysHome(t *testing.T) {
	t.Parallel()
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	t.Cleanup(thief.Close)
	away := strings.TrimPrefix(thief.URL, "http://")

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("canary-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen atomic.Int64
	var home string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer canary-token" {
			t.Errorf("%s without the credential", r.URL)
		}
		seen.Add(1)
		switch r.URL.Path {
		case "/scim/away":
			http.Redirect(w, r, thief.URL+"/scim/x", http.StatusTemporaryRedirect)
		case "/scim/userinfo":
			http.Redirect(w, r, "http://"+strings.TrimPrefix(home, "http://")+"@"+away+"/scim/x", http.StatusFound)
		case "/scim/outside":
			http.Redirect(w, r, "/admin", http.StatusFound)
		case "/scim/near":
			http.Redirect(w, r, "/scim/here?canary-query", http.StatusFound)
		case "/scim/loop":
			http.Redirect(w, r, "/scim/loop", http.StatusFound)
		case "/scim/nowhere":
			w.WriteHeader(http.StatusFound)
		case "/scim/here":
			_, _ = w.Write([]byte("ok"))
		default:
			t.Errorf("%s was asked for", r.URL)
		}
	}))
	t.Cleanup(server.Close)
	home = server.URL
	client := dial(t, Config{Base: parse(t, server.URL+"/scim"), Auth: Header("Bearer", connectors.Secret{File: file})})

	for _, c := range []struct{ method, address string }{
		{"GET", thief.URL + "/scim/x"},
		{"GET", "http://" + strings.TrimPrefix(home, "http://") + "@" + away + "/scim/x"},
		{"GET", home + "/scim/away"},
		{"GET", home + "/scim/userinfo"},
		{"GET", home + "/scim/outside"},
		{"GET", home + "/scim/loop"},
		{"GET", home + "/scim/nowhere"},
		{"GET", home + "/admin"},
		{"POST", home + "/scim/away"},
		{"POST", home + "/scim/near"},
		{"PATCH", home + "/scim/near"},
		{"PUT", home + "/scim/near"},
		{"DELETE", home + "/scim/near"},
	} {
		_, err := send(t, client, c.method, c.address, "")
		wantClass(t, err, connectors.Rejected)
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("%d requests reached another origin", n)
	}
	if body, err := send(t, client, "GET", home+"/scim/near", ""); err != nil || body != "ok" {
		t.Errorf("a redirect within the origin: %q, %v", body, err)
	}
	// loop: one and three redirects; the others one each; near and here.
	if n := seen.Load(); n != 4+4+5+2 {
		t.Errorf("%d requests at home", n)
	}
	r := request(t, t.Context(), "GET", home+"/scim/here", "")
	r.Host = "evil.example"
	_, err := Do(client, r)
	wantClass(t, err, connectors.Rejected)
}

func TestLongLink(t *testing.T) {
	t.Parallel()
	base := parse(t, "https://api.example.com/v1")
	_, err := ResolveLink(base, "/v1/users?after="+strings.Repeat("canary", maxLink/6))
	wantClass(t, err, connectors.Rejected)
	wantText(t, err, "longer than 32 KiB")
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}
