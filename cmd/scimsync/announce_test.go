package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

const hookSecret = "canary-hook-secret-42"

// listener is a receiver of webhooks.
type listener struct {
	mu    sync.Mutex
	heard []notify.Message
	wrong []string
}

func (l *listener) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%s.%s", r.Header.Get("Scimsync-Timestamp"), body)
	var m notify.Message
	switch want := "v1=" + hex.EncodeToString(mac.Sum(nil)); {
	case err != nil || json.Unmarshal(body, &m) != nil:
		l.wrong = append(l.wrong, "unreadable: "+string(body))
	case r.Header.Get("Scimsync-Signature") != want:
		l.wrong = append(l.wrong, "forged: "+r.Header.Get("Scimsync-Signature"))
	}
	l.heard = append(l.heard, m)
}

// all returns what was heard so far.
func (l *listener) all() []notify.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// town is a world whose sync tells a mail server and a webhook.
type town struct {
	*world
	post  *postbox
	hook  *listener
	mails int // read so far
	hooks int
	// keys of the configuration, written as in a file
	sync, target, notify string
}

func newTown(t *testing.T, sync string, settings ...setting) *town {
	t.Helper()
	w := &town{
		world: newWorld(t, append([]setting{withPeople(office())}, settings...)...),
		post:  newPostbox(t), hook: &listener{}, sync: sync, notify: "{to: [stewards, chat]}",
	}
	w.write("hook.secret", hookSecret)
	w.set()
	return w
}

// set writes the configuration.
func (w *town) set() {
	w.t.Helper()
	server := httptest.NewServer(w.hook)
	w.t.Cleanup(server.Close)
	w.configure(worldSettings{sync: w.sync + "notify: " + w.notify + "\n", target: w.target})
	w.add(fmt.Sprintf(`notifiers:
  stewards: {type: email, smtp: %q, tls: off, from: "Group sync <scimsync@example.com>", to: [stewards@example.com]}
  chat: {type: webhook, url: %q, secret: {file: hook.secret}}
`, w.post.addr, server.URL))
}

// add appends to the configuration.
func (w *world) add(yaml string) {
	w.t.Helper()
	have, err := os.ReadFile(w.config)
	w.must(err)
	w.write("scimsync.yaml", string(have)+yaml)
}

// told demands that both heard these titles since the last time, and returns the
// mails.
func (w *town) told(what string, titles ...string) []postcard {
	w.t.Helper()
	fresh := w.post.mails(w.t)[w.mails:]
	w.mails += len(fresh)
	var subjects []string
	for _, m := range fresh {
		subjects = append(subjects, strings.TrimPrefix(m.subject, "scimsync main: "))
	}
	if diff := cmp.Diff(titles, subjects); diff != "" {
		w.t.Errorf("%s: mails (-want +got):\n%s", what, diff)
	}
	w.hook.mu.Lock()
	defer w.hook.mu.Unlock()
	var heard []string
	for _, m := range w.hook.heard[w.hooks:] {
		heard = append(heard, strings.TrimPrefix(m.Title, "scimsync main: "))
	}
	w.hooks = len(w.hook.heard)
	if diff := cmp.Diff(titles, heard); diff != "" {
		w.t.Errorf("%s: webhooks (-want +got):\n%s", what, diff)
	}
	if len(w.hook.wrong) > 0 {
		w.t.Errorf("%s: %q", what, w.hook.wrong)
	}
	return fresh
}

const groupsAlone = "users: off\ngroups: {scope: type == \"OKTA_GROUP\", members: off, matching: {existing: notify}, leavers: keep}\n"

