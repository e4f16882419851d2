package scim_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

var ada = []identity.Attribute{
	{Path: "active", After: true},
	{Path: "displayName", After: "Ada Archer"},
	{Path: workEmail, After: "ada@example.com"},
	{Path: "externalId", After: "u1"},
	{Path: "name.familyName", After: "Archer"},
	{Path: "name.givenName", After: "Ada"},
	{Path: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", After: "Quality"},
	{Path: "userName", After: "Ada@example.com"},
}

func TestNotKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		hazards scimtest.Hazards
		fired   string
		want    []string
	}{
		{"externalId dropped", scimtest.Hazards{ExternalIDNotStored: true}, "ExternalIDNotStored", []string{"externalId"}},
		{"userName in lower case", scimtest.Hazards{LowerCaseUserNames: true}, "LowerCaseUserNames", nil},
	} {
		r := newRig(t, scimtest.Options{Hazards: c.hazards}, scim.Settings{})
		result := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...))
		r.fired(t, c.fired)
		want := connectors.Applied
		if c.want != nil {
			want = connectors.NotKept
		}
		if result.Status != want || !slices.Equal(result.Paths, c.want) || result.Entry.TargetID == "" {
			t.Errorf("%s: %s %v of %q, want %s %v", c.name, result.Status, result.Paths, result.Entry.TargetID, want, c.want)
		}
	}
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
	r.fake.SetHazards(scimtest.Hazards{PatchIgnored: []string{"title"}})
	result := r.apply(t, userChange(identity.Update, id, set("title", "Engineer"), change("displayName", "Ada Archer", "Ada B")))
	r.fired(t, "PatchIgnored")
	if result.Status != connectors.NotKept || !slices.Equal(result.Paths, []string{"title"}) {
		t.Errorf("ignored title: %s %v", result.Status, result.Paths)
	}
}

// Attributes nobody here manages survive every dialect's way of updating.
func TestForeignAttributesSurvive(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"rfc", "okta", "entra", "entra_2020", "sailpoint", "one_identity"} {
		for _, hazards := range []scimtest.Hazards{{}, {PutReplaceOnly: true}} {
			r := newRig(t, scimtest.Options{Lenient: true, Hazards: hazards}, scim.Settings{Dialect: dialect})
			id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
			if err := r.fake.Edit(identity.User, id, "nickName", "Countess"); err != nil {
				t.Fatal(err)
			}
			r.apply(t, userChange(identity.Deactivate, id, change("active", true, false), change("title", nil, "Engineer"),
				change(`phoneNumbers[type eq "mobile"].value`, nil, "+41 1"), change("displayName", "Ada Archer", nil)))
			u, _ := r.fake.Find(identity.User, id)
			if u.Active || u.Attributes["nickName"] != "Countess" || u.Attributes["title"] != "Engineer" ||
				u.Attributes["displayName"] != nil || u.Attributes["emails"] == nil || u.Attributes["phoneNumbers"] == nil {
				t.Errorf("%s %+v: holds %v, active %t", dialect, hazards.PutReplaceOnly, u.Attributes, u.Active)
			}
		}
	}
}

// The lifecycle request stands alone and comes first: a refused title does not
// keep a leaver active.
func TestActiveAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
	_, err := r.session.Apply(t.Context(), userChange(identity.Deactivate, id, change("active", true, false),
		change("urn:example:unknown:User:x", nil, "y")))
	wantClass(t, err, connectors.Rejected)
	if u, _ := r.fake.Find(identity.User, id); u.Active {
		t.Error("the leaver is still active")
	}
}

// An address the target keeps without a type counts as work, and is changed in
// place where the filter of a path does not find it.
func TestUntypedAddressIsWork(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	id := r.put(t, identity.User, map[string]any{"userName": "bo@example.com", "emails": []any{map[string]any{"value": "bo@example.com"}}})
	found, err := r.session.Find(t.Context(), identity.User, connectors.Match{Path: workEmail, Value: "BO@example.com"}, connectors.Want{})
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	r.apply(t, userChange(identity.Update, id, change(workEmail, "bo@example.com", "bo.new@example.com")))
	u, _ := r.fake.Find(identity.User, id)
	data, _ := json.Marshal(u.Attributes["emails"])
	if string(data) != `[{"value":"bo.new@example.com"}]` {
		t.Errorf("emails %s", data)
	}
}

func TestHiddenInactive(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{PatchNoContent: true, Hazards: scimtest.Hazards{HideInactive: scimtest.HiddenConflicts}}, scim.Settings{})
	id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
	if s := r.apply(t, userChange(identity.Deactivate, id, change("active", true, false))).Status; s != connectors.Applied {
		t.Errorf("deactivation %s, want applied", s)
	}
	_, err := r.session.Apply(t.Context(), userChange(identity.Reactivate, id, change("active", false, true)))
	wantClass(t, err, connectors.Missing)
	_, err = r.session.Apply(t.Context(), userChange(identity.Create, "", slices.Clone(ada)...))
	wantClass(t, err, connectors.Conflict)
	if found, err := r.session.Find(t.Context(), identity.User, connectors.Match{Path: "id", Value: id}, connectors.Want{}); err != nil || len(found) > 0 {
		t.Errorf("found %v, %v", found, err)
	}
	r.fired(t, "HideInactive")
}

