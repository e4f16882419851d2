package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
	"unicode/utf8"
)

// whyLength bounds what is remembered of an error, in bytes.
const whyLength = 500

// start begins the run that a job waits for.
func (s *Scheduler) start(work context.Context, j *job, now time.Time) {
	st := &j.standing
	j.run = &running{waiting: *j.wait, since: now, lanes: slices.Clone(j.Lanes), before: *st, asked: st.Asked}
	j.wait = nil
	for _, lane := range j.run.lanes {
		s.lanes[lane] = true
	}
	st.LastStart, st.LastEnd = now, time.Time{}
	st.Asked = time.Time{} // the run reads after it
	if j.Schedule != nil {
		st.LastFire = j.from
		if _, every := j.Schedule.Every(); every {
			j.from = s.anchor(j, now)
		}
	}
	s.log.Info("job started", keyJob, j.Name, keyTrigger, j.run.trigger, keyFire, j.run.fire)
	spec, run := j.Job, j.run
	s.runs.Go(func() {
		// Remembered before anything is done, so that a process that dies does
		// not do it twice for one fire.
		s.keep(context.WithoutCancel(work), j)
		out := s.call(work, spec, run.trigger)
		s.end(j, out)
		s.keep(context.WithoutCancel(work), j)
		s.release(j)
	})
}

// call runs the job. A panic, which would end every other job with it, is a
// failure.
func (s *Scheduler) call(ctx context.Context, spec Job, t Trigger) Outcome {
	out := Outcome{Word: "panic", Failed: true, Err: errors.New("the run ended without an outcome")}
	done := make(chan struct{})
	go func() { // its own, which runtime.Goexit ends without us
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				out.Err = fmt.Errorf("panic: %v", r)
				s.log.Error("job panicked", keyJob, spec.Name, "panic", r, "stack", string(debug.Stack()))
			}
		}()
		out = spec.Run(ctx, t)
	}()
	<-done
	return out
}

// end takes the outcome over. The job stays running until that is remembered.
func (s *Scheduler) end(j *job, out Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.distrust(j, now)
	s.pass(j, now, "running")
	st, run := &j.standing, j.run
	took := max(now.Sub(run.since), 0)
	run.asked = time.Time{}
	why := ""
	if out.Err != nil {
		why = shorten(out.Err.Error())
	}
	s.log.Info("job ended", keyJob, j.Name, keyTrigger, run.trigger, keyResult, out.Word, keyTook, took)
	switch {
	case out.Busy:
		// It has answered nothing: after a crash all is as before.
		st.LastStart, st.LastEnd, st.LastFire = run.before.LastStart, run.before.LastEnd, run.before.LastFire
		st.Asked = earliestSet(run.before.Asked, st.Asked)
		st.Result, st.Why = out.Word, why
		if j.listed {
			j.wait = &waiting{trigger: TriggerRetry, due: run.due, ready: now.Add(s.busy), fire: run.fire}
		}
		return
	case j.Schedule != nil && j.from.After(st.LastFire):
		st.LastFire = j.from
	}
	st.LastEnd = now
	switch {
	case !out.Failed:
		if !st.Until.IsZero() {
			s.log.Info("job left quarantine", keyJob, j.Name)
		}
		st.Failures, st.Until, st.Result, st.Why = 0, time.Time{}, out.Word, ""
	case s.stopping():
		// Cut off or failed, nobody can tell; the next run will.
		st.Result, st.Why = out.Word, why
	default:
		s.fail(j, now, out.Word, why)
	}
}

// release ends the run, so that others get its lanes.
func (s *Scheduler) release(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lane := range j.run.lanes {
		delete(s.lanes, lane)
	}
	j.run = nil
	s.drop(j)
	s.poke()
}

// fail counts a failure and, after too many, puts the job in quarantine.
func (s *Scheduler) fail(j *job, now time.Time, result, why string) {
	st := &j.standing
	st.Failures++
	st.Result, st.Why = result, why
	if st.Failures < s.quarantine.After {
		return
	}
	st.Until = s.sentence(j, now)
	s.log.Warn("job quarantined", keyJob, j.Name, keyFailures, st.Failures, keyResult, result, keyUntil, st.Until)
}

// sentence returns when a quarantine that began now would end: after a pause
// that doubles with each failure, and not before the next fire.
func (s *Scheduler) sentence(j *job, now time.Time) time.Time {
	pause := s.quarantine.First
	for n := s.quarantine.After; n < j.standing.Failures && pause < s.quarantine.Most; n++ {
		pause *= 2
	}
	return latest(now.Add(min(pause, s.quarantine.Most)), j.upcoming(now))
}

// shorten bounds a text at the edge of a character.
func shorten(text string) string {
	if len(text) <= whyLength {
		return text
	}
	cut := whyLength
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// earliestSet returns the earlier of two times of which either may be zero.
func earliestSet(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
