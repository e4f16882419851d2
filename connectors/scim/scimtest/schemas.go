package scimtest

import "github.com/scimsync/scimsync/identity"

func text(name string) *attribute {
	return &attribute{name: name, kind: typeString, mutability: readWrite}
}

func boolean(name string) *attribute {
	return &attribute{name: name, kind: typeBoolean, mutability: readWrite}
}

func object(name string, sub ...*attribute) *attribute {
	return &attribute{name: name, kind: typeComplex, mutability: readWrite, sub: sub}
}

// plural is the usual multi-valued attribute of RFC 7643, section 2.4.
func plural(name string, value *attribute, types ...string) *attribute {
	kind := text("type")
	kind.canonical = types
	a := object(name, value, text("display"), kind, boolean("primary"))
	a.multi = true
	return a
}

func reference(name string, targets ...string) *attribute {
	return &attribute{name: name, kind: typeReference, mutability: readWrite, caseExact: true, references: targets}
}

func (a *attribute) as(m mutability) *attribute {
	a.mutability = m
	return a
}

// commonAttributes are those every resource has (RFC 7643, section 3.1). They
// are no part of a schema's own list.
func commonAttributes() []*attribute {
	id := text("id").as(readOnly)
	id.caseExact, id.always, id.unique = true, true, true
	external := text("externalId")
	external.caseExact = true
	schemas := reference("schemas", "uri")
	schemas.multi, schemas.always = true, true
	resource := text("resourceType").as(readOnly)
	resource.caseExact = true
	version := text("version").as(readOnly)
	version.caseExact = true
	meta := object("meta",
		resource,
		&attribute{name: "created", kind: typeDateTime, mutability: readOnly},
		&attribute{name: "lastModified", kind: typeDateTime, mutability: readOnly},
		reference("location", "uri").as(readOnly),
		version,
	).as(readOnly)
	return []*attribute{schemas, id, external, meta}
}

// userType is RFC 7643, section 4.1, with the enterprise extension of 4.3.
func userType() *resourceType {
	userName := text("userName")
	userName.required, userName.unique = true, true
	groups := object("groups",
		text("value").as(readOnly),
		reference("$ref", "User", "Group").as(readOnly),
		text("display").as(readOnly),
		text("type").as(readOnly),
	).as(readOnly)
	groups.multi = true
	groups.sub[0].caseExact = true
	addressType := text("type")
	addressType.canonical = []string{"work", "home", "other"}
	addresses := object("addresses", text("formatted"), text("streetAddress"), text("locality"), text("region"),
		text("postalCode"), text("country"), addressType, boolean("primary"))
	addresses.multi = true
	certificate := &attribute{name: "value", kind: typeBinary, mutability: readWrite, caseExact: true}
	core := &schema{
		urn: urnUser, name: "User", description: "User account",
		attributes: []*attribute{
			userName,
			object("name", text("formatted"), text("familyName"), text("givenName"), text("middleName"),
				text("honorificPrefix"), text("honorificSuffix")),
			text("displayName"),
			text("nickName"),
			reference("profileUrl", "external"),
			text("title"),
			text("userType"),
			text("preferredLanguage"),
			text("locale"),
			text("timezone"),
			boolean("active"),
			text("password").as(writeOnly),
			plural("emails", text("value"), "work", "home", "other"),
			plural("phoneNumbers", text("value"), "work", "home", "mobile", "fax", "pager", "other"),
			plural("ims", text("value")),
			plural("photos", reference("value", "external"), "photo", "thumbnail"),
			addresses,
			groups,
			plural("entitlements", text("value")),
			plural("roles", text("value")),
			plural("x509Certificates", certificate),
		},
	}
	managerValue := text("value")
	managerValue.caseExact = true
	enterprise := &schema{
		urn: urnEnterprise, name: "EnterpriseUser", description: "Enterprise user",
		attributes: []*attribute{
			text("employeeNumber"), text("costCenter"), text("organization"), text("division"), text("department"),
			object("manager", managerValue, reference("$ref", "User"), text("displayName").as(readOnly)),
		},
	}
	return &resourceType{
		kind: identity.User, name: "User", plural: "Users", naming: "userName",
		core: core, extensions: []*schema{enterprise}, common: commonAttributes(),
	}
}

// groupType is RFC 7643, section 4.2.
func groupType() *resourceType {
	displayName := text("displayName")
	displayName.required = true
	value := text("value").as(immutable)
	value.caseExact = true
	kind := text("type").as(immutable)
	kind.canonical = []string{"User", "Group"}
	members := object("members", value, reference("$ref", "User", "Group").as(immutable), kind, text("display").as(readOnly))
	members.multi = true
	return &resourceType{
		kind: identity.Group, name: "Group", plural: "Groups", naming: "displayName",
		core:   &schema{urn: urnGroup, name: "Group", description: "Group", attributes: []*attribute{displayName, members}},
		common: commonAttributes(),
	}
}
