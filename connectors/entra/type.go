package entra

import (
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Type describes sources of type entra.
//
// User and group records hold Graph's own properties, under Graph's names, as
// far as they are listed here and asked for. Directory extensions are below
// extensions: extensions.extension_APPID_NAME.
func Type() connectors.SourceType {
	return connectors.SourceType{
		Name:     "entra",
		Summary:  "users and groups of a Microsoft Entra ID tenant, all or those assigned to one enterprise application",
		Settings: func() any { return new(Settings) },
		Fields: map[identity.Kind][]identity.Field{
			identity.User:  userFields(),
			identity.Group: groupFields(),
		},
		DefaultMap: map[identity.Kind]map[string]string{
			identity.User: {
				"userName":        "userPrincipalName",
				"name.givenName":  "givenName",
				"name.familyName": "surname",
				"displayName":     "displayName",
				// The name of a guest in the tenant is no address.
				`emails[type eq "work"].value`: `mail ?? (userPrincipalName contains "#EXT#" ? nil : userPrincipalName)`,
				"active":                       "accountEnabled",
			},
			identity.Group: {"displayName": "displayName"},
		},
		Hook: hook(),
		Open: func(settings any, rt connectors.Runtime) (connectors.Source, error) {
			s, ok := settings.(*Settings)
			if !ok {
				return nil, fmt.Errorf("entra settings are %T, not *entra.Settings", settings)
			}
			return Open(*s, rt)
		},
	}
}

const (
	// original is a copy of userPrincipalName under the name that Entra's own
	// mappings use for it.
	original = "originalUserPrincipalName"
	// extensions holds the directory extensions, whose names begin with
	// extensionPrefix.
	extensions      = "extensions"
	extensionPrefix = "extension_"
)

// userFields are the fields of a user record (v1.0 reference, user). Properties
// that Graph keeps outside the directory, such as skills, are left out on
// purpose: delta queries do not tell of them.
func userFields() []identity.Field {
	fields := []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "userPrincipalName", Type: identity.String, Always: true},
		{Path: "accountEnabled", Type: identity.Bool, Always: true},
	}
	for _, name := range []string{
		"displayName", "givenName", "surname", "mail", "mailNickname", "jobTitle", "department", "companyName",
		"employeeId", "employeeType", "employeeHireDate", "officeLocation", "streetAddress", "city", "state", "postalCode",
		"country", "usageLocation", "preferredLanguage", "mobilePhone", "faxNumber", "userType", "externalUserState",
		"createdDateTime", "onPremisesSamAccountName", "onPremisesUserPrincipalName", "onPremisesDomainName",
		"onPremisesDistinguishedName", "onPremisesImmutableId", "onPremisesSecurityIdentifier", original,
	} {
		fields = append(fields, identity.Field{Path: name, Type: identity.String})
	}
	fields = append(fields,
		identity.Field{Path: "onPremisesSyncEnabled", Type: identity.Bool},
		identity.Field{Path: "businessPhones", Type: identity.Strings},
		identity.Field{Path: "otherMails", Type: identity.Strings},
		identity.Field{Path: "proxyAddresses", Type: identity.Strings},
		identity.Field{Path: "employeeOrgData", Type: identity.Object},
		identity.Field{Path: "employeeOrgData.division", Type: identity.String},
		identity.Field{Path: "employeeOrgData.costCenter", Type: identity.String},
		identity.Field{Path: "onPremisesExtensionAttributes", Type: identity.Object},
	)
	for n := 1; n <= 15; n++ {
		fields = append(fields, identity.Field{Path: fmt.Sprintf("onPremisesExtensionAttributes.extensionAttribute%d", n), Type: identity.String})
	}
	return append(fields, identity.Field{Path: extensions, Type: identity.Object, Open: true})
}

// groupFields are the fields of a group record (v1.0 reference, group).
func groupFields() []identity.Field {
	fields := []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "displayName", Type: identity.String, Always: true},
	}
	for _, name := range []string{
		"description", "mail", "mailNickname", "visibility", "classification", "membershipRule", "createdDateTime",
		"onPremisesSamAccountName", "onPremisesDomainName", "onPremisesSecurityIdentifier",
	} {
		fields = append(fields, identity.Field{Path: name, Type: identity.String})
	}
	return append(fields,
		identity.Field{Path: "securityEnabled", Type: identity.Bool},
		identity.Field{Path: "mailEnabled", Type: identity.Bool},
		identity.Field{Path: "onPremisesSyncEnabled", Type: identity.Bool},
		identity.Field{Path: "isAssignableToRole", Type: identity.Bool},
		identity.Field{Path: "groupTypes", Type: identity.Strings},
		identity.Field{Path: extensions, Type: identity.Object, Open: true},
	)
}
