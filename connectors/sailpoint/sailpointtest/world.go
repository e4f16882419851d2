package sailpointtest

import (
	"maps"
	"slices"
	"time"
)

// World is what a tenant holds when it starts. Ids must be unique within their
// kind, and entitlements and accounts must name a source.
type World struct {
	Sources        []Connection
	Entitlements   []Entitlement
	Accounts       []Account
	AccessProfiles []AccessProfile
}

// Connection is one source: a directory or application that SailPoint reads.
type Connection struct{ ID, Name string }

// Entitlement is one access right. Type defaults to "group", Attribute to
// "memberOf", the times to Epoch.
type Entitlement struct {
	ID          string
	SourceID    string
	Type        string // sourceSchemaObjectType
	Attribute   string // of the accounts that hold it
	Value       string // in that attribute
	Name        string
	Description string
	Privileged  bool
	Requestable bool
	Attributes  map[string]any
	Created     time.Time
	Modified    time.Time
}

// Account is one account. What entitlements it holds stands in Attributes, under
// the entitlement's attribute, as text or a list.
type Account struct {
	ID                  string
	SourceID            string
	Name                string
	NativeIdentity      string
	UUID                string
	IdentityID          string
	Disabled            bool
	Locked              bool
	Uncorrelated        bool
	SystemAccount       bool
	IsMachine           bool
	CloudLifecycleState string
	Attributes          map[string]any
	Created             time.Time
	Modified            time.Time
}

// AccessProfile is a bundle of entitlements of one source. The times default to
// Epoch.
type AccessProfile struct {
	ID, SourceID, Name string
	Description        string
	Disabled           bool
	Entitlements       []string // ids
	Created, Modified  time.Time
}

// Epoch is the time at which objects of a world were made that say no other.
func Epoch() time.Time { return time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC) }

// DirectoryID and DirectoryName are the source of Group, Person and Synthetic.
const (
	DirectoryID   = "2c9180835d191a86015d28455b4a0001"
	DirectoryName = "Active Directory"
)

// Directory is that source.
func Directory() Connection { return Connection{ID: DirectoryID, Name: DirectoryName} }

// Group returns an entitlement of the directory: a group with this DN.
func Group(id, name, dn string) Entitlement {
	return Entitlement{ID: id, SourceID: DirectoryID, Type: "group", Attribute: "memberOf", Value: dn, Name: name}
}

// Person returns an account of the directory that is a member of the groups with
// these DNs.
func Person(id, mail, first, last string, memberOf ...string) Account {
	held := make([]any, len(memberOf))
	for i, dn := range memberOf {
		held[i] = dn
	}
	return Account{
		ID: id, SourceID: DirectoryID, Name: mail, NativeIdentity: DN(first+" "+last+" "+id, "People"),
		IdentityID: "identity-" + id, CloudLifecycleState: "active",
		Attributes: map[string]any{
			"userPrincipalName": mail, "mail": mail, "givenName": first, "sn": last,
			"displayName": first + " " + last, "memberOf": held,
		},
	}
}

// Profile returns an access profile of the directory.
func Profile(id, name string, entitlements ...string) AccessProfile {
	return AccessProfile{ID: id, SourceID: DirectoryID, Name: name, Entitlements: entitlements}
}

func (e Entitlement) clone() Entitlement {
	e.Attributes = maps.Clone(e.Attributes)
	return e
}

func (a Account) clone() Account {
	a.Attributes = maps.Clone(a.Attributes)
	for name, value := range a.Attributes {
		if list, ok := value.([]any); ok {
			a.Attributes[name] = slices.Clone(list)
		}
	}
	return a
}
