package mapping_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// userFields describe a directory much like Okta's.
func userFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "status", Type: identity.String, Always: true},
		{Path: "accountEnabled", Type: identity.Bool, Always: true},
		{Path: "lastLogin", Type: identity.String},
		{Path: "suspended", Type: identity.Bool},
		{Path: "level", Type: identity.Number},
		{Path: "tags", Type: identity.Strings},
		{Path: "manager", Type: identity.Object},
		{Path: "manager.id", Type: identity.String},
		{Path: "manager.name", Type: identity.String},
		{Path: "profile", Type: identity.Object, Always: true, Open: true},
		{Path: "profile.login", Type: identity.String, Always: true},
		{Path: "profile.email", Type: identity.String},
		{Path: "profile.firstName", Type: identity.String},
		{Path: "profile.lastName", Type: identity.String},
		{Path: "profile.displayName", Type: identity.String},
		{Path: "profile.title", Type: identity.String},
		{Path: "profile.userType", Type: identity.String},
	}
}

func groupFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "name", Type: identity.String, Always: true},
		{Path: "description", Type: identity.String},
		{Path: "type", Type: identity.String, Always: true},
	}
}

func userDefaults() map[string]string {
	return map[string]string{
		"userName":                     "profile.login",
		"name.givenName":               "profile.firstName",
		"name.familyName":              "profile.lastName",
		"displayName":                  `profile.displayName ?? Join(" ", profile.firstName, profile.lastName)`,
		`emails[type eq "work"].value`: "profile.email",
		"active":                       `status in ["ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT"]`,
	}
}

func ada() identity.Record {
	return identity.Record{
		Ref: identity.Ref{Kind: identity.User, ID: "00u1"},
		Fields: map[string]any{
			"id": "00u1", "status": "ACTIVE", "accountEnabled": true, "level": 3.0,
			"tags":    []any{"a", "b", "a"},
			"manager": map[string]any{"id": "00u2", "name": "Grace"},
			"profile": map[string]any{
				"login": "ada@example.com", "email": "Ada@Example.com", "firstName": "Ada", "lastName": "Lovelace", "userType": "Employee",
			},
		},
	}
}

// with returns a copy of ada with fields set by dotted path; a nil removes.
func with(pairs ...any) identity.Record {
	rec := ada()
	for i := 0; i < len(pairs); i += 2 {
		at := rec.Fields
		segments := strings.Split(pairs[i].(string), ".")
		for _, name := range segments[:len(segments)-1] {
			at = at[name].(map[string]any)
		}
		last := segments[len(segments)-1]
		if pairs[i+1] == nil {
			delete(at, last)
			continue
		}
		at[last] = pairs[i+1]
	}
	return rec
}

func value(path, source string) mapping.Rule {
	return mapping.Rule{Path: path, Value: mapping.Expr{Source: source}}
}

func users(rules ...mapping.Rule) mapping.Config {
	return mapping.Config{Kind: identity.User, Rules: rules}
}

func compile(t testing.TB, cfg mapping.Config) *mapping.Mapper {
	t.Helper()
	fields, defaults := userFields(), userDefaults()
	if cfg.Kind == identity.Group {
		fields, defaults = groupFields(), map[string]string{"displayName": "name"}
	}
	m, err := mapping.Compile(cfg, fields, defaults)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return m
}

