package sailpoint

import (
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Type describes sources of type sailpoint.
//
// User records are accounts under their own id; identityId names the person they
// belong to. Their attributes are those of the account schema of the source, so
// they differ from source to source. Group records are entitlements, of which
// type is a copy of sourceSchemaObjectType, and, where they are asked for, access
// profiles, of which type is access_profile and attribute and value are empty.
func Type() connectors.SourceType {
	return connectors.SourceType{
		Name:     "sailpoint",
		Summary:  "entitlements of one SailPoint source as groups, its accounts as users",
		Settings: func() any { return new(Settings) },
		Fields: map[identity.Kind][]identity.Field{
			identity.User:  userFields(),
			identity.Group: groupFields(),
		},
		DefaultMap: map[identity.Kind]map[string]string{
			// The attributes are what Active Directory calls them, then what
			// SailPoint's own delimited-file sources do.
			identity.User: {
				"userName":                     "Coalesce(attributes.userPrincipalName, attributes.mail, attributes.email, name)",
				"name.givenName":               "Coalesce(attributes.givenName, attributes.firstName)",
				"name.familyName":              "Coalesce(attributes.sn, attributes.lastName)",
				"displayName":                  "Coalesce(attributes.displayName, attributes.cn, name)",
				`emails[type eq "work"].value`: "Coalesce(attributes.mail, attributes.email)",
				"active":                       "!disabled",
			},
			identity.Group: {"displayName": "name"},
		},
		Hook: hook(),
		Open: func(settings any, rt connectors.Runtime) (connectors.Source, error) {
			s, ok := settings.(*Settings)
			if !ok {
				return nil, fmt.Errorf("sailpoint settings are %T, not *sailpoint.Settings", settings)
			}
			return Open(*s, rt)
		},
	}
}

// userFields are the fields of a user record (API v2025, schema Account).
func userFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "name", Type: identity.String, Always: true},
		{Path: "nativeIdentity", Type: identity.String, Always: true},
		{Path: "uuid", Type: identity.String},
		{Path: "sourceId", Type: identity.String},
		{Path: "identityId", Type: identity.String},
		{Path: "description", Type: identity.String},
		{Path: "disabled", Type: identity.Bool, Always: true},
		{Path: "locked", Type: identity.Bool},
		{Path: "uncorrelated", Type: identity.Bool},
		{Path: "systemAccount", Type: identity.Bool},
		{Path: "isMachine", Type: identity.Bool},
		{Path: "hasEntitlements", Type: identity.Bool},
		{Path: "cloudLifecycleState", Type: identity.String},
		{Path: "attributes", Type: identity.Object, Always: true, Open: true},
		{Path: "created", Type: identity.String},
		{Path: "modified", Type: identity.String},
	}
}

// groupFields are the fields of a group record (API v2025, schemas Entitlement
// and AccessProfile).
func groupFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "name", Type: identity.String, Always: true},
		{Path: "attribute", Type: identity.String, Always: true},
		{Path: "value", Type: identity.String, Always: true},
		{Path: "type", Type: identity.String, Always: true},
		{Path: "sourceSchemaObjectType", Type: identity.String},
		{Path: "description", Type: identity.String},
		{Path: "privileged", Type: identity.Bool},
		{Path: "requestable", Type: identity.Bool},
		{Path: "source", Type: identity.Object, Open: true},
		{Path: "source.id", Type: identity.String},
		{Path: "source.name", Type: identity.String},
		{Path: "attributes", Type: identity.Object, Open: true},
		{Path: "created", Type: identity.String},
		{Path: "modified", Type: identity.String},
	}
}
