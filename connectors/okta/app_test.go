package okta_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// appWorld: u000 by hand, u001 and u002 through g1, u003 not at all, u004
// deactivated.
func appWorld() oktatest.World {
	w := oktatest.World{Users: people(5)}
	w.Users[4].Status = oktatest.Deprovisioned
	w.Groups = []oktatest.Group{oktatest.Team("g1", "In", "u001", "u002", "u004"), oktatest.Team("g2", "Out", "u003")}
	w.Apps = []oktatest.App{{ID: "0oa1", Label: "Catalog", Groups: []string{"g1"}, Users: []oktatest.AppUser{
		{ID: "u000", ExternalID: "ext-0", Profile: oktatest.Profile(map[string]any{"role": "steward"})},
	}}}
	return w
}

func TestAppScope(t *testing.T) {
	t.Parallel()
	server, settings := org(t, appWorld())
	settings.App = "0oa1"
	source := open(t, settings)
	got := read(t.Context(), t, source, everything())
	mustBeWhole(t, got)
	want := []identity.Ref{user("u000"), user("u001"), user("u002"), group("g1")}
	if !slices.Equal(got.order, want) {
		t.Errorf("read %v, want %v", got.order, want)
	}
	byHand, _ := got.records[user("u000")].Fields["app"].(map[string]any)
	profile, _ := byHand["profile"].(map[string]any)
	if byHand["scope"] != "USER" || byHand["externalId"] != "ext-0" || profile["role"] != "steward" {
		t.Errorf("app = %v", byHand)
	}
	through, _ := got.records[user("u001")].Fields["app"].(map[string]any)
	if through["scope"] != "GROUP" || got.records[user("u001")].Version == "" {
		t.Errorf("app = %v", through)
	}
	// Users, groups, members; the log and the users of the org, for the cursor.
	if n := server.Total(); n != 5 {
		t.Errorf("%d requests, want 5: %v", n, server.Requests())
	}

	only := read(t.Context(), t, source, connectors.Query{Links: true, From: "mark", Only: []connectors.Key{
		{Kind: identity.User, ID: "u000"},
		{Kind: identity.User, Name: "P001@example.com"},
		{Kind: identity.User, ID: "u003"},
		{Kind: identity.User, Name: "p003@example.com"},
		{Kind: identity.User, ID: "u004"},
		{Kind: identity.User, ID: "nobody"},
		{Kind: identity.Group, ID: "g1"},
		{Kind: identity.Group, ID: "g2"},
		{Kind: identity.Group, Name: "Out"},
		{Kind: identity.Group, ID: "g9"},
	}})
	mustBeWhole(t, only)
	if want := []identity.Ref{user("u000"), user("u001"), group("g1")}; !slices.Equal(only.order, want) {
		t.Errorf("read %v, want %v", only.order, want)
	}
	for ref, why := range map[identity.Ref]identity.Cause{
		user("u003"): identity.CauseUnassigned, user("u004"): identity.CauseDisabled, user("nobody"): identity.CauseGone,
		group("g2"): identity.CauseUnassigned, group("g9"): identity.CauseGone,
	} {
		if only.gone[ref] != why {
			t.Errorf("%s is %q, want %q", ref, only.gone[ref], why)
		}
	}
	if len(only.checkpoint.Full) != 0 || only.checkpoint.Cursor != "mark" {
		t.Errorf("checkpoint = %+v", only.checkpoint)
	}
}

func TestAppThatDoesNotExistUnassignsNobody(t *testing.T) {
	t.Parallel()
	_, settings := org(t, appWorld())
	settings.App = "0oaTypo"
	source := open(t, settings)
	for name, q := range map[string]connectors.Query{
		"full":      everything(),
		"only user": {Only: []connectors.Key{{Kind: identity.User, ID: "u000"}}},
		"group":     {Only: []connectors.Key{{Kind: identity.Group, ID: "g1"}}},
	} {
		got := read(t.Context(), t, source, q)
		if got.checkpoint != nil || connectors.ClassOf(got.err) != connectors.Incomplete || len(got.gone) > 0 {
			t.Errorf("%s: err = %v, gone = %v", name, got.err, got.gone)
		}
	}
	if _, err := source.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "0oaTypo") {
		t.Errorf("Info: %v", err)
	}
}

