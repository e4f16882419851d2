package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// trap stands before an honest server and answers some requests in its place.
type trap struct {
	next http.Handler

	mu    sync.Mutex
	match func(*http.Request) bool
	act   http.HandlerFunc
	times int // how many requests at most; 0 is all
	fired int
}

func (p *trap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	act := p.act
	if act == nil || !p.match(r) || p.times > 0 && p.fired >= p.times {
		act = p.next.ServeHTTP
	} else {
		p.fired++
	}
	p.mu.Unlock()
	act(w, r)
}

// arm springs the trap for the requests that match, times of them or all.
func (p *trap) arm(match func(*http.Request) bool, times int, act http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.match, p.times, p.act, p.fired = match, times, act, 0
}

// disarm lets everything pass and returns how often the trap was sprung.
func (p *trap) disarm() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.act = nil
	return p.fired
}

// stranger is a server of another origin, that wants to be asked.
type stranger struct {
	url  string
	seen atomic.Int32
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	s := &stranger{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.seen.Add(1)
		t.Errorf("another origin got %s %s with the headers %v", r.Method, r.URL.Path, r.Header)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"canary-from-the-stranger","token_type":"Bearer"}`)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// host is the stranger without a scheme.
func (s *stranger) host() string { return strings.TrimPrefix(s.url, "http://") }

// siege is a world that works, one side of which is about to turn hostile.
type siege struct {
	*world

	trap  *trap
	url   string // of the trap
	match func(*http.Request) bool
	// page is an honest answer without objects, its next page behind a link;
	// nil where the side has no links.
	page func(w http.ResponseWriter, link string)
	// object wraps what is too large, too deep or too often into an answer of
	// the form the side expects.
	object func(field string) string
	// pending makes a change at the source and returns who tells at the
	// application that it has arrived.
	pending func(n int) func() bool
	// patience is where the configuration takes a timeout of the side: a text
	// of it, and what to write in its place.
	patience [2]string
	// cycle is how a sync reads once the first is done.
	cycle string
	known *canaries
	away  *stranger
}

// sides are the places a hostile answer can come from.
func sides() map[string]func(*testing.T) *siege {
	return map[string]func(*testing.T) *siege{
		"okta": besiegeOkta, "okta token": besiegeOktaToken,
		"entra": besiegeEntra, "entra token": besiegeEntraToken, "entra discovery": besiegeEntraDiscovery,
		"sailpoint": besiegeSailPoint, "sailpoint token": besiegeSailPointToken,
		"scim": besiegeSCIM, "scim token": besiegeSCIMToken,
	}
}

// besiege puts a trap before a handler of the world.
func besiege(t *testing.T, w *world, next http.Handler) *siege {
	t.Helper()
	s := &siege{world: w, known: newCanaries(), away: newStranger(t), cycle: "full"}
	s.trap = &trap{next: s.known.watch(next)}
	server := httptest.NewServer(s.trap)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.known.add("the target's token", scimToken)
	s.object = func(field string) string { return "{" + field + "}" }
	return s
}

func pathEnds(suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, suffix) }
}

func besiegeOkta(t *testing.T) *siege {
	t.Helper()
	w := newWorld(t, withPeople(office()))
	s := besiege(t, w, w.org)
	s.known.add("Okta's token", oktatest.DefaultToken)
	s.match = pathEnds("/api/v1/users")
	s.page = func(w http.ResponseWriter, link string) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Link", "<"+link+`>; rel="next"`)
		fmt.Fprint(w, "[]")
	}
	s.object = func(field string) string { return "[{" + field + "}]" }
	w.orgURL = s.url
	w.configure(worldSettings{sync: everything})
	s.pending, s.patience = s.renameInOkta, hurried("    type: okta\n")
	return s
}

// hurried adds a timeout to the keys that begin with type.
func hurried(kind string) [2]string { return [2]string{kind, kind + "    http: {timeout: 400ms}\n"} }

func (s *siege) renameInOkta(n int) func() bool {
	s.must(s.org.UpdateUser("00uada", map[string]any{"lastName": fmt.Sprint("Name", n)}))
	return s.named("ada@example.com", fmt.Sprint("Name", n))
}

// named asks whether somebody has a family name at the application.
func (s *siege) named(login, last string) func() bool {
	return func() bool {
		name, _ := s.user(login)["name"].(map[string]any)
		return name["familyName"] == last
	}
}

func besiegeOktaToken(t *testing.T) *siege {
	t.Helper()
	s := besiegeOkta(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	s.must(err)
	s.org.Register(oktatest.Client{
		ID: "0oaservice", KeyID: "kid1", Key: &key.PublicKey, Scopes: []string{"okta.users.read", "okta.groups.read", "okta.apps.read"},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	s.must(err)
	s.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	s.edit("token: {file: okta.token}", "private_key: {client_id: 0oaservice, key_id: kid1, key: {file: key.pem}}")
	s.match, s.page = pathEnds("/oauth2/v1/token"), nil
	s.object = func(field string) string { return "{" + field + "}" }
	return s
}

// edit replaces a part of the configuration.
func (w *world) edit(old, replacement string) {
	w.t.Helper()
	text, err := os.ReadFile(w.config)
	w.must(err)
	if !strings.Contains(string(text), old) {
		w.t.Fatalf("the configuration does not hold %q:\n%s", old, text)
	}
	w.write("scimsync.yaml", strings.Replace(string(text), old, replacement, 1))
}

func besiegeEntra(t *testing.T) *siege {
	t.Helper()
	d := newTenancy(t, crew(), following)
	s := besiege(t, d.world, d.tenant)
	s.cycle = "delta"
	s.known.add("Graph's token", entratest.DefaultToken)
	s.match = func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/users/") }
	s.page = func(w http.ResponseWriter, link string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"value":[],"@odata.nextLink":%q}`, link)
	}
	s.object = func(field string) string {
		return `{"value":[{` + field + `}],"@odata.deltaLink":"` + s.url + `/v1.0/users/delta?$deltatoken=x"}`
	}
	d.tenantURL = s.url
	d.follow(following)
	s.patience = hurried("    type: entra\n")
	s.pending = func(n int) func() bool {
		s.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": fmt.Sprint("Name", n)}))
		return s.named("ada@example.com", fmt.Sprint("Name", n))
	}
	return s
}

