package sailpoint

import (
	"context"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// only reads the objects the query names. The members of a group stand in the
// accounts and nowhere else, so that with Links all accounts are read once,
// however many groups are named.
func (r *reading) only(ctx context.Context) error {
	named := map[string]bool{}
	var profiles []wireProfile
	for _, key := range r.query.Only {
		var err error
		if key.Kind == identity.Group {
			err = r.onlyGroup(ctx, key, named, &profiles)
		} else {
			err = r.onlyUser(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	if !r.query.Links || len(named) == 0 || !r.settings.accounts() {
		return nil
	}
	quiet := func(connectors.Event) error { return nil }
	if len(profiles) > 0 {
		if err := r.allEntitlements(ctx, everyType, quiet); err != nil {
			return err
		}
		for _, p := range profiles {
			r.roster.addProfile(p)
		}
	}
	if err := r.allAccounts(ctx, quiet); err != nil {
		return err
	}
	return r.roster.emit(func(id string) bool { return named[id] }, r.emit)
}

// onlyGroup reads one entitlement or access profile by id, or those of one name.
func (r *reading) onlyGroup(ctx context.Context, key connectors.Key, named map[string]bool, profiles *[]wireProfile) error {
	take := func(e wireEntitlement) error {
		id := entitlementID(e)
		event := r.groups.group(e, r.settings.entitlementType())
		if _, readable := event.(connectors.Upsert); readable && !named[id] {
			named[id] = true
			r.roster.add(id, text(e.Attribute), text(e.Value))
		}
		return r.emit(event)
	}
	takeProfile := func(p wireProfile, event connectors.Event) error {
		if _, readable := event.(connectors.Upsert); readable && !named[profileID(p)] {
			named[profileID(p)] = true
			*profiles = append(*profiles, p)
		}
		return r.emit(event)
	}
	if key.ID == "" {
		return r.named(ctx, key.Name, func(ctx context.Context) error {
			if err := r.entitlementsNamed(ctx, key.Name, take); err != nil || !r.settings.AccessProfiles {
				return err
			}
			return r.profilesNamed(ctx, key.Name, takeProfile)
		})
	}
	ref := identity.Ref{Kind: identity.Group, ID: key.ID}
	var e wireEntitlement
	event, err := r.one(ctx, listEntitlements(), ref, &e, func() string { return entitlementID(e) })
	switch {
	case err != nil:
		return err
	case event == nil && r.ours(e):
		return take(e)
	case event == nil:
		return r.emit(connectors.Gone{Ref: ref, Why: identity.CauseUnassigned})
	}
	if _, gone := event.(connectors.Gone); !gone || !r.settings.AccessProfiles {
		return r.emit(event)
	}
	p, event, err := r.onlyProfile(ctx, key.ID)
	if err != nil {
		return err
	}
	return takeProfile(p, event)
}

// entitlementsNamed finds the groups of one name. A filter for a name with a plus
// sign finds nothing (API v2025, listAccessProfiles: of access profiles and
// entitlements alike), so for those the list is read.
func (r *reading) entitlementsNamed(ctx context.Context, name string, take func(wireEntitlement) error) error {
	fits := func(e wireEntitlement) bool {
		return r.ours(e) && identity.Fold(text(e.Name)) == identity.Fold(name)
	}
	q := query{target: r.address(listEntitlements(), ""), filters: both(r.entitlementFilter(r.place), equal("name", name)), limit: maxPage}
	if !strings.Contains(name, "+") {
		return matches(ctx, r.client, q, func(e wireEntitlement) (bool, error) {
			if !fits(e) {
				return false, nil
			}
			return true, take(e)
		})
	}
	var found []wireEntitlement
	err := listing[wireEntitlement]{
		op: "list entitlements", client: r.client, target: q.target, filters: r.entitlementFilter(r.place),
		limit: r.settings.pageSize(), id: entitlementID,
		begin: func(int) { found = nil },
		each: func(e wireEntitlement) error {
			if fits(e) {
				found = append(found, e)
			}
			return nil
		},
		gone: func(string) error { return nil },
	}.read(ctx)
	if err != nil {
		return r.scoped(err, "idn:entitlement:read")
	}
	for _, e := range found {
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

// profilesNamed finds the access profiles of one name, by reading their list: see
// entitlementsNamed.
func (r *reading) profilesNamed(ctx context.Context, name string, take func(wireProfile, connectors.Event) error) error {
	var found []wireProfile
	err := r.profiles(ctx, func(int) { found = nil }, func(p wireProfile) error {
		if identity.Fold(text(p.Name)) == identity.Fold(name) {
			found = append(found, p)
		}
		return nil
	}, func(string) error { return nil })
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := take(p, r.groups.profile(p)); err != nil {
			return err
		}
	}
	return nil
}

// onlyUser reads one account by id, or those of one name or native identity.
func (r *reading) onlyUser(ctx context.Context, key connectors.Key) error {
	if key.ID != "" {
		ref := identity.Ref{Kind: identity.User, ID: key.ID}
		var a wireAccount
		event, err := r.one(ctx, listAccounts(), ref, &a, func() string { return accountID(a) })
		if err != nil {
			return err
		}
		if event != nil {
			return r.emit(event)
		}
		if text(a.SourceID) != r.place.id || leftOut(a) != "" {
			return r.emit(connectors.Gone{Ref: ref, Why: identity.CauseUnassigned})
		}
		return r.emit(r.users.user(a))
	}
	return r.named(ctx, key.Name, func(ctx context.Context) error {
		for _, field := range []struct {
			name string
			of   func(wireAccount) any
		}{
			{"name", func(a wireAccount) any { return a.Name }},
			{"nativeIdentity", func(a wireAccount) any { return a.NativeIdentity }},
		} {
			filters := both(equal("sourceId", r.place.id), equal(field.name, key.Name))
			found := false
			err := matches(ctx, r.client, query{target: r.address(listAccounts(), ""), filters: filters, limit: maxPage}, func(a wireAccount) (bool, error) {
				if text(a.SourceID) != r.place.id || leftOut(a) != "" || identity.Fold(text(field.of(a))) != identity.Fold(key.Name) {
					return false, nil
				}
				found = true
				return true, r.emit(r.users.user(a))
			})
			if err != nil || found {
				return err
			}
		}
		return nil
	})
}

func (r *reading) named(ctx context.Context, name string, find func(context.Context) error) error {
	if err := find(ctx); err != nil {
		if r.stopped {
			return err
		}
		return rest.Wrap("find "+name, identity.Ref{}, err)
	}
	return nil
}

// one reads one object into v. Where that is not to be had, it returns the event
// that says so: an id that no object has, or may have, is gone.
func (r *reading) one(ctx context.Context, c call, ref identity.Ref, v any, id func() string) (connectors.Event, error) {
	if !objectID.MatchString(ref.ID) {
		return connectors.Gone{Ref: ref, Why: identity.CauseGone}, nil
	}
	err := r.client.object(ctx, r.address(c, ref.ID), v)
	switch {
	case notFound(err):
		return connectors.Gone{Ref: ref, Why: identity.CauseGone}, nil
	case connectors.ClassOf(err) == connectors.Forbidden:
		return connectors.Unreadable{Ref: ref, Why: err.Error()}, nil
	case err != nil:
		return nil, rest.Wrap("read", ref, err)
	case id() != ref.ID:
		return connectors.Unreadable{Ref: ref, Why: "SailPoint answered with another object"}, nil
	}
	return nil, nil
}

// maxMatches ends a list of the rows of one name.
const maxMatches = 20 * maxPage

// matches reads a filtered list of few rows: one page, and the next where it is
// full.
func matches[T any](ctx context.Context, c *client, q query, take func(T) (bool, error)) error {
	for {
		p, err := list[T](ctx, c, q)
		if err != nil {
			return err
		}
		some := false
		for _, item := range p.items {
			ok, err := take(item)
			if err != nil {
				return err
			}
			some = some || ok
		}
		// A server that ignores the filter would list everything.
		if len(p.items) < q.limit || !some {
			return nil
		}
		if q.offset += len(p.items); q.offset >= maxMatches {
			return connectors.Errorf(connectors.Incomplete, "SailPoint answers with more than %d rows of this name: something on the way, a proxy or gateway, may drop offset", maxMatches)
		}
	}
}
