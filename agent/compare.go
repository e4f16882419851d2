package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// comparison is the work on one kind of one cycle.
type comparison struct {
	agent   *Agent
	cycle   *Cycle
	kind    identity.Kind
	policy  plan.Policy
	protect protection
	// edited says that the configuration, or what is read of the source, is
	// not what it was at the last complete cycle.
	edited, reselected bool
	// names are steps that want a name another live object holds.
	names []nameWant
	// shield says why nobody of the kind may be taken for absent at the source.
	shield string
	// referring says that some mapped attribute names another object.
	referring bool
}

// compare turns both sides into steps.
func (a *Agent) compare(ctx context.Context, c *Cycle, o Options) error {
	c.counts = newCounts()
	if c.extent == selected {
		if err := a.notePresent(ctx, c); err != nil {
			return err
		}
	}
	ran := c.bound.ConfigHash != ""
	edited := ran && c.bound.ConfigHash != a.Sync.Hash
	reselected := ran && c.bound.Selection != a.Sync.Source.Selection
	for _, k := range a.kinds() {
		if !offers(c.profile(), k) {
			c.notes = append(c.notes, fmt.Sprintf("the target has no %s", k.Plural()))
			c.counts.unoffered = true
			continue
		}
		desire := a.desire
		if c.narrow() {
			desire = a.desireDue
		}
		if err := desire(ctx, c, k); err != nil {
			return err
		}
		if k == identity.Group {
			if err := a.desireBundles(ctx, c); err != nil {
				return err
			}
		}
		if err := a.nameShield(ctx, c, k); err != nil {
			return err
		}
		if err := a.observe(ctx, c, k); err != nil {
			if absent, why := a.lacks(ctx, k, err); why != nil || !absent {
				return errors.Join(why, err)
			}
			c.notes = append(c.notes, fmt.Sprintf("the target has no %s, whatever it says: %v", k.Plural(), err))
			c.counts.unoffered = true
			continue
		}
		if err := a.lost(ctx, c, k); err != nil {
			return err
		}
		if err := a.estrange(ctx, c, k); err != nil {
			return err
		}
		w := &comparison{
			agent: a, cycle: c, kind: k,
			policy:  a.policy(k, c.profile()),
			protect: a.protection(k),
			edited:  edited || reselected, reselected: reselected,
		}
		if err := a.classify(ctx, c, k); err != nil {
			return err
		}
		if err := w.run(ctx); err != nil {
			return err
		}
		if k == identity.Group && a.links() {
			if err := w.members(ctx); err != nil {
				return err
			}
		}
	}
	return a.finishPlan(ctx, c, o)
}

// notePresent notes what kinds the source shows where not everything is compared:
// whether a read has emptied one is all that depends on how many there are.
func (a *Agent) notePresent(ctx context.Context, c *Cycle) error {
	for _, k := range a.kinds() {
		shows, err := a.Ledger.Mirror(a.Sync.Source.Name).Shows(ctx, k)
		if err != nil {
			return err
		}
		c.counts.present[classOf(k)] = 0
		if shows {
			c.counts.present[classOf(k)] = 1
		}
	}
	return nil
}

// estrange tells what is ours from what only carries the id of something ours.
func (a *Agent) estrange(ctx context.Context, c *Cycle, k identity.Kind) error {
	lost, first, err := c.scratch.Estrange(ctx, k, plan.NamePath(k))
	if err != nil || lost == 0 {
		return err
	}
	c.notes = append(c.notes, fmt.Sprintf("%d of our %s are not at the target any more: it gave their ids to others, such as %s (%s)",
		lost, k.Plural(), first.TargetID, first.Name))
	return nil
}

// nameShield names a record that nobody could tell from the others: as long as
// the source shows it, nobody of its kind is taken for absent.
func (a *Agent) nameShield(ctx context.Context, c *Cycle, k identity.Kind) error {
	mark, _, err := a.Ledger.Mirror(a.Sync.Source.Name).Bookmark(ctx)
	if err != nil || mark.Shield[k] == "" {
		return err
	}
	return c.scratch.Skip(ctx, identity.Ref{Kind: k}, "of unknown id",
		"a record could not be read, so that nobody is taken for absent: "+mark.Shield[k], true)
}

