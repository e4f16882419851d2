package agent

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// selectLinked brings into the scratch room the groups whose memberships depend
// on selected objects, with the members they have now: those that somebody is in
// who takes part from now on, and, where groups within groups count, those around
// a selected group.
func (w *comparison) selectLinked(ctx context.Context) error {
	c, a := w.cycle, w.agent
	nested := a.Sync.Groups.Nested == configs.Flatten
	err := c.scratch.Load(ctx, func() error {
		link := c.scratch.LinkReturning
		if c.extent == demanded {
			link = c.scratch.LinkAll
		}
		if err := link(ctx); err != nil || !nested {
			return err
		}
		if err := c.scratch.LinkSelected(ctx); err != nil {
			return err
		}
		return c.scratch.LinkAbove(ctx)
	})
	if err != nil {
		return err
	}
	teams, err := c.scratch.Linked(ctx)
	if err != nil {
		return err
	}
	return incomplete("read groups of target "+a.Sync.Target.Name, w.readTeams(ctx, teams))
}

// readTeams lets owned groups take part with the members they have now.
func (w *comparison) readTeams(ctx context.Context, teams []ledger.Owned) error {
	type team struct {
		owned ledger.Owned
		live  []identity.Entry
	}
	c := w.cycle
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	answers := make(chan team, lookups)
	collected := make(chan error, 1)
	go func() {
		var problem error
		for t := range answers {
			for _, e := range t.live {
				if problem == nil {
					problem = w.putTeam(ctx, t.owned, e)
				}
			}
		}
		collected <- problem
	}()
	for _, owned := range teams {
		group.Go(func() error {
			match := connectors.Match{Path: "id", Value: owned.TargetID}
			live, err := c.session.Find(asking, identity.Group, match, connectors.Want{Members: true})
			if err == nil {
				answers <- team{owned, live} // the collector reads to the end
			}
			return err
		})
	}
	err := group.Wait()
	close(answers)
	if problem := <-collected; err == nil {
		err = problem
	}
	return err
}

func (w *comparison) putTeam(ctx context.Context, owned ledger.Owned, live identity.Entry) error {
	c, a := w.cycle, w.agent
	m, found, err := a.Ledger.Mirror(a.Sync.Source.Name).Record(ctx, owned.Ref)
	if err != nil || !found || m.State != ledger.StatePresent {
		return err
	}
	// A group that is out of scope is kept as it is, members and all.
	d := a.desired(m, c.profile())
	if d.State != ledger.In || w.protect.covers(&live, d.Entry) != "" {
		return nil
	}
	name := key(plan.NamePath(identity.Group), d.Entry.Attrs.String(plan.NamePath(identity.Group)))
	if shielded, err := c.scratch.HasRival(ctx, owned.Ref, name); err != nil || shielded {
		return err
	}
	return c.scratch.Load(ctx, func() error {
		if err := c.scratch.PutLive(ctx, identity.Group, live, nil); err != nil {
			return err
		}
		readable := live.Members.Known || c.profile().Members == connectors.MembersBlind
		return c.scratch.PutTeam(ctx, owned.Ref.ID, live.TargetID, owned.Name, readable)
	})
}

// enrolUnlike lets the people take part who are not selected and are in a team on
// one side only. Those on both sides, or on none, need nothing.
func (w *comparison) enrolUnlike(ctx context.Context) error {
	c := w.cycle
	switch c.extent {
	case whole, saved:
		return nil
	case selected:
		return c.scratch.EnrolUnlike(ctx)
	case demanded:
	}
	// Of demanded people nobody else's memberships are touched.
	if n, err := c.scratch.CountSelected(ctx, identity.Group); err != nil || n == 0 {
		return err
	}
	ids, err := c.scratch.Unlike(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := w.selectAccount(ctx, identity.Ref{Kind: identity.User, ID: id}); err != nil {
			return err
		}
	}
	return nil
}

// selectAccount lets an owned user take part in memberships.
func (w *comparison) selectAccount(ctx context.Context, ref identity.Ref) error {
	c, a := w.cycle, w.agent
	owned, found, err := a.Ledger.OwnedRef(ctx, a.Sync.Name, ref)
	if err != nil || !found {
		return err
	}
	m, found, err := a.Ledger.Mirror(a.Sync.Source.Name).Record(ctx, ref)
	if err != nil || !found || m.State != ledger.StatePresent {
		return err
	}
	d := a.desired(m, c.profile())
	known := identity.Entry{TargetID: owned.TargetID}
	if d.State != ledger.In || a.protection(identity.User).covers(&known, d.Entry) != "" {
		return nil
	}
	return c.scratch.PutAccount(ctx, ref.ID, owned.TargetID, owned.Name, d.Active)
}
