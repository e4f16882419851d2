package schedule

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scimsync/scimsync/configs"
)

// The keys of log lines. The jobs are syncs, and go by that name in every log.
const (
	keyJob      = "sync"
	keyTrigger  = "trigger"
	keyFire     = "fire"
	keyFirst    = "first"
	keyLast     = "last"
	keyWhy      = "why"
	keyError    = "err"
	keyUntil    = "until"
	keyFailures = "failures"
	keyResult   = "result"
	keyTook     = "took"
)

// job is a Job and how it stands. Its fields belong to Scheduler.mu.
type job struct {
	Job
	listed  bool // false: Replace took it away while it ran
	entered bool // the memory was asked about it

	// standing is what the memory knows or, with unsaved, is to know.
	standing Standing
	unsaved  bool
	saving   sync.Mutex

	// from is the time after which the next fire counts; see anchor. It is
	// ahead of standing while a fire waits for its start, so that one which
	// never starts counts as missed.
	from time.Time
	wait *waiting // due and not started
	run  *running

	skipped, missed int
}

// waiting is a start to come.
type waiting struct {
	trigger Trigger
	due     time.Time // decides who is first
	ready   time.Time // not before it
	fire    time.Time // which it answers; zero: none
}

// running is a run that goes on.
type running struct {
	waiting
	since  time.Time
	lanes  []string
	before Standing // as it was remembered before the start
	// asked is since when the hook waits that the run answers by its end; zero:
	// none does, or it has ended.
	asked time.Time
}

// enter takes over what is remembered when a job appears, and what has changed
// when its settings were replaced.
func (s *Scheduler) enter(j *job, now time.Time) {
	st := &j.standing
	known := j.entered
	if !known {
		asked := st.Asked // before Run
		*st = s.known[j.Name]
		delete(s.known, j.Name)
		j.entered = true
		if st.Asked.IsZero() && !asked.IsZero() {
			st.Asked, j.unsaved = asked, true
		}
	}
	if changed := st.Spec != spec(j.Schedule); changed || !known {
		j.from = time.Time{}
		if j.Schedule != nil {
			j.from = s.anchor(j, now)
		}
		if changed {
			st.Spec, st.LastFire, j.unsaved = spec(j.Schedule), j.from, true
			j.forgetFire()
		}
	}
	if !known {
		s.mourn(j, now)
	}
	if st.Version != j.Version {
		st.Version, j.unsaved = j.Version, true
		if st.Quarantined(now) {
			st.Until = now
			s.log.Info("quarantine ended by a changed configuration", keyJob, j.Name)
		}
	}
}

// forgetFire drops a start that was to answer a fire of another schedule.
func (j *job) forgetFire() {
	switch {
	case j.wait == nil || j.wait.fire.IsZero():
	case j.wait.trigger == TriggerSchedule, j.wait.trigger == TriggerMissed:
		j.wait = nil // a hook that it would have answered is still asked for
	default:
		j.wait.fire = time.Time{}
	}
}

func (s *Scheduler) anchor(j *job, now time.Time) time.Time {
	return anchor(j.Schedule, j.standing, spread(j.Name, j.Schedule, now, s.jitter), now)
}

// mourn counts a run that never ended as a failure, so that one that ends the
// process each time is put in quarantine too, and has another make up for it: at
// once, or after the quarantine. A hook is still owed its run whatever the policy
// says, and what is made up for is remembered like a hook, in case the process
// ends again before it begins.
func (s *Scheduler) mourn(j *job, now time.Time) {
	st := &j.standing
	if st.LastStart.IsZero() || !st.LastEnd.IsZero() {
		return
	}
	s.log.Warn("run was cut off by the end of the process", keyJob, j.Name)
	st.LastEnd, j.unsaved = now, true
	s.fail(j, now, "cut off", "the process ended during the run")
	if st.Asked.IsZero() && j.Missed == configs.MissedSkip {
		return
	}
	st.Asked = earliestSet(st.Asked, now)
	if !st.Quarantined(now) {
		j.wait = &waiting{trigger: TriggerMissed, due: now, ready: now}
		s.log.Debug("job due", keyJob, j.Name, keyTrigger, TriggerMissed)
	}
}

// advance makes a job wait for its start when it has come due, and counts what
// it will not start for.
func (s *Scheduler) advance(j *job, now time.Time) {
	s.distrust(j, now)
	st := &j.standing
	switch {
	case j.run != nil:
		s.pass(j, now, "running")
		return
	case st.Quarantined(now):
		s.pass(j, now, "in quarantine")
		return
	case !st.Until.IsZero() && j.wait == nil:
		j.wait = &waiting{trigger: TriggerRetry, due: st.Until, ready: now}
		if first, last := j.fires(now); !last.IsZero() {
			if first.Before(last) {
				s.skip(j, first, last, "in quarantine")
			}
			j.from, j.wait.fire = last, last
		}
		s.log.Info("job due after quarantine", keyJob, j.Name, keyFailures, st.Failures)
	}
	s.meet(j, now)
	if j.wait == nil && !st.Asked.IsZero() {
		ready := latest(st.Asked.Add(s.debounce), st.LastEnd.Add(s.pause))
		j.wait = &waiting{trigger: TriggerHook, due: st.Asked, ready: ready}
		s.log.Debug("job due", keyJob, j.Name, keyTrigger, TriggerHook)
	}
}

