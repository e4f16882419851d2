package okta_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// entries answers the System Log with these entries, once, and then with none.
func entries(server *oktatest.Server, body string) {
	polling := func(r *http.Request) bool {
		return r.URL.Path == "/api/v1/logs" && r.URL.Query().Get("sortOrder") == "ASCENDING"
	}
	server.Inject(
		oktatest.Fault{ID: "entries", MinFires: 1, Times: 1, Match: polling, Effect: oktatest.Effect{
			Status: http.StatusOK, Body: body, Header: http.Header{}, Link: func(*http.Request) string { return "/api/v1/logs?after=9999999999.1&sortOrder=ASCENDING" },
		}})
}

func entry(kind, targets string) string {
	return fmt.Sprintf(`{"uuid":"1","published":"2026-03-02T09:59:00.000Z","eventType":%q,"actor":{"id":"u001","type":"User"},"target":%s}`, kind, targets)
}

func TestEntriesOfTheLog(t *testing.T) {
	t.Parallel()
	const (
		aUser  = `[{"id":"u003","type":"User","alternateId":"x"}]`
		both   = `[{"id":"u003","type":"User"},{"id":"g2","type":"UserGroup"}]`
		ofApp  = `[{"id":"0ua9","type":"AppUser"},{"id":"0oa1","type":"AppInstance"},{"id":"u003","type":"User"}]`
		aGroup = `[{"id":"g2","type":"UserGroup"}]`
	)
	gone := identity.CauseUnassigned
	tests := []struct {
		name, app, body string
		records         []identity.Ref
		gone            map[identity.Ref]identity.Cause
		says            string // class Expired, when set
	}{
		{name: "a user", body: entry("user.lifecycle.suspend", aUser), records: []identity.Ref{user("u003")}},
		{name: "a type that came later", body: entry("user.lifecycle.hibernate", aUser), records: []identity.Ref{user("u003")}},
		{name: "who did it to themselves", body: entry("user.account.update_password", "null"), records: []identity.Ref{user("u001")}},
		{name: "nothing that shows", body: entry("user.account.privilege.grant", aUser)},
		{name: "another matter", body: entry("policy.rule.update", aUser)},
		{name: "a member", body: entry("group.user_membership.add", both), records: []identity.Ref{group("g2")}},
		{name: "a rule", body: entry("group.user_membership.rule.deactivated", both)},
		{name: "a group", body: entry("group.profile.update", aGroup), records: []identity.Ref{group("g2")}},
		{
			name: "told twice", body: entry("group.profile.update", aGroup) + "," + entry("group.lifecycle.create", aGroup),
			records: []identity.Ref{group("g2")},
		},
		{name: "ids that are none", body: entry("user.lifecycle.suspend", `[{"id":"../groups","type":"User"},{"id":7,"type":"User"},{"id":"g2","type":"UserGroup"}]`), records: []identity.Ref{user("u001")}},
		{name: "deletion of nobody", body: strings.Replace(entry("user.lifecycle.delete.completed", "[]"), `"User"`, `"SystemPrincipal"`, 1), says: "does not say whom"},
		{name: "deletion of no group", body: entry("group.lifecycle.delete", aUser), says: "does not say whom"},
		{name: "no type", body: `{"uuid":"1","published":"2026-03-02T09:59:00.000Z"}`, says: "not understood"},
		{name: "no time", body: `{"uuid":"1","eventType":"user.lifecycle.create"}`, says: "not understood"},
		{name: "no object", body: `7`, says: "not understood"},
		{name: "app: assigned", app: "0oa1", body: entry("application.user_membership.add", ofApp), gone: map[identity.Ref]identity.Cause{user("u003"): gone}},
		{name: "app: provisioned", app: "0oa1", body: entry("application.user_membership.provision", "[]")},
		{name: "app: nobody assigned", app: "0oa1", body: entry("application.user_membership.remove", aGroup), says: "does not say whom"},
		{name: "app: member of another group", app: "0oa1", body: entry("group.user_membership.add", both)},
		{
			name: "app: member of its group", app: "0oa1", body: entry("group.user_membership.remove", strings.Replace(both, "g2", "g1", 1)),
			records: []identity.Ref{group("g1")}, gone: map[identity.Ref]identity.Cause{user("u003"): gone},
		},
		{name: "app: a group assigned", app: "0oa1", body: entry("group.application_assignment.update", aGroup), says: "assigned to app 0oa1 changed"},
		{
			name: "app: a group assigned before the full read", app: "0oa1",
			body: strings.Replace(entry("group.application_assignment.update", aGroup), "09:59", "08:00", 1),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, settings, clock := timed(t, appWorld())
			settings.App = test.app
			source := open(t, settings)
			m := full(t, source)
			clock.advance(time.Hour)
			entries(server, "["+test.body+"]")
			got := read(t.Context(), t, source, m.query())
			fired(t, server)
			if test.says != "" {
				if connectors.ClassOf(got.err) != connectors.Expired || !strings.Contains(got.err.Error(), test.says) {
					t.Errorf("%v, want class expired and %q", got.err, test.says)
				}
				return
			}
			mustBeWhole(t, got)
			for _, ref := range test.records {
				if _, ok := got.records[ref]; !ok {
					t.Errorf("%s was not read", ref)
				}
			}
			for ref, why := range test.gone {
				if got.gone[ref] != why {
					t.Errorf("%s is %q, want %q", ref, got.gone[ref], why)
				}
			}
			if len(got.records) != len(test.records) || len(got.gone) != len(test.gone) {
				t.Errorf("read %v and %v, want %v and %v", got.order, got.gone, test.records, test.gone)
			}
		})
	}
}

