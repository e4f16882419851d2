package entra

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// maxIn is how many values Graph takes in one "in" filter.
const maxIn = 15

// application finds the enterprise application of the settings and returns its
// object id and its name.
func (s *Source) application(ctx context.Context) (string, string, error) {
	op := "find the enterprise application " + s.settings.AssignedTo
	request, err := s.client.graph.ServicePrincipal(ctx, s.settings.AssignedTo, graph.Options{Select: []string{"id", "displayName"}})
	if err != nil {
		return "", "", rest.Wrap(op, identity.Ref{}, err)
	}
	var o object
	err = s.client.get(ctx, request, &o)
	switch {
	case notFound(err):
		return "", "", &connectors.Error{
			Class: connectors.Rejected, Op: op, Err: fmt.Errorf("there is none in this tenant: set assigned_to to its application (client) id, not to its object id (%w)", err),
		}
	case err != nil:
		return "", "", rest.Wrap(op, identity.Ref{}, needs(permitApplications, err))
	case !objectID.MatchString(o.id()):
		return "", "", rest.Wrap(op, identity.Ref{}, connectors.Errorf(connectors.Incomplete, "the answer holds no id"))
	}
	return o.id(), text(o["displayName"]), nil
}

// readAssignments reads what is assigned to the application. Assigned service
// principals are not provisioned.
func (r *reading) readAssignments(ctx context.Context) (*assigned, error) {
	id, _, err := r.application(ctx)
	if err != nil {
		return nil, err
	}
	const op = "list assignments"
	first, err := r.client.graph.AssignedTo(ctx, id, graph.Options{Top: r.pageSize()})
	if err != nil {
		return nil, rest.Wrap(op, identity.Ref{}, err)
	}
	var out assigned
	for p, err := range pages(ctx, r.client, first, plain, markObject) {
		if err != nil {
			return nil, rest.Wrap(op, identity.Ref{}, needs(permitApplications, err))
		}
		for _, o := range p.items {
			principal := text(o["principalId"])
			switch kind := text(o["principalType"]); {
			case principal == "" || kind == "":
				return nil, rest.Wrap(op, identity.Ref{}, connectors.Errorf(connectors.Incomplete, "an assignment names nobody"))
			case strings.EqualFold(kind, "User"):
				out.Users = append(out.Users, principal)
			case strings.EqualFold(kind, "Group"):
				out.Groups = append(out.Groups, principal)
			}
		}
	}
	out.seal()
	return &out, nil
}

// assignedFull reads everything that is assigned. The links for the next read are
// taken first: what changes meanwhile is told again then.
func (r *reading) assignedFull(ctx context.Context) error {
	for _, kind := range identity.Kinds() {
		if err := r.latest(ctx, kind); err != nil {
			return err
		}
	}
	scope, err := r.assignments()
	if err != nil {
		return err
	}
	r.cursor.Scope = scope
	if r.settings.Nested {
		if err := r.readWithin(ctx, scope); err != nil {
			return err
		}
	}
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	people := &people{seen: map[string]struct{}{}}
	if err := r.startGroups(p, scope.Groups, people); err != nil {
		return err
	}
	if r.wants(identity.User) {
		if err := r.startUsers(p, scope.Users, people); err != nil {
			return err
		}
	}
	if err := p.Finish(); err != nil {
		return err
	}
	r.cursor.Scope = scope.kept()
	for _, kind := range identity.Kinds() {
		if r.wants(kind) {
			r.full = append(r.full, kind)
		}
	}
	return nil
}

// latest asks for a link that tells of changes from now on.
func (r *reading) latest(ctx context.Context, kind identity.Kind) error {
	op := "begin to follow " + kind.Plural()
	begun := r.now()
	first, err := r.start(ctx, kind)
	if err == nil {
		first, err = graph.Latest(first)
	}
	if err != nil {
		return rest.Wrap(op, identity.Ref{}, err)
	}
	link := ""
	for p, err := range pages(ctx, r.client, first, delta, markObject) {
		if err != nil {
			return rest.Wrap(op, identity.Ref{}, needs(permissionFor(kind), err))
		}
		link = p.delta
	}
	r.keep(kind, link, begun)
	return nil
}

