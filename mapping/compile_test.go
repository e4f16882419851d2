package mapping_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// TestMistakes compares what Compile says about every kind of mistake with
// testdata/mistakes.golden, where each expression is followed by its messages.
func TestMistakes(t *testing.T) {
	t.Parallel()
	titles := []string{
		// Names.
		"profil.login", "login", "statsu == \"ACTIVE\"", "nothing.at.all", "manager?.naem", "status.x", "profile.login.ToUpper()", "tags.x",
		"Jion(\" \", profile.firstName)", "join(tags, \",\")", "ToUpper", "status()", "profile.foo()", "1(2)", "let x = 1; y",
		// The whole record, and fields that are not known beforehand.
		"profile", "manager", "$env.status", "$env[\"status\"]", "get($env, \"status\")", "profile[status]", "let p = profile; p.login", "keys(profile)", "toJSON(profile)",
		"\"login\" in profile", "manager[0]", "profile?.login ?? manager", "$add(1, 2)",
		// What is absent.
		"manager.name", "profile.a.b", "profile.a?.b.c", "tags[0]", "tags[0:1]", "!suspended ? 'a' : 'b'", "not profile.flag ? 'a' : 'b'", "suspended && true ? 'a' : 'b'",
		"true or profile.flag ? 'a' : 'b'", "profile.flag ? 'a' : 'b'",
		// Types.
		"status == 5", "level + status", "upper(status, 1)", "accountEnabled", "tags", "filter(status, true)", "{\"a\": 1}", "status matches \"(\"", "status + 1", "len(5)",
		// Functions.
		"Left(status)", "Left(status, 1, 2)", "Switch(status, \"x\")", "Switch(status, \"x\", \"a\", \"b\", \"c\")", "Join()", "Append([status], \"x\")", "Append([status, status], \"x\")",
		"Replace(status, nil, \"(\", nil, \"\")", "Replace(status, nil, \"(?=x)\", nil, \"\")", "Replace(status, nil, profile.email, nil, \"\")", "FormatDateTime(lastLogin, \"yyy\", \"dd\")",
		"FormatDateTime(lastLogin, \"RoundtripKind\", nil, nil)", "DateAdd(\"day\", 1, lastLogin)", "ToLower(status, \"xx-not-a-culture\")", "status matches profile.email",
		// What a mapping must not do.
		"now()", "Now()", "Guid()", "RandomString(1)", "date(lastLogin)", "duration(\"1h\")", "CDate(lastLogin)", "flatten(tags)", "max(level, 1)", "repeat(status, 9)", "sum([1])", "1..9",
		"all(tags, all(tags, all(tags, true))) ? 'a' : 'b'", "IgnoreFlowIfNullOrEmpty(status)", "concat(tags, tags)",
		// Syntax.
		"", "   ", "status = \"x\"", "Replace(status, , \"x\")", "(status", "status)", "status ??", "\"open", "status \"x\"", "a ~ b", "{1}", "if", "status\xff",
		strings.Repeat("(", 300), strings.Repeat("x", 10_001), strings.Repeat("1+", 2_000) + "1",
		// Several at once, on several lines.
		"Join(\" \",\n  profil.login,\n  Jion(statsu),\n  manager.name)",
	}
	var b strings.Builder
	for _, source := range titles {
		cfg := users(mapping.Rule{
			Path: "title", Pos: mapping.Pos{File: "scimsync.yaml", Line: 7, Column: 9},
			Value: mapping.Expr{Source: source, Pos: mapping.Pos{File: "scimsync.yaml", Line: 7, Column: 16}},
		})
		m, err := mapping.Compile(cfg, userFields(), userDefaults())
		shown := fmt.Sprintf("%q", source)
		if len(shown) > 100 {
			shown = shown[:100] + "…"
		}
		if err == nil || m != nil {
			t.Errorf("%s: Compile gave %v, %v; want an error", shown, m, err)
			continue
		}
		if _, ok := errors.AsType[mapping.Errors](err); !ok {
			t.Errorf("%s: Compile gave a %T", shown, err)
		}
		fmt.Fprintf(&b, "%s\n", shown)
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(&b, "\t%s\n", line)
		}
	}
	golden := filepath.Join("testdata", "mistakes.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("messages (-want +got); run with UPDATE_GOLDEN=1 when they are meant:\n%s", diff)
	}
}