func TestServiceAppReadsTheLogByItsOwnScope(t *testing.T) {
	t.Parallel()
	key := rsaKey(t)
	withLog := append(slices.Clone(allScopes), "okta.logs.read")
	for _, test := range []struct {
		scopes []string
		says   string // empty: it can
	}{
		{nil, "grant scope okta.logs.read to the service app, set private_key.scopes to [okta.users.read, okta.groups.read, okta.apps.read, okta.logs.read]"},
		{allScopes, "grant scope okta.logs.read to the service app, list it in scopes"},
		{withLog, ""},
	} {
		server, settings := org(t, small())
		server.Register(oktatest.Client{ID: "0oaService", KeyID: "kid-1", Key: &key.PublicKey, Scopes: withLog})
		service(t, &settings, pkcs8(t, key), test.scopes...)
		source := open(t, settings)
		info, err := source.Info(t.Context())
		if err != nil || info.Delta != (test.says == "") || !strings.Contains(info.DeltaReason, test.says) {
			t.Errorf("scopes %v: delta is %t because of %q, %v; want %q", test.scopes, info.Delta, info.DeltaReason, err, test.says)
		}
		got := read(t.Context(), t, source, everything())
		mustBeWhole(t, got)
		if (got.checkpoint.Cursor != "") != info.Delta {
			t.Errorf("scopes %v: cursor %q", test.scopes, got.checkpoint.Cursor)
		}
	}
}

func TestLogWithoutEnd(t *testing.T) {
	t.Parallel()
	full1000 := "[" + strings.Repeat(entry("policy.rule.update", "[]")+",", 999) + entry("policy.rule.update", "[]") + "]"
	ascending := func(r *http.Request) bool {
		return r.URL.Path == "/api/v1/logs" && r.URL.Query().Get("sortOrder") == "ASCENDING"
	}
	page := 0
	for name, test := range map[string]struct {
		effect oktatest.Effect
		class  connectors.Class
	}{
		"a link to itself": {oktatest.Effect{Status: 200, Header: http.Header{}, Body: full1000, Link: func(r *http.Request) string { return r.URL.RequestURI() }}, connectors.Incomplete},
		"no link":          {oktatest.Effect{Status: 200, Header: http.Header{}, Body: full1000}, connectors.Incomplete},
		"another host":     {oktatest.Effect{Status: 200, Header: http.Header{}, Body: full1000, Link: func(*http.Request) string { return "https://" + oktatest.Foreign + "/api/v1/logs" }}, connectors.Incomplete},
		"ever new links": {oktatest.Effect{Status: 200, Header: http.Header{}, Body: full1000, Link: func(*http.Request) string {
			page++
			return fmt.Sprintf("/api/v1/logs?sortOrder=ASCENDING&after=%d", page)
		}}, connectors.Expired},
		"no list":      {oktatest.Effect{Status: 200, Header: http.Header{}, Body: `{}`}, connectors.Incomplete},
		"not found":    {oktatest.Effect{Status: 404, Code: "E0000007"}, connectors.Expired},
		"forbidden":    {oktatest.Effect{Status: 403, Code: "E0000006"}, connectors.Expired},
		"unauthorized": {oktatest.Effect{Status: 401, Code: "E0000011"}, connectors.Unauthorized},
	} {
		server, settings, clock := timed(t, small())
		source := open(t, settings)
		m := full(t, source)
		clock.advance(time.Hour)
		server.Inject(oktatest.Fault{ID: name, MinFires: 1, Match: ascending, Effect: test.effect})
		got := read(t.Context(), t, source, m.query())
		if connectors.ClassOf(got.err) != test.class || strings.Contains(fmt.Sprint(got.err), oktatest.DefaultToken) {
			t.Errorf("%s: %v of class %q, want %q", name, got.err, connectors.ClassOf(got.err), test.class)
		}
		fired(t, server)
	}
}

func TestListsOfChangesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		app, path string
		status    int
		class     connectors.Class
	}{
		{"", "/api/v1/users", http.StatusForbidden, connectors.Expired},
		{"", "/api/v1/groups", http.StatusBadRequest, connectors.Expired},
		{"0oa1", "/api/v1/users", http.StatusForbidden, connectors.Expired},
		{"0oa1", "/api/v1/apps/0oa1/groups", http.StatusForbidden, connectors.Incomplete},
		{"0oa1", "/api/v1/apps/0oa1/groups", http.StatusNotFound, connectors.Incomplete},
	} {
		server, settings, clock := timed(t, small())
		settings.App = test.app
		source := open(t, settings)
		m := full(t, source)
		clock.advance(time.Hour)
		server.Inject(oktatest.Fault{ID: test.path, MinFires: 1, Match: oktatest.Path(test.path), Effect: oktatest.Effect{Status: test.status, Code: "E0000006"}})
		got := read(t.Context(), t, source, m.query())
		if connectors.ClassOf(got.err) != test.class || len(got.gone) > 0 {
			t.Errorf("app %q, %s %d: %v of class %q, want %q", test.app, test.path, test.status, got.err, connectors.ClassOf(got.err), test.class)
		}
		fired(t, server)
	}
}
