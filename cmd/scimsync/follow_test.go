package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// colleague is a person with an employee number, so that a re-hire can be proved.
func colleague(id, login, first, last, number string) oktatest.User {
	return oktatest.User{ID: id, Profile: oktatest.Profile(map[string]any{
		"login": login, "email": login, "firstName": first, "lastName": last, "employeeNumber": number,
	})}
}

const withNumbers = `users:
  map:
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: profile.employeeNumber
groups: {leavers: delete}
`

// office is a small world of five people and three groups.
func office() oktatest.World {
	return oktatest.World{
		Users: []oktatest.User{
			colleague("00uada", "ada@example.com", "Ada", "Byron", "1"),
			colleague("00ubob", "bob@example.com", "Bob", "O'Neil", "2"),
			colleague("00ucid", "cid@example.com", "Cid", `"Quote" Li`, "3"),
			colleague("00udan", "dan+x@example.com", "Dan", "Ångström", "4"),
			colleague("00ueve", "eve@example.com", "Eve", "Mall", "5"),
		},
		Groups: []oktatest.Group{
			oktatest.Team("00gred", "Red", "00uada", "00ubob", "00ucid"),
			oktatest.Team("00gblue", "Blue", "00udan", "00ueve"),
			oktatest.Team("00gnone", "Nobody"),
		},
	}
}

// listed returns the operations of a run as "op kind name".
func listed(changes []changeJSON) []string {
	var out []string
	for _, c := range changes {
		line := c.Op + " " + c.Kind + " " + c.Name
		for _, m := range c.Members {
			line += " " + m.Name
		}
		out = append(out, line)
	}
	return out
}

func TestFollow(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(w *world)
		want   []string
		check  func(w *world)
	}{
		"update": {
			change: func(w *world) { w.must(w.org.UpdateUser("00uada", map[string]any{"lastName": "Lovelace"})) },
			want:   []string{"update user ada@example.com"},
		},
		"cleared attribute": {
			change: func(w *world) { w.must(w.org.UpdateUser("00uada", map[string]any{"employeeNumber": nil})) },
			want:   []string{"update user ada@example.com"},
		},
		"disable": {
			change: func(w *world) { w.must(w.org.SetStatus("00uada", oktatest.Suspended)) },
			want:   []string{"deactivate user ada@example.com"},
			check:  func(w *world) { w.inactive("ada@example.com") },
		},
		"deprovision": {
			change: func(w *world) { w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned)) },
			want:   []string{"deactivate user ada@example.com"},
			check:  func(w *world) { w.inactive("ada@example.com") },
		},
		"delete": {
			change: func(w *world) {
				w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned))
				w.must(w.org.DeleteUser("00uada"))
			},
			want:  []string{"deactivate user ada@example.com"},
			check: func(w *world) { w.inactive("ada@example.com") },
		},
		"hire": {
			change: func(w *world) {
				w.create(colleague("00ufay", "fay@example.com", "Fay", "New", "6"))
				w.must(w.org.AddMember("00gred", "00ufay"))
			},
			want: []string{"create user fay@example.com", "add-members group Red fay@example.com"},
		},
		"re-hire with a new id": {
			change: func(w *world) {
				w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned))
				w.must(w.org.DeleteUser("00uada"))
				w.sync(exitDone)
				w.create(colleague("00uada2", "ada@example.com", "Ada", "Lovelace", "1"))
				w.must(w.org.AddMember("00gblue", "00uada2"))
			},
			want: []string{
				"adopt user ada@example.com", "reactivate user ada@example.com",
				"add-members group Blue ada@example.com", "remove-members group Red ada@example.com",
			},
		},
		"re-hire within one cycle": {
			change: func(w *world) {
				w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned))
				w.must(w.org.DeleteUser("00uada"))
				w.create(colleague("00uada2", "ada@example.com", "Ada", "Byron", "1"))
			},
			want: []string{"adopt user ada@example.com", "remove-members group Red ada@example.com"},
		},
		"rename a person": {
			change: func(w *world) {
				w.must(w.org.UpdateUser("00uada", map[string]any{"login": "lovelace@example.com", "email": "lovelace@example.com"}))
			},
			want: []string{"update user lovelace@example.com"},
		},
		"rename a group": {
			change: func(w *world) { w.must(w.org.UpdateGroup("00gred", map[string]any{"name": "Crimson"})) },
			want:   []string{"update group Crimson"},
		},
		"move between groups": {
			change: func(w *world) {
				w.must(w.org.RemoveMember("00gred", "00uada"))
				w.must(w.org.AddMember("00gblue", "00uada"))
			},
			want: []string{"add-members group Blue ada@example.com", "remove-members group Red ada@example.com"},
		},
		"delete a group": {
			change: func(w *world) { w.must(w.org.DeleteGroup("00gnone")) },
			want:   []string{"delete group Nobody"},
		},
		"names passed along": {
			change: func(w *world) {
				w.must(w.org.UpdateUser("00ucid", map[string]any{"login": "cid2@example.com"}))
				w.must(w.org.UpdateUser("00ubob", map[string]any{"login": "cid@example.com"}))
				w.must(w.org.UpdateUser("00uada", map[string]any{"login": "bob@example.com"}))
			},
			want: []string{"update user cid2@example.com", "update user cid@example.com", "update user bob@example.com"},
		},
		"names traded": {
			change: func(w *world) {
				w.must(w.org.UpdateUser("00uada", map[string]any{"login": "x@example.com"}))
				w.must(w.org.UpdateUser("00ubob", map[string]any{"login": "ada@example.com"}))
				w.must(w.org.UpdateUser("00uada", map[string]any{"login": "bob@example.com"}))
			},
			want: []string{"update user bob@example.com", "update user ada@example.com", "update user bob@example.com"},
		},
		"a freed name taken by a newcomer": {
			change: func(w *world) {
				w.must(w.org.UpdateUser("00uada", map[string]any{"login": "byron@example.com"}))
				w.create(colleague("00unew", "ada@example.com", "Other", "Person", "9"))
			},
			want: []string{"update user byron@example.com", "create user ada@example.com"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withPeople(office()), withSync(withNumbers))
			w.sync(exitDone)
			c.change(w)
			got := w.sync(exitDone)
			if diff := cmp.Diff(c.want, listed(got.Changes)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			w.settled()
			w.complete()
			w.unique()
			if c.check != nil {
				c.check(w)
			}
		})
	}
}

