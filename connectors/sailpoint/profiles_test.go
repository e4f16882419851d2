package sailpoint_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

// suite is a tenant whose access profiles hold groups, a right that is no group,
// and what nobody can read.
func suite() sailpointtest.World {
	dn := func(name string) string { return sailpointtest.DN(name, "Groups") }
	w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory(), {ID: "other", Name: "Other"}}}
	for _, name := range []string{"red", "blue", "green"} {
		w.Entitlements = append(w.Entitlements, sailpointtest.Group("g-"+name, name, dn(name)))
	}
	w.Entitlements = append(w.Entitlements,
		sailpointtest.Entitlement{ID: "r-logon", SourceID: sailpointtest.DirectoryID, Type: "privilege", Attribute: "privileges", Value: "SeLogon", Name: "Log on"})
	person := func(id string, groups ...string) sailpointtest.Account {
		a := sailpointtest.Person(id, id+"@example.com", id, "Test")
		var held []any
		for _, g := range groups {
			held = append(held, strings.ToLower(dn(g))) // spelled in another way
		}
		a.Attributes["memberOf"] = held
		return a
	}
	ada, bo, cy := person("ada", "red", "blue"), person("bo", "red"), person("cy", "red", "blue", "green")
	cy.Attributes["privileges"] = "SeLogon"
	w.Accounts = []sailpointtest.Account{ada, bo, cy}
	elsewhere := sailpointtest.Profile("p-elsewhere", "Elsewhere", "g-red")
	elsewhere.SourceID = "other"
	disabled := sailpointtest.Profile("p-disabled", "Disabled", "g-red")
	disabled.Disabled = true
	w.AccessProfiles = []sailpointtest.AccessProfile{
		sailpointtest.Profile("p-purple", "Purple", "g-red", "g-blue", "g-red"),
		sailpointtest.Profile("p-all", `R&D + Labs "all"`, "g-red", "g-green", "r-logon"),
		sailpointtest.Profile("p-one", "One", "g-red"),
		sailpointtest.Profile("p-empty", "Empty"),
		sailpointtest.Profile("p-lost", "Lost", "g-red", "g-nowhere"),
		disabled, elsewhere,
	}
	return w
}

func withProfiles(s sailpoint.Settings) sailpoint.Settings {
	s.AccessProfiles = true
	return s
}

func TestAccessProfiles(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, suite())
	off := read(t, open(t, settings), everything())
	off.complete(t)
	if diff := cmp.Diff([]string{"g-blue", "g-green", "g-red"}, off.ids(identity.Group)); diff != "" || server.Requests()["GET /access-profiles"] != 0 {
		t.Errorf("without the setting (-want +read):\n%s", diff)
	}
	var log bytes.Buffer
	got := read(t, openLogged(t, withProfiles(settings), slog.New(slog.NewTextHandler(&log, nil))), everything())
	got.complete(t)
	want := []string{"g-blue", "g-green", "g-red", "p-all", "p-empty", "p-lost", "p-one", "p-purple"}
	if diff := cmp.Diff(want, got.ids(identity.Group)); diff != "" {
		t.Errorf("groups (-want +read):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{
		"g-red": {"ada", "bo", "cy"}, "g-blue": {"ada", "cy"}, "g-green": {"cy"},
		"p-purple": {"ada", "cy"}, "p-all": {"cy"}, "p-one": {"ada", "bo", "cy"},
	}, got.members); diff != "" {
		t.Errorf("members (-want +read):\n%s", diff)
	}
	for id, say := range map[string]string{"p-empty": "no entitlements", "p-lost": "g-nowhere"} {
		if links := got.states[id]; links.State != connectors.Unknown || !strings.Contains(links.Why, say) {
			t.Errorf("Links of %s are %+v, want unknown and %q", id, links, say)
		}
	}
	if len(got.states) != len(want) {
		t.Errorf("closed: %v, want every group", got.states)
	}
	profile := got.records["group:p-all"].Fields
	for field, value := range map[string]any{"type": "access_profile", "attribute": "", "value": "", "name": `R&D + Labs "all"`} {
		if profile[field] != value {
			t.Errorf("%s of an access profile is %v, want %v", field, profile[field], value)
		}
	}
	if profile["owner"] != nil || got.records["group:g-red"].Fields["type"] != "group" {
		t.Errorf("records are %v and %v", profile, got.records["group:g-red"].Fields)
	}
	if !strings.Contains(log.String(), "not enabled") || !strings.Contains(log.String(), "count=1") {
		t.Errorf("the log does not say what was left out:\n%s", log.String())
	}
}