// meet answers the fires of a job that is idle or waiting.
func (s *Scheduler) meet(j *job, now time.Time) {
	first, last := j.fires(now)
	if last.IsZero() {
		return
	}
	unstarted := j.from.IsZero()
	overdue := now.Sub(last) > late
	policy := cmp.Or(j.Missed, configs.MissedRun)
	if j.wait != nil && !j.wait.fire.IsZero() {
		s.skip(j, first, last, "waiting")
		j.from = last
		return
	}
	if overdue && policy == configs.MissedSkip {
		s.miss(j, first, last)
		j.from = last
		return
	}
	if first.Before(last) {
		s.miss(j, first, last.Add(-time.Second))
	}
	j.from = last
	w := waiting{trigger: TriggerSchedule, due: last, ready: last, fire: last}
	switch {
	case overdue:
		w.trigger, w.ready = TriggerMissed, now
	case !unstarted:
		w.ready = last.Add(spread(j.Name, j.Schedule, last, s.jitter))
	}
	if j.wait != nil { // one start answers both
		w.due = earliest(w.due, j.wait.due)
		w.ready = earliest(w.ready, j.wait.ready)
		if j.wait.trigger == TriggerRetry {
			w.trigger = TriggerRetry
		}
	}
	j.wait = &w
	s.log.Debug("job due", keyJob, j.Name, keyTrigger, w.trigger, keyFire, last)
}

// fires returns the first and last fire that have come and are not answered.
func (j *job) fires(now time.Time) (time.Time, time.Time) {
	if j.Schedule == nil {
		return time.Time{}, time.Time{}
	}
	return fires(j.Schedule, j.from, now)
}

// pass skips the fires of a job that cannot wait for a start.
func (s *Scheduler) pass(j *job, now time.Time, why string) {
	if first, last := j.fires(now); !last.IsZero() {
		s.skip(j, first, last, why)
		j.from = last
	}
}

func (s *Scheduler) skip(j *job, first, last time.Time, why string) {
	j.skipped++
	s.log.Info("job skipped", keyJob, j.Name, keyWhy, why, keyFirst, first, keyLast, last)
}

func (s *Scheduler) miss(j *job, first, last time.Time) {
	j.missed++
	s.log.Warn("job missed", keyJob, j.Name, keyFirst, first, keyLast, last)
}

// distrust puts right what a clock that was set back makes of times to come: no
// wait is longer than it ever is by itself.
func (s *Scheduler) distrust(j *job, now time.Time) {
	st := &j.standing
	if j.Schedule != nil {
		if from := trusted(j.Schedule, j.from, now); !from.Equal(j.from) {
			s.log.Warn("clock was set back; the schedule counts from now", keyJob, j.Name, keyFire, j.from)
			j.from = from
		}
	}
	st.Asked = earliest(st.Asked, now)
	if !st.Until.IsZero() {
		st.Until = earliest(st.Until, s.sentence(j, now))
	}
	if j.wait != nil {
		j.wait.ready = earliest(j.wait.ready, now.Add(max(s.jitter, s.debounce, s.pause, s.busy)))
	}
}

// upcoming returns the first fire to come; zero: there is none.
func (j *job) upcoming(now time.Time) time.Time {
	if j.Schedule == nil {
		return time.Time{}
	}
	_, last := j.fires(now)
	return j.Schedule.Next(latest(j.from, last))
}

// idleFor returns how long the loop may wait.
func (s *Scheduler) idleFor(now time.Time) time.Duration {
	at := now.Add(poll)
	for _, name := range s.order {
		j := s.jobs[name]
		if next := j.next(now); !next.IsZero() {
			at = earliest(at, next)
		}
		// One that is ready waits for a lane, whose end wakes the loop.
		if j.wait != nil && j.wait.ready.After(now) {
			at = earliest(at, j.wait.ready)
		}
	}
	return max(at.Sub(now), time.Millisecond)
}

// next returns when the job comes due again; zero: not by itself.
func (j *job) next(now time.Time) time.Time {
	st := j.standing
	switch {
	case j.run == nil && st.Quarantined(now):
		return st.Until
	case j.Schedule == nil:
		return time.Time{}
	case j.from.IsZero():
		return now
	}
	return j.Schedule.Next(j.from)
}

// dispatch starts the jobs that are ready and whose lanes are free, in the order
// in which they came due. One that has to wait keeps those behind it from taking
// its lanes, so that it is not overtaken for ever.
func (s *Scheduler) dispatch(work context.Context, now time.Time) {
	var ready []*job
	for _, name := range s.order {
		if j := s.jobs[name]; j.wait != nil && j.run == nil && !j.wait.ready.After(now) {
			ready = append(ready, j)
		}
	}
	slices.SortStableFunc(ready, func(a, b *job) int { return a.wait.due.Compare(b.wait.due) })
	wanted := map[string]bool{}
	for _, j := range ready {
		free := !slices.ContainsFunc(j.Lanes, func(lane string) bool { return s.lanes[lane] || wanted[lane] })
		if free {
			s.start(work, j, now)
			continue
		}
		for _, lane := range j.Lanes {
			wanted[lane] = true
		}
	}
}

// earliest and latest take the zero time for the first of all.
func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
