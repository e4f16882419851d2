package mapping

import (
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// attributeKind is what RFC 7643 says about the value an attribute takes.
type attributeKind int

const (
	kindUnknown  attributeKind = iota // an extension's or a server's own
	kindText                          // one text
	kindLine                          // one text without line breaks
	kindBool                          // true or false
	kindComplex                       // has sub-attributes and no value of its own
	kindReadOnly                      // the server's alone
)

// schema is what is known about one resource type or extension: attributes in
// their proper spelling, and what they take.
type schema struct {
	attributes map[string]attribute // by name in lower case
}

type attribute struct {
	name string
	kind attributeKind
	subs map[string]attribute
}

const (
	coreUser   = "urn:ietf:params:scim:schemas:core:2.0:User"
	coreGroup  = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// attributeBook is what RFC 7643 defines for users, groups and the enterprise
// extension (sections 3.1, 4.1, 4.2 and 4.3).
type attributeBook struct {
	core       map[identity.Kind]schema
	enterprise schema
}

func newAttributeBook() attributeBook {
	texts := func(names ...string) []attribute {
		all := make([]attribute, len(names))
		for i, name := range names {
			all[i] = attribute{name: name, kind: kindText}
		}
		return all
	}
	complexOf := func(name string, subs ...attribute) attribute {
		return attribute{name: name, kind: kindComplex, subs: byName(subs)}
	}
	// The sub-attributes that every multi-valued attribute may have
	// (RFC 7643, section 2.4).
	multi := append(texts("value", "display", "type", "$ref"), attribute{name: "primary", kind: kindBool})
	common := []attribute{
		{name: "id", kind: kindReadOnly},
		{name: "meta", kind: kindReadOnly},
		{name: "schemas", kind: kindReadOnly},
		{name: "externalId", kind: kindText},
	}
	user := append([]attribute{
		{name: "userName", kind: kindLine},
		{name: "displayName", kind: kindLine},
		{name: "active", kind: kindBool},
		{name: "groups", kind: kindReadOnly},
		complexOf("name", texts("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")...),
		complexOf("emails", multi...), complexOf("phoneNumbers", multi...), complexOf("ims", multi...), complexOf("photos", multi...),
		complexOf("entitlements", multi...), complexOf("roles", multi...), complexOf("x509Certificates", multi...),
		complexOf("addresses", append(texts("formatted", "streetAddress", "locality", "region", "postalCode", "country"), multi...)...),
	}, common...)
	user = append(user, texts("nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone", "password")...)
	group := append([]attribute{
		{name: "displayName", kind: kindLine},
		{name: "members", kind: kindReadOnly},
	}, common...)
	enterpriseUser := append(texts("employeeNumber", "costCenter", "organization", "division", "department"),
		attribute{name: "manager", subs: byName(texts("value", "$ref", "displayName"))})
	return attributeBook{
		core: map[identity.Kind]schema{
			identity.User:  {attributes: byName(user)},
			identity.Group: {attributes: byName(group)},
		},
		enterprise: schema{attributes: byName(enterpriseUser)},
	}
}

func byName(list []attribute) map[string]attribute {
	m := make(map[string]attribute, len(list))
	for _, a := range list {
		m[strings.ToLower(a.name)] = a
	}
	return m
}

// canonical returns the path in the spelling of RFC 7643 and what it takes.
// Attribute names do not depend on case (section 2.1), and the schema URN of a
// core attribute may be left out (RFC 7644, section 3.10), so that one
// attribute has one name everywhere else.
func (b attributeBook) canonical(kind identity.Kind, p identity.Path) (identity.Path, attributeKind) {
	known := b.core[kind]
	switch {
	case strings.EqualFold(p.Schema, enterprise):
		p.Schema, known = enterprise, b.enterprise
	case kind == identity.User && strings.EqualFold(p.Schema, coreUser), kind == identity.Group && strings.EqualFold(p.Schema, coreGroup):
		p.Schema = ""
	case p.Schema != "":
		return p, kindUnknown
	}
	a, ok := known.attributes[strings.ToLower(p.Attribute)]
	if !ok {
		return p, kindUnknown
	}
	p.Attribute = a.name
	if f, ok := a.subs[strings.ToLower(p.Filter.Attribute)]; ok {
		p.Filter.Attribute = f.name
	}
	if a.kind == kindReadOnly || p.Sub == "" {
		return p, a.kind
	}
	sub, ok := a.subs[strings.ToLower(p.Sub)]
	if !ok {
		return p, kindUnknown
	}
	p.Sub = sub.name
	return p, sub.kind
}

// example shows how an attribute that has sub-attributes is mapped.
func example(p identity.Path) string {
	if p.Attribute == "name" {
		return "name.givenName"
	}
	return p.Attribute + `[type eq "work"].value`
}
