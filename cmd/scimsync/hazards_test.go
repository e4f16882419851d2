package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// TestHazards runs the whole main job against targets that misbehave. Each ends
// converged without a duplicate, or says truthfully that it could not.
func TestHazards(t *testing.T) {
	t.Parallel()
	create := scimtest.When{Every: 7, Method: "POST", Path: "/Users", Times: 4}
	small := []setting{withApplication(func(o *scimtest.Options) { o.PageSize = 7 })}
	cases := map[string]struct {
		hazards scimtest.Hazards
		// latent hazards do not come into play here: nothing that is done
		// gives them an occasion.
		latent bool
		// first is the exit code of the first sync; short says that the
		// target cannot hold everything, so that it need not converge.
		first int
		short bool
		// blind targets hold the members but do not show them.
		settings []setting
	}{
		"ignores filters":              {latent: true, hazards: scimtest.Hazards{IgnoreFilters: true}},
		"externalId not filterable":    {latent: true, hazards: scimtest.Hazards{ExternalIDNotFilterable: true}},
		"externalId not stored":        {hazards: scimtest.Hazards{ExternalIDNotStored: true}, short: true, first: exitPartial},
		"case sensitive filter":        {latent: true, hazards: scimtest.Hazards{FilterUserNameCaseSensitive: true}},
		"empty members":                {hazards: scimtest.Hazards{EmptyMembers: true}},
		"members missing from lists":   {hazards: scimtest.Hazards{MembersMissingFromLists: true}},
		"groups not by id":             {latent: true, hazards: scimtest.Hazards{GroupsNotByID: true}},
		"ignores excludedAttributes":   {latent: true, hazards: scimtest.Hazards{IgnoreExcludedAttributes: true}},
		"hides inactive":               {hazards: scimtest.Hazards{HideInactive: "revive"}},
		"string booleans":              {hazards: scimtest.Hazards{StringBooleans: true}},
		"locations elsewhere":          {hazards: scimtest.Hazards{LocationElsewhere: "https://evil.example.com"}},
		"pages do not advance":         {hazards: scimtest.Hazards{NonAdvancingPages: true}, settings: small},
		"total is the page size":       {hazards: scimtest.Hazards{TotalIsPageSize: true}},
		"no total":                     {hazards: scimtest.Hazards{NoTotal: true}},
		"total as string":              {hazards: scimtest.Hazards{TotalAsString: true}},
		"too big totals":               {hazards: scimtest.Hazards{BigTotals: 3}, first: exitIncomplete, short: true},
		"lower-case resources":         {hazards: scimtest.Hazards{LowerCaseResources: true}},
		"zero-based startIndex":        {hazards: scimtest.Hazards{ZeroBasedStartIndex: true}},
		"duplicates across pages":      {hazards: scimtest.Hazards{DuplicateAcrossPages: true}, settings: small},
		"shrinking pages":              {hazards: scimtest.Hazards{ShrinkingPages: true}, settings: small},
		"no PATCH":                     {hazards: scimtest.Hazards{PatchUnsupported: true}},
		"PUT only":                     {latent: true, hazards: scimtest.Hazards{PutReplaceOnly: true}},
		"member cap per PATCH":         {latent: true, hazards: scimtest.Hazards{MaxMembersPerPatch: 10}},
		"keeps duplicate members":      {latent: true, hazards: scimtest.Hazards{DuplicateMembersKept: true}},
		"lower-cases names":            {latent: true, hazards: scimtest.Hazards{LowerCaseUserNames: true}},
		"upsert on POST":               {latent: true, hazards: scimtest.Hazards{UpsertOnPost: true}},
		"empty create answer":          {hazards: scimtest.Hazards{EmptyCreateAnswer: true}},
		"no groups":                    {latent: true, hazards: scimtest.Hazards{NoGroups: true}, first: exitPartial, short: true},
		"no discovery":                 {hazards: scimtest.Hazards{NoDiscovery: true}},
		"not in this edition":          {hazards: scimtest.Hazards{NotImplemented: true}, first: exitIncomplete, short: true},
		"HTML errors":                  {latent: true, hazards: scimtest.Hazards{HTMLErrors: true}},
		"odd errors":                   {latent: true, hazards: scimtest.Hazards{OddErrors: true}},
		"throttles":                    {hazards: scimtest.Hazards{Throttle: scimtest.Throttle{When: scimtest.Every(25)}}},
		"answers 500 now and then":     {hazards: scimtest.Hazards{Fail500: scimtest.When{Every: 9, Times: 6}}},
		"drops before":                 {hazards: scimtest.Hazards{DropBefore: scimtest.When{Every: 11, Times: 5}}},
		"loses answers after a create": {hazards: scimtest.Hazards{LoseAnswerAfter: create}},
		"loses answers of groups":      {hazards: scimtest.Hazards{LoseAnswerAfter: scimtest.When{Every: 2, Method: "POST", Path: "/Groups", Times: 2}}},
		"half answers":                 {hazards: scimtest.Hazards{HalfBody: scimtest.When{Every: 13, Times: 4}}},
		"a login page with 200":        {hazards: scimtest.Hazards{HTML200: scimtest.Every(1)}, first: exitIncomplete, short: true},
		"redirects elsewhere":          {hazards: scimtest.Hazards{RedirectTo: "https://evil.example.com"}, first: exitIncomplete, short: true},
		"path-less replace wipes":      {latent: true, hazards: scimtest.Hazards{PathlessReplaceWipes: true}},
		"cursor paging":                {settings: []setting{withApplication(func(o *scimtest.Options) { o.CursorPaging = true })}},
		"PATCH answers 204":            {settings: []setting{withApplication(func(o *scimtest.Options) { o.PatchNoContent = true })}},
		"small pages":                  {settings: []setting{withApplication(func(o *scimtest.Options) { o.PageSize = 7 })}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, append(c.settings, withHazards(c.hazards))...)
			r := w.command("sync")
			if r.code != c.first {
				t.Fatalf("first sync: want exit %d\n%s", c.first, r)
			}
			w.unique()
			defer func() {
				fired := w.application.Fired()
				if planted := !reflect.DeepEqual(c.hazards, scimtest.Hazards{}); planted && (len(fired) == 0) != c.latent {
					t.Errorf("it never happened, or is not latent: %v", fired)
				}
			}()
			if c.short {
				return
			}
			w.settled()
			w.complete()
			w.follow()
			w.unique()
			w.settled()
			w.complete()
		})
	}
}

