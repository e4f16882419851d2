package okta

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors"
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
			if key.Kind == identity.Group {
				return r.onlyGroup(ctx, key, send)
			}
			return r.onlyUser(ctx, key, send)
		})
		if err != nil {
			return err
		}
	}
	return p.Finish()
}

// onlyUser reads one user, by id or by login.
func (r *reading) onlyUser(ctx context.Context, key connectors.Key, send func(...connectors.Event) error) error {
	ref := identity.Ref{Kind: identity.User, ID: key.ID}
	if key.ID != "" && r.settings.App != "" {
		// One request for those who are assigned.
		event, found, err := r.assignedUser(ctx, ref)
		if err != nil {
			return err
		}
		if found {
			return send(event)
		}
	}
	u, a, err := r.findUser(ctx, key)
	if key.ID == "" && notFound(err) {
		return nil // a name that nobody has names nobody
	}
	if key.ID == "" && err != nil {
		return rest.Wrap("find user "+key.Name, identity.Ref{}, err)
	}
	if err != nil {
		event, err := r.objectError("read user", ref, err)
		if err != nil {
			return err
		}
		return send(event)
	}
	if r.settings.App == "" {
		return send(r.users.user(u, nil, a.date))
	}
	if key.ID == "" {
		ref.ID = userID(u)
		event, found, err := r.assignedUser(ctx, ref)
		if err != nil {
			return err
		}
		if found {
			return send(event)
		}
	}
	return send(connectors.Gone{Ref: ref, Why: whyUnassigned(u)})
}

// whyUnassigned tells a leaver from somebody who was only taken off the app:
// deactivation ends every assignment.
func whyUnassigned(u wireUser) identity.Cause {
	if text(u.Status) == "DEPROVISIONED" {
		return identity.CauseDisabled
	}
	return identity.CauseUnassigned
}

// assignedUser reads the assignment of one user to the app; found is false
// where there is none.
func (r *reading) assignedUser(ctx context.Context, ref identity.Ref) (connectors.Event, bool, error) {
	if !isID(ref.ID) {
		return nil, false, nil
	}
	var u wireAppUser
	a, err := r.client.object(ctx, r.appPath("users", ref.ID)+"?expand=user", &u)
	if notFound(err) {
		return nil, false, r.appExists()
	}
	if err != nil {
		event, err := r.objectError("read user of app "+r.settings.App, ref, err)
		return event, true, err
	}
	if appUserID(u) != ref.ID {
		return connectors.Unreadable{Ref: ref, Why: "Okta answered with another user"}, true, nil
	}
	event, err := r.appUser(ctx, u, a.date)
	return event, true, err
}

// findUser reads a user by id, or by login. Okta's path takes either, and the
// part of a login before the @ as well: an answer that is somebody else is
// nobody.
func (r *reading) findUser(ctx context.Context, key connectors.Key) (wireUser, answer, error) {
	if key.ID == "" && (strings.Contains(key.Name, "/") || strings.Trim(key.Name, ".") == "") {
		return r.filterUser(ctx, key)
	}
	if key.ID != "" && !isID(key.ID) {
		return wireUser{}, answer{}, absent("no user has this id")
	}
	name := cmp.Or(key.ID, key.Name)
	var u wireUser
	a, err := r.client.object(ctx, "/api/v1/users/"+segment(name), &u)
	if err != nil {
		return wireUser{}, answer{}, err
	}
	profile, _ := u.Profile.(map[string]any)
	same := key.ID != "" && userID(u) == key.ID ||
		key.ID == "" && (identity.Fold(text(profile["login"])) == identity.Fold(key.Name) || userID(u) == key.Name)
	if !same {
		return wireUser{}, answer{}, absent("no user has this id or login")
	}
	return u, a, nil
}

