package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// box is a sandbox that runs as a process of its own.
type box struct {
	*process
	dir, config, source, daemon string
	suggestions                 string // the command lines it suggests
}

// startSandbox starts `scimsync sandbox` in a folder of its own and waits until
// it has said everything.
func startSandbox(t *testing.T, args ...string) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{dir: dir, process: start(t, dir, nil, append([]string{"sandbox", "--dir", dir}, args...)...)}
	late := time.After(patience)
	for {
		text, changed := b.out.look()
		if strings.Contains(text, "Ctrl-C ends") {
			break
		}
		select {
		case <-changed:
		case <-b.ended:
			t.Fatalf("the sandbox ended\n%s", b.err)
		case <-late:
			t.Fatalf("the sandbox does not start\n%s", b.err)
		}
	}
	text := b.out.String()
	b.config = b.field(`(?m)^config: (.*)$`)
	b.source = b.field(`(?m)^source: +(\S+)`)
	b.daemon = b.field(`http://(127\.0\.0\.1:\d+)/hooks/`)
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") && !strings.Contains(line, "scimsync ") && !strings.Contains(line, "/hooks/") && !strings.Contains(line, "Authorization") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	b.suggestions = strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "http") }), "\n")
	return b
}

func (b *box) field(pattern string) string {
	b.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(b.out.String())
	if found == nil {
		b.t.Fatalf("the sandbox does not say %s\n%s", pattern, b.out)
	}
	return found[1]
}

// run runs a verb on the sandbox's configuration and demands an exit code.
func (b *box) run(want int, args ...string) string {
	b.t.Helper()
	r := start(b.t, b.dir, nil, append(args, "-c", b.config)...).end()
	if r.code != want {
		b.t.Fatalf("%s: exit %d, want %d\n%s", strings.Join(args, " "), r.code, want, r)
	}
	return r.out
}

// ask sends a request to the source's own pages and decodes the answer.
func (b *box) ask(method, path string, into any) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.source+path, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, body, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		b.t.Fatal(err)
	}
}

type churnState struct {
	Every   string
	Changes int
}

// TestSandboxSources takes each source from an empty application to one that has
// followed all the changes the sandbox suggests, and a number of its own, with
// the configuration that the sandbox wrote.
func TestSandboxSources(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"okta", "entra", "sailpoint"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			b := startSandbox(t, "--from", from, "--users", "40", "--groups", "6")
			for line := range strings.Lines(b.out.String()) {
				shown := strings.ReplaceAll(strings.TrimSuffix(line, "\n"), b.dir, "/tmp/scimsync-sandbox-1234567890")
				if n := utf8.RuneCountInString(shown); n > 80 {
					t.Errorf("%d columns: %s", n, shown)
				}
			}
			checked := b.run(0, "check")
			if !strings.Contains(checked, from) || !strings.Contains(checked, "valid, 1 sync") {
				t.Errorf("check says\n%s", checked)
			}
			b.run(exitChanges, "plan", "--exit-code")
			b.run(0, "sync")
			b.run(0, "plan", "--full", "--exit-code")

			b.follow()
			if after := b.run(exitChanges, "plan", "--full", "--exit-code"); !strings.Contains(after, "Renamed group") {
				t.Errorf("the group that was renamed is not planned\n%s", after)
			}
			b.run(0, "sync")
			b.run(0, "plan", "--full", "--exit-code")

			var churned churnState
			b.ask(http.MethodPut, "/sandbox/churn?every=10ms", &churned)
			for late := time.Now().Add(patience); churned.Changes < 40; {
				if b.ask(http.MethodGet, "/sandbox/churn", &churned); time.Now().After(late) {
					t.Fatal("the churn makes no changes")
				}
				runtime.Gosched()
			}
			b.ask(http.MethodPut, "/sandbox/churn?every=0", &churned)
			if said := strings.Count(b.err.String(), "churn "); said != churned.Changes {
				t.Errorf("%d changes were made and %d were said\n%s", churned.Changes, said, b.err)
			}
			b.run(exitChanges, "plan", "--full", "--exit-code")
			b.run(0, "sync", "--full")
			b.run(0, "plan", "--full", "--exit-code")

			b.signal(os.Interrupt)
			if r := b.end(); r.code != 0 {
				t.Errorf("the sandbox ended with %d\n%s", r.code, r)
			}
		})
	}
}

