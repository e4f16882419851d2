package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// storm is a mishap that lasts.
type storm struct {
	mishap mishap
	// times is how many requests it lasts; 0 is as long as the run.
	times int
	// least is how often it has to happen to a read to be one. What a write
	// has done is looked up, and not done again.
	least int
	// most is how often it may be asked for at most, where the answer says how
	// long to stay away; 0 is no bound.
	most int
	// reading and writing are how a run ends that meets it there.
	reading, writing int
}

// storms are mishaps that last. Some end within a run, which then sits them out;
// of the others the run says so.
func storms() map[string]storm {
	all := mishaps()
	hour := func(http.Handler) http.HandlerFunc {
		return respond(http.StatusTooManyRequests, `{}`, "Retry-After", "3600")(nil)
	}
	return map[string]storm{
		"429 for a while":    {all["429 and a wait"], 4, 4, 4, exitDone, exitDone},
		"429 without a word": {all["429 without a word"], 4, 4, 4, exitDone, exitDone},
		"429 for an hour":    {hour, 0, 1, 8, exitIncomplete, exitPartial},
		"a reset connection": {all["a reset connection"], 0, 4, 0, exitIncomplete, exitPartial},
		"half a body":        {all["half a body"], 0, 4, 0, exitIncomplete, exitDone},
		"500":                {all["500"], 0, 4, 0, exitIncomplete, exitPartial},
		"HTML with 200":      {all["HTML with 200"], 0, 1, 0, exitIncomplete, exitPartial},
	}
}

// TestFaultStorms lets mishaps last. A read that does not get through changes
// nothing; a write that does not is named, and made later.
func TestFaultStorms(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for c, cycle := range cycles() {
		for i, place := range []at{atReading, atListing, atMaking, atMakingGroup} {
			all.Go(func() {
				t.Run(fmt.Sprint(cycle.name, " ", place), func(t *testing.T) {
					u := cycle.open(t)
					u.sync(exitDone)
					n := 0
					for name, s := range storms() {
						// On an ordinary day each meets every place in
						// one world of two.
						if n++; faultTier() || (len(name)+i+c)%2 == 0 {
							u.weathers(t, n, place, name, s)
						}
					}
				})
			})
		}
	}
	all.Wait()
}

// weathers lets a working day end in a storm.
func (u *unruly) weathers(t *testing.T, n int, place at, name string, s storm) {
	t.Helper()
	u.day(n)
	before, everything := u.active(), u.everything()
	trap := u.arm(place, s.times, s.mishap)
	r := u.run("sync")
	want, reading := s.writing, place == atReading || place == atListing
	least := 1
	if reading {
		want, least = s.reading, s.least
	}
	if fired := trap.disarm(); fired < least || s.most > 0 && fired > s.most || r.code != want {
		t.Errorf("%s while %s: fired %d times, want from %d to %d; want exit %d\n%s", name, place, fired, least, s.most, want, r)
	}
	if reading && want != exitDone && u.everything() != everything {
		t.Errorf("%s while %s: the target was changed\n%s", name, place, r)
	}
	if lost := u.lost(before); len(lost) > 1 {
		t.Errorf("%s while %s: %v were switched off\n%s", name, place, lost, r)
	}
	if problem := u.settles(); problem != "" {
		t.Fatalf("%s while %s: %s", name, place, problem)
	}
}
