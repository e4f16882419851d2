package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// errTooNarrow says that a comparison of selected objects will not do, and why.
var errTooNarrow = errors.New("a comparison of single objects will not do")

// compareDue compares the objects that are not in step and are due: what the
// source says has changed, what failed before, and whose grace period is over. It
// ends with errTooNarrow where the whole target has to be compared instead.
func (a *Agent) compareDue(ctx context.Context, c *Cycle, o Options) error {
	now := a.Now()
	due := now
	if o.Eager || o.AllowRemovals != nil {
		due = farFuture()
	}
	if err := c.scratch.SelectDue(ctx, due); err != nil {
		return err
	}
	for _, k := range a.kinds() {
		if grace := a.grace(k); grace > 0 {
			if err := c.scratch.SelectLeaving(ctx, k, now.Add(-grace), due); err != nil {
				return err
			}
		}
	}
	if err := c.scratch.Mark(ctx); err != nil {
		return err
	}
	if err := a.outgrown(ctx, c); err != nil {
		return err
	}
	return a.compare(ctx, c, o)
}

// farFuture is after every next try: in milliseconds, as the ledger counts, it
// still is a number.
func farFuture() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// grace returns how long a removal of the kind waits.
func (a *Agent) grace(k identity.Kind) time.Duration {
	if k == identity.Group {
		return time.Duration(a.Sync.Groups.Grace)
	}
	return time.Duration(a.Sync.Users.Grace)
}

const (
	// alwaysSingle is up to how many objects are looked up one by one whatever
	// a listing would cost.
	alwaysSingle = 200
	// usualPage is how many objects a listing shows at a time where the target
	// does not say.
	usualPage = 100
)

// single is up to how many objects are looked up one by one.
func (a *Agent) single(c *Cycle) int {
	page := c.profile().Limits.PageSize
	if page <= 0 {
		page = usualPage
	}
	return max(alwaysSingle, (c.bound.Users+c.bound.Groups)/page)
}

// outgrown ends with errTooNarrow when so many objects are to be looked up that
// listing the target costs no more.
func (a *Agent) outgrown(ctx context.Context, c *Cycle) error {
	if !c.profile().Listable {
		return nil
	}
	limit, n := a.single(c), 0
	for _, k := range a.kinds() {
		var err error
		if c.due[k], err = c.scratch.CountSelected(ctx, k); err != nil {
			return err
		}
		n += c.due[k]
	}
	if n <= limit {
		return nil
	}
	// Many of them may be nobody's business: neither ours nor in scope.
	n = 0
	for _, k := range a.kinds() {
		for m, err := range c.scratch.Records(ctx, k) {
			if err != nil {
				return err
			}
			concerns, err := a.concerns(ctx, c, m)
			if err != nil {
				return err
			}
			if !concerns {
				continue
			}
			if n++; n > limit {
				return fmt.Errorf("more than %d objects have changed: %w", limit, errTooNarrow)
			}
		}
	}
	return nil
}

// concerns reports whether an object has to be looked up at the target.
func (a *Agent) concerns(ctx context.Context, c *Cycle, m ledger.Mirrored) (bool, error) {
	if m.State == ledger.StatePresent && a.desired(m, c.profile()).State == ledger.In {
		return true, nil
	}
	_, owned, err := a.Ledger.OwnedRef(ctx, a.Sync.Name, m.Record.Ref)
	return owned, err
}

// desireSelected is desire for selected objects that were not put yet.
func (a *Agent) desireSelected(ctx context.Context, c *Cycle, k identity.Kind) error {
	return c.scratch.Load(ctx, func() error {
		for m, err := range c.scratch.Records(ctx, k) {
			if err != nil {
				return err
			}
			if m.State == ledger.StateGone {
				continue
			}
			d := a.desired(m, c.profile())
			if err := c.scratch.PutDesired(ctx, d, keysOf(d.Entry, a.keyPaths(k))); err != nil {
				return err
			}
		}
		return c.scratch.ShieldDuplicates(ctx, k, plan.NamePath(k))
	})
}

