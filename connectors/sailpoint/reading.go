package sailpoint

import (
	"context"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// reading is one Read.
type reading struct {
	*Source
	query   connectors.Query
	emit    func(connectors.Event) error
	stopped bool
	full    []identity.Kind
	users   projection
	groups  projection
	place   place
	roster  *roster
	// foreign counts rows that the filter should have left out; skipped, the
	// accounts that are no person's, by reason.
	foreign int
	skipped map[string]int
}

func (r *reading) run(ctx context.Context) error {
	r.users = project(r.query, identity.User, userFields())
	r.groups = project(r.query, identity.Group, groupFields())
	wants := func(kind identity.Kind) bool { return slices.Contains(r.query.Kinds, kind) }
	if len(r.query.Only) == 0 && r.query.From != "" {
		return connectors.Errorf(connectors.Expired, "every read of SailPoint is a full one: start without a cursor")
	}
	if len(r.query.Only) == 0 && wants(identity.User) && !r.settings.accounts() {
		return connectors.Errorf(connectors.Unsupported, "users were asked for, and accounts is false: set users: off in the sync, or accounts: true in the source")
	}
	var err error
	if r.place, err = r.find(ctx); err != nil {
		return err
	}
	r.roster = newRoster()
	if len(r.query.Only) > 0 {
		return r.only(ctx)
	}
	if r.settings.Aggregation != nil {
		if err := r.aggregate(ctx); err != nil {
			return err
		}
	}
	links := r.query.Links && wants(identity.Group) && r.settings.accounts()
	if wants(identity.Group) {
		which := groupTypes
		if links && r.settings.AccessProfiles {
			which = everyType // an access profile may hold any of them
		}
		if err := r.allGroups(ctx, which, r.emit); err != nil {
			return err
		}
	}
	if wants(identity.User) || links {
		send := r.emit
		if !wants(identity.User) {
			send = func(connectors.Event) error { return nil }
		}
		if err := r.allAccounts(ctx, send); err != nil {
			return err
		}
	}
	if links {
		if err := r.roster.emit(func(string) bool { return true }, r.emit); err != nil {
			return err
		}
	}
	r.full = slices.DeleteFunc(slices.Clone(identity.Kinds()), func(k identity.Kind) bool { return !wants(k) })
	return nil
}

// allGroups lists the entitlements, and the access profiles where they are asked
// for, and makes them known to the roster.
func (r *reading) allGroups(ctx context.Context, which types, send func(connectors.Event) error) error {
	if err := r.allEntitlements(ctx, which, send); err != nil {
		return err
	}
	if !r.settings.AccessProfiles {
		return nil
	}
	return r.allProfiles(ctx, send)
}

// types are the types of the entitlements that are listed.
type types int

const (
	groupTypes types = iota // those that are groups
	everyType               // all of the source; the others are parts of access profiles
)

// allEntitlements lists entitlements and makes them known to the roster.
func (r *reading) allEntitlements(ctx context.Context, which types, send func(connectors.Event) error) error {
	filters := r.entitlementFilter(r.place)
	if which == everyType {
		filters = equal("source.id", r.place.id)
	}
	err := listing[wireEntitlement]{
		op: "list entitlements", client: r.client, target: r.address(listEntitlements(), ""),
		filters: filters, limit: r.settings.pageSize(), id: entitlementID,
		begin: func(int) {
			r.roster, r.foreign = newRoster(), 0
			if which == everyType {
				r.roster.placeOf = map[string]int{}
			}
		},
		each: func(e wireEntitlement) error {
			switch {
			case !fromPlace(e.Source, r.place), which == groupTypes && !r.ours(e):
				r.foreign++
				return nil
			case which == everyType && e.Type == nil && entitlementID(e) != "":
				return send(connectors.Unreadable{
					Ref: identity.Ref{Kind: identity.Group, ID: entitlementID(e)}, Why: "it does not say of which type it is",
				})
			case !r.ours(e):
				r.roster.addPart(entitlementID(e), text(e.Attribute), text(e.Value))
				return nil
			}
			event := r.groups.group(e, r.settings.entitlementType())
			if _, readable := event.(connectors.Upsert); readable {
				r.roster.add(entitlementID(e), text(e.Attribute), text(e.Value))
			}
			return send(event)
		},
		gone: func(id string) error {
			return send(connectors.Gone{Ref: identity.Ref{Kind: identity.Group, ID: id}, Why: identity.CauseGone})
		},
	}.read(ctx)
	return r.scoped(err, "idn:entitlement:read")
}

// ours reports whether an entitlement is of the source and type that were asked
// for. What does not say is believed: the filter asked for it.
func (r *reading) ours(e wireEntitlement) bool {
	kind := text(e.Type)
	return fromPlace(e.Source, r.place) && (kind == "" || strings.EqualFold(kind, r.settings.entitlementType()))
}

// allAccounts lists the accounts and lets the roster take their memberships.
func (r *reading) allAccounts(ctx context.Context, send func(connectors.Event) error) error {
	again := false
	err := listing[wireAccount]{
		op: "list accounts", client: r.client, target: r.address(listAccounts(), ""),
		filters: equal("sourceId", r.place.id), limit: r.settings.pageSize(), id: accountID,
		begin: func(try int) { r.roster.begin(); r.skipped, again = map[string]int{}, try > 1 },
		each: func(a wireAccount) error {
			if id := text(a.SourceID); id != "" && id != r.place.id {
				r.foreign++
				return nil
			}
			if why := leftOut(a); why != "" {
				r.skipped[why]++
				if !again || accountID(a) == "" {
					return nil
				}
				// The first reading may have taken it for a person's.
				return send(connectors.Gone{Ref: identity.Ref{Kind: identity.User, ID: accountID(a)}, Why: identity.CauseUnassigned})
			}
			r.roster.take(accountID(a), a.Attributes)
			return send(r.users.user(a))
		},
		gone: func(id string) error {
			return send(connectors.Gone{Ref: identity.Ref{Kind: identity.User, ID: id}, Why: identity.CauseGone})
		},
	}.read(ctx)
	if err != nil {
		return r.scoped(err, "idn:accounts:read")
	}
	r.log.InfoContext(ctx, "accounts that are no person's were left out", "source", r.place.name,
		"uncorrelated", r.skipped["uncorrelated"], "system", r.skipped["system"], "machine", r.skipped["machine"])
	if r.foreign > 0 {
		r.log.WarnContext(ctx, "SailPoint answered with objects of other sources or types, which were left out", "count", r.foreign)
	}
	return nil
}
