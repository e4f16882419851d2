// Package mapping turns a source record into the entry a target should hold, by
// rules compiled from the configuration. It is pure: no clock, no randomness, no
// network. Every mistake surfaces in Compile, with its place in the file.
//
// It does not know what the target keeps (that is the profile's business), nor
// whether anything changes (that is agent/plan's).
package mapping

import (
	"github.com/scimsync/scimsync/identity"
)

// Pos is a place in the configuration. The zero Pos stands for a built-in rule.
type Pos struct {
	File         string
	Line, Column int
}

// Expr is an expression and where it was written.
type Expr struct {
	Source string
	Pos    Pos
}

// When says at which writes a rule counts.
type When string

// The values of when. Create: the attribute is set on creation and never
// touched afterwards.
const (
	Always   When = "always"
	OnCreate When = "create"
)

// Empty says what an empty result means.
type Empty string

// The values of empty. Clear empties the attribute at the target; Keep leaves
// what is there.
const (
	ClearEmpty Empty = "clear"
	KeepEmpty  Empty = "keep"
)

// Rule produces one attribute.
type Rule struct {
	Path string // SCIM path
	Pos  Pos    // of the key
	// Off drops the source's default rule for the path.
	Off   bool
	Value Expr
	When  When
	Empty Empty
	// Default replaces an empty result; nil for none.
	Default any
	// Reference, when set, says that the value is the source id, or the
	// lookup name, of another object of this kind, and that the target wants
	// that object's target id.
	Reference identity.Kind
}

// Config is what a sync says about one kind.
type Config struct {
	Kind identity.Kind
	// Scope leaves out records for which it is false. Empty: all are in.
	Scope Expr
	// Include are globs (* and ?, case-insensitive) over the record's name
	// of which one must match; nil means all. For groups.
	Include []Expr
	// Rules extend and override the source's defaults by path.
	Rules []Rule
}

// Mapped is one record after mapping.
type Mapped struct {
	// InScope is false where scope or include leave the record out; Why then
	// says in words which rule did. The Entry is mapped all the same, so
	// that a leaver can be shown; it is zero where mapping fails.
	InScope bool
	Why     string
	Entry   identity.Entry
}
