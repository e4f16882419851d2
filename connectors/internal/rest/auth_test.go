package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// tokenFile is a secret in a file that a test can change.
func tokenFile(t *testing.T, value string) (connectors.Secret, func(string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	write := func(value string) {
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Error(err)
		}
	}
	write(value)
	return connectors.Secret{File: path}, write
}

func TestHeaderAndBasic(t *testing.T) {
	t.Parallel()
	secret, write := tokenFile(t, "s3cret\r\n")
	for _, c := range []struct {
		auth Auth
		want string
	}{
		{Header("Bearer", secret), "Bearer s3cret"},
		{Header("SSWS", secret), "SSWS s3cret"},
		{Header("", secret), "s3cret"},
		{Basic("me", secret), "Basic bWU6czNjcmV0"},
	} {
		r := request(t, t.Context(), "GET", "https://api.example.com", "")
		if err := c.auth.Authorize(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("Authorization"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}

	for value, want := range map[string]string{
		"a-secret\nX-Evil: 1":      "line break",
		"a-secret\x00":             "control character",
		"\ufeffa-secret":           "character that no token has",
		"“a-secret”":               "character that no token has",
		"bearer a-secret":          `starts with "Bearer"`,
		" a-secret":                "blank",
		"":                         "is empty",
		"   \n":                    "is empty",
		strings.Repeat("x", 1<<17): "larger than",
	} {
		write(value)
		r := request(t, t.Context(), "GET", "https://api.example.com", "")
		err := Header("Bearer", secret).Authorize(t.Context(), r)
		wantClass(t, err, connectors.Unauthorized)
		wantText(t, err, want, secret.File)
		if strings.Contains(err.Error(), "a-secret") {
			t.Errorf("the secret is in %v", err)
		}
		if _, ok := r.Header["Authorization"]; ok {
			t.Errorf("%q is sent", r.Header.Get("Authorization"))
		}
	}
	write("pass\nword")
	wantText(t, Basic("me", secret).Authorize(t.Context(), request(t, t.Context(), "GET", "https://a.example", "")), "line break")
	write("password")
	for _, name := range []string{"", "a:b", "a\nb"} {
		wantClass(t, Basic(name, secret).Authorize(t.Context(), request(t, t.Context(), "GET", "https://a.example", "")), connectors.Unauthorized)
	}
}

func TestUnreadableSecretSendsNothing(t *testing.T) {
	t.Parallel()
	secret := connectors.Secret{File: filepath.Join(t.TempDir(), "absent")}
	client, base := serve(t, Config{Auth: Header("Bearer", secret)}, func(http.ResponseWriter, *http.Request) {
		t.Error("a request without a credential")
	})
	_, err := send(t, client, "POST", base.String()+"/x", "{}")
	wantClass(t, err, connectors.Unauthorized)
	wantText(t, err, secret.File, "no credential")
}

// doorman accepts one token and counts.
type doorman struct {
	mu     sync.Mutex
	token  string
	counts map[string]int
}

func (d *doorman) accept(token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.token = token
}

func (d *doorman) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts == nil {
		d.counts = map[string]int{}
	}
	d.counts[r.Header.Get("Authorization")]++
	if r.Header.Get("Authorization") != "Bearer "+d.token {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, "%s is not accepted", r.Header.Get("Authorization"))
	}
}

func TestChangedSecretIsTriedOnce(t *testing.T) {
	t.Parallel()
	secret, write := tokenFile(t, "old-token")
	door := &doorman{token: "old-token"}
	client, base := serve(t, Config{Auth: Header("Bearer", secret)}, door.ServeHTTP)
	if _, err := send(t, client, "POST", base.String()+"/x", "{}"); err != nil {
		t.Fatal(err)
	}
	write("new-token")
	if _, err := send(t, client, "POST", base.String()+"/x", "{}"); err != nil {
		t.Fatal(err) // kept: not read again without need
	}
	door.accept("new-token")
	if _, err := send(t, client, "POST", base.String()+"/x", "{}"); err != nil {
		t.Fatal(err)
	}
	if n := door.counts["Bearer old-token"]; n != 3 {
		t.Errorf("the old token was sent %d times", n)
	}

	door.accept("another")
	_, err := send(t, client, "POST", base.String()+"/x", "{}")
	wantClass(t, err, connectors.Unauthorized)
	if strings.Contains(err.Error(), "new-token") {
		t.Errorf("the echoed token is in %v", err)
	}
	if n := door.counts["Bearer new-token"]; n != 2 {
		t.Errorf("a refused token that did not change was sent %d times", n)
	}
	write("newer-token")
	_, err = send(t, client, "POST", base.String()+"/x", "{}")
	wantClass(t, err, connectors.Unauthorized)
	if n := door.counts["Bearer newer-token"]; n != 1 {
		t.Errorf("a changed token was tried %d times", n)
	}
}

