package scim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// byCursor is the profile of a product that pages by cursor.
const byCursor = "aws_identity_center"

func TestListUnderHazards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		profile string
		hazards scimtest.Hazards
		options scimtest.Options
		fired   string
		want    connectors.Class // empty: all 45 are listed
	}{
		{name: "plain"},
		{name: "total is the page's size", hazards: scimtest.Hazards{TotalIsPageSize: true}, fired: "TotalIsPageSize"},
		{name: "no total", hazards: scimtest.Hazards{NoTotal: true}, fired: "NoTotal"},
		{name: "total as a string", hazards: scimtest.Hazards{TotalAsString: true}, fired: "TotalAsString"},
		{name: "lower-case resources", hazards: scimtest.Hazards{LowerCaseResources: true}, fired: "LowerCaseResources"},
		{name: "duplicates across pages", hazards: scimtest.Hazards{DuplicateAcrossPages: true}, fired: "DuplicateAcrossPages"},
		{name: "shrinking pages", hazards: scimtest.Hazards{ShrinkingPages: true}, fired: "ShrinkingPages"},
		{name: "zero-based startIndex", hazards: scimtest.Hazards{ZeroBasedStartIndex: true}, fired: "ZeroBasedStartIndex"},
		{name: "string booleans", hazards: scimtest.Hazards{StringBooleans: true}, fired: "StringBooleans"},
		{name: "pages do not advance", hazards: scimtest.Hazards{NonAdvancingPages: true}, fired: "NonAdvancingPages", want: connectors.Incomplete},
		{name: "total too big", hazards: scimtest.Hazards{BigTotals: 1 << 40}, fired: "BigTotals", want: connectors.Incomplete},
		{name: "cursor", profile: byCursor, options: scimtest.Options{CursorPaging: true}},
		{name: "half a body once", hazards: scimtest.Hazards{HalfBody: scimtest.When{Every: 4, Method: http.MethodGet}}, fired: "HalfBody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := c.options
			o.Hazards, o.PageSize = c.hazards, 20
			r := newRig(t, o, scim.Settings{Profile: c.profile})
			r.people(t, 45)
			got, err := r.list(t, identity.User, connectors.Want{})
			if c.fired != "" {
				r.fired(t, c.fired)
			}
			if c.want != "" {
				wantClass(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			distinct := map[string]bool{}
			for _, e := range got {
				distinct[e.TargetID] = true
				if active, known := e.Attrs.Active(); !known || !active && e.Attrs["active"] != false {
					t.Errorf("%s has active %v", e.TargetID, e.Attrs["active"])
				}
			}
			if len(got) != 45 || len(distinct) != 45 {
				t.Errorf("%d entries, %d distinct, want 45", len(got), len(distinct))
			}
		})
	}
}

// Ending tells once that nothing is left to ask for, and not before.
func TestListEnding(t *testing.T) {
	t.Parallel()
	const never = -1
	for _, c := range []struct {
		name    string
		profile string
		options scimtest.Options
		want    int // entries yielded by then
	}{
		// The pages after the first are asked for together.
		{"by index", "", scimtest.Options{}, 0},
		{"by cursor", byCursor, scimtest.Options{CursorPaging: true}, 40},
		{"no total", "", scimtest.Options{Hazards: scimtest.Hazards{NoTotal: true}}, never},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.PageSize = 20
			r := newRig(t, c.options, scim.Settings{Profile: c.profile})
			r.people(t, 45)
			yielded, at, times := 0, never, 0
			ending := func() { at = yielded; times++ }
			for _, err := range r.session.List(t.Context(), identity.User, connectors.Want{Ending: ending}) {
				if err != nil {
					break
				}
				yielded++
			}
			if at != c.want || times > 1 {
				t.Errorf("called %d times, after %d entries; want after %d", times, at, c.want)
			}
		})
	}
}

// The number of requests of a listing is what the pages need, plus at most one.
func TestListRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ users, page, want int }{
		{0, 10, 1}, {1, 10, 2}, {9, 10, 1}, {10, 10, 1}, {11, 10, 2}, {95, 10, 10},
	} {
		t.Run(fmt.Sprint(c.users), func(t *testing.T) {
			t.Parallel()
			o := scimtest.Options{}
			fake := newFake(t, &o)
			if c.users > 0 {
				if err := fake.Seed(c.users); err != nil {
					t.Fatal(err)
				}
			}
			session, err := openAt(t, fake, scim.Settings{Limits: scim.Limits{PageSize: c.page}})
			if err != nil {
				t.Fatal(err)
			}
			fake.ResetRequests()
			n := 0
			for _, err := range session.List(t.Context(), identity.User, connectors.Want{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != c.users {
				t.Errorf("%d users, want %d", n, c.users)
			}
			if got := fake.Requests()["GET /Users"]; got != c.want {
				t.Errorf("%d requests, want %d", got, c.want)
			}
		})
	}
}

func TestListStopsEarlyWithoutLeaks(t *testing.T) { //nolint:paralleltest // the goroutines of others would pass for leaks
	ignore := goleak.IgnoreCurrent()
	r := newRig(t, scimtest.Options{PageSize: 10, Latency: time.Millisecond}, scim.Settings{})
	r.people(t, 200)
	for range r.session.List(t.Context(), identity.User, connectors.Want{}) {
		break
	}
	// Idle connections keep goroutines of net/http; ours have to be gone.
	goleak.VerifyNone(t, ignore, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*Server).Serve"), goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"))
}

