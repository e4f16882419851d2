package scimtest

import (
	"maps"
	"time"
)

// Hazards are the ways in which real servers depart from the RFCs or fail. Each
// field is one independent switch; zero is off. Fired counts under the name of
// the field, and counts only when the hazard made a difference to an answer or
// to what is stored, except where the comment says otherwise.
type Hazards struct {
	// Looking up and reading.

	// IgnoreFilters answers every listing as if it had no filter.
	IgnoreFilters bool `json:",omitempty"`
	// FilterUserNameCaseSensitive compares userName exactly, which RFC 7643,
	// section 4.1.1, makes case-insensitive. Counts filters on userName.
	FilterUserNameCaseSensitive bool `json:",omitempty"`
	// ExternalIDNotFilterable answers a filter on externalId 400
	// invalidFilter; ExternalIDFilterEmpty answers it with no results.
	ExternalIDNotFilterable bool `json:",omitempty"`
	ExternalIDFilterEmpty   bool `json:",omitempty"`
	// EmptyMembers shows every group without members, and every user without
	// groups: a target that cannot be read. Filters still see them.
	EmptyMembers bool `json:",omitempty"`
	// MembersMissingFromLists leaves members out of listings only.
	MembersMissingFromLists bool `json:",omitempty"`
	// MembersCap shows only the first so many members of a group.
	MembersCap int `json:",omitempty"`
	// GroupsNotByID answers 404 to a GET of a single group, whatever listings show.
	GroupsNotByID bool `json:",omitempty"`
	// IgnoreExcludedAttributes returns what excludedAttributes names.
	IgnoreExcludedAttributes bool `json:",omitempty"`
	// HideInactive treats a user whose active is false as absent, and says
	// what a create of the same userName does.
	HideInactive Hidden `json:",omitempty"`
	// StringBooleans answers "True" and "False" for booleans of resources.
	StringBooleans bool `json:",omitempty"`
	// LocationElsewhere is an origin ("https://evil.example.com") that every
	// meta.location, $ref and Location header names instead of our own.
	LocationElsewhere string `json:",omitempty"`

	// Paging.

	// NonAdvancingPages answers every startIndex with the first page.
	NonAdvancingPages bool `json:",omitempty"`
	// TotalIsPageSize says the page's size in totalResults.
	TotalIsPageSize bool `json:",omitempty"`
	// NoTotal leaves totalResults out; TotalAsString writes it in quotes.
	NoTotal       bool `json:",omitempty"`
	TotalAsString bool `json:",omitempty"`
	// BigTotals is added to totalResults.
	BigTotals int `json:",omitempty"`
	// LowerCaseResources names the array "resources".
	LowerCaseResources bool `json:",omitempty"`
	// ZeroBasedStartIndex answers startIndex one too low.
	ZeroBasedStartIndex bool `json:",omitempty"`
	// DuplicateAcrossPages begins each page after the first one resource
	// early, as when somebody inserts while a client pages.
	DuplicateAcrossPages bool `json:",omitempty"`
	// ShrinkingPages holds half of what was asked for from the second page
	// on, which RFC 7644, section 3.4.2.4, allows.
	ShrinkingPages bool `json:",omitempty"`
	// ExpireCursors answers 400 expiredCursor to requests with a cursor.
	ExpireCursors When `json:",omitzero"`

	// Writing.

	// PatchUnsupported answers PATCH 501, though discovery promises it.
	PatchUnsupported bool `json:",omitempty"`
	// PutReplaceOnly answers PATCH 405, and discovery says so.
	PutReplaceOnly bool `json:",omitempty"`
	// PatchIgnored are attribute paths whose PATCH operations answer 200 and
	// do nothing: "members", "externalId"; "*" is all of them.
	PatchIgnored []string `json:",omitempty"`
	// CapitalOpsIgnored answers 200 to operations named Add, Replace or Remove
	// and does nothing. Without it a strict server answers 400 and a lenient
	// one performs them.
	CapitalOpsIgnored bool `json:",omitempty"`
	// PathlessReplaceWipes makes a replace without path replace the whole
	// resource: what the value leaves out is gone, but for its name and members.
	PathlessReplaceWipes bool `json:",omitempty"`
	// IgnoreMemberRemoveByFilter ignores remove of members[value eq "id"].
	IgnoreMemberRemoveByFilter bool `json:",omitempty"`
	// ReplaceMembersMerges keeps the members a replace leaves out.
	ReplaceMembersMerges bool `json:",omitempty"`
	// ValueListRemoveEmpties makes remove of members with a value list empty
	// the group. Without it a strict server answers 400 and a lenient one
	// removes those listed.
	ValueListRemoveEmpties bool `json:",omitempty"`
	// RefuseEmptyRemove answers 400 to remove of members without a filter.
	RefuseEmptyRemove bool `json:",omitempty"`
	// MaxMembersPerPatch refuses a PATCH that names more members, with
	// MaxMembersStatus (default 413).
	MaxMembersPerPatch int `json:",omitempty"`
	MaxMembersStatus   int `json:",omitempty"`
	// RejectMembers are user or group ids no group may hold: the whole write
	// is refused 400.
	RejectMembers []string `json:",omitempty"`
	// DuplicateMembersKept stores a member again when it is added again.
	DuplicateMembersKept bool `json:",omitempty"`
	// ExternalIDNotStored drops externalId from every write.
	ExternalIDNotStored bool `json:",omitempty"`
	// LowerCaseUserNames stores userName in lower case.
	LowerCaseUserNames bool `json:",omitempty"`
	// RenameRefused answers 400 mutability to a change of userName, or of the
	// displayName of a group.
	RenameRefused bool `json:",omitempty"`
	// SoftDelete makes DELETE of a user suspend it and drop its memberships:
	// active turns false and the id stays. PATCH, PUT or POST revives it.
	SoftDelete bool `json:",omitempty"`
	// UpsertOnPost makes a create of a name that exists replace the resource,
	// and answers 201 with the old id.
	UpsertOnPost bool `json:",omitempty"`
	// EmptyCreateAnswer answers a create 201 without a body.
	EmptyCreateAnswer bool `json:",omitempty"`

	// Offering less.

	// NoGroups answers 404 to everything under /Groups.
	NoGroups bool `json:",omitempty"`
	// NoDiscovery answers 404 to ServiceProviderConfig, ResourceTypes and
	// Schemas.
	NoDiscovery bool `json:",omitempty"`
	// NotImplemented answers 501 to everything.
	NotImplemented bool `json:",omitempty"`

	// Answering badly.

	// HTMLErrors answers errors as an HTML page, with the same status.
	HTMLErrors bool `json:",omitempty"`
	// ErrorIn200 answers errors with status 200 and an envelope that is not
	// SCIM's.
	ErrorIn200 bool `json:",omitempty"`
	// OddErrors writes the status of an error as a number and its detail as a
	// list.
	OddErrors bool `json:",omitempty"`
	// HTML200 answers 200 with an HTML page, as a login wall does, and does
	// nothing else.
	HTML200 When `json:",omitzero"`
	// RedirectTo is an origin every request is sent to with a 307.
	RedirectTo string `json:",omitempty"`
	// Throttle answers 429, and does nothing else.
	Throttle Throttle `json:",omitzero"`
	// Fail500 answers 500, and does nothing else.
	Fail500 When `json:",omitzero"`
	// Unauthorized answers 401 as if the credential had ended.
	Unauthorized When `json:",omitzero"`

	// Breaking the connection.

	// DropBefore closes the connection and does nothing else.
	DropBefore When `json:",omitzero"`
	// LoseAnswerAfter performs a write, then closes the connection without an
	// answer. Only writes that succeeded count; name POST in Method for
	// creates alone.
	LoseAnswerAfter When `json:",omitzero"`
	// HalfBody sends half of the answer and closes the connection.
	HalfBody When `json:",omitzero"`
	// SlowBody sends the answer in 16 pieces with SlowBodyPause (default 1s)
	// before each.
	SlowBody      When          `json:",omitzero"`
	SlowBodyPause time.Duration `json:",omitempty"`
	// EndlessBody sends blanks until the client leaves, or 1 GiB.
	EndlessBody When `json:",omitzero"`
}

