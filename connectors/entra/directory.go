package entra

import (
	"context"
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// directory reads the whole tenant, or what changed in it.
func (r *reading) directory(ctx context.Context) error {
	for _, kind := range identity.Kinds() {
		if !r.wants(kind) {
			continue
		}
		begun := r.now()
		var link string
		var err error
		if kind == identity.User {
			link, err = r.userRound(ctx, func(o object, how told) error {
				if o.removed() {
					return r.emit(gone(identity.User, o))
				}
				return r.emit(r.users.event(o, how))
			})
		} else {
			link, err = r.groupsWithMembers(ctx)
		}
		if err != nil {
			return err
		}
		r.keep(kind, link, begun)
		if r.query.From == "" {
			r.full = append(r.full, kind)
		}
	}
	return nil
}

// gone returns the event of an object that is told to be removed.
func gone(kind identity.Kind, o object) connectors.Event {
	ref := identity.Ref{Kind: kind, ID: o.id()}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: fmt.Sprintf("a removed %s without an id", kind)}
	}
	return connectors.Gone{Ref: ref, Why: identity.CauseGone}
}

// userRound hands on the users of one round and returns the link for the next.
func (r *reading) userRound(ctx context.Context, take func(object, told) error) (string, error) {
	return round(ctx, r, identity.User, markObject, func(o object) error { return take(o, r.tells(r.users, o)) })
}

// groupRound hands on the groups of one round and returns the link for the next.
func (r *reading) groupRound(ctx context.Context, take func(groupObject, told) error) (string, error) {
	return round(ctx, r, identity.Group, markGroup, func(g groupObject) error { return take(g, r.tells(r.groups, g.object)) })
}

// tells says how much a record of a round tells: everything in a first round,
// unless it lacks what every object has; later, what changed and maybe more.
func (r *reading) tells(p projection, o object) told {
	if r.query.From == "" && !p.lacks(o) {
		return everything
	}
	return changes
}

// groupsWithMembers reads one round of groups. Members arrive in pieces, on any
// page: every group is closed when the round is over.
func (r *reading) groupsWithMembers(ctx context.Context) (string, error) {
	t := newTally(r)
	link, err := r.groupRound(ctx, func(g groupObject, how told) error {
		if g.object.removed() {
			t.drop(g.object.id())
			return r.emit(gone(identity.Group, g.object))
		}
		event := r.groups.event(g.object, how)
		if err := r.emit(event); err != nil {
			return err
		}
		if g.object.id() == "" || !r.query.Links {
			return nil
		}
		return t.members(g)
	})
	if err != nil {
		return "", err
	}
	return link, t.close()
}

// tally is what a round has told so far of the members of each group.
type tally struct {
	r      *reading
	groups map[string]*groupTally
	order  []string
}

type groupTally struct {
	gone   bool
	hidden bool
	linked bool
	why    string // what made its members unknown
}

func newTally(r *reading) *tally { return &tally{r: r, groups: map[string]*groupTally{}} }

func (t *tally) of(id string) *groupTally {
	g := t.groups[id]
	if g == nil {
		g = &groupTally{}
		t.groups[id] = g
		t.order = append(t.order, id)
	}
	return g
}

// drop notes that a group is gone; told again later, it is back.
func (t *tally) drop(id string) {
	if id != "" {
		*t.of(id) = groupTally{gone: true}
	}
}

// members emits what the object tells of the members of its group.
func (t *tally) members(g groupObject) error {
	group := identity.Ref{Kind: identity.Group, ID: g.object.id()}
	at := t.of(group.ID)
	at.gone = false
	if g.object["visibility"] == "HiddenMembership" {
		at.hidden = true
	}
	if g.broken {
		at.why = "Graph told of its members in a form that is not understood"
		return nil
	}
	for _, m := range g.members {
		events, why := t.r.membership(group, m)
		if why != "" {
			at.why = why
			continue
		}
		for _, e := range events {
			at.linked = true
			if err := t.r.emit(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// membership returns the events of one entry of members@delta, or why it leaves
// the members of the group unknown.
func (r *reading) membership(group identity.Ref, m member) ([]connectors.Event, string) {
	id := text(m.ID)
	if id == "" {
		return nil, "a member came without an id"
	}
	kind, other := m.kind()
	switch {
	case m.Removed != nil && kind == "" && other == "":
		// Whatever it was, it is in the group no more.
		return []connectors.Event{
			connectors.Unlink{Group: group, Member: identity.Ref{Kind: identity.User, ID: id}},
			connectors.Unlink{Group: group, Member: identity.Ref{Kind: identity.Group, ID: id}},
		}, ""
	case kind == "" && other == "":
		return nil, "a member came without a type"
	case kind == "":
		r.ignore(other)
		return nil, ""
	case m.Removed != nil:
		return []connectors.Event{connectors.Unlink{Group: group, Member: identity.Ref{Kind: kind, ID: id}}}, ""
	}
	return []connectors.Event{connectors.Link{Group: group, Member: identity.Ref{Kind: kind, ID: id}}}, ""
}

// close closes every group that the round told of.
func (t *tally) close() error {
	for _, id := range t.order {
		g := t.groups[id]
		links := connectors.Links{Group: identity.Ref{Kind: identity.Group, ID: id}, State: connectors.Complete}
		switch {
		case g.gone:
			continue
		case g.why != "":
			links.State, links.Why = connectors.Unknown, g.why
		case g.hidden && !g.linked && t.r.query.From == "":
			links.State = connectors.Unknown
			links.Why = "its membership is hidden: permission Member.Read.Hidden shows it"
		}
		if err := t.r.emit(links); err != nil {
			return err
		}
	}
	return nil
}
