// Package configs holds the configuration: its types, the strict loader that
// reports every mistake with line, column and the nearest name, the JSON Schema
// made from the types, and a commented example.
//
// It does not know any vendor: cmd hands it the registry of source and target
// types, whose settings are decoded as strictly as everything else. It reads no
// secret; a secret is only ever referred to.
package configs

import (
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// Registry are the source and target types that a configuration may name.
type Registry struct {
	Sources   map[string]connectors.SourceType
	Targets   map[string]connectors.TargetType
	Notifiers map[string]NotifierType
}

// NotifierType describes one kind of notifier statically.
type NotifierType struct {
	Name    string // the value of type: in the configuration
	Summary string
	// Settings returns a pointer to a new settings struct, decoded and
	// validated like those of a source.
	Settings func() any
}

// Config is a loaded and validated configuration.
type Config struct {
	// Path is the file it was read from.
	Path string
	// State is the path of the ledger, relative paths resolved against the
	// folder of the configuration.
	State   string
	Sources map[string]*Source
	Targets map[string]*Target
	// Syncs are in the order of the file.
	Syncs     []*Sync
	Notifiers map[string]*Notifier
	// Server is nil where the daemon serves nothing.
	Server  *Server
	History History
	// Warnings are remarks about what is allowed and may not be meant.
	Warnings []Problem

	effective *document // with defaults filled in, for Show
}

// Source is one configured source.
type Source struct {
	Name     string
	Type     connectors.SourceType
	Settings any // what Type.Settings returned, decoded
	// Selection hashes the settings that decide what is read (not how it is
	// reached): a change of it is an edit that may cause removals. Settings
	// with a method Selection() any choose for themselves what counts.
	Selection string
}

// Target is one configured target.
type Target struct {
	Name     string
	Type     connectors.TargetType
	Settings any
	URL      string
}

// Notifier is one configured notifier.
type Notifier struct {
	Name     string
	Type     NotifierType
	Settings any // what Type.Settings returned, decoded
}

// Server are the daemon's HTTP endpoints.
type Server struct {
	// Addr is HOST:PORT to listen on.
	Addr string
	// HookToken is the bearer token of POST /hooks/SYNC; zero: no hooks.
	HookToken connectors.Secret
}

// History says how long the journal is kept.
type History struct{ Keep connectors.Duration }

// Sync is one configured sync.
type Sync struct {
	Name   string
	Source *Source
	Target *Target
	// Users and Groups are nil where they are off.
	Users   *Users
	Groups  *Groups
	Guards  Guards
	Protect map[identity.Kind][]string
	// Schedule is nil where the sync runs by command or hook only.
	Schedule *Schedule
	// Missed says what becomes of a run that came due while nobody ran it.
	Missed Missed
	// Full says which cycles read everything: the first one after each time it
	// fires. Nil: every cycle.
	Full *Schedule
	// Notify is nil where nobody is told.
	Notify *Notify
	// Hash covers everything that decides what is desired and what becomes
	// of what is desired no longer: the source's selection, and of both
	// kinds scope, include, mapping, matching, members, nested, bundles,
	// leavers and grace. Create, update, guards, protection, limits,
	// schedules, notify and server are not in it.
	Hash string
}

// Missed is what becomes of a run that was missed.
type Missed string

// The values of missed. MissedRun, the default, runs once at once however many
// were missed; MissedSkip waits for the next time.
const (
	MissedRun  Missed = "run"
	MissedSkip Missed = "skip"
)

// Notify says who hears about what of a sync.
type Notify struct {
	To     []string // names of notifiers
	Events []string // none: all
	Batch  string   // run or object
}

// Users says how users are provisioned.
type Users struct {
	Mapping  *mapping.Mapper
	Matching Matching
	Create   bool
	Update   bool
	Leavers  Leavers
	Grace    connectors.Duration
}

// Groups says how groups are provisioned.
type Groups struct {
	Mapping  *mapping.Mapper
	Matching Matching
	Create   bool
	Update   bool
	Members  MembersMode
	Nested   Nested
	// Leavers is Keep or Delete.
	Leavers Leave
	Grace   connectors.Duration
	// Bundles are displayNames of target groups by the name of a source group
	// whose members join them all. Such target groups are adopted
	// members_only. Nil: none.
	Bundles map[string][]string
}

// Matching says how a desired object finds its live one.
type Matching struct {
	By       []string // SCIM paths, in order
	Existing Existing
	Rehire   Rehire // users only
}

// Existing says what happens to a live object that matches and is not owned.
type Existing string

// The values of matching.existing. MembersOnly, Notify and Skip are for groups.
const (
	AdoptExisting       Existing = "adopt"
	ReportExisting      Existing = "report"
	MembersOnlyExisting Existing = "members_only"
	NotifyExisting      Existing = "notify"
	SkipExisting        Existing = "skip"
)

// Rehire says what happens when a new source object carries the name of one
// that is owned.
type Rehire string

// The values of matching.rehire.
const (
	Relink Rehire = "relink"
	Refuse Rehire = "refuse"
)

// Leavers says what happens to an owned user, by the cause of leaving.
type Leavers struct {
	Disabled, Gone, Unassigned, OutOfScope Leave
}

// Leave is what happens to a leaver.
type Leave string

// The values of leavers.
const (
	LeaveDeactivate Leave = "deactivate"
	LeaveDelete     Leave = "delete"
	LeaveKeep       Leave = "keep"
)

// MembersMode says how memberships are provisioned.
type MembersMode string

// The values of groups.members. Additive never removes.
const (
	MembersExact    MembersMode = "exact"
	MembersAdditive MembersMode = "additive"
	MembersOff      MembersMode = "off"
)

// Nested says what a group within a group means.
type Nested string

// The values of groups.nested.
const (
	Flatten       Nested = "flatten"
	IgnoreNesting Nested = "ignore"
)

// Guards bound the removals of a run.
type Guards struct {
	Users, Groups, Memberships Limit
	// Floor is the number of removals, and the size of a group, below which
	// no guard trips.
	Floor  int
	OnTrip OnTrip
}

// Limit bounds removals by count and by share of what is owned.
type Limit struct {
	Max   int
	Share float64 // 0.1 is 10%
}

// OnTrip says what a tripped guard does.
type OnTrip string

// The values of guards.on_trip. Hold applies the rest; Abort writes nothing.
const (
	Hold  OnTrip = "hold"
	Abort OnTrip = "abort"
)
