package sailpoint_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
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

func TestEntitlementCounts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 249, 250, 251, 499, 500, 501} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := entitlements(n)
			server, settings := tenant(t, w)
			got := read(t, open(t, settings), groupsOnly())
			got.complete(t)
			if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
				t.Errorf("groups (-tenant +read):\n%s", diff)
			}
			if !slices.Equal(got.checkpoint.Full, []identity.Kind{identity.Group}) {
				t.Errorf("Full is %v", got.checkpoint.Full)
			}
			// The page before the empty one, and one more for each joint.
			if pages := server.Requests()["GET /entitlements"]; pages > n/249+2 {
				t.Errorf("%d requests for %d entitlements", pages, n)
			}
		})
	}
}

// TestListMoves: rows come and go while the list is read, at every joint and on
// both sides of it. Nothing that is there all the time is lost.
func TestListMoves(t *testing.T) {
	t.Parallel()
	const rows, size = 23, 5
	type step struct {
		name string
		do   func(s *sailpointtest.Server, request int) error
	}
	add := func(id string) func(*sailpointtest.Server, int) error {
		return func(s *sailpointtest.Server, n int) error {
			id := fmt.Sprintf("%s%d", id, n)
			return s.PutEntitlement(sailpointtest.Group(id, id, sailpointtest.DN(id, "Groups")))
		}
	}
	remove := func(id string) func(*sailpointtest.Server, int) error {
		return func(s *sailpointtest.Server, _ int) error { return s.RemoveEntitlement(id) }
	}
	first, late := "e0000", "e0036"
	steps := []step{
		{"a row comes in front", add("a")},
		{"a row comes in the middle", add("e0019x")},
		{"a row comes at the end", add("z")},
		{"the first row goes", remove(first)},
		{"a late row goes", remove(late)},
		{"the first row goes and another comes at the end", func(s *sailpointtest.Server, n int) error {
			if err := remove(first)(s, n); err != nil {
				return err
			}
			return add("z")(s, n)
		}},
	}
	for _, step := range steps {
		for before := 1; before <= 7; before++ {
			t.Run(fmt.Sprintf("%s before page %d", step.name, before), func(t *testing.T) {
				t.Parallel()
				w := entitlements(rows)
				server, settings := tenant(t, w)
				settings.Limits.PageSize = size
				server.Inject(sailpointtest.Fault{
					ID: step.name, Match: server.Call("GET /entitlements"), Skip: before - 1, Times: 1, MinFires: 1,
					Effect: sailpointtest.Effect{Do: func() {
						if err := step.do(server, before); err != nil {
							t.Error(err)
						}
					}},
				})
				got := read(t, open(t, settings), groupsOnly())
				got.complete(t)
				for _, id := range idsOf(w) {
					if id == first || id == late {
						continue
					}
					if _, ok := got.records["group:"+id]; !ok {
						t.Errorf("group %s was there all the time and was not read", id)
					}
				}
				if before > 6 {
					return // the list was over
				}
				if unfired := server.Unfired(); len(unfired) > 0 {
					t.Error(unfired)
				}
			})
		}
	}
}

// TestListKeepsMoving: where something moves in every reading, the read says so
// and claims nothing.
func TestListKeepsMoving(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, entitlements(23))
	settings.Limits.PageSize = 5
	n := 0
	server.Inject(sailpointtest.Fault{Match: server.Call("GET /entitlements"), Skip: 1, MinFires: 2, Effect: sailpointtest.Effect{Do: func() {
		n++
		id := fmt.Sprintf("a%d", n)
		if err := server.PutEntitlement(sailpointtest.Group(id, id, id)); err != nil {
			t.Error(err)
		}
	}}})
	got := read(t, open(t, settings), groupsOnly())
	if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil {
		t.Fatalf("the read ended with %v, checkpoint %v", got.err, got.checkpoint)
	}
	if !strings.Contains(got.err.Error(), "run again") {
		t.Errorf("the error names no way out: %v", got.err)
	}
}