// Hidden says what a create does when the userName belongs to a hidden,
// inactive user.
type Hidden string

// The two ways seen in the field.
const (
	// HiddenRevives answers 201 with the old id.
	HiddenRevives Hidden = "revives"
	// HiddenConflicts answers 409.
	HiddenConflicts Hidden = "conflicts"
)

// Throttle is a schedule of 429 answers.
type Throttle struct {
	When
	// RetryAfter is what the header asks for, rounded up to seconds; 0 is a
	// second.
	RetryAfter time.Duration `json:",omitempty"`
	// Form is how the header says it.
	Form RetryAfterForm `json:",omitempty"`
}

// RetryAfterForm is the form of a Retry-After header (RFC 9110, section
// 10.2.3).
type RetryAfterForm string

// The forms; the empty one is seconds.
const (
	RetryAfterDate   RetryAfterForm = "date"
	RetryAfterAbsent RetryAfterForm = "absent"
)

// SetHazards replaces the hazards from the next request on. Schedules start
// over; Fired keeps counting.
func (s *Server) SetHazards(h Hazards) {
	s.hazards.Store(&h)
	s.hazardMu.Lock()
	clear(s.matched)
	s.hazardMu.Unlock()
}

// Hazards returns the hazards in force.
func (s *Server) Hazards() Hazards { return *s.hazards.Load() }

// Fired returns how often each hazard fired, by field name, since New.
func (s *Server) Fired() map[string]int {
	s.hazardMu.Lock()
	defer s.hazardMu.Unlock()
	return maps.Clone(s.fired)
}