// A group that the target lists, and does not find by its id when it is asked for the
// members, is neither made anew nor changed: it may be there or not.
func TestListedAndNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withHazards(scimtest.Hazards{GroupsNotByID: true, MembersMissingFromLists: true}))
	if r := w.command("sync"); r.code != exitDone {
		t.Fatalf("first sync:\n%s", r)
	}
	before := len(w.application.Groups())
	w.must(w.org.UpdateUser(w.activeIDs()[0], map[string]any{"lastName": "Renamed"}))
	for _, args := range [][]string{{"sync"}, {"sync", "--only", "group:" + w.application.Groups()[0].Name}} {
		r := w.command(args...)
		if r.code != exitPartial || !strings.Contains(r.out, "did not show its members") {
			t.Errorf("%s: want exit %d and why\n%s", args, exitPartial, r)
		}
		if after := len(w.application.Groups()); after != before {
			t.Errorf("%s: %d groups, before %d", args, after, before)
		}
		w.unique()
	}
}

// follow changes the source a little and syncs.
func (w *world) follow() {
	w.t.Helper()
	ids := w.activeIDs()
	w.must(w.org.UpdateUser(ids[0], map[string]any{"lastName": "Renamed"}))
	w.must(w.org.SetStatus(ids[1], "DEPROVISIONED"))
	r := w.command("sync")
	if r.code != exitDone {
		w.t.Fatalf("following a change:\n%s", r)
	}
}

// unique demands that no name stands twice at the application.
func (w *world) unique() {
	w.t.Helper()
	for kind, list := range map[identity.Kind][]scimtest.Resource{identity.User: w.application.Users(), identity.Group: w.application.Groups()} {
		seen := map[string]bool{}
		for _, r := range list {
			if name := strings.ToLower(r.Name); seen[name] {
				w.t.Errorf("duplicate %s %s", kind, r.Name)
			} else {
				seen[name] = true
			}
		}
	}
}

// complete demands that the application holds what the source shows: every
// active person with the right state, every group with exactly its active
// members and those it had before they left.
func (w *world) complete() {
	w.t.Helper()
	users := map[string]scimtest.Resource{}
	names := map[string]string{}
	for _, u := range w.application.Users() {
		users[strings.ToLower(u.Name)] = u
		names[u.ID] = strings.ToLower(u.Name)
	}
	logins, active := map[string]string{}, map[string]bool{}
	for _, u := range w.people() {
		login := strings.ToLower(u.login)
		logins[u.id], active[login] = login, u.active
		at, ok := users[login]
		switch {
		case u.active && !ok:
			w.t.Errorf("%s is missing at the application", u.login)
		case ok && at.Active != u.active:
			w.t.Errorf("%s: active is %t at the application, want %t", u.login, at.Active, u.active)
		}
	}
	for name, want := range w.teams(logins, active) {
		group, ok := w.application.Find(identity.Group, name)
		if !ok {
			w.t.Errorf("group %s is missing at the application", name)
			continue
		}
		have := map[string]bool{}
		for _, id := range group.Members {
			if login := names[id]; active[login] {
				have[login] = true
			}
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			w.t.Errorf("group %s: has %d active members, want %d", name, len(have), len(want))
		}
	}
}
