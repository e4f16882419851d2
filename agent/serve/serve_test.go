package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp, body := r.ask("GET", path, ""); resp.StatusCode != 200 || body != "{\"status\":\"ok\"}\n" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		if resp, _ := r.ask("POST", path, ""); resp.StatusCode != 405 {
			t.Errorf("POST %s: %d", path, resp.StatusCode)
		}
	}
	r.set(func() { r.healthErr, r.unready = errors.New("disk /secret/path is gone"), "the daemon is stopping" })
	resp, body := r.ask("GET", "/healthz", "")
	if resp.StatusCode != 503 || strings.Contains(body, "/secret") || !strings.Contains(r.log.String(), "/secret/path") {
		t.Errorf("/healthz: %d %s\n%s", resp.StatusCode, body, r.log)
	}
	if resp, body := r.ask("GET", "/readyz", ""); resp.StatusCode != 503 || !strings.Contains(body, "the daemon is stopping") {
		t.Errorf("/readyz: %d %s", resp.StatusCode, body)
	}
	if resp, _ := r.ask("GET", "/", ""); resp.StatusCode != 404 {
		t.Errorf("/: %d", resp.StatusCode)
	}
}

func TestHookAuthentication(t *testing.T) {
	t.Parallel()
	inBody := connectors.Hook{Secret: func(body []byte) (string, bool) {
		secret, ok := strings.CutPrefix(string(body), "secret=")
		return secret, ok
	}}
	large := strings.Repeat("x", bodySize+1)
	for _, test := range []struct {
		name, method, path, body, auth string
		hook                           connectors.Hook
		want                           int
		triggers                       bool
	}{
		{name: "right token", auth: "Bearer " + goodToken, want: 202, triggers: true},
		{name: "scheme in another case", auth: "bearer " + goodToken, want: 202, triggers: true},
		{name: "right token, any body", auth: "Bearer " + goodToken, body: "{]", want: 202, triggers: true},
		{name: "no token", want: 401},
		{name: "wrong token", auth: "Bearer wrong", want: 401},
		{name: "part of the token", auth: "Bearer " + goodToken[:10], want: 401},
		{name: "empty token", auth: "Bearer ", want: 401},
		{name: "another scheme", auth: "Basic " + goodToken, want: 401},
		{name: "the token alone", auth: goodToken, want: 401},
		{name: "the token in the address", path: "/hooks/main?token=" + goodToken, want: 401},
		{name: "unknown sync, right token", path: "/hooks/other", auth: "Bearer " + goodToken, want: 404},
		{name: "unknown sync, no token", path: "/hooks/other", want: 401},
		{name: "unknown sync, wrong token", path: "/hooks/other", auth: "Bearer wrong", want: 401},
		{name: "GET", method: "GET", auth: "Bearer " + goodToken, want: 405},
		{name: "PUT without a token", method: "PUT", want: 405},
		{name: "large body", auth: "Bearer " + goodToken, body: large, want: 413},
		{name: "large body of nobody", body: large, want: 401},
		{name: "large body of nobody, read for a secret", hook: inBody, body: large, want: 413},
		{name: "secret in the body", hook: inBody, body: "secret=" + goodToken, want: 202, triggers: true},
		{name: "wrong secret in the body", hook: inBody, body: "secret=wrong", want: 401},
		{name: "no secret in the body", hook: inBody, body: "x", want: 401},
		{name: "wrong header, right secret in the body", hook: inBody, auth: "Bearer wrong", body: "secret=" + goodToken, want: 401},
		{name: "secret in the body where the vendor sends a header", body: "secret=" + goodToken, want: 401},
		{name: "deeper path", path: "/hooks/main/x", auth: "Bearer " + goodToken, want: 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.SetHooks(r.hooks(test.hook))
			method, path := test.method, test.path
			if method == "" {
				method = "POST"
			}
			if path == "" {
				path = "/hooks/main"
			}
			var headers []string
			if test.auth != "" {
				headers = []string{"Authorization", test.auth}
			}
			resp, body := r.ask(method, path, test.body, headers...)
			if resp.StatusCode != test.want {
				t.Fatalf("%d, want %d: %s", resp.StatusCode, test.want, body)
			}
			if got := len(r.triggered()) == 1; got != test.triggers {
				t.Errorf("triggered %v, want %v", r.triggered(), test.triggers)
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); (test.want == 401) != strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
			if test.want == 405 && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
			if strings.Contains(body+r.log.String(), goodToken) {
				t.Errorf("the token shows: %s\n%s", body, r.log)
			}
		})
	}
}

func TestHookAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bearer := []string{"Authorization", "Bearer " + goodToken}
	_, body := r.ask("POST", "/hooks/main", "", bearer...)
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || got["sync"] != "main" || got["queued"] != true {
		t.Errorf("%s: %v", body, err)
	}

	r.set(func() { r.refuse = &RefusedError{Why: "keeps failing", After: 90 * time.Second} })
	resp, body := r.ask("POST", "/hooks/main", "", bearer...)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "90" || !strings.Contains(body, "keeps failing") {
		t.Errorf("refused: %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), body)
	}
	r.set(func() { r.refuse = fmt.Errorf("job main: %w", ErrUnknown) })
	if resp, _ := r.ask("POST", "/hooks/main", "", bearer...); resp.StatusCode != 404 {
		t.Errorf("removed meanwhile: %d", resp.StatusCode)
	}
	r.set(func() { r.refuse = errors.New("disk /secret/path") })
	if resp, body := r.ask("POST", "/hooks/main", "", bearer...); resp.StatusCode != 503 || strings.Contains(body, "/secret") {
		t.Errorf("failure: %d %s", resp.StatusCode, body)
	}
	r.set(func() { r.refuse = nil })

	r.SetHooks(r.hooks(connectors.Hook{Ignore: func(body []byte) string {
		if string(body) == "failed" {
			return "it failed"
		}
		return ""
	}}))
	before := len(r.triggered())
	resp, body = r.ask("POST", "/hooks/main", "failed", bearer...)
	if resp.StatusCode != 200 || !strings.Contains(body, `"queued":false`) || !strings.Contains(body, "it failed") || len(r.triggered()) != before {
		t.Errorf("ignored: %d %s", resp.StatusCode, body)
	}
	if resp, _ := r.ask("POST", "/hooks/main", "failed", "Authorization", "Bearer wrong"); resp.StatusCode != 401 {
		t.Errorf("ignored without a token: %d", resp.StatusCode)
	}
	if resp, _ := r.ask("POST", "/hooks/main", "fine", bearer...); resp.StatusCode != 202 {
		t.Errorf("not ignored: %d", resp.StatusCode)
	}

	r.SetHooks(nil)
	if resp, _ := r.ask("POST", "/hooks/main", "", bearer...); resp.StatusCode != 404 {
		t.Errorf("no hooks: %d", resp.StatusCode)
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.SetHooks(r.hooks(connectors.Hook{Challenge: func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		if req.Header.Get("X-Challenge") == "" {
			return false
		}
		_, _ = fmt.Fprintf(w, "%s %s", req.Header.Get("X-Challenge"), body)
		return true
	}}))
	for _, headers := range [][]string{
		{"X-Challenge", "yes"},
		{"X-Challenge", "yes", "Authorization", "Bearer " + goodToken},
	} {
		for _, method := range []string{"GET", "POST"} {
			if resp, body := r.ask(method, "/hooks/main", "b", headers...); resp.StatusCode != 200 || body != "yes b" {
				t.Errorf("%s %q: %d %q", method, headers, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := r.ask("GET", "/hooks/other", "", "X-Challenge", "yes"); resp.StatusCode != 405 {
		t.Errorf("a challenge for a sync there is not: %d", resp.StatusCode)
	}
	if resp, _ := r.ask("POST", "/hooks/main", ""); resp.StatusCode != 401 {
		t.Errorf("no challenge: %d", resp.StatusCode)
	}
	if n := len(r.triggered()); n != 0 {
		t.Errorf("%d runs for challenges", n)
	}
}

func TestTokenIsReadAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	status := func(token string) int {
		resp, _ := r.ask("POST", "/hooks/main", "", "Authorization", "Bearer "+token)
		return resp.StatusCode
	}
	if got := status(goodToken); got != 202 {
		t.Fatal(got)
	}
	r.keep("another-token-0123456789")
	r.set(func() { r.now = r.now.Add(tokenAge) })
	if got := status("another-token-0123456789"); got != 202 {
		t.Errorf("the new token: %d", got)
	}
	if got := status(goodToken); got != 401 {
		t.Errorf("the old token: %d", got)
	}
	if err := os.Remove(r.tokens); err != nil {
		t.Fatal(err)
	}
	r.set(func() { r.now = r.now.Add(tokenAge) })
	if got := status("another-token-0123456789"); got != 503 {
		t.Errorf("no token at its place: %d", got)
	}
	r.keep("another-token-0123456789")
	if got := status("another-token-0123456789"); got != 503 {
		t.Errorf("a failure is not kept for a while: %d", got)
	}
	r.keep("") // an empty token must let nobody in
	r.set(func() { r.now = r.now.Add(tokenAge) })
	if resp, _ := r.ask("POST", "/hooks/main", "", "Authorization", "Bearer "); resp.StatusCode != 503 {
		t.Errorf("empty token: %d", resp.StatusCode)
	}
}

func TestGuessing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	status := func(token string) int {
		resp, _ := r.ask("POST", "/hooks/main", "", "Authorization", "Bearer "+token)
		return resp.StatusCode
	}
	for range failureBurst {
		if got := status("wrong"); got != 401 {
			t.Fatal(got)
		}
	}
	for range 40 {
		if got := status("wrong"); got != 429 {
			t.Fatalf("after %d wrong tokens: %d", failureBurst, got)
		}
	}
	// Behind a proxy, who guesses and who knows have one address.
	if got := status(goodToken); got != 202 {
		t.Errorf("the right token after wrong ones: %d", got)
	}
	r.set(func() { r.now = r.now.Add(failureEvery) })
	if got := status("wrong"); got != 401 {
		t.Errorf("a while later: %d", got)
	}
	if n := strings.Count(r.log.String(), "wrong token"); n != failureBurst+1 {
		t.Errorf("%d lines in the log", n)
	}
}

func TestGuessersAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	d := newDoorman(func() time.Time { return now })
	for i := range 3 * mostCallers {
		d.failed(fmt.Sprint("192.0.2.", i))
	}
	if n := len(d.wrong); n > mostCallers {
		t.Errorf("%d callers are remembered", n)
	}
}

func TestCallerOf(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1234":              "192.0.2.1",
		"[::ffff:192.0.2.1]:1234":     "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1234": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":            "fe80::/64",
		"something else":              "something else",
		"[2001:db8:1:2:ffff::1]:443":  "2001:db8:1:2::/64",
		"name.example.com:80":         "name.example.com",
		"[2001:db8:1:3:ffff::1]:443":  "2001:db8:1:3::/64",
	} {
		if got := callerOf(remote); got != want {
			t.Errorf("callerOf(%q) = %q, want %q", remote, got, want)
		}
	}
}