// What exists is left alone and told once, what is made is told once, and what is
// left alone is made when it goes.
func TestAnnounceGroups(t *testing.T) {
	t.Parallel()
	w := newTown(t, groupsAlone)
	id, err := w.application.Put(identity.Group, map[string]any{"displayName": "blue"})
	w.must(err)
	before, _ := w.application.Find(identity.Group, id)

	if r := w.command("plan"); r.code != exitDone {
		t.Fatal(r)
	}
	w.told("plan tells nobody")
	r := w.command("sync", "-o", "json")
	var doc struct {
		Syncs []struct {
			Skipped []struct {
				Name, Policy string
				TargetID     string `json:"target_id"`
				Undecided    bool
			}
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != exitDone {
		t.Fatalf("%v\n%s", err, r)
	}
	if s := doc.Syncs[0].Skipped; len(s) != 1 || s[0].Name != "Blue" || s[0].Policy != "notify" || s[0].TargetID != id || s[0].Undecided {
		t.Errorf("skipped %+v", s)
	}
	mails := w.told("first run", "1 group exists already, 2 groups created")
	for _, part := range []string{"group Blue [00gblue]: exists at the target as " + id + " (same displayName)\n", "- group Red [00gred]", "- group Nobody [00gnone]"} {
		if !strings.Contains(mails[0].body, part) {
			t.Errorf("the mail lacks %q:\n%s", part, mails[0].body)
		}
	}
	if strings.Contains(mails[0].body, "existing is") {
		t.Errorf("the mail tells of our own policy:\n%s", mails[0].body)
	}
	for range 3 {
		if got := w.world.sync(exitDone); len(got.Changes) > 0 {
			t.Errorf("changes %v", listed(got.Changes))
		}
	}
	w.told("three more runs")
	after, _ := w.application.Find(identity.Group, id)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the group of others changed:\n%s", diff)
	}

	// Leaving the source changes nothing of what was never ours.
	w.must(w.application.Delete(identity.Group, id))
	if got := w.world.sync(exitDone); !slices.Equal(listed(got.Changes), []string{"create group Blue"}) {
		t.Errorf("after it is gone: %v", listed(got.Changes))
	}
	w.told("it is gone", "1 group created: Blue")
	w.settled()
}

// Selected objects are told of too, and close nothing.
func TestAnnounceOnly(t *testing.T) {
	t.Parallel()
	w := newTown(t, groupsAlone)
	w.world.sync(exitDone, "--only", "group:Red")
	w.told("one group", "1 group created: Red")
	if r := w.command("sync", "--only", "group:Nowhere"); r.code == exitDone {
		t.Fatal(r)
	}
	w.told("a mistyped name is the person's")
}

// A saved plan is told of when it is applied.
func TestAnnounceApply(t *testing.T) {
	t.Parallel()
	w := newTown(t, groupsAlone)
	file := filepath.Join(w.dir, "plan.json")
	if r := w.command("plan", "--out", file); r.code != exitDone {
		t.Fatal(r)
	}
	w.told("planned")
	if r := w.command("apply", file); r.code != exitDone {
		t.Fatal(r)
	}
	w.told("applied", "3 groups created")
}

// Names from a directory never reach a header, whatever they hold, and can be
// recognised in the text.
func TestAnnounceOddNames(t *testing.T) {
	t.Parallel()
	odd := map[string]string{ // name: how the mail shows it
		"Ops\r\nBcc: eve@example.com":             "Ops  Bcc: eve@example.com",
		`O'Brien "The Team" <eve@example.com>`:    `O'Brien "The Team" <eve@example.com>`,
		"🚀 Räkete 👩‍👩‍👧":                          "🚀 Räkete 👩‍👩‍👧",
		"مالية وحسابات":                           "مالية وحسابات",
		"abc\u202egpj.exe":                        "gpj.exe",
		strings.Repeat("ü", 300):                  strings.Repeat("ü", 200),
		"=?utf-8?q?Subject:_x?=":                  "=?utf-8?q?Subject:_x?=",
		"..":                                      "group ..",
		"Last\r\n.\r\nQUIT":                       "Last",
		"{{.Sync}} %s \\n &amp;":                  "{{.Sync}} %s \\n &amp;",
		"X\r\n\r\n<b>body</b>\u0000\u001b[31mred": "<b>body</b>",
	}
	for _, batch := range []string{"run", "object"} {
		t.Run(batch, func(t *testing.T) {
			t.Parallel()
			var people oktatest.World
			names := make([]string, 0, len(odd))
			for name := range odd {
				names = append(names, name)
			}
			slices.Sort(names)
			for i, name := range names {
				people.Groups = append(people.Groups, oktatest.Team(fmt.Sprintf("00g%02d", i), name))
			}
			w := newTown(t, groupsAlone, withPeople(people))
			w.notify = "{to: [stewards], batch: " + batch + "}"
			w.set()
			if r := w.command("sync"); r.code != exitDone && r.code != exitPartial {
				t.Fatal(r)
			}
			mails := w.post.mails(t)
			if want := map[string]int{"run": 1, "object": len(odd)}[batch]; len(mails) != want {
				t.Errorf("%d mails, want %d", len(mails), want)
			}
			var text strings.Builder
			for _, m := range mails {
				text.WriteString(m.body)
				for key, want := range map[string][]string{
					"To": {"<stewards@example.com>"}, "From": {`"Group sync" <scimsync@example.com>`}, "Bcc": nil, "Cc": nil,
				} {
					if got := m.header[key]; !slices.Equal(got, want) {
						t.Errorf("%s is %q, want %q", key, got, want)
					}
				}
				if n := len(m.header["Subject"]); n != 1 || strings.ContainsAny(m.subject, "\r\n") || !strings.HasPrefix(m.subject, "scimsync main: ") {
					t.Errorf("%d subjects: %q", n, m.subject)
				}
			}
			for name, shown := range odd {
				if !strings.Contains(text.String(), shown) {
					t.Errorf("%q is not shown as %q in:\n%s", name, shown, text.String())
				}
			}
			before := len(mails)
			for range 2 {
				w.command("sync")
			}
			if n := len(w.post.mails(t)) - before; n > 0 {
				t.Errorf("%d mails tell it again", n)
			}
		})
	}
}

// An object that fails is told once, and told again when it works.
func TestAnnounceFailureAndRecovery(t *testing.T) {
	t.Parallel()
	w := newTown(t, "users: {}\ngroups: off\n")
	var refusing atomic.Bool
	refusing.Store(true)
	w.behind(func(answer http.ResponseWriter, r *http.Request) {
		if !refusing.Load() || r.Method != http.MethodPost {
			w.application.ServeHTTP(answer, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && strings.Contains(string(body), "bob@example.com") {
			answer.Header().Set("Content-Type", "application/scim+json")
			answer.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(answer, `{"detail":"no seat left, see request %d","status":"400"}`, time.Now().UnixNano())
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		w.application.ServeHTTP(answer, r)
	})
	w.set()
	for range 3 {
		w.world.sync(exitPartial)
	}
	mails := w.told("fails", "1 failed: bob@example.com")
	if !strings.Contains(mails[0].body, "no seat left") || mails[0].header.Get("Auto-Submitted") == "" {
		t.Errorf("the mail says:\n%v\n%s", mails[0].header, mails[0].body)
	}
	refusing.Store(false)
	w.world.sync(exitDone)
	w.told("works", "1 recovered: bob@example.com")
	w.world.sync(exitDone)
	w.told("works on")
}

// A run that fails as a whole is told once, however often it fails, and when it
// is over. What is refused is never in a message.
func TestAnnounceRefusedCredential(t *testing.T) {
	t.Parallel()
	w := newTown(t, "users: {}\ngroups: off\n")
	w.write("scim.token", "canary-of-an-old-token")
	for range 3 {
		if r := w.command("sync"); r.code != exitUnauthorized {
			t.Fatal(r)
		}
	}
	mails := w.told("refused", mustTitle(w, "run failed: "))
	for _, secret := range []string{"canary", scimToken, oktatest.DefaultToken, hookSecret} {
		if strings.Contains(mails[0].body+mails[0].subject, secret) {
			t.Errorf("a secret is in the mail:\n%s", mails[0].body)
		}
	}
	// Replaced on disk, it is used; nothing needs to be restarted or told.
	w.write("scim.token", scimToken)
	w.world.sync(exitDone)
	w.told("renewed", "runs again")
	w.world.sync(exitDone)
	w.told("goes on")

	w.write("okta.token", "canary-of-another")
	if r := w.command("sync"); r.code != exitUnauthorized {
		t.Fatal(r)
	}
	w.told("the other side", mustTitle(w, "run failed: "))
}

// mustTitle returns the title of the last webhook, which must begin so.
func mustTitle(w *town, prefix string) string {
	w.t.Helper()
	title := ""
	if heard := w.hook.all(); len(heard) > w.hooks {
		title = strings.TrimPrefix(heard[len(heard)-1].Title, "scimsync main: ")
	}
	if !strings.HasPrefix(title, prefix) {
		w.t.Errorf("title %q, want one that begins with %q", title, prefix)
	}
	return title
}

// What a guard holds is told once, and told when it is over.
func TestAnnounceHeld(t *testing.T) {
	t.Parallel()
	w := newTown(t, "users: {}\ngroups: off\nguards: {users: {max: 0, share: 1%}, floor: 0}\n")
	w.world.sync(exitDone)
	w.must(w.org.SetStatus("00uada", oktatest.Suspended))
	for range 3 {
		w.world.sync(exitHeld)
	}
	w.told("held", "1 change held by a guard: ada@example.com")
	w.world.sync(exitDone, "--allow-removals", "1")
	w.told("let through", "nothing is held any more")
	w.world.sync(exitDone)
	w.told("nothing more")
}

// Events that nobody asked for are told to nobody.
func TestAnnounceChosenEvents(t *testing.T) {
	t.Parallel()
	w := newTown(t, groupsAlone)
	w.notify = "{to: [stewards, chat], events: [failed]}"
	w.set()
	w.world.sync(exitDone)
	w.told("groups were created")
}

// A notifier that cannot be reached costs a warning and a moment, and no more.
func TestAnnounceToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(groupsAlone+"notify: {to: [stewards, broken]}\n"))
	closed := httptest.NewServer(nil)
	address := strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	w.write("smtp.password", "canary-smtp-password")
	w.add(fmt.Sprintf(`notifiers:
  stewards: {type: email, smtp: %q, tls: off, username: me, password: {file: smtp.password}, from: a@example.com, to: [b@example.com]}
  broken: {type: webhook, url: "https://hooks.example.com/x", ca_file: absent.pem}
`, address))
	r := w.command("sync")
	if r.code != exitDone || len(w.application.Groups()) != 3 {
		t.Errorf("%d groups\n%s", len(w.application.Groups()), r)
	}
	for _, part := range []string{"notification not sent", "notifier stewards", "notifier broken"} {
		if !strings.Contains(r.err, part) {
			t.Errorf("the log lacks %q:\n%s", part, r.err)
		}
	}
	if strings.Contains(r.err+r.out, "canary") {
		t.Errorf("a secret is in the log:\n%s", r.err)
	}
}

// A group that was made while the mail server was down is told of by the next
// run, and to those who heard of it not again.
func TestAnnounceWhatIsOwed(t *testing.T) {
	t.Parallel()
	w := newTown(t, groupsAlone)
	w.world.sync(exitDone, "--only", "group:Red")
	w.told("one group", "1 group created: Red")
	good := w.post.addr
	closed := httptest.NewServer(nil)
	w.post.addr = strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	w.set()
	w.world.sync(exitDone)
	_, err := w.org.CreateGroup(oktatest.Team("00glate", "Late"))
	w.must(err)
	w.world.sync(exitDone)
	heard := len(w.hook.all())
	if heard != 3 || len(w.post.mails(t)) != 1 {
		t.Fatalf("%d webhooks and %d mails while no mail goes out", heard, len(w.post.mails(t)))
	}
	w.post.addr = good
	w.set()
	w.world.sync(exitDone)
	mails := w.post.mails(t)
	if len(mails) != 2 || !strings.Contains(mails[1].subject, "3 groups created") {
		t.Fatalf("%d mails, the last of them %q", len(mails), mails[len(mails)-1].subject)
	}
	for _, name := range []string{"group Blue", "group Nobody", "group Late"} {
		if !strings.Contains(mails[1].body, name) {
			t.Errorf("the mail lacks %q:\n%s", name, mails[1].body)
		}
	}
	w.mails, w.hooks = len(mails), heard
	for range 2 {
		w.world.sync(exitDone)
	}
	w.told("all is told")
}

// Groups that were made before anybody was to be told are no news.
func TestAnnounceFromNowOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(groupsAlone))
	w.sync(exitDone)
	hook := &listener{}
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)
	w.write("hook.secret", hookSecret)
	w.resync(groupsAlone + "notify: {to: [chat]}\n")
	w.add(fmt.Sprintf("notifiers:\n  chat: {type: webhook, url: %q, secret: {file: hook.secret}}\n", server.URL))
	w.sync(exitDone)
	if heard := hook.all(); len(heard) > 0 {
		t.Errorf("heard %+v", heard)
	}
}

