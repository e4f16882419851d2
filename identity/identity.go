package identity

import "fmt"

// Kind is the kind of an object: a user or a group.
type Kind string

// The two kinds scimsync provisions (RFC 7643, section 4).
const (
	User  Kind = "user"
	Group Kind = "group"
)

// Kinds returns both kinds in the order they are read and written: a group
// refers to users, so users come first.
func Kinds() []Kind { return []Kind{User, Group} }

// Plural returns "users" or "groups", the spelling of the configuration.
func (k Kind) Plural() string { return string(k) + "s" }

// Ref names an object at the source by its immutable id there. The zero Ref
// names nothing.
type Ref struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

// String returns KIND:ID, the form the command line uses.
func (r Ref) String() string { return fmt.Sprintf("%s:%s", r.Kind, r.ID) }

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Record is one object as the source holds it, before any mapping.
type Record struct {
	Ref Ref
	// Fields are the source's own names and JSON values: string, bool,
	// float64, []any, map[string]any or nil.
	Fields map[string]any
	// Version changes when the object or, for a group, its membership may
	// have changed. Empty means unknown: compare the content.
	Version string
	// Partial says that Fields hold at least what changed; a merge with the
	// last complete record makes the whole. A field present with nil was
	// cleared.
	Partial bool
}

// Entry is one object as a target should hold it (desired) or holds it (live).
type Entry struct {
	// Ref is the source object; zero in a live entry.
	Ref Ref `json:"ref,omitzero"`
	// TargetID is the target's id; empty in a desired entry.
	TargetID string  `json:"target_id,omitempty"`
	Attrs    Attrs   `json:"attrs"`
	Members  Members `json:"members,omitzero"`
}

// Members are the members of a group entry. Desired entries name members by
// source reference, live entries by target id: two fields of two types, so that
// they cannot be compared by mistake.
type Members struct {
	// Known is false where the members were not asked for or could not be
	// read. Unknown is not none: nothing may be removed on its strength.
	Known     bool     `json:"known,omitempty"`
	Refs      []Ref    `json:"refs,omitempty"`
	TargetIDs []string `json:"target_ids,omitempty"`
}

// Member is one member of a group within a Change. TargetID is empty while the
// member itself is still to be created by an earlier wave of the same plan.
type Member struct {
	Ref      Ref    `json:"ref"`
	TargetID string `json:"target_id"`
	Name     string `json:"name"`
}

// Op is what a Change does.
type Op string

// The operations of a plan. Release gives ownership up and sends no request.
const (
	Create        Op = "create"
	Adopt         Op = "adopt"
	Update        Op = "update"
	Reactivate    Op = "reactivate"
	Deactivate    Op = "deactivate"
	Delete        Op = "delete"
	AddMembers    Op = "add-members"
	RemoveMembers Op = "remove-members"
	Release       Op = "release"
)

// Removes reports whether the operation takes something away from somebody, so
// that guards count it.
func (o Op) Removes() bool {
	return o == Deactivate || o == Delete || o == RemoveMembers
}

// Cause is the machine-readable reason of a Change.
type Cause string

// The causes a Change may name.
const (
	CauseNew        Cause = "new"          // in scope at the source, absent at the target
	CauseMatched    Cause = "matched"      // an existing target object matches by key
	CauseRehire     Cause = "rehire"       // a new source object takes over its predecessor's account
	CauseChanged    Cause = "changed"      // attributes differ
	CauseReference  Cause = "reference"    // a reference could be filled in only after its object was made
	CauseDisabled   Cause = "disabled"     // the mapping makes it inactive
	CauseEnabled    Cause = "enabled"      // the mapping makes it active again
	CauseGone       Cause = "gone"         // deleted at the source
	CauseUnassigned Cause = "unassigned"   // exists, but is not assigned to the application any more
	CauseOutOfScope Cause = "out_of_scope" // exists, but a scope or include rule leaves it out
	CauseVanished   Cause = "vanished"     // owned, but no longer at the target
	CauseMembership Cause = "membership"   // memberships differ
	CauseNameSwap   Cause = "name_swap"    // parks a name for a moment so that two objects can trade
)

// Attribute is one difference of a Change: the value the target holds and the
// value it should hold. A nil Before was absent; a nil After clears.
type Attribute struct {
	Path   string `json:"path"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Change is one step of a plan for one object. It carries everything a target
// needs to perform it and everything a reader needs to judge it, and is also
// the unit of the journal. A target id appears in the object changes of one Ref
// only.
type Change struct {
	Op  Op
	Ref Ref
	// TargetID is the target's id of the object; empty for a create, and for
	// member changes of a group that the same plan creates.
	TargetID string
	// Name is the userName or displayName a reader knows the object by.
	Name string
	// Attributes are sorted by path. For a create they are the whole object.
	Attributes []Attribute
	// Members are sorted by source id: the initial members of a created
	// group, or those to add or remove.
	Members []Member
	Cause   Cause
	// Reason says in words, for a person, why.
	Reason string
}
