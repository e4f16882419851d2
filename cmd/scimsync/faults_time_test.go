package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestClockJumps lets the agent's clock jump between runs, forth and back, and a
// source's beside it: nothing is removed for it, nothing is missed, and no run
// waits for a moment that is years away.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	for name, open := range map[string]func(*testing.T) *unruly{
		"okta, full":   func(t *testing.T) *unruly { u, _ := unrulyOkta(t, ""); return u },
		"okta, delta":  func(t *testing.T) *unruly { u, _ := unrulyOkta(t, nightly); return u },
		"entra, delta": unrulyEntra,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := open(t)
			u.sync(exitDone)
			for n, jump := range []time.Duration{2 * time.Hour, 0, 2 * year, 0} {
				u.ahead = jump
				u.day(n)
				before := u.active()
				// What fails has to be tried again, wherever the clock stood.
				trap := u.arm(atEditing, 1, mishaps()["HTML with 200"])
				r := u.run("sync", "-o", "json")
				trap.disarm()
				if problem := u.problem(); r.code != exitDone || problem != "" {
					t.Errorf("a jump of %s: %s\n%s", jump, problem, r)
				}
				// Whenever the last full cycle seems to have been, the
				// next one is not years away.
				if n > 1 && !strings.Contains(r.out, `"cycle":"full"`) {
					t.Errorf("a jump to %s: no full cycle\n%s", jump, r)
				}
				if lost := u.lost(before); len(lost) > 1 {
					t.Errorf("a jump of %s: %v were switched off\n%s", jump, lost, r)
				}
			}
			u.ahead = 0
			if r := u.run("plan", "--full", "--exit-code"); r.code != exitDone {
				t.Errorf("something is left to do after the clock is right again\n%s", r)
			}
		})
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

// TestFaultyPages lets both sides page badly in full and in delta cycles: pages
// that repeat what the one before held, and pages that shrink.
func TestFaultyPages(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"full": "", "delta": nightly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, _ := unrulyOkta(t, more)
			u.org.Configure(func(o *oktatest.Options) { o.PageSize, o.LogPage = 2, 2 })
			u.application.SetHazards(scimtest.Hazards{DuplicateAcrossPages: true, ShrinkingPages: true})
			u.edit("auth: {bearer", "limits: {page_size: 3}\n    auth: {bearer")
			var last []json.RawMessage
			repeated := 0
			u.source.arm(u.listing, 0, func(w http.ResponseWriter, r *http.Request) {
				var items []json.RawMessage
				whole := recorded(u.org, w, r)
				if json.Unmarshal(whole, &items) != nil {
					_, _ = w.Write(whole)
					return
				}
				page := items
				if strings.Contains(r.URL.RawQuery, "after=") && len(last) > 0 && len(items) > 0 {
					repeated++
					page = append([]json.RawMessage{last[len(last)-1]}, items...)
				}
				last = items
				_ = json.NewEncoder(w).Encode(page)
			})
			for n := range 3 {
				u.day(n)
				r := u.run("sync")
				if problem := u.problem(); r.code != exitDone || problem != "" {
					t.Fatalf("day %d: %s\n%s", n, problem, r)
				}
			}
			fired := u.application.Fired()
			if u.source.disarm() == 0 || repeated == 0 || more == "" && fired["ShrinkingPages"]+fired["DuplicateAcrossPages"] == 0 {
				t.Errorf("the pages were well: %d repeated, %v", repeated, fired)
			}
		})
	}
}

// TestTwoAgents lets a second process act while a run waits for the target in the
// middle of a write: one that takes the lock ends at once and says who holds it,
// one object on demand goes through, and a daemon does its run later.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	for _, cycle := range []string{"full", "delta"} {
		t.Run(cycle, func(t *testing.T) {
			t.Parallel()
			u, m := unrulyOkta(t, map[string]string{"full": "", "delta": nightly}[cycle])
			u.withServer("")
			u.sync(exitDone)
			u.day(0)
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
}
