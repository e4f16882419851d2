package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// at is where a mishap happens.
type at string

const (
	atReading at = "reading the source"
	atListing at = "listing the target"
	atMaking  at = "making an account"
	atEditing at = "editing an account"
	atJoining at = "joining a group"
)

// faultTier says how much is let go wrong: everything everywhere with
// SCIMSYNC_FAULTS=all.
func faultTier() bool { return os.Getenv("SCIMSYNC_FAULTS") == "all" }

// arm schedules a mishap for one request of its place, or for every one.
func (u *unruly) arm(place at, times int, m mishap) *trap {
	trap, match := u.target, func(*http.Request) bool { return false }
	write := func(method, path string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.Path, path) }
	}
	switch place {
	case atReading:
		trap, match = u.source, u.listing
	case atListing:
		match = write(http.MethodGet, "/Users")
	case atMaking:
		match = write(http.MethodPost, "/Users")
	case atEditing:
		match = write(http.MethodPatch, "/Users/")
	case atJoining:
		match = write(http.MethodPatch, "/Groups/")
	}
	trap.arm(match, times, m(trap.next))
	return trap
}

// endsWith is how a run ends that meets a mishap once: everything is tried again or
// looked up that may be, so that most are ridden out.
func (u *unruly) endsWith(place at, name string) int {
	reading := place == atReading || place == atListing
	switch {
	case name == "an ended token" && !(place == atReading && u.renews):
		return exitUnauthorized // the secret is still the same: nothing else can be tried
	case reading && name == "HTML with 200":
		return exitIncomplete
	}
	return exitDone
}

// storms are mishaps that do not end within a run; the run says so.
func storms() map[string]int {
	return map[string]int{"a reset connection": exitIncomplete, "half a body": exitIncomplete, "500": exitIncomplete}
}

// TestFaults lets every mishap happen once at every place, in full cycles and in
// those that follow changes, of every source: each run ends as it should and takes
// away nothing that nobody took away at the source, and within three quiet runs
// the target is what the source says.
func TestFaults(t *testing.T) {
	t.Parallel()
	worlds := map[string]func(*testing.T) *unruly{
		"okta, full":      func(t *testing.T) *unruly { u, _ := unrulyOkta(t, ""); return u },
		"okta, delta":     func(t *testing.T) *unruly { u, _ := unrulyOkta(t, nightly); return u },
		"entra, delta":    unrulyEntra,
		"sailpoint, full": unrulySailPoint,
	}
	var all sync.WaitGroup
	for name, open := range worlds {
		for i, place := range []at{atReading, atListing, atMaking, atEditing, atJoining} {
			// Most of the time is waiting, so they need no processor each.
			all.Go(func() {
				t.Run(fmt.Sprint(name, " ", place), func(t *testing.T) {
					u := open(t)
					u.sync(exitDone)
					for n, name := range slices.Sorted(maps.Keys(mishaps())) {
						// On an ordinary day each second one, not the
						// same everywhere.
						if faultTier() || (n+i)%2 == 0 {
							u.suffers(t, n, place, name)
						}
					}
				})
			})
		}
	}
	all.Wait()
}

// suffers lets one mishap happen on a working day.
func (u *unruly) suffers(t *testing.T, n int, place at, name string) {
	t.Helper()
	u.day(n)
	before := u.active()
	trap := u.arm(place, 1, mishaps()[name])
	r := u.run("sync", "-o", "json")
	if trap.disarm() == 0 {
		t.Errorf("%s while %s: it never happened\n%s", name, place, r)
	}
	if want := u.endsWith(place, name); r.code != want {
		t.Errorf("%s while %s: want exit %d\n%s", name, place, want, r)
	}
	if lost := u.lost(before); len(lost) > 1 {
		t.Errorf("%s while %s: %v were switched off\n%s", name, place, lost, r)
	}
	if problem := u.settles(); problem != "" {
		t.Fatalf("%s while %s: %s", name, place, problem)
	}
}

// lost are the accounts that were active and are not.
func (u *unruly) lost(before []string) []string {
	now := u.active()
	return slices.DeleteFunc(slices.Clone(before), func(login string) bool { return slices.Contains(now, login) })
}

// tenMinutes is longer than what failed waits at first, which is five.
const tenMinutes = 10 * time.Minute

// settles runs until nothing is wrong, three times at most, and returns what is.
func (u *unruly) settles() string {
	problem := ""
	for range 3 {
		u.ahead += tenMinutes
		r := u.run("sync", "-o", "json")
		switch {
		case r.code != exitDone:
			problem = r.String()
		case !strings.Contains(r.out, `"cycle":"`+u.cycle+`"`):
			problem = "the cycle is not " + u.cycle + "\n" + r.String()
		default:
			if problem = u.problem(); problem == "" {
				return ""
			}
		}
	}
	return "after three quiet runs: " + problem
}

// TestFaultStorms lets mishaps happen as long as the run lasts.
func TestFaultStorms(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, code := range storms() {
		for _, place := range []at{atReading, atListing} {
			if name != "500" && !faultTier() && place == atListing {
				continue
			}
			all.Go(func() {
				t.Run(fmt.Sprint(name, " ", place), func(t *testing.T) {
					u, _ := unrulyOkta(t, nightly)
					u.sync(exitDone)
					u.day(0)
					before := u.everything()
					trap := u.arm(place, 0, mishaps()[name])
					r := u.run("sync")
					if fired := trap.disarm(); fired < 5 || r.code != code {
						t.Errorf("fired %d times, want 5; want exit %d\n%s", fired, code, r)
					}
					if u.everything() != before {
						t.Errorf("the target was changed\n%s", r)
					}
					if problem := u.settles(); problem != "" {
						t.Error(problem)
					}
				})
			})
		}
	}
	all.Wait()
}

// everything is all that the target holds, as a text.
func (u *unruly) everything() string {
	return fmt.Sprint(u.application.Users(), u.application.Groups())
}

// TestFaultsOracle shows that each check above sees what it looks for.
func TestFaultsOracle(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *unruly{
		"okta": func(t *testing.T) *unruly { u, _ := unrulyOkta(t, ""); return u }, "entra": unrulyEntra, "sailpoint": unrulySailPoint,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := open(t)
			u.sync(exitDone)
			u.day(1)
			if u.problem() == "" {
				t.Error("a day that was not followed is not seen")
			}
			if problem := u.settles(); problem != "" {
				t.Fatal(problem)
			}
			before, whole := u.active(), u.everything()
			u.must(u.application.Wipe())
			if len(u.lost(before)) != len(before) || u.everything() == whole || u.problem() == "" {
				t.Error("a target that was emptied is not seen")
			}
			if trap := u.arm(atMaking, 1, mishaps()["500"]); trap.disarm() != 0 {
				t.Error("a mishap that never happened counts")
			}
		})
	}
}

// TestExpiredCursor ends what the next cycle would go on from: everything is read
// once more, and followed again.
func TestExpiredCursor(t *testing.T) {
	t.Parallel()
	u := unrulyEntra(t)
	u.sync(exitDone)
	u.day(0)
	u.expire()
	if got := u.sync(exitDone); got.Cycle != "full" {
		t.Errorf("the cycle is %s, want full", got.Cycle)
	}
	if problem := u.problem(); problem != "" {
		t.Error(problem)
	}
	u.day(1)
	if problem := u.settles(); problem != "" {
		t.Error(problem)
	}
}