// countingAuth counts how often it is refreshed.
type countingAuth struct {
	Auth
	refreshed atomic.Int64
}

func (a *countingAuth) Refresh(ctx context.Context) (bool, error) {
	a.refreshed.Add(1)
	time.Sleep(50 * time.Millisecond)
	return a.Auth.Refresh(ctx)
}

func TestConcurrentRefusalsRefreshOnce(t *testing.T) {
	t.Parallel()
	for _, change := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			secret, write := tokenFile(t, "old-token")
			auth := &countingAuth{Auth: Header("Bearer", secret)}
			client := fake(t, Config{Auth: auth}, func(r *http.Request) (*http.Response, error) {
				time.Sleep(20 * time.Millisecond)
				if r.Header.Get("Authorization") != "Bearer new-token" {
					return respond(r, 401, "no"), nil
				}
				return respond(r, 200, ""), nil
			})
			// The first reads the old token, then the file changes.
			_, err := send(t, client, "GET", "https://api.example.com/v1/x", "")
			wantClass(t, err, connectors.Unauthorized)
			if change {
				write("new-token")
			}
			before := auth.refreshed.Load()
			var wg sync.WaitGroup
			var failed atomic.Int64
			for range firstWorkers {
				wg.Go(func() {
					if _, err := send(t, client, "PATCH", "https://api.example.com/v1/x", "{}"); err != nil {
						failed.Add(1)
					}
				})
			}
			wg.Wait()
			if n := auth.refreshed.Load() - before; n != 1 {
				t.Errorf("change %t: %d refreshes", change, n)
			}
			if n := failed.Load(); change && n != 0 || !change && n != firstWorkers {
				t.Errorf("change %t: %d failed", change, n)
			}
		})
	}
}

// issuer is a token endpoint.
type issuer struct {
	mu      sync.Mutex
	issued  int
	answer  func(w http.ResponseWriter, r *http.Request, n int)
	headers int // requests with the client in the header
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issued++
	if _, _, ok := r.BasicAuth(); ok {
		i.headers++
	}
	w.Header().Set("Content-Type", "application/json")
	i.answer(w, r, i.issued)
}

