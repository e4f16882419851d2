package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

const everyHour = everything + "schedule: \"@every 1h\"\n"

// TestDaemon runs by schedule and by hook, and stops when it is asked to.
func TestDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	w.withServer("")
	d := w.daemon(nil)
	contains(t, d.ran(1), "trigger=schedule", "result=done", "sync=main", "applied=", "failed=0")
	d.until("/healthz", http.StatusOK)
	people, _, _ := w.application.Counts()
	if people == 0 {
		t.Error("nobody was provisioned")
	}

	w.must(w.org.SetStatus(w.activeIDs()[0], oktatest.Suspended))
	contains(t, d.runs(2), "trigger=hook", "result=done", "changes=1 ")
	if code, body := d.hook("main"); code != http.StatusAccepted || body != "{\"sync\":\"main\",\"queued\":true}\n" {
		t.Errorf("the hook answers %d %s", code, body)
	}
	d.ran(3)
	for _, test := range []struct {
		path, auth string
		want       int
	}{
		{"/hooks/main", "", 401},
		{"/hooks/main", "Bearer wrong", 401},
		{"/hooks/other", "Bearer wrong", 401},
		{"/hooks/other", "Bearer " + hookToken, 404},
	} {
		if code, body := d.ask("POST", test.path, "", "Authorization", test.auth); code != test.want {
			t.Errorf("%s with %q: %d %s", test.path, test.auth, code, body)
		}
	}
	if r := w.command("status"); r.code != exitDone || !strings.Contains(r.out, "next run    in 59m") || !strings.Contains(r.out, "done") {
		t.Errorf("status beside the daemon:\n%s", r)
	}
	d.stops()
	w.settled()
	w.nothingOpen()
	if text := d.err.String() + d.out.String(); strings.Contains(text, hookToken) || strings.Contains(text, scimToken) {
		t.Errorf("a token shows:\n%s", text)
	}
	for line := range strings.Lines(w.command("status").out) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// daemonMidRun is a daemon that waits for the answers to four writes, which the
// target has performed.
func daemonMidRun(t *testing.T) (*gated, *daemonProcess, *barrier) {
	t.Helper()
	w := newGated(t)
	w.configure(worldSettings{sync: everyHour, target: "limits: {concurrency: 4}\n"})
	w.withServer("")
	barrier := w.target.hold(place{method: "POST"}.matches, performed)
	d := w.daemon(nil)
	for range 4 {
		<-barrier.held
	}
	return w, d, barrier
}

// TestDaemonStopsMidRun asks a daemon to stop while writes are in flight. They are
// finished and written down, no other is begun, and the next daemon makes the run
// up without doubling anything.
func TestDaemonStopsMidRun(t *testing.T) {
	t.Parallel()
	w, d, barrier := daemonMidRun(t)
	d.signal(syscall.SIGTERM)
	contains(t, d.until("/readyz", http.StatusServiceUnavailable), "stopping")
	if code, _ := d.hook("main"); code != http.StatusServiceUnavailable {
		t.Errorf("a hook of a daemon that is stopping: %d", code)
	}
	d.until("/healthz", http.StatusOK)
	close(barrier.lifted)
	if r := d.end(); r.code != exitDone || !strings.Contains(r.err, "result=interrupted") {
		t.Errorf("the stopped daemon:\n%s", r)
	}
	w.target.disarm()
	made, _, _ := w.application.Counts()
	if made < 4 || made > 16 {
		t.Errorf("%d users were created after the signal", made)
	}
	w.nothingOpen()

	again := w.daemon(nil)
	contains(t, again.ran(1), "result=done")
	again.stops()
	w.unique()
	w.complete()
	w.settled()
}

