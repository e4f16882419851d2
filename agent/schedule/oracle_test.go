package schedule

import (
	"fmt"
	"slices"
	"time"

	"github.com/scimsync/scimsync/configs"
)

// faults is the oracle: what is wrong with what was seen, in words.
func (s *seen) faults() []string {
	var out []string
	for _, j := range s.jobs {
		if j.Schedule != nil {
			if _, every := j.Schedule.Every(); every {
				out = append(out, s.everyFaults(j)...)
			} else {
				out = append(out, s.cronFaults(j)...)
			}
		}
		out = append(out, s.hookFaults(j)...)
		out = append(out, s.cutFaults(j)...)
		out = append(out, s.pauseFaults(j)...)
	}
	return append(out, s.laneFaults()...)
}

// counts reports whether a run answered what it was started for.
func (r ran) counts() bool { return !r.out.Busy }

// cut reports whether the process ended during the run.
func (r ran) cut() bool { return r.out.Word == "" }

// cronFaults holds every fire of a cron expression to exactly one answer.
func (s *seen) cronFaults(j Job) []string {
	var out []string
	starts := map[time.Time][]ran{}
	for _, r := range s.runs(j.Name) {
		if !r.fire.IsZero() && r.counts() {
			starts[r.fire.UTC()] = append(starts[r.fire.UTC()], r)
		}
	}
	final := s.spans[len(s.spans)-1]
	top := time.Time{} // the furthest the clock came
	for _, sp := range s.spans[:len(s.spans)-1] {
		top = latest(top, sp.to.Add(sp.skew))
	}
	for f := j.Schedule.Next(s.begin); f.Before(top.Add(-2 * time.Minute)); f = j.Schedule.Next(f) {
		f := f.UTC()
		got := starts[f]
		delete(starts, f)
		switch {
		case len(got) > 1:
			out = append(out, fmt.Sprintf("%s: %d starts for the fire %v", j.Name, len(got), f))
		case len(got) == 1:
			r := got[0]
			if r.wall.Before(f) && !s.jumpedBack() {
				out = append(out, fmt.Sprintf("%s: a start at %v for the fire %v", j.Name, r.wall.UTC(), f))
			}
			if at, ok := s.undisturbed(j, f); ok && r.start.Sub(at).Abs() > defaultJitter+time.Second {
				out = append(out, fmt.Sprintf("%s: a start %v from the fire %v", j.Name, r.start.Sub(at), f))
			}
		default:
			if !s.excused(j, f) {
				out = append(out, fmt.Sprintf("%s: nothing is said of the fire %v", j.Name, f))
			}
		}
		if len(got) != 1 {
			if at, ok := s.undisturbed(j, f); ok {
				out = append(out, fmt.Sprintf("%s: no start for the fire %v, although nothing kept it at %v", j.Name, f, at.Add(final.skew)))
			}
		}
	}
	for f := range starts {
		if !f.After(s.begin) || !j.Schedule.Next(f.Add(-time.Second)).Equal(f) {
			out = append(out, fmt.Sprintf("%s: a start for %v, which is no fire", j.Name, f))
		}
	}
	return out
}

func (s *seen) jumpedBack() bool {
	return slices.ContainsFunc(s.deeds, func(d deed) bool { return d.what == "jump" && d.by < 0 })
}

// excused reports whether a line says why the fire was not answered, and whether
// it is true.
func (s *seen) excused(j Job, f time.Time) bool {
	for _, text := range []string{"job skipped", "job missed"} {
		for _, l := range s.logged(j.Name, text) {
			if f.Before(l.time(keyFirst)) || f.After(l.time(keyLast)) {
				continue
			}
			switch {
			case text == "job missed":
				// The policy says so; or nobody was there, or it waited in a
				// process that ended, and the next one is answered at once.
				if j.Missed == configs.MissedSkip || (s.away(f) || s.stranded(j, f, l.life)) && s.due(j, j.Schedule.Next(l.time(keyLast)), l) {
					return true
				}
			case l.str(keyWhy) == "running":
				if slices.ContainsFunc(s.runs(j.Name), func(r ran) bool { return r.life == l.life && !r.start.After(l.at) && !r.end.Before(l.at) }) {
					return true
				}
			case l.str(keyWhy) == "in quarantine":
				if s.failures(j, l.at) >= 2 {
					return true
				}
			case l.str(keyWhy) == "waiting":
				return true
			}
		}
	}
	return false
}