func TestRuleMistakes(t *testing.T) {
	t.Parallel()
	pos := mapping.Pos{File: "f.yaml", Line: 3, Column: 5}
	rule := func(path, source string) mapping.Rule {
		return mapping.Rule{Path: path, Pos: pos, Value: mapping.Expr{Source: source, Pos: mapping.Pos{File: "f.yaml", Line: 3, Column: 20}}}
	}
	later := rule("EMAILS[Type eq \"work\"].value", "status")
	later.Pos.Line = 4
	tests := []struct {
		name string
		cfg  mapping.Config
		want string
	}{
		{"path", users(rule("emails[type=work]", "status")), "f.yaml:3:5: emails[type=work]: a path filter is written [attribute eq \"value\"] (paths are written as in name.givenName or emails[type eq \"work\"].value)"},
		{"twice", users(rule(`emails[type eq "work"].value`, "status"), later), `f.yaml:4:5: emails[type eq "work"].value: the attribute is mapped twice (first at f.yaml:3:5)`},
		{"twice, by schema", users(rule("title", "status"), rule("urn:ietf:params:scim:schemas:core:2.0:User:title", "status")), "f.yaml:3:5: title: the attribute is mapped twice (first at f.yaml:3:5)"},
		{"read only", users(rule("id", "status")), "f.yaml:3:5: id: the attribute belongs to the target and cannot be written"},
		{"read only below", users(rule("meta.created", "status")), "f.yaml:3:5: meta.created: the attribute belongs to the target and cannot be written"},
		{"groups of a user", users(rule("groups", "status")), "f.yaml:3:5: groups: the attribute belongs to the target and cannot be written"},
		{"complex", users(rule("emails", "status")), `f.yaml:3:5: emails: the attribute has sub-attributes and takes no value itself (name one, such as emails[type eq "work"].value)`},
		{"complex name", users(rule("name", "status")), `f.yaml:3:5: name: the attribute has sub-attributes and takes no value itself (name one, such as name.givenName)`},
		{"part of another", users(rule("urn:example:User:badge", "status"), rule("urn:example:User:badge.number", "status")), "f.yaml:3:5: urn:example:User:badge.number: the attribute is part of urn:example:User:badge, which is mapped as well"},
		{"no value", users(rule("title", " ")), "f.yaml:3:5: title: the rule has no value (write an expression, nil to clear the attribute, or off to leave it alone)"},
		{"userName off", users(mapping.Rule{Path: "userName", Pos: pos, Off: true}), "f.yaml:3:5: userName: users cannot be without it"},
		{"off of a near path", users(mapping.Rule{Path: "displayNmae", Pos: pos, Off: true}), "f.yaml:3:5: displayNmae: the source has no default rule of this path (did you mean displayName?)"},
		{"active a text", users(rule("active", "status")), "f.yaml:3:20: active: the attribute takes true or false and the expression gives a text"},
		{"active nil", users(rule("active", "nil")), "f.yaml:3:20: active: the attribute takes true or false and the expression gives nil"},
		{"userName nil", users(rule("userName", "nil")), "f.yaml:3:20: userName: the attribute takes a text and the expression gives nil"},
		{"reference to true", users(mapping.Rule{Path: "urn:x:y:boss", Pos: pos, Value: mapping.Expr{Source: "true", Pos: pos}, Reference: identity.User}), "f.yaml:3:5: urn:x:y:boss: the attribute takes a text and the expression gives true or false"},
		{"reference to a thing", users(mapping.Rule{Path: "urn:x:y:boss", Pos: pos, Value: mapping.Expr{Source: "status", Pos: pos}, Reference: "thing"}), `f.yaml:3:5: urn:x:y:boss: a reference is to a user or a group, not to "thing"`},
		{"userName as reference", users(mapping.Rule{Path: "userName", Pos: pos, Value: mapping.Expr{Source: "status"}, Reference: identity.User}), "f.yaml:3:5: userName: the attribute cannot refer to another object"},
		{"when", users(mapping.Rule{Path: "title", Pos: pos, Value: mapping.Expr{Source: "status"}, When: "never"}), `f.yaml:3:5: title: when is always or create, not "never"`},
		{"empty", users(mapping.Rule{Path: "title", Pos: pos, Value: mapping.Expr{Source: "status"}, Empty: "drop"}), `f.yaml:3:5: title: empty is clear or keep, not "drop"`},
		{"default of active", users(mapping.Rule{Path: "active", Pos: pos, Default: "yes"}), "f.yaml:3:5: active: default: the value must be true or false and is a text"},
		{"default an object", users(mapping.Rule{Path: "title", Pos: pos, Value: mapping.Expr{Source: "status"}, Default: map[string]any{"a": 1}}), "f.yaml:3:5: title: default: the value is an object; name the field of it that is meant"},
		{"password always", users(mapping.Rule{Path: "password", Pos: pos, Value: mapping.Expr{Source: "status"}}), "f.yaml:3:5: password: a password can be set on creation only, since the target never shows it (write when: create)"},
		{"scope a text", mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: "status", Pos: pos}}, "f.yaml:3:5: scope: a scope must be true or false and the expression gives a text"},
		{"scope empty", mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: " ", Pos: pos}}, "f.yaml:3:5: scope: the expression is empty"},
		{"include of users", mapping.Config{Kind: identity.User, Include: []mapping.Expr{{Source: "*", Pos: pos}}}, "f.yaml:3:5: include: the source's records have no name that a pattern could match (write a scope instead)"},
		{"include", mapping.Config{Kind: identity.Group, Include: []mapping.Expr{{Source: "", Pos: pos}, {Source: `a\`, Pos: pos}}}, "f.yaml:3:5: include: the pattern ends in a lone backslash\nf.yaml:3:5: include: the pattern is empty"},
		{"members", mapping.Config{Kind: identity.Group, Rules: []mapping.Rule{rule("members", "name")}}, "f.yaml:3:5: members: members are provisioned from the source's groups, not by a rule (see groups.members)"},
		{"kind", mapping.Config{Kind: "device"}, `a mapping is for users or groups, not for "device"`},
		{
			"several",
			mapping.Config{Kind: identity.User, Scope: mapping.Expr{Source: "profil", Pos: mapping.Pos{File: "f.yaml", Line: 2, Column: 10}}, Rules: []mapping.Rule{rule("id", "status"), rule("title", "tags")}},
			"f.yaml:2:10: scope: unknown field profil (did you mean profile?)\nf.yaml:3:5: id: the attribute belongs to the target and cannot be written\nf.yaml:3:20: title: the attribute takes one value and the expression gives a list",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fields, defaults := userFields(), userDefaults()
			if test.cfg.Kind == identity.Group {
				fields, defaults = groupFields(), map[string]string{"displayName": "name"}
			}
			_, err := mapping.Compile(test.cfg, fields, defaults)
			if err == nil {
				t.Fatal("Compile found nothing wrong")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultsMistakes(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile(users(), userFields(), map[string]string{"displayName": "profil.login", "na me": "status"})
	want := "displayName: unknown field profil (did you mean profile?)\n" +
		`na me: "na me" is not a SCIM attribute name (in the source's default rules)` + "\n" +
		"userName: users need a rule for it, and the source has none by default"
	if err == nil || err.Error() != want {
		t.Errorf("Compile said\n%v\nwant\n%s", err, want)
	}
}

// TestOpenRecord maps records of which the source describes little.
func TestOpenRecord(t *testing.T) {
	t.Parallel()
	m, err := mapping.Compile(users(value("userName", "mail"), value("title", "work?.title")), []identity.Field{{Open: true}, {Path: "status", Type: identity.String}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Map(identity.Record{Ref: identity.Ref{Kind: identity.User, ID: "1"}, Fields: map[string]any{"mail": "ada@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(identity.Attrs{"externalId": "1", "userName": "ada@example.com", "title": nil}, got.Entry.Attrs); diff != "" {
		t.Errorf("Attrs (-want +got):\n%s", diff)
	}
	if _, err := mapping.Compile(users(value("userName", "Jion(mail)")), []identity.Field{{Open: true}}, nil); err == nil {
		t.Error("an unknown function passed")
	}
}

func TestGlobs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"*", "anything", true},
		{"?", "", false},
		{"?", "é", true},
		{"?", "e\u0301", true}, // é in two code points
		{"OM_*", "om_admins", true},
		{"OM_*", "xOM_admins", false},
		{"OM_*", "OM_", true},
		{"*_admin", "OM_ADMIN", true},
		{"*_admin", "OM_ADMINS", false},
		{"a*b*c", "aXXbYYbZc", true},
		{"a*b*c", "aXXbYYbZ", false},
		{"a**c", "ac", true},
		{`a\*c`, "a*c", true},
		{`a\*c`, "abc", false},
		{`a\\c`, `a\c`, true},
		{"[a]", "a", false},
		{"[a]", "[A]", true},
		{"STRASSE", "straße", false}, // simple folding keeps ß a letter of its own
		{"ÄRZTE*", "ärzte-nord", true},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", true},
		{"Alation - *", "alation - Admin", true},
		{"x", "x\n", false},
		{strings.Repeat("a*", 40) + "b", strings.Repeat("a", 9_999), false},
	}
	for _, test := range tests {
		globs, err := mapping.CompileGlobs(test.pattern)
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		if got := globs.Match(test.name); got != test.want {
			t.Errorf("%q over %q: %v, want %v", test.pattern, test.name, got, test.want)
		}
	}
	for _, pattern := range []string{"", `\`, `a\`, "\xff", strings.Repeat("x", 1_001)} {
		if _, err := mapping.CompileGlobs("ok", pattern); err == nil {
			t.Errorf("%q passed as a pattern", pattern)
		}
	}
	if (mapping.Globs{}).Match("x") {
		t.Error("no pattern matched")
	}
}