// TestDaemonStopsTwice demands that a second signal cuts off what hangs.
func TestDaemonStopsTwice(t *testing.T) {
	t.Parallel()
	w, d, barrier := daemonMidRun(t)
	d.signal(syscall.SIGTERM)
	d.until("/readyz", http.StatusServiceUnavailable)
	d.signal(syscall.SIGTERM)
	if r := d.end(); r.code != exitInterrupted {
		t.Errorf("want exit %d\n%s", exitInterrupted, r)
	}
	close(barrier.lifted)
	w.target.disarm()
	w.target.quiet(t)
	w.recovers()
}

// TestDaemonKilled restarts a daemon that died in the middle of a run, which is made
// up for at once.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	w, d, barrier := daemonMidRun(t)
	d.kill()
	close(barrier.lifted)
	w.target.disarm()
	w.target.quiet(t)
	again := w.daemon(nil)
	contains(t, again.ran(1), "trigger=missed", "result=done")
	again.stops()
	w.unique()
	w.complete()
	w.settled()
	w.nothingOpen()
}

// TestDaemonReloads changes the configuration under a running daemon.
func TestDaemonReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour+"guards: {floor: 100}\n"))
	w.withServer("")
	d := w.daemon(nil)
	d.ran(1)
	good, err := os.ReadFile(w.config)
	w.must(err)

	t.Log("an invalid one is refused, with its place, and the old one goes on")
	w.write("scimsync.yaml", strings.Replace(string(good), "schedule:", "shedule:", 1))
	d.signal(syscall.SIGHUP)
	d.says("the configuration is refused")
	contains(t, d.err.String(), "scimsync.yaml:", "schedule")
	contains(t, d.runs(2), "result=done")
	d.until("/readyz", http.StatusOK)

	t.Log("a valid one is taken up, here because the file changed")
	changed := strings.Replace(string(good), "syncs:\n", "syncs:\n  second:\n    from: okta\n    to: app\n    users: off\n    groups: {members: off, include: [\"Nothing*\"]}\n", 1)
	changed = strings.Replace(changed, "state: scimsync.db", "state: other.db", 1)
	w.write("scimsync.yaml", changed)
	d.says("configuration reloaded")
	contains(t, d.err.String(), `why="the file changed"`, "added=[second]", "needs a restart", "key=state")
	if code, body := d.hook("second"); code != http.StatusAccepted {
		t.Errorf("the hook of the new sync: %d %s", code, body)
	}
	contains(t, d.ran(3), "sync=second", "result=done")
	if _, err := os.Stat(filepath.Join(w.dir, "other.db")); !os.IsNotExist(err) {
		t.Errorf("another state file was made: %v", err)
	}

	t.Log("a sync that is gone cannot be asked for")
	w.write("scimsync.yaml", string(good))
	d.signal(syscall.SIGHUP)
	d.says("removed=[second]")
	if code, _ := d.hook("second"); code != http.StatusNotFound {
		t.Errorf("the hook of the removed sync: %d", code)
	}
	d.stops()
	w.settled()
}

// TestDaemonTakesTurns starts more daemons on one state file. One that waits has
// answers already, unless the first has its address.
func TestDaemonTakesTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	w.withServer("")
	first := w.daemon(nil)
	first.ran(1)
	config, err := os.ReadFile(w.config)
	w.must(err)
	w.write("same.yaml", strings.Replace(string(config), "127.0.0.1:0", strings.TrimPrefix(first.url, "http://"), 1))
	second := start(t, w.dir, nil, "daemon", "-c", "same.yaml")
	second.says("the endpoints do not answer before then")
	contains(t, second.err.String(), fmt.Sprintf("process %d", first.cmd.Process.Pid), "server.addr", "address already in use")

	third := listening(w.start(nil, "daemon"))
	third.says("another daemon works on this state file")
	third.until("/healthz", http.StatusOK)
	contains(t, third.until("/readyz", http.StatusServiceUnavailable), "another daemon works on the same state file")
	if code, body := third.hook("main"); code != http.StatusServiceUnavailable || !strings.Contains(body, "another daemon") {
		t.Errorf("a hook while it waits: %d %s", code, body)
	}
	third.until("/metrics", http.StatusOK)
	third.signal(syscall.SIGTERM)
	if r := third.end(); r.code != exitDone {
		t.Errorf("a daemon that was stopped while it waited:\n%s", r)
	}
	first.stops()
	heir := listening(second)
	if heir.url != first.url {
		t.Errorf("the second daemon answers at %s, not at %s", heir.url, first.url)
	}
	heir.until("/readyz", http.StatusOK)
	second.signal(syscall.SIGTERM)
	if r := second.end(); r.code != exitDone || strings.Contains(r.err, `msg="run ended"`) {
		t.Errorf("the second daemon ran what the first had run:\n%s", r)
	}
}

