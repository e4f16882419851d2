package main

import "strings"

// config returns the configuration of a sandbox with this source. It asks for
// everything that the daemon offers, so that it can be tried at once.
func (s *fakeSource) config(w whereabouts) string {
	groups := "{}"
	if s.groupScope != "" {
		groups = "\n      scope: " + s.groupScope
	}
	return strings.NewReplacer(
		"TITLE", s.title, "NAME", s.name,
		"SETTINGS", indented("    ", strings.ReplaceAll(s.settings, "URL", w.source)),
		"USERMAP", indented("        ", s.userMap), "GROUPS", groups,
		"APPLICATION", w.application, "SOURCE", w.source, "DAEMON", w.daemon,
	).Replace(sandboxConfig)
}

// indented puts lead before every line.
func indented(lead, lines string) string {
	return lead + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n"+lead)
}

const sandboxConfig = `# The sandbox: TITLE and a SCIM application, both on this machine.
version: 1
state: scimsync.db

sources:
  NAME:
    type: NAME
SETTINGS

targets:
  application:
    type: scim
    url: APPLICATION/scim/v2
    auth:
      bearer: {file: application.token}

syncs:
  sandbox:
    from: NAME
    to: application
    schedule: "@every 1m"
    full: "0 3 * * *"
    users:
      map:
USERMAP
    groups: GROUPS
    notify:
      to: [sandbox]
      events: [group_created, group_exists, failed, held, credential_expiring, stale]

notifiers:
  sandbox:
    type: webhook
    url: SOURCE/sandbox/notifications
    secret: {file: notify.secret}

server:
  addr: DAEMON
  hooks:
    token: {file: hook.token}
`
