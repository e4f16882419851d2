package agent

import (
	"cmp"
	"context"
	"errors"
	"iter"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Result is how a sync ended.
type Result struct {
	Run    string
	Report apply.Report
	// Refused says that a guard kept something back.
	Refused bool
	// Undecided counts what could not be decided or mapped.
	Undecided int
	// Stale counts changes of a saved plan that no longer fit.
	Stale int
	// Short says that something wanted is not offered by the target.
	Short bool
}

// Verdict returns the result without applying anything, as plan shows it.
func (c *Cycle) Verdict() Result {
	r := Result{Refused: c.Plan.Guard.Tripped, Short: c.counts.unoffered, Stale: c.stale}
	for _, s := range c.Plan.Skipped {
		if s.Undecided {
			r.Undecided++
		}
	}
	return r
}

// Apply carries the plan out. Once stop is closed it ends after the changes in
// flight; when ctx ends it ends at once. The plan shows the outcomes afterwards.
// An error means that the ledger or the scratch room failed; whatever became of
// the changes is in the result either way.
func (c *Cycle) Apply(ctx context.Context, stop <-chan struct{}) (Result, error) {
	a, result := c.agent, c.Verdict()
	sighted := c.profile().Members == connectors.MembersReadable
	if c.extent != demanded {
		if err := c.scratch.MarkPlanned(ctx, a.Now()); err != nil {
			return result, err
		}
	}
	if err := c.settleOwnership(ctx); err != nil {
		return result, err
	}
	run := ledger.Run{
		ID: c.Plan.ID, Sync: a.Sync.Name, Cycle: string(c.Plan.Cycle), ConfigHash: c.Plan.ConfigHash, Started: c.began,
	}
	if c.partial() {
		run.Cycle = cycleOnly
	}
	if err := a.Ledger.StartRun(ctx, run); err != nil {
		return result, err
	}
	result.Run, c.Plan.Run = run.ID, run.ID
	if err := c.binding(ctx, false); err != nil {
		return result, err
	}
	profile := c.profile()
	engine := &apply.Engine{
		Session: c.session, Scratch: c.scratch, Ledger: a.Ledger, Journal: journal{c},
		Sync: a.Sync.Name, Target: a.Sync.Target.Name, RunID: run.ID,
		By: map[identity.Kind][]string{}, TakeOver: c.takeOver,
		Blind:   func() bool { return c.profile().Members == connectors.MembersBlind },
		Workers: cmp.Or(profile.Limits.Concurrency, workers),
		Stop:    stop, Advance: a.Progress.Advance,
	}
	for _, k := range a.kinds() {
		engine.By[k] = a.matchPaths(k)
	}
	steps, err := c.scratch.CountSteps(ctx)
	if err != nil {
		return result, err
	}
	a.Progress.Phase("writing to "+a.Sync.Target.Name, steps)
	var failure error
	result.Report, failure = engine.Run(ctx)
	c.Plan.Outcomes = result.Report.Outcomes
	if sighted && c.session.Profile().Members == connectors.MembersBlind && failure == nil {
		c.Plan.Notes = append(c.Plan.Notes, "the target does not show group members; from now on scimsync remembers what it wrote")
		failure = c.scratch.AssumeWritten(context.WithoutCancel(ctx))
	}
	// Where the ledger has failed already, the end fails for the same reason.
	if err := c.end(context.WithoutCancel(ctx), result, failure); failure == nil {
		failure = err
	}
	return result, failure
}

// workers is how many changes and look-ups are handed to the transport at a time
// where the configuration sets no limit. It is more than the transport ever lets
// through, so that the transport alone decides (ADR 0021).
const workers = 64

// journal writes intents under the lease of the cycle.
type journal struct{ c *Cycle }

// Intend commits what is about to be done.
func (j journal) Intend(ctx context.Context, changes []identity.Change) ([]int64, error) {
	return j.c.agent.Ledger.Intend(ctx, j.c.lease, j.c.Plan.ID, j.c.agent.Sync.Name, changes)
}

// Settle commits what became of it.
func (j journal) Settle(ctx context.Context, outcomes []ledger.Outcome) error {
	return j.c.agent.Ledger.Settle(ctx, outcomes)
}

// settleOwnership writes down what the comparison found out about ownership:
// objects that are ours by their externalId, and objects gone on both sides. At a
// target that is not what it was, neither is proof of anything.
func (c *Cycle) settleOwnership(ctx context.Context) error {
	guard := c.Plan.Guard
	if guard.Has(plan.RuleWrongTarget) {
		return nil
	}
	now := c.agent.Now()
	for recognized, err := range inParts(c.scratch.Recognized(ctx)) {
		if err != nil {
			return err
		}
		for i := range recognized {
			recognized[i].Since = now
		}
		if err := c.agent.Ledger.Own(ctx, recognized...); err != nil {
			return err
		}
	}
	if guard.Has(plan.RuleVanished) {
		return nil
	}
	for forgotten, err := range inParts(c.scratch.Forgotten(ctx)) {
		if err != nil {
			return err
		}
		if err := c.agent.Ledger.Disown(ctx, c.agent.Sync.Name, forgotten...); err != nil {
			return err
		}
	}
	return nil
}

// part is how much of what may be as large as the directory is held at a time.
const part = 1_000

// inParts cuts a sequence into parts. A part is valid until the next one.
func inParts[T any](all iter.Seq2[T, error]) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var some []T
		for one, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			if some = append(some, one); len(some) < part {
				continue
			}
			if !yield(some, nil) {
				return
			}
			some = some[:0]
		}
		if len(some) > 0 {
			yield(some, nil)
		}
	}
}

