package connectortest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

func TestSyntheticHoldsTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		users, groups := rapid.IntRange(0, 60).Draw(t, "users"), rapid.IntRange(0, 10).Draw(t, "groups")
		memberships, seed := rapid.IntRange(0, 300).Draw(t, "memberships"), rapid.Uint64().Draw(t, "seed")
		w := Synthetic(users, groups, memberships, seed)
		if diff := cmp.Diff(w, Synthetic(users, groups, memberships, seed)); diff != "" {
			t.Fatalf("one seed gives two worlds:\n%s", diff)
		}
		if len(w.Users) != users || len(w.Groups) != groups {
			t.Fatalf("%d users, %d groups; want %d and %d", len(w.Users), len(w.Groups), users, groups)
		}
		unique := map[string]bool{}
		for _, u := range w.Users {
			for _, key := range []string{"id " + u.ID, "name " + u.UserName, "mail " + u.Email} {
				if unique[key] {
					t.Fatalf("%s twice", key)
				}
				unique[key] = true
			}
			if !strings.HasSuffix(u.Email, "@example.com") || u.Given == "" || u.Family == "" {
				t.Fatalf("user %+v", u)
			}
		}
		total := 0
		for _, g := range w.Groups {
			total += len(g.Members)
			for i, id := range g.Members {
				if _, ok := w.User(id); !ok || slices.Contains(g.Members[:i], id) {
					t.Fatalf("group %s has the member %s twice, or it is nobody", g.ID, id)
				}
			}
		}
		if total > memberships || users > 0 && groups > 0 && total < min(memberships, users) {
			t.Fatalf("%d memberships of %d", total, memberships)
		}
	})
}

func TestPeopleAreVaried(t *testing.T) {
	t.Parallel()
	var inactive, plus, quoted, foreign int
	for _, u := range People(500, 1) {
		if !u.Active {
			inactive++
		}
		if strings.Contains(u.Email, "+") {
			plus++
		}
		if strings.ContainsAny(u.Given+u.Family, `'"\`) {
			quoted++
		}
		if strings.ContainsFunc(u.Given, func(r rune) bool { return r > 0x250 }) {
			foreign++
		}
	}
	for what, n := range map[string]int{"inactive": inactive, "plus signs": plus, "quotes": quoted, "other scripts": foreign} {
		if n < 10 || n > 250 {
			t.Errorf("%d of 500 people have %s", n, what)
		}
	}
	if cmp.Equal(People(20, 1), People(20, 2)) {
		t.Error("two seeds give the same people")
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	w := Synthetic(5, 2, 6, 1)
	w.Groups[0].Nested = []string{"g"}
	before := w.Clone()
	other := w.Clone()
	other.Users[0].Given, other.Groups[0].Name, other.Groups[0].Nested[0] = "x", "x", "x"
	for i := range other.Groups {
		for j := range other.Groups[i].Members {
			other.Groups[i].Members[j] = "x"
		}
	}
	if diff := cmp.Diff(before, w); diff != "" {
		t.Errorf("editing a clone changed the world:\n%s", diff)
	}
}

func TestFromSCIM(t *testing.T) {
	t.Parallel()
	const text = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"t-1","externalId":"e1","userName":"ada","active":true,
		"name":{"givenName":"Ada","familyName":null},"emails":[{"type":"work","value":"a@example.com","primary":true}],
		"entitlements":["a","b"],"meta":{"version":"1"},"groups":[{"value":"g"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Data","manager":{"value":"t-2"}}}`
	var resource map[string]any
	if err := json.Unmarshal([]byte(text), &resource); err != nil {
		t.Fatal(err)
	}
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
	want := identity.Entry{TargetID: "t-1", Attrs: identity.Attrs{
		"externalId": "e1", "userName": "ada", "active": true, "name.givenName": "Ada",
		`emails[type eq "work"].value`: "a@example.com", "entitlements": []string{"a", "b"},
		enterprise + "department": "Data", enterprise + "manager.value": "t-2",
	}}
	if diff := cmp.Diff(want, FromSCIM(resource)); diff != "" {
		t.Errorf("FromSCIM (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		text string
		want identity.Members
	}{
		{`{"id":"g","displayName":"G","members":[{"value":"a"},{"value":"b"}]}`, identity.Members{Known: true, TargetIDs: []string{"a", "b"}}},
		{`{"id":"g","displayName":"G"}`, identity.Members{Known: true}},
	} {
		var group map[string]any
		if err := json.Unmarshal([]byte(test.text), &group); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, FromSCIM(group).Members); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", test.text, diff)
		}
	}
}
