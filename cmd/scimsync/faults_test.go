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
	atReading     at = "reading the source"
	atListing     at = "listing the target"
	atMaking      at = "making an account"
	atEditing     at = "editing an account"
	atJoining     at = "joining a group"
	atMakingGroup at = "making a group"
)

// places are where each mishap happens.
func places() []at {
	return []at{atReading, atListing, atMaking, atEditing, atMakingGroup, atJoining}
}

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
	case atMakingGroup:
		match = write(http.MethodPost, "/Groups")
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

// cycles are the sources and cycles that the mishaps happen to. On an ordinary
// day one half of them plays what the other leaves out; in both are full and delta
// cycles.
func cycles() []unrulyCycle {
	return []unrulyCycle{
		{"okta, full", func(t *testing.T) *unruly { u, _ := unrulyOkta(t, ""); return u }},
		{"okta, delta", func(t *testing.T) *unruly { u, _ := unrulyOkta(t, nightly); return u }},
		{"entra, delta", func(t *testing.T) *unruly { return unrulyEntra(t, rarely) }},
		{"entra, full", func(t *testing.T) *unruly { return unrulyEntra(t, always) }},
		{"sailpoint, full", unrulySailPoint},
	}
}

type unrulyCycle struct {
	name string
	open func(*testing.T) *unruly
}

// TestFaults lets every mishap happen once at every place, in full cycles and in
// those that follow changes, of every source: each run ends as it should and takes
// away nothing that nobody took away at the source, and within three quiet runs
// the target is what the source says.
func TestFaults(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for c, cycle := range cycles() {
		for i, place := range places() {
			// Most of the time is waiting, so they need no processor each.
			all.Go(func() {
				t.Run(fmt.Sprint(cycle.name, " ", place), func(t *testing.T) {
					u := cycle.open(t)
					u.sync(exitDone)
					for n, name := range slices.Sorted(maps.Keys(mishaps())) {
						if faultTier() || (n+i+c)%2 == 0 {
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
		u.leap(tenMinutes)
		r := u.run("sync", "-o", "json")
		switch {
		case r.code != exitDone:
			problem = r.String()
		case !strings.Contains(r.out, `"cycle":"`+u.cycle+`"`):
			problem = "the cycle is not " + u.cycle + "\n" + r.String()
		default:
			if problem = u.wrong(); problem == "" {
				return ""
			}
		}
	}
	return "after three quiet runs: " + problem
}

// wrong says where the target is not what the source demands, what stands there
// twice and what the journal has not brought to an end, and is empty when nothing
// is.
func (u *unruly) wrong() string {
	if problem := u.problem(); problem != "" {
		return problem
	}
	if twice := u.duplicates(); len(twice) > 0 {
		return fmt.Sprintf("%v stand twice at the application", twice)
	}
	if open := u.leftOpen(); len(open) > 0 {
		return fmt.Sprintf("the journal does not know what became of %v", open)
	}
	return ""
}

// everything is all that the target holds, as a text.
func (u *unruly) everything() string {
	return fmt.Sprint(u.application.Users(), u.application.Groups())
}