// follow runs the command lines that the sandbox suggests, or makes the same
// requests where there is no curl to run them with.
func (b *box) follow() {
	b.t.Helper()
	if strings.Count(b.suggestions, "curl ") < 5 {
		b.t.Fatalf("the sandbox suggests too little:\n%s", b.suggestions)
	}
	script := strings.Builder{}
	script.WriteString("set -eu\n")
	for line := range strings.Lines(b.suggestions) {
		if strings.Contains(line, "/churn") {
			continue // it would not stop
		}
		script.WriteString(strings.Replace(line, "curl ", "curl --fail --silent --show-error --max-time 20 --noproxy '*' ", 1))
	}
	if _, err := exec.LookPath("curl"); err != nil {
		b.t.Skip("the sandbox suggests curl commands, and there is no curl here to try them with")
	}
	out, err := exec.CommandContext(b.t.Context(), "sh", "-c", script.String()).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%v\n%s\n%s", err, script.String(), out)
	}
}

// TestChurn lets each source change a thousand times: nothing is refused, so that
// what the churn believes is what is there, and one seed gives one story.
func TestChurn(t *testing.T) {
	t.Parallel()
	sources := map[string]func(uint64) (*fakeSource, error){
		"okta":      func(seed uint64) (*fakeSource, error) { return fakeOkta(60, 6, 200, seed) },
		"entra":     func(seed uint64) (*fakeSource, error) { return fakeEntra(60, 6, 200, seed) },
		"sailpoint": func(seed uint64) (*fakeSource, error) { return fakeSailPoint(60, 6, 200, seed) },
		"nobody":    func(seed uint64) (*fakeSource, error) { return fakeOkta(1, 0, 0, seed) },
	}
	for name, open := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story := func(seed uint64) []string {
				s, err := open(seed)
				if err != nil {
					t.Fatal(err)
				}
				c := newChurn(s, seed)
				var said []string
				for range 1000 {
					said = append(said, c.step())
				}
				if len(c.people) < c.least || len(c.teams) < c.fewest {
					t.Errorf("%d people and %d groups are left of %d and %d", len(c.people), len(c.teams), c.least, c.fewest)
				}
				if got := countAt(t, s); got != [2]int{len(c.people), len(c.teams)} {
					t.Errorf("the source holds %v, the churn believes in %d people and %d groups", got, len(c.people), len(c.teams))
				}
				return said
			}
			first, again, other := story(1), story(1), story(2)
			if !slices.Equal(first, again) {
				t.Error("one seed tells two stories")
			}
			if slices.Equal(first, other) {
				t.Error("two seeds tell one story")
			}
			all := strings.Join(first, "\n")
			for _, sort := range []string{
				" arrives ", " is now ", " is now called ", " is disabled", " is enabled again", " is deleted",
				" joins ", " leaves ", " moves to ", " is the new name of ", " is a new group",
			} {
				if !strings.Contains(all, sort) {
					t.Errorf("nobody%s in a thousand changes", sort)
				}
			}
			for _, said := range first {
				if strings.Contains(said, "not found") || strings.Contains(said, "no such") || strings.Contains(said, "taken") {
					t.Error(said)
				}
			}
		})
	}
}

