package scimtest

import (
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// The schema URNs of RFC 7643, section 10.3, and the messages of RFC 7644,
// section 8.2.
const (
	urnUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnGroup      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	urnEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

	urnList   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	urnSearch = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	urnPatch  = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	urnError  = "urn:ietf:params:scim:api:messages:2.0:Error"

	urnConfig       = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	urnResourceType = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	urnSchema       = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// attributeType is a data type of RFC 7643, section 2.3.
type attributeType string

const (
	typeString    attributeType = "string"
	typeBoolean   attributeType = "boolean"
	typeDateTime  attributeType = "dateTime"
	typeBinary    attributeType = "binary"
	typeReference attributeType = "reference"
	typeComplex   attributeType = "complex"
)

// mutability of RFC 7643, section 7.
type mutability string

const (
	readWrite mutability = "readWrite"
	readOnly  mutability = "readOnly"
	immutable mutability = "immutable"
	writeOnly mutability = "writeOnly"
)

// attribute is one attribute definition (RFC 7643, section 7).
type attribute struct {
	name       string
	kind       attributeType
	multi      bool
	required   bool
	caseExact  bool
	mutability mutability
	always     bool // returned "always"
	unique     bool // uniqueness "server"
	canonical  []string
	references []string
	sub        []*attribute
}

func (a *attribute) subNamed(name string) *attribute { return named(a.sub, name) }

// schema is a core schema or an extension.
type schema struct {
	urn, name, description string
	attributes             []*attribute
}

// resourceType is User or Group (RFC 7643, section 6).
type resourceType struct {
	kind       identity.Kind
	name       string // User
	plural     string // Users, also the endpoint
	naming     string // the attribute a resource is known by
	core       *schema
	extensions []*schema
	common     []*attribute // schemas, id, externalId, meta
}

// named finds an attribute; names compare case-insensitively (RFC 7643,
// section 2.1).
func named(list []*attribute, name string) *attribute {
	for _, a := range list {
		if strings.EqualFold(a.name, name) {
			return a
		}
	}
	return nil
}

// coreNamed finds a core or common attribute.
func (t *resourceType) coreNamed(name string) *attribute {
	if a := named(t.core.attributes, name); a != nil {
		return a
	}
	return named(t.common, name)
}

func (t *resourceType) extension(urn string) *schema {
	for _, e := range t.extensions {
		if strings.EqualFold(e.urn, urn) {
			return e
		}
	}
	return nil
}

// splitURN takes a known schema URN off the front of an attribute name. The
// extension is nil for the core schema. A name that is the URN of an extension
// alone leaves an empty rest; false means a URN nobody knows.
func (t *resourceType) splitURN(text string) (*schema, string, bool) {
	if len(text) < 4 || !strings.EqualFold(text[:4], "urn:") {
		return nil, text, true
	}
	if rest, found := cutFold(text, t.core.urn+":"); found {
		return nil, rest, rest != ""
	}
	for _, e := range t.extensions {
		if strings.EqualFold(text, e.urn) {
			return e, "", true
		}
		if rest, found := cutFold(text, e.urn+":"); found {
			return e, rest, rest != ""
		}
	}
	return nil, "", false
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// attributePath is an attribute a client named, resolved against the schema.
type attributePath struct {
	extension *schema
	attr      *attribute // nil: the extension as a whole
	sub       *attribute
}

// resolve reads [URN:]attribute[.sub].
func (t *resourceType) resolve(text string) (attributePath, bool) {
	extension, rest, ok := t.splitURN(text)
	if !ok {
		return attributePath{}, false
	}
	if rest == "" {
		return attributePath{extension: extension}, extension != nil
	}
	name, subName, dotted := strings.Cut(rest, ".")
	p := attributePath{extension: extension}
	if extension != nil {
		p.attr = named(extension.attributes, name)
	} else {
		p.attr = t.coreNamed(name)
	}
	if p.attr == nil {
		return attributePath{}, false
	}
	if dotted {
		if p.sub = p.attr.subNamed(subName); p.sub == nil {
			return attributePath{}, false
		}
	}
	return p, true
}

// String returns the canonical spelling.
func (p attributePath) String() string {
	var b strings.Builder
	if p.extension != nil {
		b.WriteString(p.extension.urn)
		if p.attr == nil {
			return b.String()
		}
		b.WriteByte(':')
	}
	b.WriteString(p.attr.name)
	if p.sub != nil {
		b.WriteString("." + p.sub.name)
	}
	return b.String()
}