func TestAppWithoutExpansionIsReadOneByOne(t *testing.T) {
	t.Parallel()
	server, settings := org(t, appWorld())
	settings.App = "0oa1"
	body := func(path, text string) oktatest.Fault {
		return oktatest.Fault{ID: path, Match: oktatest.Path(path), MinFires: 1, Effect: oktatest.Effect{Status: http.StatusOK, Header: http.Header{}, Body: text}}
	}
	server.Inject(
		body("/api/v1/apps/0oa1/users", `[{"id":"u001","scope":"GROUP","status":"ACTIVE"},{"id":"vanished","scope":"USER"},{"scope":"USER"},
			{"id":"u002","_embedded":{"user":{"id":"u003","status":"ACTIVE","profile":{"login":"x"}}}}]`),
		body("/api/v1/apps/0oa1/groups", `[{"id":"g1","priority":0},{"priority":1}]`))
	got := read(t.Context(), t, open(t, settings), everything())
	mustBeWhole(t, got)
	if _, ok := got.records[user("u001")]; !ok || got.gone[user("vanished")] != identity.CauseGone {
		t.Errorf("records = %v, gone = %v", got.order, got.gone)
	}
	if got.unreadable[user("")] == "" || got.unreadable[group("")] == "" || got.unreadable[user("u002")] == "" {
		t.Errorf("unreadable = %v", got.unreadable)
	}
	if len(got.members["g1"]) != 3 {
		t.Errorf("members = %v", got.members)
	}
	fired(t, server)
}

func TestOnlyInWholeOrg(t *testing.T) {
	t.Parallel()
	w := appWorld()
	slash := oktatest.Person("u005", "a/b@example.com", "A", "B")
	w.Users = append(w.Users, slash)
	w.Groups = append(w.Groups, oktatest.Team("g3", `He said "R&D"`, "u005"))
	server, settings := org(t, w)
	source := open(t, settings)
	got := read(t.Context(), t, source, connectors.Query{Links: true, Only: []connectors.Key{
		{Kind: identity.User, ID: "u004"},
		{Kind: identity.User, Name: "a/b@example.com"},
		{Kind: identity.User, ID: "p001@example.com"}, // a login is no id
		{Kind: identity.User, ID: ".."},
		{Kind: identity.User, ID: "a/../b?c#d"},
		{Kind: identity.Group, Name: `He said "R&D"`},
	}})
	mustBeWhole(t, got)
	if want := []identity.Ref{user("u004"), user("u005"), group("g3")}; !slices.Equal(got.order, want) {
		t.Errorf("read %v, want %v", got.order, want)
	}
	if got.records[user("u004")].Fields["status"] != oktatest.Deprovisioned || !slices.Equal(got.members["g3"], []string{"u005"}) {
		t.Errorf("records = %+v, members = %v", got.records, got.members)
	}
	for _, id := range []string{"p001@example.com", "..", "a/../b?c#d"} {
		if got.gone[user(id)] != identity.CauseGone {
			t.Errorf("%q is not gone: %v", id, got.gone)
		}
	}

	// A 404 that is not Okta's says nothing about a person.
	server.Inject(oktatest.Fault{ID: "proxy", MinFires: 1, Match: oktatest.Path("/api/v1/users/u001"), Effect: oktatest.Effect{
		Status: http.StatusNotFound, Body: "<html><title>Not here</title></html>", Header: http.Header{"Content-Type": {"text/html"}},
	}})
	got = read(t.Context(), t, source, connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: "u001"}}})
	if got.err == nil || len(got.gone) > 0 {
		t.Errorf("err = %v, gone = %v", got.err, got.gone)
	}
	// One person whom the credential may not read is shielded.
	server.Inject(oktatest.Fault{ID: "403", MinFires: 1, Match: oktatest.Path("/api/v1/users/u002"), Effect: oktatest.Effect{Status: http.StatusForbidden, Code: "E0000006"}})
	got = read(t.Context(), t, source, connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: "u002"}}})
	mustBeWhole(t, got)
	if got.unreadable[user("u002")] == "" {
		t.Errorf("unreadable = %v", got.unreadable)
	}
	fired(t, server)
}

func TestFieldsAreProjected(t *testing.T) {
	t.Parallel()
	_, settings := org(t, appWorld())
	got := read(t.Context(), t, open(t, settings), connectors.Query{Kinds: identity.Kinds(), Fields: map[identity.Kind][]string{
		identity.User: {"profile.email"}, identity.Group: {"profile"},
	}})
	mustBeWhole(t, got)
	u := got.records[user("u000")].Fields
	profile, _ := u["profile"].(map[string]any)
	if len(u) != 3 || u["id"] != "u000" || u["status"] == nil || len(profile) != 2 || profile["login"] == nil || profile["email"] == nil {
		t.Errorf("user = %v", u)
	}
	g := got.records[group("g1")].Fields
	if g["name"] != "In" || g["type"] == nil || g["created"] != nil {
		t.Errorf("group = %v", g)
	}
}