// desireDue is desireSelected for objects that are due, and for those that were
// left without an attribute because one of them had no account.
func (a *Agent) desireDue(ctx context.Context, c *Cycle, k identity.Kind) error {
	if err := a.desireSelected(ctx, c, k); err != nil || c.extent == demanded {
		return err
	}
	if err := c.scratch.SelectAwaiting(ctx, plan.NamePath(k)); err != nil {
		return err
	}
	return a.gather(ctx, c, k)
}

// gather puts what was selected since.
func (a *Agent) gather(ctx context.Context, c *Cycle, k identity.Kind) error {
	n, err := c.scratch.CountSelected(ctx, k)
	if err != nil {
		return err
	}
	// What has changed was counted before; this is what comes with it.
	if limit := a.single(c); c.profile().Listable && n > limit+c.due[k] {
		return fmt.Errorf("more than %d %s depend on those that changed: %w", limit, k.Plural(), errTooNarrow)
	}
	if err := c.scratch.Mark(ctx); err != nil {
		return err
	}
	return a.desireSelected(ctx, c, k)
}

// rounds bounds how often looking somebody up may bring up somebody else.
const rounds = 8

// around looks at what the objects seen so far have to do with others: who holds
// a name that one of them wants, and, under the locks, who owns what was seen. The
// owners take part from here on, so that what the plan decides about one name it
// decides for everybody who has it or wants it.
func (a *Agent) around(ctx context.Context, c *Cycle, k identity.Kind) error {
	asked := map[identity.Ref]bool{}
	for range rounds {
		questions, err := a.unnamed(ctx, c, k, asked)
		if err != nil {
			return err
		}
		if err := a.ask(ctx, c, k, questions); err != nil {
			return err
		}
		if c.extent == demanded {
			return nil
		}
		added, err := c.scratch.SelectOwners(ctx, k)
		if err != nil {
			return err
		}
		if added == 0 && len(questions) == 0 {
			return nil
		}
		if err := a.gather(ctx, c, k); err != nil {
			return err
		}
	}
	return nil
}

// unnamed asks who carries the names that selected objects want and that nobody
// asked about: an object that was found by another key may want one that is taken.
func (a *Agent) unnamed(ctx context.Context, c *Cycle, k identity.Kind, asked map[identity.Ref]bool) ([]question, error) {
	path := plan.NamePath(k)
	wanting, err := c.scratch.Unnamed(ctx, k, path)
	if err != nil {
		return nil, err
	}
	var out []question
	for _, d := range wanting {
		if asked[d.Ref] || c.sought[d.Ref] {
			continue
		}
		asked[d.Ref] = true
		out = append(out, question{
			ref: d.Ref, holder: true,
			matches: []connectors.Match{{Path: path, Value: d.Entry.Attrs.String(path)}},
		})
	}
	return out, nil
}

// lost ends with errTooNarrow when most of what was looked at is not at the target, or
// something that others may refer to: what that means only the whole target can tell.
func (a *Agent) lost(ctx context.Context, c *Cycle, k identity.Kind) error {
	if c.extent != selected || !c.profile().Listable {
		return nil
	}
	looked, missing, err := c.scratch.CountMissing(ctx, k)
	if err != nil || missing == 0 {
		return err
	}
	if slices.ContainsFunc(a.kinds(), func(of identity.Kind) bool { return a.mapper(of).Refers(k) }) {
		// Whoever refers to it does so by an id that will not be its own any more.
		return fmt.Errorf("%d of the %d %s that were looked at are not at the target, and others may refer to them: %w",
			missing, looked, k.Plural(), errTooNarrow)
	}
	if missing < 2 || 2*missing <= looked {
		return nil
	}
	return fmt.Errorf("%d of the %d %s that were looked at are not at the target: %w", missing, looked, k.Plural(), errTooNarrow)
}
