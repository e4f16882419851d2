package agent

import (
	"context"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// PrepareSaved makes a cycle of a saved plan: the same changes, judged by
// today's guards. It fails with a *StaleError when the configuration or the
// target is another; a single change whose object is no longer as the plan saw
// it is marked and not made. The caller closes the cycle.
func (a *Agent) PrepareSaved(ctx context.Context, p *plan.Plan) (*Cycle, error) {
	switch {
	case p.ConfigHash != a.Sync.Hash:
		return nil, &StaleError{fmt.Sprintf("the configuration of sync %s has changed since the plan was made: plan again", p.Sync)}
	case p.Target != a.Sync.Target.URL:
		return nil, &StaleError{fmt.Sprintf("the plan is for %s, sync %s now goes to %s: plan again", p.Target, p.Sync, a.Sync.Target.URL)}
	}
	lease, err := a.Ledger.Lock(ctx, holder(), a.locks()...)
	if err != nil {
		return nil, err
	}
	c := (&Cycle{agent: a, lease: lease, extent: saved, began: a.Now()}).fresh()
	if err := a.prepareSaved(ctx, c, p); err != nil {
		return nil, c.closeOn(err)
	}
	return c, nil
}

func (a *Agent) prepareSaved(ctx context.Context, c *Cycle, p *plan.Plan) error {
	if err := a.connect(ctx, c); err != nil {
		return err
	}
	var err error
	if c.bound, _, err = a.Ledger.Binding(ctx, a.Sync.Name); err != nil {
		return err
	}
	if err := a.recover(ctx, c); err != nil {
		return err
	}
	c.scratch, err = a.Ledger.NewWorkspace(ctx, a.Sync.Name, a.Sync.Source.Name, a.Sync.Target.Name)
	if err != nil {
		return err
	}
	c.counts = newCounts()
	for _, k := range identity.Kinds() {
		if c.counts.owned[classOf(k)], err = a.Ledger.CountOwned(ctx, a.Sync.Name, k); err != nil {
			return err
		}
	}
	a.Progress.Phase("checking the plan against "+a.Sync.Target.Name, 0)
	if err := c.scratch.Load(ctx, func() error { return a.loadSaved(ctx, c, p) }); err != nil {
		return err
	}
	err = c.scratch.Load(ctx, func() error {
		tally, err := a.tally(ctx, c)
		if err != nil {
			return err
		}
		today := tally.Judge(a.limits())
		if !today.Tripped {
			today = p.Guard
		}
		p.Guard = today
		return a.hold(ctx, c, p.Guard)
	})
	if err != nil {
		return err
	}
	// A run of its own: the same file may be applied again, to no effect.
	p.ID = newID(a.Now())
	p.Steps, p.Summary = c.scratch.Steps(context.WithoutCancel(ctx)), plan.Summary{}
	c.Plan = p
	return c.summarize(ctx, p)
}

// loadSaved puts the steps of the file into the scratch room, each looked at
// first: a change is made only where its object still is as the plan saw it.
func (a *Agent) loadSaved(ctx context.Context, c *Cycle, p *plan.Plan) error {
	for s, err := range p.Steps {
		if err != nil {
			return err
		}
		if s.Held != "" {
			// What was held then is not what was agreed to: it stays held.
			if _, err := c.scratch.PutStep(ctx, s); err != nil {
				return err
			}
			continue
		}
		why, err := a.outdated(ctx, c, s)
		if err != nil {
			return incomplete("check the plan against target "+a.Sync.Target.Name, err)
		}
		if why != "" {
			s.Outcome, s.Error = plan.NotTried, "stale: "+why
			c.stale++
		}
		if err := c.keepHash(ctx, s.Ref); err != nil {
			return err
		}
		if _, err := c.scratch.PutStep(ctx, s); err != nil {
			return err
		}
		a.Progress.Advance(1)
	}
	return nil
}

// keepHash lets a created object remember the record it was created from.
func (c *Cycle) keepHash(ctx context.Context, ref identity.Ref) error {
	m, found, err := c.agent.Ledger.Mirror(c.agent.Sync.Source.Name).Record(ctx, ref)
	if err != nil || !found {
		return err
	}
	d := ledger.Desired{Ref: ref, State: ledger.Shielded, Hash: m.Hash, Entry: identity.Entry{Ref: ref}}
	return c.scratch.PutDesired(ctx, d, nil)
}

// outdated says why a saved change no longer fits, and "" when it does.
func (a *Agent) outdated(ctx context.Context, c *Cycle, s plan.Step) (string, error) {
	owner, owned, err := a.Ledger.OwnedRef(ctx, a.Sync.Name, s.Ref)
	if err != nil {
		return "", err
	}
	if s.Op == identity.Create {
		if owned && s.Cause != identity.CauseVanished {
			return "it has been provisioned since as " + owner.TargetID, nil
		}
		return "", nil
	}
	if s.TargetID == "" {
		return "", nil // made by an earlier step of the same plan
	}
	if owned && owner.TargetID != s.TargetID {
		return "it is now " + owner.TargetID, nil
	}
	if !owned && s.Op != identity.Adopt {
		if adopted, err := adoptedBefore(ctx, c, s); err != nil || !adopted {
			return "scimsync no longer owns it", err
		}
	}
	want := connectors.Want{Members: len(s.Members) > 0}
	entries, err := c.session.Find(ctx, s.Ref.Kind, connectors.Match{Path: "id", Value: s.TargetID}, want)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 {
		return "the target no longer has " + s.TargetID, nil
	}
	return changedSince(s, entries[0], func(path string, a, b any) bool {
		return c.profile().Same(s.Ref.Kind, path, a, b)
	}), nil
}

// adoptedBefore reports whether an earlier step of the plan adopts the object.
func adoptedBefore(ctx context.Context, c *Cycle, s plan.Step) (bool, error) {
	steps, err := c.scratch.StepsOf(ctx, s.Ref)
	return slices.ContainsFunc(steps, func(earlier plan.Step) bool {
		return earlier.Op == identity.Adopt && earlier.TargetID == s.TargetID
	}), err
}

func changedSince(s plan.Step, live identity.Entry, same func(path string, a, b any) bool) string {
	if s.Op != identity.Delete {
		for _, attribute := range s.Attributes {
			if !same(attribute.Path, attribute.Before, live.Attrs[attribute.Path]) {
				return attribute.Path + " is not what it was"
			}
		}
	}
	if !live.Members.Known || len(s.Members) == 0 {
		return ""
	}
	has := map[string]bool{}
	for _, id := range live.Members.TargetIDs {
		has[id] = true
	}
	for _, m := range s.Members {
		if m.TargetID != "" && has[m.TargetID] == (s.Op == identity.AddMembers) {
			return "the membership of " + m.Name + " is not what it was"
		}
	}
	return ""
}
