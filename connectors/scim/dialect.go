package scim

import "strings"

// dialect is the shape of requests one identity provider sends, for targets
// that were told to expect it. The shapes follow the vendors' public SCIM
// references: Okta's for integrations of its network, Microsoft's for Entra
// with and without the aadOptscim062020 flag.
type dialect struct {
	name string
	// note says what a person should know about the shape; empty: nothing.
	note string

	// capitalOps writes Add, Replace and Remove, which RFC 7644 spells in
	// lower case.
	capitalOps bool
	// users is how attributes of a user are changed.
	users writeMethod
	// active is the form of the lifecycle request.
	active activeForm
	// attributes is the form of an attribute change by PATCH.
	attributes attributeForm
	// rename is the form of a change of a group's attributes by PATCH.
	rename attributeForm
	// removal is the form in which a member is taken away.
	removal removalForm
	// addition is the form in which members are given.
	addition additionForm

	// userExtra and groupExtra are always part of a create.
	userExtra, groupExtra createExtra
	// membersInPost says that a created group brings its members.
	membersInPost bool
	// lookup is the form of a look-up by filter.
	lookup lookupForm
}

// activeForm is how active is written.
type activeForm int

const (
	activeByPath   activeForm = iota // {op, path: active, value: false}
	activeByString                   // {op, path: active, value: "False"}
	activeInObject                   // {op, value: {active: false}}
)

// attributeForm is how attributes are written in a PATCH.
type attributeForm int

const (
	byPath       attributeForm = iota // one operation per attribute
	dottedObject                      // filtered paths as operations, the rest in one path-less replace with dotted keys
	objectWithID                      // one path-less replace that repeats the id
)

// removalForm is how a member is taken away.
type removalForm int

const (
	removeByFilter removalForm = iota // {op: remove, path: members[value eq "id"]}
	// removeByList is {op: Remove, path: members, value: [{value: id}]}. By
	// RFC 7644, section 3.5.2.2, a remove has no value and this empties the
	// group: it goes to targets told to expect Entra only.
	removeByList
)

// additionForm is how a member is named in an add.
type additionForm int

const (
	memberValue   additionForm = iota // {value}
	memberNullRef                     // {$ref: null, value}
)

// createExtra is what a create carries besides the attributes.
type createExtra struct {
	schemas []string
	empty   []string // attributes sent as empty lists
}

// lookupForm is how a look-up by filter is asked.
type lookupForm int

const (
	lookupFilter lookupForm = iota // filter only; startIndex and count from the second page on
	lookupPaged                    // filter, startIndex and count
	lookupEntra                    // filter only, with the attribute path as Entra writes it
)

// Schema URNs of RFC 7643 and RFC 7644.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	searchSchema     = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	errorSchema      = "urn:ietf:params:scim:api:messages:2.0:Error"
	// adGroupSchema is the extra schema Entra's groups carry.
	adGroupSchema = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
)

const defaultDialect = "rfc"

// dialectNames returns the names in the order the documentation lists them.
func dialectNames() []string {
	return []string{"rfc", "okta", "entra", "entra_2020", "sailpoint", "pingfederate", "one_identity"}
}

// newDialect returns the dialect of that name; an unknown one is rfc, which
// Validate has ruled out.
func newDialect(name string) dialect {
	d := dialect{
		name: name, users: patchWrites, active: activeByPath, attributes: byPath, rename: byPath,
		removal: removeByFilter, addition: memberValue, membersInPost: true, lookup: lookupPaged,
	}
	switch name {
	case "okta":
		d.users = putWrites
		d.active = activeInObject
		d.rename = objectWithID
		d.userExtra = createExtra{empty: []string{"groups"}}
		d.groupExtra = createExtra{empty: []string{"members"}}
		d.membersInPost = false
	case "entra":
		d.capitalOps = true
		d.active = activeByString
		d.removal = removeByList
		d.addition = memberNullRef
		d.userExtra = createExtra{schemas: []string{enterpriseSchema}, empty: []string{"roles"}}
		d.groupExtra = createExtra{schemas: []string{adGroupSchema}}
		d.membersInPost = false
		d.lookup = lookupEntra
	case "entra_2020":
		d.attributes = dottedObject
		d.userExtra = createExtra{schemas: []string{enterpriseSchema}, empty: []string{"roles"}}
		d.groupExtra = createExtra{schemas: []string{adGroupSchema}}
		d.membersInPost = false
		d.lookup = lookupEntra
	case "sailpoint":
		d.membersInPost = false
		d.lookup = lookupFilter
		d.note = "dialect sailpoint: a group is created with its displayName only; " +
			"the shapes of SailPoint's updates are not public, those of RFC 7644 are sent"
	case "pingfederate":
		d.note = "dialect pingfederate: PingFederate's request shapes are not public; those of the dialect rfc are sent"
	case "one_identity":
		d = newDialect("okta")
		d.name = name
		d.note = "dialect one_identity: One Identity's request shapes are not public; those of the dialect okta are sent"
	}
	return d
}

// op returns the spelling of a PATCH operation.
func (d dialect) op(name string) string {
	if d.capitalOps {
		return strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}