// One object that cannot be understood is left out, and nothing may be concluded
// from its absence.
func TestListUnreadableObject(t *testing.T) {
	t.Parallel()
	session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/Users" {
			http.NotFound(w, r)
			return
		}
		answer(w, http.StatusOK, listOf(
			map[string]any{"id": "1", "userName": "ada@example.com", "externalId": 7},
			map[string]any{"id": "2", "userName": "bo@example.com", "active": "FALSE"},
			map[string]any{"id": "3", "userName": []any{"x"}},
			map[string]any{"userName": "noid@example.com"},
		))
	}), scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var got []identity.Entry
	var last error
	for e, err := range session.List(t.Context(), identity.User, connectors.Want{}) {
		if last = err; err == nil {
			got = append(got, e)
		}
	}
	wantClass(t, last, connectors.Incomplete)
	for _, part := range []string{"user 1", "externalId is a number", "userName is a list", "without an id"} {
		if !strings.Contains(last.Error(), part) {
			t.Errorf("%q does not say %q", last, part)
		}
	}
	if len(got) != 1 || got[0].TargetID != "2" || got[0].Attrs["active"] != false {
		t.Errorf("entries %v, want only 2, inactive", got)
	}
}

func TestListGroupsCompletesMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		hazards scimtest.Hazards
		gets    int // groups read one by one
	}{
		{"listings show members", scimtest.Hazards{}, 0},
		{"listings leave them out", scimtest.Hazards{MembersMissingFromLists: true}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, scimtest.Options{Hazards: c.hazards}, scim.Settings{})
			people := r.people(t, 4)
			for _, name := range []string{"A", "B", "C"} {
				var members []any
				for _, p := range people {
					members = append(members, map[string]any{"value": p.TargetID})
				}
				r.put(t, identity.Group, map[string]any{"displayName": name, "members": members})
			}
			r.fake.ResetRequests()
			got, err := r.list(t, identity.Group, connectors.Want{Members: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range got {
				if !e.Members.Known || len(e.Members.TargetIDs) != 4 {
					t.Errorf("%s: members %+v, want 4", e.Attrs["displayName"], e.Members)
				}
			}
			if gets := r.fake.Requests()["GET /Groups/{id}"]; len(got) != 3 || gets != c.gets {
				t.Errorf("%d groups, %d read one by one, want 3 and %d", len(got), gets, c.gets)
			}
			r.fake.ResetRequests()
			got, err = r.list(t, identity.Group, connectors.Want{})
			if err != nil || len(got) != 3 || got[0].Members.Known {
				t.Errorf("without members: %v, %v", got, err)
			}
			if log := r.fake.Log(); !strings.Contains(log[0].Query, "excludedAttributes=members") {
				t.Errorf("members were not left out: %s", log[0].Query)
			}
		})
	}
}

func TestListKindThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{NoGroups: true, NoDiscovery: true}}, scim.Settings{})
	_, err := r.list(t, identity.Group, connectors.Want{})
	wantClass(t, err, connectors.Unsupported)
	r.fired(t, "NoGroups")
}

func TestListCursor(t *testing.T) {
	t.Parallel()
	pages := map[string]string{"": "b", "b": "c", "c": ""}
	expired := false
	session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path == "/ServiceProviderConfig" {
			answer(w, http.StatusOK, map[string]any{"schemas": []string{}, "pagination": map[string]any{"cursor": true, "index": false}})
			return
		}
		if q.Get("startIndex") != "" && q.Get("count") != "1" {
			t.Errorf("cursor paging sent startIndex: %s", r.URL.RawQuery)
		}
		cursor := q.Get("cursor")
		if cursor == "c" && !expired {
			expired = true
			answer(w, http.StatusBadRequest, map[string]any{
				"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": "400", "scimType": "expiredCursor",
			})
			return
		}
		list := listOf(map[string]any{"id": "u" + cursor, "userName": "u" + cursor + "@example.com"})
		delete(list, "totalResults")
		if next := pages[cursor]; next != "" {
			list["nextCursor"] = next
		}
		answer(w, http.StatusOK, list)
	}), scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range session.List(t.Context(), identity.User, connectors.Want{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.TargetID)
	}
	if fmt.Sprint(got) != "[u ub uc]" || !expired {
		t.Errorf("listed %v, expired %t", got, expired)
	}
}
