package sailpoint_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tenant serves a world and returns it with the settings that reach it.
func tenant(t *testing.T, w sailpointtest.World) (*sailpointtest.Server, sailpoint.Settings) {
	t.Helper()
	server, err := sailpointtest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, settingsFor(t, web.URL)
}

func settingsFor(t *testing.T, url string) sailpoint.Settings {
	t.Helper()
	client := sailpointtest.DefaultClient()
	return sailpoint.Settings{
		URL: url, ClientID: client.ID, ClientSecret: secret(t, client.Secret), Source: sailpointtest.DirectoryName,
		Limits: sailpoint.Limits{RequestsPerSecond: 10_000},
	}
}

func secret(t *testing.T, value string) connectors.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return connectors.Secret{File: path}
}

func open(t *testing.T, s sailpoint.Settings) *sailpoint.Source {
	t.Helper()
	return openLogged(t, s, slog.New(slog.DiscardHandler))
}

func openLogged(t *testing.T, s sailpoint.Settings, log *slog.Logger) *sailpoint.Source {
	t.Helper()
	source, err := sailpoint.Open(s, connectors.Runtime{Log: log, UserAgent: "scimsync/test", Traffic: new(connectors.Traffic)})
	if err != nil {
		t.Fatal(err)
	}
	source.SetPoll(time.Millisecond)
	return source
}

// seen is what a read yielded, folded as its consumer would.
type seen struct {
	records    map[string]identity.Record // by Ref
	gone       map[string]identity.Cause
	unreadable map[string]string
	members    map[string][]string // by group id, sorted
	states     map[string]connectors.Links
	checkpoint *connectors.Checkpoint
	err        error
}

func read(t *testing.T, source connectors.Source, q connectors.Query) seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s := seen{
		records: map[string]identity.Record{}, gone: map[string]identity.Cause{}, unreadable: map[string]string{},
		members: map[string][]string{}, states: map[string]connectors.Links{},
	}
	for event, err := range source.Read(ctx, q) {
		if err != nil {
			s.err = err
			break
		}
		switch e := event.(type) {
		case connectors.Upsert:
			s.records[e.Record.Ref.String()] = e.Record
			delete(s.gone, e.Record.Ref.String())
		case connectors.Gone:
			s.gone[e.Ref.String()] = e.Why
			delete(s.records, e.Ref.String())
		case connectors.Unreadable:
			s.unreadable[e.Ref.String()] = e.Why
		case connectors.Link:
			s.members[e.Group.ID] = append(s.members[e.Group.ID], e.Member.ID)
		case connectors.Links:
			s.states[e.Group.ID] = e
		case connectors.Checkpoint:
			s.checkpoint = &e
		}
	}
	for _, members := range s.members {
		slices.Sort(members)
	}
	return s
}

func everything() connectors.Query {
	return connectors.Query{Kinds: identity.Kinds(), Links: true}
}

func groupsOnly() connectors.Query {
	return connectors.Query{Kinds: []identity.Kind{identity.Group}}
}

func (s seen) ids(kind identity.Kind) []string {
	var ids []string
	for _, r := range s.records {
		if r.Ref.Kind == kind {
			ids = append(ids, r.Ref.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// complete fails unless the read ended in a Checkpoint.
func (s seen) complete(t *testing.T) {
	t.Helper()
	if s.err != nil || s.checkpoint == nil {
		t.Fatalf("the read ended with %v, checkpoint %v", s.err, s.checkpoint)
	}
}

// entitlements is a world of n groups.
func entitlements(n int) sailpointtest.World {
	w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory()}}
	for i := range n {
		name := fmt.Sprintf("Group %04d", i)
		w.Entitlements = append(w.Entitlements, sailpointtest.Group(fmt.Sprintf("e%04d", 2*i), name, sailpointtest.DN(name, "Groups")))
	}
	return w
}

func idsOf(w sailpointtest.World) []string {
	var ids []string
	for _, e := range w.Entitlements {
		ids = append(ids, e.ID)
	}
	return ids
}

// TestMemberships: text or list, any spelling of a DN, an exact spelling before
// another, values that are no DN only just so, and what cannot be told.
func TestMemberships(t *testing.T) {
	t.Parallel()
	w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory()}}
	group := func(id, value string) {
		w.Entitlements = append(w.Entitlements, sailpointtest.Group(id, id, value))
	}
	group("comma", `CN=Finance\, Controlling,OU=Groups,DC=example,DC=com`)
	group("upper", "CN=TEAM,OU=Groups,DC=example,DC=com")
	group("lower", "cn=team,ou=groups,dc=example,dc=com")
	group("role", "Admin")
	group("number", "4711")
	license := sailpointtest.Group("license", "License", "E5")
	license.Attribute = "licenses"
	w.Entitlements = append(w.Entitlements, license)
	account := func(id string, memberOf any) {
		a := sailpointtest.Person(id, id+"@example.com", "A", "B")
		a.Attributes["memberOf"] = memberOf
		w.Accounts = append(w.Accounts, a)
	}
	account("text", `cn=finance\2C controlling , ou=Groups,dc=Example,dc=com`)
	account("list", []any{`CN="Finance, Controlling",OU=Groups,DC=example,DC=com`, "CN=TEAM,OU=Groups,DC=example,DC=com"})
	account("other", []any{"Cn=Team,OU=groups,DC=example,DC=com"})
	account("role", []any{"Admin", "CN=Nobody,DC=example,DC=com"})
	account("norole", []any{"admin"})
	account("number", []any{4711.0})
	account("none", nil)
	odd := sailpointtest.Person("odd", "odd@example.com", "Odd", "One")
	odd.Attributes["licenses"] = map[string]any{"sku": "E5"}
	w.Accounts = append(w.Accounts, odd)

	_, settings := tenant(t, w)
	got := read(t, open(t, settings), everything())
	got.complete(t)
	want := map[string][]string{
		"comma": {"list", "text"}, "upper": {"list", "other"}, "lower": {"other"}, "role": {"role"}, "number": {"number"},
	}
	if diff := cmp.Diff(want, got.members); diff != "" {
		t.Errorf("members (-tenant +read):\n%s", diff)
	}
	for id, links := range got.states {
		state := connectors.Complete
		if id == "license" {
			state = connectors.Unknown
		}
		if links.State != state {
			t.Errorf("Links of %s are %s (%s), want %s", id, links.State, links.Why, state)
		}
	}
	if len(got.states) != len(w.Entitlements) {
		t.Errorf("%d groups were closed, want %d", len(got.states), len(w.Entitlements))
	}
}