// lacks reports whether a failed listing means that the target has no such kind,
// which must not keep the others from being provisioned: it says that there is
// no such thing, and nothing of the kind was ever provisioned there.
func (a *Agent) lacks(ctx context.Context, k identity.Kind, err error) (bool, error) {
	class := connectors.ClassOf(err)
	if k != identity.Group || class != connectors.Missing && class != connectors.Unsupported {
		return false, nil
	}
	owned, failure := a.Ledger.CountOwned(ctx, a.Sync.Name, k)
	return owned == 0, failure
}

func offers(p connectors.Profile, k identity.Kind) bool {
	if k == identity.Group {
		return p.Groups
	}
	return p.Users
}

func (w *comparison) run(ctx context.Context) error {
	c := w.cycle
	w.agent.Progress.Phase("comparing "+w.kind.Plural(), 0)
	mark, _, err := w.agent.Ledger.Mirror(w.agent.Sync.Source.Name).Bookmark(ctx)
	if err != nil {
		return err
	}
	w.shield = mark.Shield[w.kind]
	return c.scratch.Load(ctx, func() error {
		if err := c.scratch.ClaimOwned(ctx, w.kind); err != nil {
			return err
		}
		if err := w.findSuccessors(ctx); err != nil {
			return err
		}
		for j, err := range c.scratch.Objects(ctx, w.kind) {
			if err != nil {
				return err
			}
			if err := w.object(ctx, j); err != nil {
				return fmt.Errorf("%s: %w", j.Desired.Ref, err)
			}
			w.agent.Progress.Advance(1)
		}
		for j, err := range c.scratch.Leavers(ctx, w.kind) {
			if err != nil {
				return err
			}
			if err := w.leaver(ctx, j); err != nil {
				return fmt.Errorf("%s: %w", j.Owned.Ref, err)
			}
		}
		// Before memberships and references: what takes no part after all
		// is not to be in them.
		if err := c.arrange(ctx, w.names); err != nil {
			return err
		}
		if w.referring {
			return w.references(ctx)
		}
		return nil
	})
}

// findSuccessors settles first who takes over whose account, so that nothing is
// planned for the predecessor.
func (w *comparison) findSuccessors(ctx context.Context) error {
	for j, err := range w.cycle.scratch.Contested(ctx, w.kind) {
		if err != nil {
			return err
		}
		if j.Live != nil {
			continue
		}
		v, err := w.agent.match(ctx, w.cycle, j)
		if err != nil {
			return err
		}
		if v.hold != plan.Successor {
			continue
		}
		if err := w.cycle.scratch.Succeed(ctx, j.Desired.Ref, v.predecessor, v.live.TargetID); err != nil {
			return err
		}
	}
	return nil
}

// object plans for one source object that is not out of scope.
func (w *comparison) object(ctx context.Context, j ledger.Joined) error {
	c, d := w.cycle, j.Desired
	if j.Owned != nil {
		c.counts.see(w.kind, j.Live != nil, d.State == ledger.In && d.Active)
	}
	if d.State == ledger.Shielded {
		return c.scratch.Skip(ctx, d.Ref, d.Name, d.Why, d.Undecided)
	}
	if why := c.unreadable[d.Ref]; why != "" {
		return c.scratch.Skip(ctx, d.Ref, d.Name, why, true)
	}
	if superseded, err := c.scratch.Superseded(ctx, d.Ref); err != nil || superseded {
		return err
	}
	v, err := w.matched(ctx, j)
	if err != nil {
		return err
	}
	if v.skip == "" {
		if v, err = w.agent.claim(ctx, c, d.Ref, v); err != nil {
			return err
		}
	}
	if v.skip != "" {
		return c.scratch.SkipAs(ctx, plan.Skipped{
			Ref: d.Ref, Name: d.Name, Why: v.skip, Undecided: v.undecided, Policy: string(v.policy), TargetID: v.exists,
		})
	}
	if why := w.protect.covers(v.live, d.Entry); why != "" {
		return c.scratch.Skip(ctx, d.Ref, d.Name, why, false)
	}
	open, err := w.agent.references(ctx, c, &d.Entry)
	if err != nil {
		return err
	}
	w.referring = w.referring || len(open) > 0
	o := plan.Object{
		Ref: d.Ref, Name: d.Name, Desired: &d.Entry, Live: v.live, Hold: v.hold,
		Adopted: v.adopted, Waited: true,
	}
	if v.hold == plan.Vanished && d.Active {
		c.counts.vanished[classOf(w.kind)]++
	}
	if v.hold == plan.Recognized {
		if err := c.scratch.Recognize(ctx, d.Ref, v.live.TargetID, d.Name, d.Hash); err != nil {
			return err
		}
	}
	byConfig := w.edited && j.Owned != nil && j.Owned.RecordHash == d.Hash
	changes, left, err := w.diff(ctx, o, byConfig)
	if err != nil {
		return err
	}
	if left != "" {
		if err := c.scratch.Skip(ctx, d.Ref, d.Name, left, false); err != nil {
			return err
		}
	}
	if err := w.put(ctx, changes, byConfig); err != nil {
		return err
	}
	return w.enrol(ctx, d, v, changes)
}

