package agent

import (
	"context"
	"fmt"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/identity"
)

// takeOver decides about an object that the plan did not know of, and that stands
// in the way of a create, by the rules the plan would have judged it by. It reads
// the ledger alone, because several goroutines call it while the scratch room is
// in use.
func (c *Cycle) takeOver(ctx context.Context, o apply.Obstacle) (apply.Takeover, error) {
	a, ref := c.agent, o.Create.Ref
	desired := identity.Entry{Ref: ref, Attrs: identity.Attrs{}}
	for _, attribute := range o.Create.Attributes {
		desired.Attrs[attribute.Path] = attribute.After
	}
	if why := a.protection(ref.Kind).covers(&o.Live, desired); why != "" {
		return apply.Takeover{Refused: "it is " + why}, nil
	}
	object := plan.Object{Ref: ref, Name: o.Create.Name, Desired: &desired, Live: &o.Live, Hold: plan.Matched, Adopted: true, Waited: true}
	switch {
	case o.Owner != nil:
		object.Hold, object.Adopted = plan.Owned, o.Owner.Origin == ledger.OriginAdopted
	case o.Path == "externalId":
		object.Hold, object.Adopted = plan.Recognized, false
	default:
		why, err := c.heirless(ctx, desired, o.Live)
		if err != nil {
			return apply.Takeover{}, err
		}
		if why == "" {
			why = a.existing(ledger.Desired{Ref: ref}, o.Live, o.Path).skip
		}
		if why != "" {
			return apply.Takeover{Refused: why}, nil
		}
	}
	changes, _ := plan.Diff(object, a.policy(ref.Kind, c.profile()))
	return apply.Takeover{Changes: changes}, nil
}

// heirless says why an account that carries the externalId of another object of
// the source must not pass to this one; "" when it carries none, or may. It is
// what the plan asks of a re-hire.
func (c *Cycle) heirless(ctx context.Context, desired, live identity.Entry) (string, error) {
	a, external := c.agent, live.Attrs.String("externalId")
	if external == "" || external == desired.Attrs.String("externalId") || external == desired.Ref.ID {
		return "", nil
	}
	from := identity.Ref{Kind: desired.Ref.Kind, ID: external}
	m, found, err := a.Ledger.Mirror(a.Sync.Source.Name).Record(ctx, from)
	if err != nil || !found {
		return "", err
	}
	if m.State != ledger.StateGone {
		if earlier := a.desired(m, c.profile()); earlier.State == ledger.Shielded || earlier.Active {
			return fmt.Sprintf("it is the account of %s", from), nil
		}
	}
	switch {
	case from.Kind == identity.Group:
		return fmt.Sprintf("it came from the group %s", from), nil
	case a.Sync.Users.Matching.Rehire != configs.Relink:
		return fmt.Sprintf("it is the account of %s; rehire is refuse", from), nil
	}
	if why := evidence(desired, live); why != "" {
		return fmt.Sprintf("it is the account of %s, and nothing proves it is the same person: %s", from, why), nil
	}
	return "", nil
}
