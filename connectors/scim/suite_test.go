package scim_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

const testToken = "canary-7d1f-bearer"

// secretFile keeps a secret where settings can refer to it.
func secretFile(t *testing.T, value string) connectors.Secret {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return connectors.Secret{File: name}
}

// openTarget makes a target of settings as a configuration would.
func openTarget(t *testing.T, s *scim.Settings) connectors.Target {
	t.Helper()
	if s.Auth.Basic == nil && s.Auth.OAuth2 == nil && s.Auth.Bearer.IsZero() {
		s.Auth.Bearer = secretFile(t, testToken)
	}
	if problems := s.Validate(); len(problems) > 0 {
		t.Fatalf("settings: %v", problems)
	}
	target, err := scim.Type().Open(s, connectors.Runtime{
		Log: slog.New(slog.DiscardHandler), UserAgent: "scimsync/test", Traffic: &connectors.Traffic{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func suite(o scimtest.Options, s scim.Settings, skip map[string]string) connectortest.TargetSuite {
	return connectortest.TargetSuite{
		Skip: skip,
		Open: func(t *testing.T, want connectortest.TargetOptions) connectortest.TargetUnderTest {
			o := o
			o.Token, o.PageSize = testToken, want.PageSize
			for _, h := range want.Hazards {
				switch h {
				case connectortest.IgnoresFilters:
					o.Hazards.IgnoreFilters = true
				case connectortest.StringBooleans:
					o.Hazards.StringBooleans = true
				case connectortest.NoTotals:
					o.Hazards.NoTotal = true
				case connectortest.HidesMembers:
					o.Hazards.EmptyMembers = true
				case connectortest.RepeatsPages:
					o.Hazards.NonAdvancingPages = true
				default:
					t.Fatalf("the fake does not know the hazard %q", h)
				}
			}
			fake, err := scimtest.New(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fake.Close() })
			server := httptest.NewServer(want.Faults.Wrap(fake))
			t.Cleanup(server.Close)
			s := s
			s.URL = server.URL + "/scim/v2/"
			s.Limits = scim.Limits{PageSize: want.PageSize, MembersPerPatch: want.MembersPerPatch}
			return connectortest.TargetUnderTest{
				Target: openTarget(t, &s),
				Held: func(k identity.Kind) []identity.Entry {
					list := fake.Users()
					if k == identity.Group {
						list = fake.Groups()
					}
					var out []identity.Entry
					for _, r := range list {
						out = append(out, connectortest.FromSCIM(held(t, k, r)))
					}
					return out
				},
				Edit: func(k identity.Kind, id string, attrs identity.Attrs) {
					for _, path := range attrs.Paths() {
						if err := fake.Edit(k, id, path, attrs[path]); err != nil {
							t.Error(err)
						}
					}
				},
			}
		},
	}
}

// held is a resource of the fake as its own answer would show it to a reader
// that sees everything.
func held(t *testing.T, k identity.Kind, r scimtest.Resource) map[string]any {
	t.Helper()
	data, err := json.Marshal(r.Attributes)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	out["id"] = r.ID
	if k == identity.User {
		out["active"] = r.Active
		return out
	}
	members := []any{}
	for _, id := range r.Members {
		members = append(members, map[string]any{"value": id})
	}
	out["members"] = members
	return out
}

// TestConformance runs the contract against a strict server in every dialect and
// against the ways servers differ.
func TestConformance(t *testing.T) {
	t.Parallel()
	putAndBlind := map[string]string{
		"hidden members": "without PATCH a group whose members are hidden would be emptied: refused, see TestReplaceNeverEmptiesGroups",
	}
	for _, c := range []struct {
		name     string
		options  scimtest.Options
		settings scim.Settings
		skip     map[string]string
	}{
		{name: "rfc"},
		{name: "no content", options: scimtest.Options{PatchNoContent: true, NoETag: true}},
		{name: "put only", options: scimtest.Options{Hazards: scimtest.Hazards{PutReplaceOnly: true}}, skip: putAndBlind},
		{name: "patch promised", options: scimtest.Options{Hazards: scimtest.Hazards{PatchUnsupported: true}}, skip: putAndBlind},
		{name: "lists without members", options: scimtest.Options{Hazards: scimtest.Hazards{MembersMissingFromLists: true}}},
		{name: "odd answers", options: scimtest.Options{Hazards: scimtest.Hazards{
			LowerCaseResources: true, TotalAsString: true, OddErrors: true, NoDiscovery: true,
			EmptyCreateAnswer: true, LocationElsewhere: "https://elsewhere.example.com",
			DuplicateAcrossPages: true, IgnoreExcludedAttributes: true,
		}}},
		{name: "short pages", options: scimtest.Options{Hazards: scimtest.Hazards{
			ShrinkingPages: true, TotalIsPageSize: true, FilterUserNameCaseSensitive: true,
		}}},
		{name: "okta", settings: scim.Settings{Dialect: "okta"}, options: scimtest.Options{Lenient: true}},
		{name: "entra", settings: scim.Settings{Dialect: "entra"}, options: scimtest.Options{Lenient: true}},
		{name: "entra 2020", settings: scim.Settings{Dialect: "entra_2020"}, options: scimtest.Options{Lenient: true}},
		{name: "sailpoint", settings: scim.Settings{Dialect: "sailpoint"}},
		{name: "alation", settings: scim.Settings{Profile: "alation"}, options: scimtest.Options{Lenient: true}},
		{name: "aws", settings: scim.Settings{Profile: "aws_identity_center"}, options: scimtest.Options{
			CursorPaging: true, Hazards: scimtest.Hazards{EmptyMembers: true},
		}},
		{name: "collate", settings: scim.Settings{Profile: "collate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			skip := maps.Clone(c.skip)
			if c.name != "rfc" {
				if skip == nil {
					skip = map[string]string{}
				}
				skip["throttled create"] = "a real second of waiting that no dialect or profile changes; run for rfc"
			}
			suite(c.options, c.settings, skip).Run(t)
		})
	}
}
