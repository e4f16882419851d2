package scimtest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

func TestPaging(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.PageSize = 3 })
	for i := range 7 {
		h.user(fmt.Sprintf("u%d@example.com", i), "")
	}
	cases := []struct{ query, want, start string }{
		{"", "u0 u1 u2", "1"},
		{"startIndex=1", "u0 u1 u2", "1"},
		{"startIndex=0", "u0 u1 u2", "1"},
		{"startIndex=-5&count=1", "u0", "1"},
		{"startIndex=4", "u3 u4 u5", "4"},
		{"startIndex=7", "u6", "7"},
		{"startIndex=8", "", "8"},
		{"startIndex=1000000000", "", "1000000000"},
		{"count=0", "", "1"},
		{"count=-1", "", "1"},
		{"count=2", "u0 u1", "1"},
		{"count=100", "u0 u1 u2", "1"},
		{"startIndex=3&count=2", "u2 u3", "3"},
		{"cursor=", "u0 u1 u2", "1"}, // cursors are not offered here
		{"startIndex=2&filter=" + url.QueryEscape(`userName sw "u"`), "u1 u2 u3", "2"},
	}
	for _, c := range cases {
		r := h.do("GET", "/Users?"+c.query, "")
		h.want(r, 200, "")
		got := namesOf(r)
		if got != c.want || r.text("startIndex") != c.start || r.text("totalResults") != "7" || r.text("nextCursor") != "null" {
			t.Errorf("%q: %q from %s of %s", c.query, got, r.text("startIndex"), r.text("totalResults"))
		}
		if want := fmt.Sprint(len(strings.Fields(c.want))); r.text("itemsPerPage") != want {
			t.Errorf("%q: itemsPerPage %s, want %s", c.query, r.text("itemsPerPage"), want)
		}
	}
	if empty := h.do("GET", "/Groups", ""); empty.text("totalResults") != "0" || !strings.Contains(empty.raw, `"Resources":[]`) {
		t.Errorf("no groups: %s", empty.raw)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	id := h.user("ada@example.com", `,"title":"x"`)
	h.user("bob@example.com", "")
	h.group("Math", id)
	body := func(more string) string { return `{"schemas":["` + urnSearch + `"]` + more + `}` }
	for _, c := range []struct{ path, body, want string }{
		{"/Users/.search", body(`,"filter":"userName sw \"a\""`), "ada"},
		{"/Users/.search", body(`,"startIndex":2,"count":1`), "bob"},
		{"/Users/.search", body(`,"sortBy":"userName","sortOrder":"descending","attributes":["userName"]`), "bob ada"},
		{"/Groups/.search", body(``), "math"},
		{"/.search", body(``), "ada bob math"},
		{"/.search", body(`,"filter":"title pr or displayName eq \"math\"","excludedAttributes":["members"]`), "ada math"},
	} {
		r := h.do("POST", c.path, c.body)
		h.want(r, 200, "")
		if got := namesOf(r); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.path, c.body, got, c.want)
		}
	}
	for _, more := range []string{`,"count":"1"`, `,"count":1.5`, `,"filter":5`, `,"attributes":[1]`} {
		h.want(h.do("POST", "/Users/.search", body(more)), 400, "invalidValue")
	}
	h.want(h.do("GET", "/Users/.search", ""), 405, "")
	if n := h.Requests()["POST /Users/.search"]; n != 7 {
		t.Errorf("counted %d searches", n)
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.PageSize, o.CursorPaging = 3, true })
	for i := range 7 {
		h.user(fmt.Sprintf("u%d@example.com", i), "")
	}
	walk := func(query string, between func()) []string {
		var pages []string
		cursor := ""
		for range 10 {
			r := h.do("GET", "/Users?"+query+"&cursor="+url.QueryEscape(cursor), "")
			h.want(r, 200, "")
			pages = append(pages, namesOf(r))
			next, more := r.doc["nextCursor"].(string)
			if !more {
				return pages
			}
			if between != nil {
				between()
				between = nil
			}
			cursor = next
		}
		t.Fatalf("%s does not end", query)
		return nil
	}
	for query, want := range map[string]string{
		"": "u0 u1 u2|u3 u4 u5|u6", "count=7": "u0 u1 u2|u3 u4 u5|u6", "count=1&filter=" + url.QueryEscape(`userName lt "u2"`): "u0|u1",
		"sortBy=userName&sortOrder=descending": "u6 u5 u4|u3 u2 u1|u0", "filter=" + url.QueryEscape(`userName lt "u3"`): "u0 u1 u2",
		"filter=" + url.QueryEscape(`title pr`): "",
	} {
		if got := strings.Join(walk(query, nil), "|"); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	// What goes and comes meanwhile moves nothing.
	got := strings.Join(walk("", func() {
		if err := h.Delete(identity.User, "u0@example.com"); err != nil {
			t.Fatal(err)
		}
		h.user("u7@example.com", "")
	}), "|")
	if got != "u0 u1 u2|u3 u4 u5|u6 u7" {
		t.Errorf("changing listing: %q", got)
	}

	first := h.do("GET", "/Users?cursor=", "")
	cursor := url.QueryEscape(first.text("nextCursor"))
	h.want(h.do("GET", "/Users?sortBy=title&cursor="+cursor, ""), 400, "invalidCursor")
	h.want(h.do("GET", "/Users?cursor=x", ""), 400, "invalidCursor")
	h.want(h.do("GET", "/Users?cursor=&count=0", ""), 400, "invalidCount")
	h.SetHazards(Hazards{ExpireCursors: Every(1)})
	h.want(h.do("GET", "/Users?cursor=", ""), 200, "")
	h.want(h.do("GET", "/Users?cursor="+cursor, ""), 400, "expiredCursor")
	if h.Fired()["ExpireCursors"] != 1 {
		t.Error("ExpireCursors did not fire")
	}
}
