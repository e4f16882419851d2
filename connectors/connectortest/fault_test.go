package connectortest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// answer serves "0123456789" behind the faults. It returns the address, a client
// and a count of the calls that came through.
func answer(t *testing.T, faults *Faults) (string, *http.Client, func() int) {
	t.Helper()
	count := make(chan int, 1)
	count <- 0
	server := httptest.NewServer(faults.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		count <- <-count + 1
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "0123456789")
	})))
	t.Cleanup(server.Close)
	return server.URL, server.Client(), func() int { n := <-count; count <- n; return n }
}

func post(t *testing.T, client *http.Client, url string) (*http.Response, string, error) {
	t.Helper()
	response, err := client.Post(url, "text/plain", strings.NewReader("body"))
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

func TestEffects(t *testing.T) {
	t.Parallel()
	did := make(chan struct{}, 1)
	tests := map[string]struct {
		effect Effect
		status int    // 0: no answer
		body   string // as far as it came
		broken bool   // the body ends in an error
		header [2]string
		calls  int
	}{
		"none":         {nil, 200, "0123456789", false, [2]string{}, 1},
		"status":       {Status(418, http.Header{"X-Vendor": {"a"}}, "tea"), 418, "tea", false, [2]string{"X-Vendor", "a"}, 0},
		"throttle":     {Throttle(1500 * time.Millisecond), 429, `{"status":"429","detail":"too many requests"}`, false, [2]string{"Retry-After", "2"}, 0},
		"bare 429":     {Throttle(0), 429, `{"status":"429","detail":"too many requests"}`, false, [2]string{"Retry-After", ""}, 0},
		"html":         {HTML(), 200, "<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>", false, [2]string{"Content-Type", "text/html; charset=utf-8"}, 0},
		"reset":        {Reset(), 0, "", false, [2]string{}, 0},
		"lose answer":  {LoseAnswer(), 0, "", false, [2]string{}, 1},
		"truncate":     {Truncate(), 200, "01234", true, [2]string{"Content-Length", "10"}, 1},
		"cut":          {Cut(), 200, "01234", false, [2]string{}, 1},
		"content type": {ContentType("application/json"), 200, "0123456789", false, [2]string{"Content-Type", "application/json"}, 1},
		"delay":        {Delay(time.Millisecond), 200, "0123456789", false, [2]string{}, 1},
		"do":           {Do(func() { did <- struct{}{} }), 200, "0123456789", false, [2]string{}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := &Faults{}
			faults.Add(Fault{ID: name, Effect: test.effect, MinFires: 1})
			base, client, calls := answer(t, faults)
			response, body, err := post(t, client, base)
			if test.status == 0 {
				if response != nil || err == nil {
					t.Fatalf("answered %v", response)
				}
			} else {
				if response == nil {
					t.Fatal(err)
				}
				if response.StatusCode != test.status || body != test.body || (err != nil) != test.broken {
					t.Errorf("answered %d %q, %v; want %d %q", response.StatusCode, body, err, test.status, test.body)
				}
				if name := test.header[0]; name != "" && response.Header.Get(name) != test.header[1] {
					t.Errorf("%s is %q, want %q", name, response.Header.Get(name), test.header[1])
				}
			}
			if n := calls(); n != test.calls {
				t.Errorf("the server was called %d times, want %d", n, test.calls)
			}
			faults.AssertFired(t)
		})
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	t.Parallel()
	faults := &Faults{}
	faults.Add(Fault{ID: "hang", Effect: Hang(), MinFires: 1})
	base, client, _ := answer(t, faults)
	client.Timeout = 50 * time.Millisecond
	started := time.Now()
	_, _, err := post(t, client, base)
	if timeout := (interface{ Timeout() bool })(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a hanging answer ended with %v", err)
	}
	if took := time.Since(started); took >= hangBound {
		t.Errorf("the client waited %s", took)
	}
	faults.AssertFired(t)
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	faults := &Faults{}
	onA := func(r *http.Request) bool { return r.URL.Path == "/a" }
	faults.Add(Fault{ID: "watch", Match: onA})
	faults.Add(Fault{ID: "second and third", Match: onA, Skip: 1, Times: 2, MinFires: 2, Effect: Status(500, nil, "")})
	faults.Add(Fault{ID: "then", Match: onA, Skip: 1, Effect: Status(501, nil, "")})
	faults.Add(Fault{ID: "never", Match: func(r *http.Request) bool { return r.URL.Path == "/c" }, MinFires: 1, Effect: Reset()})
	base, client, _ := answer(t, faults)
	for i, want := range []struct {
		path   string
		status int
	}{{"/a", 200}, {"/b", 200}, {"/a", 500}, {"/a", 500}, {"/a", 501}, {"/a", 501}, {"/b", 200}} {
		response, _, err := post(t, client, base+want.path)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != want.status {
			t.Errorf("request %d on %s: %d, want %d", i+1, want.path, response.StatusCode, want.status)
		}
	}
	if n := faults.Fired("watch"); n != 5 {
		t.Errorf("watch fired %d times, want 5", n)
	}
	r := record(t, func(rt T) { faults.AssertFired(rt) })
	r.wantFailure(t, `fault "never" fired 0 times, must fire at least 1`)
	if len(r.failures) != 1 {
		t.Errorf("AssertFired failed %d times, want 1: %q", len(r.failures), r.failures)
	}
	if h := http.NewServeMux(); (*Faults)(nil).Wrap(h) != http.Handler(h) {
		t.Error("a nil schedule changes the handler")
	}
}
