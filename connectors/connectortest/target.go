package connectortest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// TargetSuite is the contract of connectors.Target as tests. An implementation
// joins like this:
//
//	connectortest.TargetSuite{
//		Open: func(t *testing.T, o connectortest.TargetOptions) connectortest.TargetUnderTest {
//			fake := newFake(o.PageSize, hazardsOf(o.Hazards))
//			server := httptest.NewServer(o.Faults.Wrap(fake))
//			t.Cleanup(server.Close)
//			return connectortest.TargetUnderTest{
//				Target: open(t, server.URL, o.PageSize, o.MembersPerPatch),
//				Held:   fake.entries,
//				Edit:   fake.edit,
//			}
//		},
//		Skip: map[string]string{"delete a group": "Acme keeps groups for ever"},
//	}.Run(t)
//
// The implementation's answers are never its only witness: what the fake holds
// is looked at behind its back.
type TargetSuite struct {
	// Open starts an empty fake behind the faults and returns a target for
	// it. It registers its own clean-up with t.
	Open func(t *testing.T, o TargetOptions) TargetUnderTest
	// PageSize and MembersPerPatch are the limits of these tests; 0 means 5
	// and 4. Open is told.
	PageSize        int
	MembersPerPatch int
	// CreatesUser matches the request that creates a user; nil takes POST to
	// a path that ends in /Users (RFC 7644, section 3.3).
	CreatesUser func(*http.Request) bool
	// ListsUsers matches the request for a page of the users; nil takes GET
	// on a path that ends in /Users.
	ListsUsers func(*http.Request) bool
	// Unauthorized is the vendor's answer 401; nil takes a plain one.
	Unauthorized Effect
	// Skip names cases that do not apply, each with the reason.
	Skip map[string]string

	open func(TargetOptions) TargetUnderTest
}

// TargetOptions is what a case wants to be opened.
type TargetOptions struct {
	PageSize        int
	MembersPerPatch int
	// Hazards are the bad habits the fake is to have.
	Hazards []Hazard
	// Faults goes in front of the fake: Faults.Wrap(fake). Never nil.
	Faults *Faults
}

// Hazard is a bad habit of a server that a target must live with.
type Hazard string

// The hazards a fake must know, or the case of that name be skipped.
const (
	// IgnoresFilters: a listing with a filter answers everything.
	IgnoresFilters Hazard = "ignores filters"
	// StringBooleans: booleans are answered as the strings "True" and "False".
	StringBooleans Hazard = "string booleans"
	// NoTotals: a listing does not say how many results there are.
	NoTotals Hazard = "no totals"
	// HidesMembers: members are taken, and every read shows none.
	HidesMembers Hazard = "hides members"
	// RepeatsPages: every page of a listing is the first.
	RepeatsPages Hazard = "repeats pages"
)

// TargetUnderTest is a target and the handles on its fake.
type TargetUnderTest struct {
	Target connectors.Target
	// Held returns the objects the fake holds, as entries: TargetID, Attrs
	// by SCIM path, and for groups Members with TargetIDs and Known true.
	// FromSCIM makes one of a SCIM resource.
	Held func(k identity.Kind) []identity.Entry
	// Edit sets attributes of an object in the fake, as somebody else would.
	Edit func(k identity.Kind, targetID string, attrs identity.Attrs)
}

// Run runs every case that is not skipped as a parallel subtest.
func (s TargetSuite) Run(t *testing.T) {
	t.Helper()
	if s.Open == nil {
		t.Fatal("TargetSuite.Open is not set")
	}
	runCases(t, s, targetCases(), s.Skip, TargetSuite.bind)
}

// bind returns the suite with defaults, opening for the subtest t.
func (s TargetSuite) bind(t *testing.T) TargetSuite {
	if s.PageSize == 0 {
		s.PageSize = 5
	}
	if s.MembersPerPatch == 0 {
		s.MembersPerPatch = 4
	}
	if s.CreatesUser == nil {
		s.CreatesUser = func(r *http.Request) bool {
			return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Users")
		}
	}
	if s.ListsUsers == nil {
		s.ListsUsers = func(r *http.Request) bool {
			return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Users")
		}
	}
	if s.Unauthorized == nil {
		s.Unauthorized = jsonStatus(http.StatusUnauthorized, "the credential is not valid")
	}
	s.open = func(o TargetOptions) TargetUnderTest {
		o.PageSize, o.MembersPerPatch = s.PageSize, s.MembersPerPatch
		if o.Faults == nil {
			o.Faults = &Faults{}
		}
		return s.Open(t, o)
	}
	return s
}

func targetCases() []suiteCase[TargetSuite] {
	return []suiteCase[TargetSuite]{
		{name: "profile", run: TargetSuite.profile},
		{name: "create a user", run: TargetSuite.createUser},
		{name: "create an inactive user", run: TargetSuite.createInactive},
		{name: "create a group", run: TargetSuite.createGroup},
		{name: "awkward values", run: TargetSuite.awkwardValues},
		{name: "update touches only what changed", run: TargetSuite.updateTouches},
		{name: "update clears", run: TargetSuite.updateClears},
		{name: "update twice", run: TargetSuite.updateTwice},
		{name: "update the missing", run: TargetSuite.updateMissing},
		{name: "rename", run: TargetSuite.rename},
		{name: "deactivate and reactivate", run: TargetSuite.deactivate},
		{name: "delete a user", run: TargetSuite.deleteUser},
		{name: "delete a group", run: TargetSuite.deleteGroup},
		{name: "conflict", run: TargetSuite.conflict},
		{name: "find by each key", run: TargetSuite.findByKey},
		{name: "find awkward values", run: TargetSuite.findAwkward},
		{name: "find with ignored filters", run: TargetSuite.findIgnored},
		{name: "list page boundaries", run: TargetSuite.listPages},
		{name: "list without totals", run: TargetSuite.listWithoutTotals},
		{name: "list that repeats pages", run: TargetSuite.listRepeats},
		{name: "list stopped early", run: TargetSuite.listStopped},
		{name: "error on a list page", run: TargetSuite.listError},
		{name: "booleans as strings", run: TargetSuite.stringBooleans},
		{name: "members at the cap", run: TargetSuite.membersAtCap},
		{name: "remove a member", run: TargetSuite.removeMember},
		{name: "members twice", run: TargetSuite.membersTwice},
		{name: "one bad member", run: TargetSuite.badMember},
		{name: "hidden members", run: TargetSuite.hiddenMembers},
		{name: "lost answer", run: TargetSuite.lostAnswer},
		{name: "throttled create", run: TargetSuite.throttledCreate},
		{name: "refused credential", run: TargetSuite.refusedCredential},
		{name: "expired credential", run: TargetSuite.expiredCredential},
		{name: "reopened", run: TargetSuite.reopened},
		{name: "reopened in vain", run: TargetSuite.reopenedInVain},
		{name: "cancelled context", run: TargetSuite.cancelled},
		{name: "parallel creates", run: TargetSuite.parallelCreates},
	}
}
