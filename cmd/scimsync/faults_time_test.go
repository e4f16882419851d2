package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// TestClockJumps lets the agent's clock jump, forth and back, between two runs and
// in the middle of one, while something fails that has to be tried again: nothing
// is removed for it, nothing is missed, and no run waits for a moment that is years
// away.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, cycle := range cycles() {
		for _, within := range []bool{false, true} {
			t.Run(fmt.Sprint(cycle.name, ", within a run: ", within), func(t *testing.T) {
				t.Parallel()
				cycle.open(t).jumps(within)
			})
		}
	}
}

func (u *unruly) jumps(within bool) {
	u.t.Helper()
	const year = 365 * 24 * time.Hour
	u.sync(exitDone)
	for n, jump := range []time.Duration{2 * time.Hour, 0, 2 * year, 0} {
		if !within {
			u.ahead.Store(int64(jump))
		}
		u.day(n)
		before := u.active()
		// What fails has to be tried again, wherever the clock stood.
		trap := u.arm(atEditing, 1, func(http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				u.ahead.Store(int64(jump))
				mishaps()["HTML with 200"](u.application)(w, r)
			}
		})
		r := u.run("sync", "-o", "json")
		if trap.disarm() == 0 {
			u.t.Errorf("a jump to %s: nothing happened\n%s", jump, r)
		}
		if problem := u.wrong(); r.code != exitDone || problem != "" {
			u.t.Errorf("a jump to %s: %s\n%s", jump, problem, r)
		}
		// Whenever the last full cycle seems to have been, the next one is not
		// years away.
		if !within && n > 1 && !strings.Contains(r.out, `"cycle":"full"`) {
			u.t.Errorf("a jump to %s: no full cycle\n%s", jump, r)
		}
		if lost := u.lost(before); len(lost) > 1 {
			u.t.Errorf("a jump to %s: %v were switched off\n%s", jump, lost, r)
		}
	}
	u.ahead.Store(0)
	if r := u.run("plan", "--full", "--exit-code"); r.code != exitDone {
		u.t.Errorf("something is left to do after the clock is right again\n%s", r)
	}
}

// TestSkewedSource lets the source's clock be days away from ours.
func TestSkewedSource(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{72 * time.Hour, -72 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			u, _ := unrulyOkta(t, nightly)
			u.org.Configure(func(o *oktatest.Options) { o.Now = func() time.Time { return time.Now().Add(skew) } })
			u.sync(exitDone)
			for n := range 3 {
				u.day(n)
				r := u.run("sync")
				if problem := u.problem(); r.code != exitDone || problem != "" {
					t.Errorf("day %d: %s\n%s", n, problem, r)
				}
			}
		})
	}
}

// TestTwoAgents lets a second process act while a run waits for the target in the
// middle of a write: one that takes the lock ends at once and says who holds it,
// one object on demand goes through, and a daemon does its run later.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	onAWorkingDay(t, func(t *testing.T, u *unruly, m *model) {
		u.withServer("")
		held, lift := make(chan struct{}, 100), make(chan struct{})
		u.target.arm(func(r *http.Request) bool { return r.Method == http.MethodPost }, 1, func(w http.ResponseWriter, r *http.Request) {
			held <- struct{}{}
			<-lift
			u.application.ServeHTTP(w, r)
		})
		first := u.start(nil, "sync")
		<-held
		second := u.start(nil, "sync").end()
		if holder := fmt.Sprintf("process %d", first.cmd.Process.Pid); second.code != exitLocked || !strings.Contains(second.err, holder) {
			t.Errorf("a second sync: want exit %d and %q\n%s", exitLocked, holder, second)
		}
		u.must(u.org.UpdateUser("00udan", map[string]any{"lastName": "Demand"}))
		m.people["00udan"].last = "Demand"
		if r := u.start(nil, "sync", "--only", "user:00udan").end(); r.code != exitDone {
			t.Errorf("one object on demand: want exit %d\n%s", exitDone, r)
		}
		// The one who is just being made is claimed.
		claimed := u.start(nil, "sync", "--only", "user:00uday0").end()
		if said := strings.Join(strings.Fields(claimed.out), " "); claimed.code != exitPartial || !strings.Contains(said, "another run has written this object") {
			t.Errorf("one object that is being made: want exit %d\n%s", exitPartial, claimed)
		}
		d := u.daemon(nil)
		if code, body := d.hook("main"); code != http.StatusAccepted {
			t.Errorf("the hook answers %d %s", code, body)
		}
		close(lift)
		if r := first.end(); r.code != exitDone {
			t.Errorf("the first run:\n%s", r)
		}
		u.target.disarm()
		t.Log(d.ran(1))
		d.stops()
		if problem := u.settles(); problem != "" {
			t.Error(problem)
		}
		u.unique()
		u.nothingOpen()
	})
}

// TestClockSetBackAfterCrash lets a run on demand die while the clock is ahead. Once
// the clock is right, what it was doing seems to lie in the future: it is settled
// all the same, and its object not left alone until then.
func TestClockSetBackAfterCrash(t *testing.T) {
	t.Parallel()
	u, m := unrulyOkta(t, "")
	u.sync(exitDone)
	u.must(u.org.UpdateUser("00udan", map[string]any{"lastName": "Demand"}))
	m.people["00udan"].last = "Demand"
	u.gates.killAt(place{side: toTarget, method: "PATCH", path: "/Users", n: 1, moment: arrived}, "sync", "--only", "user:00udan")
	if open := u.leftOpen(); len(open) != 1 {
		t.Fatalf("%v are open, want what the run was doing", open)
	}
	db, err := sql.Open("sqlite", u.dir+"/scimsync.db")
	u.must(err)
	for _, statement := range []string{`UPDATE change SET intent_at = intent_at + 86400000 WHERE outcome = ''`, `UPDATE run SET started = started + 86400000 WHERE finished IS NULL`} {
		_, err = db.ExecContext(t.Context(), statement)
		u.must(err)
	}
	u.must(db.Close())
	r := u.run("sync")
	if problem := u.wrong(); r.code != exitDone || problem != "" {
		t.Errorf("%s\n%s", problem, r)
	}
}
