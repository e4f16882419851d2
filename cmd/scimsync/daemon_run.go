package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/agent/schedule"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// The words of runs that ended before they had a plan, beside those of
// agent.Result.
const (
	wordFailed       = "failed"
	wordIncomplete   = "incomplete"
	wordUnauthorized = "unauthorized"
	wordInterrupted  = "interrupted"
	wordBusy         = "busy"
	wordPaused       = "paused"
)

// job returns what runs one sync of a generation.
func (d *daemon) job(g *generation, s *configs.Sync) func(context.Context, schedule.Trigger) schedule.Outcome {
	return func(ctx context.Context, t schedule.Trigger) schedule.Outcome {
		r := &daemonRun{daemon: d, g: g, sync: s, trigger: t, began: time.Now()}
		out := r.do(ctx)
		r.ended(out)
		return out
	}
}

// daemonRun is one run of one sync.
type daemonRun struct {
	*daemon
	g       *generation
	sync    *configs.Sync
	trigger schedule.Trigger
	began   time.Time

	plan   *plan.Plan // nil where it did not come to one
	result agent.Result
}

// do prepares and applies, and tells whoever is to hear.
func (r *daemonRun) do(ctx context.Context) schedule.Outcome {
	if p, paused, err := r.ledger.Paused(ctx, r.sync.Name); err == nil && paused {
		r.log.Info("not run: the sync is paused", "sync", r.sync.Name, "since", p.Since.Format(time.RFC3339))
		return schedule.Outcome{Word: wordPaused}
	}
	cycle, err := r.prepare(ctx)
	if err != nil {
		out := outcomeOf(err)
		if out.Failed {
			r.telling.after(r.sync.Name, func(ctx context.Context) { r.g.announce.failed(ctx, r.sync, err) })
		}
		return out
	}
	r.plan = cycle.Plan
	r.g.announce.begins(ctx, r.sync)
	result, failure := cycle.Apply(ctx, r.app.stop)
	r.result = result
	if err := cycle.Unlock(); err != nil {
		r.log.Warn("releasing the lock", "sync", r.sync.Name, "err", err)
	}
	r.count()
	r.telling.after(r.sync.Name, func(ctx context.Context) {
		// The plan is read from the scratch room, so that is kept until then.
		r.g.announce.ran(ctx, r.sync, cycle.Plan, result, failure, reachWhole)
		if err := cycle.Close(); err != nil {
			r.log.Warn("closing the scratch room", "sync", r.sync.Name, "err", err)
		}
	})
	return outcomeOfResult(result, failure)
}

func (r *daemonRun) prepare(ctx context.Context) (*agent.Cycle, error) {
	opened, err := r.g.conns.open(r.sync, r.ledger)
	if err != nil {
		return nil, err
	}
	preparing, prepared := r.app.interruptible(ctx)
	defer prepared()
	return opened.Prepare(preparing, agent.Options{})
}

// outcomeOf judges a run that ended before it had a plan. One that was
// interrupted answers no fire: it is made up for after a restart.
func outcomeOf(err error) schedule.Outcome {
	switch codeOf(err) {
	case exitLocked:
		return schedule.Outcome{Word: wordBusy, Busy: true, Err: err}
	case exitInterrupted:
		return schedule.Outcome{Word: wordInterrupted, Busy: true} // which request was cut off says nothing
	case exitUnauthorized:
		return schedule.Outcome{Word: wordUnauthorized, Failed: true, Err: err}
	case exitIncomplete:
		return schedule.Outcome{Word: wordIncomplete, Failed: true, Err: err}
	}
	return schedule.Outcome{Word: wordFailed, Failed: true, Err: err}
}

// outcomeOfResult judges a run that was applied. What some objects lack is no
// failure of the run: they are tried again one by one, at their own pace.
func outcomeOfResult(r agent.Result, failure error) schedule.Outcome {
	out := schedule.Outcome{Word: r.Word(failure), Err: failure}
	stopped := r.Report.Stopped
	switch {
	case errors.Is(failure, context.Canceled), errors.Is(stopped, context.Canceled), errors.Is(stopped, apply.ErrInterrupted):
		out.Word, out.Busy = wordInterrupted, true
	case failure != nil:
		out.Failed = true
	case stopped != nil:
		out.Failed, out.Err = true, stopped
	}
	return out
}

