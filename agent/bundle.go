package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// bundlePrefix begins the source id of a bundle: a group of the target that comes
// from no object of the source, and whose members are those of other groups
// together (groups.bundles). It is found by name and adopted for its members only:
// never created, renamed, moved or deleted.
const bundlePrefix = "bundle:"

func bundleRef(name string) identity.Ref {
	return identity.Ref{Kind: identity.Group, ID: bundlePrefix + name}
}

func isBundle(ref identity.Ref) bool {
	return ref.Kind == identity.Group && strings.HasPrefix(ref.ID, bundlePrefix)
}

// bundle is one bundle and what the source has for it.
type bundle struct {
	ledger.Bundle
	name string
	// why says which of its groups could not be told.
	why string
}

// bundles returns, by name of the target group, the names of the source groups
// whose members join it; none where memberships are not provisioned. Names that
// differ in case only are one group.
func (a *Agent) bundles() map[string][]string {
	if !a.links() {
		return nil
	}
	names, out := map[string]string{}, map[string][]string{}
	given := a.Sync.Groups.Bundles
	for _, from := range slices.Sorted(maps.Keys(given)) {
		for _, to := range slices.Sorted(slices.Values(given[from])) {
			folded := identity.Fold(to)
			if names[folded] == "" {
				names[folded] = to
			}
			if name := names[folded]; !slices.Contains(out[name], from) {
				out[name] = append(out[name], from)
			}
		}
	}
	return out
}

// desireBundles puts the bundles beside the groups that the source has. A plan
// about selected objects takes those up that they concern.
func (a *Agent) desireBundles(ctx context.Context, c *Cycle) error {
	configured := a.bundles()
	if len(configured) == 0 {
		return nil
	}
	found, err := a.bundled(ctx, configured)
	if err != nil {
		return err
	}
	c.bundles = map[string]bundle{}
	flatten := a.Sync.Groups.Nested == configs.Flatten
	return c.scratch.Load(ctx, func() error {
		for _, name := range slices.Sorted(maps.Keys(configured)) {
			b := gatherBundle(name, configured[name], found)
			if c.narrow() {
				touched, err := c.scratch.TouchesBundle(ctx, b.Bundle, flatten)
				if err != nil {
					return err
				}
				if !touched {
					continue
				}
				if err := c.scratch.Select(ctx, bundleRef(name)); err != nil {
					return err
				}
			}
			c.bundles[b.ID] = b
			if err := a.putBundle(ctx, c, b); err != nil {
				return err
			}
		}
		return c.scratch.Mark(ctx)
	})
}

// putBundle puts one bundle. One whose name a source group wants for itself is
// shielded: a target object has one place.
func (a *Agent) putBundle(ctx context.Context, c *Cycle, b bundle) error {
	ref, path := bundleRef(b.name), plan.NamePath(identity.Group)
	d := ledger.Desired{
		Ref: ref, Name: b.name, State: ledger.In, Active: true,
		Entry: identity.Entry{Ref: ref, Attrs: identity.Attrs{path: b.name}},
	}
	rival, err := c.scratch.DesiredByKey(ctx, identity.Group, key(path, b.name))
	if err != nil {
		return err
	}
	if rival != "" {
		d.State, d.Undecided = ledger.Shielded, true
		d.Why = fmt.Sprintf("group:%s of the source is provisioned under this name: take it out of scope, or the name out of bundles", rival)
		d.Entry = identity.Entry{Ref: ref}
	}
	return c.scratch.PutDesired(ctx, d, keysOf(d.Entry, []string{path}))
}

// named is a group of the source and its name.
type named struct{ id, name string }

// bundled returns the groups of the mirror that bundles are made of, by folded
// name.
func (a *Agent) bundled(ctx context.Context, configured map[string][]string) (map[string][]named, error) {
	out := map[string][]named{}
	for _, names := range configured {
		for _, name := range names {
			out[identity.Fold(name)] = nil
		}
	}
	for m, err := range a.Ledger.Mirror(a.Sync.Source.Name).Records(ctx, identity.Group) {
		if err != nil {
			return nil, err
		}
		name := recordName(m.Record)
		folded := identity.Fold(name)
		if _, wanted := out[folded]; wanted && m.State != ledger.StateGone {
			out[folded] = append(out[folded], named{m.Record.Ref.ID, name})
		}
	}
	return out, nil
}

