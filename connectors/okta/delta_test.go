package okta_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// TestDeltaEqualsFull changes an org at random, reads what changed and compares
// with a full read, when Okta is prompt and when its indexes lag. Under lag, a
// read in the thick of it may miss what the next one must tell.
func TestDeltaEqualsFull(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*oktatest.Options){
		"prompt":      func(*oktatest.Options) {},
		"small pages": func(o *oktatest.Options) { o.LogPage, o.EmptyPages = 3, true },
		"late log":    func(o *oktatest.Options) { o.LogLag = 3 * time.Minute },
		"hidden log":  func(o *oktatest.Options) { o.LogHidden = 3 * time.Minute },
		"late lists":  func(o *oktatest.Options) { o.ListLag = 3 * time.Minute },
		"all late": func(o *oktatest.Options) {
			o.LogLag, o.LogHidden, o.ListLag, o.Links = 3*time.Minute, 2*time.Minute, 4*time.Minute, oktatest.JoinedLine
		},
	} {
		for _, app := range []string{"", "0oa1"} {
			t.Run(fmt.Sprintf("%s, app %q", name, app), func(t *testing.T) {
				t.Parallel()
				resyncs, deltas := 0, 0
				for seed := range uint64(3) {
					r := rand.New(rand.NewPCG(seed, 7))
					server, settings, clock := timed(t, small())
					server.Configure(configure)
					settings.App, settings.Limits.PageSize = app, 20
					source := open(t, settings)
					m := full(t, source)
					settle := func() {
						got := read(t.Context(), t, source, m.query())
						if connectors.ClassOf(got.err) == connectors.Expired {
							resyncs++
							*m = *full(t, source)
							return
						}
						deltas++
						mustBeWhole(t, got)
						m.apply(t, got)
					}
					for round := range 8 {
						churn(r, server, "0oa1", 1+r.IntN(12))
						clock.advance(time.Duration(r.IntN(90)) * time.Second)
						churn(r, server, "0oa1", r.IntN(6))
						settle() // in the thick of it
						clock.advance(6 * time.Minute)
						settle()
						if diff := cmp.Diff(full(t, source).lines(), m.lines()); diff != "" {
							t.Fatalf("seed %d, round %d (-full +delta):\n%s", seed, round, diff)
						}
						clock.advance(time.Duration(r.IntN(30)) * time.Minute)
					}
				}
				if deltas < 20 || app == "" && resyncs > 0 || app != "" && resyncs == 0 {
					t.Errorf("%d delta reads and %d that called for a full one", deltas, resyncs)
				}
			})
		}
	}
}

func TestDeltaRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		app     string
		changed int
	}{{"", 20}, {oktatest.SyntheticApp, 20}} {
		w := oktatest.Synthetic(1000, 50, 5000, 1)
		server, settings, clock := timed(t, w)
		settings.App = test.app
		source := open(t, settings)
		m := full(t, source)
		clock.advance(time.Hour)
		server.ResetRequests()
		m.delta(t, source)
		if n := server.Total(); n > 4 {
			t.Errorf("app %q, nothing changed: %d requests, want at most 4: %v", test.app, n, server.Requests())
		}
		in := w.Groups[0] // assigned to the app
		for _, err := range []error{
			server.UpdateUser(in.Members[0], map[string]any{"title": "Boss"}),
			server.SetStatus(in.Members[1], oktatest.Suspended),
			server.AddMember(in.ID, w.Users[999].ID),
			server.RemoveMember(in.ID, in.Members[2]),
			server.DeleteUser(in.Members[3]),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		clock.advance(time.Minute)
		server.ResetRequests()
		m.delta(t, source)
		if n := server.Total(); n > test.changed {
			t.Errorf("app %q, five changes: %d requests, want at most %d: %v", test.app, n, test.changed, server.Requests())
		}
		t.Logf("app %q, five changes: %d requests: %v", test.app, server.Total(), server.Requests())
		if diff := cmp.Diff(full(t, source).lines(), m.lines()); diff != "" {
			t.Errorf("app %q (-full +delta):\n%s", test.app, diff)
		}
		// What was dealt with is not read one by one again, though the log
		// still tells it.
		clock.advance(time.Minute)
		server.ResetRequests()
		m.delta(t, source)
		if n := server.Requests()["GET /api/v1/users/{id}"] + server.Requests()["GET /api/v1/groups/{id}/users"]; n > 0 {
			t.Errorf("app %q, once more: %v", test.app, server.Requests())
		}
	}
}

