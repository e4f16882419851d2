package agent

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// finishPlan arranges the steps, lets the guards judge them and makes the plan.
func (a *Agent) finishPlan(ctx context.Context, c *Cycle, o Options) error {
	var guard plan.Guard
	err := c.scratch.Load(ctx, func() error {
		tally, err := a.tally(ctx, c)
		if err != nil {
			return err
		}
		guard = tally.Judge(a.limits())
		if err := a.hold(ctx, c, guard); err != nil {
			return err
		}
		guard, err = a.overrule(ctx, c, guard, o)
		return err
	})
	if err != nil {
		return err
	}
	p := &plan.Plan{
		Sync: a.Sync.Name, ID: newID(a.Now()), Created: a.Now().UTC().Format(time.RFC3339),
		Target: a.Sync.Target.URL, ConfigHash: a.Sync.Hash, Cycle: plan.Delta, Guard: guard,
		// The plan is shown even when the run that made it is interrupted.
		Steps: c.scratch.Steps(context.WithoutCancel(ctx)),
		Notes: c.notes,
	}
	if c.proves() {
		p.Cycle = plan.Full
	}
	if p.Skipped, err = c.scratch.Skipped(ctx); err != nil {
		return err
	}
	// The steps are read once, for both.
	counted := *p
	counted.Steps = c.counted(p)
	if p.Digest, err = plan.Digest(&counted); err != nil {
		return err
	}
	if err := c.summarize(ctx, p); err != nil {
		return err
	}
	c.Plan = p
	return nil
}

// overrule applies --allow-removals and --max-changes to what the guard says.
func (a *Agent) overrule(ctx context.Context, c *Cycle, guard plan.Guard, o Options) (plan.Guard, error) {
	if o.MaxChanges == nil && o.AllowRemovals == nil {
		return guard, nil
	}
	held, total := 0, 0
	for s, err := range c.scratch.Steps(ctx) {
		if err != nil {
			return guard, err
		}
		total += s.Weight()
		if s.Held != "" {
			held += s.Weight()
		}
	}
	if o.MaxChanges != nil && total > *o.MaxChanges {
		guard.Tripped = true
		guard.Trips = append(guard.Trips, plan.Trip{
			Rule: plan.RuleCeiling, Kind: plan.Users, Count: total, Of: total, Limit: float64(*o.MaxChanges),
		})
		return guard, a.holdAll(ctx, c, plan.RuleCeiling)
	}
	if o.AllowRemovals == nil {
		return guard, nil
	}
	if *o.AllowRemovals != held {
		guard.Tripped = true
		guard.Trips = append(guard.Trips, plan.Trip{
			Rule: plan.RuleAllowance, Kind: plan.Users, Count: held, Of: held, Limit: float64(*o.AllowRemovals),
		})
		return guard, a.holdAll(ctx, c, plan.RuleAllowance)
	}
	c.configHeld = false
	return plan.Guard{}, a.holdAll(ctx, c, "")
}

// holdAll gives every step the same rule; none lets every step go.
func (a *Agent) holdAll(ctx context.Context, c *Cycle, rule plan.Rule) error {
	for s, err := range c.scratch.Steps(ctx) {
		if err != nil {
			return err
		}
		if err := c.scratch.HoldStep(ctx, s.Seq, rule); err != nil {
			return err
		}
	}
	return nil
}

// counted yields the steps of a plan and, the first time, counts them and
// estimates their requests.
func (c *Cycle) counted(p *plan.Plan) iter.Seq2[plan.Step, error] {
	profile, again := c.profile(), false
	return func(yield func(plan.Step, error) bool) {
		first := !again
		again = true
		for s, err := range p.Steps {
			switch {
			case err != nil || !first:
			case s.Held != "":
				p.Summary.Held += s.Weight()
			default:
				p.Summary.Add(s.Change)
				p.Requests += requests(s.Change, profile)
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// summarize adds what no step tells to the counts of the plan.
func (c *Cycle) summarize(ctx context.Context, p *plan.Plan) error {
	profile := c.profile()
	p.Summary.Held += c.heldBeside
	for _, s := range p.Skipped {
		p.Summary.Of(s.Ref.Kind).Skipped++
	}
	for _, k := range identity.Kinds() {
		unchanged, err := c.scratch.CountUnchanged(ctx, k)
		if err != nil {
			return err
		}
		p.Summary.Of(k).Unchanged = unchanged
	}
	p.Seconds, p.Basis = takes(p.Requests, profile.Pace)
	return nil
}

// prune forgets what is older than the journal is kept. What is to be found only by
// looking at everything waits for a cycle that does.
func (c *Cycle) prune(ctx context.Context) error {
	a := c.agent
	forget := a.Ledger.Prune
	if c.narrow() {
		forget = a.Ledger.PruneJournal
	}
	_, err := forget(ctx, a.Now().Add(-a.Keep))
	return err
}

// newID returns an identifier that sorts by time.
func newID(now time.Time) string {
	return fmt.Sprintf("%s-%06s", now.UTC().Format("20060102T150405"), strconv.FormatInt(now.UnixNano()%1e9, 36))
}
