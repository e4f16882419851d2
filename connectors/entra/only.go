package entra

import (
	"context"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// only reads the objects the query names, several at a time.
func (r *reading) only(ctx context.Context) error {
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	for _, key := range r.query.Only {
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			ids := []string{key.ID}
			if key.ID == "" {
				var err error
				if ids, err = r.named(ctx, key); err != nil {
					return err
				}
			}
			for _, id := range ids {
				if err := r.one(ctx, identity.Ref{Kind: key.Kind, ID: id}, send); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return p.Finish()
}

// named returns the ids of the users with this userPrincipalName or of the groups
// with this displayName, of which there may be several. A name that nobody has
// names nobody. Graph compares without case; what answers another name is left
// out all the same.
func (r *reading) named(ctx context.Context, key connectors.Key) ([]string, error) {
	name, list := "userPrincipalName", r.client.graph.Users
	if key.Kind == identity.Group {
		name, list = "displayName", r.client.graph.Groups
	}
	op := "find " + string(key.Kind) + " " + key.Name
	first, err := list(ctx, graph.Options{Select: []string{"id", name}, Filter: name + " eq " + quoted(key.Name)})
	if err != nil {
		return nil, rest.Wrap(op, identity.Ref{}, err)
	}
	var ids []string
	for p, err := range pages(ctx, r.client, first, plain, markObject) {
		if err != nil {
			return nil, rest.Wrap(op, identity.Ref{}, err)
		}
		for _, o := range p.items {
			if o.id() != "" && identity.Fold(text(o[name])) == identity.Fold(key.Name) {
				ids = append(ids, o.id())
			}
		}
	}
	return ids, nil
}

// quoted writes a string of a filter expression (OData 4.01, URL conventions,
// section 5.1.1.14.1: a quote is doubled).
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// one reads one object by id, and the members of a group where wanted.
func (r *reading) one(ctx context.Context, ref identity.Ref, send func(...connectors.Event) error) error {
	o, err := r.byID(ctx, ref)
	if err != nil {
		event, err := objectError("read "+string(ref.Kind), ref, err)
		if err != nil {
			return err
		}
		return send(event)
	}
	if r.settings.AssignedTo != "" {
		in, err := r.isAssigned(ctx, ref)
		if err != nil {
			return err
		}
		if !in {
			return send(connectors.Gone{Ref: ref, Why: identity.CauseUnassigned})
		}
	}
	p := r.users
	if ref.Kind == identity.Group {
		p = r.groups
	}
	event := p.event(o, everything)
	if err := send(event); err != nil {
		return err
	}
	if _, readable := event.(connectors.Upsert); !readable || ref.Kind != identity.Group || !r.query.Links {
		return nil
	}
	if r.settings.AssignedTo != "" {
		_, err := r.assignedMembers(ctx, ref, nil, send)
		return err
	}
	return r.allMembers(ctx, ref, send)
}

// byID reads one object.
func (r *reading) byID(ctx context.Context, ref identity.Ref) (object, error) {
	if !objectID.MatchString(ref.ID) {
		// What cannot be an id is not put into a path.
		return nil, absent("no " + string(ref.Kind) + " has this id")
	}
	get, p := r.client.graph.User, r.users
	if ref.Kind == identity.Group {
		get, p = r.client.graph.Group, r.groups
	}
	request, err := get(ctx, ref.ID, graph.Options{Select: p.Select})
	if err != nil {
		return nil, err
	}
	var o object
	if err := r.client.get(ctx, request, &o); err != nil {
		return nil, err
	}
	// The path takes userPrincipalNames as well.
	if !strings.EqualFold(o.id(), ref.ID) {
		return nil, absent("no " + string(ref.Kind) + " has this id")
	}
	return o, nil
}

// allMembers reads the direct members of a group and closes it.
func (r *reading) allMembers(ctx context.Context, group identity.Ref, send func(...connectors.Event) error) error {
	first, err := r.client.graph.Members(ctx, group.ID, graph.Options{Select: []string{"id"}, Top: r.pageSize()})
	if err != nil {
		return rest.Wrap("list members", group, err)
	}
	why := ""
	for p, err := range pages(ctx, r.client, first, plain, markMember) {
		if err != nil {
			return r.membersError(group, err, send)
		}
		for _, m := range p.items {
			events, problem := r.membership(group, m)
			if problem != "" {
				why = problem
			}
			if err := send(events...); err != nil {
				return err
			}
		}
	}
	if why != "" {
		return send(connectors.Links{Group: group, State: connectors.Unknown, Why: why})
	}
	return send(connectors.Links{Group: group, Members: []identity.Ref{}, State: connectors.Complete})
}

// membersError leaves the members of a group unknown where Graph refuses just
// those; anything else ends the read.
func (r *reading) membersError(group identity.Ref, err error, send func(...connectors.Event) error) error {
	switch connectors.ClassOf(err) {
	case connectors.Forbidden, connectors.Missing, connectors.Rejected:
		return send(connectors.Links{Group: group, State: connectors.Unknown, Why: err.Error()})
	}
	return rest.Wrap("list members", group, err)
}
