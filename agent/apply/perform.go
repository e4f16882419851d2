package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// perform sends one change, and looks before it repeats.
func (r *run) perform(ctx context.Context, j *job) answer {
	c := j.change
	a := answer{job: j, tried: true}
	if c.Op == identity.Release || c.Op == identity.Adopt && len(c.Attributes) == 0 {
		a.result = connectors.Result{Entry: identity.Entry{TargetID: c.TargetID}, Status: connectors.Applied}
		return a
	}
	a.result, a.err = r.Session.Apply(ctx, c)
	switch connectors.ClassOf(a.err) {
	case connectors.Lost:
		return r.afterLoss(ctx, j, a)
	case connectors.Conflict:
		if c.Op == identity.Create {
			return r.afterConflict(ctx, j, a)
		}
	case connectors.Missing:
		if c.Op == identity.Delete {
			a.err, a.result.Status = nil, connectors.Applied
		}
	}
	return a
}

// repeats is how often a write is sent again whose answer was lost.
const repeats = 3

// afterLoss finds out what became of a write whose answer was lost, and repeats
// it only when it did not happen.
func (r *run) afterLoss(ctx context.Context, j *job, a answer) answer {
	c := j.change
	for range repeats {
		if c.Op == identity.Create {
			live, err := Made(ctx, r.Session, r.Ledger, r.Target, c)
			if err != nil {
				a.err = fmt.Errorf("%w (and looking it up: %w)", a.err, err)
				return a
			}
			if live != nil {
				a.note, a.err = "the answer was lost; found when looked up", nil
				a.result = connectors.Result{Entry: *live, Status: connectors.Applied}
				return r.complete(ctx, j, a)
			}
		}
		// Anything but a create is a fact about a known object: saying it
		// again is harmless, and the session reads before it adds members
		// again.
		a.result, a.err = r.Session.Apply(ctx, c)
		if connectors.ClassOf(a.err) != connectors.Lost {
			return a
		}
	}
	return a
}

// complete gives a group that was found after a lost create its members.
func (r *run) complete(ctx context.Context, j *job, a answer) answer {
	if len(j.change.Members) == 0 {
		return a
	}
	entry := a.result.Entry
	add := j.change
	add.Op, add.TargetID, add.Attributes = identity.AddMembers, entry.TargetID, nil
	a.result, a.err = r.Session.Apply(ctx, add)
	a.result.Entry.TargetID = entry.TargetID
	return a
}

// afterConflict looks for the account that stands in the way of a create: a
// listing need not have shown it, when it was suspended or made a moment ago.
func (r *run) afterConflict(ctx context.Context, j *job, a answer) answer {
	c := j.change
	live, path, err := r.obstacle(ctx, c)
	switch {
	case err != nil:
		a.err = fmt.Errorf("%w (and looking it up: %w)", a.err, err)
		return a
	case live == nil:
		a.err = fmt.Errorf("%w; the target shows nobody by that name: a suspended or deleted account, or another kind of object", a.err)
		return a
	}
	owner, owned, err := r.Ledger.OwnedBy(ctx, r.Target, c.Ref.Kind, live.TargetID)
	switch {
	case err != nil:
		a.err = errors.Join(a.err, err)
		return a
	case owned && (owner.Sync != r.Sync || owner.Ref != c.Ref):
		a.err = fmt.Errorf("%w; %s belongs to %s of sync %s", a.err, live.TargetID, owner.Ref, owner.Sync)
		return a
	case !owned && path != "externalId" && !r.Adopt[c.Ref.Kind]:
		a.err = fmt.Errorf("%w; %s exists and matching.existing does not adopt", a.err, live.TargetID)
		return a
	}
	a.origin, a.note = ledger.OriginAdopted, "existed already; adopted (same "+path+")"
	if path == "externalId" {
		a.origin = ledger.OriginRecognized
	}
	return r.takeOver(ctx, j, a, *live)
}

// takeOver brings an existing account into the state that a create would have.
func (r *run) takeOver(ctx context.Context, j *job, a answer, live identity.Entry) answer {
	c := j.change
	active, known := live.Attrs.Active()
	if known && !active && c.Ref.Kind == identity.User {
		change := c
		change.Op, change.TargetID, change.Members = identity.Reactivate, live.TargetID, nil
		change.Attributes = []identity.Attribute{{Path: "active", Before: false, After: true}}
		if _, err := r.Session.Apply(ctx, change); err != nil {
			a.err = err
			return a
		}
	}
	adopt := c
	adopt.Op, adopt.TargetID, adopt.Members, adopt.Attributes = identity.Adopt, live.TargetID, nil, nil
	for _, attribute := range c.Attributes {
		if attribute.Path == "active" || identity.Equal(live.Attrs[attribute.Path], attribute.After) {
			continue
		}
		attribute.Before = live.Attrs[attribute.Path]
		adopt.Attributes = append(adopt.Attributes, attribute)
	}
	a.err = nil
	a.result = connectors.Result{Status: connectors.Applied}
	if len(adopt.Attributes) > 0 {
		a.result, a.err = r.Session.Apply(ctx, adopt)
	}
	a.result.Entry.TargetID = live.TargetID
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
