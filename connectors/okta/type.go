package okta

import (
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Type describes sources of type okta.
//
// User records are Okta's users: id, status, the times, type and profile, whose
// custom attributes arrive untouched. Group records add name and description,
// copied from the profile. With an app, user records also hold app: scope,
// status, externalId and the app's own profile.
func Type() connectors.SourceType {
	return connectors.SourceType{
		Name:     "okta",
		Summary:  "users and groups of an Okta org, all or those assigned to one app",
		Settings: func() any { return new(Settings) },
		Fields: map[identity.Kind][]identity.Field{
			identity.User:  userFields(),
			identity.Group: groupFields(),
		},
		DefaultMap: map[identity.Kind]map[string]string{
			identity.User: {
				"userName":                     "profile.login",
				"name.givenName":               "profile.firstName",
				"name.familyName":              "profile.lastName",
				"displayName":                  `profile.displayName ?? Join(" ", profile.firstName, profile.lastName)`,
				`emails[type eq "work"].value`: "profile.email",
				// Statuses in which a person can sign in, or will after a
				// step of their own. STAGED and PROVISIONED people have
				// never been let in; SUSPENDED and DEPROVISIONED are out.
				"active": `status in ["ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT"]`,
			},
			identity.Group: {"displayName": "name"},
		},
		Hook: hook(),
		Open: func(settings any, rt connectors.Runtime) (connectors.Source, error) {
			s, ok := settings.(*Settings)
			if !ok {
				return nil, fmt.Errorf("okta settings are %T, not *okta.Settings", settings)
			}
			return Open(*s, rt)
		},
	}
}

// userFields are the fields of a user record (management API, schema User).
// lastLogin and passwordChanged are left out on purpose: they move without the
// person having changed, and would make everybody look edited every day.
func userFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "status", Type: identity.String, Always: true},
		{Path: "created", Type: identity.String},
		{Path: "lastUpdated", Type: identity.String},
		{Path: "statusChanged", Type: identity.String},
		{Path: "type", Type: identity.Object, Open: true},
		{Path: "type.id", Type: identity.String},
		{Path: "profile", Type: identity.Object, Always: true, Open: true},
		{Path: "profile.login", Type: identity.String, Always: true},
		{Path: "app", Type: identity.Object},
		{Path: "app.scope", Type: identity.String},
		{Path: "app.status", Type: identity.String},
		{Path: "app.externalId", Type: identity.String},
		{Path: "app.profile", Type: identity.Object, Open: true},
	}
}

// groupFields are the fields of a group record (management API, schema Group).
func groupFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "name", Type: identity.String, Always: true},
		{Path: "description", Type: identity.String},
		{Path: "type", Type: identity.String, Always: true},
		{Path: "created", Type: identity.String},
		{Path: "lastUpdated", Type: identity.String},
		{Path: "lastMembershipUpdated", Type: identity.String},
		{Path: "profile", Type: identity.Object, Always: true, Open: true},
		{Path: "profile.name", Type: identity.String, Always: true},
		{Path: "profile.description", Type: identity.String},
	}
}
