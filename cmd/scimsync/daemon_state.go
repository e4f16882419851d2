package main

import (
	"context"
	"errors"
	"time"

	"github.com/scimsync/scimsync/agent/schedule"
	endpoints "github.com/scimsync/scimsync/agent/serve"
)

// surveyTime bounds the counting of one sync.
const surveyTime = 10 * time.Second

// survey is what is known of a sync without asking the ledger at each scrape.
type survey struct {
	counts               *endpoints.SyncCounts
	paused               bool
	lastRun, lastSuccess time.Time
}

// surveyed returns what is known of a sync.
func (d *daemon) surveyed(name string) survey {
	if v, ok := d.counts.Load(name); ok {
		if s, ok := v.(survey); ok {
			return s
		}
	}
	return survey{}
}

// survey counts what the ledger holds, now and then and when it is asked to.
func (d *daemon) survey(ctx context.Context) {
	every := time.NewTicker(surveyEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		case <-d.surveyNow:
		}
		for _, s := range d.inForce.Load().syncs {
			if err := d.surveyOf(ctx, s.Name); err != nil && ctx.Err() == nil {
				d.log.Warn("the state of a sync cannot be read; its metrics are those of before", "sync", s.Name, "err", err)
			}
		}
	}
}

// recount asks for a survey soon.
func (d *daemon) recount() {
	select {
	case d.surveyNow <- struct{}{}:
	default: // asked already
	}
}

func (d *daemon) surveyOf(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	stand, err := d.ledger.Standing(ctx, name)
	if err != nil {
		return err
	}
	_, paused, err := d.ledger.Paused(ctx, name)
	if err != nil {
		return err
	}
	lastRun, lastSuccess, err := d.lastRuns(ctx, name)
	if err != nil {
		return err
	}
	// A run may have ended while this was read: the newer times stay.
	d.update(name, func(s *survey) {
		counts := endpoints.SyncCounts{Held: stand.Held, Dirty: stand.Dirty, Users: stand.Users, Groups: stand.Groups}
		if s.counts != nil {
			counts.Skipped, counts.Undecided = s.counts.Skipped, s.counts.Undecided
		}
		s.counts, s.paused = &counts, paused
		s.lastRun, s.lastSuccess = later(s.lastRun, lastRun), later(s.lastSuccess, lastSuccess)
	})
	return nil
}

// lastRuns returns when the last run ended, and the last complete one, among the
// latest runs of the journal.
func (d *daemon) lastRuns(ctx context.Context, name string) (time.Time, time.Time, error) {
	const latest = 100
	runs, err := d.ledger.Runs(ctx, name, latest)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	var last, success time.Time
	for _, r := range runs {
		last = later(last, r.Finished)
		if complete(r.Result) && r.Cycle != "only" {
			success = later(success, r.Finished)
		}
	}
	return last, success, nil
}

// noted keeps when a run ended, and what it skipped.
func (r *daemonRun) noted(word string, now time.Time) {
	r.update(r.sync.Name, func(s *survey) {
		s.lastRun = now
		if complete(word) {
			s.lastSuccess = now
		}
		if r.plan == nil {
			return
		}
		counts := endpoints.SyncCounts{}
		if s.counts != nil {
			counts = *s.counts
		}
		counts.Skipped, counts.Undecided = 0, 0
		for _, one := range r.plan.Skipped {
			if one.Undecided {
				counts.Undecided++
			} else {
				counts.Skipped++
			}
		}
		s.counts = &counts
	})
}

// update changes what is known of a sync.
func (d *daemon) update(name string, change func(*survey)) {
	d.surveying.Lock()
	defer d.surveying.Unlock()
	s := d.surveyed(name)
	change(&s)
	d.counts.Store(name, s)
}

// state is what a scrape shows: all of it from memory.
func (d *daemon) state() endpoints.State {
	var out endpoints.State
	if ends := d.ends.Load(); ends != nil {
		out.Credentials = *ends
	}
	now := time.Now()
	for _, job := range d.scheduler.Status() {
		known := d.surveyed(job.Name)
		out.Syncs = append(out.Syncs, endpoints.SyncState{
			Name: job.Name, LastRun: known.lastRun, LastSuccess: known.lastSuccess, NextRun: job.Next,
			Running: job.Running != nil, Quarantined: job.Quarantined(now), Paused: known.paused,
			Failures: job.Failures, Counts: known.counts,
		})
	}
	return out
}

// watchEnds looks at credentials and at what has become stale: at once, each hour,
// after a reload and when a credential was refused.
func (d *daemon) watchEnds(ctx context.Context) {
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	for {
		g := d.inForce.Load()
		known := credentials(ctx, g.conns, g.syncs)
		ends := make([]endpoints.CredentialState, 0, len(known))
		for _, c := range known {
			ends = append(ends, endpoints.CredentialState{Side: c.side, Name: c.name, Expires: c.Expires})
		}
		d.ends.Store(&ends)
		g.announce.watch(ctx, g.conns, g.syncs)
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		case <-d.lookNow:
		}
	}
}

// lookAtEnds asks for credentials to be looked at soon.
func (d *daemon) lookAtEnds() {
	select {
	case d.lookNow <- struct{}{}:
	default: // asked already
	}
}

// healthy asks the ledger the cheapest question there is.
func (d *daemon) healthy(ctx context.Context) error {
	_, _, err := d.ledger.Paused(ctx, "")
	return err
}

// unready says why the daemon will not do its work, or "".
func (d *daemon) unready() string {
	switch d.phase.Load() {
	case working:
		return ""
	case stopping:
		return "the daemon is stopping"
	case waiting:
		return "another daemon works on the same state file; this one waits for it to end"
	}
	return "the daemon is starting"
}

// trigger asks for a run of a sync.
func (d *daemon) trigger(name string) error {
	if why := d.unready(); why != "" {
		return &endpoints.RefusedError{Why: why, After: stopWait}
	}
	if d.surveyed(name).paused {
		return &endpoints.RefusedError{Why: "the sync is paused"}
	}
	err := d.scheduler.Trigger(name)
	if q, ok := errors.AsType[*schedule.QuarantineError](err); ok {
		return &endpoints.RefusedError{
			Why:   "the sync keeps failing and is left alone for now; the log and scimsync status say why",
			After: time.Until(q.Until),
		}
	}
	switch {
	case errors.Is(err, schedule.ErrUnknown):
		return endpoints.ErrUnknown
	case errors.Is(err, schedule.ErrStopping):
		return &endpoints.RefusedError{Why: "the daemon is stopping", After: stopWait}
	}
	return err
}

// summarize says in a line how the daemon stands.
func (d *daemon) summarize() {
	running, left := 0, 0
	var next schedule.Status
	jobs := d.scheduler.Status()
	for _, job := range jobs {
		if job.Running != nil {
			running++
		}
		if job.Quarantined(time.Now()) {
			left++
		}
		if !job.Next.IsZero() && (next.Next.IsZero() || job.Next.Before(next.Next)) {
			next = job
		}
	}
	text := status("%d %s, %d running, %d in quarantine", len(jobs), plural(len(jobs), "sync"), running, left)
	if !next.Next.IsZero() {
		text += ", next " + next.Name + " at " + next.Next.Local().Format(time.TimeOnly)
	}
	d.tell(text)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
