package okta

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// allGroups is the list of every group.
func (r *reading) allGroups() string {
	return "/api/v1/groups?" + url.Values{"limit": {strconv.Itoa(r.pageSize(maxPage))}}.Encode()
}

// tellGroups tells of the groups and, where wanted, reads the members.
func (r *reading) tellGroups(ctx context.Context, groups *listing[wireGroup]) error {
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	for page, err := range groups.pages {
		if err != nil {
			return rest.Wrap("list groups", identity.Ref{}, err)
		}
		for _, g := range page.items {
			if err := r.group(p, g, page.date); err != nil {
				return err
			}
		}
	}
	return p.Finish()
}

// appGroups is the list of the groups assigned to the app, each with the group
// itself.
func (r *reading) appGroups() string {
	query := url.Values{"limit": {strconv.Itoa(max(r.pageSize(maxPage), minAppGroupPage))}, "expand": {"group"}}
	return r.appPath("groups") + "?" + query.Encode()
}

// tellAppGroups tells of the groups assigned to the app and, where wanted, reads
// their members.
func (r *reading) tellAppGroups(ctx context.Context, groups *listing[wireAppGroup]) error {
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	var assigned []string
	for page, err := range groups.pages {
		if err != nil {
			return r.appGroupsError(err)
		}
		for _, g := range page.items {
			assigned = append(assigned, appGroupID(g))
			if err := r.appGroup(ctx, p, g, page.date); err != nil {
				return err
			}
		}
	}
	if r.next != nil {
		r.next.Assigned = digest(assigned)
	}
	return p.Finish()
}

func (r *reading) appGroupsError(err error) error {
	return rest.Wrap("list groups of app "+r.settings.App, identity.Ref{}, err)
}

// assignedGroups returns the ids of the groups assigned to the app.
func (r *reading) assignedGroups(ctx context.Context) ([]string, error) {
	var ids []string
	for page, err := range pages(ctx, r.client, r.appGroups(), appGroupID) {
		if err != nil {
			return nil, r.appGroupsError(err)
		}
		for _, g := range page.items {
			ids = append(ids, appGroupID(g))
		}
	}
	return ids, nil
}

// appGroup handles an assigned group, which the answer holds or, where it was
// not embedded, is fetched.
func (r *reading) appGroup(ctx context.Context, p *inorder.Pipeline, g wireAppGroup, now time.Time) error {
	ref := identity.Ref{Kind: identity.Group, ID: appGroupID(g)}
	if ref.ID == "" {
		return r.emit(connectors.Unreadable{Ref: ref, Why: "a group of the app without an id"})
	}
	inner := g.Embedded.Group
	if inner == nil {
		inner = new(wireGroup)
		a, err := r.client.object(ctx, "/api/v1/groups/"+segment(ref.ID), inner)
		if err != nil {
			event, err := r.objectError("read group", ref, err)
			if err != nil {
				return err
			}
			return r.emit(event)
		}
		now = a.date
	}
	if groupID(*inner) != ref.ID {
		return r.emit(connectors.Unreadable{Ref: ref, Why: "its assignment to the app holds another group"})
	}
	return r.group(p, *inner, now)
}

// group starts the job of one group: its record, then its members.
func (r *reading) group(p *inorder.Pipeline, g wireGroup, now time.Time) error {
	events := []connectors.Event{r.groups.group(g, now)}
	_, readable := events[0].(connectors.Upsert)
	read := readable && r.query.Links
	if read && r.unchanged(g) {
		// Asked here and not in the job: Known need not be safe for
		// concurrent use.
		ref := identity.Ref{Kind: identity.Group, ID: groupID(g)}
		events, read = append(events, connectors.Links{Group: ref, State: connectors.Unchanged}), false
	}
	return p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
		if err := send(events...); err != nil || !read {
			return err
		}
		return r.members(ctx, g, send)
	})
}

// unchanged reports whether the members of the group are known already.
func (r *reading) unchanged(g wireGroup) bool {
	return sameMembers(g, r.knownVersion(groupID(g)))
}

// knownVersion returns the version of the group whose members are known, or "".
func (r *reading) knownVersion(id string) string {
	if r.query.Known == nil {
		return ""
	}
	known, ok := r.query.Known(identity.Ref{Kind: identity.Group, ID: id})
	if !ok {
		return ""
	}
	return known
}

// members reads and closes a group: complete after its last page, unknown where
// Okta refuses this group's. The members of the last page come with the Links that
// closes the group, which says that they are all, also to a delta read; those of
// earlier pages come as Link events before it.
func (r *reading) members(ctx context.Context, g wireGroup, send func(...connectors.Event) error) error {
	group := identity.Ref{Kind: identity.Group, ID: groupID(g)}
	unknown := func(why string) error {
		return send(connectors.Links{Group: group, State: connectors.Unknown, Why: why})
	}
	target := "/api/v1/groups/" + segment(group.ID) + "/users?" + url.Values{"limit": {strconv.Itoa(r.pageSize(maxPage))}}.Encode()
	for page, err := range pages(ctx, r.client, target, bareID) {
		if err != nil {
			switch connectors.ClassOf(err) {
			case connectors.Forbidden, connectors.Missing, connectors.Rejected:
				return unknown(err.Error())
			}
			return rest.Wrap("list members", group, err)
		}
		refs, ok := memberRefs(page.items)
		if !ok {
			return unknown("a member came without an id")
		}
		if page.next == "" {
			return send(connectors.Links{Group: group, Members: refs, State: connectors.Complete})
		}
		links := make([]connectors.Event, len(refs))
		for i, ref := range refs {
			links[i] = connectors.Link{Group: group, Member: ref}
		}
		if err := send(links...); err != nil {
			return err
		}
	}
	// A listing that does not fail ends in a page without a link.
	return connectors.Errorf(connectors.Incomplete, "list members of %s: the listing has no end", group)
}

// memberRefs names the members of a page, each once.
func memberRefs(items []wireID) ([]identity.Ref, bool) {
	refs := make([]identity.Ref, 0, len(items))
	seen := make(map[string]struct{}, len(items))
	for _, item := range items {
		id := bareID(item)
		if id == "" {
			return nil, false
		}
		if _, twice := seen[id]; !twice {
			seen[id] = struct{}{}
			refs = append(refs, identity.Ref{Kind: identity.User, ID: id})
		}
	}
	return refs, true
}

// width is how many groups or objects are read at a time.
func (s *Source) width() int {
	if n := s.settings.Limits.Concurrency; n > 0 {
		return n
	}
	return readsAtOnce
}
