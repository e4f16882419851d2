package okta_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

// service makes the settings use a service app with the key.
func service(t *testing.T, s *okta.Settings, key string, scopes ...string) {
	t.Helper()
	s.Token = connectors.Secret{}
	s.PrivateKey = &okta.PrivateKey{ClientID: "0oaService", KeyID: "kid-1", Key: secret(t, key), Scopes: scopes}
}

var allScopes = []string{"okta.users.read", "okta.groups.read", "okta.apps.read"}

func TestServiceApp(t *testing.T) {
	t.Parallel()
	key := rsaKey(t)
	pkcs1 := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	for name, text := range map[string]string{
		"PKCS#1": pkcs1, "PKCS#8": pkcs8(t, key), "on one line": strings.ReplaceAll(pkcs8(t, key), "\n", `\n`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := oktatest.World{Users: people(30), Groups: []oktatest.Group{oktatest.Team("g", "G", "u001")}}
			server, settings := org(t, w)
			server.Register(oktatest.Client{ID: "0oaService", KeyID: "kid-1", Key: &key.PublicKey, Scopes: allScopes})
			service(t, &settings, text)
			settings.Limits.PageSize = 20
			source := open(t, settings)
			info, err := source.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(info.Identity, "service app 0oaService") || len(info.Notes) > 0 {
				t.Errorf("info = %+v", info)
			}
			mustBeWhole(t, read(t.Context(), t, source, everything()))
			if n := server.Requests()["POST /oauth2/v1/token"]; n != 1 {
				t.Errorf("%d tokens fetched, want 1", n)
			}
			// The token ends in the middle of a read: one fresh token.
			revoked := false
			server.Inject(oktatest.Fault{ID: "revoke", MinFires: 1, Match: func(r *http.Request) bool {
				if !revoked && r.URL.Query().Has("after") {
					revoked = true
					server.RevokeTokens()
					return true
				}
				return false
			}})
			mustBeWhole(t, read(t.Context(), t, source, everything()))
			if n := server.Requests()["POST /oauth2/v1/token"]; n != 2 {
				t.Errorf("%d tokens fetched, want 2", n)
			}
			if n := server.AssertionsInURL(); n != 0 {
				t.Errorf("%d assertions in a URL", n)
			}
			fired(t, server)
		})
	}
}

func TestTokenIsRenewedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	key := rsaKey(t)
	server, settings := org(t, oktatest.World{Users: people(1)})
	// Renewal is due at nine tenths of a life of one second, so that each of
	// the reads below, a second apart by the server's count, has its own.
	server.Register(oktatest.Client{ID: "0oaService", KeyID: "kid-1", Key: &key.PublicKey, Scopes: allScopes, Lifetime: time.Second})
	service(t, &settings, pkcs8(t, key))
	source := open(t, settings)
	began := time.Now()
	for time.Since(began) < 1500*time.Millisecond {
		mustBeWhole(t, read(t.Context(), t, source, everything()))
	}
	if n := server.Requests()["POST /oauth2/v1/token"]; n < 2 || n > 3 {
		t.Errorf("%d tokens fetched in a second and a half, want 2 or 3", n)
	}
}

func TestServiceAppRefused(t *testing.T) {
	t.Parallel()
	key, other := rsaKey(t), rsaKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, key string
		scopes    []string
		says      string
	}{
		{"scope not granted", pkcs8(t, key), []string{"okta.users.read", "okta.logs.read"}, "okta.logs.read"},
		{"another key", pkcs8(t, other), nil, "invalid_client"},
		{"EC key", pkcs8(t, ec), nil, "not an RSA key"},
		{"small key", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small)), nil, "1024 bits"},
		{"encrypted key", pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), nil, "encrypted"},
		{"certificate", pemOf("CERTIFICATE", []byte("x")), nil, "CERTIFICATE"},
		{"garbage in PEM", pemOf("PRIVATE KEY", []byte("canary")), nil, "damaged"},
		{"JWK", `{"kty":"RSA","d":"canary"}`, nil, "JWK"},
		{"garbage", "canary", nil, "PEM"},
		{"empty", "\n", nil, "empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, settings := org(t, oktatest.World{})
			server.Register(oktatest.Client{ID: "0oaService", KeyID: "kid-1", Key: &key.PublicKey, Scopes: allScopes})
			service(t, &settings, test.key, test.scopes...)
			source := open(t, settings)
			got := read(t.Context(), t, source, everything())
			_, infoErr := source.Info(t.Context())
			for _, err := range []error{got.err, infoErr} {
				if connectors.ClassOf(err) != connectors.Unauthorized || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v does not say %q with class unauthorized", err, test.says)
				}
				if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "eyJ")) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}

