package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// follows lets days pass, each with a sync that has to follow.
func (u *unruly) follows(days int) {
	u.t.Helper()
	for n := range days {
		u.day(n)
		before := u.active()
		r := u.run("sync")
		if problem := u.wrong(); r.code != exitDone || problem != "" {
			u.t.Fatalf("day %d: %s\n%s", n, problem, r)
		}
		if lost := u.lost(before); len(lost) > 1 {
			u.t.Errorf("day %d: %v were switched off\n%s", n, lost, r)
		}
	}
}

// repeating lets each page of a source begin with what the one before ended with.
type repeating struct {
	next http.Handler
	// list is where an answer holds its objects: "" where it is a list itself.
	list string

	mu    sync.Mutex
	last  map[string]json.RawMessage // by path
	times int                        // how often that happened
}

func (p *repeating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	whole := recorded(p.next, w, r)
	object, items := map[string]json.RawMessage{}, []json.RawMessage(nil)
	var err error
	if p.list == "" {
		err = json.Unmarshal(whole, &items)
	} else if err = json.Unmarshal(whole, &object); err == nil {
		err = json.Unmarshal(object[p.list], &items)
	}
	if err != nil || len(items) == 0 {
		_, _ = w.Write(whole)
		return
	}
	p.mu.Lock()
	page, later := items, strings.Contains(r.URL.RawQuery, "after=") || strings.Contains(r.URL.RawQuery, "skiptoken")
	if last := p.last[r.URL.Path]; later && last != nil {
		page = append([]json.RawMessage{last}, items...)
		p.times++
	}
	p.last[r.URL.Path] = items[len(items)-1]
	p.mu.Unlock()
	if p.list == "" {
		_ = json.NewEncoder(w).Encode(page)
		return
	}
	if object[p.list], err = json.Marshal(page); err == nil {
		err = json.NewEncoder(w).Encode(object)
	}
	if err != nil {
		panic(err)
	}
}

// TestDuplicatePages lets the pages of sources repeat what the one before held.
func TestDuplicatePages(t *testing.T) {
	t.Parallel()
	for _, cycle := range cycles() {
		t.Run(cycle.name, func(t *testing.T) {
			t.Parallel()
			u := cycle.open(t)
			p := &repeating{next: u.source.next, last: map[string]json.RawMessage{}}
			switch source, _, _ := strings.Cut(cycle.name, ","); source {
			case "okta":
				u.org.Configure(func(o *oktatest.Options) { o.PageSize, o.LogPage = 2, 2 })
			case "entra":
				p.list = "value"
				u.tenant.Configure(func(o *entratest.Options) { o.PageSize = 2 })
			default:
				t.Skip("SailPoint pages by offset: a row that comes twice has moved, which TestMovingPages is about")
			}
			u.sync(exitDone)
			u.source.arm(func(r *http.Request) bool { return r.Method == http.MethodGet }, 0, p.ServeHTTP)
			u.follows(3)
			if u.source.disarm(); p.times < 3 {
				t.Errorf("only %d pages were repeated", p.times)
			}
		})
	}
}

// TestShrinkingPages lets the pages of sources hold less and less.
func TestShrinkingPages(t *testing.T) {
	t.Parallel()
	for _, cycle := range cycles() {
		t.Run(cycle.name, func(t *testing.T) {
			t.Parallel()
			u := cycle.open(t)
			var shrink func(size int)
			switch source, _, _ := strings.Cut(cycle.name, ","); source {
			case "okta":
				shrink = func(size int) { u.org.Configure(func(o *oktatest.Options) { o.PageSize, o.LogPage = size, size }) }
			case "entra":
				shrink = func(size int) { u.tenant.Configure(func(o *entratest.Options) { o.PageSize = size }) }
			default:
				t.Skip("SailPoint answers the page that was asked for; a list that gets shorter is TestMovingPages")
			}
			u.sync(exitDone)
			var mu sync.Mutex
			size, small := 4, 0
			u.source.arm(u.listing, 0, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if shrink(size); size > 1 {
					size--
				} else {
					small++
				}
				u.source.next.ServeHTTP(w, r)
			})
			u.follows(4)
			if u.source.disarm(); small == 0 {
				t.Error("the pages did not shrink")
			}
		})
	}
}

