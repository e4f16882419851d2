package mapping_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// FuzzCompile reads any expression: Compile must end, tell mistakes by their
// place, and what it accepts must map a record to values of the promised types
// or refuse it in words.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"profile.login", `Join(" ", profile.firstName, profile.lastName)`, `status in ["ACTIVE"] ? "a" : "b"`, `let x = tags; Item(x, 1) + "y"`,
		`Replace(profile.login, nil, "(?<a>x)", "a", "y")`, `FormatDateTime(lastLogin, "yyyy", "dd")`, `map(filter(tags ?? [], # != ""), upper(#))`,
		`manager?.name ?? profile["a"]?.b`, `{"a": 1}[status]`, `DateAdd("d", 1, lastLogin)`, `1 + 2 * -level ** 2 % 3`, `if true { 1 } else { 2 }`, `profile.x[1:2]`,
		"count(tags, # in ['a'])", "1;2", "a?.b?.[0]", "`raw`", "#", "b'x'", `"\u00e4\xff"`, "status | lower() | trim()", "find(tags, #index > 0)", "0x1F + 0b1 + 1e3",
		"(true or false) and not (level ?? 1 > 2) ? 1 : 2", "let f = 1; let g = f; g", "reduce([1], #acc)", "$env", "profile?.login",
	} {
		f.Add(seed)
	}
	fields, defaults, rec := userFields(), map[string]string{"userName": "profile.login"}, ada()
	f.Fuzz(func(t *testing.T, source string) {
		cfg := users(mapping.Rule{Path: resultPath, Value: mapping.Expr{Source: source, Pos: mapping.Pos{File: "f", Line: 1, Column: 1}}, Pos: mapping.Pos{File: "f", Line: 1, Column: 1}})
		m, err := mapping.Compile(cfg, fields, defaults)
		if err != nil {
			mistakes, ok := errors.AsType[mapping.Errors](err)
			if !ok || len(mistakes) == 0 {
				t.Fatalf("%q: %v is no Errors", source, err)
			}
			for _, mistake := range mistakes {
				if mistake.Problem == "" || mistake.Pos.Line < 1 || mistake.Pos.Line > 1+strings.Count(source, "\n") || mistake.Pos.Column > 1+utf8.RuneCountInString(source) {
					t.Errorf("%q: mistake %v has no place in it", source, mistake)
				}
			}
			return
		}
		_ = m.Fields()
		for _, record := range []identity.Record{rec, {Ref: rec.Ref, Fields: map[string]any{"id": "", "status": "", "accountEnabled": false, "profile": map[string]any{"login": "x"}}}} {
			mapped, err := m.Map(record)
			if err != nil {
				if _, ok := errors.AsType[*mapping.ValueError](err); !ok {
					t.Errorf("%q: %v is no ValueError", source, err)
				}
				continue
			}
			promised(t, source, mapped.Entry.Attrs)
		}
	})
}

// promised checks that attributes have the types identity.Attrs promises.
func promised(t *testing.T, source string, attrs identity.Attrs) {
	t.Helper()
	for path, v := range attrs {
		ok := true
		switch v := v.(type) {
		case nil, bool:
		case string:
			ok = v != "" && utf8.ValidString(v) && utf8.RuneCountInString(v) <= 10_000 && !strings.ContainsAny(v, "\x00\x1b\x7f")
		case []string:
			ok = len(v) > 0
		default:
			ok = false
		}
		if !ok {
			t.Errorf("%q: %s became %#v", source, path, v)
		}
	}
}

// FuzzMap gives every function arbitrary directory data.
func FuzzMap(f *testing.F) {
	f.Add("Ada Lovelace", ",", 3.0)
	f.Add("2026-01-31T08:00:00.5+02:00", "yyyy-MM-ddTHH:mm:ssK", -1.0)
	f.Add("\xff\x00", "\\", 1e300)
	f.Add("Straße İ", "'", 0.5)
	rules := []mapping.Rule{}
	for i, source := range []string{
		"Append(profile.a, profile.b)", "Join(profile.b, profile.a, profile.list)", "Left(profile.a, level)", "Mid(profile.a, level, level)", "InStr(profile.a, profile.b, level)",
		`InStr(profile.a, profile.b, 1, "vbTextCompare")`, "Word(profile.a, level, profile.b)", "ToLower(profile.a, profile.b)", "ToUpper(profile.a)", "PCase(profile.a, profile.b)", "PCase(profile.a)",
		"StripSpaces(profile.a)", "NormalizeDiacritics(profile.a)", "Split(profile.a, profile.b)", "Item(profile.list, level)", "RemoveDuplicates(profile.list)",
		"Replace(profile.a, profile.b, profile.c)", `Replace(profile.a, nil, "(?<x>[a-z]+)(?<y>.)?", nil, profile.b)`, `Replace(profile.a, nil, "(?<x>[a-z]+)(?<y>.)?", "y", profile.b)`,
		`Replace(profile.c, nil, "(?<x>.*)", "x", nil, profile.a)`, "Replace(profile.a, profile.b, nil, nil, nil, nil, profile.a)", "FormatDateTime(profile.a, profile.b, profile.b)",
		"FormatDateTime(profile.a, nil, profile.b)", `DateAdd("m", level, profile.a)`, `DateAdd("s", level, profile.a)`, `DateDiff("ww", profile.a, profile.b)`, "Switch(profile.a, profile.b, profile.c, 1)",
		"int(profile.a)", "float(profile.a)", "string(level)", "profile.a + profile.b", "profile.a[1:2]", "level",
	} {
		rules = append(rules, value("urn:example:User:r"+strings.Repeat("x", i), source))
	}
	fields := []identity.Field{
		{Path: "level", Type: identity.Number, Always: true},
		{Path: "profile", Type: identity.Object, Always: true},
		{Path: "profile.a", Type: identity.String, Always: true},
		{Path: "profile.b", Type: identity.String, Always: true},
		{Path: "profile.c", Type: identity.String},
		{Path: "profile.list", Type: identity.Strings},
	}
	mappers := make([]*mapping.Mapper, len(rules))
	for i, r := range rules {
		m, err := mapping.Compile(users(r), fields, map[string]string{"userName": `"ada"`})
		if err != nil {
			f.Fatal(err)
		}
		mappers[i] = m
	}
	f.Fuzz(func(t *testing.T, a, b string, n float64) {
		rec := identity.Record{Ref: identity.Ref{Kind: identity.User, ID: "1"}, Fields: map[string]any{
			"level": n, "profile": map[string]any{"a": a, "b": b, "list": []any{a, b, a}},
		}}
		for i, m := range mappers {
			mapped, err := m.Map(rec)
			if err != nil {
				if _, ok := errors.AsType[*mapping.ValueError](err); !ok {
					t.Errorf("%v is no ValueError", err)
				}
				continue
			}
			promised(t, rules[i].Value.Source, mapped.Entry.Attrs)
		}
	})
}