// A receiver that does not answer holds a command up for a bounded time in all
// its syncs, and less after an interrupt.
func TestTellingTimeIsBounded(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	var log strings.Builder
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "scimsync.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var failed []string
	a := &app{log: slog.New(slog.NewTextHandler(&log, nil)), stop: make(chan struct{})}
	n := a.announcer(&configs.Config{Notifiers: map[string]*configs.Notifier{
		"chat": {Name: "chat", Settings: &notify.WebhookSettings{URL: server.URL}},
	}}, l, announcing{Sent: func(notifier string, err error) { failed = append(failed, fmt.Sprint(notifier, " ", err != nil)) }})
	n.left = 300 * time.Millisecond
	s := &configs.Sync{Name: "main", Notify: &configs.Notify{To: []string{"chat"}}}
	began := time.Now()
	for range 3 {
		n.failed(t.Context(), s, errors.New("no answer"))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("three notifications took %s", took)
	}
	for _, part := range []string{"notification not sent", "notifier chat", "no time left for notifications"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %q:\n%s", part, log.String())
		}
	}
	if !slices.Equal(failed, []string{"chat true"}) {
		t.Errorf("counted %q", failed)
	}

	n.left = tellingTime
	close(a.stop)
	if budget, ok := n.budget(); !ok || budget != partingTime {
		t.Errorf("%s, %t after an interrupt", budget, ok)
	}
	n = a.announcer(&configs.Config{}, l, announcing{Daemon: true})
	n.spend(time.Hour)
	if budget, ok := n.budget(); !ok || budget != daemonTells {
		t.Errorf("%s, %t in the daemon", budget, ok)
	}
}

// What did not take place, or was stopped by a person, failed in no way.
func TestNoFailure(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	a := &app{log: slog.New(slog.NewTextHandler(&log, nil))}
	n := a.announcer(&configs.Config{}, nil, announcing{})
	s := &configs.Sync{Name: "main", Notify: &configs.Notify{To: []string{"nobody"}}}
	for _, err := range []error{
		&ledger.LockedError{}, context.Canceled, &agent.StaleError{Why: "the target is another"},
	} {
		n.failed(t.Context(), s, err)
		if log.Len() > 0 {
			t.Errorf("%v is told: %s", err, log.String())
		}
	}
	// There is nobody of this name: telling is seen in the log.
	n.failed(t.Context(), s, errors.New("no answer"))
	if !strings.Contains(log.String(), "notifier nobody") {
		t.Errorf("a failure is not told: %s", log.String())
	}
}
