package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// echo is a server that repeats the credential of a request in what it answers
// to those that match.
type echo struct {
	next  http.Handler
	times atomic.Int32

	// mu guards what follows: somebody else's client may come to an address
	// that was its server's.
	mu     sync.Mutex
	match  func(*http.Request) bool
	status int
	form   form
}

// form is what an answer is written in.
type form int

const (
	inJSON form = iota
	inHTML
)

// repeats lets the server repeat what came with requests that match.
func (e *echo) repeats(match func(*http.Request) bool, status int, f form) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.match, e.status, e.form = match, status, f
}

func (e *echo) armed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.match != nil
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	match, status, form := e.match, e.status, e.form
	e.mu.Unlock()
	if match == nil || !match(r) {
		e.next.ServeHTTP(w, r)
		return
	}
	e.times.Add(1)
	body, _ := io.ReadAll(r.Body) // what came of it is repeated
	said := fmt.Sprintf("refused: Authorization: %s for %s %s", r.Header.Get("Authorization"), r.URL.RawQuery, body)
	if form == inHTML {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><title>%[1]s</title><body>%[1]s</body></html>", html.EscapeString(said))
		return
	}
	if _, password, ok := r.BasicAuth(); ok {
		said += " password " + password
	}
	w.Header().Set("Content-Type", "application/scim+json")
	w.Header().Set("WWW-Authenticate", `Bearer error_description="`+r.Header.Get("Authorization")+`"`)
	w.WriteHeader(status)
	// The forms of SCIM, Okta and OAuth at once.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": fmt.Sprint(status), "detail": said,
		"errorCode": "E0000001", "errorSummary": said, "errorCauses": []any{map[string]string{"errorSummary": said}},
		"error": "invalid_client", "error_description": said,
	})
}

// aviary is a source and a target that are given canaries.
type aviary struct {
	t              *testing.T
	dir            string
	known          *canaries
	org            *oktatest.Server
	application    *scimtest.Server
	source, target *echo
	sourceURL      string
	targetURL      string
	elsewhere      *elsewhere
	runs           func(args ...string) ran
}

// elsewhere is a server of another origin, to which nothing may be sent.
type elsewhere struct {
	url  string
	seen atomic.Int32
}

func newAviary(t *testing.T, key *rsa.PrivateKey) *aviary {
	t.Helper()
	a := &aviary{t: t, dir: t.TempDir(), known: newCanaries(), elsewhere: &elsewhere{}}
	a.runs = a.here
	var err error
	if a.org, err = oktatest.New(oktatest.Synthetic(6, 1, 12, 1)); err != nil {
		t.Fatal(err)
	}
	a.org.Configure(func(o *oktatest.Options) { o.Token = oktaSecret })
	a.org.Register(oktatest.Client{
		ID: "0oaservice", KeyID: "kid1", Key: &key.PublicKey, Scopes: []string{"okta.users.read", "okta.groups.read", "okta.apps.read"},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.application, err = scimtest.New(scimtest.Options{Token: bearerSecret, Username: "agent", Password: basicSecret})
	if err != nil {
		t.Fatal(err)
	}
	a.source, a.target = &echo{next: a.org}, &echo{next: a.withTokens(a.application)}
	a.sourceURL, a.targetURL = a.serve(a.known.watch(a.source)), a.serve(a.known.watch(a.target))
	a.elsewhere.url = a.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.elsewhere.seen.Add(1)
		t.Errorf("another origin got %s %s", r.Method, r.URL.Path)
	}))
	for name, secret := range map[string]string{
		"okta": oktaSecret, "bearer": bearerSecret, "basic": basicSecret, "client": clientSecret,
		"key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	} {
		a.known.add("secret "+name, secret)
		a.write(name+".secret", secret)
	}
	return a
}

func (a *aviary) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	a.t.Cleanup(server.Close)
	return server.URL
}