// TestAccessProfilesFollow: what an account holds, and what an access profile is
// made of, moves its members.
func TestAccessProfilesFollow(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, suite())
	source := open(t, withProfiles(settings))
	members := func(id string) []string {
		t.Helper()
		got := read(t, source, everything())
		got.complete(t)
		return got.members[id]
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(server.Grant("g-blue", "bo"))
	if got := members("p-purple"); !slices.Equal(got, []string{"ada", "bo", "cy"}) {
		t.Errorf("after a grant: %v", got)
	}
	must(server.Revoke("g-red", "ada"))
	if got := members("p-purple"); !slices.Equal(got, []string{"bo", "cy"}) {
		t.Errorf("after a revocation: %v", got)
	}
	must(server.PutAccessProfile(sailpointtest.Profile("p-purple", "Purple", "g-red", "g-blue", "g-green")))
	if got := members("p-purple"); !slices.Equal(got, []string{"cy"}) {
		t.Errorf("after another entitlement: %v", got)
	}
	must(server.RenameEntitlement("g-green", "Grün", "CN=Grün,DC=example,DC=com"))
	if got := members("p-purple"); !slices.Equal(got, []string{"cy"}) {
		t.Errorf("after a rename: %v", got)
	}
	must(server.RemoveEntitlement("g-green"))
	got := read(t, source, everything())
	if links := got.states["p-purple"]; links.State != connectors.Unknown {
		t.Errorf("with an entitlement that is gone: %+v", links)
	}
}

// TestAccessProfilesUnreadableAttribute: an account whose groups cannot be told
// makes the members of what they are part of unknown, and of nothing else.
func TestAccessProfilesUnreadableAttribute(t *testing.T) {
	t.Parallel()
	w := suite()
	w.Accounts[0].Attributes["privileges"] = map[string]any{"odd": true}
	_, settings := tenant(t, w)
	got := read(t, open(t, withProfiles(settings)), everything())
	got.complete(t)
	for id, want := range map[string]connectors.LinksState{"p-all": connectors.Unknown, "p-purple": connectors.Complete, "g-red": connectors.Complete} {
		if state := got.states[id].State; state != want {
			t.Errorf("Links of %s are %s, want %s", id, state, want)
		}
	}
	if len(got.members["p-all"]) > 0 {
		t.Errorf("members of an unknown group were told: %v", got.members["p-all"])
	}
}

// TestAccessProfilesUntyped: an entitlement of which nobody can tell whether it is
// a group is shielded, and so are the members of what it is part of.
func TestAccessProfilesUntyped(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, suite())
	server.Configure(func(o *sailpointtest.Options) { o.HideTotal = true })
	server.Inject(sailpointtest.Fault{ID: "untyped", Match: server.Call("GET /entitlements"), Times: 1, MinFires: 1, Effect: sailpointtest.Effect{
		Status: 200, Body: `[{"id":"g-red","name":"red","attribute":"memberOf","value":"` + sailpointtest.DN("red", "Groups") + `"}]`,
	}}, sailpointtest.Fault{ID: "end", Match: server.Call("GET /entitlements"), Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Status: 200, Body: "[]"}})
	got := read(t, open(t, withProfiles(settings)), everything())
	got.complete(t)
	if got.unreadable["group:g-red"] == "" || got.states["p-one"].State != connectors.Unknown || len(got.members["p-one"]) > 0 {
		t.Errorf("unreadable %v, Links %+v", got.unreadable, got.states["p-one"])
	}
	if unfired := server.Unfired(); len(unfired) > 0 {
		t.Error(unfired)
	}
}

// TestAccessProfilesRefused: a client that may not list them ends the read, which
// names scope and setting. Nothing looks as if they were gone.
func TestAccessProfilesRefused(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, suite())
	client := sailpointtest.ServiceClient()
	settings.ClientID, settings.ClientSecret = client.ID, secret(t, client.Secret)
	source := open(t, withProfiles(settings))
	for name, q := range map[string]connectors.Query{
		"all": everything(), "groups": groupsOnly(),
		"by name": {Only: []connectors.Key{{Kind: identity.Group, Name: "Purple"}}},
	} {
		got := read(t, source, q)
		if got.checkpoint != nil || connectors.ClassOf(got.err) != connectors.Forbidden {
			t.Fatalf("%s: the read ended with %v", name, got.err)
		}
		for _, say := range []string{"access_profiles", "idn:access-profile:read", "personal access token", client.ID} {
			if !strings.Contains(got.err.Error(), say) {
				t.Errorf("%s: the error does not say %q: %v", name, say, got.err)
			}
		}
		if strings.Contains(got.err.Error(), client.Secret) {
			t.Error("the secret is in the error")
		}
	}
	one := read(t, source, connectors.Query{Only: []connectors.Key{{Kind: identity.Group, ID: "p-purple"}}})
	if one.unreadable["group:p-purple"] == "" || len(one.gone) > 0 {
		t.Errorf("by id: unreadable %v, gone %v", one.unreadable, one.gone)
	}
	info, err := source.Info(t.Context())
	if notes := strings.Join(info.Notes, "\n"); err != nil || !strings.Contains(notes, "will not work: access profiles") || !strings.Contains(notes, "idn:access-profile:read") {
		t.Errorf("Info: %v\n%s", err, notes)
	}
	read(t, open(t, settings), everything()).complete(t) // without the setting
	if n := server.Requests()["GET /access-profiles"]; n == 0 {
		t.Error("the fake was never asked")
	}
	settings = settingsFor(t, settings.URL)
	info, err = open(t, withProfiles(settings)).Info(t.Context())
	if notes := strings.Join(info.Notes, "\n"); err != nil || !strings.Contains(notes, "6 access profiles") {
		t.Errorf("Info with a token: %v\n%s", err, notes)
	}
}

