package okta

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// appDelta reads what changed among the users and groups assigned to the app. Who
// is assigned cannot be listed by time. The System Log tells of everybody who is
// assigned or unassigned, also through a group; everybody it names, and everybody
// in the org whose record changed, is looked up in the app. The groups of an app
// are few enough to be listed.
func (r *reading) appDelta(ctx context.Context, c cursor, h *hints) error {
	moved, assigned, err := r.appGroupsSince(ctx, c.from(), h)
	if err != nil {
		return err
	}
	// A group brings or takes many people, some time later. The app's users are
	// listed five hundred at a time: that is soon cheaper than to ask for each.
	if digest(assigned) != c.Assigned || h.reassigned {
		return expired("the groups assigned to app " + r.settings.App + " changed")
	}
	if r.wants(identity.User) {
		for _, id := range assigned {
			add(h.users, h.joined[id])
		}
		if err := r.changedAppUsers(ctx, c, h.users); err != nil {
			return err
		}
	}
	if !r.wants(identity.Group) {
		return nil
	}
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	for _, g := range moved {
		if err := r.appGroup(ctx, p, g.item, g.date); err != nil {
			return err
		}
	}
	return p.Finish()
}

// dated is an item of a page and when it was answered.
type dated[T any] struct {
	item T
	date time.Time
}

// appGroupsSince lists the groups assigned to the app: those that changed, or
// whose members may have, and the ids of all.
func (r *reading) appGroupsSince(ctx context.Context, since time.Time, h *hints) ([]dated[wireAppGroup], []string, error) {
	var moved []dated[wireAppGroup]
	var assigned []string
	for page, err := range pages(ctx, r.client, r.appGroups(), appGroupID) {
		if err != nil {
			return nil, nil, r.appGroupsError(err)
		}
		for _, g := range page.items {
			id := appGroupID(g)
			assigned = append(assigned, id)
			_, named := h.groups[id]
			inner := g.Embedded.Group
			if named || inner == nil || !older(since, inner.LastUpdated, inner.LastMembershipUpdated) {
				moved = append(moved, dated[wireAppGroup]{g, page.date})
			}
		}
	}
	return moved, assigned, nil
}

// older reports whether all times lie before since.
func older(since time.Time, times ...any) bool {
	for _, t := range times {
		at, err := time.Parse(time.RFC3339, text(t))
		if err != nil || !at.Before(since) {
			return false
		}
	}
	return true
}

// changedAppUsers reads the users who changed, and those the log names, as users
// of the app.
func (r *reading) changedAppUsers(ctx context.Context, c cursor, named map[string]struct{}) error {
	changed := make(map[string]*wireUser, len(named))
	for id := range named {
		changed[id] = nil
	}
	for p, err := range pages(ctx, r.client, r.usersSince(c.from()), userID) {
		if err != nil {
			return rest.Wrap("list users that changed", identity.Ref{}, refused(err))
		}
		for i := range p.items {
			id := userID(p.items[i])
			if id == "" {
				return expired("a user who changed came without an id")
			}
			changed[id] = &p.items[i]
		}
		if len(changed) > c.few() {
			return expired("more users have changed than is worth looking up in app " + r.settings.App)
		}
	}
	if len(changed) > c.few() {
		return expired("more users have changed than is worth looking up in app " + r.settings.App)
	}
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			if changed[id] == nil {
				return r.onlyUser(ctx, connectors.Key{Kind: identity.User, ID: id}, send)
			}
			ref := identity.Ref{Kind: identity.User, ID: id}
			event, found, err := r.assignedUser(ctx, ref)
			if err != nil {
				return err
			}
			if !found {
				event = connectors.Gone{Ref: ref, Why: whyUnassigned(*changed[id])}
			}
			return send(event)
		})
		if err != nil {
			return err
		}
	}
	return p.Finish()
}
