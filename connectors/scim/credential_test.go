package scim

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// aJWT ends at 1798740000, 2026-12-31 18:00 UTC.
const aJWT = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTg3NDAwMDB9.c2lnbmF0dXJl"

func TestCredentialEnd(t *testing.T) {
	t.Parallel()
	place := connectors.Secret{File: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(place.File, []byte(aJWT), 0o600); err != nil {
		t.Fatal(err)
	}
	absent := connectors.Secret{File: filepath.Join(t.TempDir(), "absent")}
	for title, test := range map[string]struct {
		auth   Auth
		expiry connectors.Expiry
		want   string
		class  connectors.Class
	}{
		"bearer":       {auth: Auth{Bearer: place}, want: "2026-12-31T18:00:00Z"},
		"basic":        {auth: Auth{Basic: &Basic{Username: "me", Password: place}}, want: "0001-01-01T00:00:00Z"},
		"oauth2":       {auth: Auth{OAuth2: &OAuth2{TokenURL: "https://login.example.com/token", ClientID: "me", ClientSecret: place}}, want: "2026-12-31T18:00:00Z"},
		"configured":   {auth: Auth{Bearer: absent}, expiry: connectors.Expiry{At: "2027-01-31"}, want: "2027-01-31T23:59:59Z"},
		"unobtainable": {auth: Auth{Bearer: absent}, class: connectors.Unauthorized},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := Settings{URL: "https://app.example.com/scim/v2", Auth: test.auth, Expiry: test.expiry}
			opened, err := Type().Open(&s, connectors.Runtime{Traffic: &connectors.Traffic{}})
			if err != nil {
				t.Fatal(err)
			}
			holder, ok := opened.(connectors.CredentialHolder)
			if !ok {
				t.Fatal("a scim target holds no credential")
			}
			known, err := holder.Credential(t.Context())
			if test.class != "" {
				if connectors.ClassOf(err) != test.class {
					t.Errorf("%v of class %q, want %q", err, connectors.ClassOf(err), test.class)
				}
				return
			}
			if err != nil || known.Expires.Format(time.RFC3339) != test.want {
				t.Errorf("%+v, %v, want %s", known, err, test.want)
			}
		})
	}
}