// withTokens adds a token endpoint that gives out the bearer secret.
func (a *aviary) withTokens(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		id, secret, basic := r.BasicAuth()
		if !basic {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		} else {
			id, secret = unescape(id), unescape(secret)
		}
		w.Header().Set("Content-Type", "application/json")
		if id != "agent" || secret != clientSecret {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":%q}`, bearerSecret)
	})
	return mux
}

// unescape undoes the form encoding of RFC 6749, section 2.3.1.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func (a *aviary) write(name, data string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(data), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// The credentials, as a configuration names them.
const (
	byToken      = "token: {file: okta.secret}"
	byKey        = "private_key: {client_id: 0oaservice, key_id: kid1, key: {file: key.secret}}"
	byBearer     = "bearer: {file: bearer.secret}"
	byBasic      = "basic: {username: agent, password: {file: basic.secret}}"
	byOAuth      = "oauth2: {token_url: TARGET/token, client_id: agent, client_secret: {file: client.secret}}"
	byCommand    = "bearer: {command: [cat, FOLDER/bearer.secret]}"
	byBadCommand = "bearer: {command: [sh, FOLDER/helper.sh]}"
)

func (a *aviary) configure(source, target string) {
	a.t.Helper()
	text := fmt.Sprintf(`version: 1
sources:
  okta: {type: okta, url: "%s", %s}
targets:
  app:
    type: scim
    url: TARGET/scim/v2
    auth: {%s}
syncs:
  main: {from: okta, to: app, groups: {scope: type == "OKTA_GROUP"}}
`, a.sourceURL, source, target)
	a.write("scimsync.yaml", strings.NewReplacer("TARGET", a.targetURL, "FOLDER", filepath.ToSlash(a.dir)).Replace(text))
}

// here runs a command line in this process; apart in one of its own, which shows
// also what a library might print.
func (a *aviary) here(args ...string) ran {
	var out, err bytes.Buffer
	code := run(append(args, "-c", filepath.Join(a.dir, "scimsync.yaml")), streams{in: strings.NewReader(""), out: &out, err: &err})
	return ran{code, out.String(), err.String()}
}

func (a *aviary) apart(args ...string) ran { return start(a.t, a.dir, nil, args...).end() }

// everyVerb runs the program's verbs at their loudest and searches what they
// leave behind. It returns the exit code of each.
func (a *aviary) everyVerb() map[string]int {
	a.t.Helper()
	codes := map[string]int{}
	saved := filepath.Join(a.dir, "plan.json")
	for _, verb := range []string{
		"check", "check --log-format json", "plan --log-format json --out " + saved, "sync -o json", "sync --log-format json",
		"apply " + saved, "status", "config show",
	} {
		r := a.runs(append(strings.Fields(verb), "--log-level", "debug")...)
		name, _, _ := strings.Cut(verb, " ")
		codes[name] = max(codes[name], r.code)
		for stream, text := range map[string]string{"standard output": r.out, "standard error": r.err} {
			for _, leak := range a.known.leaks([]byte(text)) {
				a.t.Errorf("%s shows a part of %s on %s:\n%s", verb, leak, stream, text)
			}
		}
		if r.out == "" && r.err == "" {
			a.t.Errorf("%s says nothing", verb)
		}
	}
	a.known.scan(a.t, a.dir)
	if n := a.elsewhere.seen.Load(); n > 0 {
		a.t.Errorf("%d requests went to another origin", n)
	}
	return codes
}

// link makes the first page of users point to what where says of the org's host.
func (a *aviary) link(where func(host string) string) {
	a.org.Inject(oktatest.Fault{
		ID: "link", Match: oktatest.Path("/api/v1/users"),
		Effect: oktatest.Effect{Status: http.StatusOK, Body: "[]", Link: func(r *http.Request) string { return where(r.Host) }},
	})
}

// redirect sends requests elsewhere.
func (a *aviary) redirect(match func(*http.Request) bool, status int) {
	a.org.Inject(oktatest.Fault{
		ID: "redirect", Match: match,
		Effect: oktatest.Effect{Status: status, Header: http.Header{"Location": {a.elsewhere.url + "/stolen"}}},
	})
}
