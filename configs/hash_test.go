package configs

import (
	"strings"
	"testing"
)

// TestHash changes one thing at a time: what decides the desired state, or what
// becomes of leavers, changes the hash; nothing else does.
func TestHash(t *testing.T) {
	t.Parallel()
	const sections = "    users: {scope: status == \"A\", map: {title: profile.title}}\n    groups: {include: [a]}\n"
	base := mustLoad(t, minimal+sections).Syncs[0].Hash
	if len(base) != 64 {
		t.Fatalf("hash %q", base)
	}
	for _, test := range []struct {
		name, old, new string
		changes        bool
	}{
		{"same", "", "", false},
		{"scope", `"A"`, `"B"`, true},
		{"rule", "profile.title", "profile.role", true},
		{"rule off", "{title: profile.title}", "{title: profile.title, active: off}", true},
		{"when", "title: profile.title", "title: {value: profile.title, when: create}", true},
		{"long form of the same", "title: profile.title", "title: {value: profile.title, when: always}", false},
		{"default spelled out", "{title:", "{userName: profile.login, title:", false},
		{"externalId off", "{title:", "{externalId: off, title:", true},
		{"include", "[a]", "[a, b]", true},
		{"leavers", "groups: {", "groups: {leavers: delete, ", true},
		{"members", "groups: {", "groups: {members: additive, ", true},
		{"nested", "groups: {", "groups: {nested: ignore, ", true},
		{"groups off", "groups: {include: [a]}", "groups: off", true},
		{"grace", "users: {", "users: {grace: 1d, ", true},
		{"matching", "users: {", "users: {matching: {by: [userName]}, ", true},
		{"matching spelled out", "users: {", "users: {matching: {by: [externalId, userName]}, ", false},
		{"create", "users: {", "users: {create: false, ", false},
		{"update", "groups: {", "groups: {update: false, ", false},
		{"guards", "    to: app\n", "    to: app\n    guards: {floor: 9}\n", false},
		{"protect", "    to: app\n", "    to: app\n    protect: {users: [a]}\n", false},
		{"bundles", "groups: {", "groups: {bundles: {a: [b]}, ", true},
		{"no bundles", "groups: {", "groups: {bundles: {}, ", false},
		{"schedule", "    to: app\n", "    to: app\n    schedule: \"@every 40m\"\n    full: \"@daily\"\n    timezone: UTC\n    missed: skip\n", false},
		{"server", "sources:\n", "server: {addr: \"127.0.0.1:1\"}\nsources:\n", false},
		{"history", "sources:\n", "history: {keep: 1d}\nsources:\n", false},
		{"app of the source", "    token:", "    app: 0oa1\n    token:", true},
		{"secret", "{env: OKTA_TOKEN}", "{file: token}", false},
		{"private key", "token: {env: OKTA_TOKEN}", "private_key: {client_id: a, key_id: b, key: {env: C}}", false},
		{"http", "    token:", "    http: {timeout: 5s}\n    token:", false},
		{"limits", "    token:", "    limits: {concurrency: 5}\n    token:", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(minimal+sections, test.old, test.new, 1)
			if test.old != "" && text == minimal+sections {
				t.Fatal("nothing was changed")
			}
			got := mustLoad(t, text).Syncs[0].Hash
			if changed := got != base; changed != test.changes {
				t.Errorf("hash changed: %v, want %v", changed, test.changes)
			}
		})
	}
}

type ownSelection struct{ A, B string }

func (s *ownSelection) Selection() any { return s.A }

func TestSelectionOfItsOwn(t *testing.T) {
	t.Parallel()
	if selection("x", &ownSelection{"a", "b"}) != selection("x", &ownSelection{"a", "c"}) {
		t.Error("a setting that does not select changes the selection")
	}
	if selection("x", &ownSelection{"a", "b"}) == selection("x", &ownSelection{"b", "b"}) ||
		selection("x", &ownSelection{"a", "b"}) == selection("y", &ownSelection{"a", "b"}) {
		t.Error("different selections are the same")
	}
}
