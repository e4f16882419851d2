package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestTokenEndsMidRun ends the access token again and again while a run reads or
// writes: it is fetched anew each time, and the run ends as if nothing had been.
func TestTokenEndsMidRun(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) (u *unruly, side *trap, revoke func()){
		"okta, full":      func(t *testing.T) (*unruly, *trap, func()) { return serviceOkta(t, "") },
		"okta, delta":     func(t *testing.T) (*unruly, *trap, func()) { return serviceOkta(t, nightly) },
		"entra, delta":    func(t *testing.T) (*unruly, *trap, func()) { return serviceEntra(t, rarely) },
		"entra, full":     func(t *testing.T) (*unruly, *trap, func()) { return serviceEntra(t, always) },
		"sailpoint, full": serviceSailPoint,
		"scim, full":      func(t *testing.T) (*unruly, *trap, func()) { return serviceTarget(t, "") },
		"scim, delta":     func(t *testing.T) (*unruly, *trap, func()) { return serviceTarget(t, nightly) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, side, revoke := open(t)
			u.sync(exitDone)
			for n := range 2 {
				u.day(n)
				over := &ending{next: side.next, revoke: revoke, owed: map[string]int{}}
				side.arm(func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "/token") }, 0, over.ServeHTTP)
				r := u.run("sync", "-o", "json")
				side.disarm()
				ended := over.times
				if ended < 2 {
					t.Errorf("day %d: the token ended %d times, want more than once\n%s", n, ended, r)
				}
				if problem := u.wrong(); r.code != exitDone || problem != "" {
					t.Errorf("day %d: %s\n%s", n, problem, r)
				}
			}
			u.ahead.Store(int64(tenMinutes))
			if problem := u.settles(); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// ending ends the access tokens when every second request comes, but for those that
// are sent again because a token had ended, or come with one that ended before:
// nobody tries a third time.
type ending struct {
	next   http.Handler
	revoke func()

	mu              sync.Mutex
	requests, times int
	good            string // what the last request that was answered came with
	// owed are the requests that were refused and have to come again.
	owed map[string]int
}

