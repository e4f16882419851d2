package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// world is an Okta org, a SCIM application and a configuration that joins them.
type world struct {
	t           *testing.T
	dir         string
	config      string
	org         *oktatest.Server
	orgURL      string
	application *scimtest.Server
	url         string
}

// setting is one change of the configuration or the servers of a world.
type setting func(*worldSettings)

type worldSettings struct {
	people      oktatest.World
	application scimtest.Options
	source      string // further keys of the source, indented
	target      string // further keys of the target
	sync        string // further keys of the sync
}

const scimToken = "canary-scim-token-0123456789"

func withPeople(w oktatest.World) setting {
	return func(s *worldSettings) { s.people = w }
}

func withHazards(h scimtest.Hazards) setting {
	return func(s *worldSettings) { s.application.Hazards = h }
}

func withApplication(change func(*scimtest.Options)) setting {
	return func(s *worldSettings) { change(&s.application) }
}

// withSync gives the sync keys, written as in a file, beginning in the first column.
func withSync(yaml string) setting { return func(s *worldSettings) { s.sync = yaml } }

// everything provisions users and groups with defaults.
const everything = "users: {}\ngroups: {scope: type == \"OKTA_GROUP\"}\n"

func newWorld(t *testing.T, settings ...setting) *world {
	t.Helper()
	s := worldSettings{
		people:      oktatest.Synthetic(40, 5, 120, 1),
		application: scimtest.Options{Token: scimToken, LogRequests: 5000},
		sync:        everything,
	}
	for _, set := range settings {
		set(&s)
	}
	w := &world{t: t, dir: t.TempDir()}
	var err error
	if w.org, err = oktatest.New(s.people); err != nil {
		t.Fatal(err)
	}
	if w.orgURL, err = w.org.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.org.Close() })
	if w.application, err = scimtest.New(s.application); err != nil {
		t.Fatal(err)
	}
	var stop func()
	w.url, stop = w.application.Start()
	t.Cleanup(stop)
	w.config = filepath.Join(w.dir, "scimsync.yaml")
	w.write("okta.token", oktatest.DefaultToken)
	w.write("scim.token", scimToken)
	w.configure(s)
	return w
}

func (w *world) configure(s worldSettings) {
	w.t.Helper()
	w.write("scimsync.yaml", fmt.Sprintf(`version: 1
state: scimsync.db
sources:
  okta:
    type: okta
    url: %s
    token: {file: okta.token}
%stargets:
  app:
    type: scim
    url: %s
    auth: {bearer: {file: scim.token}}
%ssyncs:
  main:
    from: okta
    to: app
%s`, w.orgURL, indent(4, s.source), w.url, indent(4, s.target), indent(4, s.sync)))
}

// resync replaces the keys of the sync.
func (w *world) resync(yaml string) {
	w.t.Helper()
	w.configure(worldSettings{sync: yaml})
}

func (w *world) write(name, data string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(data), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func indent(n int, yaml string) string {
	var b strings.Builder
	for line := range strings.Lines(yaml) {
		b.WriteString(strings.Repeat(" ", n) + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

// ran is one command that was run.
type ran struct {
	code     int
	out, err string
}

func (r ran) String() string {
	return fmt.Sprintf("exit %d\n--- standard output\n%s--- standard error\n%s", r.code, r.out, r.err)
}

// command runs a command line against the world's configuration.
func (w *world) command(args ...string) ran {
	w.t.Helper()
	return w.commandAt(time.Now, args...)
}

// commandAt is command by a clock of the test's.
func (w *world) commandAt(now func() time.Time, args ...string) ran {
	w.t.Helper()
	var out, err bytes.Buffer
	code := runAt(now, append(args, "-c", w.config), streams{in: strings.NewReader(""), out: &out, err: &err})
	return ran{code, out.String(), err.String()}
}

// planJSON is what a script reads of -o json.
type planJSON struct {
	Version int
	Syncs   []syncJSON
}

type syncJSON struct {
	Sync, Run, ID, Digest, Cycle string
	Changes, Held                []changeJSON
	Skipped                      []struct{ Kind, Name, Why string }
	Guard                        struct {
		Tripped bool
		Trips   []struct {
			Rule, Kind string
			Count, Of  int
		}
	}
	Summary struct {
		Users, Groups struct{ Create, Adopt, Update, Reactivate, Deactivate, Delete, Unchanged, Skipped int }
		Memberships   struct{ Add, Remove int }
		Held          int
	}
}

type changeJSON struct {
	Op, Kind, Name, Cause, Outcome, Error string
	SourceID                              string `json:"source_id"`
	TargetID                              string `json:"target_id"`
	Attributes                            []struct {
		Path          string
		Before, After any
	}
	Members []struct{ Name string }
}

// json runs a verb with -o json and demands an exit code.
func (w *world) json(code int, args ...string) syncJSON {
	w.t.Helper()
	r := w.command(append(args, "-o", "json")...)
	if r.code != code {
		w.t.Fatalf("%s: want exit %d\n%s", strings.Join(args, " "), code, r)
	}
	var doc planJSON
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, r)
	}
	if len(doc.Syncs) != 1 {
		return syncJSON{}
	}
	return doc.Syncs[0]
}

// sync runs a sync that must end with the code.
func (w *world) sync(code int, args ...string) syncJSON {
	w.t.Helper()
	return w.json(code, append([]string{"sync"}, args...)...)
}

// settled demands that nothing is left to do.
func (w *world) settled() {
	w.t.Helper()
	if r := w.command("plan", "--exit-code"); r.code != exitDone {
		w.t.Fatalf("the second plan is not empty:\n%s", r)
	}
}

// live returns a user or group at the application by name.
func (w *world) user(name string) map[string]any {
	w.t.Helper()
	for _, u := range w.application.Users() {
		if u.Attributes["userName"] == name {
			return u.Attributes
		}
	}
	return nil
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func itoa(n int) string { return fmt.Sprint(n) }