func (w *world) create(u oktatest.User) {
	w.t.Helper()
	_, err := w.org.CreateUser(u)
	w.must(err)
}

func (w *world) inactive(name string) {
	w.t.Helper()
	u, ok := w.application.Find(identity.User, name)
	if !ok || u.Active {
		w.t.Errorf("%s: found %t, active %t; want an inactive account", name, ok, u.Active)
	}
}

// A name that passes to somebody else is not a re-hire: nobody inherits another
// person's account without proof.
func TestReusedNameIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers))
	w.sync(exitDone)
	w.must(w.org.SetStatus("00uada", oktatest.Deprovisioned))
	w.must(w.org.DeleteUser("00uada"))
	w.sync(exitDone)
	before, _ := w.application.Find(identity.User, "ada@example.com")
	w.create(colleague("00uother", "ada@example.com", "Adam", "Other", "77"))
	got := w.sync(exitPartial)
	if len(got.Changes) != 0 || len(got.Skipped) != 1 {
		t.Errorf("changes %v, skipped %v; want the newcomer named and nothing done", listed(got.Changes), got.Skipped)
	}
	after, _ := w.application.Find(identity.User, "ada@example.com")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the account of the earlier person changed:\n%s", diff)
	}
}

// Accounts and groups that are nobody's of ours stay as they are, byte for byte.
func TestForeignUntouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers))
	w.must(w.application.Seed(20))
	w.must(w.application.SeedGroups(3, 5))
	users, groups := w.application.Users(), w.application.Groups()
	w.sync(exitDone)
	w.settled()
	w.must(w.org.SetStatus("00uada", oktatest.Suspended))
	w.sync(exitDone)
	w.same(users, w.application.Users())
	w.same(groups, w.application.Groups())
}