func TestLeaversOfAnAppByCause(t *testing.T) {
	t.Parallel()
	server, settings, clock := timed(t, appWorld())
	settings.App = "0oa1"
	source := open(t, settings)
	m := full(t, source)
	clock.advance(time.Hour)
	for _, err := range []error{
		server.UnassignUser("0oa1", "u000"), server.SetStatus("u001", oktatest.Deprovisioned), server.DeleteUser("u002"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := m.delta(t, source)
	want := map[identity.Ref]identity.Cause{
		user("u000"): identity.CauseUnassigned, user("u001"): identity.CauseDisabled, user("u002"): identity.CauseGone,
	}
	if diff := cmp.Diff(want, got.gone); diff != "" {
		t.Errorf("leavers (-want +got):\n%s", diff)
	}
}

// TestDeltaThatWasNotKept: a cursor serves as often as it is used, so that a
// crash between the read and the commit loses nothing.
func TestDeltaThatWasNotKept(t *testing.T) {
	t.Parallel()
	server, settings, clock := timed(t, small())
	server.Configure(func(o *oktatest.Options) { o.LogLag = 3 * time.Minute })
	source := open(t, settings)
	m := full(t, source)
	clock.advance(time.Hour)
	churn(rand.New(rand.NewPCG(1, 1)), server, "0oa1", 40)
	lost := read(t.Context(), t, source, m.query())
	mustBeWhole(t, lost)
	clock.advance(4 * time.Minute)
	m.delta(t, source)
	if diff := cmp.Diff(full(t, source).lines(), m.lines()); diff != "" {
		t.Errorf("(-full +delta):\n%s", diff)
	}
}

// TestEntryAheadOfItsObject: Okta tells of a deletion before it is done. An entry
// so young is looked at once more.
func TestEntryAheadOfItsObject(t *testing.T) {
	t.Parallel()
	server, settings, clock := timed(t, small())
	source := open(t, settings)
	m := full(t, source)
	clock.advance(time.Hour)
	if err := server.DeleteUser("00u003"); err != nil {
		t.Fatal(err)
	}
	server.Inject(oktatest.Fault{ID: "still there", MinFires: 1, Times: 1, Match: oktatest.Path("/api/v1/users/00u003"), Effect: oktatest.Effect{
		Status: http.StatusOK, Header: http.Header{}, Body: `{"id":"00u003","status":"DEPROVISIONED","profile":{"login":"p003@example.com"}}`,
	}})
	if got := m.delta(t, source); got.records[user("00u003")].Fields["status"] != oktatest.Deprovisioned {
		t.Fatalf("read %v", got.order)
	}
	clock.advance(time.Minute)
	if got := m.delta(t, source); got.gone[user("00u003")] != identity.CauseGone {
		t.Errorf("the deleted user is still mirrored: %v", m.lines())
	}
	fired(t, server)
}

func TestLogThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]oktatest.Effect{
		"forbidden": {Status: http.StatusForbidden, Code: "E0000006"},
		"refused":   {Status: http.StatusBadRequest, Code: "E0000053"},
		"no date":   {Status: http.StatusOK, Body: "[]", Header: http.Header{"Date": nil}},
	} {
		server, settings := org(t, small())
		server.Inject(oktatest.Fault{ID: name, MinFires: 2, Match: oktatest.Path("/api/v1/logs"), Effect: effect})
		source := open(t, settings)
		got := read(t.Context(), t, source, everything())
		mustBeWhole(t, got)
		if got.checkpoint.Cursor != "" || !slices.Equal(got.checkpoint.Full, identity.Kinds()) {
			t.Errorf("%s: checkpoint = %+v", name, got.checkpoint)
		}
		info, err := source.Info(t.Context())
		if err != nil || info.Delta || !strings.Contains(info.DeltaReason, "changes cannot be told") {
			t.Errorf("%s: info = %+v, %v", name, info, err)
		}
		fired(t, server)
	}
}