// besiegeEntraToken puts the trap before the authority, which has to be https.
func besiegeEntraToken(t *testing.T) *siege {
	t.Helper()
	d := newTenancy(t, crew(), following)
	d.tenant.Register(entratest.Client{ID: "agent", Secret: clientSecret})
	s := besiege(t, d.world, d.tenant)
	s.cycle = "delta"
	authority := httptest.NewTLSServer(s.trap)
	t.Cleanup(authority.Close)
	s.url = authority.URL
	s.write("authority.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})))
	s.write("entra.secret", clientSecret)
	s.known.add("the client secret", clientSecret)
	s.edit("credential: {kind: static_token, token: {file: entra.token}}",
		"authority: "+s.url+"\n    http: {ca_file: authority.pem}\n    credential: {kind: client_secret, client_id: agent, secret: {file: entra.secret}}")
	s.match = pathEnds("/oauth2/v2.0/token")
	s.patience = [2]string{"ca_file: authority.pem", "ca_file: authority.pem, timeout: 400ms"}
	s.pending = func(n int) func() bool {
		s.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": fmt.Sprint("Name", n)}))
		return s.named("ada@example.com", fmt.Sprint("Name", n))
	}
	return s
}

func besiegeEntraDiscovery(t *testing.T) *siege {
	t.Helper()
	s := besiegeEntraToken(t)
	s.match = pathEnds("/openid-configuration")
	return s
}

func besiegeSailPoint(t *testing.T) *siege {
	t.Helper()
	g := newGroupSync(t, staff(), func(c *groupSyncConfig) {
		c.sync, c.notify = "users: {}\ngroups: {}\n", "{to: [stewards], events: [failed]}"
	})
	s := besiege(t, g.world, g.tenant)
	s.known.add("SailPoint's secret", sailpointtest.DefaultClient().Secret)
	s.match = pathEnds("/accounts")
	s.object = func(field string) string { return "[{" + field + "}]" }
	s.edit("url: "+g.tenant.URL(), "url: "+s.url)
	s.patience = hurried("    type: sailpoint\n")
	s.pending = func(n int) func() bool {
		s.must(g.tenant.UpdateAccount("ada", func(a *sailpointtest.Account) { a.Attributes["sn"] = fmt.Sprint("Name", n) }))
		return s.named("ada@example.com", fmt.Sprint("Name", n))
	}
	return s
}

func besiegeSailPointToken(t *testing.T) *siege {
	t.Helper()
	s := besiegeSailPoint(t)
	s.match = pathEnds("/oauth/token")
	s.object = func(field string) string { return "{" + field + "}" }
	return s
}

func besiegeSCIM(t *testing.T) *siege {
	t.Helper()
	w := newWorld(t, withPeople(office()))
	s := besiege(t, w, w.application)
	s.match = func(r *http.Request) bool { return r.Method == http.MethodGet && pathEnds("/Users")(r) }
	s.object = func(field string) string { return `{"totalResults":1,"Resources":[{"id":"1",` + field + `}]}` }
	w.edit("url: "+w.url, "url: "+s.url+"/scim/v2")
	s.pending, s.patience = s.renameInOkta, hurried("    type: scim\n")
	return s
}

func besiegeSCIMToken(t *testing.T) *siege {
	t.Helper()
	w := newWorld(t, withPeople(office()))
	a := &aviary{t: t}
	// The aviary's token endpoint gives out its own bearer secret.
	application, err := scimtest.New(scimtest.Options{Token: bearerSecret, LogRequests: 5000})
	w.must(err)
	w.application = application
	s := besiege(t, w, a.withTokens(application))
	s.known.add("the client secret", clientSecret)
	s.known.add("the access token", bearerSecret)
	s.write("client.secret", clientSecret)
	w.edit("url: "+w.url, "url: "+s.url+"/scim/v2")
	w.edit("bearer: {file: scim.token}", "oauth2: {token_url: "+s.url+"/token, client_id: agent, client_secret: {file: client.secret}}")
	s.match = pathEnds("/token")
	s.pending, s.patience = s.renameInOkta, hurried("    type: scim\n")
	return s
}

// everybody is what the application holds.
func (s *siege) everybody() []scimtest.Resource {
	return slices.Concat(s.application.Users(), s.application.Groups())
}

// unharmed demands that nothing changed at the application, nothing was sent to a
// stranger and no secret was said.
func (s *siege) unharmed(t *testing.T, before []scimtest.Resource, r ran) {
	t.Helper()
	for _, problem := range s.harm(before, r) {
		t.Errorf("%s\n%s", problem, r)
	}
}

// harm says what a run did that it must not.
func (s *siege) harm(before []scimtest.Resource, r ran) []string {
	problems := s.told(r)
	if diff := cmp.Diff(before, s.everybody()); diff != "" {
		problems = append(problems, "the application was changed (-before +after):\n"+diff)
	}
	return problems
}

// silent demands that no secret was said and no stranger asked.
func (s *siege) silent(t *testing.T, r ran) {
	t.Helper()
	for _, problem := range s.told(r) {
		t.Errorf("%s\n%s", problem, r)
	}
}

func (s *siege) told(r ran) []string {
	var problems []string
	for _, leak := range s.known.leaks([]byte(r.String())) {
		problems = append(problems, "a part of "+leak+" is shown")
	}
	if n := s.away.seen.Swap(0); n > 0 {
		problems = append(problems, fmt.Sprintf("%d requests went to another origin", n))
	}
	if strings.ContainsAny(r.err, "\x00\x1b") {
		problems = append(problems, fmt.Sprintf("control characters are printed: %q", r.err))
	}
	return problems
}

// arrives demands that the next run does what was pending, from where the last
// good one left off.
func (s *siege) arrives(t *testing.T, name string, there func() bool) {
	t.Helper()
	r := s.command("sync", "-o", "json")
	if r.code != exitDone || !there() {
		t.Errorf("%s: after the trouble: there %t\n%s", name, there(), r)
	}
	if cycle := `"cycle":"` + s.cycle + `"`; !strings.Contains(r.out, cycle) {
		t.Errorf("%s: the cycle after the trouble is not %s\n%s", name, cycle, r)
	}
	if twice := s.duplicates(); len(twice) > 0 {
		t.Errorf("%s: %v stand twice at the application", name, twice)
	}
}

// duplicates are the names and externalIds that stand more than once at the
// application.
func (w *world) duplicates() []string {
	seen, out := map[string]int{}, []string(nil)
	for kind, list := range map[identity.Kind][]scimtest.Resource{identity.User: w.application.Users(), identity.Group: w.application.Groups()} {
		for _, r := range list {
			for _, mark := range []string{"name " + strings.ToLower(r.Name), "externalId " + r.ExternalID} {
				if strings.HasSuffix(mark, " ") {
					continue // it has none
				}
				mark = string(kind) + " " + mark
				if seen[mark]++; seen[mark] == 2 {
					out = append(out, mark)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