func oauth(t *testing.T, i *issuer, secret connectors.Secret) (Auth, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	address := server.URL + "/oauth/token"
	client, err := NewTokenClient(parse(t, address), connectors.HTTP{Timeout: seconds(2)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return ClientCredentials(address, "my-client", secret, []string{"read", "write"}, client), server
}

func bearer(t *testing.T, auth Auth) (string, error) {
	t.Helper()
	r := request(t, t.Context(), "GET", "https://api.example.com", "")
	err := auth.Authorize(t.Context(), r)
	return r.Header.Get("Authorization"), err
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	secret, _ := tokenFile(t, "client-canary")
	i := &issuer{answer: func(w http.ResponseWriter, r *http.Request, n int) {
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read write" ||
			r.FormValue("client_id") != "my-client" || r.FormValue("client_secret") != "client-canary" {
			t.Errorf("asked with %v", r.Form)
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":3600}`, n)
	}}
	auth, _ := oauth(t, i, secret)
	door := &doorman{token: "token-1"}
	client, base := serve(t, Config{Auth: auth}, door.ServeHTTP)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := send(t, client, "GET", base.String()+"/x", ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if i.issued != 1 {
		t.Errorf("%d tokens for concurrent requests", i.issued)
	}
	door.accept("token-2") // revoked
	for range 8 {
		wg.Go(func() {
			if _, err := send(t, client, "POST", base.String()+"/x", "{}"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if i.issued != 2 {
		t.Errorf("%d tokens after a revocation", i.issued)
	}
	door.accept("nothing helps")
	_, err := send(t, client, "GET", base.String()+"/x", "")
	wantClass(t, err, connectors.Unauthorized)
	if i.issued != 3 {
		t.Errorf("%d tokens: one fresh token for one refusal", i.issued)
	}
}

func TestClientCredentialsExpiry(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`"expires_in":"3600"`:  "token-1", // text, as PayPal sends it
		`"expires_in":"soon"`:  "token-1",
		`"expires_in":-5`:      "token-1",
		`"expires_in":0`:       "token-1",
		`"expires_in":null`:    "token-1",
		`"expires_in":{"a":1}`: "token-1",
		`"expires_in":1e99`:    "token-1",
		`"expires_in":3600.5`:  "token-1",
		`"x":1`:                "token-1",
		`"expires_in":1`:       "token-2", // ends at once
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			secret, _ := tokenFile(t, "client-canary")
			i := &issuer{answer: func(w http.ResponseWriter, r *http.Request, n int) {
				fmt.Fprintf(w, `{"access_token":"token-%d",%s}`, n, field)
			}}
			auth, _ := oauth(t, i, secret)
			if got, err := bearer(t, auth); err != nil || got != "Bearer token-1" {
				t.Fatalf("%q, %v", got, err)
			}
			if want == "token-2" {
				// The clock is the library's: let it be over without waiting.
				auth.(*clientCredentials).until = time.Now()
			}
			if got, err := bearer(t, auth); err != nil || got != "Bearer "+want {
				t.Errorf("then %q, %v", got, err)
			}
		})
	}
}

func TestClientCredentialsInTheHeader(t *testing.T) {
	t.Parallel()
	secret, _ := tokenFile(t, "client-canary")
	i := &issuer{answer: func(w http.ResponseWriter, r *http.Request, n int) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d"}`, n)
	}}
	auth, _ := oauth(t, i, secret)
	if got, err := bearer(t, auth); err != nil || got != "Bearer token-2" {
		t.Errorf("%q, %v", got, err)
	}
	if changed, err := auth.Refresh(t.Context()); !changed || err != nil || i.issued != 3 {
		t.Errorf("refresh: %t, %v after %d requests: the place that worked is kept", changed, err, i.issued)
	}
}

func TestClientCredentialsProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request, n int)
		class  connectors.Class
		text   string
	}{
		{"refused", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"client-canary is wrong"}`)
		}, connectors.Unauthorized, "*** is wrong"},
		{"refused with 200", func(w http.ResponseWriter, r *http.Request, _ int) {
			fmt.Fprintf(w, `{"error":"unauthorized_client"}`)
		}, connectors.Unauthorized, "unauthorized_client"},
		{"down", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.WriteHeader(503)
			fmt.Fprint(w, "<html><title>Gone &amp; fishing</title>client-canary</html>")
		}, connectors.Transient, "Gone & fishing"},
		{"throttled", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}, connectors.Throttled, "429"},
		{"empty token", func(w http.ResponseWriter, r *http.Request, _ int) {
			fmt.Fprint(w, `{"access_token":""}`)
		}, connectors.Unauthorized, "no access token"},
		{"token with a line break", func(w http.ResponseWriter, r *http.Request, _ int) {
			fmt.Fprint(w, `{"access_token":"a\nX-Evil: client-canary"}`)
		}, connectors.Unauthorized, "unusable access token"},
		{"a page", func(w http.ResponseWriter, r *http.Request, _ int) {
			fmt.Fprint(w, `<html>client-canary`)
		}, connectors.Unauthorized, "an HTML page instead of JSON"},
		{"a redirect without an address", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.WriteHeader(302)
		}, connectors.Unauthorized, "which is not followed"},
		{"null", func(w http.ResponseWriter, r *http.Request, _ int) {
			fmt.Fprint(w, `null`)
		}, connectors.Unauthorized, "answered null"},
		{"endless", func(w http.ResponseWriter, r *http.Request, _ int) {
			for range maxTokenBody/1024 + 8 {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		}, connectors.Unauthorized, "larger than"},
		{"redirect", func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "/elsewhere?client-canary", http.StatusTemporaryRedirect)
		}, connectors.Unauthorized, "redirect"},
		{"cut off", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"access_token":`)
		}, connectors.Transient, "broke off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			secret, _ := tokenFile(t, "client-canary")
			auth, server := oauth(t, &issuer{answer: c.answer}, secret)
			value, err := bearer(t, auth)
			wantClass(t, err, c.class)
			wantText(t, err, c.text)
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the secret is in %v", err)
			}
			if value != "" {
				t.Errorf("%q is sent", value)
			}
			_ = server
		})
	}
	// The API's own client repeats what a token endpoint did not do.
	secret, _ := tokenFile(t, "client-canary")
	auth, _ := oauth(t, &issuer{answer: func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(503)
			return
		}
		fmt.Fprint(w, `{"access_token":"token-1"}`)
	}}, secret)
	door := &doorman{token: "token-1"}
	client, base := serve(t, Config{Auth: auth}, door.ServeHTTP)
	if _, err := send(t, client, "POST", base.String()+"/x", "{}"); err != nil || door.counts["Bearer token-1"] != 1 {
		t.Errorf("%v, %v", err, door.counts)
	}
}

