package okta_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/identity"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	const credential = "token: {env: OKTA_TOKEN}\n"
	tests := []struct {
		name, yaml string
		key, says  string // "" is valid
		later      bool
	}{
		{name: "token", yaml: "url: https://acme.okta.com\n" + credential},
		{name: "slash", yaml: "url: https://acme.okta.com/\n" + credential},
		{name: "custom domain", yaml: "url: https://id-admin.example.com\n" + credential},
		{name: "loopback", yaml: "url: http://127.0.0.1:8080\n" + credential},
		{name: "all", yaml: "url: https://acme.okta.com\nprivate_key: {client_id: a, key_id: b, key: {file: k.pem}, scopes: [okta.users.read]}\napp: 0oa1example\nhttp: {timeout: 30s}\nlimits: {requests_per_second: 5, concurrency: 4, page_size: 100}\n"},
		{name: "no url", yaml: credential, key: "url", says: "missing"},
		{name: "no scheme", yaml: "url: acme.okta.com\n" + credential, key: "url", says: "https://acme.okta.com"},
		{name: "plain http", yaml: "url: http://acme.okta.com\n" + credential, key: "url", says: "https://acme.okta.com"},
		{name: "ftp", yaml: "url: ftp://acme.okta.com\n" + credential, key: "url", says: "ftp"},
		{name: "path", yaml: "url: https://acme.okta.com/api/v1\n" + credential, key: "url", says: "without a path"},
		{name: "query", yaml: "url: https://acme.okta.com?x=1\n" + credential, key: "url", says: "without a path or query"},
		{name: "password", yaml: "url: https://me:canary@acme.okta.com\n" + credential, key: "url", says: "password"},
		{name: "admin console", yaml: "url: https://acme-admin.oktapreview.com\n" + credential, key: "url", says: "https://acme.oktapreview.com"},
		{name: "no credential", yaml: "url: https://acme.okta.com\n", key: "token", says: "private_key"},
		{name: "both credentials", yaml: "url: https://acme.okta.com\n" + credential + "private_key: {client_id: a, key_id: b, key: {env: K}}\n", key: "private_key", says: "not both"},
		{name: "two places", yaml: "url: https://acme.okta.com\ntoken: {env: A, file: b}\n", key: "token", says: "exactly one"},
		{name: "half a key", yaml: "url: https://acme.okta.com\nprivate_key: {client_id: a, key: {env: K}}\n", key: "private_key.key_id", says: "missing"},
		{name: "no key", yaml: "url: https://acme.okta.com\nprivate_key: {client_id: a, key_id: b}\n", key: "private_key.key", says: "exactly one"},
		{name: "no client", yaml: "url: https://acme.okta.com\nprivate_key: {key_id: b, key: {env: K}}\n", key: "private_key.client_id", says: "missing"},
		{name: "joined scopes", yaml: "url: https://acme.okta.com\nprivate_key: {client_id: a, key_id: b, key: {env: K}, scopes: [okta.users.read okta.groups.read]}\n", key: "private_key.scopes", says: "one scope per item"},
		{name: "app", yaml: "url: https://acme.okta.com\n" + credential + "app: https://acme.okta.com/app\n", key: "app", says: "not an app id"},
		{name: "sso app", yaml: "url: https://acme.okta.com\n" + credential + "sso_app: 0oa2\n", key: "sso_app", says: "release", later: true},
		{name: "expiry", yaml: "url: https://acme.okta.com\n" + credential + "expiry: {at: 2026-12-31}\n", key: ""},
		{name: "no date", yaml: "url: https://acme.okta.com\n" + credential + "expiry: {at: soon}\n", key: "expiry.at", says: "2026-12-31"},
		{name: "two warnings", yaml: "url: https://acme.okta.com\n" + credential + "expiry: {at: 2026-12-31T10:00:00Z, warn: [15d, 1d, 0d, -1d, 24h]}\n", key: "expiry.warn[4]", says: "twice"},
		{name: "page size", yaml: "url: https://acme.okta.com\n" + credential + "limits: {page_size: 201}\n", key: "limits.page_size", says: "200"},
		{name: "pace", yaml: "url: https://acme.okta.com\n" + credential + "limits: {requests_per_second: -1}\n", key: "limits.requests_per_second", says: "negative"},
		{name: "workers", yaml: "url: https://acme.okta.com\n" + credential + "limits: {concurrency: -1}\n", key: "limits.concurrency", says: "negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			settings, ok := okta.Type().Settings().(*okta.Settings)
			if !ok {
				t.Fatal("settings of another type")
			}
			if err := yaml.UnmarshalWithOptions([]byte(test.yaml), settings, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			mistakes := settings.Validate()
			if test.key == "" {
				if len(mistakes) > 0 {
					t.Errorf("refused: %v", mistakes)
				}
				return
			}
			if len(mistakes) != 1 || mistakes[0].Key != test.key || !strings.Contains(mistakes[0].Problem, test.says) || mistakes[0].Unavailable != test.later {
				t.Errorf("mistakes = %+v, want one of %s that says %q", mistakes, test.key, test.says)
			}
			if strings.Contains(mistakes[0].Problem, "canary") {
				t.Errorf("the problem repeats a password: %s", mistakes[0].Problem)
			}
			if _, err := okta.Open(*settings, connectors.Runtime{Traffic: new(connectors.Traffic)}); err == nil {
				t.Error("Open took the settings")
			}
		})
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	t.Parallel()
	s := &okta.Settings{URL: "http://a.example.com", App: "a b", SSOApp: "x", Limits: okta.Limits{PageSize: -1}}
	keys := []string{}
	for _, m := range s.Validate() {
		keys = append(keys, m.Key)
	}
	if want := []string{"url", "token", "app", "sso_app", "limits.page_size"}; !slices.Equal(keys, want) {
		t.Errorf("mistakes = %v, want %v", keys, want)
	}
}

// TestDefaultMapNamesDeclaredFields: every field of the default mapping is one a
// record may have, so that it compiles.
func TestDefaultMapNamesDeclaredFields(t *testing.T) {
	t.Parallel()
	typ := okta.Type()
	for kind, rules := range typ.DefaultMap {
		declared := map[string]bool{}
		for _, f := range typ.Fields[kind] {
			declared[f.Path] = true
		}
		for path, rule := range rules {
			if _, err := identity.ParsePath(path); err != nil {
				t.Error(err)
			}
			first, _, _ := strings.Cut(strings.Fields(rule)[0], ".")
			if !declared[first] {
				t.Errorf("%s: %s reads %s, which is not declared", path, rule, first)
			}
		}
	}
}