// TestBadRecords: one bad record is one bad outcome.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	const good = `{"id":"u1","name":"u1","nativeIdentity":"CN=u1,DC=x","sourceId":"` + sailpointtest.DirectoryID + `","disabled":false,"attributes":{"memberOf":["CN=t,DC=x"]}}`
	tests := []struct {
		name, account, unreadable string
		state                     connectors.LinksState
	}{
		{"no name", `{"id":"u2","nativeIdentity":"x","disabled":false,"attributes":{"memberOf":"CN=t,DC=x"}}`, "user:u2", connectors.Complete},
		{"disabled is a text", `{"id":"u2","name":"u2","nativeIdentity":"x","disabled":"false","attributes":{}}`, "user:u2", connectors.Complete},
		{"no id", `{"name":"u2","nativeIdentity":"x","disabled":false,"attributes":{"memberOf":"CN=t,DC=x"}}`, "user:", connectors.Unknown},
		{"attributes are a text", `{"id":"u2","name":"u2","nativeIdentity":"x","disabled":false,"attributes":"none"}`, "user:u2", connectors.Unknown},
		{"not an object", `17`, "user:", connectors.Complete},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory()}, Entitlements: []sailpointtest.Entitlement{sailpointtest.Group("g1", "t", "CN=t,DC=x")}}
			server, settings := tenant(t, w)
			server.Inject(
				sailpointtest.Fault{Match: server.Call("GET /accounts"), Times: 1, Effect: sailpointtest.Effect{Status: 200, Body: "[" + good + "," + test.account + "]"}},
			)
			server.Configure(func(o *sailpointtest.Options) { o.HideTotal = true })
			got := read(t, open(t, settings), everything())
			got.complete(t)
			if _, ok := got.unreadable[test.unreadable]; !ok {
				t.Errorf("unreadable: %v, want %s", got.unreadable, test.unreadable)
			}
			if _, ok := got.records["user:u1"]; !ok {
				t.Error("the record beside it was not read")
			}
			if state := got.states["g1"].State; state != test.state {
				t.Errorf("Links are %s, want %s", state, test.state)
			}
		})
	}
}

func TestLeftOut(t *testing.T) {
	t.Parallel()
	w := sailpointtest.Synthetic(12, 3, 20, 1)
	_, settings := tenant(t, w)
	var log bytes.Buffer
	source := openLogged(t, settings, slog.New(slog.NewTextHandler(&log, nil)))
	got := read(t, source, everything())
	got.complete(t)
	if n := len(got.ids(identity.User)); n != 12 {
		t.Errorf("%d users were read, want the 12 people", n)
	}
	for _, want := range []string{"uncorrelated=1", "system=1", "machine=1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log.String())
		}
	}
	machine := w.Accounts[len(w.Accounts)-1].ID
	only := read(t, source, connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: machine}}})
	if only.gone["user:"+machine] != identity.CauseUnassigned {
		t.Errorf("the machine is %v, want unassigned", only.gone)
	}
}

func TestAccountsFalse(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(12, 3, 20, 1))
	off := false
	settings.Accounts = &off
	source := open(t, settings)
	q := groupsOnly()
	q.Links = true
	got := read(t, source, q)
	got.complete(t)
	if len(got.ids(identity.Group)) != 3 || len(got.states) != 0 || len(got.members) != 0 {
		t.Errorf("%d groups, closed %v, members %v: want 3 groups and nothing said of members", len(got.ids(identity.Group)), got.states, got.members)
	}
	if n := server.Requests()["GET /accounts"]; n != 0 {
		t.Errorf("%d requests for accounts", n)
	}
	got = read(t, source, everything())
	if got.err == nil || !strings.Contains(got.err.Error(), "users: off") {
		t.Errorf("users from a source without accounts: %v", got.err)
	}
}

// TestRenameKeepsID: a group that is renamed and moved is the same group with the
// same members.
func TestRenameKeepsID(t *testing.T) {
	t.Parallel()
	w := sailpointtest.Synthetic(12, 3, 20, 2)
	server, settings := tenant(t, w)
	source := open(t, settings)
	before := read(t, source, everything())
	id := w.Entitlements[0].ID
	if err := server.RenameEntitlement(id, "New name", "CN=New name,OU=Elsewhere,DC=example,DC=com"); err != nil {
		t.Fatal(err)
	}
	after := read(t, source, everything())
	after.complete(t)
	if name := after.records["group:"+id].Fields["name"]; name != "New name" {
		t.Errorf("name is %v", name)
	}
	if diff := cmp.Diff(before.members, after.members); diff != "" {
		t.Errorf("members (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before.records)), slices.Sorted(maps.Keys(after.records))); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}
