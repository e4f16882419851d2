package agent

import (
	"context"

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
	refs, err := c.scratch.Unclassified(ctx, k)
	if err != nil || len(refs) == 0 {
		return err
	}
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
			c.reappeared[ref] = true
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