// readWithin finds the groups within the assigned ones: a change in one of them
// is a change of who is assigned.
func (r *reading) readWithin(ctx context.Context, scope *assigned) error {
	for _, id := range scope.Groups {
		group := identity.Ref{Kind: identity.Group, ID: id}
		first, err := r.client.graph.TransitiveGroups(ctx, id, graph.Options{Select: []string{"id"}, Top: r.pageSize()})
		if err != nil {
			return rest.Wrap("list groups within", group, err)
		}
		for p, err := range pages(ctx, r.client, first, plain, markObject) {
			if notFound(err) || connectors.ClassOf(err) == connectors.Forbidden {
				break // its own reading says what that means
			}
			if err != nil {
				return rest.Wrap("list groups within", group, err)
			}
			for _, o := range p.items {
				scope.Within = append(scope.Within, o.id())
			}
		}
	}
	slices.Sort(scope.Within)
	scope.Within = slices.Compact(scope.Within)
	return nil
}

// people are the users that a read has told already: somebody in ten groups is
// told once. It is safe for concurrent use.
type people struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func (p *people) first(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, again := p.seen[id]
	p.seen[id] = struct{}{}
	return !again
}

func (p *people) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.seen[id]
	return ok
}

// startGroups reads assigned groups whole: record, members, and the members'
// records.
func (r *reading) startGroups(p *inorder.Pipeline, ids []string, people *people) error {
	for _, id := range ids {
		ref := identity.Ref{Kind: identity.Group, ID: id}
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			if r.wants(identity.Group) {
				o, err := r.byID(ctx, ref)
				if err != nil {
					event, err := objectError("read group", ref, err)
					if err != nil {
						return err
					}
					if err := send(event); err != nil {
						return err
					}
					if _, deleted := event.(connectors.Gone); deleted {
						return nil
					}
				} else if err := send(r.groups.event(o, everything)); err != nil {
					return err
				}
			}
			known, err := r.assignedMembers(ctx, ref, people, send)
			if err != nil || known || !r.wants(identity.User) {
				return err
			}
			// Nobody can be said to be unassigned while some of those who
			// are assigned are not known.
			return send(connectors.Unreadable{
				Ref: identity.Ref{Kind: identity.User}, Why: "the members of assigned group " + id + " could not be read",
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// assignedMembers reads the users in an assigned group and closes it. With people,
// those not told yet are told. It reports whether all of them are known.
func (r *reading) assignedMembers(ctx context.Context, group identity.Ref, people *people, send func(...connectors.Event) error) (bool, error) {
	wantUsers := people != nil && r.wants(identity.User)
	wantLinks := r.query.Links && (r.wants(identity.Group) || people == nil)
	if !wantUsers && !wantLinks {
		return true, nil
	}
	options := graph.Options{Select: []string{"id"}, Top: r.pageSize()}
	if wantUsers {
		options.Select = r.users.Select
	}
	for users, err := range r.usersOf(ctx, group, options) {
		switch {
		case notFound(err):
			return true, send(connectors.Gone{Ref: group, Why: identity.CauseGone})
		case connectors.ClassOf(err) == connectors.Forbidden:
			if !wantLinks {
				return false, nil
			}
			return false, send(connectors.Links{Group: group, State: connectors.Unknown, Why: err.Error()})
		case err != nil:
			return false, rest.Wrap("list members", group, err)
		}
		var events []connectors.Event
		for _, o := range users {
			if wantUsers && people.first(o.id()) {
				events = append(events, r.users.event(o, everything))
			}
			if wantLinks && o.id() != "" {
				events = append(events, connectors.Link{Group: group, Member: identity.Ref{Kind: identity.User, ID: o.id()}})
			}
		}
		if err := send(events...); err != nil {
			return false, err
		}
	}
	if !wantLinks {
		return true, nil
	}
	// Members that are not nil say, in a delta read too, that these are all.
	return true, send(connectors.Links{Group: group, Members: []identity.Ref{}, State: connectors.Complete})
}

// usersOf yields the pages of the users in a group, as deep as the settings say.
func (r *reading) usersOf(ctx context.Context, group identity.Ref, o graph.Options) func(func([]object, error) bool) {
	return func(yield func([]object, error) bool) {
		list := r.client.graph.MemberUsers
		if r.settings.Nested {
			list = r.client.graph.TransitiveUsers
		}
		first, err := list(ctx, group.ID, o)
		if err != nil {
			yield(nil, err)
			return
		}
		seen := false
		for p, err := range pages(ctx, r.client, first, plain, markObject) {
			if err != nil && seen && notFound(err) {
				// The group was there when the listing began.
				err = connectors.Errorf(connectors.Incomplete, "the listing was cut short: %w", err)
			}
			if seen = true; !yield(p.items, err) || err != nil {
				return
			}
		}
	}
}

// startUsers reads the users with these ids whole, several in a request. Those
// who do not exist any more are left out.
func (r *reading) startUsers(p *inorder.Pipeline, ids []string, people *people) error {
	var wanted []string
	for _, id := range ids {
		if objectID.MatchString(id) && !people.has(id) {
			wanted = append(wanted, id)
		}
	}
	for some := range slices.Chunk(wanted, maxIn) {
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			literals := make([]string, len(some))
			for i, id := range some {
				literals[i] = quoted(id)
			}
			first, err := r.client.graph.Users(ctx, graph.Options{
				Select: r.users.Select, Filter: "id in (" + strings.Join(literals, ",") + ")",
			})
			if err != nil {
				return rest.Wrap("read users", identity.Ref{}, err)
			}
			for p, err := range pages(ctx, r.client, first, plain, markObject) {
				if err != nil {
					return rest.Wrap("read users", identity.Ref{}, needs(permitUsers, err))
				}
				var events []connectors.Event
				for _, o := range p.items {
					if people.first(o.id()) {
						events = append(events, r.users.event(o, everything))
					}
				}
				if err := send(events...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isAssigned reports whether one object is assigned: a group itself, a user
// itself or through a group.
func (r *reading) isAssigned(ctx context.Context, ref identity.Ref) (bool, error) {
	scope, err := r.assignments()
	if err != nil {
		return false, err
	}
	if ref.Kind == identity.Group {
		_, in := slices.BinarySearch(scope.Groups, ref.ID)
		return in, nil
	}
	if _, in := slices.BinarySearch(scope.Users, ref.ID); in {
		return true, nil
	}
	groups, err := r.groupsOf(ctx, ref)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(groups, func(id string) bool {
		_, in := slices.BinarySearch(scope.Groups, id)
		return in
	}), nil
}

// groupsOf lists the groups a user is in, as deep as the settings say. Somebody
// who does not exist is in none.
func (r *reading) groupsOf(ctx context.Context, user identity.Ref) ([]string, error) {
	list := r.client.graph.MemberOf
	if r.settings.Nested {
		list = r.client.graph.TransitiveMemberOf
	}
	first, err := list(ctx, user.ID, graph.Options{Select: []string{"id"}, Top: r.pageSize()})
	if err != nil {
		return nil, rest.Wrap("list groups of", user, err)
	}
	var ids []string
	for p, err := range pages(ctx, r.client, first, plain, markObject) {
		if notFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, rest.Wrap("list groups of", user, err)
		}
		for _, o := range p.items {
			ids = append(ids, o.id())
		}
	}
	return ids, nil
}