func TestCursorThatNoLongerServes(t *testing.T) {
	t.Parallel()
	server, settings, clock := timed(t, small())
	source := open(t, settings)
	m := full(t, source)
	users := read(t.Context(), t, source, connectors.Query{Kinds: []identity.Kind{identity.User}})
	mustBeWhole(t, users)
	withApp := settings
	withApp.App = "0oa1"
	alter := func(change func(map[string]any)) connectors.Cursor {
		var fields map[string]any
		if err := json.Unmarshal([]byte(m.cursor), &fields); err != nil {
			t.Fatal(err)
		}
		change(fields)
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return connectors.Cursor(data)
	}
	server.ResetRequests()
	for name, test := range map[string]struct {
		source connectors.Source
		cursor connectors.Cursor
		says   string
	}{
		"not JSON":        {source, "mark", "not one of this source"},
		"another version": {source, alter(func(c map[string]any) { c["v"] = 99 }), "not one of this source"},
		"no time":         {source, alter(func(c map[string]any) { delete(c, "since") }), "not one of this source"},
		"too large":       {source, connectors.Cursor(strings.Repeat("a", 1<<20)), "too large"},
		"other settings":  {open(t, withApp), m.cursor, "other settings"},
		"users only":      {source, users.checkpoint.Cursor, "does not cover"},
	} {
		q := everything()
		q.From = test.cursor
		got := read(t.Context(), t, test.source, q)
		if connectors.ClassOf(got.err) != connectors.Expired || !strings.Contains(got.err.Error(), test.says) {
			t.Errorf("%s: %v, want class expired and %q", name, got.err, test.says)
		}
	}
	if n := server.Total(); n > 0 {
		t.Errorf("%d requests for cursors that show by themselves that they do not serve", n)
	}
	for _, age := range []time.Duration{89 * 24 * time.Hour, 200 * 24 * time.Hour} {
		clock.advance(age)
		got := read(t.Context(), t, source, m.query())
		if connectors.ClassOf(got.err) != connectors.Expired {
			t.Errorf("after %s: %v, want class expired", age, got.err)
		}
	}
}

// TestDeltaThatIsNotWorthIt: many changes that have to be looked up one by one
// cost more than a full read.
func TestDeltaThatIsNotWorthIt(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"", oktatest.SyntheticApp} {
		w := oktatest.Synthetic(300, 4, 400, 1)
		server, settings, clock := timed(t, w)
		settings.App = app
		source := open(t, settings)
		m := full(t, source)
		clock.advance(time.Hour)
		for _, u := range w.Users[:101] {
			if err := server.DeleteUser(u.ID); err != nil {
				t.Fatal(err)
			}
		}
		got := read(t.Context(), t, source, m.query())
		if connectors.ClassOf(got.err) != connectors.Expired || !strings.Contains(got.err.Error(), "worth") {
			t.Errorf("app %q: %v, want class expired", app, got.err)
		}
		if n := server.Requests()["GET /api/v1/users/{id}"]; n > 0 {
			t.Errorf("app %q: %d users were looked up first", app, n)
		}
		// What follows on the full read is cheap again.
		clock.advance(2 * time.Minute)
		m = full(t, source)
		m.delta(t, source)
	}
}
