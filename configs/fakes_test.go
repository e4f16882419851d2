package configs

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// oktaSettings, fileSettings and scimSettings have the keys of the real types,
// so that this package can be tested without importing a vendor.
type oktaSettings struct {
	URL        string            `yaml:"url" jsonschema:"required"`
	Token      connectors.Secret `yaml:"token,omitempty"`
	PrivateKey *privateKey       `yaml:"private_key,omitempty"`
	App        string            `yaml:"app,omitempty"`
	SSOApp     string            `yaml:"sso_app,omitempty"`
	Expiry     connectors.Expiry `yaml:"expiry,omitempty"`
	HTTP       connectors.HTTP   `yaml:"http,omitempty"`
	Limits     limits            `yaml:"limits,omitempty"`
}

type privateKey struct {
	ClientID string            `yaml:"client_id"`
	KeyID    string            `yaml:"key_id"`
	Key      connectors.Secret `yaml:"key"`
	Scopes   []string          `yaml:"scopes,omitempty"`
}

type limits struct {
	RequestsPerSecond float64 `yaml:"requests_per_second,omitempty" jsonschema:"minimum=0"`
	Concurrency       int     `yaml:"concurrency,omitempty" jsonschema:"minimum=0,maximum=64"`
	PageSize          int     `yaml:"page_size,omitempty"`
	MembersPerPatch   int     `yaml:"members_per_patch,omitempty"`
}

func (s *oktaSettings) Validate() []connectors.SettingError {
	var out []connectors.SettingError
	if s.Token.IsZero() == (s.PrivateKey == nil) {
		out = append(out, connectors.SettingError{Key: "token", Problem: "give exactly one of token and private_key"})
	}
	if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" {
		out = append(out, connectors.SettingError{Key: "url", Problem: "must begin with https://"})
	}
	if s.SSOApp != "" {
		out = append(out, connectors.SettingError{Key: "sso_app", Problem: "is not available yet in this release", Unavailable: true})
	}
	if s.Expiry.At != "" {
		out = append(out, connectors.SettingError{Key: "expiry", Problem: "is not available yet in this release", Unavailable: true})
	}
	return out
}

type fileSettings struct {
	Path string `yaml:"path" path:"true" jsonschema:"required"`
}

type scimSettings struct {
	URL     string            `yaml:"url" jsonschema:"required"`
	Auth    auth              `yaml:"auth"`
	Expiry  connectors.Expiry `yaml:"expiry,omitempty"`
	Profile string            `yaml:"profile,omitempty" jsonschema:"enum=generic,enum=alation,enum=collate"`
	Dialect string            `yaml:"dialect,omitempty" jsonschema:"enum=rfc,enum=okta,enum=entra"`
	Limits  limits            `yaml:"limits,omitempty"`
	HTTP    connectors.HTTP   `yaml:"http,omitempty"`
}

type auth struct {
	Bearer connectors.Secret `yaml:"bearer,omitempty"`
	Basic  *basic            `yaml:"basic,omitempty"`
}

type basic struct {
	Username string            `yaml:"username"`
	Password connectors.Secret `yaml:"password"`
}

func (s *scimSettings) Validate() []connectors.SettingError {
	if s.Auth.Bearer.IsZero() && s.Auth.Basic == nil {
		return []connectors.SettingError{{Key: "auth.bearer", Problem: "is missing"}}
	}
	return nil
}

// emailSettings and webhookSettings have the keys of the real notifiers.
type emailSettings struct {
	SMTP     string            `yaml:"smtp" jsonschema:"required"`
	TLS      string            `yaml:"tls,omitempty" jsonschema:"enum=starttls,enum=implicit,enum=off"`
	Username string            `yaml:"username,omitempty"`
	Password connectors.Secret `yaml:"password,omitempty"`
	From     string            `yaml:"from" jsonschema:"required"`
	To       []string          `yaml:"to" jsonschema:"required"`
	CAFile   string            `yaml:"ca_file,omitempty" path:"true"`
}

