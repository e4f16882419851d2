package scimtest

import (
	"strings"
	"testing"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ada := h.user("Ada@example.com", `,"externalId":"00u1","title":"Countess","name":{"familyName":"Lovelace"},
		"emails":[{"value":"ada@work.example.com","type":"work","primary":true},{"value":"ada@home.example.com","type":"home"}]`)
	r := h.do("POST", "/Users", `{"schemas":["`+urnUser+`","`+urnEnterprise+`"],"userName":"bob@example.com","active":false,
		"externalId":"00U1","`+urnEnterprise+`":{"department":"R \"&\" D","manager":{"value":"m1"}}}`)
	h.want(r, 201, "")
	h.user(`o"neil\x@example.com`, `,"emails":[{"value":"o@home.example.com","type":"home"}]`)
	g := h.group("Math", ada)

	users := []struct{ filter, want string }{
		{`userName eq "ada@EXAMPLE.com"`, "ada"},
		{`USERNAME EQ "ada@example.com"`, "ada"},
		{urnUser + `:userName eq "ada@example.com"`, "ada"},
		{`userName eq "nobody"`, ""},
		{`userName eq "o\"neil\\x@example.com"`, "o"},
		{`userName eq "\u0061da@example.com"`, "ada"},
		{`userName ne "ada@example.com"`, "bob o"},
		{`userName co "example"`, "ada bob o"},
		{`userName sw "ADA"`, "ada"},
		{`userName ew ".com" and active eq false`, "bob"},
		{`externalId eq "00u1"`, "ada"}, // caseExact
		{`externalId eq "00U1"`, "bob"},
		{`externalId pr`, "ada bob"},
		{`not (externalId pr)`, "o"},
		{`not(externalId pr) or title eq "countess"`, "ada o"},
		{`title pr and (userName sw "b" or userName sw "a")`, "ada"},
		{`userName sw "a" or userName sw "b" and active eq true`, "ada"}, // and binds closer
		{`(userName sw "a" or userName sw "b") and active eq false`, "bob"},
		{`title eq null`, "bob o"},
		{`title ne null`, "ada"},
		{`active eq true`, "ada o"},
		{`active ne true`, "bob"},
		{`userName gt "b"`, "bob o"},
		{`userName ge "bob@example.com" and userName le "bob@example.com"`, "bob"},
		{`userName lt "b"`, "ada"},
		{`emails eq "ada@work.example.com"`, "ada"},
		{`emails.value ew "example.com"`, "ada o"},
		{`emails[type eq "work" and value co "ada"]`, "ada"},
		{`emails[type eq "work" and value co "home"]`, ""},
		{`emails[type eq "home"] and not (title pr)`, "o"},
		{`emails[not (type eq "home")]`, "ada"},
		{`emails.primary eq true`, "ada"},
		{`name pr`, "ada"},
		{`name.familyName eq "lovelace"`, "ada"},
		{urnEnterprise + `:department eq "R \"&\" D"`, "bob"},
		{urnEnterprise + `:manager.value eq "m1"`, "bob"},
		{urnEnterprise + `:manager pr`, "bob"},
		{`id eq "` + ada + `"`, "ada"},
		{`meta.created gt "2001-01-01T00:00:00Z"`, "ada bob o"},
		{`meta.lastModified lt "2001-01-01T00:00:00+02:00"`, ""},
		{`meta.resourceType eq "User"`, "ada bob o"},
		{`schemas eq "` + urnEnterprise + `"`, "bob"},
		{`groups.value eq "` + g + `"`, "ada"},
		{`groups[value eq "` + g + `"] and active eq true`, "ada"},
		{`not (groups.value eq "` + g + `")`, "bob o"},
	}
	for _, c := range users {
		if got := h.names("/Users" + filterQuery(c.filter)); got != c.want {
			t.Errorf("%s: found %q, want %q", c.filter, got, c.want)
		}
	}
	groups := []struct{ filter, want string }{
		{`displayName eq "MATH"`, "math"},
		{`members.value eq "` + ada + `"`, "math"},
		{`members[value eq "` + ada + `"]`, "math"},
		{`members eq "` + ada + `"`, "math"},
		{`members eq "x"`, ""},
		{`members pr`, "math"},
		{`members.type eq "group"`, ""},
	}
	for _, c := range groups {
		if got := h.names("/Groups" + filterQuery(c.filter)); got != c.want {
			t.Errorf("%s: found %q, want %q", c.filter, got, c.want)
		}
	}
	if got := h.names(filterQuery(`displayName eq "math" or userName sw "b"`)); got != "bob math" {
		t.Errorf("search at the root found %q", got)
	}
}

// names lists what a query finds, as the names up to the @, in order.
func (h *harness) names(path string) string {
	h.t.Helper()
	r := h.do("GET", path, "")
	h.want(r, 200, "")
	return namesOf(r)
}

