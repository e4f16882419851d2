package faulttest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

func request(t *testing.T, path string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
}

func at(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == path }
}

// TestDue asks for the same things in turn and compares what happened.
func TestDue(t *testing.T) {
	t.Parallel()
	type fault = faulttest.Fault[string]
	for _, test := range []struct {
		name    string
		faults  []fault
		paths   []string
		want    []string // "" where nothing was due
		unfired []string
	}{
		{name: "none", paths: []string{"/a"}, want: []string{""}},
		{
			name:   "always, for all",
			faults: []fault{{ID: "x", Effect: "boom"}},
			paths:  []string{"/a", "/b"}, want: []string{"boom", "boom"},
		},
		{
			name:   "only what it matches",
			faults: []fault{{ID: "x", Match: at("/a"), Effect: "boom"}},
			paths:  []string{"/b", "/a", "/b"}, want: []string{"", "boom", ""},
		},
		{
			name:   "after some, a number of times",
			faults: []fault{{ID: "x", Match: at("/a"), Skip: 1, Times: 2, MinFires: 2, Effect: "boom"}},
			paths:  []string{"/a", "/b", "/a", "/a", "/a"}, want: []string{"", "", "boom", "boom", ""},
		},
		{
			name: "the first that is due, and its turn does not count for the next",
			faults: []fault{
				{ID: "first", Times: 1, Effect: "one"},
				{ID: "second", Skip: 1, Times: 1, Effect: "two"},
			},
			paths: []string{"/a", "/a", "/a", "/a"}, want: []string{"one", "", "two", ""},
		},
		{
			name:   "too seldom",
			faults: []fault{{ID: "x", Match: at("/never"), MinFires: 1, Effect: "boom"}, {ID: "y", MinFires: 2, Times: 1, Effect: "bang"}},
			paths:  []string{"/a"}, want: []string{"bang"},
			unfired: []string{"x: fired 0 of 1 times", "y: fired 1 of 2 times"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var s faulttest.Schedule[string]
			s.Inject(test.faults...)
			var got []string
			fired := 0
			for _, path := range test.paths {
				effect, due := s.Due(request(t, path))
				if due != (effect != "") {
					t.Errorf("%s: effect %q, due %v", path, effect, due)
				}
				if due {
					fired++
				}
				got = append(got, effect)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if unfired := s.Unfired(); !slices.Equal(unfired, test.unfired) {
				t.Errorf("unfired %q, want %q", unfired, test.unfired)
			}
			for _, f := range test.faults {
				fired -= s.Fired(f.ID)
			}
			if fired != 0 {
				t.Errorf("Fired is %d off", fired)
			}
			s.ClearFaults()
			if _, due := s.Due(request(t, "/a")); due || s.Unfired() != nil {
				t.Error("a cleared schedule is not empty")
			}
		})
	}
}

// TestWire reads what a client sees of a connection that breaks.
func TestWire(t *testing.T) {
	t.Parallel()
	const whole = `{"value":["one","two","three"]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hangup":
			faulttest.Hangup(w)
			return
		case "/truncate":
			w = faulttest.Truncate(w, 9)
		case "/beyond":
			w = faulttest.Truncate(w, 1000)
		}
		_, _ = io.WriteString(w, whole)
	}))
	t.Cleanup(server.Close)
	get := func(path string) (string, int64, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			return "", 0, err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return string(body), answer.ContentLength, err
	}
	if body, _, err := get("/"); body != whole || err != nil {
		t.Errorf("without a fault: %q, %v", body, err)
	}
	if _, _, err := get("/hangup"); !errors.Is(err, io.EOF) {
		t.Errorf("hangup: %v, want EOF", err)
	}
	body, length, err := get("/truncate")
	if body != whole[:9] || length != int64(len(whole)) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncate: %q of %d announced, %v", body, length, err)
	}
	if body, _, _ := get("/beyond"); body != whole {
		t.Errorf("more than there is: %q", body)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	r := request(t, "/")
	if !faulttest.Wait(r.Context(), 0) || !faulttest.Wait(r.Context(), time.Nanosecond) {
		t.Error("a wait that ends is told as one that did not")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		if faulttest.Wait(r.Context(), time.Hour) {
			t.Error("an hour has passed")
		}
	}))
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	server.Close() // waits for the handler
}