// TestMovingPages lets rows of SailPoint's lists come and go between two pages, so
// that others are told twice or not at all.
func TestMovingPages(t *testing.T) {
	t.Parallel()
	u := unrulySailPoint(t)
	u.edit("requests_per_second: 1000", "requests_per_second: 1000, page_size: 3")
	u.sync(exitDone)
	u.follows(2)
	before := u.active()
	for name, move := range map[string]func(){
		// Before all others, so that each page begins one row later or earlier.
		"a row comes": func() { u.must(u.sailpoint.PutAccount(sailpointtest.Person("aaa", "aaa@example.com", "A", "A"))) },
		"a row goes":  func() { u.must(u.sailpoint.RemoveAccount("aaa")) },
	} {
		if name == "a row goes" {
			u.must(u.sailpoint.PutAccount(sailpointtest.Person("aaa", "aaa@example.com", "A", "A")))
			u.sync(exitDone)
		}
		u.sailpoint.Inject(sailpointtest.Fault{
			ID: name, Match: u.listing, Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: move},
		})
		r := u.run("sync")
		if unfired := u.sailpoint.Unfired(); len(unfired) > 0 {
			t.Errorf("%v\n%s", unfired, r)
		}
		if lost := u.lost(before); len(lost) > 0 {
			t.Errorf("%s: %v were switched off\n%s", name, lost, r)
		}
		if problem := u.wrong(); r.code != exitDone || problem != "" {
			t.Errorf("%s: %s\n%s", name, problem, r)
		}
		u.sailpoint.ClearFaults()
	}
	// A list that never stands still is not believed.
	n := 0
	u.sailpoint.Inject(sailpointtest.Fault{ID: "never still", Match: u.listing, MinFires: 4, Effect: sailpointtest.Effect{Do: func() {
		n++
		u.must(u.sailpoint.RemoveAccount("cy"))
		u.must(u.sailpoint.PutAccount(sailpointtest.Person(fmt.Sprint("aab", n), fmt.Sprintf("aab%d@example.com", n), "A", "A")))
		u.must(u.sailpoint.PutAccount(sailpointtest.Person("cy", "cy@example.com", "Cy", "Cole")))
	}}})
	everything := u.everything()
	if r := u.run("sync"); r.code != exitIncomplete || u.everything() != everything || len(u.sailpoint.Unfired()) > 0 {
		t.Errorf("want exit %d, nothing changed and %v\n%s", exitIncomplete, u.sailpoint.Unfired(), r)
	}
}

// TestFaultyTargetPages lets the target page badly in full cycles, which list it.
func TestFaultyTargetPages(t *testing.T) {
	t.Parallel()
	for name, hazards := range map[string]scimtest.Hazards{
		"DuplicateAcrossPages":                    {DuplicateAcrossPages: true},
		"ShrinkingPages":                          {ShrinkingPages: true},
		"NonAdvancingPages":                       {NonAdvancingPages: true},
		"DuplicateAcrossPages and ShrinkingPages": {DuplicateAcrossPages: true, ShrinkingPages: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, _ := unrulyOkta(t, "")
			u.edit("auth: {bearer", "limits: {page_size: 3}\n    auth: {bearer")
			u.sync(exitDone)
			u.application.SetHazards(hazards)
			u.follows(3)
			for hazard := range strings.SplitSeq(name, " and ") {
				if u.application.Fired()[hazard] == 0 {
					t.Errorf("%s never happened", hazard)
				}
			}
		})
	}
}

// TestVanishingPages lets an object of the target disappear while the target is
// listed, so that another slips to a page that was read before: whoever is not seen
// for that is not made again.
func TestVanishingPages(t *testing.T) {
	t.Parallel()
	u, m := unrulyOkta(t, "")
	u.edit("auth: {bearer", "limits: {page_size: 3, concurrency: 1}\n    auth: {bearer")
	u.sync(exitDone)
	u.day(0)
	// Somebody else's, and the first of the list.
	stranger := u.application.Users()[0]
	at := slices.IndexFunc(m.foreign, func(r scimtest.Resource) bool { return r.ID == stranger.ID })
	if at < 0 {
		t.Fatalf("the first account is %s, who is ours", stranger.Name)
	}
	m.foreign = slices.Delete(m.foreign, at, at+1)
	users := pathEnds("/Users")
	second := func(r *http.Request) bool {
		return users(r) && r.Method == http.MethodGet && r.URL.Query().Get("startIndex") == "4"
	}
	u.target.arm(second, 1, func(w http.ResponseWriter, r *http.Request) {
		u.must(u.application.Delete(identity.User, stranger.ID))
		// A group of theirs has lost him.
		for i, r := range m.foreign {
			if group, found := u.application.Find(identity.Group, r.ID); found {
				m.foreign[i] = group
			}
		}
		u.application.ServeHTTP(w, r)
	})
	u.application.ResetRequests()
	r := u.run("sync")
	if u.target.disarm() == 0 {
		t.Errorf("nobody disappeared\n%s", r)
	}
	if problem := u.wrong(); r.code != exitDone || problem != "" {
		t.Errorf("%s\n%s", problem, r)
	}
	if n := u.application.Requests()["POST /Users"]; n != 1 {
		t.Errorf("%d accounts were made, want the one of the day\n%s", n, r)
	}
}