// gatherBundle finds the source groups of one bundle: by the name just so, else in
// other letters.
func gatherBundle(name string, from []string, found map[string][]named) bundle {
	b := bundle{Bundle: ledger.Bundle{ID: bundleRef(name).ID}, name: name}
	var whys []string
	for _, left := range from {
		candidates := found[identity.Fold(left)]
		exact := slices.DeleteFunc(slices.Clone(candidates), func(n named) bool { return n.name != left })
		if len(exact) > 0 {
			candidates = exact
		}
		switch len(candidates) {
		case 0:
			whys = append(whys, fmt.Sprintf("the source has no group called %q", left))
		case 1:
			b.Groups = append(b.Groups, candidates[0].id)
		default:
			whys = append(whys, fmt.Sprintf("%d groups of the source are called %q", len(candidates), left))
		}
	}
	b.Lacking, b.why = len(whys) > 0, strings.Join(whys, "; ")
	return b
}

// matchBundle finds the group at the target that a bundle is.
func (a *Agent) matchBundle(ctx context.Context, c *Cycle, j ledger.Joined) (verdict, error) {
	d, path := j.Desired, plan.NamePath(identity.Group)
	name := d.Entry.Attrs.String(path)
	if j.Owned != nil && j.Live != nil {
		if now := j.Live.Attrs.String(path); identity.Fold(now) != identity.Fold(name) {
			return undecided("the group %s at the target is called %q by now: write that name into bundles, or rename the group back", j.Live.TargetID, now), nil
		}
		return verdict{hold: plan.Owned, live: j.Live, adopted: true}, nil
	}
	candidates, err := c.scratch.Candidates(ctx, identity.Group, key(path, name))
	if err != nil {
		return verdict{}, err
	}
	switch len(candidates) {
	case 0:
		return undecided("the target has no group of this name: bundles join groups that exist, so create it there or take it out of bundles"), nil
	case 1:
	default:
		return undecided("%d groups at the target have this name: %s", len(candidates), ids(candidates)), nil
	}
	live, owner := candidates[0].Live, candidates[0].Owner
	switch {
	case owner != nil && owner.Sync != a.Sync.Name:
		return undecided("the target object %s belongs to sync %s", live.TargetID, owner.Sync), nil
	case owner != nil && owner.Ref != d.Ref:
		return undecided("the target object %s belongs to %s", live.TargetID, owner.Ref), nil
	case candidates[0].ClaimedBy != "" && candidates[0].ClaimedBy != d.Ref.ID:
		return undecided("the target object %s already belongs to source object %s", live.TargetID, candidates[0].ClaimedBy), nil
	}
	return verdict{hold: plan.Matched, live: &live, adopted: true}, nil
}

// policyOf returns the policy for one object.
func (w *comparison) policyOf(ref identity.Ref) plan.Policy {
	if !isBundle(ref) {
		return w.policy
	}
	p := w.policy
	p.Create, p.Update, p.MembersOnly, p.Leave = false, false, true, nil
	p.Rename = true // its name is what it was found by, in whatever letters
	return p
}

// unbundle gives up a group that is no bundle any more. Whoever is in it stays.
func (w *comparison) unbundle(ctx context.Context, j ledger.Joined) error {
	if _, still := w.agent.bundles()[strings.TrimPrefix(j.Owned.Ref.ID, bundlePrefix)]; still {
		return nil
	}
	return w.put(ctx, []identity.Change{{
		Op: identity.Release, Ref: j.Owned.Ref, TargetID: j.Owned.TargetID, Name: j.Owned.Name,
		Cause: identity.CauseOutOfScope, Reason: "no longer in bundles; its members stay as they are",
	}}, false)
}

// wantBundles works out who belongs to the bundles.
func (w *comparison) wantBundles(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(w.cycle.bundles)) {
		err := w.cycle.scratch.WantBundle(ctx, w.cycle.bundles[id].Bundle, w.agent.Sync.Groups.Nested == configs.Flatten)
		if err != nil {
			return err
		}
	}
	return nil
}

// bundleKeys returns the groups to ask the source for where a selector names a
// bundle: by its name, by its id, or by that of the target's group, whose owner is
// given. It returns none where the selector names something else.
func (a *Agent) bundleKeys(ctx context.Context, s Selector, owner identity.Ref) ([]connectors.Key, error) {
	if s.Kind != identity.Group {
		return nil, nil
	}
	value := identity.Fold(s.Value)
	for name, from := range a.bundles() {
		if ref := bundleRef(name); ref != owner && identity.Fold(name) != value && identity.Fold(ref.ID) != value {
			continue
		}
		found, err := a.bundled(ctx, map[string][]string{name: from})
		if err != nil {
			return nil, err
		}
		var keys []connectors.Key
		for _, left := range from {
			keys = append(keys, connectors.Key{Kind: identity.Group, Name: left})
			for _, group := range found[identity.Fold(left)] {
				keys = append(keys, connectors.Key{Kind: identity.Group, ID: group.id})
			}
		}
		return keys, nil
	}
	return nil, nil
}

// matchBy returns the paths that one object is looked up by.
func matchBy(ref identity.Ref, by []string) []string {
	if isBundle(ref) {
		return []string{plan.NamePath(identity.Group)}
	}
	return by
}
