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
	t := &plan.Tally{Owned: owned, Present: c.counts.present, Vanished: c.counts.vanished}
	if binding.URL != "" && binding.URL != a.Sync.Target.URL && owned[plan.Users]+owned[plan.Groups] > 0 {
		t.WrongTarget = binding.URL
	}
	for _, e := range c.emptied {
		t.AddEmptied(e.group, e.name, e.size)
	}
	for s, err := range c.scratch.Steps(ctx) {
		if err != nil {
			return nil, err
		}
		t.Add(s)
	}
	return t, nil
}

// hold lets the guards keep back what they must, and what depends on it.
func (a *Agent) hold(ctx context.Context, c *Cycle, guard plan.Guard, moves []plan.NameMove) error {
	held := map[int64]bool{}
	everything := guard.Tripped && a.Sync.Guards.OnTrip == configs.Abort
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
		held[s.Seq] = true
		if rule == plan.RuleConfig {
			c.configHeld = true
		}
		if err := c.scratch.HoldStep(ctx, s.Seq, rule); err != nil {
			return err
		}
	}
	for again := true; again; {
		again = false
		for _, m := range moves {
			if held[m.Holder] && !held[m.Step] {
				held[m.Step], again = true, true
				if err := c.scratch.HoldStep(ctx, m.Step, plan.RuleDepends); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func sortAttributes(attributes []identity.Attribute) {
	slices.SortFunc(attributes, func(a, b identity.Attribute) int { return strings.Compare(a.Path, b.Path) })
}