// TestAccessProfilesPages: more than a page, in every version, with rows that come
// and go; the order must be one the list knows.
func TestAccessProfilesPages(t *testing.T) {
	t.Parallel()
	for _, n := range []int{49, 50, 51, 249, 251} {
		for _, api := range []string{"v2025", "beta"} {
			t.Run(fmt.Sprint(n, " ", api), func(t *testing.T) {
				t.Parallel()
				w := suite()
				w.AccessProfiles = nil
				var want []string
				for i := range n {
					p := sailpointtest.Profile(fmt.Sprintf("p%03d", (i*11)%n+n), fmt.Sprintf("Profile %d", i), "g-red")
					p.Created = sailpointtest.Epoch().Add(time.Duration(i%5) * time.Hour)
					w.AccessProfiles, want = append(w.AccessProfiles, p), append(want, p.ID)
				}
				slices.Sort(want)
				server, settings := tenant(t, w)
				settings.API = &api
				server.Inject(sailpointtest.Fault{ID: "one goes", Match: server.Call("GET /access-profiles"), Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: func() {
					if err := server.RemoveAccessProfile(w.AccessProfiles[0].ID); err != nil {
						t.Error(err)
					}
				}}})
				got := read(t, open(t, withProfiles(settings)), everything())
				got.complete(t)
				ids := slices.DeleteFunc(got.ids(identity.Group), func(id string) bool { return strings.HasPrefix(id, "g-") })
				want = slices.DeleteFunc(want, func(id string) bool { return id == w.AccessProfiles[0].ID })
				if diff := cmp.Diff(want, ids); diff != "" {
					t.Errorf("access profiles (-tenant +read):\n%s", diff)
				}
				if got.gone["group:"+w.AccessProfiles[0].ID] == "" {
					t.Error("what went away while it was read is not told")
				}
				if unfired := server.Unfired(); len(unfired) > 0 {
					t.Error(unfired)
				}
			})
		}
	}
}

// TestLeftOutBetweenReadings: what stops counting between two readings of one list
// does not stay for what the first one saw.
func TestLeftOutBetweenReadings(t *testing.T) {
	t.Parallel()
	w := suite()
	server, settings := tenant(t, w)
	settings.Limits.PageSize = 2
	again := func(call string, do func()) {
		server.Inject(sailpointtest.Fault{ID: call, Match: server.Call(call), Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: do}})
	}
	again("GET /access-profiles", func() {
		p := sailpointtest.Profile("p-all", "Now disabled", "g-red")
		p.Disabled = true
		if err := server.PutAccessProfile(p); err != nil {
			t.Error(err)
		}
		if err := server.PutAccessProfile(sailpointtest.Profile("p-new", "New", "g-red")); err != nil {
			t.Error(err)
		}
	})
	again("GET /accounts", func() {
		if err := server.UpdateAccount("ada", func(a *sailpointtest.Account) { a.Uncorrelated = true }); err != nil {
			t.Error(err)
		}
		if err := server.PutAccount(sailpointtest.Person("di", "di@example.com", "Di", "Test")); err != nil {
			t.Error(err)
		}
	})
	got := read(t, open(t, withProfiles(settings)), everything())
	got.complete(t)
	if unfired := server.Unfired(); len(unfired) > 0 {
		t.Error(unfired)
	}
	if got.gone["user:ada"] != identity.CauseUnassigned || got.gone["group:p-all"] != identity.CauseUnassigned {
		t.Errorf("gone: %v, want ada and p-all unassigned", got.gone)
	}
	if slices.Contains(got.members["p-purple"], "ada") || got.records["user:di"].Fields == nil || got.records["group:p-new"].Fields == nil {
		t.Errorf("members of p-purple %v, records %v", got.members["p-purple"], got.ids(identity.User))
	}
}

