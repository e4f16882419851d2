package agent

import (
	"context"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// classify asks the source, once, why owned objects are missing from a complete
// read, where the configuration treats the causes differently. The answer stays
// with the mirrored record.
func (a *Agent) classify(ctx context.Context, c *Cycle, k identity.Kind) error {
	if k != identity.User || !a.leaversDiffer() {
		return nil
	}
	for refs, err := range inParts(c.scratch.Unclassified(ctx, k)) {
		if err != nil {
			return err
		}
		if err := a.askWhy(ctx, c, k, refs); err != nil {
			return err
		}
	}
	return nil
}

// askWhy asks the source why some objects are missing.
func (a *Agent) askWhy(ctx context.Context, c *Cycle, k identity.Kind, refs []identity.Ref) error {
	query := connectors.Query{Kinds: []identity.Kind{k}, Fields: a.Fields}
	for _, ref := range refs {
		query.Only = append(query.Only, connectors.Key{Kind: k, ID: ref.ID})
	}
	what := "ask source " + a.Sync.Source.Name + " about leavers"
	answers := map[identity.Ref]identity.Cause{}
	complete := false
	for event, err := range a.Source.Read(ctx, query) {
		if err != nil {
			return incomplete(what, err)
		}
		switch e := event.(type) {
		case connectors.Gone:
			answers[e.Ref] = e.Why
		case connectors.Checkpoint:
			complete = true
		}
	}
	if !complete {
		return incomplete(what, connectors.Errorf(connectors.Incomplete, "the read ended before its end"))
	}
	for _, ref := range refs {
		if _, answered := answers[ref]; !answered {
			// It exists after all: the listing missed it.
			if err := c.scratch.Reappear(ctx, ref); err != nil {
				return err
			}
		}
	}
	return a.Ledger.Mirror(a.Sync.Source.Name).SetAllGone(ctx, answers)
}

func (a *Agent) leaversDiffer() bool {
	l := a.Sync.Users.Leavers
	return l.Gone != l.Unassigned || l.Disabled != l.Unassigned
}

// whyGone returns the cause of an object's absence, as far as it is known.
func (a *Agent) whyGone(ctx context.Context, ref identity.Ref) (identity.Cause, error) {
	m, found, err := a.Ledger.Mirror(a.Sync.Source.Name).Record(ctx, ref)
	if err != nil {
		return "", err
	}
	if found && m.Why != "" {
		return identity.Cause(m.Why), nil
	}
	return identity.CauseGone, nil
}

// leaver plans for what is owned and no longer wanted.
func (w *comparison) leaver(ctx context.Context, j ledger.Joined) error {
	c, ref := w.cycle, j.Owned.Ref
	c.counts.see(w.kind, j.Live != nil, false)
	if superseded, err := c.scratch.Superseded(ctx, ref); err != nil || superseded {
		return err
	}
	if isBundle(ref) {
		return w.unbundle(ctx, j)
	}
	name := j.Owned.Name
	outOfScope := j.Desired.State == ledger.Out
	if why := c.unreadable[ref]; why != "" {
		return c.scratch.Skip(ctx, ref, name, why, true)
	}
	if reappeared, err := c.scratch.Reappeared(ctx, ref); err != nil || reappeared {
		if err != nil {
			return err
		}
		return c.scratch.Skip(ctx, ref, name, "the listing of the source missed it, but it exists there", true)
	}
	if w.shield != "" && !outOfScope {
		return c.scratch.Skip(ctx, ref, name, "not seen, but the read may have missed it: "+w.shield, true)
	}
	if why := w.protect.covers(j.Live, identity.Entry{}); why != "" {
		return c.scratch.Skip(ctx, ref, name, why, false)
	}
	cause, byConfig := identity.CauseOutOfScope, w.edited && j.Owned.RecordHash == j.Desired.Hash
	if !outOfScope {
		var err error
		if cause, err = w.agent.whyGone(ctx, ref); err != nil {
			return err
		}
		if byConfig = w.reselected; w.edited && !byConfig {
			// Gone for long, and left alone until now.
			if byConfig, err = c.scratch.Unmoved(ctx, ref); err != nil {
				return err
			}
		}
	}
	o := plan.Object{
		Ref: ref, Name: name, Live: j.Live, Hold: plan.Owned, Left: cause,
		Adopted: j.Owned.Origin == ledger.OriginAdopted, Waited: true,
	}
	changes, left, err := w.diff(ctx, o, byConfig)
	if err != nil {
		return err
	}
	if j.Live == nil && !outOfScope {
		if err := c.scratch.Forget(ctx, ref); err != nil {
			return err
		}
	}
	if left != "" {
		if err := c.scratch.Skip(ctx, ref, name, left, false); err != nil {
			return err
		}
	}
	return w.put(ctx, changes, byConfig)
}