// same demands that every resource of before is unchanged in after.
func (w *world) same(before, after []scimtest.Resource) {
	w.t.Helper()
	now := map[string]scimtest.Resource{}
	for _, r := range after {
		now[r.ID] = r
	}
	for _, r := range before {
		if diff := cmp.Diff(r, now[r.ID]); diff != "" {
			w.t.Errorf("%s is not what it was (-before +after):\n%s", r.Name, diff)
		}
	}
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	existing := func(w *world) {
		_, err := w.application.Put(identity.User, map[string]any{
			"userName": "ADA@example.com", "active": true, "title": "Countess", "name": map[string]any{"givenName": "Old"},
		})
		w.must(err)
		_, err = w.application.Put(identity.Group, map[string]any{"displayName": "red"})
		w.must(err)
	}
	t.Run("adopt", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withPeople(office()), withSync(withNumbers))
		existing(w)
		got := w.sync(exitDone)
		if got.Summary.Users.Adopt != 1 || got.Summary.Groups.Adopt != 1 {
			t.Errorf("adopted %d users and %d groups, want 1 and 1", got.Summary.Users.Adopt, got.Summary.Groups.Adopt)
		}
		u, _ := w.application.Find(identity.User, "ada@example.com")
		if u.ExternalID != "00uada" || u.Attributes["title"] != "Countess" {
			t.Errorf("externalId %q, title %v; want ours, and what is not mapped kept", u.ExternalID, u.Attributes["title"])
		}
		w.settled()
		w.complete()
	})
	t.Run("report", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withPeople(office()), withSync("users: {matching: {existing: report}}\ngroups: {matching: {existing: skip}}\n"))
		existing(w)
		users := w.application.Users()
		got := w.sync(exitDone)
		if got.Summary.Users.Skipped != 1 || got.Summary.Groups.Skipped != 1 {
			t.Errorf("left alone %d users and %d groups, want 1 and 1", got.Summary.Users.Skipped, got.Summary.Groups.Skipped)
		}
		w.same(users, w.application.Users())
		w.settled()
	})
	t.Run("members only", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withPeople(office()), withSync("users: {}\ngroups: {leavers: delete, matching: {existing: members_only}}\n"))
		existing(w)
		w.sync(exitDone)
		w.settled()
		w.must(w.org.UpdateGroup("00gred", map[string]any{"name": "Crimson"}))
		w.must(w.org.RemoveMember("00gred", "00ubob"))
		w.sync(exitDone)
		g, ok := w.application.Find(identity.Group, "red")
		if !ok || len(g.Members) != 2 || g.ExternalID != "" {
			t.Errorf("group red: found %t, %d members, externalId %q; want its name kept and two members", ok, len(g.Members), g.ExternalID)
		}
		w.settled()
		w.must(w.org.DeleteGroup("00gred"))
		w.sync(exitDone)
		if _, ok := w.application.Find(identity.Group, "red"); !ok {
			t.Error("a group adopted for its members only was deleted")
		}
	})
	t.Run("ambiguous", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withPeople(office()),
			withSync("users: {matching: {by: [externalId, name.familyName]}}\n"))
		for _, name := range []string{"one", "two"} {
			_, err := w.application.Put(identity.User, map[string]any{"userName": name, "name": map[string]any{"familyName": "Byron"}})
			w.must(err)
		}
		users := w.application.Users()
		got := w.sync(exitPartial)
		if len(got.Skipped) != 1 {
			t.Errorf("skipped %v, want ada named", got.Skipped)
		}
		w.same(users, w.application.Users())
	})
}

func TestDuplicateDesiredNames(t *testing.T) {
	t.Parallel()
	people := office()
	people.Groups = append(people.Groups, oktatest.Team("00gtwin", "rEd", "00udan"))
	w := newWorld(t, withPeople(people), withSync(withNumbers))
	got := w.sync(exitPartial)
	if len(got.Skipped) != 2 {
		t.Errorf("skipped %v, want both groups of one name", got.Skipped)
	}
	if _, ok := w.application.Find(identity.Group, "Red"); ok {
		t.Error("one of two groups of one name was created")
	}
}

