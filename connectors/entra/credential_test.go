package entra_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

const (
	clientID   = "22222222-0000-4000-8000-000000000002"
	theSecret  = "s3cret~Value.Of.The.App"
	federated  = "eyJmZWRlcmF0ZWQi.token.of-the-cluster"
	tokenCount = "POST /{tenant}/oauth2/v2.0/token"
)

// serveTLS starts a tenant with https, whose certificate the settings trust.
func serveTLS(t *testing.T, w entratest.World) (*entratest.Server, entra.Settings) {
	t.Helper()
	server, err := entratest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewTLSServer(server)
	t.Cleanup(web.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(ca, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, entra.Settings{Tenant: tenant, URL: web.URL, Authority: web.URL, HTTP: connectors.HTTP{CAFile: ca}}
}

func publicKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	data, err := os.ReadFile("testdata/client.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.PublicKey.(*rsa.PublicKey)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for name, credential := range map[string]entra.Credential{
		"secret":            {Kind: entra.ClientSecret, Secret: secret(t, theSecret)},
		"PEM":               {Kind: entra.ClientCertificate, Certificate: connectors.Secret{File: "testdata/client.pem"}},
		"PFX":               {Kind: entra.ClientCertificate, Certificate: connectors.Secret{File: "testdata/client.pfx"}, Password: secret(t, "open-sesame")},
		"workload identity": {Kind: entra.WorkloadIdentity, TokenFile: secret(t, federated).File},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := serveTLS(t, entratest.World{Users: people(3)})
			server.Register(entratest.Client{ID: clientID, Secret: theSecret, Federated: federated + "\n", Key: publicKey(t)})
			s.Credential = credential
			s.Credential.ClientID = clientID
			source := open(t, s)
			info, err := source.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !info.Delta || !strings.Contains(info.Identity, clientID) || !strings.Contains(info.Identity, tenant) {
				t.Errorf("Info: %+v", info)
			}
			if certificate := credential.Kind == entra.ClientCertificate; certificate == info.CredentialExpiry.IsZero() {
				t.Errorf("credential expiry %s", info.CredentialExpiry)
			}
			if st := full(t, source, everything()); !st.done || len(st.records) != 3 {
				t.Errorf("%d records: %v", len(st.records), st.err)
			}
			if n := server.Requests()[tokenCount]; n != 1 {
				t.Errorf("%d tokens were fetched for two reads, want 1", n)
			}
		})
	}
}

func TestTokenIsFetchedAnewOnce(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, entratest.Synthetic(10, 3, 9, 1))
	server.Register(entratest.Client{ID: clientID, Secret: theSecret})
	server.Configure(func(o *entratest.Options) { o.PageSize = 3 })
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, theSecret)}
	server.Inject(entratest.Fault{
		ID: "revoked", Match: entratest.Next(entratest.Path("/users/delta")), Times: 1, MinFires: 1,
		Effect: entratest.Effect{Do: server.RevokeTokens},
	})
	st := full(t, open(t, s), everything())
	if !st.done || len(st.records) != 13 {
		t.Errorf("%d records: %v", len(st.records), st.err)
	}
	if n := server.Requests()[tokenCount]; n != 2 {
		t.Errorf("%d tokens were fetched, want 2", n)
	}
	unfired(t, server)
}

func TestSecretReplacedOnDisk(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, entratest.World{Users: people(2)})
	server.Register(entratest.Client{ID: clientID, Secret: theSecret})
	place := secret(t, theSecret)
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: place}
	source := open(t, s)
	if st := full(t, source, everything()); !st.done {
		t.Fatal(st.err)
	}
	server.Register(entratest.Client{ID: clientID, Secret: "another~secret"})
	server.RevokeTokens()
	st := full(t, source, everything())
	if connectors.ClassOf(st.err) != connectors.Unauthorized || !strings.Contains(st.err.Error(), "AADSTS7000215") || strings.Contains(st.err.Error(), theSecret) {
		t.Errorf("with the old secret: %v of class %q", st.err, connectors.ClassOf(st.err))
	}
	if err := os.WriteFile(place.File, []byte("another~secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if st := full(t, source, everything()); !st.done {
		t.Errorf("with the new secret: %v", st.err)
	}
}