// TestOnlyGroups: entitlements and access profiles by id and by name, also by names
// that filters do not find.
func TestOnlyGroups(t *testing.T) {
	t.Parallel()
	w := suite()
	plus := sailpointtest.Group("g-plus", "A + B", sailpointtest.DN("A + B", "Groups"))
	w.Entitlements = append(w.Entitlements, plus)
	w.Accounts[1].Attributes["memberOf"] = []any{plus.Value}
	_, settings := tenant(t, w)
	group := func(k connectors.Key) connectors.Query {
		k.Kind = identity.Group
		return connectors.Query{Only: []connectors.Key{k}, Links: true}
	}
	tests := []struct {
		name     string
		key      connectors.Key
		profiles bool
		ids      []string
		gone     identity.Cause
		members  []string
	}{
		{"entitlement", connectors.Key{ID: "g-blue"}, true, []string{"g-blue"}, "", []string{"ada", "cy"}},
		{"entitlement by name", connectors.Key{Name: "BLUE"}, true, nil, "", nil}, // the filter is exact
		{"plus", connectors.Key{Name: "a + b"}, false, []string{"g-plus"}, "", []string{"bo"}},
		{"profile", connectors.Key{ID: "p-purple"}, true, []string{"p-purple"}, "", []string{"ada", "cy"}},
		{"profile of a right", connectors.Key{ID: "p-all"}, true, []string{"p-all"}, "", []string{"cy"}},
		{"profile, not asked for", connectors.Key{ID: "p-purple"}, false, nil, identity.CauseGone, nil},
		{"profile by name", connectors.Key{Name: `R&d + Labs "ALL"`}, true, []string{"p-all"}, "", []string{"cy"}},
		{"disabled profile", connectors.Key{ID: "p-disabled"}, true, nil, identity.CauseUnassigned, nil},
		{"profile of another source", connectors.Key{ID: "p-elsewhere"}, true, nil, identity.CauseUnassigned, nil},
		{"right", connectors.Key{ID: "r-logon"}, true, nil, identity.CauseUnassigned, nil},
		{"nobody", connectors.Key{ID: "nobody"}, true, nil, identity.CauseGone, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settings
			s.AccessProfiles = test.profiles
			got := read(t, open(t, s), group(test.key))
			got.complete(t)
			if diff := cmp.Diff(test.ids, got.ids(identity.Group)); diff != "" {
				t.Errorf("groups (-want +read):\n%s", diff)
			}
			if test.gone != "" && got.gone["group:"+test.key.ID] != test.gone {
				t.Errorf("gone: %v, want %s", got.gone, test.gone)
			}
			for _, id := range test.ids {
				if diff := cmp.Diff(test.members, got.members[id]); diff != "" || got.states[id].State != connectors.Complete {
					t.Errorf("members (-want +read), state %s:\n%s", got.states[id].State, diff)
				}
			}
			if len(got.states) != len(test.ids) {
				t.Errorf("closed: %v", got.states)
			}
		})
	}
}

// TestSelection: an edit counts when it changes what is read, not how.
func TestSelection(t *testing.T) {
	t.Parallel()
	base := sailpoint.Settings{URL: "https://acme.api.identitynow.com", Source: "Active Directory", ClientID: "a"}
	text := func(s string) *string { return &s }
	no := false
	tests := []struct {
		name string
		set  func(*sailpoint.Settings)
		same bool
	}{
		{"client", func(s *sailpoint.Settings) { s.ClientID = "b" }, true},
		{"version", func(s *sailpoint.Settings) { s.API = text("v2026") }, true},
		{"paths", func(s *sailpoint.Settings) { s.Paths.Accounts = "/accounts/v1" }, true},
		{"aggregation", func(s *sailpoint.Settings) {
			s.Aggregation = &sailpoint.Aggregation{Wait: connectors.Duration(time.Hour)}
		}, true},
		{"slash", func(s *sailpoint.Settings) { s.URL += "/" }, true},
		{"the default, written", func(s *sailpoint.Settings) { s.EntitlementType = "group" }, true},
		{"tenant", func(s *sailpoint.Settings) { s.URL = "https://other.api.identitynow.com" }, false},
		{"source", func(s *sailpoint.Settings) { s.Source = "Other" }, false},
		{"type", func(s *sailpoint.Settings) { s.EntitlementType = "role" }, false},
		{"accounts", func(s *sailpoint.Settings) { s.Accounts = &no }, false},
		{"access profiles", func(s *sailpoint.Settings) { s.AccessProfiles = true }, false},
	}
	for _, test := range tests {
		s := base
		test.set(&s)
		if same := cmp.Equal(base.Selection(), s.Selection()); same != test.same {
			t.Errorf("%s: the selection is the same: %v, want %v", test.name, same, test.same)
		}
	}
}
