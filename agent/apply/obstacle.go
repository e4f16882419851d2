package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Obstacle is an object that the target refused a create for.
type Obstacle struct {
	Create identity.Change
	Live   identity.Entry
	// Path is the key it was found by.
	Path string
	// Owner is the ownership the ledger knows of; nil for none. It is always
	// that of the object the create is for.
	Owner *ledger.Owned
}

// Takeover is what is to be done with an obstacle.
type Takeover struct {
	// Refused says why it must not become ours; empty: it may.
	Refused string
	// Changes bring it into the state that the create would have.
	Changes []identity.Change
}

// afterConflict looks for the object that stands in the way of a create: a
// listing need not have shown it, when it was suspended or made a moment ago.
func (r *run) afterConflict(ctx context.Context, j *job, a answer) answer {
	c := j.change
	live, path, err := r.obstacle(ctx, c)
	switch {
	case err != nil:
		a.err = fmt.Errorf("%w (and looking it up: %w)", a.err, err)
		return a
	case live == nil && c.Cause == identity.CauseVanished:
		return r.revive(ctx, j, a)
	case live == nil:
		a.err = fmt.Errorf("%w; the target shows nobody by that name: a suspended or deleted account, or another kind of object", a.err)
		return a
	}
	o := Obstacle{Create: c, Live: *live, Path: path}
	owner, owned, err := r.Ledger.OwnedBy(ctx, r.Target, c.Ref.Kind, live.TargetID)
	switch {
	case err != nil:
		a.err = fmt.Errorf("%w (and looking up its owner: %w)", a.err, err)
		return a
	case owned && (owner.Sync != r.Sync || owner.Ref != c.Ref):
		a.err = fmt.Errorf("%w; %s belongs to %s of sync %s", a.err, live.TargetID, owner.Ref, owner.Sync)
		return a
	case owned:
		o.Owner = &owner
	}
	takeover, err := r.TakeOver(ctx, o)
	switch {
	case err != nil:
		a.err = fmt.Errorf("%w (and deciding about %s: %w)", a.err, live.TargetID, err)
		return a
	case takeover.Refused != "":
		a.err = fmt.Errorf("%w; %s exists: %s", a.err, live.TargetID, takeover.Refused)
		return a
	}
	switch {
	case owned:
		a.origin, a.note = owner.Origin, "existed already; it was ours (same "+path+")"
	case path == "externalId":
		a.origin, a.note = ledger.OriginRecognized, "existed already; recognized (same externalId)"
	default:
		a.origin, a.note = ledger.OriginAdopted, "existed already; adopted (same "+path+")"
	}
	return r.takeOver(ctx, j, a, live.TargetID, takeover.Changes)
}

// revive reactivates an account of ours that the target hides while it is
// suspended: it shows nobody, and yet it refuses the name.
func (r *run) revive(ctx context.Context, j *job, a answer) answer {
	c := j.change
	refused := fmt.Errorf("%w; the target shows nobody by that name: a suspended or deleted account, or another kind of object", a.err)
	owner, owned, err := r.Ledger.OwnedRef(ctx, r.Sync, c.Ref)
	if err != nil || !owned {
		a.err = errors.Join(refused, err)
		return a
	}
	change := identity.Change{
		Op: identity.Reactivate, Ref: c.Ref, TargetID: owner.TargetID, Name: c.Name, Cause: c.Cause, Reason: c.Reason,
		Attributes: []identity.Attribute{{Path: "active", Before: false, After: true}},
	}
	if _, err := r.Session.Apply(ctx, change); err != nil {
		a.err = fmt.Errorf("%w (and reactivating %s: %w)", refused, owner.TargetID, err)
		return a
	}
	entries, err := r.Session.Find(ctx, c.Ref.Kind, connectors.Match{Path: "id", Value: owner.TargetID}, connectors.Want{})
	if err != nil || len(entries) != 1 {
		a.err = errors.Join(refused, err)
		return a
	}
	takeover, err := r.TakeOver(ctx, Obstacle{Create: c, Live: entries[0], Path: "id", Owner: &owner})
	if err != nil || takeover.Refused != "" {
		a.err = errors.Join(refused, err)
		return a
	}
	a.origin, a.note = owner.Origin, "was suspended and hidden; reactivated"
	return r.takeOver(ctx, j, a, owner.TargetID, takeover.Changes)
}

// takeOver makes the changes one after another. The object is ours from the
// first on that succeeds, or from the beginning where none is needed.
func (r *run) takeOver(ctx context.Context, j *job, a answer, targetID string, changes []identity.Change) answer {
	a.err = nil
	a.result = connectors.Result{Status: connectors.Applied}
	for i, change := range changes {
		if change.Op == identity.Adopt && len(change.Attributes) == 0 {
			continue
		}
		result, err := r.Session.Apply(ctx, change)
		if err != nil {
			a.err = err
			if i == 0 {
				return a
			}
			break
		}
		if result.Status != connectors.Applied {
			a.result = result
		}
	}
	a.result.Entry.TargetID = targetID
	if a.err != nil {
		return a
	}
	return r.complete(ctx, j, a)
}

// obstacle returns the one object that carries a key of the create.
func (r *run) obstacle(ctx context.Context, c identity.Change) (*identity.Entry, string, error) {
	for _, path := range r.By[c.Ref.Kind] {
		value := ""
		for _, a := range c.Attributes {
			if a.Path == path {
				value, _ = a.After.(string)
			}
		}
		if value == "" {
			continue
		}
		entries, err := r.Session.Find(ctx, c.Ref.Kind, connectors.Match{Path: path, Value: value}, connectors.Want{})
		switch {
		case connectors.ClassOf(err) == connectors.Unsupported:
			continue
		case err != nil:
			return nil, "", err
		case len(entries) == 1:
			return &entries[0], path, nil
		case len(entries) > 1:
			return nil, "", fmt.Errorf("%d objects match by %s", len(entries), path)
		}
	}
	return nil, "", nil
}
