package okta

import (
	"fmt"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// settling is how long an object's times are not trusted as its version: Okta
// keeps them in whole seconds, and several changes may share one.
const settling = 30 * time.Second

// The wire types take any value for every field, so that a field of the wrong
// type is found by name and costs one record, not a page. Fields that are not
// listed are skipped unread.
type (
	wireUser struct {
		ID            any `json:"id"`
		Status        any `json:"status"`
		Created       any `json:"created"`
		LastUpdated   any `json:"lastUpdated"`
		StatusChanged any `json:"statusChanged"`
		Type          any `json:"type"`
		Profile       any `json:"profile"`
	}
	wireGroup struct {
		ID                    any `json:"id"`
		Type                  any `json:"type"`
		Created               any `json:"created"`
		LastUpdated           any `json:"lastUpdated"`
		LastMembershipUpdated any `json:"lastMembershipUpdated"`
		Profile               any `json:"profile"`
	}
	wireAppUser struct {
		ID          any `json:"id"`
		Scope       any `json:"scope"`
		Status      any `json:"status"`
		ExternalID  any `json:"externalId"`
		LastUpdated any `json:"lastUpdated"`
		Profile     any `json:"profile"`
		Embedded    struct {
			User *wireUser `json:"user"`
		} `json:"_embedded"`
	}
	wireAppGroup struct {
		ID       any `json:"id"`
		Embedded struct {
			Group *wireGroup `json:"group"`
		} `json:"_embedded"`
	}
	wireID struct {
		ID any `json:"id"`
	}
)

func text(v any) string {
	s, _ := v.(string)
	return s
}

func userID(u wireUser) string       { return text(u.ID) }
func groupID(g wireGroup) string     { return text(g.ID) }
func appUserID(u wireAppUser) string { return text(u.ID) }
func appGroupID(g wireAppGroup) string {
	return text(g.ID)
}
func bareID(i wireID) string { return text(i.ID) }

// user returns the Upsert of a user, or the Unreadable that shields it. App is
// nil outside an app.
func (p projection) user(u wireUser, app *wireAppUser, now time.Time) connectors.Event {
	ref := identity.Ref{Kind: identity.User, ID: userID(u)}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: "a user without an id"}
	}
	if text(u.Status) == "" {
		return connectors.Unreadable{Ref: ref, Why: "it has no status"}
	}
	profile, ok := u.Profile.(map[string]any)
	if !ok {
		return connectors.Unreadable{Ref: ref, Why: "its profile is not an object"}
	}
	if text(profile["login"]) == "" {
		return connectors.Unreadable{Ref: ref, Why: "its profile has no login"}
	}
	fields := map[string]any{
		"id": ref.ID, "status": u.Status, "created": u.Created, "lastUpdated": u.LastUpdated,
		"statusChanged": u.StatusChanged, "type": u.Type, "profile": profile,
	}
	for _, name := range []string{"created", "lastUpdated", "statusChanged"} {
		if problem := optional(fields, name); problem != "" {
			return connectors.Unreadable{Ref: ref, Why: problem}
		}
	}
	version := stable(now, u.LastUpdated)
	if app != nil {
		fields["app"] = map[string]any{
			"scope": app.Scope, "status": app.Status, "externalId": app.ExternalID, "profile": app.Profile,
		}
		// The assignment changes without the user changing.
		if version = stable(now, u.LastUpdated, app.LastUpdated); text(app.LastUpdated) == "" {
			version = ""
		}
	}
	p.apply(fields)
	return connectors.Upsert{Record: identity.Record{Ref: ref, Fields: fields, Version: version}}
}

// group returns the Upsert of a group, or the Unreadable that shields it. Name
// and description are copied from the profile, where Okta keeps them.
func (p projection) group(g wireGroup, now time.Time) connectors.Event {
	ref := identity.Ref{Kind: identity.Group, ID: groupID(g)}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: "a group without an id"}
	}
	if text(g.Type) == "" {
		return connectors.Unreadable{Ref: ref, Why: "it has no type"}
	}
	profile, ok := g.Profile.(map[string]any)
	if !ok {
		return connectors.Unreadable{Ref: ref, Why: "its profile is not an object"}
	}
	name := text(profile["name"])
	if name == "" {
		return connectors.Unreadable{Ref: ref, Why: "its profile has no name"}
	}
	fields := map[string]any{
		"id": ref.ID, "type": g.Type, "name": name, "description": profile["description"],
		"created": g.Created, "lastUpdated": g.LastUpdated, "lastMembershipUpdated": g.LastMembershipUpdated,
		"profile": profile,
	}
	for _, name := range []string{"description", "created", "lastUpdated", "lastMembershipUpdated"} {
		if problem := optional(fields, name); problem != "" {
			return connectors.Unreadable{Ref: ref, Why: problem}
		}
	}
	p.apply(fields)
	// The membership's time comes first: see sameMembers.
	return connectors.Upsert{Record: identity.Record{
		Ref: ref, Fields: fields, Version: stable(now, g.LastMembershipUpdated, g.LastUpdated),
	}}
}

// optional checks a field that is a string or absent; null is absent.
func optional(fields map[string]any, name string) string {
	switch fields[name].(type) {
	case string:
	case nil:
		delete(fields, name)
	default:
		return fmt.Sprintf("its %s is not a string", name)
	}
	return ""
}

// stable joins times to a version. It is empty, which means unknown, while one of
// them is missing or so recent by Okta's clock that another change may yet bear
// the same second.
func stable(now time.Time, times ...any) string {
	parts := make([]string, len(times))
	for i, t := range times {
		at, err := time.Parse(time.RFC3339, text(t))
		if err != nil || now.Sub(at) < settling {
			return ""
		}
		parts[i] = text(t)
	}
	return strings.Join(parts, " ")
}

// sameMembers reports whether a group's members are those of the version that
// was known: lastMembershipUpdated leads a version, so that a rename alone does
// not cost a reading of the members.
func sameMembers(g wireGroup, known string) bool {
	at := text(g.LastMembershipUpdated)
	before, _, _ := strings.Cut(known, " ")
	return at != "" && before == at
}