// matched is match, for an object whose succession is settled already.
func (w *comparison) matched(ctx context.Context, j ledger.Joined) (verdict, error) {
	s, err := w.cycle.scratch.SuccessionOf(ctx, j.Desired.Ref)
	if err != nil {
		return verdict{}, err
	}
	if s != nil {
		return verdict{hold: plan.Successor, live: &s.Live, predecessor: s.Predecessor}, nil
	}
	return w.agent.match(ctx, w.cycle, j)
}

// put adds the steps of one object.
func (w *comparison) put(ctx context.Context, changes []identity.Change, byConfig bool) error {
	adopted := false
	for _, change := range changes {
		step := plan.Step{Place: plan.Place{Wave: plan.WaveOf(change)}, Change: change}
		if adopted && change.Op == identity.Deactivate {
			// Not before it is ours.
			step.Place.Wave = plan.WaveUsers
		}
		adopted = adopted || change.Op == identity.Adopt
		step.Evidence.ByConfiguration = byConfig && change.Op.Removes()
		seq, err := w.cycle.scratch.PutStep(ctx, step)
		if err != nil {
			return err
		}
		if err := w.wantName(ctx, seq, change); err != nil {
			return err
		}
	}
	return nil
}

// enrol lets the object take part in memberships when it has, or gets, a
// counterpart of ours.
func (w *comparison) enrol(ctx context.Context, d ledger.Desired, v verdict, changes []identity.Change) error {
	targetID := ""
	switch {
	case v.live != nil:
		targetID = v.live.TargetID
	case len(changes) == 0:
		return nil
	}
	if w.kind == identity.User {
		return w.cycle.scratch.PutAccount(ctx, d.Ref.ID, targetID, d.Name, d.Active)
	}
	readable := v.live != nil && v.live.Members.Known
	if w.cycle.profile().Members == connectors.MembersBlind {
		readable = true // assumed
	}
	return w.cycle.scratch.PutTeam(ctx, d.Ref.ID, targetID, d.Name, readable)
}

// diff compares one object. A removal has to outlast the grace period first,
// which begins with the first cycle that plans it.
// Until then an edit of the configuration that causes it is not taken for
// accepted.
func (w *comparison) diff(ctx context.Context, o plan.Object, byConfig bool) (changes []identity.Change, left string, err error) {
	changes, left = plan.Diff(o, w.policyOf(o.Ref))
	grace := w.agent.grace(w.kind)
	removes := slices.ContainsFunc(changes, func(c identity.Change) bool { return c.Op.Removes() })
	if !removes || grace <= 0 {
		return changes, left, nil
	}
	now := w.agent.Now()
	since, err := w.cycle.scratch.LeftSince(ctx, o.Ref, now)
	if err != nil || now.Sub(since) >= grace {
		return changes, left, err
	}
	o.Waited = false
	w.cycle.configHeld = w.cycle.configHeld || byConfig
	changes, left = plan.Diff(o, w.policyOf(o.Ref))
	return changes, left, nil
}
