package entratest

import "time"

// World is what a tenant holds when it starts. Ids must be unique; members and
// assignments that name nothing are refused by New.
type World struct {
	// Tenant is the tenant id; default DefaultTenant.
	Tenant string
	Users  []User
	Groups []Group
	Others []Other
	Apps   []App
}

// User is one person. Properties are Graph's own, by name; userPrincipalName is
// required and accountEnabled defaults to true. A nil value is a property that
// was set once and cleared; one that is missing was never set.
type User struct {
	ID         string
	Properties map[string]any
}

// Group is one group. Properties hold displayName; securityEnabled defaults to
// true. Members are ids of users, groups and others.
type Group struct {
	ID         string
	Properties map[string]any
	Members    []string
}

// Other is a directory object that can be a member of a group and is neither a
// user nor a group.
type Other struct {
	ID   string
	Type string // Device, ServicePrincipal or Contact
	Name string
}

// App is an enterprise application: a service principal and what is assigned to
// it, by id of user, group or service principal.
type App struct {
	ID       string // object id of the service principal
	AppID    string // the application (client) id
	Name     string
	Assigned []string
}

// The types of directory objects, as @odata.type names them after the namespace.
const (
	TypeUser         = "user"
	TypeGroup        = "group"
	Device           = "device"
	ServicePrincipal = "servicePrincipal"
	Contact          = "orgContact"
)

// DefaultTenant is the tenant of a World that names no other.
const DefaultTenant = "7e4a1d00-0000-4000-8000-00000000e417"

// Epoch is the time at which the objects of a world were made.
func Epoch() time.Time { return time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC) }

// Person returns an enabled user whose userPrincipalName and mail are both mail.
func Person(id, mail, given, surname string) User {
	return User{ID: id, Properties: map[string]any{
		"userPrincipalName": mail, "mail": mail, "givenName": given, "surname": surname,
		"displayName": given + " " + surname, "accountEnabled": true, "userType": "Member",
	}}
}

// Guest returns an invited guest: the name in the tenant is made of the address
// at home (learn.microsoft.com, "Properties of a Microsoft Entra B2B
// collaboration user").
func Guest(id, mail, given, surname, domain string) User {
	u := Person(id, mail, given, surname)
	name := []byte(mail)
	for i, c := range name {
		if c == '@' {
			name[i] = '_'
		}
	}
	u.Properties["userPrincipalName"] = string(name) + "#EXT#@" + domain
	u.Properties["userType"] = "Guest"
	return u
}

// Team returns a security group with the members.
func Team(id, name string, members ...string) Group {
	return Group{ID: id, Properties: map[string]any{"displayName": name}, Members: members}
}
