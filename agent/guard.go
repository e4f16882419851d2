package agent

import (
	"context"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/identity"
)

// emptied is a group of ours in which the source shows nobody any more.
type emptied struct {
	group identity.Ref
	name  string
	size  int
}

// protection are the values by which protected objects are known, folded.
type protection map[string]bool

func (a *Agent) protection(k identity.Kind) protection {
	p := protection{}
	for _, value := range a.Sync.Protect[k] {
		p[identity.Fold(value)] = true
	}
	return p
}

// covers says why an object must not be touched, and "" when it may. The live
// object decides; the desired one is looked at too, so that a protected name is
// never created.
func (p protection) covers(live *identity.Entry, desired identity.Entry) string {
	if len(p) == 0 {
		return ""
	}
	values := []string{}
	collect := func(e identity.Entry) {
		for path, v := range e.Attrs {
			s, ok := v.(string)
			if ok && (path == "userName" || path == "displayName" || path == "externalId" ||
				path == "emails" || strings.HasPrefix(path, "emails[") || strings.HasPrefix(path, "emails.")) {
				values = append(values, s)
			}
		}
	}
	collect(desired)
	if live != nil {
		values = append(values, live.TargetID)
		collect(*live)
	}
	for _, v := range values {
		if p[identity.Fold(v)] {
			return "protected"
		}
	}
	return ""
}

// limits returns the configured limits.
func (a *Agent) limits() plan.Limits {
	g := a.Sync.Guards
	return plan.Limits{
		Floor: g.Floor,
		Max: map[plan.Class]int{
			plan.Users: g.Users.Max, plan.Groups: g.Groups.Max, plan.Memberships: g.Memberships.Max,
		},
		Share: map[plan.Class]float64{
			plan.Users: g.Users.Share, plan.Groups: g.Groups.Share, plan.Memberships: g.Memberships.Share,
		},
	}
}

// tally gathers what the guards judge.
func (a *Agent) tally(ctx context.Context, c *Cycle) (*plan.Tally, error) {
	binding := c.bound
	memberships, err := c.scratch.CountMemberships(ctx)
	if err != nil {
		return nil, err
	}
	owned := map[plan.Class]int{
		plan.Users: c.counts.owned[plan.Users], plan.Groups: c.counts.owned[plan.Groups], plan.Memberships: memberships,
	}
	if !binding.FullAt.IsZero() {
		owned[plan.Users] = max(owned[plan.Users], binding.Users)
		owned[plan.Groups] = max(owned[plan.Groups], binding.Groups)
		owned[plan.Memberships] = max(owned[plan.Memberships], binding.Memberships)
	}
	t := &plan.Tally{Owned: owned, Present: c.counts.present, Vanished: c.counts.gone()}
	if binding.URL != "" && binding.URL != a.Sync.Target.URL && owned[plan.Users]+owned[plan.Groups] > 0 {
		t.WrongTarget = binding.URL
	}
	for _, e := range c.emptied {
		t.AddEmptied(e.group, e.name, e.size)
	}
	for s, err := range c.scratch.Removals(ctx) {
		if err != nil {
			return nil, err
		}
		t.Add(s)
	}
	if c.extent != selected {
		return t, nil
	}
	// What is held already and was not looked at now counts as well: many
	// small cycles must not take away what one large one may not.
	for h, err := range c.scratch.HeldBeside(ctx) {
		if err != nil {
			return nil, err
		}
		if change := (identity.Change{Op: h.Op, Ref: h.Ref}); h.Op.Removes() {
			t.AddHeld(plan.ClassOf(change))
			c.heldBeside++
		}
	}
	return t, nil
}

// hold lets the guards keep back what they must, and what depends on it.
func (a *Agent) hold(ctx context.Context, c *Cycle, guard plan.Guard) error {
	if !guard.Tripped {
		return nil
	}
	everything := a.Sync.Guards.OnTrip == configs.Abort
	// lacking says that there are users who get no account.
	lacking := false
	for s, err := range c.scratch.Steps(ctx) {
		if err != nil {
			return err
		}
		rule := guard.Holds(s)
		if rule == "" && everything {
			rule = plan.RuleDepends
		}
		if rule == "" {
			continue
		}
		if rule == plan.RuleConfig {
			c.configHeld = true
		}
		lacking = lacking || s.Op == identity.Create && s.Ref.Kind == identity.User
		if err := c.scratch.HoldStep(ctx, s.Seq, rule); err != nil {
			return err
		}
	}
	more, err := c.holdNames(ctx)
	if err != nil || !lacking && !more {
		return err
	}
	return c.holdMembers(ctx)
}

// holdNames keeps back what waits for a name that is not given up, and what
// follows an adoption that does. It reports whether some user gets no account
// thereby.
func (c *Cycle) holdNames(ctx context.Context) (bool, error) {
	lacking := false
	for again := true; again; {
		again = false
		for _, m := range c.moves {
			holder, err := c.scratch.Step(ctx, m.Holder)
			if err != nil {
				return false, err
			}
			if holder.Held == "" {
				continue
			}
			s, err := c.scratch.Step(ctx, m.Step)
			if err != nil {
				return false, err
			}
			if s.Held != "" {
				continue
			}
			again = true
			steps := []plan.Step{s}
			switch {
			case s.Op == identity.Adopt:
				if steps, err = c.scratch.StepsOf(ctx, s.Ref); err != nil {
					return false, err
				}
			case s.Op == identity.Create && s.Ref.Kind == identity.User:
				lacking = true
			}
			for _, s := range steps {
				if s.Held != "" {
					continue
				}
				if err := c.scratch.HoldStep(ctx, s.Seq, plan.RuleDepends); err != nil {
					return false, err
				}
			}
		}
	}
	return lacking, nil
}

// holdMembers keeps back memberships all of which are of people who get no
// account. Where only some are, those are left out when the step is applied.
func (c *Cycle) holdMembers(ctx context.Context) error {
	for s, err := range c.scratch.Steps(ctx) {
		if err != nil {
			return err
		}
		if s.Op != identity.AddMembers || s.Held != "" {
			continue
		}
		depends := true
		for _, m := range s.Members {
			if depends = m.TargetID == ""; depends {
				if depends, err = c.scratch.IsHeld(ctx, m.Ref); err != nil {
					return err
				}
			}
			if !depends {
				break
			}
		}
		if !depends {
			continue
		}
		if err := c.scratch.HoldStep(ctx, s.Seq, plan.RuleDepends); err != nil {
			return err
		}
	}
	return nil
}

func sortAttributes(attributes []identity.Attribute) {
	slices.SortFunc(attributes, func(a, b identity.Attribute) int { return strings.Compare(a.Path, b.Path) })
}
