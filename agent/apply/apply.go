// Package apply carries out the steps of a plan: wave after wave, many objects
// at a time and never two steps of one object at once; intent before the call,
// outcome after it; and a look at the target before anything is repeated.
//
// It does not decide what to change (agent/plan does), knows no vendor, and
// retries nothing: the transport below has done so.
package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Journal writes down what is about to be done and what became of it, each in
// one transaction. An error of either stops the run: what cannot be written
// down must not be done.
type Journal interface {
	Intend(ctx context.Context, changes []identity.Change) (seqs []int64, err error)
	Settle(ctx context.Context, outcomes []ledger.Outcome) error
}

// Engine applies the steps of one workspace.
type Engine struct {
	Session connectors.Session
	Scratch *ledger.Workspace
	Ledger  *ledger.Ledger
	Journal Journal
	// Sync and Target name the owner and the owned side.
	Sync, Target string
	RunID        string
	// By holds the keys by which an object that stands in the way of a create
	// is looked up, in order, and TakeOver decides about it. It is called from
	// several goroutines at a time.
	By       map[identity.Kind][]string
	TakeOver func(ctx context.Context, o Obstacle) (Takeover, error)
	// Blind says that the target does not show members, so that what is written
	// must be remembered; the target may prove so in the middle of a run.
	Blind func() bool
	// Workers bounds the steps in flight; the transport paces them further.
	Workers int
	// Stop, once closed, ends the run after the steps in flight.
	Stop <-chan struct{}
	// Advance, where set, counts the steps that were tried.
	Advance func(n int)
}

const (
	// chunk is how many intents are committed together. As many again, and those
	// in flight, may be open at a time.
	chunk = 128
	// crowd is how many members the steps in flight may have before no further
	// ones are taken up: they are held in memory.
	crowd = 10_000
	// settleEvery is how many outcomes are committed together: with the
	// intents, at most one fsync per ten writes.
	settleEvery = 32
	// patience is how many calls in a row may fail for reasons of the target
	// before the run gives it up.
	patience = 25
)

// Report counts what became of the steps.
type Report struct {
	plan.Outcomes
	// Stopped says why the run ended before its last step; nil: it did not.
	Stopped error
}

// ErrInterrupted says that somebody asked the run to stop.
var ErrInterrupted = errors.New("interrupted")