// TestDaemonTokens replaces the source's token on disk, lets it end, and renews it.
func TestDaemonTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour+"notify: {to: [ops], events: [failed]}\n"))
	s := newSink(t)
	w.withServer("notifiers: {ops: {type: webhook, url: \"" + s.URL + "\"}}\n")
	d := w.daemon(nil)
	contains(t, d.ran(1), "result=done")
	tokens := func(token string) { w.org.Configure(func(o *oktatest.Options) { o.Token = token }) }

	tokens("the-second-token")
	w.write("okta.token", "the-second-token\n")
	contains(t, d.runs(2), "result=done")

	tokens("the-third-token")
	contains(t, d.runs(3), "result=unauthorized", "level=ERROR")
	contains(t, d.runs(4), "result=unauthorized")
	failed := s.next(t)
	contains(t, failed, "failed")
	w.write("okta.token", "the-third-token\n")
	contains(t, d.runs(5), "result=done")
	over := s.next(t)
	contains(t, over, "recovered")
	if r := w.command("status"); !strings.Contains(r.out, "done") {
		t.Errorf("status:\n%s", r)
	}
	d.stops()
	if n := len(s.told); n > 0 {
		t.Errorf("%d messages more than one of the failure and one that it is over: %s", n, <-s.told)
	}
	if all := d.err.String() + failed + over; strings.Contains(all, "the-second-token") || strings.Contains(all, "the-third-token") {
		t.Errorf("a token shows:\n%s", all)
	}
}

// TestDaemonQuarantine lets a sync fail again and again: hooks are refused then,
// and a reload by hand tries it at once.
func TestDaemonQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	w.withServer("")
	d := w.daemon(nil)
	d.ran(1)
	w.org.Configure(func(o *oktatest.Options) { o.Token = "ended" })
	const failures = 5
	for i := range failures {
		contains(t, d.runs(2+i), "result=unauthorized")
	}
	// The run is over a moment before its job is.
	for late := time.Now().Add(patience); ; {
		code, body := d.hook("main")
		if code == http.StatusServiceUnavailable {
			contains(t, body, "keeps failing")
			break
		}
		if time.Now().After(late) {
			t.Fatalf("a hook in quarantine: %d %s\n%s", code, body, d.err)
		}
	}
	// That is remembered a moment later.
	said := ""
	for late := time.Now().Add(patience); !strings.Contains(said, "in quarantine after 5 failures"); {
		if said = w.command("status").out; time.Now().After(late) {
			t.Fatalf("status in quarantine:\n%s", said)
		}
	}
	contains(t, said, "unauthorized")
	d.until("/readyz", http.StatusOK)
	w.org.Configure(func(o *oktatest.Options) { o.Token = "" })
	d.signal(syscall.SIGHUP)
	d.says("configuration reloaded")
	contains(t, d.runs(2+failures), "result=done")
	d.stops()
	w.settled()
}