// complete reports whether a run of this result read everything and tried every
// change.
func complete(word string) bool { return word == "done" || word == "partial" || word == "held" }

// count gives the changes of a run to the metrics.
func (r *daemonRun) count() {
	type sort struct{ kind, op, outcome string }
	tally := map[sort]int{}
	for s, err := range r.plan.Steps {
		if err != nil {
			r.log.Warn("counting the changes", "sync", r.sync.Name, "err", err)
			return
		}
		key := sort{string(s.Ref.Kind), string(s.Op), string(s.Outcome)}
		if s.Op == identity.AddMembers || s.Op == identity.RemoveMembers {
			key.kind = "membership"
		}
		switch {
		case s.Held != "":
			key.outcome = "held"
		case s.Outcome == "":
			key.outcome = string(plan.NotTried)
		}
		tally[key] += s.Weight()
		if s.Op == identity.Create && len(s.Members) > 0 { // they go with the group
			key.kind, key.op = "membership", string(identity.AddMembers)
			tally[key] += len(s.Members)
		}
	}
	for key, n := range tally {
		r.metrics.Changed(r.sync.Name, key.kind, key.op, key.outcome, n)
	}
}

// ended logs a run in one line, and counts it.
func (r *daemonRun) ended(out schedule.Outcome) {
	now := time.Now()
	took := now.Sub(r.began)
	r.metrics.Ran(r.sync.Name, out.Word, took)
	r.noted(out.Word, now)
	attrs := []any{"sync", r.sync.Name, "trigger", string(r.trigger), "result", out.Word, "took", took.Round(time.Millisecond)}
	if p := r.plan; p != nil {
		report := r.result.Report
		attrs = append(attrs, "run_id", r.result.Run, "cycle", string(p.Cycle), "changes", p.Summary.Changes(),
			"applied", report.Applied+report.Unverified, "failed", report.Failed+report.NotKept, "held", p.Summary.Held,
			"undecided", r.result.Undecided)
	}
	level := slog.LevelInfo
	switch {
	case out.Failed:
		level = slog.LevelError
		if connectors.ClassOf(out.Err) == connectors.Transient || out.Word == wordIncomplete {
			level = slog.LevelWarn // it passes by itself, or becomes a quarantine
		}
	case out.Busy:
		level = slog.LevelWarn
	}
	if out.Err != nil {
		attrs = append(attrs, "err", out.Err)
	}
	r.log.Log(context.Background(), level, "run ended", attrs...)
	r.recount()
	if out.Word == wordUnauthorized {
		r.lookAtEnds()
	}
}

// tellings lets notifications of a sync go out one after the other, and beside
// the runs: a mail server that does not answer holds nobody up.
type tellings struct {
	ctx    context.Context // of all that is told; see endIn
	giveUp context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex
	last   map[string]chan struct{} // of each sync, closed when it is done
}

// newTellings returns one that outlives ctx, because what was done is to be told.
func newTellings(ctx context.Context) *tellings {
	t := &tellings{last: map[string]chan struct{}{}}
	t.ctx, t.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	return t
}

// after tells once what was to be told of the sync before has been. It waits for
// that, so that no more than one telling of a sync is on.
func (t *tellings) after(name string, tell func(context.Context)) {
	t.mu.Lock()
	before, done := t.last[name], make(chan struct{})
	t.last[name] = done
	t.mu.Unlock()
	if before != nil {
		<-before
	}
	t.all.Go(func() {
		defer close(done)
		tell(t.ctx)
	})
}

// endIn ends what is still being told after a while.
func (t *tellings) endIn(d time.Duration) { time.AfterFunc(d, t.giveUp) }

// wait waits for all of them, ending them after d.
func (t *tellings) wait(d time.Duration) {
	t.endIn(d)
	t.all.Wait()
	t.giveUp()
}