func (s *emailSettings) Validate() []connectors.SettingError {
	var out []connectors.SettingError
	if !strings.Contains(s.SMTP, ":") {
		out = append(out, connectors.SettingError{Key: "smtp", Problem: "write HOST:PORT"})
	}
	for i, to := range s.To {
		if !strings.Contains(to, "@") {
			out = append(out, connectors.SettingError{Key: fmt.Sprintf("to[%d]", i), Problem: "is no address"})
		}
	}
	return out
}

type webhookSettings struct {
	URL    string            `yaml:"url" mask:"path" jsonschema:"required"`
	Format string            `yaml:"format,omitempty" jsonschema:"enum=json,enum=slack"`
	Secret connectors.Secret `yaml:"secret,omitempty"`
}

func registry() Registry {
	return Registry{
		Notifiers: map[string]NotifierType{
			"email":   {Name: "email", Summary: "mail", Settings: func() any { return &emailSettings{} }},
			"webhook": {Name: "webhook", Summary: "POST", Settings: func() any { return &webhookSettings{} }},
		},
		Sources: map[string]connectors.SourceType{
			"okta": {
				Name: "okta", Summary: "Okta",
				Settings: func() any { return &oktaSettings{} },
				Fields: map[identity.Kind][]identity.Field{
					identity.User: {
						{Path: "id", Type: identity.String, Always: true},
						{Path: "status", Type: identity.String, Always: true},
						{Path: "profile", Type: identity.Object, Always: true, Open: true},
						{Path: "profile.login", Type: identity.String, Always: true},
					},
					identity.Group: {
						{Path: "id", Type: identity.String, Always: true},
						{Path: "name", Type: identity.String, Always: true},
						{Path: "type", Type: identity.String},
						{Path: "profile", Type: identity.Object, Open: true},
					},
				},
				DefaultMap: map[identity.Kind]map[string]string{
					identity.User: {
						"userName":                     "profile.login",
						"name.givenName":               "profile.firstName",
						"name.familyName":              "profile.lastName",
						"displayName":                  `profile.displayName ?? Join(" ", profile.firstName, profile.lastName)`,
						`emails[type eq "work"].value`: "profile.email",
						"active":                       `status in ["ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT"]`,
					},
					identity.Group: {"displayName": "name"},
				},
			},
			"file": {
				Name: "file", Summary: "JSON Lines",
				Settings: func() any { return &fileSettings{} },
				Fields: map[identity.Kind][]identity.Field{
					identity.User: {
						{Path: "id", Type: identity.String, Always: true},
						{Path: "userName", Type: identity.String, Always: true},
						{Path: "active", Type: identity.Bool, Always: true},
					},
					identity.Group: {
						{Path: "id", Type: identity.String, Always: true},
						{Path: "name", Type: identity.String, Always: true},
					},
				},
				DefaultMap: map[identity.Kind]map[string]string{
					identity.User:  {"userName": "userName", "active": "active"},
					identity.Group: {"displayName": "name"},
				},
			},
			"grouponly": {
				Name:     "grouponly",
				Settings: func() any { return &struct{}{} },
				Fields: map[identity.Kind][]identity.Field{
					identity.Group: {{Path: "name", Type: identity.String, Always: true}},
				},
				DefaultMap: map[identity.Kind]map[string]string{identity.Group: {"displayName": "name"}},
			},
		},
		Targets: map[string]connectors.TargetType{
			"scim": {
				Name: "scim", Summary: "SCIM 2.0",
				Settings: func() any { return &scimSettings{} },
				URL:      func(settings any) string { return settings.(*scimSettings).URL },
			},
		},
	}
}

// minimal is a right configuration to make mistakes in.
const minimal = `version: 1
sources:
  okta:
    type: okta
    url: https://acme.okta.com
    token: {env: OKTA_TOKEN}
targets:
  app:
    type: scim
    url: https://app.example.com/scim/v2
    auth: {bearer: {env: SCIM_TOKEN}}
syncs:
  one:
    from: okta
    to: app
`

func loadText(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scimsync.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, registry())
}

func mustLoad(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := loadText(t, text)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return cfg
}