// TestDaemonHandshakes does what vendors do before they call.
func TestDaemonHandshakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("scimsync.yaml", fmt.Sprintf(`version: 1
state: scimsync.db
sources:
  okta: {type: okta, url: "%[1]s", token: {file: okta.token}}
  entra: {type: entra, tenant: 11111111-1111-1111-1111-111111111111, url: "%[1]s", credential: {kind: static_token, token: {file: okta.token}}}
  sailpoint: {type: sailpoint, url: "%[1]s", client_id: x, client_secret: {file: okta.token}, source: AD}
targets:
  app: {type: scim, url: "%[2]s", auth: {bearer: {file: scim.token}}}
syncs:
  by-okta: {from: okta, to: app, users: {}}
  by-entra: {from: entra, to: app, users: {}}
  by-sailpoint: {from: sailpoint, to: app, users: {}}
`, w.orgURL, w.url))
	w.withServer("")
	d := w.daemon(nil)
	code, body := d.ask("GET", "/hooks/by-okta", "", "X-Okta-Verification-Challenge", "abc")
	if code != 200 || body != `{"verification":"abc"}` {
		t.Errorf("Okta's verification: %d %s", code, body)
	}
	code, body = d.ask("POST", "/hooks/by-entra?validationToken=a%2Bb+c%3Cd", "")
	if code != 200 || body != "a+b c<d" {
		t.Errorf("Graph's validation: %d %s", code, body)
	}
	notification := func(state string) string {
		data, err := json.Marshal(map[string]any{"value": []any{map[string]any{"clientState": state, "changeType": "updated"}}})
		w.must(err)
		return string(data)
	}
	if code, body := d.ask("POST", "/hooks/by-entra", notification("wrong")); code != 401 {
		t.Errorf("a forged notification: %d %s", code, body)
	}
	if code, body := d.ask("POST", "/hooks/by-entra", notification(hookToken)); code != 202 {
		t.Errorf("a notification: %d %s", code, body)
	}
	bearer := []string{"Authorization", "Bearer " + hookToken}
	if code, body := d.ask("POST", "/hooks/by-sailpoint", `{"status":"Failed"}`, bearer...); code != 200 || !strings.Contains(body, `"queued":false`) {
		t.Errorf("an aggregation that failed: %d %s", code, body)
	}
	if code, body := d.ask("POST", "/hooks/by-sailpoint", `{"status":"Success"}`); code != 401 {
		t.Errorf("an aggregation without a token: %d %s", code, body)
	}
	if code, body := d.ask("POST", "/hooks/by-okta", "{}", bearer...); code != 202 {
		t.Errorf("an event of Okta: %d %s", code, body)
	}
	// The answers are about the configuration alone; how these runs end is not
	// looked at here.
	d.signal(syscall.SIGTERM)
	d.end()
}

// TestDaemonWithoutServer runs where the configuration has no server block.
func TestDaemonWithoutServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	p := w.start(nil, "daemon")
	d := &daemonProcess{process: p}
	contains(t, d.ran(1), "result=done")
	d.stops()
	w.settled()
}

// TestDaemonMistakes starts daemons that cannot work.
func TestDaemonMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	if r := w.command("daemon", "nobody"); r.code != exitUsage || !strings.Contains(r.err, `no sync "nobody"`) {
		t.Errorf("an unknown sync:\n%s", r)
	}
	if r := w.command("daemon", "--hook-delay", "-1s"); r.code != exitUsage {
		t.Errorf("a negative delay:\n%s", r)
	}
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	config, err := os.ReadFile(w.config)
	w.must(err)
	w.write("scimsync.yaml", string(config)+"server: {addr: \""+taken.Listener.Addr().String()+"\"}\n")
	if r := w.command("daemon"); r.code != exitFailed || !strings.Contains(r.err, "server.addr") {
		t.Errorf("a taken address:\n%s", r)
	}
	w.write("scimsync.yaml", "version: 1\nsyncs: {}\nnonsense: 1\n")
	if r := w.command("daemon"); r.code != exitConfig {
		t.Errorf("an invalid configuration:\n%s", r)
	}
}
