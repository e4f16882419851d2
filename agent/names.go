package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// nameWant is a step that wants a name which a live object of another source
// object, or of nobody, holds now.
type nameWant struct {
	seq    int64
	op     identity.Op
	ref    identity.Ref
	label  string
	name   ledger.Key
	holder string
}

// wantName notes a step that needs a name to come free first.
func (w *comparison) wantName(ctx context.Context, seq int64, change identity.Change) error {
	path := plan.NamePath(w.kind)
	for _, attribute := range change.Attributes {
		name, ok := attribute.After.(string)
		if attribute.Path != path || !ok || name == "" {
			continue
		}
		holders, err := w.cycle.scratch.HolderOf(ctx, w.kind, key(path, name), change.TargetID)
		if err != nil {
			return err
		}
		if len(holders) > 0 {
			w.names = append(w.names, nameWant{seq, change.Op, change.Ref, change.Name, key(path, name), holders[0]})
		}
	}
	return nil
}

// arrange puts the steps of one kind that trade names into an order in which
// every name is free before it is taken. It notes the moves, so that a step
// follows its holder when that is held back.
func (c *Cycle) arrange(ctx context.Context, wants []nameWant) error {
	moves, err := c.holders(ctx, wants)
	if err != nil {
		return err
	}
	c.moves = append(c.moves, moves...)
	byStep := map[int64]nameWant{}
	for _, w := range wants {
		byStep[w.seq] = w
	}
	order := plan.Arrange(moves)
	for _, m := range moves {
		kind := byStep[m.Step].ref.Kind
		wave := plan.WaveUsers
		if kind == identity.Group {
			wave = plan.WaveGroups
		}
		for _, seq := range [...]int64{m.Step, m.Holder} {
			// Level 0 is for parking alone, and for holders that wait for
			// nobody; the rest of the wave has level 0 too.
			if err := c.move(ctx, seq, plan.Place{Wave: wave, Level: order.Level[seq]}); err != nil {
				return err
			}
		}
	}
	for _, seq := range order.Parked {
		if err := c.park(ctx, seq); err != nil {
			return err
		}
	}
	return nil
}

// move puts a step into another place, and with an adoption what follows it.
func (c *Cycle) move(ctx context.Context, seq int64, place plan.Place) error {
	s, err := c.scratch.Step(ctx, seq)
	if err != nil {
		return err
	}
	steps := []plan.Step{s}
	if s.Op == identity.Adopt {
		if steps, err = c.scratch.StepsOf(ctx, s.Ref); err != nil {
			return err
		}
	}
	for _, follower := range steps {
		if follower.Seq != seq && follower.Place.Wave != place.Wave {
			continue // it comes later in any case
		}
		if err := c.scratch.Move(ctx, follower.Seq, place); err != nil {
			return err
		}
	}
	return nil
}

// holders finds, for every want, the step that gives the name up. A want that no
// step satisfies is dropped and named, and so is whoever waited for it.
func (c *Cycle) holders(ctx context.Context, wants []nameWant) ([]plan.NameMove, error) {
	dropped := map[int64]bool{}
	for {
		var moves []plan.NameMove
		again := false
		for _, w := range wants {
			if dropped[w.seq] {
				continue
			}
			freeing, err := c.freeing(ctx, w)
			if err != nil {
				return nil, err
			}
			if freeing != 0 {
				moves = append(moves, plan.NameMove{Step: w.seq, Holder: freeing})
				continue
			}
			if err := c.drop(ctx, w); err != nil {
				return nil, err
			}
			why := fmt.Sprintf("the target object %s already has %s", w.holder, w.name.Path)
			if err := c.scratch.Skip(ctx, w.ref, w.label, why, true); err != nil {
				return nil, err
			}
			dropped[w.seq], again = true, true
		}
		if !again {
			return moves, nil
		}
	}
}

// drop takes a step out of the plan. Where the object would have become ours by
// it, nothing else is done about it either.
func (c *Cycle) drop(ctx context.Context, w nameWant) error {
	if w.op != identity.Create && w.op != identity.Adopt {
		return c.scratch.DropStep(ctx, w.seq)
	}
	steps, err := c.scratch.StepsOf(ctx, w.ref)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := c.scratch.DropStep(ctx, s.Seq); err != nil {
			return err
		}
	}
	return c.scratch.Unenrol(ctx, w.ref)
}

// freeing returns the step after which the wanted name is free, and 0 for none.
func (c *Cycle) freeing(ctx context.Context, w nameWant) (int64, error) {
	steps, err := c.scratch.StepsOnTarget(ctx, w.ref.Kind, w.holder)
	if err != nil {
		return 0, err
	}
	for _, s := range steps {
		if s.Op == identity.Delete && s.Cause != identity.CauseNameSwap {
			return s.Seq, nil
		}
		for _, attribute := range s.Attributes {
			name, _ := attribute.After.(string)
			if attribute.Path == w.name.Path && name != "" && key(w.name.Path, name) != w.name {
				return s.Seq, nil
			}
		}
	}
	return 0, nil
}

// park adds the visible step by which an object gives its name up for a moment.
func (c *Cycle) park(ctx context.Context, seq int64) error {
	s, err := c.scratch.Step(ctx, seq)
	if err != nil {
		return err
	}
	path := plan.NamePath(s.Ref.Kind)
	for _, attribute := range s.Attributes {
		if attribute.Path != path {
			continue
		}
		before, _ := attribute.Before.(string)
		step := plan.Step{Place: plan.Place{Wave: s.Place.Wave}, Change: identity.Change{
			Op: identity.Update, Ref: s.Ref, TargetID: s.TargetID, Name: s.Name, Cause: identity.CauseNameSwap,
			Reason:     "two objects trade names: this one gives its name up for a moment",
			Attributes: []identity.Attribute{{Path: path, Before: before, After: parked(before)}},
		}}
		if _, err := c.scratch.PutStep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// parked is a name nobody wants, of the same form: an address stays an address.
func parked(name string) string {
	local, domain, address := strings.Cut(name, "@")
	if !address {
		return name + " (renaming)"
	}
	return local + ".renaming@" + domain
}

// references plans the attributes that name objects which have no account at the
// target until this plan has made one.
func (w *comparison) references(ctx context.Context) error {
	c, a := w.cycle, w.agent
	for j, err := range c.scratch.Objects(ctx, w.kind) {
		if err != nil {
			return err
		}
		d := j.Desired
		if d.State != ledger.In || !d.Active {
			continue
		}
		targetID, found, err := c.scratch.Counterpart(ctx, d.Ref)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		open, err := a.references(ctx, c, &d.Entry)
		if err != nil {
			return err
		}
		var attributes []identity.Attribute
		for path, r := range open {
			to, found, err := c.scratch.Counterpart(ctx, r.who)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if err := c.await(ctx, d.Ref, r, r.who.ID); err != nil {
				return err
			}
			if to == "" || j.Live == nil || !w.policy.Same(path, to, j.Live.Attrs[path]) {
				attributes = append(attributes, identity.Attribute{Path: path, After: identity.Reference{Ref: r.who}})
			}
		}
		if len(attributes) == 0 {
			continue
		}
		sortAttributes(attributes)
		if err := w.put(ctx, []identity.Change{{
			Op: identity.Update, Ref: d.Ref, TargetID: targetID, Name: d.Name,
			Attributes: attributes, Cause: identity.CauseReference,
			Reason: "refers to an account that this plan makes or adopts",
		}}, false); err != nil {
			return err
		}
	}
	return nil
}
