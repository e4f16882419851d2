package connectors

import (
	"context"
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// Target is an application that can be provisioned.
type Target interface {
	// Open asks the application what it can do, once, and returns a session.
	// It fails with class Unauthorized when the credential is refused, and
	// Unsupported when provisioning is not to be had there at all.
	Open(ctx context.Context) (Session, error)
	// Reopen returns a session that goes by what Facts of an earlier one said,
	// and asks the application nothing: neither the facts nor the credential
	// are proved. It is nil where the facts are of no use.
	Reopen(ctx context.Context, facts []byte) Session
}

// Session reads and writes one target. It is safe for concurrent use; callers
// keep at most one Apply in flight per object.
type Session interface {
	// Profile returns what discovery and configuration together say about
	// the target. It does not change during a session, except that Members
	// may turn Blind when the target is seen to hide members.
	Profile() Profile

	// Facts returns what the application said of itself when it was asked, for
	// a Reopen of a target with the same address; nil where it did not say. It
	// holds no secret.
	Facts() []byte

	// Prove makes sure that the application is there and the credential works:
	// with a question, unless an answer in this session has shown it. It fails
	// as Open does.
	Prove(ctx context.Context) error

	// List yields every object of the kind. A listing that cannot be proved
	// complete (pages that do not advance, a total that disagrees) ends in
	// an error of class Incomplete; what was yielded before is true all the
	// same. A target without the kind yields nothing and class Unsupported.
	List(ctx context.Context, k identity.Kind, w Want) iter.Seq2[identity.Entry, error]

	// Find returns the objects whose attribute equals the value; every one
	// was checked here, because servers ignore filters. None is not an error.
	Find(ctx context.Context, k identity.Kind, m Match, w Want) ([]identity.Entry, error)

	// Apply performs one change. Release is not sent here. With an error of
	// class Lost the change may or may not have happened: look before it is
	// repeated. A Result beside an error says what was achieved before it,
	// such as the id of a created group whose members were refused.
	Apply(ctx context.Context, c identity.Change) (Result, error)
}

// Want says how much of an entry is wanted.
type Want struct {
	// Members of groups; false lets a target leave them out.
	Members bool
	// Ending, where set, is called by List once nothing is left to ask for and
	// there are entries still to yield. It may not be called at all. Whoever lists
	// something else next may begin: sooner, what that shows first would be old
	// when its turn comes, and its cursor expired.
	Ending func()
}

// Match is one attribute to look an object up by. The path "id" is the target's
// own id.
type Match struct {
	Path  string
	Value string
}

// Result is what became of a change.
type Result struct {
	// Entry is the object as the target answered it; its TargetID is set
	// after every create and adopt.
	Entry  identity.Entry
	Status Status
	// Paths are the attributes the target accepted but did not keep.
	Paths []string
	// Refused are members the target would not take, one by one.
	Refused []RefusedMember
}

// RefusedMember is a member of a change that the target refused, and why.
type RefusedMember struct {
	Member identity.Member
	Why    string
}

// Status is the outcome of a change that was not refused.
type Status string

// The outcomes. Unverified: accepted, and the target cannot be read to see.
// NotKept: accepted, and the target shows that it did not do it.
const (
	Applied    Status = "applied"
	Unverified Status = "unverified"
	NotKept    Status = "not_kept"
)