// end writes down how the run ended.
func (c *Cycle) end(ctx context.Context, r Result, failure error) error {
	a := c.agent
	complete := failure == nil && r.Report.Stopped == nil
	if complete && !c.partial() {
		if err := c.finish(ctx); err != nil {
			return err
		}
	}
	if err := c.binding(ctx, complete && c.proves()); err != nil {
		return err
	}
	if err := a.Ledger.FinishRun(ctx, c.Plan.ID, a.Now(), r.Word(failure), c.Plan.Summary); err != nil {
		return err
	}
	if c.partial() || a.Keep <= 0 {
		return nil
	}
	return c.prune(ctx)
}

// proves reports whether the cycle has read the source and compared the target as
// a whole: what it counted is what later cycles go by.
func (c *Cycle) proves() bool { return c.extent == whole && c.readFull }

// finish writes down what the cycle has shown of what it was about.
func (c *Cycle) finish(ctx context.Context) error {
	a := c.agent
	if err := c.scratch.FinishCycle(ctx, a.Now()); err != nil {
		return err
	}
	remember := c.scratch.RememberIdle
	if a.Sync.Full == nil {
		remember = func(ctx context.Context) error { return a.Ledger.ForgetIdle(ctx, a.Sync.Name) }
	}
	if err := remember(ctx); err != nil {
		return err
	}
	return c.scratch.KeepHeld(ctx, a.Now())
}

// Word says in one word how a run ended, for the ledger and for status.
func (r Result) Word(failure error) string {
	switch {
	case failure != nil:
		return "failed"
	case errors.Is(r.Report.Stopped, apply.ErrInterrupted):
		return "interrupted"
	case connectors.ClassOf(r.Report.Stopped) == connectors.Unauthorized:
		return "unauthorized"
	case r.Report.Stopped != nil:
		return "stopped"
	case r.Refused:
		return "held"
	case r.Stale > 0:
		return "stale"
	case r.Partial():
		return "partial"
	}
	return "done"
}

// Partial reports whether something that should have been done was not.
func (r Result) Partial() bool {
	return r.Report.Failed+r.Report.NotKept+r.Report.NotTried+r.Undecided > 0 || r.Short
}

// binding binds the sync to its target; after a complete cycle also to the
// configuration it ran under and the size of what it owns.
func (c *Cycle) binding(ctx context.Context, complete bool) error {
	a := c.agent
	b, _, err := a.Ledger.Binding(ctx, a.Sync.Name)
	if err != nil {
		return err
	}
	if wrong := c.Plan.Guard.Has(plan.RuleWrongTarget); wrong {
		return nil
	}
	if b.URL != a.Sync.Target.URL {
		b.Members = "" // learned of another target
	}
	b.Sync, b.Target, b.URL = a.Sync.Name, a.Sync.Target.Name, a.Sync.Target.URL
	if c.sighted {
		b.Members = ""
	}
	if c.profile().Members == connectors.MembersBlind {
		b.Members = string(connectors.MembersBlind)
	}
	if !c.opened.IsZero() {
		b.Facts, b.FactsAt = c.session.Facts(), c.opened
	}
	if complete {
		if !c.configHeld {
			b.ConfigHash, b.Selection = a.Sync.Hash, a.Sync.Source.Selection
		}
		b.FullAt = a.Now()
		if b.Users, err = a.Ledger.CountOwned(ctx, a.Sync.Name, identity.User); err != nil {
			return err
		}
		if b.Groups, err = a.Ledger.CountOwned(ctx, a.Sync.Name, identity.Group); err != nil {
			return err
		}
		if b.Memberships, err = c.scratch.CountWantedAll(ctx); err != nil {
			return err
		}
	}
	return a.Ledger.Bind(ctx, b)
}