func namesOf(r reply) string {
	var out []string
	for _, v := range asList(r.doc["Resources"]) {
		m := v.(map[string]any)
		name, _ := m["userName"].(string)
		if name == "" {
			name, _ = m["displayName"].(string)
		}
		name, _, _ = strings.Cut(strings.ToLower(name), "@")
		name, _, _ = strings.Cut(name, `"`)
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	bad := []string{
		``, ` `, `userName`, `userName eq`, `userName eq `, `userName eq ada`, `userName eq 'ada'`, `userName eq "ada`,
		`userName is "ada"`, `eq "ada"`, `shoeSize eq "41"`, `name.nick eq "x"`, `name eq "x"`, `urn:x:y:title eq "x"`,
		`userName eq "a" and`, `userName eq "a" userName eq "b"`, `userName eq "a"and title pr`, `userName eq "a" xor title pr`,
		`(userName eq "a"`, `userName eq "a")`, `()`, `not userName pr`, `not (userName pr`,
		`emails[type eq "work"`, `emails[]`, `emails[type eq "work"].value eq "x"`, `emails[nick eq "x"]`, `userName[value eq "x"]`,
		`active eq "true"`, `active gt true`, `active co true`, `userName eq 5`, `userName eq true`, `userName eq {}`, `userName eq []`,
		`meta.created gt "yesterday"`, `userName gt null`, `x509Certificates.value co "a"`, `addresses eq "x"`,
		strings.Repeat("(", 100) + `userName pr` + strings.Repeat(")", 100),
		`userName eq "` + strings.Repeat("x", maxFilter) + `"`,
	}
	for _, filter := range bad {
		h.want(h.do("GET", "/Users"+filterQuery(filter), ""), 400, "invalidFilter")
	}
	h = newHarness(t, lenient)
	h.user("ada@example.com", "")
	if got := h.names("/Users" + filterQuery(`shoeSize eq "41" or hats[size eq "x"]`)); got != "" {
		t.Errorf("an unknown attribute found %q", got)
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.user("b@example.com", `,"title":"One","emails":[{"value":"z"},{"value":"a","primary":true}]`)
	h.user("C@example.com", `,"emails":[{"value":"m"}]`)
	h.user("a@example.com", `,"title":"two"`)
	for query, want := range map[string]string{
		"sortBy=userName":                         "a b c",
		"sortBy=userName&sortOrder=descending":    "c b a",
		"sortBy=title":                            "b a c",
		"sortBy=title&sortOrder=Descending":       "c a b",
		"sortBy=emails":                           "b c a",
		"sortBy=userName&startIndex=2&count=1":    "b",
		"sortBy=meta.created":                     "b c a",
		"sortBy=userName&filter=title+pr":         "a b",
		"sortBy=emails.value&sortOrder=ascending": "b c a",
	} {
		if got := h.names("/Users?" + query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	h.want(h.do("GET", "/Users?sortBy=shoeSize", ""), 400, "invalidValue")
	h.want(h.do("GET", "/Users?sortBy=title&sortOrder=up", ""), 400, "invalidValue")
}

// FuzzFilter: no input may panic, and what parses must mean the same with
// brackets around it and its opposite with not.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "ada"`, `emails[type eq "work" and not (value co "x")] or title pr`, `not (active eq true)`,
		urnEnterprise + `:manager.value eq "1"`, `userName eq "\u00e9\\\""`, `((a`, `emails[`, `meta.created gt "2011-05-13T04:42:34Z"`,
	} {
		f.Add(seed)
	}
	s, err := New(Options{Token: token})
	if err != nil {
		f.Fatal(err)
	}
	doc := map[string]any{
		"userName": "ada", "active": true, "title": "x",
		"emails":      []any{map[string]any{"value": "ada@example.com", "type": "work", "primary": true}},
		urnEnterprise: map[string]any{"manager": map[string]any{"value": "1"}},
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, g := range []grammar{{typ: s.users}, {typ: s.users, tolerant: true}} {
			e, err := g.filter(text)
			if err != nil {
				continue
			}
			holds := e.holds(doc)
			if len(text) > maxFilter/2 || strings.Count(text, "(") > maxNesting/2 {
				continue
			}
			wrapped, err := g.filter("(" + text + ")")
			if err != nil || wrapped.holds(doc) != holds {
				t.Fatalf("(%s): %v", text, err)
			}
			opposite, err := g.filter("not (" + text + ")")
			if err != nil || opposite.holds(doc) == holds {
				t.Fatalf("not (%s): %v", text, err)
			}
		}
	})
}

// FuzzPath: no input may panic, and what parses reads back the same.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"title", "name.givenName", `emails[type eq "work"].value`, `emails[type eq "wo]rk"]`, urnEnterprise, urnEnterprise + ":manager.value",
		urnUser + ":name.familyName", "members", "emails[", "emails[]", "name.", ".", `members[value eq "x"]`,
	} {
		f.Add(seed)
	}
	s, err := New(Options{Token: token})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := grammar{typ: s.users}.path(text)
		if err != nil || p.filter != nil {
			return
		}
		again, err := grammar{typ: s.users}.path(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q read as %q reads as %q: %v", text, p, again, err)
		}
		if p.attr == nil && p.extension == nil {
			t.Fatalf("%q names nothing", text)
		}
	})
}