// TestBodiesOfStrangers demands that strangers who never end their bodies are
// bounded, and keep nobody out who shows the token.
func TestBodiesOfStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.SetHooks(r.hooks(connectors.Hook{Secret: func([]byte) (string, bool) { return "", false }}))
	for range unknownCallers {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /hooks/main HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx"); err != nil {
			t.Fatal(err)
		}
	}
	// The server takes the connections in its own time.
	for late := time.Now().Add(10 * time.Second); ; {
		resp, _ := r.ask("POST", "/hooks/main", "")
		if resp.StatusCode == 503 {
			if resp.Header.Get("Retry-After") == "" {
				t.Error("nothing says when to come again")
			}
			break
		}
		if time.Now().After(late) {
			t.Fatalf("one stranger more: %d", resp.StatusCode)
		}
	}
	if resp, _ := r.ask("POST", "/hooks/main", "", "Authorization", "Bearer "+goodToken); resp.StatusCode != 202 {
		t.Errorf("somebody with the token: %d", resp.StatusCode)
	}
}

func TestListenOnATakenAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := Listen(t.Context(), Options{Addr: r.Addr(), Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics("x")})
	if err == nil || !strings.Contains(err.Error(), "server.addr "+r.Addr()) {
		t.Errorf("%v", err)
	}
}