// TestVanishesBetweenReadings: an account that the first reading saw and the
// second did not is told as gone, and its memberships of the first are none.
func TestVanishesBetweenReadings(t *testing.T) {
	t.Parallel()
	dn := sailpointtest.DN("Team", "Groups")
	w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory()}, Entitlements: []sailpointtest.Entitlement{sailpointtest.Group("g1", "Team", dn)}}
	for i := range 12 {
		w.Accounts = append(w.Accounts, sailpointtest.Person(fmt.Sprintf("u%02d", i), fmt.Sprintf("u%02d@example.com", i), "A", "B", dn))
	}
	server, settings := tenant(t, w)
	settings.Limits.PageSize = 5
	server.Inject(sailpointtest.Fault{ID: "u00 goes", Match: server.Call("GET /accounts"), Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: func() {
		if err := server.RemoveAccount("u00"); err != nil {
			t.Error(err)
		}
		if err := server.Revoke("g1", "u01"); err != nil {
			t.Error(err)
		}
	}}})
	got := read(t, open(t, settings), everything())
	got.complete(t)
	if got.gone["user:u00"] != identity.CauseGone {
		t.Errorf("u00 is %q, want gone", got.gone["user:u00"])
	}
	want := []string{"u02", "u03", "u04", "u05", "u06", "u07", "u08", "u09", "u10", "u11"}
	if diff := cmp.Diff(want, got.members["g1"]); diff != "" {
		t.Errorf("members (-tenant +read):\n%s", diff)
	}
}

// TestServersHabits: pages smaller than asked for, no total, an offset that is
// dropped on the way.
func TestServersHabits(t *testing.T) {
	t.Parallel()
	w := entitlements(23)
	t.Run("smaller pages", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		server.Configure(func(o *sailpointtest.Options) { o.PageCap = 4 })
		got := read(t, open(t, settings), groupsOnly())
		got.complete(t)
		if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("no total", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		server.Configure(func(o *sailpointtest.Options) { o.HideTotal = true })
		settings.Limits.PageSize = 5
		got := read(t, open(t, settings), groupsOnly())
		got.complete(t)
		if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("offset dropped", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		settings = through(t, server, settings, func(r *http.Request) {
			q := r.URL.Query()
			q.Del("offset")
			r.URL.RawQuery = q.Encode()
		})
		got := read(t, open(t, settings), groupsOnly())
		if connectors.ClassOf(got.err) != connectors.Incomplete {
			t.Errorf("the read ended with %v", got.err)
		}
	})
	t.Run("filter dropped", func(t *testing.T) {
		t.Parallel()
		w := sailpointtest.Synthetic(12, 6, 20, 5)
		w.Sources = append(w.Sources, sailpointtest.Connection{ID: "other", Name: "Other"})
		foreign := sailpointtest.Group("zzz", "Foreign", "CN=Foreign,DC=example,DC=com")
		foreign.SourceID = "other"
		w.Entitlements = append(w.Entitlements, foreign)
		server, settings := tenant(t, w)
		settings = through(t, server, settings, func(r *http.Request) {
			q := r.URL.Query()
			q.Del("filters")
			r.URL.RawQuery = q.Encode()
		})
		got := read(t, open(t, settings), everything())
		got.complete(t)
		if n := len(got.ids(identity.Group)); n != 6 {
			t.Errorf("%d groups, want the 6 of the source and type: %v", n, got.ids(identity.Group))
		}
	})
	t.Run("early end", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		settings.Limits.PageSize = 5
		server.Inject(sailpointtest.Fault{ID: "empty page", Match: server.Call("GET /entitlements"), Skip: 2, MinFires: 1, Effect: sailpointtest.Effect{Status: 200, Body: "[]"}})
		got := read(t, open(t, settings), groupsOnly())
		if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil {
			t.Errorf("the read ended with %v, checkpoint %v", got.err, got.checkpoint)
		}
	})
}

// through puts a proxy that edits requests in front of the tenant.
func through(t *testing.T, server *sailpointtest.Server, s sailpoint.Settings, edit func(*http.Request)) sailpoint.Settings {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		edit(r)
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.URL = web.URL
	return s
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
