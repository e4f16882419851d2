package sailpoint

import (
	"context"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// only reads the objects the query names. The members of a group stand in the
// accounts and nowhere else, so that with Links all accounts are read once,
// however many groups are named.
func (r *reading) only(ctx context.Context) error {
	named := map[string]bool{}
	for _, key := range r.query.Only {
		var err error
		if key.Kind == identity.Group {
			err = r.onlyGroup(ctx, key, named)
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
	if err := r.allAccounts(ctx, func(connectors.Event) error { return nil }); err != nil {
		return err
	}
	return r.roster.emit(func(id string) bool { return named[id] }, r.emit)
}

// onlyGroup reads one entitlement by id, or those of one name.
func (r *reading) onlyGroup(ctx context.Context, key connectors.Key, named map[string]bool) error {
	take := func(e wireEntitlement) error {
		id := entitlementID(e)
		event := r.groups.group(e)
		if _, readable := event.(connectors.Upsert); readable && !named[id] {
			named[id] = true
			r.roster.add(id, text(e.Attribute), text(e.Value))
		}
		return r.emit(event)
	}
	if key.ID != "" {
		ref := identity.Ref{Kind: identity.Group, ID: key.ID}
		var e wireEntitlement
		found, err := r.one(ctx, listEntitlements(), ref, &e, func() string { return entitlementID(e) })
		if err != nil || !found {
			return err
		}
		if !r.ours(e) {
			return r.emit(connectors.Gone{Ref: ref, Why: identity.CauseUnassigned})
		}
		return take(e)
	}
	return r.named(ctx, key.Name, func(ctx context.Context) error {
		filters := both(r.entitlementFilter(r.place), equal("name", key.Name))
		return matches(ctx, r.client, query{target: r.address(listEntitlements(), ""), filters: filters, limit: maxPage}, func(e wireEntitlement) (bool, error) {
			if !r.ours(e) || identity.Fold(text(e.Name)) != identity.Fold(key.Name) {
				return false, nil
			}
			return true, take(e)
		})
	})
}

// onlyUser reads one account by id, or those of one name or native identity.
func (r *reading) onlyUser(ctx context.Context, key connectors.Key) error {
	if key.ID != "" {
		ref := identity.Ref{Kind: identity.User, ID: key.ID}
		var a wireAccount
		found, err := r.one(ctx, listAccounts(), ref, &a, func() string { return accountID(a) })
		if err != nil || !found {
			return err
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

// one reads one object. An id that no object has, or may have, is told as gone.
func (r *reading) one(ctx context.Context, c call, ref identity.Ref, v any, id func() string) (bool, error) {
	if !objectID.MatchString(ref.ID) {
		return false, r.emit(connectors.Gone{Ref: ref, Why: identity.CauseGone})
	}
	err := r.client.object(ctx, r.address(c, ref.ID), v)
	switch {
	case notFound(err):
		return false, r.emit(connectors.Gone{Ref: ref, Why: identity.CauseGone})
	case connectors.ClassOf(err) == connectors.Forbidden && err != nil:
		return false, r.emit(connectors.Unreadable{Ref: ref, Why: err.Error()})
	case err != nil:
		return false, rest.Wrap("read", ref, err)
	case id() != ref.ID:
		return false, r.emit(connectors.Unreadable{Ref: ref, Why: "SailPoint answered with another object"})
	}
	return true, nil
}

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
		q.offset += len(p.items)
	}
}
