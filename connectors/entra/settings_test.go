package entra_test

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	env := connectors.Secret{Env: "NAME"}
	good := func() entra.Settings {
		return entra.Settings{Tenant: tenant, Credential: entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: env}}
	}
	tests := []struct {
		name  string
		edit  func(*entra.Settings)
		wants string // KEY: words; empty: valid
	}{
		{"good", func(*entra.Settings) {}, ""},
		{"domain as tenant", func(s *entra.Settings) { s.Tenant = "example.onmicrosoft.com" }, ""},
		{"managed identity", func(s *entra.Settings) { s.Credential = entra.Credential{Kind: entra.ManagedIdentity} }, ""},
		{"default", func(s *entra.Settings) { s.Credential = entra.Credential{Kind: entra.DefaultChain} }, ""},
		{"clouds", func(s *entra.Settings) { s.Cloud = entra.China }, ""},
		{"loopback", func(s *entra.Settings) { s.URL = "http://127.0.0.1:8080" }, ""},
		{"assigned", func(s *entra.Settings) { s.AssignedTo, s.Nested = app, true }, ""},
		{"no tenant", func(s *entra.Settings) { s.Tenant = "" }, "tenant: missing"},
		{"common", func(s *entra.Settings) { s.Tenant = "common" }, "tenant: common is every tenant"},
		{"tenant with a slash", func(s *entra.Settings) { s.Tenant = "a/b" }, "tenant: \"a/b\" is not a tenant"},
		{"no kind", func(s *entra.Settings) { s.Credential = entra.Credential{} }, "credential.kind: missing"},
		{"unknown kind", func(s *entra.Settings) { s.Credential.Kind = "password" }, "credential.kind: \"password\" is unknown"},
		{"no secret", func(s *entra.Settings) { s.Credential.Secret = connectors.Secret{} }, "credential.secret: missing"},
		{"no client", func(s *entra.Settings) { s.Credential.ClientID = " " }, "credential.client_id: missing"},
		{"token of another kind", func(s *entra.Settings) { s.Credential.Token = env }, "credential.token: has no meaning"},
		{"two places", func(s *entra.Settings) { s.Credential.Secret = connectors.Secret{Env: "A", File: "b"} }, "credential.secret: give exactly one"},
		{"object id", func(s *entra.Settings) { s.AssignedTo = "Data Catalog" }, "assigned_to: \"Data Catalog\" is not an appId"},
		{"nested alone", func(s *entra.Settings) { s.Nested = true }, "nested: says how far"},
		{"unknown cloud", func(s *entra.Settings) { s.Cloud = "mars" }, "cloud: \"mars\" is unknown"},
		{"plain http", func(s *entra.Settings) { s.URL = "http://graph.example.com" }, "url: plain http"},
		{"url with version", func(s *entra.Settings) { s.URL = "https://graph.microsoft.com/beta" }, "url: is the address of the service alone"},
		{"password in url", func(s *entra.Settings) { s.URL = "https://a:hunter2@graph.example.com" }, "url: must not hold"},
		{"authority on loopback http", func(s *entra.Settings) { s.Authority = "http://127.0.0.1:1" }, "authority: must be https"},
		{"expiry", func(s *entra.Settings) { s.Expiry.At = "2026-12-31" }, ""},
		{"no date", func(s *entra.Settings) { s.Expiry.At = "soon" }, "expiry.at: is not a date"},
		{"page size", func(s *entra.Settings) { s.Limits.PageSize = 1000 }, "limits.page_size: 1000"},
		{"concurrency", func(s *entra.Settings) { s.Limits.Concurrency = -1 }, "limits.concurrency"},
		{"rate", func(s *entra.Settings) { s.Limits.RequestsPerSecond = -1 }, "limits.requests_per_second"},
	}
	for _, test := range tests {
		s := good()
		test.edit(&s)
		var texts []string
		for _, m := range s.Validate() {
			texts = append(texts, m.Error())
			if m.Unavailable {
				t.Errorf("%s: unavailable is %t", m.Key, m.Unavailable)
			}
		}
		got := strings.Join(texts, "; ")
		switch {
		case test.wants == "" && got != "":
			t.Errorf("%s: %s", test.name, got)
		case test.wants != "" && (len(texts) != 1 || !strings.HasPrefix(got, test.wants)):
			t.Errorf("%s: %q, want one mistake: %s", test.name, got, test.wants)
		case strings.Contains(got, "hunter2"):
			t.Errorf("%s: the mistake repeats a password", test.name)
		}
		_, err := entra.Open(s, connectors.Runtime{Traffic: new(connectors.Traffic)})
		if (err == nil) != (test.wants == "") {
			t.Errorf("%s: Open: %v", test.name, err)
		}
	}
}
