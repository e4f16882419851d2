package connectortest

import (
	"net/http"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// SourceSuite is the contract of connectors.Source as tests. See the package
// comment for an example.
type SourceSuite struct {
	// Type is the descriptor of the implementation.
	Type connectors.SourceType
	// Open puts the world into a fake, starts it behind the faults, and
	// opens a source on it. It registers its own clean-up with t.
	Open func(t *testing.T, o SourceOptions) SourceUnderTest
	// PageSize is how many objects a page of a listing, or of members, holds
	// in these tests; 0 means 5. Open is told.
	PageSize int
	// Wire says which requests ask for what, so that faults can be placed.
	// A source without a wire leaves it nil and skips the cases that need it.
	Wire *Wire
	// User and Group read a record back to what the world held, as far as
	// the fake holds it: unset fields are not compared. Group needs ID and
	// Name only.
	User  func(identity.Record) User
	Group func(identity.Record) Group
	// Skip names cases that do not apply, each with the reason.
	Skip map[string]string

	open func(SourceOptions) SourceUnderTest
}

// SourceOptions is what a case wants to be opened.
type SourceOptions struct {
	World    World
	PageSize int
	// Faults goes in front of the fake: Faults.Wrap(fake). Never nil.
	Faults *Faults
}

// SourceUnderTest is an opened source and the handles on its fake.
type SourceUnderTest struct {
	Source connectors.Source
	// Edit makes the fake hold another world, as administrators do while a
	// source reads. Versions of groups whose members differ change.
	Edit func(World)
	// ExpireCursors makes the fake forget every cursor it handed out. Only
	// sources with delta reads need it.
	ExpireCursors func()
}

// Wire says which requests of a source ask for what.
type Wire struct {
	// Users and Groups match a request for a page of the whole listing.
	Users, Groups func(*http.Request) bool
	// Members matches a request for a page of the members of the group.
	Members func(r *http.Request, groupID string) bool

	// Throttle, Unauthorized and Forbidden are the answers 429, 401 and 403
	// in the vendor's form. Nil takes a plain one. Throttle is given 0 for
	// an answer that does not say when to come back.
	Throttle                func(after time.Duration) Effect
	Unauthorized, Forbidden Effect
}

// Run runs every case that is not skipped as a parallel subtest.
func (s SourceSuite) Run(t *testing.T) {
	t.Helper()
	if s.Open == nil {
		t.Fatal("SourceSuite.Open is not set")
	}
	runCases(t, s, sourceCases(), s.Skip, SourceSuite.bind)
}

// bind returns the suite with defaults, opening for the subtest t.
func (s SourceSuite) bind(t *testing.T) SourceSuite {
	if s.PageSize == 0 {
		s.PageSize = 5
	}
	if s.Wire != nil {
		wire := *s.Wire
		if wire.Throttle == nil {
			wire.Throttle = Throttle
		}
		if wire.Unauthorized == nil {
			wire.Unauthorized = jsonStatus(http.StatusUnauthorized, "the credential is not valid")
		}
		if wire.Forbidden == nil {
			wire.Forbidden = jsonStatus(http.StatusForbidden, "not allowed")
		}
		s.Wire = &wire
	}
	s.open = func(o SourceOptions) SourceUnderTest {
		o.PageSize = s.PageSize
		if o.Faults == nil {
			o.Faults = &Faults{}
		}
		return s.Open(t, o)
	}
	return s
}

func jsonStatus(code int, detail string) Effect {
	return Status(code, http.Header{"Content-Type": {"application/json"}}, `{"detail":"`+detail+`"}`)
}

func sourceCases() []suiteCase[SourceSuite] {
	return []suiteCase[SourceSuite]{
		{name: "descriptor", run: SourceSuite.descriptor},
		{name: "info", run: SourceSuite.info},
		{name: "page boundaries", run: SourceSuite.pageBoundaries},
		{name: "large group", run: SourceSuite.largeGroup},
		{name: "record contents", run: SourceSuite.contents, needs: needsReaders},
		{name: "kinds", run: SourceSuite.kinds},
		{name: "disabled users", run: SourceSuite.disabledUsers},
		{name: "nested groups", run: SourceSuite.nestedGroups},
		{name: "deterministic", run: SourceSuite.deterministic},
		{name: "concurrent reads", run: SourceSuite.concurrentReads},
		{name: "field projection", run: SourceSuite.projection},
		{name: "known links", run: SourceSuite.knownLinks},
		{name: "known links changed", run: SourceSuite.knownLinksChanged, needs: needsEdit},
		{name: "only by id", run: SourceSuite.onlyByID},
		{name: "only by name", run: SourceSuite.onlyByName},
		{name: "only missing", run: SourceSuite.onlyMissing},
		{name: "early break", run: SourceSuite.earlyBreak},
		{name: "cancel before", run: SourceSuite.cancelBefore},
		{name: "cancel between events", run: SourceSuite.cancelBetween},
		{name: "cancel in a page", run: SourceSuite.cancelInPage, needs: needsWire},
		{name: "insert while reading", run: SourceSuite.insertWhileReading, needs: needsWireAndEdit},
		{name: "error on a page", run: SourceSuite.errorOnPage, needs: needsWire},
		{name: "dishonest pages", run: SourceSuite.dishonestPages, needs: needsWire},
		{name: "throttled with Retry-After", run: SourceSuite.throttledWithHint, needs: needsWire},
		{name: "throttled without Retry-After", run: SourceSuite.throttledWithoutHint, needs: needsWire},
		{name: "refused credential", run: SourceSuite.refusedCredential, needs: needsWire},
		{name: "expired credential", run: SourceSuite.expiredCredential, needs: needsWire},
		{name: "unreadable group", run: SourceSuite.unreadableGroup, needs: needsMembers},
		{name: "delta equals full", run: SourceSuite.deltaEqualsFull},
		{name: "expired cursor", run: SourceSuite.expiredCursor},
	}
}

func needsReaders(s SourceSuite) string {
	if s.User == nil || s.Group == nil {
		return "User and Group"
	}
	return ""
}

func needsWire(s SourceSuite) string {
	if s.Wire == nil || s.Wire.Users == nil || s.Wire.Groups == nil {
		return "Wire with Users and Groups"
	}
	return ""
}

func needsMembers(s SourceSuite) string {
	if s.Wire == nil || s.Wire.Members == nil {
		return "Wire.Members"
	}
	return ""
}

func needsEdit(s SourceSuite) string {
	if s.open(SourceOptions{}).Edit == nil {
		return "SourceUnderTest.Edit"
	}
	return ""
}

func needsWireAndEdit(s SourceSuite) string {
	if lack := needsWire(s); lack != "" {
		return lack
	}
	return needsEdit(s)
}
