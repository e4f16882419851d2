package agent

import (
	"context"
	"fmt"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// referral is whom an attribute names: as the record does, and who that is; nobody
// where there is none.
type referral struct{ named, who identity.Ref }

// references replaces what a mapping refers to by the target id of that object,
// where it has one at the target now. What has none yet is left out of the entry,
// and returned by its path: it comes in a later step. What nobody can resolve is
// not managed. That is noted, so that a later cycle over the object referred to
// finds this one; and so is a name, which may pass to somebody else, and any reference
// where accounts are deleted and made anew.
func (a *Agent) references(ctx context.Context, c *Cycle, e *identity.Entry) (map[string]referral, error) {
	var open map[string]referral
	for path, value := range e.Attrs {
		reference, ok := value.(identity.Reference)
		if !ok {
			continue
		}
		delete(e.Attrs, path)
		who, err := a.resolve(ctx, c, reference.Ref)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", path, e.Ref, err)
		}
		if who == e.Ref {
			continue
		}
		r, id := referral{named: reference.Ref, who: who}, ""
		if !who.IsZero() {
			if id, err = a.accountOf(ctx, c, who); err != nil {
				return nil, err
			}
		}
		switch {
		case id == "":
			err = c.await(ctx, e.Ref, r, "")
		case r.named != who || a.deletesLeavers(who.Kind):
			err = c.await(ctx, e.Ref, r, who.ID)
		}
		switch {
		case err != nil:
			return nil, err
		case id != "":
			e.Attrs[path] = id
		case !who.IsZero():
			if open == nil {
				open = map[string]referral{}
			}
			open[path] = r
		}
	}
	return open, nil
}

// resolve finds the source object a reference means: by its id, else by its name.
// Who is not in the plan is looked for in the mirror and, by name, among what is
// ours; nobody else has a target id.
func (a *Agent) resolve(ctx context.Context, c *Cycle, ref identity.Ref) (identity.Ref, error) {
	if _, found, err := a.desiredOf(ctx, c, ref); err != nil || found {
		return ref, err
	}
	id, err := c.scratch.DesiredByKey(ctx, ref.Kind, key(plan.NamePath(ref.Kind), ref.ID))
	if err != nil || id != "" {
		return identity.Ref{Kind: ref.Kind, ID: id}, err
	}
	if !c.narrow() {
		return identity.Ref{}, nil
	}
	owned, err := a.Ledger.OwnedNamed(ctx, a.Sync.Name, ref.Kind, ref.ID)
	if err != nil || len(owned) != 1 {
		return identity.Ref{}, err
	}
	// By the name it has now, which it may have given up since.
	d, found, err := a.desiredOf(ctx, c, owned[0].Ref)
	if err != nil || !found || identity.Fold(d.Entry.Attrs.String(plan.NamePath(ref.Kind))) != identity.Fold(ref.ID) {
		return identity.Ref{}, err
	}
	return owned[0].Ref, nil
}

// accountOf returns the target id of an object that is at the target, and "" where
// there is none. Of what the plan is not about, the ledger is believed.
func (a *Agent) accountOf(ctx context.Context, c *Cycle, ref identity.Ref) (string, error) {
	id, err := c.scratch.LiveOwned(ctx, ref)
	if err != nil || id != "" || !c.narrow() {
		return id, err
	}
	if chosen, err := c.scratch.IsSelected(ctx, ref); err != nil || chosen {
		return "", err
	}
	owned, found, err := a.Ledger.OwnedRef(ctx, a.Sync.Name, ref)
	if err != nil || !found {
		return "", err
	}
	return owned.TargetID, nil
}

// await notes whom an object waits for: as the record names it, and by its id. found
// is the source id of whoever the object refers to at the target, or is about to; ""
// where it was left without.
func (c *Cycle) await(ctx context.Context, from identity.Ref, r referral, found string) error {
	if r.named.ID == "" {
		return nil
	}
	wanted := []string{r.named.ID, identity.Fold(r.named.ID)}
	if !r.who.IsZero() {
		wanted = append(wanted, r.who.ID)
	}
	for _, w := range wanted {
		if err := c.scratch.Await(ctx, from, w, found); err != nil {
			return err
		}
	}
	return nil
}