// failures counts the failures in a row before a time, with what was cut off.
func (s *seen) failures(j Job, before time.Time) int {
	n := 0
	for _, r := range s.runs(j.Name) {
		if !r.start.Before(before) {
			break
		}
		switch {
		case r.out.Busy:
		case r.out.Word == "ok":
			n = 0
		default: // failed, interrupted or killed
			n++
		}
	}
	return n
}

// away reports whether the fire came while no process was there or the clock
// jumped over it.
func (s *seen) away(f time.Time) bool {
	for _, sp := range s.spans {
		at := f.Add(-sp.skew)
		if sp.life != 0 && !at.Before(sp.from) && at.Before(sp.to) {
			return false
		}
	}
	return true
}

// stranded reports whether the fire waited for its start when a process before
// that one ended.
func (s *seen) stranded(j Job, f time.Time, before int) bool {
	return slices.ContainsFunc(s.logged(j.Name, "job due"), func(l line) bool {
		_, fire := l.attrs[keyFire]
		return fire && l.life < before && l.time(keyFire).Equal(f)
	})
}

// due reports whether the job came due for the fire beside a line.
func (s *seen) due(j Job, f time.Time, beside line) bool {
	return slices.ContainsFunc(s.logged(j.Name, "job due"), func(l line) bool {
		_, fire := l.attrs[keyFire]
		return fire && l.life == beside.life && l.at.Equal(beside.at) && l.time(keyFire).Equal(f)
	})
}

// undisturbed returns when the clock showed the fire, if nothing was there to
// keep the job from starting: no stop, jump or reload near it, no run of it or
// of what shares a lane, no failure for a day, and no earlier start for it.
func (s *seen) undisturbed(j Job, f time.Time) (time.Time, bool) {
	const near = 5 * time.Minute
	for _, sp := range s.spans {
		at := f.Add(-sp.skew)
		if sp.life == 0 || at.Add(-near).Before(sp.from) || at.Add(near).After(sp.to) {
			continue
		}
		// A clock that was ahead before may have seen the fire already.
		if slices.ContainsFunc(s.spans, func(o span) bool { return o.from.Before(sp.from) && o.to.Add(o.skew).After(f) }) {
			continue
		}
		kept := false
		for _, r := range s.ran {
			if r.job == j.Name && r.fire.Equal(f) && r.counts() {
				continue
			}
			shares := r.job == j.Name || slices.ContainsFunc(s.jobs, func(o Job) bool {
				return o.Name == r.job && slices.ContainsFunc(o.Lanes, func(l string) bool { return slices.Contains(j.Lanes, l) })
			})
			end := r.end
			if end.IsZero() {
				end = r.start.Add(most)
			}
			if shares && r.start.Before(at.Add(near)) && end.After(at.Add(-near)) {
				kept = true
			}
			if r.job == j.Name && (r.out.Failed || r.out.Word == "" || r.out.Busy) && r.start.Before(at) && r.end.After(at.Add(-26*time.Hour)) {
				kept = true
			}
		}
		if !kept {
			return at, true
		}
	}
	return time.Time{}, false
}

// everyFaults holds @every to its interval where nothing disturbs it: from one
// start to the next, by the clock that does not jump.
func (s *seen) everyFaults(j Job) []string {
	var out []string
	every, _ := j.Schedule.Every()
	runs := s.runs(j.Name)
	if len(runs) == 0 {
		return []string{j.Name + ": never started"}
	}
	slack := spread(j.Name, j.Schedule, s.begin, defaultJitter) + time.Second
	for i := 1; i < len(runs); i++ {
		a, b := runs[i-1], runs[i]
		if gap := b.start.Sub(a.start); b.trigger == TriggerSchedule && a.counts() && !s.jumped(a.start, b.start) && gap < every-slack {
			out = append(out, fmt.Sprintf("%s: a start %v after the last one", j.Name, gap))
		}
	}
	// In the end nothing disturbs it but the other jobs.
	end := s.spans[len(s.spans)-1].from
	last := runs[len(runs)-1].start
	if end.Sub(last) > every+2*defaultJitter+time.Minute {
		out = append(out, fmt.Sprintf("%s: no start in the last %v", j.Name, end.Sub(last)))
	}
	return out
}

