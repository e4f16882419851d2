package sailpoint_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/sailpoint"
)

func valid() sailpoint.Settings {
	return sailpoint.Settings{
		URL: "https://acme.api.identitynow.com", ClientID: "client", ClientSecret: connectors.Secret{Env: "SECRET"}, Source: "Active Directory",
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	tests := []struct {
		name  string
		set   func(*sailpoint.Settings)
		wrong []string
	}{
		{"valid", func(*sailpoint.Settings) {}, nil},
		{"trailing slash", func(s *sailpoint.Settings) { s.URL += "/" }, nil},
		{"by id", func(s *sailpoint.Settings) { s.Source, s.SourceID = "", "2c9180835d191a86015d28455b4a0001" }, nil},
		{"new style", func(s *sailpoint.Settings) { s.API = text(""); s.Paths.Entitlements = "/entitlements/v1" }, nil},
		{"loopback", func(s *sailpoint.Settings) { s.URL = "http://127.0.0.1:8080" }, nil},
		{"empty", func(s *sailpoint.Settings) { *s = sailpoint.Settings{} }, []string{"url", "client_id", "client_secret", "source"}},
		{"web interface", func(s *sailpoint.Settings) { s.URL = "https://acme.identitynow.com" }, []string{"url"}},
		{"with a path", func(s *sailpoint.Settings) { s.URL += "/v3" }, []string{"url"}},
		{"plain http", func(s *sailpoint.Settings) { s.URL = "http://acme.api.identitynow.com" }, []string{"url"}},
		{"password in it", func(s *sailpoint.Settings) { s.URL = "https://me:hunter2@acme.api.identitynow.com" }, []string{"url"}},
		{"token_url", func(s *sailpoint.Settings) { s.TokenURL = "http://login.example.com/token?x=1" }, []string{"token_url"}},
		{"api", func(s *sailpoint.Settings) { s.API = text("v2025/") }, []string{"api"}},
		{"v3", func(s *sailpoint.Settings) { s.API = text("v3") }, []string{"api"}},
		{"v3 with entitlements", func(s *sailpoint.Settings) { s.API = text("v3"); s.Paths.Entitlements = "/beta/entitlements" }, nil},
		{"paths", func(s *sailpoint.Settings) {
			s.Paths = sailpoint.Paths{Sources: "sources", Accounts: "/a/../b", LoadAccounts: "/sources/load", Entitlements: "/x?y", AggregationStatus: "/s/{id}/{x}"}
		}, []string{"paths.sources", "paths.entitlements", "paths.accounts", "paths.load_accounts", "paths.aggregation_status"}},
		{"both", func(s *sailpoint.Settings) { s.SourceID = "1" }, []string{"source_id"}},
		{"a type that is taken", func(s *sailpoint.Settings) { s.AccessProfiles, s.EntitlementType = true, "Access_Profile" }, []string{"entitlement_type"}},
		{"odd id", func(s *sailpoint.Settings) { s.Source, s.SourceID = "", "../x" }, []string{"source_id"}},
		{"wait", func(s *sailpoint.Settings) { s.Aggregation = &sailpoint.Aggregation{} }, []string{"aggregation.wait"}},
		{"wait is fine", func(s *sailpoint.Settings) {
			s.Aggregation = &sailpoint.Aggregation{Wait: connectors.Duration(30 * time.Minute)}
		}, nil},
		{"expiry", func(s *sailpoint.Settings) { s.Expiry.At = "2026-12-31" }, nil},
		{"no date", func(s *sailpoint.Settings) { s.Expiry.At = "soon" }, []string{"expiry.at"}},
		{"limits", func(s *sailpoint.Settings) {
			s.Limits = sailpoint.Limits{RequestsPerSecond: -1, Concurrency: -1, PageSize: 251}
		}, []string{"limits.requests_per_second", "limits.concurrency", "limits.page_size"}},
		{"page of one", func(s *sailpoint.Settings) { s.Limits.PageSize = 1 }, []string{"limits.page_size"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := valid()
			test.set(&s)
			var wrong []string
			for _, mistake := range s.Validate() {
				wrong = append(wrong, mistake.Key)
				if strings.Contains(mistake.Problem, "hunter2") {
					t.Errorf("%v repeats a password", mistake)
				}
			}
			if diff := cmp.Diff(test.wrong, wrong); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
			if _, err := sailpoint.Open(s, connectors.Runtime{}); (err == nil) != (len(test.wrong) == 0) {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	same := [][]string{
		{"CN=Team,DC=x", "cn=team,dc=X", "CN = Team , DC=x", "CN=Team;DC=x", `cn=T\65am,dc=x`, `CN="Team",DC=x`, " CN=Team,DC=x "},
		{`CN=a\,b,DC=x`, `CN=a\2cb,DC=x`, `CN=a\2Cb,DC=x`, `CN="a,b",DC=x`},
		{`CN=a\"b,DC=x`, `CN="a\"b",DC=x`, `CN=a\22b,DC=x`},
		{`CN=Zo\C3\AB,DC=x`, `CN=Zoë,DC=x`, `CN=ZOË,DC=x`},
		{"CN=a+UID=1,DC=x", "uid=1+cn=A,DC=x"},
		{"CN=a  b,DC=x", "CN=a b,DC=x"},
	}
	var forms []string
	for _, spellings := range same {
		first, ok := sailpoint.Canonical(spellings[0])
		for _, spelling := range spellings {
			form, isDN := sailpoint.Canonical(spelling)
			if !ok || !isDN || form != first {
				t.Errorf("%q is %q, %v; want %q as of %q", spelling, form, isDN, first, spellings[0])
			}
		}
		if slices.Contains(forms, first) {
			t.Errorf("%q is the same as another", spellings[0])
		}
		forms = append(forms, first)
	}
	for _, value := range []string{"", "Admin", "cn=admin", "a,b", "CN=a,b", `CN=a,DC=x\`, `CN="a,DC=x`, `CN="a"b,DC=x`, "=a,DC=x", "C N=a,DC=x", "CN=a,DC=x,", "CN=a\x00b,DC=x"} {
		if form, ok := sailpoint.Canonical(value); ok {
			t.Errorf("%q is taken for a distinguished name: %q", value, form)
		}
	}
}