func TestMapDefaults(t *testing.T) {
	t.Parallel()
	got, err := compile(t, users()).Map(ada())
	if err != nil {
		t.Fatal(err)
	}
	want := mapping.Mapped{InScope: true, Entry: identity.Entry{
		Ref: identity.Ref{Kind: identity.User, ID: "00u1"},
		Attrs: identity.Attrs{
			"externalId": "00u1", "userName": "ada@example.com", "name.givenName": "Ada", "name.familyName": "Lovelace",
			"displayName": "Ada Lovelace", `emails[type eq "work"].value`: "Ada@Example.com", "active": true,
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Map (-want +got):\n%s", diff)
	}
}

// absentPath stands for a path that is not in the entry at all.
type absentPath struct{}

func TestMapRules(t *testing.T) {
	t.Parallel()
	const department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
	const manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
	tests := []struct {
		name string
		rule mapping.Rule
		rec  identity.Record
		path string
		want any
	}{
		{"text", value("title", "profile.title"), with("profile.title", "Countess"), "title", "Countess"},
		{"empty clears", value("title", "profile.title"), ada(), "title", nil},
		{"empty text clears", value("title", "profile.title"), with("profile.title", ""), "title", nil},
		{"nil clears", value("title", "nil"), ada(), "title", nil},
		{"empty keeps", mapping.Rule{Path: "title", Value: mapping.Expr{Source: "profile.title"}, Empty: mapping.KeepEmpty}, ada(), "title", absentPath{}},
		{"default", mapping.Rule{Path: "title", Value: mapping.Expr{Source: "profile.title"}, Default: "n/a"}, ada(), "title", "n/a"},
		{"default comes before keep", mapping.Rule{Path: "title", Value: mapping.Expr{Source: "profile.title"}, Default: "n/a", Empty: mapping.KeepEmpty}, ada(), "title", "n/a"},
		{"default of active", mapping.Rule{Path: "active", Value: mapping.Expr{Source: "suspended"}, Default: true}, ada(), "active", true},
		{"default number", mapping.Rule{Path: "title", Value: mapping.Expr{Source: "nil"}, Default: uint64(7)}, ada(), "title", "7"},
		{"options over a default rule", mapping.Rule{Path: "displayName", When: mapping.OnCreate}, ada(), "displayName", "Ada Lovelace"},
		{"off", mapping.Rule{Path: "displayName", Off: true}, ada(), "displayName", absentPath{}},
		{"externalId off", mapping.Rule{Path: "externalId", Off: true}, ada(), "externalId", absentPath{}},
		{"externalId mapped", value("externalId", "profile.login"), ada(), "externalId", "ada@example.com"},
		{"number", value(department, "level"), ada(), department, "3"},
		{"number without exponent", value(department, "level"), with("level", 12345678901234567890.0), department, "12345678901234567000"},
		{"integer", value(department, "len(profile.firstName) + 1"), ada(), department, "4"},
		{"list", value("urn:example:User:tags", "tags"), ada(), "urn:example:User:tags", []string{"a", "b", "a"}},
		{"list of a function", value("urn:example:User:tags", "RemoveDuplicates(tags)"), ada(), "urn:example:User:tags", []string{"a", "b"}},
		{"empty list clears", value("urn:example:User:tags", "filter(tags, # == 'z')"), ada(), "urn:example:User:tags", nil},
		{"filtered list", value("urn:example:User:tags", "filter(tags, # startsWith 'b')"), ada(), "urn:example:User:tags", []string{"b"}},
		{"reference", mapping.Rule{Path: manager, Value: mapping.Expr{Source: "manager?.id"}, Reference: identity.User}, ada(), manager, identity.Reference{Ref: identity.Ref{Kind: identity.User, ID: "00u2"}}},
		{"no reference clears", mapping.Rule{Path: manager, Value: mapping.Expr{Source: "manager?.id"}, Reference: identity.User}, with("manager", nil), manager, nil},
		{"custom field", value(department, "profile.costCenter"), with("profile.costCenter", "R&D"), department, "R&D"},
		{"custom field below an object", value(department, "profile.org?.unit"), with("profile.org", map[string]any{"unit": "R&D"}), department, "R&D"},
		{"field in brackets", value(department, `profile["cost-center"]`), with("profile.cost-center", "R&D"), department, "R&D"},
		{"ternary", value("userType", `profile.userType == "Employee" ? "staff" : "guest"`), ada(), "userType", "staff"},
		{"absent is unequal", value("userType", `profile.userType != "Contractor" ? "staff" : "guest"`), with("profile.userType", nil), "userType", "staff"},
		{"absent is unequal, the other way", value("userType", `profile.userType == "Contractor" ? "guest" : "staff"`), with("profile.userType", nil), "userType", "staff"},
		{"lookup table", value("userType", `{"Employee": "E", "Contractor": "C"}[profile.userType] ?? "?"`), ada(), "userType", "E"},
		{"pipe", value("nickName", "profile.login | Word(1, '@') | ToUpper()"), ada(), "nickName", "ADA"},
		{"let", value("nickName", "let n = manager?.name; n ?? 'nobody'"), ada(), "nickName", "Grace"},
		{"chosen lazily", value("nickName", `IIF(IsPresent(lastLogin), "x" + lastLogin, "never")`), ada(), "nickName", "never"},
		{"plus", value("nickName", `profile.firstName + "." + profile.lastName`), ada(), "nickName", "Ada.Lovelace"},
		{"spelling of the path", value("USERNAME", "profile.email"), ada(), "userName", "Ada@Example.com"},
		{"schema of a core attribute", value("urn:ietf:params:scim:schemas:core:2.0:User:userName", "profile.email"), ada(), "userName", "Ada@Example.com"},
		{"primary", value(`emails[type eq "work"].primary`, "true"), ada(), `emails[type eq "work"].primary`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, users(test.rule)).Map(test.rec)
			if err != nil {
				t.Fatal(err)
			}
			have, ok := got.Entry.Attrs[test.path]
			if !ok {
				have = absentPath{}
			}
			if diff := cmp.Diff(test.want, have); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.path, diff)
			}
		})
	}
}

func TestMapErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  mapping.Config
		rec  identity.Record
		want string
	}{
		{"status missing", users(), with("status", nil), "status: the record lacks a field that the source always has"},
		{"status null", users(), identity.Record{Fields: map[string]any{"status": nil}}, "accountEnabled: the record lacks a field that the source always has"},
		{"no fields", users(), identity.Record{}, "accountEnabled: the record lacks a field that the source always has"},
		{"status of another type", users(), with("status", 1.0), "status: the source promises a text and gave a number"},
		{"profile of another type", users(), with("profile", "x"), "profile: the source promises an object and gave a text"},
		{"field of another type", users(), with("profile.firstName", []any{"Ada"}), "profile.firstName: the source promises a text and gave a list"},
		{"active from an absent field", users(value("active", "suspended")), ada(), "active: the result must be true or false and is absent"},
		{"active absent, kept", users(mapping.Rule{Path: "active", Value: mapping.Expr{Source: "suspended"}, Empty: mapping.KeepEmpty}), ada(), "active: the result must be true or false and is absent"},
		{"active from a text", users(value("active", "profile.enabled")), with("profile.enabled", "true"), "active: the value must be true or false and is a text"},
		{"no userName", users(value("userName", "profile.upn")), ada(), "userName: the value is empty, and a user cannot be without it"},
		{"blank userName", users(value("userName", "profile.upn")), with("profile.upn", " "), "userName: the value is empty, and a user cannot be without it"},
		{"line break in userName", users(), with("profile.login", "ada\n"), "userName: the value contains a line break or a tab"},
		{"control character", users(value("title", "profile.title")), with("profile.title", "Countess\x00"), "title: the value contains a control character"},
		{"not UTF-8", users(value("title", "profile.title")), with("profile.title", "Countess\xff"), "title: the value is not valid UTF-8"},
		{"too long", users(value("title", "profile.title")), with("profile.title", strings.Repeat("x", 10_001)), "title: the value is longer than 10,000 characters"},
		{"object", users(value("title", "profile.office")), with("profile.office", map[string]any{"secret": "s3cret"}), "title: the value is an object; name the field of it that is meant"},
		{"list for one value", users(value("title", "profile.office")), with("profile.office", []any{"s3cret"}), "title: the value is a list where the attribute takes one value"},
		{"true for a text", users(value("title", "profile.office")), with("profile.office", true), "title: the value must be a text and is true or false"},
		{"sum of nothing", users(value("title", `"x" + profile.title`)), ada(), `title: +: one side is absent; Join leaves out what is absent, and ?? "" makes it empty`},
		{"comparison of nothing", users(value("active", "level > 2")), with("level", nil), "active: something is absent that is needed at character 7 of the expression"},
		{"text as condition", users(value("title", "profile.flag ?? 1 ? 'a' : 'b'")), with("profile.flag", "s3cret"), "title: a value is of a type that does not fit at character 29 of the expression"},
		{"function", users(value("title", "Left(profile.office, 2)")), with("profile.office", []any{"s3cret"}), "title: Left: argument 1: one value is needed and a list was given"},
		{"number from a text", users(value("title", "int(profile.office)")), with("profile.office", "s3cret"), "title: int: the text is not a number"},
		{
			"two", users(value("title", "profile.office"), value("nickName", "profile.office")), with("profile.office", []any{"s3cret"}),
			"nickName: the value is a list where the attribute takes one value; title: the value is a list where the attribute takes one value",
		},
		{"scope absent", mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: "suspended"}}, ada(), "scope: the result must be true or false and is nothing"},
		{"scope no bool", mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: "profile.in"}}, with("profile.in", "yes"), "scope: the result must be true or false and is a text"},
		{"scope stops", mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: "profile.in > 3"}}, ada(), "scope: something is absent that is needed at character 12 of the expression"},
		{"no id", users(), identity.Record{Fields: ada().Fields}, "externalId: the record has no id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, test.cfg).Map(test.rec)
			if err == nil {
				t.Fatalf("Map gave %v, want an error", got)
			}
			if err.Error() != test.want {
				t.Errorf("Map said\n\t%s\nwant\n\t%s", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows a value: %s", err)
			}
			if _, ok := errors.AsType[*mapping.ValueError](err); !ok {
				t.Errorf("Map gave a %T, which is no *ValueError", err)
			}
			if diff := cmp.Diff(mapping.Mapped{}, got); diff != "" {
				t.Errorf("with the error came an entry:\n%s", diff)
			}
		})
	}
}

