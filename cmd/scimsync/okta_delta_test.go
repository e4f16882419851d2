package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// nightly makes the cycles of a sync delta ones between full ones.
const nightly = "schedule: \"@every 40m\"\nfull: \"0 3 1 1 *\"\n"

// deltaWorld is a world whose org, read whole or for its app, is read by what
// changed.
func deltaWorld(t *testing.T, app string) *world {
	t.Helper()
	w := newWorld(t)
	settings := worldSettings{sync: everything + nightly}
	if app != "" {
		settings.source = "app: " + app + "\n"
	}
	w.configure(settings)
	return w
}

// cycle runs a sync that must be of this cycle, and demands that a full plan
// afterwards finds nothing to do.
func (w *world) cycle(want string) syncJSON {
	w.t.Helper()
	w.org.ResetRequests()
	done := w.sync(exitDone)
	if done.Cycle != want {
		w.t.Fatalf("the cycle is %s, want %s", done.Cycle, want)
	}
	requests := w.org.Total()
	if r := w.command("plan", "--full", "--exit-code"); r.code != exitDone {
		w.t.Fatalf("a %s cycle of %d requests left something to do:\n%s", want, requests, r)
	}
	return done
}

func TestOktaDelta(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"", oktatest.SyntheticApp} {
		t.Run(fmt.Sprintf("app %q", app), func(t *testing.T) {
			t.Parallel()
			w := deltaWorld(t, app)
			w.cycle("full")
			w.cycle("delta")
			for round := range 3 {
				w.churn(round)
				w.cycle("delta")
			}
			// What no list of changes shows: people and groups that are gone.
			ids := w.activeIDs()
			w.must(w.org.DeleteUser(ids[3]))
			w.must(w.org.SetStatus(ids[4], oktatest.LockedOut))
			if app != "" {
				w.must(w.org.AssignUser(app, oktatest.AppUser{ID: ids[5]}))
			}
			done := w.cycle("delta")
			if done.Summary.Users.Deactivate > 1 {
				t.Errorf("summary = %+v", done.Summary)
			}
			if app == "" {
				if done.Summary.Users.Deactivate != 1 {
					t.Errorf("the deleted person was not deactivated: %+v", done.Summary)
				}
				return
			}
			// A group assigned to the app brings many at once.
			var groups []struct{ ID string }
			w.get("/api/v1/groups?limit=200", &groups)
			w.must(w.org.AssignGroup(app, groups[1].ID))
			w.org.Configure(func(o *oktatest.Options) {
				o.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
			})
			w.cycle("full")
			w.must(w.org.UnassignUser(app, ids[5]))
			w.cycle("delta")
		})
	}
}

func TestOktaDeltaOfNothing(t *testing.T) {
	t.Parallel()
	w := deltaWorld(t, "")
	w.cycle("full")
	w.org.ResetRequests()
	if done := w.sync(exitDone); done.Cycle != "delta" || w.org.Total() > 4 {
		t.Errorf("a %s cycle of nothing sent %d requests: %v", done.Cycle, w.org.Total(), w.org.Requests())
	}
}

func TestOktaWithoutItsLog(t *testing.T) {
	t.Parallel()
	w := deltaWorld(t, "")
	w.org.Inject(oktatest.Fault{ID: "log", MinFires: 1, Match: oktatest.Path("/api/v1/logs"), Effect: oktatest.Effect{Status: http.StatusForbidden, Code: "E0000006"}})
	w.cycle("full")
	w.churn(1)
	w.cycle("full")
	r := w.command("check")
	if flat := strings.Join(strings.Fields(r.out), " "); r.code != exitDone || !strings.Contains(flat, "no delta reads: changes cannot be told, because entries of the System Log cannot be read") {
		t.Errorf("check says nothing of it: %s", r)
	}
	if left := w.org.Unfired(); len(left) > 0 {
		t.Errorf("%v", left)
	}
}
