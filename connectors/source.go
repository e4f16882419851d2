package connectors

import (
	"context"
	"iter"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Source reads users, groups and memberships of one directory.
type Source interface {
	// Info asks the directory who we are and what we may do there. It fails
	// with class Unauthorized when the credential is refused.
	Info(ctx context.Context) (SourceInfo, error)

	// Read yields what q asks for. An error ends the sequence and is its last
	// element; a sequence that ends without an error ends in a Checkpoint.
	// Stopping early is allowed and leaks nothing. Events arrive in any
	// order, except that Link events of a group come before the Links that
	// closes it. A read may yield the same object twice; the later one counts.
	Read(ctx context.Context, q Query) iter.Seq2[Event, error]
}

// SourceInfo is what a source can do with the credential it was given.
type SourceInfo struct {
	// Identity names the directory and the credential in words, without any
	// secret: "Okta org acme.okta.com as API token".
	Identity string
	// Delta says that Query.From will be honoured; DeltaReason says in words
	// why it will not.
	Delta       bool
	DeltaReason string
	// CredentialExpiry is zero where the vendor does not tell.
	CredentialExpiry time.Time
	// Notes say what a person setting the source up should know: what can
	// be read, and what will not work and why.
	Notes []string
}

// Cursor is a source's own bookmark for a delta read. Empty means none.
type Cursor string

// Query says what to read.
type Query struct {
	// Kinds are the kinds wanted. A source may yield others too.
	Kinds []identity.Kind
	// Links asks for the memberships of the groups.
	Links bool
	// From asks for what changed since that cursor; empty asks for all. A
	// cursor the vendor has dropped fails with class Expired.
	From Cursor
	// Only restricts the read to these objects (and, with Links, the
	// memberships of those groups). An object that does not exist yields
	// Gone with its key's id; a name that nobody has yields nothing. The
	// Checkpoint has Full empty.
	Only []Key
	// Fields are the record fields wanted per kind, as dotted paths; a nil
	// map, or a kind that is missing from it, wants all. The fields a source
	// declares as always present come in any case.
	Fields map[identity.Kind][]string
	// Known returns the version of a group whose links are mirrored
	// completely, so that the source may answer Links{State: Unchanged}
	// instead of reading its members again. Nil knows nothing. It is called
	// from one goroutine at a time.
	Known func(identity.Ref) (version string, ok bool)
}

// Key names one object for Query.Only: by id, or by the name the source looks
// users (login, userPrincipalName) or groups (name) up by.
type Key struct {
	Kind identity.Kind
	ID   string
	Name string
}

// Event is one of Upsert, Gone, Link, Unlink, Unreadable, Links and Checkpoint.
type Event interface{ event() }

// Upsert says that the source holds this record.
type Upsert struct{ Record identity.Record }

// Gone says that the object does not exist, or not within what this source
// reads, and why.
type Gone struct {
	Ref identity.Ref
	Why identity.Cause // CauseGone, CauseUnassigned, or CauseDisabled for a leaver whom deactivation unassigned
}

// Link says that Member belongs to Group. Member may be a user or a group.
type Link struct{ Group, Member identity.Ref }

// Unlink says, in a delta read, that Member has left Group.
type Unlink struct{ Group, Member identity.Ref }

// Unreadable says that the object exists but could not be read or understood.
// It shields the object; without an id it shields its whole kind.
type Unreadable struct {
	Ref identity.Ref
	Why string
}

// Links closes a group. With Complete, Members together with the Link events of
// this read are all members of the group (in a delta read: after applying Link
// and Unlink to what is mirrored, when Members is nil).
type Links struct {
	Group   identity.Ref
	Members []identity.Ref
	State   LinksState
	// Why says in words what made the members unknown.
	Why string
}

// LinksState says how much of a group's membership a read has seen. A group
// that was not closed at the Checkpoint is Unknown.
type LinksState string

// The states of a group's membership.
const (
	Complete  LinksState = "complete"
	Unchanged LinksState = "unchanged"
	Unknown   LinksState = "unknown"
)

// Checkpoint ends every complete read and is always its last event.
type Checkpoint struct {
	// Cursor is where the next delta read may start. A read with Only
	// returns the cursor it was given.
	Cursor Cursor
	// Full are the kinds that were read from first to last, so that what was
	// not seen is absent.
	Full []identity.Kind
}

func (Upsert) event()     {}
func (Gone) event()       {}
func (Link) event()       {}
func (Unlink) event()     {}
func (Unreadable) event() {}
func (Links) event()      {}
func (Checkpoint) event() {}
