package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// An object that appears between plan and apply becomes ours by the same rules as
// one that was there before.
func TestObstacles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sync   string
		put    identity.Kind
		object map[string]any
		code   int
		says   string
		check  func(w *world, object scimtest.Resource)
	}{
		"adopt": {
			sync: "users: {}\n", put: identity.User, object: map[string]any{"userName": "ada@example.com", "title": "Countess"},
			check: func(w *world, o scimtest.Resource) {
				if o.ExternalID != "00uada" || o.Attributes["title"] != "Countess" {
					w.t.Errorf("externalId %q, title %v", o.ExternalID, o.Attributes["title"])
				}
			},
		},
		"report": {
			sync: "users: {matching: {existing: report}}\n", put: identity.User, object: map[string]any{"userName": "ada@example.com"},
			code: exitPartial, says: "existing is report",
		},
		"update off": {
			sync: "users: {update: false}\n", put: identity.User, object: map[string]any{"userName": "ADA@example.com", "displayName": "Countess"},
			check: func(w *world, o scimtest.Resource) {
				if o.ExternalID != "00uada" || o.Attributes["displayName"] != "Countess" || o.Name != "ADA@example.com" {
					w.t.Errorf("%q %v %s; want our mark and nothing else", o.ExternalID, o.Attributes["displayName"], o.Name)
				}
			},
		},
		"protected": {
			sync: "users: {}\nprotect: {users: [boss@example.com]}\n", put: identity.User,
			object: map[string]any{"userName": "ada@example.com", "emails": []any{map[string]any{"type": "work", "value": "boss@example.com"}}},
			code:   exitPartial, says: "protected",
		},
		"members only": {
			sync: "users: {}\ngroups: {matching: {existing: members_only}}\n", put: identity.Group, object: map[string]any{"displayName": "red"},
			check: func(w *world, o scimtest.Resource) {
				if o.ExternalID != "" || o.Name != "red" || len(o.Members) != 3 {
					w.t.Errorf("externalId %q, name %s, %d members; want members alone", o.ExternalID, o.Name, len(o.Members))
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withPeople(office()), withSync(c.sync))
			file := filepath.Join(w.dir, "plan.json")
			if r := w.command("plan", "--out", file); r.code != exitDone {
				t.Fatal(r)
			}
			id, err := w.application.Put(c.put, c.object)
			w.must(err)
			before, _ := w.application.Find(c.put, id)
			r := w.command("apply", file)
			if r.code != c.code || !strings.Contains(r.out, c.says) {
				t.Errorf("want exit %d and %q\n%s", c.code, c.says, r)
			}
			after, _ := w.application.Find(c.put, id)
			if c.check == nil {
				w.same([]scimtest.Resource{before}, []scimtest.Resource{after})
				return
			}
			c.check(w, after)
			w.settled()
		})
	}
}

// Nor does a newcomer inherit the account of somebody who left, because it turned
// up late.
func TestObstacleOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers))
	w.sync(exitDone)
	w.leave("00uada")
	w.sync(exitDone)
	w.must(w.application.Delete(identity.User, "ada@example.com"))
	w.sync(exitDone)
	w.create(colleague("00uadam", "ada@example.com", "Adam", "Other", "77"))
	file := filepath.Join(w.dir, "plan.json")
	if r := w.command("plan", "--out", file); r.code != exitDone {
		t.Fatal(r)
	}
	id, err := w.application.Put(identity.User, map[string]any{"userName": "ada@example.com", "externalId": "00uada", "active": false})
	w.must(err)
	r := w.command("apply", file)
	if said := strings.Join(strings.Fields(r.out), " "); r.code != exitPartial || !strings.Contains(said, "account of user:00uada") {
		t.Errorf("want exit %d and whose account it is\n%s", exitPartial, r)
	}
	if u, _ := w.application.Find(identity.User, id); u.Active || u.ExternalID != "00uada" {
		t.Errorf("active %t, externalId %s; want the account as it was", u.Active, u.ExternalID)
	}
}
