package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// The secrets of the tests below. The marks in them are what leaks would show;
// the other characters are written differently in URLs, JSON and HTML.
const (
	oktaSecret   = "00canaryOkta7Hq2_and-more"
	bearerSecret = "canaryBearer5Kd9.and+more/=="
	basicSecret  = `canaryBasic3Wz8"<&>%+'`
	clientSecret = `canaryClient6Xs1&=%+/`
)

// canaries are the secrets of a test in every form in which they may turn up.
type canaries struct {
	mu    sync.Mutex
	forms map[string]string // what each form is of
}

func newCanaries() *canaries { return &canaries{forms: map[string]string{}} }

// add knows a secret from now on: its mark, and of a long one each end and the
// middle, since messages are cut.
func (c *canaries) add(what, secret string) {
	const size = 16
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := strings.Index(secret, "canary"); at >= 0 {
		c.forms[secret[at:at+14]] = what
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	for _, form := range []string{secret, encoded} {
		if len(form) >= size {
			middle := len(form)/2 - size/2
			for _, piece := range []string{form[:size], form[middle : middle+size], form[len(form)-size:]} {
				c.forms[piece] = what
			}
		}
	}
}

// leaks names the secrets of which text shows a part.
func (c *canaries) leaks(text []byte) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for form, what := range c.forms {
		if bytes.Contains(text, []byte(form)) {
			out = append(out, fmt.Sprintf("%s (%s…)", what, form[:6]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// watch learns every credential that is sent through it: access tokens and
// assertions are made while the test runs.
func (c *canaries) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, credential, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
			c.add("the Authorization header", credential)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("grant_type") {
			for _, name := range []string{"client_assertion", "client_secret"} {
				if form.Has(name) {
					c.add(name, form.Get(name))
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// scan searches every file below a folder but those that hold the secrets.
func (c *canaries) scan(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".secret") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, leak := range c.leaks(data) {
			t.Errorf("%s holds a part of %s", filepath.Base(path), leak)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCanaryIsFound shows that a leak would be seen in every form.
func TestCanaryIsFound(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{oktaSecret, bearerSecret, basicSecret, clientSecret} {
		c := newCanaries()
		c.add("it", secret)
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"x" + secret, "x" + secret[:20], string(quoted), html.EscapeString(secret), url.QueryEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)),
		} {
			if len(c.leaks([]byte(text))) == 0 {
				t.Errorf("%q would not be seen", text)
			}
		}
		if leaks := c.leaks([]byte("the canary sings")); len(leaks) > 0 {
			t.Errorf("seen where it is not: %v", leaks)
		}
	}
}

// echo is a server that repeats the credential of a request in what it answers
// to those that match.
type echo struct {
	next   http.Handler
	match  func(*http.Request) bool
	status int
	html   bool
	times  atomic.Int32
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.match == nil || !e.match(r) {
		e.next.ServeHTTP(w, r)
		return
	}
	e.times.Add(1)
	body, _ := io.ReadAll(r.Body) // what came of it is repeated
	said := fmt.Sprintf("refused: Authorization: %s for %s %s", r.Header.Get("Authorization"), r.URL.RawQuery, body)
	if e.html {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(e.status)
		fmt.Fprintf(w, "<html><title>%[1]s</title><body>%[1]s</body></html>", html.EscapeString(said))
		return
	}
	if _, password, ok := r.BasicAuth(); ok {
		said += " password " + password
	}
	w.Header().Set("Content-Type", "application/scim+json")
	w.Header().Set("WWW-Authenticate", `Bearer error_description="`+r.Header.Get("Authorization")+`"`)
	w.WriteHeader(e.status)
	// The forms of SCIM, Okta and OAuth at once.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": fmt.Sprint(e.status), "detail": said,
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

// TestCanary gives the program every kind of credential and servers that repeat
// it, refuse it, and point elsewhere, and searches all it says and keeps.
func TestCanary(t *testing.T) {
	t.Parallel()
	writes := func(r *http.Request) bool { return r.Method != http.MethodGet }
	posts := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path != "/token" }
	tokens := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }
	all := func(*http.Request) bool { return true }
	cases := map[string]struct {
		source, target string
		prepare        func(*aviary)
		// codes are exit codes that show that the case happened.
		codes map[string]int
	}{
		"well": {byToken, byBearer, nil, map[string]int{"sync": exitDone, "check": exitDone}},
		"in a process of its own": {byToken, byBasic, func(a *aviary) {
			a.runs = a.apart
			a.target.match, a.target.status = writes, http.StatusBadRequest
		}, map[string]int{"sync": exitPartial}},
		"service app, basic": {byKey, byBasic, nil, map[string]int{"sync": exitDone, "check": exitDone}},
		"OAuth":              {byToken, byOAuth, nil, map[string]int{"sync": exitDone, "check": exitDone}},
		"command":            {byToken, byCommand, nil, map[string]int{"sync": exitDone}},
		"command that fails": {byToken, byBadCommand, func(a *aviary) {
			a.write("helper.sh", "cd \"${0%/*}\"; cat bearer.secret; cat bearer.secret >&2; exit 1\n")
		}, map[string]int{"sync": exitUnauthorized}},
		"source refuses the token": {byToken, byBearer, func(a *aviary) {
			a.source.match, a.source.status = all, http.StatusUnauthorized
		}, map[string]int{"sync": exitUnauthorized}},
		"source refuses the access token": {byKey, byBearer, func(a *aviary) {
			a.source.match = func(r *http.Request) bool { return !tokens(r) }
			a.source.status = http.StatusUnauthorized
		}, map[string]int{"sync": exitUnauthorized}},
		"source refuses the assertion": {byKey, byBearer, func(a *aviary) {
			a.source.match, a.source.status = tokens, http.StatusUnauthorized
		}, map[string]int{"sync": exitUnauthorized}},
		"source answers 400 in HTML": {byToken, byBearer, func(a *aviary) {
			a.source.match, a.source.status, a.source.html = all, http.StatusBadRequest, true
		}, map[string]int{"sync": exitIncomplete}},
		"target refuses basic": {byToken, byBasic, func(a *aviary) {
			a.target.match, a.target.status = all, http.StatusUnauthorized
		}, map[string]int{"sync": exitUnauthorized}},
		"target refuses basic in HTML": {byToken, byBasic, func(a *aviary) {
			a.target.match, a.target.status, a.target.html = all, http.StatusForbidden, true
		}, nil},
		"target refuses writes": {byToken, byBearer, func(a *aviary) {
			a.target.match, a.target.status = writes, http.StatusBadRequest
		}, map[string]int{"sync": exitPartial}},
		"target refuses writes with basic": {byToken, byBasic, func(a *aviary) {
			a.target.match, a.target.status = writes, http.StatusBadRequest
		}, map[string]int{"sync": exitPartial}},
		"target refuses writes in HTML": {byToken, byBearer, func(a *aviary) {
			a.target.match, a.target.status, a.target.html = posts, http.StatusUnprocessableEntity, true
		}, map[string]int{"sync": exitPartial}},
		"token endpoint refuses": {byToken, byOAuth, func(a *aviary) {
			a.target.match, a.target.status = tokens, http.StatusUnauthorized
		}, map[string]int{"sync": exitUnauthorized}},
		"token endpoint refuses in HTML": {byToken, byOAuth, func(a *aviary) {
			a.target.match, a.target.status, a.target.html = tokens, http.StatusForbidden, true
		}, nil},
		"target redirects": {byToken, byBearer, func(a *aviary) {
			a.application.SetHazards(scimtest.Hazards{RedirectTo: a.elsewhere.url})
		}, map[string]int{"sync": exitIncomplete}},
		"target locates elsewhere": {byToken, byBasic, func(a *aviary) {
			a.application.SetHazards(scimtest.Hazards{LocationElsewhere: a.elsewhere.url})
		}, map[string]int{"sync": exitDone}},
		"source links elsewhere": {byToken, byBearer, func(a *aviary) {
			a.link(func(string) string { return a.elsewhere.url + "/api/v1/users?after=2" })
		}, map[string]int{"sync": exitIncomplete}},
		"source links elsewhere without a scheme": {byToken, byBearer, func(a *aviary) {
			a.link(func(string) string { return strings.TrimPrefix(a.elsewhere.url, "http:") + "/api/v1/users?after=2" })
		}, map[string]int{"sync": exitIncomplete}},
		"source links elsewhere by user information": {byToken, byBearer, func(a *aviary) {
			a.link(func(own string) string {
				return "http://" + own + "@" + strings.TrimPrefix(a.elsewhere.url, "http://") + "/api/v1/users"
			})
		}, map[string]int{"sync": exitIncomplete}},
		"source redirects": {byToken, byBearer, func(a *aviary) {
			a.redirect(oktatest.Path("/api/v1/*"), http.StatusFound)
		}, map[string]int{"sync": exitIncomplete}},
		"token endpoint redirects": {byKey, byBearer, func(a *aviary) {
			a.redirect(oktatest.Path("/oauth2/v1/token"), http.StatusTemporaryRedirect)
		}, nil},
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAviary(t, key)
			a.configure(c.source, c.target)
			if c.prepare != nil {
				c.prepare(a)
			}
			codes := a.everyVerb()
			for verb, want := range c.codes {
				if codes[verb] != want {
					t.Errorf("%s ends with %d, want %d", verb, codes[verb], want)
				}
			}
			if c.codes == nil && codes["sync"] == exitDone {
				t.Error("sync succeeds, so nothing was refused")
			}
			if (a.source.match != nil || a.target.match != nil) && a.source.times.Load()+a.target.times.Load() == 0 {
				t.Error("no credential was ever repeated")
			}
		})
	}
}

// TestCanaryInTokenPage lets the token endpoint answer with a web page that
// repeats the assertion. That is taken for a passing trouble and tried again, so
// one verb has to do.
func TestCanaryInTokenPage(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a := newAviary(t, key)
	a.configure(byKey, byBearer)
	a.source.match = func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }
	a.source.status, a.source.html = http.StatusBadRequest, true
	r := a.here("sync", "--log-level", "debug")
	if r.code != exitIncomplete || a.source.times.Load() == 0 {
		t.Errorf("want exit %d\n%s", exitIncomplete, r)
	}
	for _, leak := range a.known.leaks([]byte(r.String())) {
		t.Errorf("sync shows a part of %s\n%s", leak, r)
	}
	a.known.scan(t, a.dir)
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

// TestMisplacedSecrets writes secrets where only the place of one belongs: the
// configuration is refused, and they are not repeated.
func TestMisplacedSecrets(t *testing.T) {
	t.Parallel()
	const mark = "canaryMisplaced4Tn"
	for name, text := range map[string]string{
		"token":           `sources: {okta: {type: okta, url: "https://acme.okta.com", token: ` + mark + `}}`,
		"token in a list": `sources: {okta: {type: okta, url: "https://acme.okta.com", token: [` + mark + `]}}`,
		"unknown place":   `sources: {okta: {type: okta, url: "https://acme.okta.com", token: {vault: ` + mark + `}}}`,
		"key":             `sources: {okta: {type: okta, url: "https://acme.okta.com", private_key: {client_id: a, key_id: b, key: "-----BEGIN ` + mark + `"}}}`,
		"source URL":      `sources: {okta: {type: okta, url: "https://admin:` + mark + `@acme.okta.com", token: {env: A}}}`,
		"source query":    `sources: {okta: {type: okta, url: "https://acme.okta.com/?token=` + mark + `", token: {env: A}}}`,
		"bearer":          `targets: {app: {type: scim, url: "https://app.example.com/scim", auth: {bearer: "` + mark + `"}}}`,
		"auth":            `targets: {app: {type: scim, url: "https://app.example.com/scim", auth: "Bearer ` + mark + `"}}`,
		"password":        `targets: {app: {type: scim, url: "https://app.example.com/scim", auth: {basic: {username: a, password: ` + mark + `}}}}`,
		"client secret":   `targets: {app: {type: scim, url: "https://app.example.com/scim", auth: {oauth2: {token_url: "https://app.example.com/t", client_id: a, client_secret: ` + mark + `}}}}`,
		"target URL":      `targets: {app: {type: scim, url: "https://admin:` + mark + `@app.example.com/scim", auth: {bearer: {env: A}}}}`,
		"token URL":       `targets: {app: {type: scim, url: "https://app.example.com/scim", auth: {oauth2: {token_url: "https://app.example.com/t?secret=` + mark + `", client_id: a, client_secret: {env: A}}}}}`,
		"header":          `targets: {app: {type: scim, url: "https://app.example.com/scim", auth: {bearer: {env: A}}, http: {headers: {Authorization: "Bearer ` + mark + `"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "scimsync.yaml")
			if err := os.WriteFile(path, []byte("version: 1\n"+text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"check", "config show"} {
				var out, err bytes.Buffer
				code := run(append(strings.Fields(verb), "-c", path, "--log-level", "debug"), streams{in: strings.NewReader(""), out: &out, err: &err})
				r := ran{code, out.String(), err.String()}
				if r.code != exitConfig || r.err == "" {
					t.Errorf("want exit %d and a reason\n%s", exitConfig, r)
				}
				if strings.Contains(r.String(), mark) {
					t.Errorf("%s repeats the secret\n%s", verb, r)
				}
			}
		})
	}
}

// TestShownSettings demands that config show hides what may be a secret where a
// setting takes one in the clear.
func TestShownSettings(t *testing.T) {
	t.Parallel()
	const mark = "canaryShown8Rb"
	path := filepath.Join(t.TempDir(), "scimsync.yaml")
	text := `version: 1
targets:
  app:
    type: scim
    url: https://app.example.com/scim
    auth: {bearer: {env: A}}
    http:
      proxy: "http://agent:` + mark + `@proxy.example.com:3128"
      headers: {X-Api-Key: ` + mark + `}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, err bytes.Buffer
	code := run([]string{"config", "show", "-c", path}, streams{in: strings.NewReader(""), out: &out, err: &err})
	if r := (ran{code, out.String(), err.String()}); strings.Contains(r.String(), mark) {
		t.Errorf("the secret is shown\n%s", r)
	}
}