// countAt asks a source how many people and groups it holds.
func countAt(t *testing.T, s *fakeSource) [2]int {
	t.Helper()
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sandbox/", http.NoBody))
	var sum struct {
		Users        map[string]int
		Groups       int
		Accounts     int
		Entitlements int
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Users == nil { // SailPoint, with three accounts and two entitlements that are nobody's
		return [2]int{sum.Accounts - 3, sum.Entitlements - 2}
	}
	total := 0
	for status, n := range sum.Users {
		if status != "deleted" {
			total += n
		}
	}
	return [2]int{total, sum.Groups}
}

// TestChurnForgets changes the source behind the churn's back: it says what it
// could not do, and goes on without.
func TestChurnForgets(t *testing.T) {
	t.Parallel()
	s, err := fakeOkta(20, 3, 40, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.people[:10] {
		if err := s.removePerson(p.id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.removeGroup(s.teams[0].id); err != nil {
		t.Fatal(err)
	}
	c := newChurn(s, 1)
	stumbled := 0
	for range 600 {
		if strings.Contains(c.step(), oktatest.ErrNotFound.Error()) {
			stumbled++
		}
	}
	if stumbled == 0 || stumbled > 60 {
		t.Errorf("%d of 600 changes were about what is gone", stumbled)
	}
}

func TestRhythm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := fakeOkta(20, 3, 40, 1)
		if err != nil {
			t.Fatal(err)
		}
		var said screen
		said.changed = make(chan struct{})
		h := newRhythm(newChurn(s, 1), streams{err: &said})
		go h.run(t.Context())
		lines := func() int {
			synctest.Wait()
			return strings.Count(said.String(), "\n")
		}
		set := func(method, query string, status int) string {
			t.Helper()
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, "/sandbox/churn"+query, http.NoBody))
			if answer.Code != status {
				t.Errorf("%s %s: %d %s", method, query, answer.Code, answer.Body)
			}
			return strings.TrimSpace(answer.Body.String())
		}
		time.Sleep(time.Hour)
		if n := lines(); n != 0 {
			t.Errorf("%d changes before anybody asked for one", n)
		}
		set(http.MethodPut, "?every=2s", http.StatusOK)
		time.Sleep(time.Minute)
		if n := lines(); n != 30 {
			t.Errorf("%d changes in a minute at one in 2 s", n)
		}
		if got := set(http.MethodGet, "", http.StatusOK); got != `{"every":"2s","changes":30}` {
			t.Errorf("GET answers %s", got)
		}
		set(http.MethodPut, "?every=0", http.StatusOK)
		time.Sleep(time.Hour)
		if n := lines(); n != 30 {
			t.Errorf("%d changes after it was stopped", n-30)
		}
		for _, wrong := range []string{"", "?every=soon", "?every=-1s", "?every=1ms", "?every=48h"} {
			set(http.MethodPut, wrong, http.StatusBadRequest)
		}
		set(http.MethodPost, "?every=1s", http.StatusMethodNotAllowed)
	})
}

// TestNotifications is a sender that forgets, forges, delays and repeats.
func TestNotifications(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := &notifications{secret: "a secret of the sandbox", now: func() time.Time { return now }}
	handler := own(n)
	send := func(change func(*http.Request), body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/sandbox/notifications", strings.NewReader(body))
		stamp := strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, []byte("a secret of the sandbox"))
		fmt.Fprintf(mac, "%s.%s", stamp, body)
		r.Header.Set(notify.HeaderDelivery, "one")
		r.Header.Set(notify.HeaderTimestamp, stamp)
		r.Header.Set(notify.HeaderSignature, "v1="+hex.EncodeToString(mac.Sum(nil)))
		if change != nil {
			change(r)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		return answer.Code
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		body   string
		want   int
	}{
		{"as it should be", nil, `{"title":"Group created"}`, http.StatusNoContent},
		{"once more", nil, `{"title":"Group created"}`, http.StatusNoContent},
		{"unsigned", header(notify.HeaderSignature, ""), `{}`, http.StatusUnauthorized},
		{"signed by another", header(notify.HeaderSignature, "v1="+strings.Repeat("00", 32)), `{}`, http.StatusUnauthorized},
		{"without a time", header(notify.HeaderTimestamp, ""), `{}`, http.StatusUnauthorized},
		{"of another time", header(notify.HeaderTimestamp, "1000000000"), `{}`, http.StatusUnauthorized},
		{"no JSON", nil, `{`, http.StatusBadRequest},
		{"too long", nil, `"` + strings.Repeat("x", largestNotification) + `"`, http.StatusRequestEntityTooLarge},
		{"of a web page", header("Origin", "https://attacker.example.com"), `{}`, http.StatusForbidden},
		{"by another name", func(r *http.Request) { r.Host = "attacker.example.com" }, `{}`, http.StatusForbidden},
		{"a second one", header(notify.HeaderDelivery, "two"), `{"title":"Failed"}`, http.StatusNoContent},
	} {
		if got := send(test.change, test.body); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	shown := httptest.NewRecorder()
	handler.ServeHTTP(shown, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8080/sandbox/notifications", http.NoBody))
	var have struct {
		Notifications []struct {
			Delivery string
			Message  struct{ Title string }
		}
		Repeated int
	}
	if err := json.Unmarshal(shown.Body.Bytes(), &have); err != nil {
		t.Fatal(err)
	}
	if len(have.Notifications) != 2 || have.Repeated != 1 || have.Notifications[1].Message.Title != "Failed" {
		t.Errorf("shown: %s", shown.Body)
	}
}
