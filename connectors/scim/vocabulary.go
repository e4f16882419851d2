package scim

import (
	"strings"
)

// isProtocol reports the attributes that belong to the protocol rather than to
// the person: they are never attribute values.
func isProtocol(key string) bool {
	switch strings.ToLower(key) {
	case "id", "schemas", "meta", "members", "groups", "password":
		return true
	}
	return false
}

// isComplexList reports the multi-valued core attributes whose elements are
// objects with a value (RFC 7643, section 4.1.2): a plain list of strings is
// written as such objects.
func isComplexList(name string) bool {
	switch name {
	case "emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates":
		return true
	}
	return false
}

// hasWork reports the attributes whose lone untyped element counts as work.
func hasWork(name string) bool {
	switch name {
	case "emails", "phoneNumbers", "addresses":
		return true
	}
	return false
}

// canonicalName returns the spelling of RFC 7643 for a name that a server wrote
// in another case (section 2.1); unknown names stay.
func canonicalName(key string) string {
	for _, name := range [...]string{
		"userName", "externalId", "displayName", "nickName", "profileUrl", "title", "userType",
		"preferredLanguage", "locale", "timezone", "active", "name", "emails", "phoneNumbers", "ims",
		"photos", "addresses", "entitlements", "roles", "x509Certificates",
		"formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix",
		"value", "display", "type", "primary", "$ref",
		"streetAddress", "locality", "region", "postalCode", "country",
		"employeeNumber", "costCenter", "organization", "division", "department", "manager",
	} {
		if len(name) == len(key) && strings.EqualFold(name, key) {
			return name
		}
	}
	return key
}

// canonicalType returns the lower-case spelling of the types RFC 7643, section
// 4.1.2, lists; others stay as they are.
func canonicalType(t string) string {
	for _, name := range [...]string{"work", "home", "other", "mobile", "fax", "pager", "photo", "thumbnail"} {
		if strings.EqualFold(name, t) {
			return name
		}
	}
	return t
}

// canonicalURN returns the spelling of RFC 7643 for the enterprise extension;
// others stay as they are.
func canonicalURN(urn string) string {
	if strings.EqualFold(urn, enterpriseSchema) {
		return enterpriseSchema
	}
	return urn
}