func TestTokenEndpointThatEchoesTheAssertion(t *testing.T) {
	t.Parallel()
	key := rsaKey(t)
	server, settings := org(t, oktatest.World{})
	var assertion string
	server.Inject(oktatest.Fault{ID: "echo", MinFires: 1, Match: oktatest.Path("/oauth2/v1/token"), Effect: oktatest.Effect{
		Status: http.StatusBadRequest, Header: http.Header{}, BodyOf: func(r *http.Request) string {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			assertion = r.FormValue("client_assertion")
			return `{"error":"invalid_client","error_description":"bad ` + assertion + `"}`
		},
	}})
	service(t, &settings, pkcs8(t, key))
	var logs bytes.Buffer
	source, err := okta.Open(settings, connectors.Runtime{
		Log: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Traffic: new(connectors.Traffic),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := read(t.Context(), t, source, everything())
	if got.err == nil || assertion == "" {
		t.Fatalf("err = %v, assertion %q", got.err, assertion)
	}
	for _, text := range []string{got.err.Error(), logs.String()} {
		if strings.Contains(text, assertion) || strings.Contains(text, assertion[len(assertion)-40:]) {
			t.Errorf("the assertion is in %q", text)
		}
	}
	fired(t, server)
}

func TestTokenIsReadAnewAfterRefusal(t *testing.T) {
	t.Parallel()
	server, settings := org(t, oktatest.World{Users: people(1)})
	source := open(t, settings)
	mustBeWhole(t, read(t.Context(), t, source, everything()))
	server.Configure(func(o *oktatest.Options) { o.Token = "00rotated" })
	got := read(t.Context(), t, source, everything())
	if connectors.ClassOf(got.err) != connectors.Unauthorized {
		t.Errorf("%v, want class unauthorized", got.err)
	}
	if err := os.WriteFile(settings.Token.File, []byte("00rotated\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustBeWhole(t, read(t.Context(), t, source, everything()))
}

// TestHiddenSettings: what the SDK's own constructor would read from files and
// the environment has no say. Not parallel: it sets the environment.
func TestHiddenSettings(t *testing.T) {
	trap, err := oktatest.New(oktatest.World{Users: people(2)})
	if err != nil {
		t.Fatal(err)
	}
	url, err := trap.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = trap.Close() })
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".okta"), 0o700); err != nil {
		t.Fatal(err)
	}
	hidden := "okta:\n  client:\n    orgUrl: " + url + "\n    token: canary\n    authorizationMode: PrivateKey\n    proxy: {host: 127.0.0.1, port: 1}\n    requestTimeout: 1\n    cache: {enabled: true}\n"
	if err := os.WriteFile(filepath.Join(home, ".okta", "okta.yaml"), []byte(hidden), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	for name, value := range map[string]string{
		"OKTA_CLIENT_ORGURL": url, "OKTA_CLIENT_TOKEN": "canary", "OKTA_CLIENT_AUTHORIZATIONMODE": "Bearer",
		"OKTA_CLIENT_PROXY_HOST": "127.0.0.1", "OKTA_CLIENT_PROXY_PORT": "not a number", "OKTA_CLIENT_CACHE_ENABLED": "true",
		"OKTA_CLIENT_REQUEST_TIMEOUT": "1", "OKTA_CLIENT_RATE_LIMIT_MAX_RETRIES": "50", "OKTA_TESTING_DISABLE_HTTPS_CHECK": "true",
		"OKTA_CLIENT_PRIVATEKEY": "canary", "OKTA_CLIENT_SCOPES": "canary", "OKTA_CLIENT_CLIENTID": "canary",
	} {
		t.Setenv(name, value)
	}
	server, settings := org(t, oktatest.World{Users: people(3)})
	var credentials []string
	server.Inject(oktatest.Fault{ID: "watch", MinFires: 1, Match: func(r *http.Request) bool {
		credentials = append(credentials, r.Header.Get("Authorization"))
		return true
	}})
	source := open(t, settings)
	for range 2 {
		got := read(t.Context(), t, source, everything())
		mustBeWhole(t, got)
		if len(got.records) != 3 {
			t.Errorf("%d records", len(got.records))
		}
	}
	if n := trap.Total(); n > 0 {
		t.Errorf("%d requests went to the org of the environment", n)
	}
	if n := server.Total(); n != 8 {
		t.Errorf("%d requests in two reads, want 8: nothing comes from a cache", n)
	}
	for _, c := range credentials {
		if c != "SSWS "+oktatest.DefaultToken {
			t.Errorf("a request carried another credential")
		}
	}
	settings.URL = "http://okta.example.com"
	if _, err := okta.Open(settings, connectors.Runtime{Traffic: new(connectors.Traffic)}); err == nil {
		t.Error("plain http was accepted because of the environment")
	}
	fired(t, server)
}