// The target is asked on every full cycle: what somebody does there is repaired.
func TestRepair(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers))
	w.sync(exitDone)
	w.must(w.application.Edit(identity.User, "ada@example.com", "name.givenName", "Mallory"))
	w.must(w.application.Delete(identity.User, "bob@example.com"))
	w.must(w.application.AddMember("Blue", "cid@example.com"))
	w.must(w.application.RemoveMember("Red", "cid@example.com"))
	w.must(w.application.Edit(identity.User, "dan+x@example.com", "active", false))
	got := w.sync(exitDone)
	want := []string{
		"update user ada@example.com", "create user bob@example.com", "reactivate user dan+x@example.com",
		"add-members group Red bob@example.com cid@example.com", "remove-members group Blue cid@example.com",
	}
	if diff := cmp.Diff(want, listed(got.Changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	w.settled()
	w.complete()
}

// A manager is an account like any other: it may be made by the same plan, and
// be one's manager's manager.
func TestReferences(t *testing.T) {
	t.Parallel()
	people := office()
	boss := func(login, manager string) map[string]any {
		return map[string]any{"login": login, "email": login, "firstName": "F", "lastName": "L", "managerId": manager}
	}
	people.Users[0].Profile = oktatest.Profile(boss("ada@example.com", "00ubob"))
	people.Users[1].Profile = oktatest.Profile(boss("bob@example.com", "eve@example.com"))
	people.Users[4].Profile = oktatest.Profile(boss("eve@example.com", "00uada"))
	people.Users[3].Profile = oktatest.Profile(boss("dan+x@example.com", "nobody"))
	w := newWorld(t, withPeople(people), withSync(`users:
  map:
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value: {value: profile.managerId, reference: user}
`))
	w.sync(exitDone)
	w.settled()
	manager := func(name string) string {
		u, _ := w.application.Find(identity.User, name)
		enterprise, _ := u.Attributes["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)
		m, _ := enterprise["manager"].(map[string]any)
		id, _ := m["value"].(string)
		for _, other := range w.application.Users() {
			if other.ID == id {
				return other.Name
			}
		}
		return id
	}
	for name, want := range map[string]string{
		"ada@example.com": "bob@example.com", "bob@example.com": "eve@example.com", "eve@example.com": "ada@example.com",
	} {
		if got := manager(name); got != want {
			t.Errorf("manager of %s is %q, want %q", name, got, want)
		}
	}
	w.must(w.org.UpdateUser("00uada", map[string]any{"managerId": "00ucid"}))
	w.sync(exitDone)
	if got := manager("ada@example.com"); got != "cid@example.com" {
		t.Errorf("manager of ada is %q after the change, want cid", got)
	}
	w.settled()
}

// One object on demand: by any of its names, with its memberships, and nothing
// else; also when nothing has been mirrored yet.
func TestOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers))
	got := w.sync(exitDone, "--only", "user:ada@example.com")
	if diff := cmp.Diff([]string{"create user ada@example.com"}, listed(got.Changes)); diff != "" {
		t.Errorf("first of all (-want +got):\n%s", diff)
	}
	w.sync(exitDone)
	w.settled()
	ada, _ := w.application.Find(identity.User, "ada@example.com")
	w.must(w.org.UpdateUser("00uada", map[string]any{"lastName": "Lovelace"}))
	w.must(w.org.UpdateUser("00ubob", map[string]any{"lastName": "Other"}))
	for i, value := range []string{"00uada", "ADA@example.com", ada.ID} {
		got := w.sync(exitDone, "--only", "user:"+value)
		if want := 1 - min(i, 1); len(got.Changes) != want {
			t.Errorf("--only user:%s made %v, want %d changes", value, listed(got.Changes), want)
		}
	}
	w.must(w.org.RemoveMember("00gred", "00ucid"))
	w.must(w.org.AddMember("00gred", "00ueve"))
	got = w.sync(exitDone, "--only", "group:Red")
	want := []string{"add-members group Red eve@example.com", "remove-members group Red cid@example.com"}
	if diff := cmp.Diff(want, listed(got.Changes)); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
	w.must(w.org.SetStatus("00udan", oktatest.Suspended))
	w.sync(exitDone, "--only", "user:dan+x@example.com")
	w.inactive("dan+x@example.com")
	w.must(w.org.DeleteUser("00ueve"))
	w.sync(exitDone, "--only", "user:eve@example.com")
	w.inactive("eve@example.com")
	if r := w.command("sync", "--only", "user:nobody@example.com"); r.code != exitFailed {
		t.Errorf("somebody unknown: want exit %d\n%s", exitFailed, r)
	}
	if got := w.sync(exitDone); len(got.Changes) != 1 {
		t.Errorf("the next cycle made %v, want bob alone", listed(got.Changes))
	}
	w.settled()
	w.complete()
}
