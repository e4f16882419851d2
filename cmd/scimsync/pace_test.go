package main

import (
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

var aboutRequests = regexp.MustCompile(`Requests +about (\d+), (.*)`)

// writing counts the requests that change something.
func writing(requests map[string]int) int {
	n := 0
	for kind, count := range requests {
		if !strings.HasPrefix(kind, "GET ") {
			n += count
		}
	}
	return n
}

// TestPaceUnderAKnownLimit: what the target allows is told, so it is never
// exceeded but by the odd request that a slow machine's timers shift; and the plan
// says how many requests it takes and what that means in time.
func TestPaceUnderAKnownLimit(t *testing.T) {
	t.Parallel()
	const perSecond = 100
	w := newWorld(t, withPeople(oktatest.Synthetic(240, 10, 800, 1)), func(s *worldSettings) {
		s.application.RateLimit = scimtest.RateLimit{PerSecond: perSecond, Burst: perSecond / 5}
		s.target = "limits: {requests_per_second: 100}\n"
	})
	contains(t, w.command("check").out, "known limit: 100 requests a second")
	planned := w.command("plan").out
	said := aboutRequests.FindStringSubmatch(planned)
	if said == nil {
		t.Fatalf("no estimate in the plan:\n%s", planned)
	}
	about, err := strconv.Atoi(said[1])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(strings.TrimSpace(said[2]), "s at the known rate") {
		t.Errorf("the plan says %q", said[2])
	}
	w.application.ResetRequests()
	done := w.command("sync", "--log-level", "debug")
	if done.code != exitDone {
		t.Fatal(done)
	}
	refused := strings.Count(done.err, "class=throttled")
	sent := writing(w.application.Requests())
	if refused*100 > sent {
		t.Errorf("%d of %d requests were refused", refused, sent)
	}
	if sent -= refused; about < sent*95/100 || about > sent*105/100 {
		t.Errorf("the plan said about %d requests, it took %d", about, sent)
	}
	w.settled()
}

// TestPaceIsShared: whoever has the same settings has one pace, and nobody else.
func TestPaceIsShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	load := func(edit func(string) string) *configs.Config {
		t.Helper()
		w.write("scimsync.yaml", edit(`version: 1
state: scimsync.db
sources:
  okta: {type: okta, url: "`+w.orgURL+`", token: {file: okta.token}}
targets:
  app: {type: scim, url: "`+w.url+`", auth: {bearer: {file: scim.token}}}
  same: {type: scim, url: "`+w.url+`", auth: {bearer: {file: okta.token}}}
syncs:
  people: {from: okta, to: app, users: {}}
  groups: {from: okta, to: app, groups: {scope: type == "OKTA_GROUP"}}
  other: {from: okta, to: same, users: {}}
`))
		cfg, err := configs.Load(w.config, registry())
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	asIs := func(s string) string { return s }
	a := &app{log: slog.New(slog.DiscardHandler), stop: make(chan struct{})}
	target := func(c *connections, name string) connection[connectors.Target] {
		t.Helper()
		got, err := c.target(c.cfg.Targets[name])
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	cfg := load(asIs)
	conns := a.connect(cfg)
	syncs := map[string]*configs.Sync{}
	for _, s := range cfg.Syncs {
		syncs[s.Name] = s
	}
	people, err := conns.open(syncs["people"], nil)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := conns.open(syncs["groups"], nil)
	if err != nil {
		t.Fatal(err)
	}
	if people.Target != groups.Target || people.Source != groups.Source {
		t.Error("two syncs of one target or source have a connection each")
	}
	if target(conns, "app").is == target(conns, "same").is {
		t.Error("two targets share a connection")
	}
	lessons := func(c *connections, name string) *connectors.Learned {
		return c.learned["target:"+name].learned
	}
	if lessons(conns, "app") == lessons(conns, "same") {
		t.Error("two targets with one address and two credentials share what was learned")
	}

	for _, c := range []struct {
		name string
		edit func(string) string
		kept bool
	}{
		{"nothing", asIs, true},
		{"another sync", func(s string) string { return s + "  more: {from: okta, to: same, users: {}}\n" }, true},
		{"the credential", func(s string) string {
			return strings.Replace(s, `{bearer: {file: scim.token}}`, `{bearer: {file: okta.token}}`, 1)
		}, false},
		{"the address", func(s string) string {
			return strings.Replace(s, `url: "`+w.url, `url: "`+w.url+"/other", 1)
		}, false},
		{"the limits", func(s string) string {
			return strings.Replace(s, `{bearer: {file: scim.token}}}`, `{bearer: {file: scim.token}}, limits: {concurrency: 3}}`, 1)
		}, false},
	} {
		next := a.connect(load(c.edit))
		next.inherit(conns)
		target(next, "app")
		if kept := lessons(next, "app") == lessons(conns, "app"); kept != c.kept {
			t.Errorf("after a change of %s: what was learned is kept: %t, want %t", c.name, kept, c.kept)
		}
	}
}
