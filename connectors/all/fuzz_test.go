package all_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/all"
)

// Whoever calls a hook, and with whatever body: a secret is only what the body
// says it is, an answer is only sent to what proves an address, is nothing a
// browser would run, and holds nothing but what was sent.
func FuzzHooks(f *testing.F) {
	for _, body := range []string{
		`{"value":[{"clientState":"s3cret","changeType":"updated"}]}`, `{"value":[{"clientState":"a"},{"clientState":"b"}]}`,
		`{"value":[{"lifecycleEvent":"reauthorizationRequired"}]}`, `{"value":[{"lifecycleEvent":"missed"},{}]}`, `{"value":null}`,
		`{"status":"Failed"}`, `{"status":"SUCCESS"}`, `{"status":7}`, `{"eventType":"com.okta.event_hook"}`, ``, `[]`, `{`,
	} {
		f.Add([]byte(body), "POST", "validation token", "")
		f.Add([]byte(body), "GET", "", "<script>alert(1)</script>")
	}
	hooks := all.Sources()
	f.Fuzz(func(t *testing.T, body []byte, method, token, challenge string) {
		if method != http.MethodGet && method != http.MethodPost {
			return
		}
		for name, source := range hooks {
			h := source.Hook
			if h.Secret != nil {
				secret, shown := h.Secret(body)
				if shown != (secret != "") || len(secret) > 6*len(body) {
					t.Fatalf("%s: %q holds the secret %q, %t", name, body, secret, shown)
				}
			}
			if h.Ignore != nil {
				if why := h.Ignore(body); len(why) > 200 || strings.ContainsAny(why, "\r\n") {
					t.Fatalf("%s: %q is ignored because %q", name, body, why)
				}
			}
			if h.Challenge == nil {
				continue
			}
			r := httptest.NewRequest(method, "/hooks/main?validationToken="+url.QueryEscape(token), bytes.NewReader(body))
			r.Header["X-Okta-Verification-Challenge"] = []string{challenge}
			w := httptest.NewRecorder()
			answered := h.Challenge(w, r, body)
			if answered != (w.Body.Len() > 0) {
				t.Fatalf("%s: a challenge %t was answered %q", name, answered, w.Body)
			}
			if !answered {
				continue
			}
			if token == "" && challenge == "" || w.Code != http.StatusOK || w.Body.Len() > 6*max(len(token), len(challenge))+50 {
				t.Fatalf("%s: %d %q", name, w.Code, w.Body)
			}
			kind := w.Header().Get("Content-Type")
			if !strings.HasPrefix(kind, "text/plain") && kind != "application/json" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Fatalf("%s: the answer is %s", name, kind)
			}
		}
	})
}
