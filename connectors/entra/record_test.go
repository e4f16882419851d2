package entra_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/identity"
)

func TestSelectedFields(t *testing.T) {
	t.Parallel()
	const ext = "extension_0f0f0f0f0f0f4f0f8f0f0f0f0f0f0f0f_costCenter"
	guest := entratest.Guest("guest", "visitor@partner.example.com", "Vi", "Sitor", "example.onmicrosoft.com")
	guest.Properties[ext] = "CC7"
	guest.Properties["onPremisesExtensionAttributes"] = map[string]any{"extensionAttribute1": "one", "extensionAttribute2": nil}
	guest.Properties["department"] = "Sales"
	_, url := serve(t, entratest.World{Users: []entratest.User{guest}})
	source := open(t, settings(t, url, 0))
	q := everything()
	q.Fields = map[identity.Kind][]string{identity.User: {
		"mail", "originalUserPrincipalName", "extensions." + ext, "onPremisesExtensionAttributes.extensionAttribute1", "nonsense",
	}}
	for _, st := range []*state{full(t, source, q), only(t, source, q, connectors.Key{Kind: identity.User, ID: "guest"})} {
		got := st.records[user("guest")]
		if st.err != nil || got == nil {
			t.Fatalf("read: %v", st.err)
		}
		upn := "visitor_partner.example.com#EXT#@example.onmicrosoft.com"
		below, _ := got["extensions"].(map[string]any)
		onPremises, _ := got["onPremisesExtensionAttributes"].(map[string]any)
		switch {
		case got["userPrincipalName"] != upn, got["originalUserPrincipalName"] != upn, got["mail"] != "visitor@partner.example.com",
			got["accountEnabled"] != true, below[ext] != "CC7", onPremises["extensionAttribute1"] != "one":
			t.Errorf("wrong or missing in %v", got)
		case got["department"] != nil, got["displayName"] != nil:
			t.Errorf("not asked for, in %v", got)
		}
	}
}

func only(t *testing.T, s connectors.Source, q connectors.Query, keys ...connectors.Key) *state {
	t.Helper()
	st := newState()
	q.Only = keys
	st.read(t.Context(), s, q)
	return st
}

func TestGuestByName(t *testing.T) {
	t.Parallel()
	_, url := serve(t, entratest.World{Users: []entratest.User{entratest.Guest("guest", "o'visitor@partner.example.com", "Vi", "Sitor", "example.onmicrosoft.com")}})
	got := only(t, open(t, settings(t, url, 0)), everything(),
		connectors.Key{Kind: identity.User, Name: "o'visitor_partner.example.com#EXT#@example.onmicrosoft.com"})
	if got.err != nil || got.records[user("guest")] == nil {
		t.Errorf("not found: %v", got.err)
	}
}

func TestMembersOfOtherTypes(t *testing.T) {
	t.Parallel()
	w := entratest.World{
		Users:  people(2),
		Others: []entratest.Other{{ID: "d1", Type: entratest.Device}, {ID: "s1", Type: entratest.ServicePrincipal}, {ID: "c1", Type: entratest.Contact}},
		Groups: []entratest.Group{entratest.Team("g1", "One", "u000", "d1", "s1", "c1", "g2"), entratest.Team("g2", "Two", "u001")},
	}
	_, url := serve(t, w)
	source := open(t, settings(t, url, 0))
	for _, st := range []*state{full(t, source, everything()), only(t, source, everything(), connectors.Key{Kind: identity.Group, ID: "g1"})} {
		members := st.members[group("g1")]
		if st.err != nil || len(members) != 2 || !members[user("u000")] || !members[group("g2")] {
			t.Errorf("members %v (%v), want user u000 and group g2", members, st.err)
		}
		if got := st.links[group("g1")]; got.State != connectors.Complete {
			t.Errorf("links are %s: %s", got.State, got.Why)
		}
	}
}

func TestOddObjects(t *testing.T) {
	t.Parallel()
	server, url := serve(t, entratest.World{})
	body := func(path, value string) entratest.Fault {
		return entratest.Fault{ID: path, Match: entratest.Path(path), MinFires: 1, Effect: entratest.Effect{
			Status: http.StatusOK,
			Body:   `{"value":[` + value + `],"@odata.deltaLink":"/v1.0` + path + `?$deltatoken=x"}`,
		}}
	}
	server.Inject(body("/users/delta", `
		{"id":"ok","userPrincipalName":"ok@example.com","accountEnabled":true},
		{"id":"noname","accountEnabled":true,"userPrincipalName":null},
		{"id":"number","accountEnabled":true,"userPrincipalName":7},
		{"id":"basic","userPrincipalName":"basic@example.com"},
		{"id":"soft","@removed":{"reason":"changed"}}`),
		body("/groups/delta", `
		{"id":"g1","displayName":"One","members@delta":[{"@odata.type":"#microsoft.graph.user","id":"ok"},{"id":"typeless"}]},
		{"id":"g2","displayName":"Two","members@delta":"nonsense"},
		{"id":"g3","displayName":"Three","visibility":"HiddenMembership"},
		{"id":"g4","displayName":""},
		"not an object",
		{"id":"g5","displayName":"Five","members@delta":[{"id":"gone","@removed":{"reason":"deleted"}}]}`))
	got := full(t, open(t, settings(t, url, 0)), everything())
	if !got.done {
		t.Fatal(got.err)
	}
	for ref, why := range map[identity.Ref]string{
		user("noname"): "userPrincipalName", user("number"): "userPrincipalName", user("basic"): "accountEnabled",
		group("g4"): "displayName", {Kind: identity.Group}: "without an id",
	} {
		if !strings.Contains(got.unreadable[ref], why) {
			t.Errorf("%s is unreadable because of %q, want %q", ref, got.unreadable[ref], why)
		}
	}
	if got.gone[user("soft")] != identity.CauseGone || got.records[user("ok")] == nil {
		t.Errorf("gone %v", got.gone)
	}
	for id, why := range map[string]string{"g1": "without a type", "g2": "not understood", "g3": "hidden"} {
		if l := got.links[group(id)]; l.State != connectors.Unknown || !strings.Contains(l.Why, why) {
			t.Errorf("links of %s are %s: %q, want unknown: %s", id, l.State, l.Why, why)
		}
	}
	if l := got.links[group("g5")]; l.State != connectors.Complete {
		t.Errorf("links of g5 are %s: %s", l.State, l.Why)
	}
	unfired(t, server)
}