// filterUser looks up a login that cannot be put into a path: one that holds a
// slash, or nothing but dots.
func (r *reading) filterUser(ctx context.Context, key connectors.Key) (wireUser, answer, error) {
	target := "/api/v1/users?" + url.Values{"limit": {"2"}, "filter": {"profile.login eq " + quoted(key.Name)}}.Encode()
	a, err := r.client.get(ctx, target)
	if err != nil {
		return wireUser{}, answer{}, err
	}
	users, err := decodeList[wireUser](a.body)
	if err != nil {
		return wireUser{}, answer{}, connectors.Errorf(connectors.Incomplete, "GET /api/v1/users: %w", err)
	}
	for _, u := range users {
		profile, _ := u.Profile.(map[string]any)
		if identity.Fold(text(profile["login"])) == identity.Fold(key.Name) {
			return u, a, nil
		}
	}
	return wireUser{}, answer{}, absent("no user has this login")
}

// isID reports whether an object of Okta may have this id. What may not is
// absent, and is not put into a path.
func isID(id string) bool { return objectID.MatchString(id) }

// absent is the error Okta gives for what does not exist.
func absent(why string) error {
	e := connectors.Errorf(connectors.Missing, "%s", why)
	e.Code = codeNotFound
	return e
}

// onlyGroup reads one group, by id or by name, and its members where wanted.
// Several groups may bear one name (imported ones do): all are read.
func (r *reading) onlyGroup(ctx context.Context, key connectors.Key, send func(...connectors.Event) error) error {
	ids := []string{key.ID}
	if key.ID == "" {
		var err error
		if ids, err = r.groupsNamed(ctx, key.Name); err != nil {
			return rest.Wrap("find group "+key.Name, identity.Ref{}, err)
		}
	}
	for _, id := range ids {
		if err := r.groupByID(ctx, id, "", send); err != nil {
			return err
		}
	}
	return nil
}

// groupByID reads one group and, where wanted, its members, unless they are those
// of the version that is known.
func (r *reading) groupByID(ctx context.Context, id, known string, send func(...connectors.Event) error) error {
	ref := identity.Ref{Kind: identity.Group, ID: id}
	var g wireGroup
	var a answer
	err := absent("no group has this id")
	if isID(id) {
		a, err = r.client.object(ctx, "/api/v1/groups/"+segment(id), &g)
	}
	if err == nil && groupID(g) != id {
		err = absent("no group has this id")
	}
	if err != nil {
		event, err := r.objectError("read group", ref, err)
		if err != nil {
			return err
		}
		return send(event)
	}
	if r.settings.App != "" {
		_, err := r.client.get(ctx, r.appPath("groups", id))
		if notFound(err) {
			if err := r.appExists(); err != nil {
				return err
			}
			return send(connectors.Gone{Ref: ref, Why: identity.CauseUnassigned})
		}
		if err != nil {
			event, err := r.objectError("read group of app "+r.settings.App, ref, err)
			if err != nil {
				return err
			}
			return send(event)
		}
	}
	event := r.groups.group(g, a.date)
	if err := send(event); err != nil {
		return err
	}
	if _, readable := event.(connectors.Upsert); !readable || !r.query.Links {
		return nil
	}
	if sameMembers(g, known) {
		return send(connectors.Links{Group: ref, State: connectors.Unchanged})
	}
	return r.members(ctx, g, send)
}

// groupsNamed returns the ids of the groups with exactly this name. Groups
// cannot be filtered by name, only searched, and q cannot be paged.
func (r *reading) groupsNamed(ctx context.Context, name string) ([]string, error) {
	query := url.Values{"limit": {"200"}, "search": {"profile.name eq " + quoted(name)}}
	var ids []string
	for p, err := range pages(ctx, r.client, "/api/v1/groups?"+query.Encode(), groupID) {
		if err != nil {
			return nil, err
		}
		for _, g := range p.items {
			profile, _ := g.Profile.(map[string]any)
			if identity.Fold(text(profile["name"])) == identity.Fold(name) && groupID(g) != "" {
				ids = append(ids, groupID(g))
			}
		}
	}
	return ids, nil
}

// quoted writes a value of a filter or search expression.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