func (e *ending) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	request := r.Method + " " + r.URL.RequestURI()
	if e.owed[request] > 0 {
		if e.owed[request]--; e.owed[request] == 0 {
			delete(e.owed, request)
		}
	} else if e.requests++; e.requests%2 == 0 && len(e.owed) == 0 && r.Header.Get("Authorization") == e.good {
		e.revoke()
		e.times++
	}
	answer := httptest.NewRecorder()
	token := r.Header.Get("Authorization")
	e.next.ServeHTTP(answer, r)
	if answer.Code == http.StatusUnauthorized {
		e.owed[request]++
	} else {
		e.good = token
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// serviceOkta reads the org as a service application, by tokens that end.
func serviceOkta(t *testing.T, more string) (*unruly, *trap, func()) {
	t.Helper()
	u, _ := unrulyOkta(t, more)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	u.must(err)
	u.org.Register(oktatest.Client{
		ID: "0oaservice", KeyID: "kid1", Key: &key.PublicKey,
		Scopes: []string{"okta.users.read", "okta.groups.read", "okta.apps.read", "okta.logs.read"},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	u.must(err)
	u.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	scopes := "scopes: [okta.users.read, okta.groups.read, okta.apps.read, okta.logs.read]"
	u.edit("token: {file: okta.token}", "private_key: {client_id: 0oaservice, key_id: kid1, key: {file: key.pem}, "+scopes+"}")
	return u, u.source, u.org.RevokeTokens
}

// serviceEntra reads the tenant with a client secret, by tokens that end.
func serviceEntra(t *testing.T, full string) (*unruly, *trap, func()) {
	t.Helper()
	u := unrulyEntra(t, full)
	u.tenant.Configure(func(o *entratest.Options) { o.PageSize = 1 }) // many requests
	u.tenant.Register(entratest.Client{ID: "agent", Secret: clientSecret})
	authority := httptest.NewTLSServer(u.tenant)
	t.Cleanup(authority.Close)
	u.write("authority.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})))
	u.write("entra.secret", clientSecret)
	u.edit("credential: {kind: static_token, token: {file: entra.token}}",
		"authority: "+authority.URL+"\n    http: {ca_file: authority.pem}\n    credential: {kind: client_secret, client_id: agent, secret: {file: entra.secret}}")
	return u, u.source, u.tenant.RevokeTokens
}

// serviceSailPoint reads with a client secret, by tokens that end.
func serviceSailPoint(t *testing.T) (*unruly, *trap, func()) {
	t.Helper()
	u := unrulySailPoint(t)
	u.edit("requests_per_second: 1000", "requests_per_second: 1000, page_size: 2")
	return u, u.source, u.sailpoint.RevokeTokens
}

// serviceTarget writes to the application by tokens that end.
func serviceTarget(t *testing.T, more string) (*unruly, *trap, func()) {
	t.Helper()
	u, _ := unrulyOkta(t, more)
	endpoint := &tokens{next: u.application}
	u.target.next = endpoint
	u.write("client.secret", clientSecret)
	u.edit("bearer: {file: scim.token}", "oauth2: {token_url: "+strings.TrimSuffix(u.url, "/scim/v2")+"/token, client_id: agent, client_secret: {file: client.secret}}")
	return u, u.target, endpoint.revoke
}

// tokens stands before an application that takes the access tokens it gives out, as
// long as they are not revoked.
type tokens struct {
	next http.Handler

	mu     sync.Mutex
	number int
	valid  string
}

// ServeHTTP answers for the token endpoint, or hands on what comes with a token
// that is good.
func (k *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.URL.Path == "/token" {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("client_id") != "agent" || r.FormValue("client_secret") != clientSecret {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		k.number++
		k.valid = fmt.Sprint("canary-access-token-", k.number)
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":%q}`, k.valid)
		return
	}
	if k.valid == "" || r.Header.Get("Authorization") != "Bearer "+k.valid {
		respond(http.StatusUnauthorized, `{"detail":"the token has ended"}`)(nil)(w, r)
		return
	}
	r.Header.Set("Authorization", "Bearer "+scimToken)
	k.next.ServeHTTP(w, r)
}

func (k *tokens) revoke() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.valid = ""
}

// TestExpiredCursor ends what the next cycle would go on from: everything is read
// once more, with what went meanwhile, and followed again.
func TestExpiredCursor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open   func(*testing.T) *unruly
		expire func(*unruly)
	}{
		"entra": {func(t *testing.T) *unruly { return unrulyEntra(t, rarely) }, func(u *unruly) { u.tenant.ExpireTokens() }},
		// Longer ago than the System Log reaches.
		"okta": {func(t *testing.T) *unruly { u, _ := unrulyOkta(t, nightly); return u }, func(u *unruly) {
			u.org.Configure(func(o *oktatest.Options) { o.Now = func() time.Time { return time.Now().Add(100 * 24 * time.Hour) } })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := c.open(t)
			u.sync(exitDone)
			u.day(0)
			before := u.active()
			c.expire(u)
			if got := u.sync(exitDone); got.Cycle != "full" {
				t.Errorf("the cycle is %s, want full", got.Cycle)
			}
			if problem := u.wrong(); problem != "" {
				t.Error(problem)
			}
			if lost := u.lost(before); len(lost) != 1 {
				t.Errorf("%v were switched off, want the one who left", lost)
			}
			u.day(1)
			if problem := u.settles(); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// TestExpiredTargetCursor ends the cursor by which the target is listed, once and
// for good: the listing begins anew, and where that does not help nothing is taken
// for absent.
func TestExpiredTargetCursor(t *testing.T) {
	t.Parallel()
	m := newModel(t, withApplication(func(o *scimtest.Options) { o.CursorPaging = true }))
	front := &trap{next: m.application}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	m.url = server.URL + "/scim/v2"
	m.configure(worldSettings{sync: modelSync, target: "limits: {page_size: 3}\n"})
	// By cursors alone, so that nothing else can be asked for.
	front.arm(pathEnds("/ServiceProviderConfig"), 0, func(w http.ResponseWriter, r *http.Request) {
		var config map[string]any
		m.must(json.Unmarshal(recorded(m.application, w, r), &config))
		config["pagination"] = map[string]any{"cursor": true, "index": false}
		m.must(json.NewEncoder(w).Encode(config))
	})
	office := newOffice(m)
	m.sync(exitDone)
	list := scimtest.When{Every: 1, Method: http.MethodGet, Path: "/Users"}
	once, always := list, list
	once.Skip, once.Times = 1, 1
	for name, c := range map[string]struct {
		when scimtest.When
		code int
	}{"once": {once, exitDone}, "for good": {always, exitIncomplete}} {
		everybody := office.enabled()
		m.application.SetHazards(scimtest.Hazards{ExpireCursors: c.when})
		fired := m.application.Fired()["ExpireCursors"]
		m.application.ResetRequests()
		r := m.command("sync")
		if m.application.Fired()["ExpireCursors"] == fired || r.code != c.code {
			t.Errorf("%s: fired %d times; want exit %d\n%s", name, m.application.Fired()["ExpireCursors"]-fired, c.code, r)
		}
		for request, n := range m.application.Requests() {
			if !strings.HasPrefix(request, "GET ") {
				t.Errorf("%s: %d times %s, though nothing is to be done", name, n, request)
			}
		}
		if len(office.enabled()) != len(everybody) {
			t.Errorf("%s: %d accounts are active, want %d", name, len(office.enabled()), len(everybody))
		}
	}
	m.application.SetHazards(scimtest.Hazards{})
	m.settled()
}