// TestVanishingGroups is TestVanishingPages of what is to be adopted: a group that
// slips to a page that was read before is not made a second time.
func TestVanishingGroups(t *testing.T) {
	t.Parallel()
	u, _ := unrulyOkta(t, "")
	u.edit("auth: {bearer", "limits: {page_size: 3, concurrency: 1}\n    auth: {bearer")
	first := ""
	for _, name := range []string{"Another", "One more", "Blue", "Red"} {
		id, err := u.application.Put(identity.Group, map[string]any{"displayName": name})
		u.must(err)
		if first == "" {
			first = id
		}
	}
	groups := pathEnds("/Groups")
	second := func(r *http.Request) bool {
		return groups(r) && r.Method == http.MethodGet && r.URL.Query().Get("startIndex") == "4"
	}
	u.target.arm(second, 1, func(w http.ResponseWriter, r *http.Request) {
		u.must(u.application.Delete(identity.Group, first))
		u.application.ServeHTTP(w, r)
	})
	r := u.run("sync")
	if u.target.disarm() == 0 {
		t.Errorf("no group disappeared\n%s", r)
	}
	if problem := u.wrong(); r.code != exitDone || problem != "" {
		t.Errorf("%s\n%s", problem, r)
	}
}

// TestMissingPages lets a page behind the first not be there, on both sides: nothing
// is taken for absent, and nothing changes.
func TestMissingPages(t *testing.T) {
	t.Parallel()
	for _, cycle := range cycles() {
		for _, place := range []at{atReading, atListing} {
			t.Run(fmt.Sprint(cycle.name, " ", place), func(t *testing.T) {
				t.Parallel()
				if place == atListing && strings.HasSuffix(cycle.name, "delta") {
					t.Skip("a delta cycle does not list the target")
				}
				u := cycle.open(t)
				u.pagesOfTwo(cycle.name)
				u.sync(exitDone)
				u.day(0)
				everything, trap, n := u.everything(), u.source, 0
				match := u.listing
				if place == atListing {
					trap = u.target
					match = func(r *http.Request) bool {
						return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Users")
					}
				}
				trap.arm(func(r *http.Request) bool {
					q := r.URL.Query()
					later := q.Get("startIndex") != "1" && q.Get("startIndex") != "" || q.Has("after") || q.Has("$skiptoken") || q.Get("offset") != "" && q.Get("offset") != "0"
					if match(r) && later {
						n++
						return true
					}
					return false
				}, 0, respond(http.StatusNotFound, `{"detail":"there is no such page"}`)(nil))
				r := u.run("sync")
				trap.disarm()
				// Okta's log is not needed: without it everything is read.
				whole := r.code == exitDone && cycle.name == "okta, delta" && u.wrong() == ""
				if n == 0 || !whole && (r.code != exitIncomplete || u.everything() != everything) {
					t.Errorf("%d pages were missing; want exit %d and nothing changed\n%s", n, exitIncomplete, r)
				}
				if problem := u.settles(); problem != "" {
					t.Error(problem)
				}
			})
		}
	}
}

// pagesOfTwo makes both sides answer few objects at a time.
func (u *unruly) pagesOfTwo(name string) {
	u.t.Helper()
	u.edit("auth: {bearer", "limits: {page_size: 2}\n    auth: {bearer")
	switch source, _, _ := strings.Cut(name, ","); source {
	case "okta":
		u.org.Configure(func(o *oktatest.Options) { o.PageSize, o.LogPage = 2, 2 })
	case "entra":
		u.tenant.Configure(func(o *entratest.Options) { o.PageSize = 2 })
	default:
		u.edit("requests_per_second: 1000", "requests_per_second: 1000, page_size: 2")
	}
}