// A token is sent as Bearer where it is one, or where nothing is said of its type;
// of any other type it is sent nowhere.
func TestTokenType(t *testing.T) {
	t.Parallel()
	const another = "access tokens of another type"
	for _, c := range []struct{ kind, says string }{
		{`"Bearer"`, ""},
		{`"bearer"`, ""},
		{`"BEARER "`, ""},
		{`null`, ""},
		{`""`, ""},
		{`"mac"`, `access tokens of type "mac"`},
		{`"DPoP"`, `access tokens of type "DPoP"`},
		{`"N_A"`, `access tokens of type "N_A"`},
		{`"Bearer, DPoP"`, another},
		{`5`, `access tokens of type "5"`},
		{`["Bearer"]`, another},
		{`{"a":"canary"}`, another},
		{`"canary-0123456789abcdef"`, another},
		{`"mac\nX-Evil: 1"`, another},
	} {
		for form, answer := range map[string]func(w http.ResponseWriter){
			"JSON": func(w http.ResponseWriter) { fmt.Fprintf(w, `{"access_token":"canary","token_type":%s}`, c.kind) },
			"form": func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
				fmt.Fprint(w, url.Values{"access_token": {"canary"}, "token_type": {textOf(json.RawMessage(c.kind))}}.Encode())
			},
		} {
			t.Run(c.kind+", "+form, func(t *testing.T) {
				t.Parallel()
				secret, _ := tokenFile(t, "client-canary")
				auth, server := oauth(t, &issuer{answer: func(w http.ResponseWriter, _ *http.Request, _ int) { answer(w) }}, secret)
				value, err := bearer(t, auth)
				if c.says == "" {
					if value != "Bearer canary" || err != nil {
						t.Errorf("%q, %v", value, err)
					}
					return
				}
				wantClass(t, err, connectors.Unauthorized)
				wantText(t, err, c.says, server.URL+" ", "Bearer tokens")
				if value != "" || strings.Contains(err.Error(), "canary") {
					t.Errorf("%q is sent, after %v", value, err)
				}
			})
		}
	}
}

// The token client goes to its endpoint only, and nowhere with a secret.
func TestTokenClientStaysHome(t *testing.T) {
	t.Parallel()
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	t.Cleanup(thief.Close)
	secret, _ := tokenFile(t, "client-canary")
	auth, server := oauth(t, &issuer{answer: func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, thief.URL+"/oauth/token", http.StatusTemporaryRedirect)
	}}, secret)
	_, err := bearer(t, auth)
	wantClass(t, err, connectors.Unauthorized)
	client := auth.(*clientCredentials).client
	for _, address := range []string{thief.URL + "/oauth/token", server.URL + "/other"} {
		_, err := send(t, client, "POST", address, "client_secret=x")
		wantClass(t, err, connectors.Rejected)
	}
	if stolen.Load() != 0 {
		t.Error("the secret went elsewhere")
	}
	if _, err := NewTokenClient(parse(t, "http://login.example.com/token"), connectors.HTTP{}); err == nil {
		t.Error("plain http to a token endpoint")
	}
}
