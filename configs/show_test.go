package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExamplesHaveAModeline is for editors; cmd/scimsync loads, plans and syncs
// the examples with the real types.
func TestExamplesHaveAModeline(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("example files: %v %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(data), "# yaml-language-server: $schema=") {
			t.Errorf("%s has no modeline for editors", file)
		}
	}
}

func TestCollateExample(t *testing.T) {
	t.Parallel()
	cfg, err := Load("okta-to-collate.yaml", registry())
	if err != nil {
		t.Fatal(err)
	}
	groups := cfg.Syncs[0].Groups
	if groups.Matching.Existing != MembersOnlyExisting || groups.Update {
		t.Errorf("groups = %+v, want existing teams to keep name and place", groups)
	}
}

// TestShowLoadsAgain shows a configuration of awkward values and loads the
// outcome: it means the same.
func TestShowLoadsAgain(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, minimal+`    users:
      scope: 'profile.a == "x" ? true : false'
      map:
        displayName: '"Mr. " + profile.lastName'
        title: {value: 'profile.external == true ? "y" : " # no comment"', when: create, default: "010", empty: keep}
        nickName: "[profile.a, 'b'][0]"
        active: true
        locale: '"de: \"off\""'
        userType: |
          profile.a ==
            "x" ? "a" : "b"
        externalId: off
      matching: {by: [userName]}
      leavers: {gone: keep}
      grace: 36h
    groups: {include: ["*", "@x", "a: b", "010", "true", "~"], members: off}
    guards: {users: {share: 0.7%}}
    protect: {users: ["null", "#1", "- x"]}
  zwei: {from: okta, to: app, groups: on}
  aber: {from: okta, to: app, users: off, groups: {members: off}}
  drei:
    from: okta
    to: app
    schedule: "*/5 8-18 * * mon-fri"
    full: "@every 7d"
    timezone: Europe/Berlin
    missed: skip
    notify: {to: [mail], events: [failed, recovered], batch: object}
    groups: {bundles: {"Alation - Admin": [ServerAdmin, "on"]}}
  vier: {from: okta, to: app, schedule: off, full: false, notify: {to: [mail]}}
notifiers:
  mail: {type: email, smtp: "localhost:25", tls: off, from: a@example.com, to: [b@example.com], ca_file: ca.pem, password: {file: secret}}
server: {addr: ":9464", hooks: {token: {file: hook}}}
`)
	first, err := Show(cfg)
	if err != nil {
		t.Fatal(err)
	}
	again, err := load(cfg.Path, first, registry())
	if err != nil {
		t.Fatalf("shown configuration: %v\n%s", err, first)
	}
	second, err := Show(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Errorf("shown again (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(cfg.Notifiers["mail"].Settings, again.Notifiers["mail"].Settings); diff != "" || !cmp.Equal(cfg.Server, again.Server) {
		t.Errorf("notifier or server differ:\n%s", diff)
	}
	for i, sync := range cfg.Syncs {
		if sync.Hash != again.Syncs[i].Hash || sync.Name != again.Syncs[i].Name {
			t.Errorf("sync %s: hash differs after showing\n%s", sync.Name, first)
		}
	}
	for _, want := range []string{"on_trip: hold", "name.givenName: profile.firstName", "keep: 90d", "share: 0.7%", "gone: keep", "env: OKTA_TOKEN"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("%q is not shown:\n%s", want, first)
		}
	}
}

func TestShowMasks(t *testing.T) {
	t.Parallel()
	text := strings.Replace(minimal, "{env: OKTA_TOKEN}", `{command: [vault, read, okta]}
    http: {proxy: "http://me:hunter2@proxy.example.com:3128", headers: {X-Api-Key: hunter2}}`, 1)
	cfg := mustLoad(t, text+"notifiers: {chat: {type: webhook, url: \"https://hooks.example.com/services/hunter2?x=hunter2\"}}\n")
	data, err := Show(cfg)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(data)
	if strings.Contains(shown, "hunter2") {
		t.Errorf("a credential is shown:\n%s", shown)
	}
	for _, want := range []string{"X-Api-Key: '***'", "***@proxy.example.com:3128", "- vault", "https://hooks.example.com/***"} {
		if !strings.Contains(shown, want) && !strings.Contains(shown, strings.ReplaceAll(want, "'", `"`)) {
			t.Errorf("%q is not shown:\n%s", want, shown)
		}
	}
	if got := cfg.Sources["okta"].Settings.(*oktaSettings).HTTP.Headers["X-Api-Key"]; got != "hunter2" {
		t.Errorf("showing changed the configuration: %q", got)
	}
}

func TestShowWithoutLoad(t *testing.T) {
	t.Parallel()
	if _, err := Show(&Config{}); err == nil {
		t.Error("shows a configuration that was not loaded")
	}
}
