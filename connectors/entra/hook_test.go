package entra_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra"
)

func TestHookValidation(t *testing.T) {
	t.Parallel()
	hook := entra.Type().Hook
	for _, test := range []struct {
		name, method, token string
		want                bool
	}{
		{"validation", "POST", "Validation: Testing client application reachability + Request-Id: 1", true},
		{"markup", "POST", "<script>alert(1)</script>", true},
		{"at the bound", "POST", strings.Repeat("x", 4096), true},
		{"beyond it", "POST", strings.Repeat("x", 4097), false},
		{"none", "POST", "", false},
		{"GET", "GET", "token", false},
	} {
		target := "/hooks/main?validationToken=" + url.QueryEscape(test.token)
		r := httptest.NewRequestWithContext(t.Context(), test.method, target, http.NoBody)
		w := httptest.NewRecorder()
		if got := hook.Challenge(w, r, nil); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		want := ""
		if test.want {
			want = test.token
			if h := w.Header(); h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", test.name, h)
			}
		}
		if w.Body.String() != want || w.Code != 200 {
			t.Errorf("%s: %d %q", test.name, w.Code, w.Body)
		}
	}
}

func TestHookClientState(t *testing.T) {
	t.Parallel()
	hook := entra.Type().Hook
	for _, test := range []struct {
		name, body, secret string
		ok, ignored        bool
	}{
		{name: "one", body: `{"value":[{"clientState":"s","resource":"users/1","changeType":"updated"}]}`, secret: "s", ok: true},
		{name: "several", body: `{"value":[{"clientState":"s"},{"clientState":"s"}]}`, secret: "s", ok: true},
		{name: "one is forged", body: `{"value":[{"clientState":"s"},{"clientState":"t"}]}`},
		{name: "one has none", body: `{"value":[{"clientState":"s"},{}]}`},
		{name: "null", body: `{"value":[{"clientState":null}]}`},
		{name: "empty", body: `{"value":[]}`},
		{name: "no list", body: `{"clientState":"s"}`},
		{name: "nothing", body: ``},
		{name: "not JSON", body: `clientState=s`},
		{name: "a number", body: `{"value":[{"clientState":5}]}`},
		{name: "subscription ends", body: `{"value":[{"clientState":"s","lifecycleEvent":"reauthorizationRequired"}]}`, secret: "s", ok: true, ignored: true},
		{name: "missed some", body: `{"value":[{"clientState":"s","lifecycleEvent":"missed"}]}`, secret: "s", ok: true},
		{name: "both", body: `{"value":[{"clientState":"s","lifecycleEvent":"subscriptionRemoved"},{"clientState":"s"}]}`, secret: "s", ok: true},
	} {
		secret, ok := hook.Secret([]byte(test.body))
		if secret != test.secret || ok != test.ok {
			t.Errorf("%s: %q, %v; want %q, %v", test.name, secret, ok, test.secret, test.ok)
		}
		if why := hook.Ignore([]byte(test.body)); (why != "") != test.ignored {
			t.Errorf("%s: ignored: %q", test.name, why)
		}
	}
}