// An update whose answer was lost is looked after, not repeated.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{Hazards: scimtest.Hazards{
		LoseAnswerAfter: scimtest.When{Every: 1, Times: 1, Method: http.MethodPatch},
	}}, scim.Settings{})
	id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
	if s := r.apply(t, userChange(identity.Update, id, change("title", nil, "Engineer"))).Status; s != connectors.Applied {
		t.Errorf("%s, want applied", s)
	}
	r.fired(t, "LoseAnswerAfter")
	if got := r.fake.Requests()["PATCH /Users"]; got != 1 {
		t.Errorf("%d PATCH requests, want 1", got)
	}
}

func TestDeleteTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
	for range 2 {
		if s := r.apply(t, userChange(identity.Delete, id)).Status; s != connectors.Applied {
			t.Errorf("delete %s", s)
		}
	}
}

// Ids are one path segment, whatever they hold, and are never taken from a link.
func TestStrangeIDs(t *testing.T) {
	t.Parallel()
	const id = `acme/team 1?x=%2e../..#é`
	var paths []string
	session, err := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/Users" && r.Method == http.MethodGet:
			answer(w, http.StatusOK, listOf())
		case strings.HasPrefix(r.URL.Path, "/Users/"):
			paths = append(paths, r.URL.EscapedPath())
			answer(w, http.StatusOK, map[string]any{
				"id": id, "userName": "x", "meta": map[string]any{"location": "https://elsewhere.example.com/Users/1"},
			})
		default:
			http.NotFound(w, r)
		}
	}), scim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := session.Find(t.Context(), identity.User, connectors.Match{Path: "id", Value: id}, connectors.Want{})
	if err != nil || len(found) != 1 || found[0].TargetID != id {
		t.Errorf("found %v, %v", found, err)
	}
	if want := "/Users/acme%2Fteam%201%3Fx=%252e..%2F..%23%C3%A9"; len(paths) != 1 || paths[0] != want {
		t.Errorf("asked for %v, want %s", paths, want)
	}
}

// What a target cannot do is refused by name.
func TestUnsupportedChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	for _, c := range []identity.Change{
		{Op: identity.Release, Ref: identity.Ref{Kind: identity.User, ID: "u1"}, TargetID: "x"},
		{Op: identity.Update, Ref: identity.Ref{Kind: identity.User, ID: "u1"}},
		userChange(identity.Update, "x", set("id", "y")),
		userChange(identity.Update, "x", set("manager.value", identity.Reference{Ref: identity.Ref{Kind: identity.User, ID: "m"}})),
		userChange(identity.Update, "x", set("active", "yes")),
		userChange(identity.Create, "x"),
	} {
		_, err := r.session.Apply(t.Context(), c)
		wantClass(t, err, connectors.Rejected)
	}
	if n := len(r.fake.Log()); n > 3 {
		t.Errorf("%d requests, want those of Open only", n)
	}
}

// A page of maintenance with 200 tells nothing of what became of a write: a create
// and a change are looked up, a delete is seen by looking.
func TestPageInPlaceOfAnAnswer(t *testing.T) {
	t.Parallel()
	page := scimtest.When{Every: 1, Times: 1}
	at := func(method string) scimtest.Hazards {
		page.Method = method
		return scimtest.Hazards{HTML200: page}
	}
	r := newRig(t, scimtest.Options{}, scim.Settings{})
	id := r.apply(t, userChange(identity.Create, "", slices.Clone(ada)...)).Entry.TargetID
	r.fake.SetHazards(at(http.MethodPost))
	_, err := r.session.Apply(t.Context(), userChange(identity.Create, "", identity.Attribute{Path: "userName", After: "bo@example.com"}))
	wantClass(t, err, connectors.Lost)
	r.fake.SetHazards(at(http.MethodPatch))
	_, err = r.session.Apply(t.Context(), userChange(identity.Update, id, set("title", "Engineer")))
	wantClass(t, err, connectors.Lost)
	// The page stands in the way, and nothing is deleted.
	r.fake.SetHazards(at(http.MethodDelete))
	_, err = r.session.Apply(t.Context(), userChange(identity.Delete, id))
	wantClass(t, err, connectors.Rejected)
	if err == nil || !strings.Contains(err.Error(), "still there") {
		t.Errorf("%v", err)
	}
	r.fake.SetHazards(scimtest.Hazards{})
	if _, err := r.session.Apply(t.Context(), userChange(identity.Delete, id)); err != nil {
		t.Error(err)
	}
}
