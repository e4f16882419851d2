package entra

import (
	"context"
	"maps"
	"slices"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

const (
	// checkEach is up to how many people are asked about one by one before it
	// is cheaper to list the members of the assigned groups.
	checkEach = 40
	// maxChanged bounds the people remembered of one round. When more have
	// changed, a full read costs less.
	maxChanged = 50_000
)

// change is what a delta read of an assigned scope knows before it decides who
// is in it.
type change struct {
	*reading

	before, now *assigned
	users       map[string]object              // changed at all, in scope or not
	joined      map[string]map[string]struct{} // by user: the assigned groups
	left        map[string]map[string]struct{} // by user: groups that are or were assigned
	people      *people                        // told whole
	dead        map[string]struct{}            // users told to be gone
}

// assignedDelta reads what changed among what is assigned. Graph tells of every
// change in the tenant, and not of changed assignments: both are compared with
// what the cursor remembers.
func (r *reading) assignedDelta(ctx context.Context) error {
	now, err := r.assignments()
	if err != nil {
		return err
	}
	before := r.cursor.Scope
	if !before.listed() {
		if before.Digest != now.Digest || r.settings.Nested {
			return expired("more is assigned than a cursor can hold, and it may have changed")
		}
		before = now
	}
	if r.settings.Nested && before.Digest != now.Digest {
		return expired("assignments changed, and groups within groups count")
	}
	c := &change{
		reading: r, before: before, now: now, people: &people{seen: map[string]struct{}{}},
		users: map[string]object{}, joined: map[string]map[string]struct{}{}, left: map[string]map[string]struct{}{},
		dead: map[string]struct{}{},
	}
	for _, step := range []func(context.Context) error{c.readUsers, c.readGroups, c.readAppointed, c.readDismissed, c.settle} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	kept := *now
	kept.Within = before.Within
	r.cursor.Scope = kept.kept()
	return nil
}

func expired(why string) error {
	return connectors.Errorf(connectors.Expired, "%s: read in full", why)
}

// readUsers notes the users that changed. Those that are gone are told at once.
func (c *change) readUsers(ctx context.Context) error {
	begun := c.reading.now()
	link, err := c.userRound(ctx, func(o object, _ told) error {
		switch {
		case !c.wants(identity.User):
			return nil
		case o.removed():
			delete(c.users, o.id())
			c.dead[o.id()] = struct{}{}
			return c.emit(gone(identity.User, o))
		case o.id() == "":
			return c.emit(c.reading.users.event(o, changes))
		}
		delete(c.dead, o.id()) // restored
		// Told twice in a round: at least what changed, each time.
		if have, twice := c.users[o.id()]; twice {
			maps.Copy(have, o)
			return nil
		}
		if len(c.users) >= maxChanged {
			return expired("too many users changed")
		}
		c.users[o.id()] = o
		return nil
	})
	if err != nil {
		return err
	}
	c.keep(identity.User, link, begun)
	return nil
}

// readGroups tells what changed in the assigned groups and notes who joined and
// left.
func (c *change) readGroups(ctx context.Context) error {
	begun := c.reading.now()
	t := newTally(c.reading)
	link, err := c.groupRound(ctx, func(g groupObject, _ told) error { return c.group(t, g) })
	if err != nil {
		return err
	}
	if err := t.close(); err != nil {
		return err
	}
	c.keep(identity.Group, link, begun)
	return nil
}

func (c *change) group(t *tally, g groupObject) error {
	id := g.object.id()
	was, is := contains(c.before.Groups, id), contains(c.now.Groups, id)
	moved := len(g.members) > 0 || g.broken || g.object.removed()
	if c.settings.Nested && moved && (was || contains(c.before.Within, id)) {
		return expired("memberships changed, and groups within groups count")
	}
	if !was && !is {
		return nil
	}
	if g.object.removed() {
		if was {
			return expired("an assigned group was deleted, and nothing tells who was in it")
		}
		return nil
	}
	if g.broken {
		return expired("the members of an assigned group came in a form that is not understood")
	}
	// A group that was assigned just now is read whole afterwards.
	if was && is && c.wants(identity.Group) {
		if err := c.emit(c.reading.groups.event(g.object, changes)); err != nil {
			return err
		}
		if c.query.Links && !c.settings.Nested {
			if err := t.members(users(g)); err != nil {
				return err
			}
		}
		if c.query.Links && c.settings.Nested {
			if err := c.emit(connectors.Links{Group: identity.Ref{Kind: identity.Group, ID: id}, State: connectors.Unchanged}); err != nil {
				return err
			}
		}
	}
	for _, m := range g.members {
		user := text(m.ID)
		if kind, other := m.kind(); kind == identity.Group || other != "" || user == "" {
			continue
		}
		if m.Removed != nil {
			if was {
				note(c.left, user, id)
			}
			delete(c.joined[user], id)
		} else if is {
			note(c.joined, user, id)
			delete(c.left[user], id)
		}
	}
	return nil
}

// users returns the group with only the users among its members: Entra reads no
// groups within an assigned one.
func users(g groupObject) groupObject {
	g.members = slices.DeleteFunc(slices.Clone(g.members), func(m member) bool {
		kind, _ := m.kind()
		return kind == identity.Group
	})
	return g
}

func note(in map[string]map[string]struct{}, user, group string) {
	if in[user] == nil {
		in[user] = map[string]struct{}{}
	}
	in[user][group] = struct{}{}
}

func contains(sorted []string, id string) bool {
	_, found := slices.BinarySearch(sorted, id)
	return found
}

// except returns what is in a and not in b.
func except(a, b []string) []string {
	var out []string
	for _, id := range a {
		if !contains(b, id) {
			out = append(out, id)
		}
	}
	return out
}

// readAppointed reads groups that were assigned since, with everybody in them.
func (c *change) readAppointed(ctx context.Context) error {
	p := inorder.New(ctx, c.width(), c.emit)
	defer p.Close()
	if err := c.startGroups(p, except(c.now.Groups, c.before.Groups), c.people); err != nil {
		return err
	}
	return p.Finish()
}

// readDismissed tells of groups that are assigned no more. Everybody in them may
// be out.
func (c *change) readDismissed(ctx context.Context) error {
	for _, id := range except(c.before.Groups, c.now.Groups) {
		group := identity.Ref{Kind: identity.Group, ID: id}
		if c.wants(identity.Group) {
			if err := c.emit(connectors.Gone{Ref: group, Why: identity.CauseUnassigned}); err != nil {
				return err
			}
		}
		if !c.wants(identity.User) {
			continue
		}
		for users, err := range c.usersOf(ctx, group, graph.Options{Select: []string{"id"}, Top: c.pageSize()}) {
			if notFound(err) {
				return expired("an assigned group was deleted, and nothing tells who was in it")
			}
			if err != nil {
				return rest.Wrap("list members", group, err)
			}
			for _, o := range users {
				note(c.left, o.id(), id)
			}
		}
	}
	for _, id := range except(c.before.Users, c.now.Users) {
		note(c.left, id, "")
	}
	return nil
}

// settle decides who is in and who is out, of all that changed.
func (c *change) settle(ctx context.Context) error {
	if !c.wants(identity.User) {
		return nil
	}
	joined := except(c.now.Users, c.before.Users)
	for user, groups := range c.joined {
		if len(groups) > 0 {
			joined = append(joined, user)
		}
	}
	slices.Sort(joined)
	joined = slices.Compact(joined)
	// Of whoever joined, the whole record is wanted: the mirror may have none.
	p := inorder.New(ctx, c.width(), c.emit)
	defer p.Close()
	if err := c.startUsers(p, joined, c.people); err != nil {
		return err
	}
	if err := p.Finish(); err != nil {
		return err
	}
	var open []string
	for _, user := range slices.Sorted(maps.Keys(union(c.users, c.left))) {
		switch {
		case c.people.has(user), contains(joined, user), has(c.dead, user):
		case contains(c.now.Users, user):
			if err := c.tell(user); err != nil {
				return err
			}
		default:
			open = append(open, user)
		}
	}
	groups, err := c.groupsOfEach(ctx, open)
	if err != nil {
		return err
	}
	for _, user := range open {
		in := slices.ContainsFunc(groups[user], func(id string) bool {
			// What the round told is newer than what a list shows.
			_, out := c.left[user][id]
			return !out && contains(c.now.Groups, id)
		})
		switch {
		case in:
			err = c.tell(user)
		case len(c.left[user]) > 0:
			err = c.emit(connectors.Gone{Ref: identity.Ref{Kind: identity.User, ID: user}, Why: identity.CauseUnassigned})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell emits what is known of a user who stays in scope.
func (c *change) tell(user string) error {
	o, changed := c.users[user]
	if !changed {
		return nil
	}
	return c.emit(c.reading.users.event(o, changes))
}

func has(set map[string]struct{}, id string) bool {
	_, in := set[id]
	return in
}

func union(a map[string]object, b map[string]map[string]struct{}) map[string]struct{} {
	out := make(map[string]struct{}, len(a)+len(b))
	for id := range a {
		out[id] = struct{}{}
	}
	for id, groups := range b {
		if len(groups) > 0 {
			out[id] = struct{}{}
		}
	}
	return out
}

// groupsOfEach returns, of the assigned groups, those each user is in: asked one
// by one for a few people, and from lists of members for many.
func (c *change) groupsOfEach(ctx context.Context, users []string) (map[string][]string, error) {
	out := make(map[string][]string, len(users))
	if len(users) == 0 || len(c.now.Groups) == 0 {
		return out, nil
	}
	if len(users) <= checkEach {
		for _, user := range users {
			groups, err := c.groupsOf(ctx, identity.Ref{Kind: identity.User, ID: user})
			if err != nil {
				return nil, err
			}
			out[user] = groups
		}
		return out, nil
	}
	for _, id := range c.now.Groups {
		group := identity.Ref{Kind: identity.Group, ID: id}
		for page, err := range c.usersOf(ctx, group, graph.Options{Select: []string{"id"}, Top: c.pageSize()}) {
			if err != nil {
				return nil, rest.Wrap("list members", group, err)
			}
			for _, o := range page {
				if contains(users, o.id()) {
					out[o.id()] = append(out[o.id()], id)
				}
			}
		}
	}
	return out, nil
}
