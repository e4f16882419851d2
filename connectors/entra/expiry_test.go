package entra_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

const applicationCount = "GET /v1.0/applications(appId)"

// The directory tells when a client secret ends, by its first three characters.
func TestEndOfTheClientSecret(t *testing.T) {
	t.Parallel()
	soon := time.Now().UTC().Truncate(time.Second).Add(10 * 24 * time.Hour)
	later, past := soon.AddDate(1, 0, 0), soon.AddDate(-1, 0, 0)
	ours := theSecret[:3]
	for title, test := range map[string]struct {
		passwords []entratest.Password
		want      time.Time
	}{
		"the only one":        {[]entratest.Password{{Hint: ours, End: soon}}, soon},
		"among others":        {[]entratest.Password{{Hint: "xyz", End: soon}, {Hint: ours, End: later}}, later},
		"two that look alike": {[]entratest.Password{{Hint: ours, End: later}, {Hint: ours, End: soon}, {Hint: ours, End: past}}, soon},
		"ended":               {[]entratest.Password{{Hint: ours, End: past}}, past},
		"one without a hint":  {[]entratest.Password{{End: soon}}, soon},
		"two without a hint":  {[]entratest.Password{{End: soon}, {End: later}}, time.Time{}},
		"somebody else's":     {[]entratest.Password{{Hint: "xyz", End: soon}}, time.Time{}},
		"without an end":      {[]entratest.Password{{Hint: ours}}, time.Time{}},
		"none":                {nil, time.Time{}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			server, s := serveTLS(t, entratest.World{})
			server.Register(entratest.Client{ID: clientID, Secret: theSecret, Passwords: test.passwords})
			s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, theSecret)}
			source := open(t, s)
			for range 3 {
				known, err := source.Credential(t.Context())
				if err != nil || !known.Expires.Equal(test.want) {
					t.Errorf("ends %s, %v, want %s", known.Expires, err, test.want)
				}
			}
			if n := server.Requests()[applicationCount]; n != 1 {
				t.Errorf("asked %d times", n)
			}
			info, err := source.Info(t.Context())
			if err != nil || !info.CredentialExpiry.Equal(test.want) {
				t.Errorf("Info: %s, %v", info.CredentialExpiry, err)
			}
			if told := strings.Contains(strings.Join(info.Notes, "\n"), "set expiry.at"); told != test.want.IsZero() {
				t.Errorf("notes: %q", info.Notes)
			}
		})
	}
}

// Where the permission is missing, or the registration is in another tenant,
// nothing is known, and nothing fails.
func TestEndThatIsNotTold(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, entratest.World{})
	server.Register(entratest.Client{
		ID: clientID, Secret: theSecret, Permissions: []string{entratest.UserRead, entratest.GroupMemberRead},
		Passwords: []entratest.Password{{Hint: theSecret[:3], End: time.Now().Add(time.Hour)}},
	})
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, theSecret)}
	known, err := open(t, s).Credential(t.Context())
	if err != nil || !known.Expires.IsZero() {
		t.Errorf("without the permission: %+v, %v", known, err)
	}
	s.Expiry = connectors.Expiry{At: "2030-06-30"}
	if known, err = open(t, s).Credential(t.Context()); err != nil || known.Expires.Format(time.DateOnly) != "2030-06-30" {
		t.Errorf("as configured: %+v, %v", known, err)
	}
	if n := server.Requests()[applicationCount]; n != 1 {
		t.Errorf("asked %d times: what is configured needs no question", n)
	}
}

// A renewed secret is asked about anew.
func TestEndOfARenewedSecret(t *testing.T) {
	t.Parallel()
	soon := time.Now().UTC().Truncate(time.Second).Add(24 * time.Hour)
	server, s := serveTLS(t, entratest.World{})
	place := secret(t, theSecret)
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: place}
	server.Register(entratest.Client{ID: clientID, Secret: theSecret, Passwords: []entratest.Password{
		{Hint: theSecret[:3], End: soon}, {Hint: "new", End: soon.AddDate(1, 0, 0)},
	}})
	source := open(t, s)
	if known, err := source.Credential(t.Context()); err != nil || !known.Expires.Equal(soon) {
		t.Errorf("at first: %+v, %v", known, err)
	}
	if err := os.WriteFile(place.File, []byte("new~secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if known, err := source.Credential(t.Context()); err != nil || !known.Expires.Equal(soon.AddDate(1, 0, 0)) {
		t.Errorf("renewed: %+v, %v", known, err)
	}
}

func TestEndOfOtherCredentials(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTg3NDAwMDB9.c2lnbmF0dXJl" // exp 1798740000
	base := func(c entra.Credential) entra.Settings {
		return entra.Settings{Tenant: tenant, URL: "http://127.0.0.1:1", Credential: c}
	}
	known, err := open(t, base(entra.Credential{Kind: entra.StaticToken, Token: secret(t, jwt)})).Credential(t.Context())
	if err != nil || known.Expires.Unix() != 1798740000 {
		t.Errorf("static token: %+v, %v", known, err)
	}
	certificate := entra.Credential{Kind: entra.ClientCertificate, ClientID: clientID, Certificate: connectors.Secret{File: "testdata/client.pem"}}
	known, err = open(t, base(certificate)).Credential(t.Context())
	if err != nil || known.Expires.Before(time.Now()) {
		t.Errorf("certificate: %+v, %v", known, err)
	}
	certificate.Certificate = connectors.Secret{File: "testdata/absent.pem"}
	if _, err = open(t, base(certificate)).Credential(t.Context()); connectors.ClassOf(err) != connectors.Unauthorized {
		t.Errorf("no certificate: %v of class %q", err, connectors.ClassOf(err))
	}
	known, err = open(t, base(entra.Credential{Kind: entra.ManagedIdentity})).Credential(t.Context())
	if err != nil || !known.Expires.IsZero() {
		t.Errorf("managed identity: %+v, %v", known, err)
	}
}

// A refused secret that has not changed is not sent again; one that has is.
func TestRefusedSecretIsSentOnce(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, entratest.World{Users: people(2)})
	place := secret(t, theSecret)
	server.Register(entratest.Client{ID: clientID, Secret: theSecret, Life: time.Second})
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: place}
	source := open(t, s)
	if st := full(t, source, everything()); !st.done {
		t.Fatal(st.err)
	}
	before := server.Requests()[tokenCount]
	// azidentity renews a token that ends within minutes with the secret it
	// was made with.
	server.Register(entratest.Client{ID: clientID, Secret: "another~secret"})
	if st := full(t, source, everything()); connectors.ClassOf(st.err) != connectors.Unauthorized {
		t.Fatalf("with the old secret: %v", st.err)
	}
	if n := server.Requests()[tokenCount] - before; n != 1 {
		t.Errorf("a refused secret was sent %d times", n)
	}
	if err := os.WriteFile(place.File, []byte("another~secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if st := full(t, source, everything()); !st.done {
		t.Errorf("with the new secret: %v", st.err)
	}
}