// Run applies every step that is not held. It returns an error only where the
// journal or the scratch room failed; everything else is in the report.
//
// When ctx ends, so do the calls in flight; what became of them is written down
// all the same, and the rest is marked as not tried.
func (e *Engine) Run(ctx context.Context) (Report, error) {
	r := &run{Engine: e, halt: make(chan struct{})}
	r.halted = sync.OnceFunc(func() { close(r.halt) })
	places, err := e.Scratch.Places(context.WithoutCancel(ctx))
	if err != nil {
		return r.report, err
	}
	for _, place := range places {
		if err := r.place(ctx, place); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

// run is the state of one Run. Only its own goroutine touches it, but for what
// judging guards while the crew is at work.
type run struct {
	*Engine
	report Report

	judging sync.Mutex // guards report.Stopped, failing and Advance
	// failing counts failures of the target in a row.
	failing int
	// halt is closed, by halted, when no further call may begin.
	halt   chan struct{}
	halted func()
}

// place applies the steps of one place. While the crew writes, the next steps are
// prepared and outcomes written down, so that the target is not kept waiting for
// the disk; when it returns, everything has come to its end.
func (r *run) place(ctx context.Context, place plan.Place) error {
	c := r.newCrew(ctx)
	err := r.feed(ctx, place, c)
	if err != nil {
		r.halted()
	}
	c.dismiss()
	if problem := c.settleAll(); err == nil {
		err = problem
	}
	return err
}

func (r *run) feed(ctx context.Context, place plan.Place, c *crew) error {
	var batch []plan.Step
	members := 0
	for s, err := range r.Scratch.StepsAt(context.WithoutCancel(ctx), place) {
		if err != nil {
			return err
		}
		if s.Held != "" || s.Outcome != "" {
			continue
		}
		members += len(s.Members)
		if batch = append(batch, s); len(batch) == chunk || members >= crowd {
			if err := r.batch(ctx, batch, c); err != nil {
				return err
			}
			batch, members = nil, 0
		}
	}
	return r.batch(ctx, batch, c)
}

// batch hands steps of one place to the crew, once there is need of them.
func (r *run) batch(ctx context.Context, steps []plan.Step, c *crew) error {
	if len(steps) == 0 {
		return nil
	}
	if err := c.ready(steps); err != nil {
		return err
	}
	if stopped := r.stopped(ctx); stopped != nil {
		return r.leave(ctx, steps, stopped)
	}
	// What is kept here is brought to its end even when the run is cut short:
	// only the calls to the target are not.
	kept := context.WithoutCancel(ctx)
	jobs, err := r.prepare(kept, steps)
	if err != nil || len(jobs) == 0 {
		return err
	}
	changes := make([]identity.Change, len(jobs))
	for i, j := range jobs {
		changes[i] = j.change
	}
	seqs, err := r.Journal.Intend(kept, changes)
	if err != nil {
		return fmt.Errorf("write down what is about to be done: %w", err)
	}
	var granted []*job
	for i, seq := range seqs {
		if jobs[i].journal = seq; seq != 0 {
			granted = append(granted, jobs[i])
			continue
		}
		r.report.NotTried++
		if err := r.Scratch.SettleStep(kept, jobs[i].step.Seq, plan.NotTried, "",
			"another run has written this object since the plan was made; left for the next cycle"); err != nil {
			return err
		}
	}
	c.take(granted)
	return nil
}

// stopped returns why no further step is tried; nil: they are.
func (r *run) stopped(ctx context.Context) error {
	r.judging.Lock()
	defer r.judging.Unlock()
	r.noticeStop(ctx)
	return r.report.Stopped
}

// noticeStop looks whether somebody asked to stop. The caller holds judging.
func (r *run) noticeStop(ctx context.Context) {
	if r.report.Stopped != nil {
		return
	}
	select {
	case <-r.Stop:
		r.report.Stopped = ErrInterrupted
	case <-ctx.Done():
		r.report.Stopped = ErrInterrupted
	default:
	}
}

// leave marks steps that are not tried.
func (r *run) leave(ctx context.Context, steps []plan.Step, stopped error) error {
	ctx = context.WithoutCancel(ctx)
	for _, s := range steps {
		r.report.NotTried++
		if err := r.Scratch.SettleStep(ctx, s.Seq, plan.NotTried, "", stopped.Error()); err != nil {
			return err
		}
	}
	return nil
}

// job is one step on its way.
type job struct {
	step    plan.Step
	change  identity.Change
	journal int64
	hash    string // of the mirrored record
	// predecessor is the source object that owned the account until now.
	predecessor identity.Ref
}

// answer is what became of a job.
type answer struct {
	job    *job
	result connectors.Result
	err    error
	// tried is false when the run stopped before the job's turn.
	tried bool
	// origin is how an object came to be ours, when that differs from what
	// the step says.
	origin ledger.Origin
	note   string
}

// prepare fills in the target ids that earlier waves have made.
func (r *run) prepare(ctx context.Context, steps []plan.Step) ([]*job, error) {
	jobs := make([]*job, 0, len(steps))
	adopting := map[identity.Ref]bool{}
	for _, s := range steps {
		j := &job{step: s, change: s.Change}
		j.step.Members = nil // the change has them
		why, err := r.fill(ctx, j, adopting[s.Ref])
		if err != nil {
			return nil, err
		}
		if why != "" {
			r.report.NotTried++
			if err := r.Scratch.SettleStep(ctx, s.Seq, plan.NotTried, "", why); err != nil {
				return nil, err
			}
			continue
		}
		if jobs = append(jobs, j); s.Op == identity.Adopt {
			adopting[s.Ref] = true
		}
	}
	return jobs, nil
}

// fill completes a job, or says why it cannot be tried. Adopting says that an
// earlier job of the same batch makes the object ours, and that the job will not
// have its turn unless that succeeds.
func (r *run) fill(ctx context.Context, j *job, adopting bool) (string, error) {
	c := &j.change
	hash, err := r.Scratch.HashOf(ctx, c.Ref)
	if err != nil {
		return "", err
	}
	j.hash = hash
	if c.Op != identity.Create && c.Op != identity.Adopt && !adopting {
		if why, err := r.fillTarget(ctx, c); why != "" || err != nil {
			return why, err
		}
	}
	if c.Cause == identity.CauseRehire {
		owner, found, err := r.Ledger.OwnedBy(ctx, r.Target, c.Ref.Kind, c.TargetID)
		if err != nil {
			return "", err
		}
		if found && owner.Sync == r.Sync {
			j.predecessor = owner.Ref
		}
	}
	if why, err := r.fillReferences(ctx, c); why != "" || err != nil {
		return why, err
	}
	return r.fillMembers(ctx, c)
}

// fillTarget makes sure that what a change is about is ours by now: an earlier
// wave may have had to make or adopt it, and have failed.
func (r *run) fillTarget(ctx context.Context, c *identity.Change) (string, error) {
	id, err := r.owned(ctx, c.Ref)
	switch {
	case err != nil:
		return "", err
	case id == "" && c.TargetID == "":
		return "the object it changes was not made", nil
	case id == "":
		return "the object it changes did not become ours", nil
	case c.TargetID == "":
		c.TargetID = id
	case c.TargetID != id:
		return "the object it changes is " + id + " by now", nil
	}
	return "", nil
}

func (r *run) fillReferences(ctx context.Context, c *identity.Change) (string, error) {
	attributes := make([]identity.Attribute, 0, len(c.Attributes))
	for _, a := range c.Attributes {
		reference, ok := a.After.(identity.Reference)
		if !ok {
			attributes = append(attributes, a)
			continue
		}
		id, err := r.owned(ctx, reference.Ref)
		if err != nil {
			return "", err
		}
		if id == "" {
			return fmt.Sprintf("%s names %s, which has no account", a.Path, reference.Ref), nil
		}
		a.After = id
		attributes = append(attributes, a)
	}
	c.Attributes = attributes
	return "", nil
}

// fillMembers names members by their target ids. Whoever got no account in an
// earlier wave is left out: that failure is reported where it happened.
func (r *run) fillMembers(ctx context.Context, c *identity.Change) (string, error) {
	if len(c.Members) == 0 {
		return "", nil
	}
	var open []string
	for _, m := range c.Members {
		if m.TargetID == "" {
			open = append(open, m.Ref.ID)
		}
	}
	ids, err := r.Ledger.OwnedIDs(ctx, r.Sync, identity.User, open)
	if err != nil {
		return "", err
	}
	members := make([]identity.Member, 0, len(c.Members))
	for _, m := range c.Members {
		if m.TargetID == "" {
			m.TargetID = ids[m.Ref.ID]
		}
		if m.TargetID != "" {
			members = append(members, m)
		}
	}
	if c.Members = members; len(members) == 0 && c.Op != identity.Create {
		return "none of its members has an account", nil
	}
	return "", nil
}

func (r *run) owned(ctx context.Context, ref identity.Ref) (string, error) {
	owned, found, err := r.Ledger.OwnedRef(ctx, r.Sync, ref)
	if err != nil || !found {
		return "", err
	}
	return owned.TargetID, nil
}
