// Package plan is the arithmetic of a sync: what to do about one object, in
// which order, and what a guard says of the whole; and the plan as a value that
// can be saved, read and compared.
//
// It is pure. It has no context, clock, log or network: what it must know comes
// in as arguments, and the same input gives the same bytes. It does not send
// anything (agent/apply does), nor print (agent/render does).
package plan

import (
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// Plan is what one sync would change, and why.
type Plan struct {
	Sync string
	ID   string
	// Created is an RFC 3339 time in UTC.
	Created string
	// Target is the address of the target, without credentials.
	Target     string
	ConfigHash string
	Cycle      Cycle
	// Run is set once the plan is being applied, and Outcomes counts what
	// became of its changes when it ends.
	Run      string
	Outcomes Outcomes

	// Steps yields every step in write order, held ones included. It may be
	// iterated again and again.
	Steps iter.Seq2[Step, error]
	// Skipped are objects that policy leaves alone or that could not be
	// decided or mapped, by kind and source id.
	Skipped []Skipped
	Guard   Guard
	Summary Summary
	// Notes are sentences a reader should see beside the plan.
	Notes []string
	// Requests estimates the requests of the plan; Seconds how long they take,
	// 0 where that is unknown, and Basis what that follows from.
	Requests int
	Seconds  float64
	Basis    Basis
	Digest   string
}

// Basis is what the estimated time of a plan follows from: a rate that is known
// or was learned, or how fast the target answers.
type Basis string

// The bases.
const (
	KnownRate   Basis = "known rate"
	LearnedRate Basis = "learned rate"
	Latency     Basis = "latency"
)

// Cycle says how the source and target were read.
type Cycle string

// The cycles.
const (
	Full  Cycle = "full"
	Delta Cycle = "delta"
)

// Step is one change in its place in the order, and what became of it.
type Step struct {
	// Seq is unique within the plan and grows in write order.
	Seq   int64
	Place Place
	identity.Change
	// Held names the guard rule that keeps the change back; empty: it goes.
	Held Rule
	// Facts the guards judge by.
	Evidence Evidence
	// Outcome is empty until the change was tried.
	Outcome Outcome
	Error   string
}

// Weight counts the step as guards and people do: memberships one by one.
func (s Step) Weight() int {
	if s.Op == identity.AddMembers || s.Op == identity.RemoveMembers {
		return len(s.Members)
	}
	return 1
}

// Evidence is what the guards need to know of a change beyond the change.
type Evidence struct {
	// ByConfiguration: the source object is as it was; only the
	// configuration has changed since the last complete cycle.
	ByConfiguration bool
}

// Outcome says what became of a change.
type Outcome string

// The outcomes. NotTried: held back, dependent on a failure, or the run ended
// before its turn.
const (
	Applied    Outcome = "applied"
	Unverified Outcome = "unverified"
	NotKept    Outcome = "not_kept"
	Failed     Outcome = "failed"
	NotTried   Outcome = "not_tried"
)

// Outcomes counts the steps of a run by what became of them.
type Outcomes struct{ Applied, Unverified, NotKept, Failed, NotTried int }

// Count adds one step.
func (o *Outcomes) Count(outcome Outcome) {
	switch outcome {
	case Applied:
		o.Applied++
	case Unverified:
		o.Unverified++
	case NotKept:
		o.NotKept++
	case Failed:
		o.Failed++
	case NotTried:
		o.NotTried++
	}
}

// Skipped is an object nothing is done about.
type Skipped struct {
	Ref  identity.Ref
	Name string
	Why  string
	// Undecided says that scimsync could not decide or map it, so that the
	// run is partial; otherwise policy says to leave it.
	Undecided bool
	// Policy is the value of matching.existing that leaves alone what exists
	// at the target: notify, skip or report. It is empty for other reasons.
	Policy string
	// TargetID is what exists there, where Policy says something.
	TargetID string
}

// Summary counts a plan.
type Summary struct {
	Users       Counts           `json:"users"`
	Groups      Counts           `json:"groups"`
	Memberships MembershipCounts `json:"memberships"`
	// Held counts what guards keep back, memberships one by one: the number
	// --allow-removals wants.
	Held int `json:"held"`
}

// Counts counts the objects of one kind.
type Counts struct {
	Create     int `json:"create"`
	Adopt      int `json:"adopt"`
	Update     int `json:"update"`
	Reactivate int `json:"reactivate"`
	Deactivate int `json:"deactivate"`
	Delete     int `json:"delete"`
	Unchanged  int `json:"unchanged"`
	Skipped    int `json:"skipped"`
}

// MembershipCounts counts members, not requests.
type MembershipCounts struct {
	Add    int `json:"add"`
	Remove int `json:"remove"`
}

// Of returns the counts of a kind.
func (s *Summary) Of(k identity.Kind) *Counts {
	if k == identity.Group {
		return &s.Groups
	}
	return &s.Users
}

// Add counts one change.
func (s *Summary) Add(c identity.Change) {
	counts := s.Of(c.Ref.Kind)
	switch c.Op {
	case identity.Create:
		counts.Create++
		s.Memberships.Add += len(c.Members)
	case identity.Adopt:
		counts.Adopt++
	case identity.Update:
		counts.Update++
	case identity.Reactivate:
		counts.Reactivate++
	case identity.Deactivate:
		counts.Deactivate++
	case identity.Delete:
		counts.Delete++
	case identity.AddMembers:
		s.Memberships.Add += len(c.Members)
	case identity.RemoveMembers:
		s.Memberships.Remove += len(c.Members)
	case identity.Release:
	}
}

// Changes returns how many changes the summary counts, memberships one by one.
func (s Summary) Changes() int {
	total := s.Memberships.Add + s.Memberships.Remove
	for _, c := range [...]Counts{s.Users, s.Groups} {
		total += c.Create + c.Adopt + c.Update + c.Reactivate + c.Deactivate + c.Delete
	}
	return total
}

// Of returns a re-iterable sequence over steps in memory.
func Of(steps []Step) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		for _, s := range steps {
			if !yield(s, nil) {
				return
			}
		}
	}
}