func (s *seen) jumped(from, to time.Time) bool {
	return slices.ContainsFunc(s.spans[1:], func(sp span) bool { return !sp.from.Before(from) && !sp.from.After(to) })
}

// hookFaults holds every accepted hook to a run that begins after it and ends.
func (s *seen) hookFaults(j Job) []string {
	var out []string
	for _, h := range s.hooks {
		if h.job == j.Name && !slices.ContainsFunc(s.runs(j.Name), func(r ran) bool { return r.counts() && !r.cut() && r.start.After(h.at) }) {
			out = append(out, fmt.Sprintf("%s: the hook at %v was lost", j.Name, h.at))
		}
	}
	return out
}

// cutFaults holds a run that was cut off to being made up for as soon as a process
// is there again, where no quarantine, lane or policy stands against that.
func (s *seen) cutFaults(j Job) []string {
	var out []string
	runs := s.runs(j.Name)
	for _, r := range runs {
		i := slices.IndexFunc(s.spans, func(sp span) bool { return sp.life == r.life+1 })
		if !r.cut() || i < 0 || j.Missed == configs.MissedSkip || len(j.Lanes) > 0 {
			continue
		}
		boot := s.spans[i]
		if s.failures(j, boot.from) >= 2 || boot.to.Sub(boot.from) < time.Second {
			continue
		}
		if !slices.ContainsFunc(runs, func(b ran) bool { return b.life == boot.life && b.start.Sub(boot.from) < time.Second }) {
			out = append(out, fmt.Sprintf("%s: nothing made up for the run that was cut off at %v", j.Name, r.end))
		}
	}
	return out
}

// pauseFaults holds failing jobs and hooks to their rests.
func (s *seen) pauseFaults(j Job) []string {
	var out []string
	runs := s.runs(j.Name)
	for i := 1; i < len(runs); i++ {
		a, b := runs[i-1], runs[i]
		gap := b.start.Sub(a.end)
		if a.end.IsZero() || a.life != b.life || s.jumped(a.end, b.start) {
			continue
		}
		const exact = time.Millisecond // as the memory counts
		if b.trigger == TriggerHook && gap <= defaultPause-exact {
			out = append(out, fmt.Sprintf("%s: a hook ran %v after the last run", j.Name, gap))
		}
		if n := s.failures(j, b.start); a.out.Failed && n >= 2 && s.sameLife(runs[:i], n) && gap <= 10*time.Minute-exact {
			out = append(out, fmt.Sprintf("%s: tried again %v after %d failures", j.Name, gap, n))
		}
	}
	return out
}

// sameLife reports whether the last n runs were of one process, so that what the
// oracle counts as failures is what the scheduler does.
func (s *seen) sameLife(runs []ran, n int) bool {
	last := runs[len(runs)-1].life
	return !slices.ContainsFunc(runs[len(runs)-n:], func(r ran) bool { return r.life != last || r.out.Word == "interrupted" })
}

// laneFaults looks for two runs at once of one job or in one lane.
func (s *seen) laneFaults() []string {
	var out []string
	lanes := map[string][]string{}
	for _, j := range s.jobs {
		lanes[j.Name] = append([]string{"job " + j.Name}, j.Lanes...)
	}
	for i, a := range s.ran {
		for _, b := range s.ran[i+1:] {
			both := slices.ContainsFunc(lanes[a.job], func(l string) bool { return slices.Contains(lanes[b.job], l) })
			if both && a.life == b.life && a.start.Before(b.end) && b.start.Before(a.end) {
				out = append(out, fmt.Sprintf("%s and %s ran at once at %v", a.job, b.job, b.start))
			}
		}
	}
	return out
}
