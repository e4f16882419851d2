package sailpoint

import (
	"context"
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// profileType is the type of the group records that are access profiles.
	profileType = "access_profile"
	// profileOrder is an order in which no access profile changes its place
	// while its name stays: the time it was made, and the name for those of
	// one moment. This list cannot be sorted by id (API v2025,
	// listAccessProfiles).
	profileOrder = "created,name"
	profileScope = "idn:access-profile:read"
)

// allProfiles lists the enabled access profiles of the source and makes them
// known to the roster, which must know the entitlements by then.
func (r *reading) allProfiles(ctx context.Context, send func(connectors.Event) error) error {
	disabled, again := 0, false
	err := r.profiles(ctx, func(try int) {
		r.roster.forgetProfiles()
		disabled, again = 0, try > 1
	}, func(p wireProfile) error {
		event := r.groups.profile(p)
		switch e := event.(type) {
		case connectors.Upsert:
			r.roster.addProfile(p)
		case connectors.Gone:
			disabled++
			if !again { // nothing was said of it yet
				return nil
			}
			event = e
		}
		return send(event)
	}, func(id string) error {
		return send(connectors.Gone{Ref: identity.Ref{Kind: identity.Group, ID: id}, Why: identity.CauseGone})
	})
	if err != nil {
		return err
	}
	r.log.InfoContext(ctx, "access profiles that are not enabled were left out", "source", r.place.name, "count", disabled)
	return nil
}

// profiles reads the list of the access profiles of the source.
func (r *reading) profiles(ctx context.Context, begin func(try int), each func(wireProfile) error, gone func(id string) error) error {
	err := listing[wireProfile]{
		op: "list access profiles", client: r.client, target: r.address(listAccessProfiles(), ""),
		filters: equal("source.id", r.place.id), sorters: profileOrder,
		limit: min(r.settings.pageSize(), maxProfilePage), id: profileID,
		begin: begin, gone: gone,
		each: func(p wireProfile) error {
			if !fromPlace(p.Source, r.place) {
				r.foreign++
				return nil
			}
			return each(p)
		},
	}.read(ctx)
	return r.withoutProfiles(err)
}

// withoutProfiles adds to a refusal what would end it. Without the access
// profiles the read would tell that they are gone, so it does not go on.
func (s *Source) withoutProfiles(err error) error {
	e := asError(err)
	if e == nil || e.Class != connectors.Forbidden {
		return err
	}
	return &connectors.Error{Op: e.Op, Class: e.Class, Code: e.Code, Err: fmt.Errorf("%w: %s", e.Err, s.profileRemedy())}
}

func (s *Source) profileRemedy() string {
	return fmt.Sprintf("access_profiles is true, and client %s may not read them: use a personal access token with the scope %s "+
		"whose owner is a source or organization administrator, or set access_profiles: false", s.settings.ClientID, profileScope)
}

// onlyProfile reads one access profile by its id. It reports whether there is
// one.
func (r *reading) onlyProfile(ctx context.Context, id string) (wireProfile, connectors.Event, error) {
	ref := identity.Ref{Kind: identity.Group, ID: id}
	var p wireProfile
	event, err := r.one(ctx, listAccessProfiles(), ref, &p, func() string { return profileID(p) })
	if err != nil {
		return p, nil, r.withoutProfiles(err)
	}
	if event != nil {
		return p, event, nil
	}
	if !fromPlace(p.Source, r.place) {
		return p, connectors.Gone{Ref: ref, Why: identity.CauseUnassigned}, nil
	}
	return p, r.groups.profile(p), nil
}

// profile returns the Upsert of an access profile, the Unreadable that shields
// it, or Gone for one that is not enabled: it gives nobody anything.
func (p projection) profile(w wireProfile) connectors.Event {
	ref := identity.Ref{Kind: identity.Group, ID: profileID(w)}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: "an access profile without an id"}
	}
	enabled, ok := w.Enabled.(bool)
	if !ok {
		return connectors.Unreadable{Ref: ref, Why: "the access profile does not say whether it is enabled"}
	}
	if !enabled {
		return connectors.Gone{Ref: ref, Why: identity.CauseUnassigned}
	}
	fields := map[string]any{
		"id": ref.ID, "name": w.Name, "attribute": "", "value": "", "type": profileType, "description": w.Description,
		"requestable": w.Requestable, "source": w.Source, "created": w.Created, "modified": w.Modified,
	}
	why := required(fields, "name")
	if why == "" {
		why = conform(fields, groupFields())
	}
	if why != "" {
		return connectors.Unreadable{Ref: ref, Why: why}
	}
	p.apply(fields)
	return connectors.Upsert{Record: identity.Record{Ref: ref, Fields: fields}}
}

// parts returns the ids of the entitlements of an access profile, or why they
// cannot be told. One that is enabled has at least one (API v2025, schema
// AccessProfile).
func (w wireProfile) parts() ([]string, string) {
	list, ok := w.Entitlements.([]any)
	if !ok {
		return nil, "the access profile does not list its entitlements"
	}
	if len(list) == 0 {
		return nil, "the access profile has no entitlements that this client may see"
	}
	ids := make([]string, 0, len(list))
	for _, element := range list {
		object, _ := element.(map[string]any)
		id := text(object["id"])
		if id == "" {
			return nil, "an entitlement of the access profile has no id"
		}
		ids = append(ids, id)
	}
	return ids, ""
}

// infoProfiles says whether access profiles can be read, when they are asked for.
func (s *Source) infoProfiles(ctx context.Context, at place, note func(string, ...any)) error {
	n, refused, err := s.count(ctx, query{
		target: s.address(listAccessProfiles(), ""), filters: equal("source.id", at.id), sorters: profileOrder,
	})
	switch {
	case !s.settings.AccessProfiles:
		// What was not asked for can fail as it likes, but for the credential.
		switch {
		case connectors.ClassOf(err) == connectors.Unauthorized:
			return err
		case refused:
			note("access profiles are not read, and this client could not list them")
		case err == nil:
			note("access profiles are not read; with this credential access_profiles: true would make them groups as well")
		}
	case err != nil:
		return err
	case refused:
		note("will not work: access profiles cannot be listed: %s", s.profileRemedy())
	case n == 0:
		note("the source has no access profiles")
	case n > 0:
		note("%d access profiles: those that are enabled are groups of type %s", n, profileType)
	}
	return nil
}