func TestMapScope(t *testing.T) {
	t.Parallel()
	scoped := func(source string) mapping.Config {
		return mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: source}}
	}
	included := func(patterns ...string) mapping.Config {
		cfg := mapping.Config{Kind: identity.Group, Include: []mapping.Expr{}}
		for _, p := range patterns {
			cfg.Include = append(cfg.Include, mapping.Expr{Source: p})
		}
		return cfg
	}
	group := func(name string) identity.Record {
		return identity.Record{Ref: identity.Ref{Kind: identity.Group, ID: "00g1"}, Fields: map[string]any{"id": "00g1", "name": name, "type": "OKTA_GROUP"}}
	}
	both := included("OM_*")
	both.Scope = mapping.Expr{Source: `type == "APP_GROUP"`}
	tests := []struct {
		name string
		cfg  mapping.Config
		rec  identity.Record
		why  string
	}{
		{"none", users(), ada(), ""},
		{"in", scoped(`profile.userType != "Contractor"`), ada(), ""},
		{"in without the field", scoped(`profile.userType != "Contractor"`), with("profile.userType", nil), ""},
		{"out", scoped("profile.userType\n  != \"Employee\""), ada(), `scope is false: profile.userType != "Employee"`},
		{"glob", included("OM_*", "Collate_*"), group("collate_Admins"), ""},
		{"no glob", included("OM_*", "Collate_*"), group("Everyone"), "no pattern of include matches its name (OM_*, Collate_*)"},
		{"empty list of globs", included(), group("Everyone"), "no pattern of include matches its name ()"},
		{"glob and scope", both, group("OM_Admins"), `scope is false: type == "APP_GROUP"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, test.cfg).Map(test.rec)
			if err != nil {
				t.Fatal(err)
			}
			if got.InScope != (test.why == "") || got.Why != test.why {
				t.Errorf("InScope %v because %q, want %q", got.InScope, got.Why, test.why)
			}
			if got.Entry.Ref != test.rec.Ref || len(got.Entry.Attrs) == 0 {
				t.Errorf("the entry was not mapped: %v", got.Entry)
			}
		})
	}
	t.Run("out of scope and unmappable", func(t *testing.T) {
		t.Parallel()
		cfg := scoped(`profile.userType != "Employee"`)
		cfg.Rules = []mapping.Rule{value("userName", "profile.upn")}
		got, err := compile(t, cfg).Map(ada())
		if err != nil || got.InScope || got.Why == "" || got.Entry.Attrs != nil {
			t.Errorf("got %+v, %v; want out of scope with a zero entry", got, err)
		}
	})
	t.Run("include without a name", func(t *testing.T) {
		t.Parallel()
		m, err := mapping.Compile(included("*"), []identity.Field{{Path: "id"}, {Path: "name"}, {Path: "type"}}, map[string]string{"displayName": `"x"`})
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Map(identity.Record{Ref: identity.Ref{Kind: identity.Group, ID: "1"}})
		if want := "include: the record has no name for a pattern to match"; err == nil || err.Error() != want {
			t.Errorf("Map said %v, want %s", err, want)
		}
	})
}

func TestMapperDescription(t *testing.T) {
	t.Parallel()
	cfg := users(
		mapping.Rule{Path: "title", Value: mapping.Expr{Source: `profile.title ?? profile.org?.unit`}, When: mapping.OnCreate, Empty: mapping.KeepEmpty},
		mapping.Rule{Path: "manager", Off: true},
		mapping.Rule{Path: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", Value: mapping.Expr{Source: "manager?.id"}, Reference: identity.User},
		mapping.Rule{Path: "active", Value: mapping.Expr{Source: `let s = status; any(tags, # == s) || {"a": profile["b-c"]}.a == tags?.[0] || Join(" ", tags, profile.deep?.a?.b) == ""`}},
	)
	cfg.Scope = mapping.Expr{Source: `lastLogin != nil`}
	m := compile(t, cfg)
	if diff := cmp.Diff([]string{
		"lastLogin", "manager.id", "profile.b-c", "profile.deep.a.b", "profile.displayName", "profile.email", "profile.firstName", "profile.lastName",
		"profile.login", "profile.org.unit", "profile.title", "status", "tags",
	}, m.Fields()); diff != "" {
		t.Errorf("Fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"active", "displayName", `emails[type eq "work"].value`, "externalId", "name.familyName", "name.givenName", "title",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "userName",
	}, m.Paths()); diff != "" {
		t.Errorf("Paths (-want +got):\n%s", diff)
	}
	if !m.OnCreate("title") || m.OnCreate("userName") || !m.Keeps("Title") || m.Keeps("userName") || m.Keeps("nothing") {
		t.Error("OnCreate or Keeps of title or userName is wrong")
	}
	if kind, ok := m.Reference("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"); !ok || kind != identity.User {
		t.Errorf("Reference gave %q, %v", kind, ok)
	}
	if _, ok := m.Reference("title"); ok {
		t.Error("title refers to nothing")
	}
	for path, want := range map[string]string{"userName": "profile.login", "externalId": "the source's id", "nickName": ""} {
		if got := m.Source(path); got != want {
			t.Errorf("Source(%s) = %q, want %q", path, got, want)
		}
	}
	if m.Kind() != identity.User {
		t.Errorf("Kind = %s", m.Kind())
	}
	groups := compile(t, mapping.Config{Kind: identity.Group, Include: []mapping.Expr{{Source: "*"}}, Rules: []mapping.Rule{value("displayName", "description")}})
	if diff := cmp.Diff([]string{"description", "name"}, groups.Fields()); diff != "" {
		t.Errorf("Fields of groups (-want +got):\n%s", diff)
	}
}

// TestMapConcurrently runs with the race detector: a Mapper is shared.
func TestMapConcurrently(t *testing.T) {
	t.Parallel()
	m := compile(t, users(value("nickName", `Replace(profile.email, nil, "(?<u>[^@]+)@.*", nil, "${u}") | ToUpper("tr")`)))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			login := strings.Repeat("x", i+1) + "@example.com"
			rec := with("profile.login", login)
			for range 200 {
				got, err := m.Map(rec)
				if err != nil || got.Entry.Attrs.String("userName") != login || got.Entry.Attrs.String("nickName") != "ADA" {
					t.Errorf("got %v, %v", got.Entry.Attrs, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestMapDoesNotChangeTheRecord guards the mirror, which shares its maps.
func TestMapDoesNotChangeTheRecord(t *testing.T) {
	t.Parallel()
	rec := ada()
	m := compile(t, users(value("urn:example:User:tags", "reverse(tags)"), value("urn:example:User:unique", "RemoveDuplicates(tags)")))
	if _, err := m.Map(rec); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ada(), rec); diff != "" {
		t.Errorf("Map changed its record (-want +got):\n%s", diff)
	}
}

func BenchmarkMap(b *testing.B) {
	m := compile(b, users())
	rec := ada()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(rec); err != nil {
			b.Fatal(err)
		}
	}
	// The budget is 600 ms.
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/6*1e6, "ms/1,000,000-expressions")
}
