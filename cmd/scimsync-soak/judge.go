package main

import (
	"fmt"
	"slices"
	"time"
)

// What is demanded of times. The sandbox's schedule is every minute; the daemon
// spreads starts by up to a tenth of that, lets hooks wait for each other for 10 s
// and for 30 s after a run.
const (
	every     = time.Minute
	spread    = every / 10
	slack     = 20 * time.Second // of a busy machine
	hookDelay = 40 * time.Second
	warmUp    = time.Minute
	// leastSamples is how many measurements a judgement on growth needs, and
	// longEnough how long a life that must have had them.
	leastSamples = 12
	longEnough   = 5 * time.Minute
)

// judge returns what is wrong with what was seen, one sentence each.
func judge(e *evidence) []string {
	var out []string
	for _, check := range []func(*evidence) []string{
		converged, endings, results, overlaps, doubled, missed, unanswered, grown,
	} {
		for _, violation := range check(e) {
			out = append(out, e.name+": "+violation)
		}
	}
	return out
}

func says(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }

// converged demands that both sides agree, as the program and as others see it.
func converged(e *evidence) []string {
	var out []string
	if e.secondPlan != 0 {
		out = append(out, says("not converged: plan --full --exit-code ended with %d after the last run", e.secondPlan)...)
	}
	if e.source != e.application {
		out = append(out, says("not converged: %d people are active at the source and %d at the application", e.source, e.application)...)
	}
	if e.quarantined {
		out = append(out, "the sync is in quarantine, or its last runs failed")
	}
	if e.changes == 0 {
		out = append(out, "the source never changed, so nothing was shown")
	}
	return out
}

// endings demands that a stop that was asked for is clean, and that nothing else
// ends the daemon.
func endings(e *evidence) []string {
	var out []string
	if len(e.lives) == 0 {
		out = append(out, "the daemon never ran")
	}
	for i, l := range e.lives {
		switch {
		case l.ending == terminated && l.code != 0:
			out = append(out, says("the daemon ended with %d on SIGTERM (life %d)", l.code, i+1)...)
		case l.ending == byItself:
			out = append(out, says("the daemon ended by itself with %d (life %d)", l.code, i+1)...)
		}
	}
	if e.sandboxCode != 0 {
		out = append(out, says("the sandbox ended with %d", e.sandboxCode)...)
	}
	return out
}

// results demands that every run went well, except one that was killed, or that
// a stop interrupted.
func results(e *evidence) []string {
	var out []string
	for _, r := range e.runs {
		_, cut := e.end(r)
		switch {
		case r.finished.IsZero() && !cut:
			out = append(out, says("run %s never ended, and the daemon was not killed meanwhile", r.id)...)
		case !r.finished.IsZero() && !e.wentWell(r.result, r.finished):
			out = append(out, says("run %s ended as %s", r.id, r.result)...)
		}
	}
	for _, l := range e.lives {
		for _, s := range l.starts {
			if s.result != "" && !e.wentWell(s.result, l.down) {
				out = append(out, says("the run that began at %s ended as %s", clock(s.at), s.result)...)
			}
		}
	}
	if len(e.runs) == 0 {
		out = append(out, "there is no run")
	}
	return out
}

// wentWell reports whether a result at a time is as it should be.
func (e *evidence) wentWell(result string, at time.Time) bool {
	switch result {
	case "done":
		return true
	case "interrupted": // made up for after the restart
		return slices.ContainsFunc(e.lives, func(l life) bool {
			return l.ending == terminated && !at.After(l.down.Add(time.Second)) && at.After(l.down.Add(-slack))
		})
	}
	return false
}

// end returns when a run was over, and whether it was cut off by a kill.
func (e *evidence) end(r run) (time.Time, bool) {
	if !r.finished.IsZero() {
		return r.finished, false
	}
	for _, l := range e.lives {
		if !r.began.Before(l.up.Add(-slack)) && !r.began.After(l.down) {
			return l.down, l.ending == killed
		}
	}
	return e.ended, false
}

// overlaps demands that runs of a sync follow each other.
func overlaps(e *evidence) []string {
	var out []string
	for i, r := range e.runs[min(1, len(e.runs)):] {
		before := e.runs[i]
		if end, _ := e.end(before); r.began.Before(end) {
			out = append(out, says("run %s began %s before run %s was over", r.id, end.Sub(r.began), before.id)...)
		}
	}
	return out
}

// doubled demands a reason for every run, and one run for every reason.
func doubled(e *evidence) []string {
	var out []string
	fires := map[time.Time]bool{}
	var starts []start
	cut := map[int]bool{} // starts that the end of their life cut off before they made a run
	for _, l := range e.lives {
		for _, s := range l.starts {
			switch {
			case s.fire.IsZero() && s.trigger == "schedule":
				out = append(out, says("a scheduled start at %s answers no fire", clock(s.at))...)
			case fires[s.fire] && !s.fire.IsZero():
				out = append(out, says("two starts answer the fire of %s", clock(s.fire))...)
			}
			// What was interrupted has answered nothing.
			fires[s.fire] = s.result != "interrupted"
			starts = append(starts, s)
		}
		if n := len(l.starts); n > 0 && (l.ending == killed || l.starts[n-1].result == "interrupted") {
			cut[len(starts)-1] = true
		}
	}
	slices.SortStableFunc(starts, func(a, b start) int { return a.at.Compare(b.at) })
	at := 0
	for i, s := range starts {
		until := e.ended
		if i+1 < len(starts) {
			until = starts[i+1].at
		}
		n := 0
		// What the log says has a moment's delay, and the state file keeps milliseconds.
		for at < len(e.runs) && e.runs[at].began.Before(until.Add(-5*time.Millisecond)) {
			if e.runs[at].began.Before(s.at.Add(-time.Second)) {
				out = append(out, says("nobody started run %s", e.runs[at].id)...)
			} else {
				n++
			}
			at++
		}
		switch {
		case n > 1:
			out = append(out, says("%d runs belong to the one start at %s", n, clock(s.at))...)
		case n == 0 && !cut[i]:
			out = append(out, says("no run belongs to the start at %s", clock(s.at))...)
		}
		if s.trigger == "hook" && !e.asked(starts, i) {
			out = append(out, says("a hook's run began at %s, and no hook had been called", clock(s.at))...)
		}
	}
	for ; at < len(e.runs); at++ {
		out = append(out, says("nobody started run %s", e.runs[at].id)...)
	}
	return out
}

