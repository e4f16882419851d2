package connectortest

import (
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// World is a small directory in no vendor's words. The test of a source turns
// it into its fake.
type World struct {
	Users  []User
	Groups []Group
}

// User is one person of a World.
type User struct {
	ID       string // the immutable id; a fake uses it as it is
	UserName string
	Given    string
	Family   string
	Email    string
	Active   bool
}

// Group is one group of a World.
type Group struct {
	ID      string
	Name    string
	Members []string // ids of users
	Nested  []string // ids of groups within this one; only in the case "nested groups"
}

// Refs returns the members of the group, users before groups.
func (g Group) Refs() []identity.Ref {
	refs := make([]identity.Ref, 0, len(g.Members)+len(g.Nested))
	for _, id := range g.Members {
		refs = append(refs, identity.Ref{Kind: identity.User, ID: id})
	}
	for _, id := range g.Nested {
		refs = append(refs, identity.Ref{Kind: identity.Group, ID: id})
	}
	return refs
}

// Clone returns a copy that shares nothing with w.
func (w World) Clone() World {
	out := World{Users: slices.Clone(w.Users), Groups: slices.Clone(w.Groups)}
	for i, g := range out.Groups {
		out.Groups[i].Members = slices.Clone(g.Members)
		out.Groups[i].Nested = slices.Clone(g.Nested)
	}
	return out
}

// User returns the user with the id, and false where there is none.
func (w World) User(id string) (User, bool) {
	i := slices.IndexFunc(w.Users, func(u User) bool { return u.ID == id })
	if i < 0 {
		return User{}, false
	}
	return w.Users[i], true
}

// Group returns the group with the id, and false where there is none.
func (w World) Group(id string) (Group, bool) {
	i := slices.IndexFunc(w.Groups, func(g Group) bool { return g.ID == id })
	if i < 0 {
		return Group{}, false
	}
	return w.Groups[i], true
}
