package scim

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/scimsync/scimsync/connectors"
)

func TestSettingsValidate(t *testing.T) {
	t.Parallel()
	secret := connectors.Secret{Env: "TOKEN"}
	good := func() *Settings {
		return &Settings{URL: "https://acme.example.com/scim/v2/", Auth: Auth{Bearer: secret}}
	}
	for _, c := range []struct {
		name string
		edit func(*Settings)
		keys []string
		says string
	}{
		{"good", func(*Settings) {}, nil, ""},
		{"loopback http", func(s *Settings) { s.URL = "http://127.0.0.1:8080" }, nil, ""},
		{"localhost http", func(s *Settings) { s.URL = "http://localhost:8080/x" }, nil, ""},
		{"empty", func(s *Settings) { *s = Settings{} }, []string{"url", "auth"}, ""},
		{"no host", func(s *Settings) { s.URL = "acme.example.com/scim" }, []string{"url"}, "full URL"},
		{"plain http", func(s *Settings) { s.URL = "http://acme.example.com" }, []string{"url"}, "loopback"},
		{"loopback look-alike", func(s *Settings) { s.URL = "http://127.0.0.1.example.com" }, []string{"url"}, "loopback"},
		{"scheme", func(s *Settings) { s.URL = "ftp://acme.example.com" }, []string{"url"}, "ftp"},
		{"user and query", func(s *Settings) { s.URL = "https://u:s3cret@acme.example.com/x?a=b#c" }, []string{"url", "url", "url"}, ""},
		{"two credentials", func(s *Settings) { s.Auth.Basic = &Basic{Username: "u", Password: secret} }, []string{"auth"}, "bearer and basic"},
		{"half a secret", func(s *Settings) { s.Auth.Bearer.File = "x" }, []string{"auth.bearer"}, "exactly one"},
		{"basic", func(s *Settings) { s.Auth = Auth{Basic: &Basic{Username: "a:b"}} }, []string{"auth.basic.username", "auth.basic.password"}, ""},
		{
			"oauth2", func(s *Settings) { s.Auth = Auth{OAuth2: &OAuth2{TokenURL: "http://x.example.com"}} },
			[]string{"auth.oauth2.token_url", "auth.oauth2.client_id", "auth.oauth2.client_secret"},
			"",
		},
		{"profile", func(s *Settings) { s.Profile = "alatoin" }, []string{"profile"}, "did you mean alation?"},
		{"dialect", func(s *Settings) { s.Dialect = "entra2020" }, []string{"dialect"}, "did you mean entra_2020?"},
		{"far-off dialect", func(s *Settings) { s.Dialect = "ldap_over_carrier_pigeon" }, []string{"dialect"}, "known are rfc, okta"},
		{
			"limits", func(s *Settings) { s.Limits = Limits{-1, -1, 20000, -5} },
			[]string{"limits.requests_per_second", "limits.concurrency", "limits.members_per_patch", "limits.page_size"},
			"",
		},
		{"authorization header", func(s *Settings) { s.HTTP.Headers = map[string]string{"authorization": "x"} }, []string{"http.headers"}, ""},
	} {
		s := good()
		c.edit(s)
		var keys, problems []string
		for _, m := range s.Validate() {
			keys, problems = append(keys, m.Key), append(problems, m.Problem)
		}
		text := strings.Join(problems, "; ")
		if !slices.Equal(keys, c.keys) || !strings.Contains(text, c.says) || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %v %q, want %v with %q", c.name, keys, text, c.keys, c.says)
		}
	}
	s := good()
	s.Expiry.At = "2026-12-31"
	if got := s.Validate(); len(got) != 0 {
		t.Errorf("expiry: %v", got)
	}
	s.Expiry.At = "soon"
	if got := s.Validate(); len(got) != 1 || got[0].Key != "expiry.at" {
		t.Errorf("expiry: %v, want one mistake at expiry.at", got)
	}
}

// The example of the configuration reads strictly, and the slash at the end of
// the URL does not make another target.
func TestSettingsFromYAML(t *testing.T) {
	t.Parallel()
	const text = `
url: https://ACME.example.com/scim/v2/
auth: {basic: {username: svc, password: {env: PASSWORD}}}
profile: alation
dialect: okta
limits: {requests_per_second: 0, concurrency: 0, members_per_patch: 100, page_size: 100}
http: {timeout: 60s}
`
	settings := Type().Settings()
	if err := yaml.UnmarshalWithOptions([]byte(text), settings, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	v, ok := settings.(connectors.Validator)
	if !ok {
		t.Fatal("settings are not validated")
	}
	if problems := v.Validate(); len(problems) > 0 {
		t.Error(problems)
	}
	if got, want := Type().URL(settings), "https://acme.example.com/scim/v2"; got != want {
		t.Errorf("URL %q, want %q", got, want)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"generic", "alation", "collate", "aws_identity_center", "github", "slack", "databricks", "atlassian"} {
		if !known(profileNames(), want) {
			t.Errorf("there is no profile %s", want)
		}
	}
	for _, name := range profileNames() {
		p, err := loadProduct(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Source == "" || name != defaultProfile && (p.Product == "" || len(p.Notes) == 0) {
			t.Errorf("%s says not where its facts come from, or what to know: %+v", name, p)
		}
	}
	p := product{Name: "x"}
	for _, spoil := range []func(*product){
		func(p *product) { p.Name = "y" },
		func(p *product) { p.Dialect = "klingon" },
		func(p *product) { p.Write = "post" },
		func(p *product) { p.Paging = "offset" },
		func(p *product) { p.Delete = "explodes" },
		func(p *product) { p.Members.Access = "maybe" },
		func(p *product) { p.Dropped = map[string][]string{"people": nil} },
		func(p *product) { p.Dropped = map[string][]string{"users": {"a["}} },
	} {
		bad := p
		spoil(&bad)
		if bad.check("x") == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	if err := p.check("x"); err != nil {
		t.Error(err)
	}
}

func TestLimitsMerge(t *testing.T) {
	t.Parallel()
	p := product{PageSize: 50, Members: memberFacts{PerPatch: 100}, RequestsPerSecond: 3}
	got := Limits{PageSize: 500, MembersPerPatch: 20}.merge(p)
	if want := (connectors.Limits{RequestsPerSecond: 3, MembersPerPatch: 20, PageSize: 50}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	got = Limits{}.merge(product{})
	if want := (connectors.Limits{MembersPerPatch: 100, PageSize: 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