// asked reports whether a hook was called since the last start before this one that
// answered anything: one that a kill cut off, or a stop interrupted, did not.
func (e *evidence) asked(starts []start, i int) bool {
	var after time.Time
	for j := i - 1; j >= 0 && after.IsZero(); j-- {
		cut := starts[j].result == "interrupted" || slices.ContainsFunc(e.lives, func(l life) bool {
			return l.ending == killed && !starts[j].at.After(l.down) && starts[j].at.After(l.down.Add(-slack))
		})
		if !cut {
			after = starts[j].at
		}
	}
	since := func(h time.Time) bool {
		return !h.Before(after.Add(-time.Second)) && !h.After(starts[i].at.Add(time.Second))
	}
	return slices.ContainsFunc(e.hooks, since) || slices.ContainsFunc(e.unheard, since)
}

// missed demands a start at least every interval while the daemon is up, and soon
// after it comes up when one came due meanwhile.
func missed(e *evidence) []string {
	var out []string
	var last time.Time // the start before
	for i, l := range e.lives {
		deadline := func() time.Time {
			due := l.up
			if !last.IsZero() && last.Add(every+spread).After(l.up) {
				due = last.Add(every + spread)
			}
			return due.Add(slack + e.longest())
		}
		for _, s := range l.starts {
			if late := s.at.Sub(deadline()); late > 0 {
				out = append(out, says("a run was missed: the one at %s came %s late (life %d)", clock(s.at), late.Round(time.Second), i+1)...)
			}
			last = s.at
		}
		if late := l.down.Sub(deadline()); late > 0 {
			out = append(out, says("a run was missed: none in the last %s before %s (life %d)", (late+every).Round(time.Second), clock(l.down), i+1)...)
		}
	}
	return out
}

// longest returns how long the longest run took.
func (e *evidence) longest() time.Duration {
	var most time.Duration
	for _, r := range e.runs {
		if !r.finished.IsZero() {
			most = max(most, r.finished.Sub(r.began))
		}
	}
	return most
}

// unanswered demands a run that begins after each accepted hook.
func unanswered(e *evidence) []string {
	var out []string
	for _, h := range e.hooks {
		deadline := h.Add(hookDelay + slack + e.longest())
		for _, l := range e.lives { // nobody was there
			if l.up.After(h) && l.up.Before(deadline) {
				deadline = l.up.Add(hookDelay + slack + e.longest())
			}
		}
		if deadline.After(e.ended) {
			continue // it would have had time yet
		}
		answered := slices.ContainsFunc(e.runs, func(r run) bool { return !r.began.Before(h) && !r.began.After(deadline) })
		if !answered {
			out = append(out, says("the hook of %s was accepted and no run followed it", clock(h))...)
		}
	}
	return out
}

// grown compares the first third of the longest life with its last, after it has
// warmed up. A life that was long enough must have been measured.
func grown(e *evidence) []string {
	var out []string
	l := e.longestLife()
	for _, f := range figures() {
		g, measured := l.growth(f)
		switch {
		case measured && float64(g.last) > f.share*float64(g.first)+float64(f.more):
			out = append(out, says("%s grew from %d to %d%s in one life", f.name, g.first/f.unit, g.last/f.unit, f.unitName)...)
		case !measured && l.down.Sub(l.up) > longEnough:
			out = append(out, says("%s could not be measured", f.name)...)
		}
	}
	return out
}

// figure is something of a process that must not grow beyond a share and, for
// small numbers, something more.
type figure struct {
	name     string
	of       func(sample) int64
	share    float64
	more     int64
	unit     int64
	unitName string
}

func figures() []figure {
	return []figure{
		{"memory", func(s sample) int64 { return s.rss }, 1.25, 16 << 20, 1 << 20, " MiB"},
		{"goroutines", func(s sample) int64 { return int64(s.goroutines) }, 1.2, 10, 1, ""},
	}
}

// growth is the median of a figure in the first third of a life and in the last.
type growth struct{ first, last int64 }

// growth returns how a figure changed; false where too little was measured.
func (l life) growth(f figure) (growth, bool) {
	var warm []sample
	for _, s := range l.samples {
		if s.at.Sub(l.up) >= warmUp && f.of(s) > 0 {
			warm = append(warm, s)
		}
	}
	if len(warm) < leastSamples {
		return growth{}, false
	}
	third := len(warm) / 3
	return growth{median(warm[:third], f.of), median(warm[len(warm)-third:], f.of)}, true
}

func (e *evidence) longestLife() life {
	var longest life
	for _, l := range e.lives {
		if l.down.Sub(l.up) > longest.down.Sub(longest.up) {
			longest = l
		}
	}
	return longest
}

func median(of []sample, value func(sample) int64) int64 {
	values := make([]int64, 0, len(of))
	for _, s := range of {
		values = append(values, value(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