func TestCredentialTrouble(t *testing.T) {
	t.Parallel()
	trouble := func(status int, code string) *entratest.Effect {
		return &entratest.Effect{
			Status: status, Header: http.Header{"Retry-After": {"1"}},
			Body: `{"error":"` + code + `","error_description":"AADSTS90033: A moment. Trace ID: 1"}`,
		}
	}
	good := entra.Credential{Kind: entra.ClientSecret, ClientID: clientID}
	tests := []struct {
		name       string
		credential entra.Credential
		secret     string
		tenant     string
		effect     *entratest.Effect
		class      connectors.Class
		says       string
	}{
		{name: "wrong secret", credential: good, secret: "wrong-secret", class: connectors.Unauthorized, says: "AADSTS7000215"},
		{name: "unknown app", credential: entra.Credential{Kind: entra.ClientSecret, ClientID: "33333333-0000-4000-8000-000000000003"}, secret: theSecret, class: connectors.Unauthorized, says: "was not found"},
		{name: "unknown tenant", credential: good, secret: theSecret, tenant: "44444444-0000-4000-8000-000000000004", class: connectors.Unauthorized, says: "Tenant"},
		{name: "no certificate", credential: entra.Credential{Kind: entra.ClientCertificate, ClientID: clientID, Certificate: secret(t, "not a certificate")}, class: connectors.Unauthorized, says: "PKCS#12"},
		{name: "no secret", credential: entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: connectors.Secret{File: "/nonexistent/secret"}}, class: connectors.Unauthorized, says: "/nonexistent/secret"},
		{name: "a moment of trouble", credential: good, secret: theSecret, effect: &entratest.Effect{Status: http.StatusServiceUnavailable}, says: ""},
		{name: "a lost connection", credential: good, secret: theSecret, effect: &entratest.Effect{Hangup: true}, says: ""},
		{name: "throttled", credential: good, secret: theSecret, effect: &entratest.Effect{Throttle: true, RetryAfter: time.Second}, says: ""},
		{name: "trouble in words", credential: good, secret: theSecret, effect: trouble(http.StatusServiceUnavailable, "temporarily_unavailable"), says: ""},
		{name: "trouble in a refusal", credential: good, secret: theSecret, effect: trouble(http.StatusBadRequest, "temporarily_unavailable"), says: ""},
		{name: "trouble of no kind", credential: good, secret: theSecret, effect: trouble(http.StatusBadGateway, "x"), says: ""},
		{name: "trouble in an object", credential: good, secret: theSecret, effect: &entratest.Effect{Status: http.StatusGatewayTimeout, Body: "{}"}, says: ""},
		{name: "throttled in words", credential: good, secret: theSecret, effect: trouble(http.StatusTooManyRequests, "x"), says: ""},
		{name: "refused", credential: good, secret: theSecret, effect: trouble(http.StatusUnauthorized, "invalid_client"), class: connectors.Unauthorized, says: "AADSTS90033: A moment. (401 Unauthorized)"},
		{name: "no authority", credential: good, secret: theSecret, effect: &entratest.Effect{Status: http.StatusNotFound, Body: "<title>Home</title>", Header: http.Header{"Content-Type": {"text/html"}}}, class: connectors.Unauthorized, says: "is authority"},
		{name: "nonsense", credential: good, secret: theSecret, effect: &entratest.Effect{Status: http.StatusOK, Body: `{"hello":1}`}, class: connectors.Unauthorized, says: "answered without a token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, s := serveTLS(t, entratest.World{Users: people(2)})
			server.Register(entratest.Client{ID: clientID, Secret: theSecret})
			s.Credential = test.credential
			if test.secret != "" {
				s.Credential.Secret = secret(t, test.secret)
			}
			if test.tenant != "" {
				s.Tenant = test.tenant
			}
			if test.effect != nil {
				server.Inject(entratest.Fault{ID: test.name, Match: isToken, Times: 1, MinFires: 1, Effect: *test.effect})
			}
			st := full(t, open(t, s), everything())
			unfired(t, server)
			if test.class == "" {
				if !st.done {
					t.Errorf("not ridden out: %v", st.err)
				}
				return
			}
			if st.err == nil || connectors.ClassOf(st.err) != test.class || !strings.Contains(st.err.Error(), test.says) {
				t.Fatalf("%v of class %q, want %q and %q", st.err, connectors.ClassOf(st.err), test.class, test.says)
			}
			if strings.Contains(st.err.Error(), "wrong-secret") || strings.Contains(st.err.Error(), theSecret) {
				t.Errorf("the error holds a secret: %v", st.err)
			}
		})
	}
}

// TestAuthorityThatStaysAway demands an end, and the words of the authority.
func TestAuthorityThatStaysAway(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, entratest.World{Users: people(2)})
	server.Inject(entratest.Fault{ID: "down", MinFires: 5, Match: isToken, Effect: entratest.Effect{
		Status: http.StatusInternalServerError, Body: `{"error":"server_error","error_description":"AADSTS90033: A transient error has occurred."}`,
	}})
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, theSecret)}
	st := full(t, open(t, s), everything())
	if connectors.ClassOf(st.err) != connectors.Incomplete || !strings.Contains(st.err.Error(), "AADSTS90033: A transient error has occurred. (500 Internal Server Error)") {
		t.Errorf("%v of class %q", st.err, connectors.ClassOf(st.err))
	}
	unfired(t, server)
}

func isToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") }

// TestAuthorityThatRepeatsWhatItWasSent demands that no part of it is told on, in
// whatever form and place it comes back.
func TestAuthorityThatRepeatsWhatItWasSent(t *testing.T) {
	t.Parallel()
	const odd = `s3cret~"of"+the&App/=\%`
	said := map[string]func(body string, form url.Values) string{
		"the body": func(body string, _ url.Values) string { return body },
		"the value": func(_ string, form url.Values) string {
			return form.Get("client_secret") + form.Get("client_assertion")
		},
		"in small hex": func(body string, _ url.Values) string {
			return strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d", "%5C", "%5c").Replace(body)
		},
		"with %7E":        func(body string, _ url.Values) string { return strings.ReplaceAll(body, "~", "%7E") },
		"as JSON of Go":   func(_ string, form url.Values) string { return encoded(form, true) },
		"as JSON, plain":  func(_ string, form url.Values) string { return encoded(form, false) },
		"as HTML":         func(_ string, form url.Values) string { return html.EscapeString(form.Get("client_secret")) },
		"after the words": func(body string, _ url.Values) string { return strings.Repeat("x", 240) + body },
	}
	for name, credential := range map[string]entra.Credential{
		"secret":      {Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, odd)},
		"certificate": {Kind: entra.ClientCertificate, ClientID: clientID, Certificate: connectors.Secret{File: "testdata/client.pem"}},
		"federated":   {Kind: entra.WorkloadIdentity, ClientID: clientID, TokenFile: secret(t, federated).File},
	} {
		for form, repeat := range said {
			t.Run(name+", "+form, func(t *testing.T) {
				t.Parallel()
				server, s := serveTLS(t, entratest.World{})
				var mu sync.Mutex
				var secrets []string
				authority := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					if err != nil || r.Method != http.MethodPost {
						server.ServeHTTP(w, r)
						return
					}
					sent, _ := url.ParseQuery(string(body))
					mu.Lock()
					secrets = append(secrets, sent.Get("client_secret")+sent.Get("client_assertion"))
					mu.Unlock()
					text := repeat(string(body), sent)
					w.WriteHeader(http.StatusUnauthorized)
					_ = json.NewEncoder(w).Encode(map[string]string{"error": text, "error_description": text})
				}))
				t.Cleanup(authority.Close)
				s.Authority, s.Credential = authority.URL, credential
				st := full(t, open(t, s), everything())
				if connectors.ClassOf(st.err) != connectors.Unauthorized || len(secrets) == 0 || secrets[0] == "" {
					t.Fatalf("%d requests: %v", len(secrets), st.err)
				}
				text := st.err.Error() + asError(st.err).Code
				for _, one := range secrets {
					if part := one[:6]; strings.Contains(text, part) || strings.Contains(text, one[len(one)-6:]) {
						t.Errorf("a part of %q is told: %s", one, text)
					}
				}
			})
		}
	}
}

// encoded is the secret as a JSON string, in which Go, and hardly anybody else,
// escapes what HTML does.
func encoded(form url.Values, escape bool) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escape)
	_ = encoder.Encode(form.Get("client_secret"))
	return b.String()
}

func asError(err error) *connectors.Error {
	e, _ := errors.AsType[*connectors.Error](err)
	return e
}

func TestMissingPermissions(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, assignedWorld())
	server.Register(entratest.Client{ID: clientID, Secret: theSecret, Permissions: []string{entratest.UserRead}})
	s.AssignedTo = app
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, theSecret)}
	info, err := open(t, s).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(info.Notes, "\n")
	for _, want := range []string{"GroupMember.Read.All", "Application.Read.All"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not name %s:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "users cannot be listed") {
		t.Errorf("users can be listed:\n%s", notes)
	}
}

func TestWaitForATokenEndsWithTheContext(t *testing.T) {
	t.Parallel()
	server, s := serveTLS(t, entratest.World{Users: people(2)})
	server.Register(entratest.Client{ID: clientID, Secret: theSecret})
	server.Configure(func(o *entratest.Options) { o.Latency = time.Minute })
	s.Credential = entra.Credential{Kind: entra.ClientSecret, ClientID: clientID, Secret: secret(t, theSecret)}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	st := newState()
	st.read(ctx, open(t, s), everything())
	if st.done || time.Since(began) > 10*time.Second {
		t.Errorf("done %t after %s: %v", st.done, time.Since(began), st.err)
	}
}
