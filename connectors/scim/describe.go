package scim

import (
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// describe puts the profile together from what is known about the product and
// what discovery said.
func (s *session) describe(address string, limits connectors.Limits) {
	p := s.product
	out := connectors.Profile{
		Name:    p.Name,
		Product: p.Product,
		URL:     address,
		Users:   s.facts.Users.or(true),
		Groups:  or(p.Groups, s.facts.Groups.or(true)),
		Members: connectors.MembersReadable,

		Active:       or(p.Active, true),
		Delete:       connectors.DeleteRemoves,
		RenameUsers:  or(p.RenameUsers, true),
		RenameGroups: or(p.RenameGroups, true),
		Listable:     or(p.Listable, true),

		Required:        byKind(p.Required),
		Dropped:         byKind(p.Dropped),
		Immutable:       byKind(p.Immutable),
		CaseInsensitive: byKind(p.CaseInsensitive),
		LowerCase:       byKind(p.LowerCase),

		Limits: limits,
	}
	if p.Members.Access != "" {
		out.Members = p.Members.Access
	}
	if !out.Groups {
		out.Members = connectors.MembersNone
	}
	if p.Delete != "" {
		out.Delete = p.Delete
	}
	switch p.Write {
	case putWrites:
		out.ReplaceOnly = true
	case patchWrites:
	default:
		out.ReplaceOnly = s.facts.Patch == no
	}
	out.Notes = s.notes(out)
	s.profile = out
}

// notes says in words what a person should know before the first run.
func (s *session) notes(p connectors.Profile) []string {
	notes := append([]string{}, s.product.Notes...)
	if s.dialect.note != "" {
		notes = append(notes, s.dialect.note)
	}
	if !p.Groups {
		notes = append(notes, "the target has no groups: set groups: off")
	}
	if !p.Active {
		notes = append(notes, "users have no attribute active: leavers can be deleted or kept, not deactivated")
	}
	if p.ReplaceOnly {
		notes = append(notes, "the target has no PATCH: every write reads the object and replaces it whole")
	}
	switch {
	case p.Members == connectors.MembersBlind && p.ReplaceOnly:
		notes = append(notes, "members cannot be read and every write replaces the whole group: set members: off, memberships are refused")
	case p.Members == connectors.MembersBlind:
		notes = append(notes, "members cannot be read: memberships are kept in the ledger and asserted again")
	}
	if s.dialect.removal == removeByList && p.Groups {
		notes = append(notes, fmt.Sprintf(
			"dialect %s removes a member with a list of values, as Entra does; a target that follows RFC 7644 strictly empties the group instead",
			s.dialect.name))
	}
	for _, k := range identity.Kinds() {
		if paths := p.Immutable[k]; len(paths) > 0 {
			notes = append(notes, fmt.Sprintf("attributes of %s that stay as created: %v", k.Plural(), paths))
		}
	}
	if s.passwordHint != "" {
		notes = append(notes, s.passwordHint)
	}
	return notes
}
