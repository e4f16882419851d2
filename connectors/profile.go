package connectors

import (
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Profile is what a target can do and how it keeps what it is given: data, and
// pure functions over data.
type Profile struct {
	// Name of the profile ("alation") and Product as the target calls itself.
	Name    string
	Product string
	// URL is the address of the target without credentials: what a ledger is
	// bound to.
	URL string

	// Users and Groups say which kinds the target has.
	Users, Groups bool
	// Members says how far group members can be read.
	Members MembersAccess
	// ReplaceOnly says that the target has no PATCH: every write replaces
	// the whole object. With blind Members no membership may be written.
	ReplaceOnly bool
	// Active says that users have the attribute active.
	Active bool
	// Delete says what DELETE does to a user.
	Delete DeleteEffect
	// RenameUsers and RenameGroups say that userName and displayName may
	// change after creation.
	RenameUsers, RenameGroups bool
	// Listable says that whole listings can be had. Where not, the agent
	// reads object by object.
	Listable bool

	// Required are the attributes without which the target refuses a create.
	Required map[identity.Kind][]string
	// Dropped are attributes the target is known not to keep: Normalize
	// removes them.
	Dropped map[identity.Kind][]string
	// Immutable are attributes that are set on create only.
	Immutable map[identity.Kind][]string
	// CaseInsensitive are attributes in which the target may change the
	// case, so that a difference in case only is no difference.
	CaseInsensitive map[identity.Kind][]string
	// LowerCase are attributes the target stores in lower case.
	LowerCase map[identity.Kind][]string

	Limits Limits
	// Pace is how fast the target is asked now.
	Pace Pace
	// MembersInCreate says that a created group brings its first members.
	MembersInCreate bool
	// Notes say what a person should know before the first run.
	Notes []string
}

// Limits bound the pace and size of requests. Zero means unknown.
type Limits struct {
	RequestsPerSecond float64
	// PerWindow requests may be sent in any stretch of Window.
	PerWindow int
	Window    time.Duration

	Concurrency     int
	MembersPerPatch int
	PageSize        int
}

// Pace is how fast a target is asked, as far as it is known by now.
type Pace struct {
	// PerSecond is the rate requests are held to; 0: none is known. Learned
	// says that refusals taught it, rather than a configuration, a profile or
	// the target's own headers.
	PerSecond float64
	Learned   bool
	// Latency is how long an answer takes, of the quickest kind of request so
	// far; 0: none was answered yet.
	Latency time.Duration
	// AtOnce is how many requests may be in flight, and Most how many that may
	// become while answers come as fast as ever.
	AtOnce, Most int
}

// Takes returns how long n requests take, and whether the rate decides that
// rather than the answers. It is 0 where nothing is known yet.
func (p Pace) Takes(n int) (time.Duration, bool) {
	took := p.unpaced(n)
	if p.PerSecond > 0 {
		if paced := time.Duration(float64(n) / p.PerSecond * float64(time.Second)); paced >= took {
			return paced, true
		}
	}
	return took, false
}

// unpaced returns how long n requests take by their latency alone: the number in
// flight grows by one with every round of them.
func (p Pace) unpaced(n int) time.Duration {
	rounds := 0
	for places := max(1, p.AtOnce); n > 0; rounds++ {
		n -= places
		if places < p.Most {
			places++
			continue
		}
		rounds += (max(0, n) + places - 1) / places
		n = 0
	}
	return time.Duration(rounds) * p.Latency
}

// MembersAccess says how far a target lets group members be read.
type MembersAccess string

// The degrees of access. None: the target has no groups or takes no members.
const (
	MembersReadable MembersAccess = "readable"
	MembersBlind    MembersAccess = "blind"
	MembersNone     MembersAccess = "none"
)

// DeleteEffect says what a DELETE does.
type DeleteEffect string

// The effects. Suspends: the account stays, inactive.
const (
	DeleteRemoves     DeleteEffect = "removes"
	DeleteSuspends    DeleteEffect = "suspends"
	DeleteUnsupported DeleteEffect = "unsupported"
)
