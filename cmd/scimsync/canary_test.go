package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
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
			a.target.repeats(writes, http.StatusBadRequest, inJSON)
		}, map[string]int{"sync": exitPartial}},
		"service app, basic": {byKey, byBasic, nil, map[string]int{"sync": exitDone, "check": exitDone}},
		"OAuth":              {byToken, byOAuth, nil, map[string]int{"sync": exitDone, "check": exitDone}},
		"command":            {byToken, byCommand, nil, map[string]int{"sync": exitDone}},
		"command that fails": {byToken, byBadCommand, func(a *aviary) {
			a.write("helper.sh", "cd \"${0%/*}\"; cat bearer.secret; cat bearer.secret >&2; exit 1\n")
		}, map[string]int{"sync": exitUnauthorized}},
		"source refuses the token": {byToken, byBearer, func(a *aviary) {
			a.source.repeats(all, http.StatusUnauthorized, inJSON)
		}, map[string]int{"sync": exitUnauthorized}},
		"source refuses the access token": {byKey, byBearer, func(a *aviary) {
			a.source.repeats(func(r *http.Request) bool { return !tokens(r) }, http.StatusUnauthorized, inJSON)
		}, map[string]int{"sync": exitUnauthorized}},
		"source refuses the assertion": {byKey, byBearer, func(a *aviary) {
			a.source.repeats(tokens, http.StatusUnauthorized, inJSON)
		}, map[string]int{"sync": exitUnauthorized}},
		"source answers 400 in HTML": {byToken, byBearer, func(a *aviary) {
			a.source.repeats(all, http.StatusBadRequest, inHTML)
		}, map[string]int{"sync": exitIncomplete}},
		"target refuses basic": {byToken, byBasic, func(a *aviary) {
			a.target.repeats(all, http.StatusUnauthorized, inJSON)
		}, map[string]int{"sync": exitUnauthorized}},
		"target refuses basic in HTML": {byToken, byBasic, func(a *aviary) {
			a.target.repeats(all, http.StatusForbidden, inHTML)
		}, nil},
		"target refuses writes": {byToken, byBearer, func(a *aviary) {
			a.target.repeats(writes, http.StatusBadRequest, inJSON)
		}, map[string]int{"sync": exitPartial}},
		"target refuses writes with basic": {byToken, byBasic, func(a *aviary) {
			a.target.repeats(writes, http.StatusBadRequest, inJSON)
		}, map[string]int{"sync": exitPartial}},
		"target refuses writes in HTML": {byToken, byBearer, func(a *aviary) {
			a.target.repeats(posts, http.StatusUnprocessableEntity, inHTML)
		}, map[string]int{"sync": exitPartial}},
		"token endpoint refuses": {byToken, byOAuth, func(a *aviary) {
			a.target.repeats(tokens, http.StatusUnauthorized, inJSON)
		}, map[string]int{"sync": exitUnauthorized}},
		"token endpoint refuses in HTML": {byToken, byOAuth, func(a *aviary) {
			a.target.repeats(tokens, http.StatusForbidden, inHTML)
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
			if (a.source.armed() || a.target.armed()) && a.source.times.Load()+a.target.times.Load() == 0 {
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
	a.source.repeats(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }, http.StatusBadRequest, inHTML)
	r := a.here("sync", "--log-level", "debug")
	if r.code != exitIncomplete || a.source.times.Load() == 0 {
		t.Errorf("want exit %d\n%s", exitIncomplete, r)
	}
	for _, leak := range a.known.leaks([]byte(r.String())) {
		t.Errorf("sync shows a part of %s\n%s", leak, r)
	}
	a.known.scan(t, a.dir)
}

// TestCanaryAtEntra lets Entra's token authority, which has to be https, repeat
// the client secret and the assertion.
func TestCanaryAtEntra(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, credential := range map[string]string{
		"secret":     "{kind: client_secret, client_id: 22222222-0000-4000-8000-000000000002, secret: {file: client.secret}}",
		"federation": "{kind: workload_identity, client_id: 22222222-0000-4000-8000-000000000002, token_file: bearer.secret}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAviary(t, key)
			authority := &echo{}
			authority.repeats(func(*http.Request) bool { return true }, http.StatusUnauthorized, inJSON)
			web := httptest.NewTLSServer(a.known.watch(authority))
			t.Cleanup(web.Close)
			a.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
			a.write("scimsync.yaml", fmt.Sprintf(`version: 1
sources:
  entra:
    type: entra
    tenant: 00000000-0000-0000-0000-000000000000
    url: %s
    authority: %s
    http: {ca_file: %s}
    credential: %s
targets:
  app: {type: scim, url: "%s/scim/v2", auth: {bearer: {file: bearer.secret}}}
syncs:
  main: {from: entra, to: app}
`, a.sourceURL, web.URL, filepath.Join(a.dir, "ca.pem"), credential, a.targetURL))
			if codes := a.everyVerb(); codes["sync"] != exitUnauthorized || authority.times.Load() == 0 {
				t.Errorf("sync ends with %d after %d answers, want %d", codes["sync"], authority.times.Load(), exitUnauthorized)
			}
		})
	}
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
