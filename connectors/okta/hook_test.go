package okta_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/okta"
)

func TestHookChallenge(t *testing.T) {
	t.Parallel()
	hook := okta.Type().Hook
	if hook.Secret != nil || hook.Ignore != nil {
		t.Error("Okta sends a header, and nothing that could be ignored")
	}
	for _, test := range []struct {
		name, method, value string
		want                bool
	}{
		{"challenge", "GET", "Me_rShK8JHsTnbyYrWXCEoMGbM", true},
		{"markup", "GET", `"><script>alert(1)</script>`, true},
		{"not UTF-8", "GET", "\xff\xfe", true},
		{"at the bound", "GET", strings.Repeat("x", 1024), true},
		{"beyond it", "GET", strings.Repeat("x", 1025), false},
		{"none", "GET", "", false},
		{"an event", "POST", "Me_rShK8JHsTnbyYrWXCEoMGbM", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), test.method, "/hooks/main", http.NoBody)
		if test.value != "" {
			r.Header["X-Okta-Verification-Challenge"] = []string{test.value}
		}
		w := httptest.NewRecorder()
		if got := hook.Challenge(w, r, nil); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if !test.want {
			if w.Body.Len() > 0 || len(w.Header()) > 0 {
				t.Errorf("%s: something was answered: %s", test.name, w.Body)
			}
			continue
		}
		var answer map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s: %v", test.name, w.Code, w.Body, err)
		}
		if want := strings.ToValidUTF8(test.value, "\uFFFD"); len(answer) != 1 || answer["verification"] != want && test.name != "not UTF-8" {
			t.Errorf("%s: %q", test.name, answer)
		}
		if strings.ContainsAny(w.Body.String(), "<>") {
			t.Errorf("%s: markup in the answer: %s", test.name, w.Body)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", test.name, h)
		}
	}
}
