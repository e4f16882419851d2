package agent

import (
	"context"
	"iter"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// members plans the memberships of the groups that take part.
func (w *comparison) members(ctx context.Context) error {
	c, a := w.cycle, w.agent
	if err := w.regainSight(ctx); err != nil {
		return err
	}
	profile := c.profile()
	if profile.Members == connectors.MembersNone {
		return nil
	}
	if profile.Members == connectors.MembersBlind && profile.ReplaceOnly {
		c.notes = append(c.notes, "the target neither shows members nor takes PATCH: memberships are left alone, "+
			"because any write would empty groups (set members: off)")
		c.counts.unoffered = true
		return nil
	}
	if c.narrow() {
		if err := w.selectLinked(ctx); err != nil {
			return err
		}
	}
	return c.scratch.Load(ctx, func() error {
		if profile.Members == connectors.MembersBlind {
			if err := c.scratch.AssumeMembers(ctx); err != nil {
				return err
			}
		}
		if err := c.scratch.WantMembers(ctx, a.Sync.Groups.Nested == configs.Flatten); err != nil {
			return err
		}
		if err := w.wantBundles(ctx); err != nil {
			return err
		}
		if err := w.enrolUnlike(ctx); err != nil {
			return err
		}
		if err := w.join(ctx); err != nil {
			return err
		}
		if a.Sync.Groups.Members == configs.MembersExact {
			if err := w.depart(ctx); err != nil {
				return err
			}
		}
		return w.nameIncomplete(ctx)
	})
}

// regainSight believes a target again that was taken to hide members, once it shows some:
// what is remembered of it may be wrong.
func (w *comparison) regainSight(ctx context.Context) error {
	c := w.cycle
	if c.extent != whole || c.bound.Members != string(connectors.MembersBlind) || c.session.Profile().Members != connectors.MembersReadable {
		return nil
	}
	shows, err := c.scratch.ShowsMembers(ctx)
	if err != nil || !shows {
		return err
	}
	c.bound.Members, c.sighted = "", true
	c.notes = append(c.notes, "the target shows group members now, which it did not before: what it shows counts from now on")
	return nil
}

// crowd is up to how many members one step has: whatever the size of a group, a
// step fits into memory.
const crowd = 5_000

// join plans the memberships that are wanting. Those of a group that this plan
// creates go into its create step, but for what is more than a crowd.
func (w *comparison) join(ctx context.Context) error {
	return groupwise(w.cycle.scratch.Joiners(ctx), func(part int, first ledger.TeamMember, members []identity.Member) error {
		if first.Target == "" && part == 0 {
			seq, err := w.cycle.scratch.Creates(ctx, first.Group)
			if err != nil {
				return err
			}
			if seq != 0 {
				return w.cycle.scratch.SetStepMembers(ctx, seq, members)
			}
		}
		return w.memberStep(ctx, identity.AddMembers, first, members, false)
	})
}

// depart plans the memberships that are too many. Those that only an edit of the
// configuration takes away are steps of their own.
func (w *comparison) depart(ctx context.Context) error {
	c := w.cycle
	empty := false
	return groupwise(c.scratch.Departed(ctx), func(part int, first ledger.TeamMember, members []identity.Member) error {
		if part == 0 {
			wanted, err := c.scratch.CountWanted(ctx, first.Group.ID)
			if err != nil {
				return err
			}
			if empty = wanted == 0; empty {
				c.emptied = append(c.emptied, emptied{group: first.Group, name: first.Name})
			}
		}
		if empty {
			c.emptied[len(c.emptied)-1].size += len(members)
		}
		edited, rest, err := w.byConfig(ctx, first.Group, members)
		if err != nil {
			return err
		}
		for _, part := range [...]struct {
			members  []identity.Member
			byConfig bool
		}{{edited, true}, {rest, false}} {
			if len(part.members) == 0 {
				continue
			}
			if err := w.memberStep(ctx, identity.RemoveMembers, first, part.members, part.byConfig); err != nil {
				return err
			}
		}
		return nil
	})
}

// byConfig tells the members that a group loses because of an edit, as when groups
// within groups no longer count, from those the source took out.
func (w *comparison) byConfig(ctx context.Context, group identity.Ref, members []identity.Member) (edited, rest []identity.Member, err error) {
	if w.edited && isBundle(group) {
		return members, nil, nil // bundles may be what was edited
	}
	if !w.edited || w.agent.Sync.Groups.Nested == configs.Flatten {
		return nil, members, nil
	}
	for _, m := range members {
		nested, err := w.cycle.scratch.Nests(ctx, group.ID, m.Ref.ID)
		if err != nil {
			return nil, nil, err
		}
		if nested {
			edited = append(edited, m)
		} else {
			rest = append(rest, m)
		}
	}
	return edited, rest, nil
}

func (w *comparison) memberStep(ctx context.Context, op identity.Op, t ledger.TeamMember, members []identity.Member, byConfig bool) error {
	change := identity.Change{
		Op: op, Ref: t.Group, TargetID: t.Target, Name: t.Name, Members: members,
		Cause: identity.CauseMembership, Reason: "the source has members the target lacks",
	}
	if op == identity.RemoveMembers {
		change.Reason = "the source no longer has these members"
	}
	step := plan.Step{Place: plan.Place{Wave: plan.WaveOf(change)}, Change: change}
	step.Evidence.ByConfiguration = byConfig
	_, err := w.cycle.scratch.PutStep(ctx, step)
	return err
}

// nameIncomplete names the groups whose members the source or the target did not
// show, so that a reader knows why nobody is removed from them, or added.
func (w *comparison) nameIncomplete(ctx context.Context) error {
	scratch := w.cycle.scratch
	err := w.nameTeams(ctx, scratch.Incomplete(ctx), "its members at the source are not completely known; nobody is removed")
	if err != nil {
		return err
	}
	return w.nameTeams(ctx, scratch.Unreadable(ctx), "the target did not show its members; nobody is added or removed")
}

func (w *comparison) nameTeams(ctx context.Context, refs iter.Seq2[identity.Ref, error], why string) error {
	mirror := w.agent.Ledger.Mirror(w.agent.Sync.Source.Name)
	for ref, err := range refs {
		if err != nil {
			return err
		}
		m, found, err := mirror.Record(ctx, ref)
		if err != nil {
			return err
		}
		text, name := why, recordName(m.Record)
		if found && m.LinksWhy != "" {
			text += ": " + m.LinksWhy
		}
		if b, ok := w.cycle.bundles[ref.ID]; ok {
			if name = b.name; b.why != "" {
				text += ": " + b.why
			}
		}
		if err := w.cycle.scratch.Skip(ctx, ref, name, text, true); err != nil {
			return err
		}
	}
	return nil
}

// groupwise collects the members of one group after another, a crowd at a time.
// Each is told which part of its group it gets, from 0.
func groupwise(rows func(func(ledger.TeamMember, error) bool), each func(part int, first ledger.TeamMember, members []identity.Member) error) error {
	var first ledger.TeamMember
	var members []identity.Member
	part := 0
	flush := func() error {
		if len(members) == 0 {
			return nil
		}
		err := each(part, first, members)
		part, members = part+1, nil
		return err
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		if other := row.Group != first.Group; other || len(members) == crowd {
			if err := flush(); err != nil {
				return err
			}
			if other {
				first, part = row, 0
			}
		}
		members = append(members, row.Member)
	}
	return flush()
}
