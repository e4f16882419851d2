package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

const alation = "profile: alation\n"

// staff is a directory of three groups and four people, one of whom is disabled,
// beside accounts that are nobody's.
func staff() sailpointtest.World {
	w := groupsNamed("Stewards", "Admins", "Empty")
	dn := func(i int) string { return w.Entitlements[i].Value }
	off := sailpointtest.Person("di", "di@example.com", "Di", "Dahl", dn(0))
	off.Disabled, off.CloudLifecycleState = true, "inactive"
	machine := sailpointtest.Person("robot", "robot@example.com", "Ro", "Bot", dn(0))
	machine.IsMachine = true
	w.Accounts = []sailpointtest.Account{
		sailpointtest.Person("ada", "ada@example.com", "Ada", "Archer", dn(0), dn(1)),
		sailpointtest.Person("bo", "bo@example.com", "Bo", "Berg", dn(0)),
		sailpointtest.Person("cy", "cy@example.com", "Cy", "Cole"),
		off, machine,
	}
	return w
}

func (g *groupSync) group(i int) string { return staff().Entitlements[i].ID }

// TestSailPointToAlation: users and memberships, from the first load through what
// happens to people and groups.
func TestSailPointToAlation(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, staff(), func(c *groupSyncConfig) {
		c.target, c.notify = alation, "{to: [stewards], events: [failed]}"
		c.sync = `users:
  map:
    active: '!disabled && (cloudLifecycleState ?? "active") == "active"'
groups: {}
`
	})
	active := func(name string) bool {
		t.Helper()
		u, ok := g.application.Find(identity.User, name)
		if !ok {
			t.Fatalf("no user %s", name)
		}
		return u.Active
	}
	members := func(group string, want ...string) {
		t.Helper()
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(want, g.members(group)); diff != "" {
			t.Errorf("members of %s (-want +have):\n%s", group, diff)
		}
	}
	if r := g.command("check"); r.code != exitDone {
		t.Fatal(r)
	}
	got := g.sync(exitDone)
	if got.Summary.Users.Create != 3 || got.Summary.Groups.Create != 3 {
		t.Errorf("created %+v", got.Summary)
	}
	members("Stewards", "ada@example.com", "bo@example.com")
	members("Admins", "ada@example.com")
	members("Empty")
	g.idle(exitDone)

	t.Log("somebody joins a group and leaves another")
	g.must(g.tenant.Grant(g.group(1), "cy"))
	g.must(g.tenant.Revoke(g.group(0), "bo"))
	g.sync(exitDone)
	members("Stewards", "ada@example.com")
	members("Admins", "ada@example.com", "cy@example.com")
	g.idle(exitDone)

	t.Log("an account is disabled, and enabled again")
	g.must(g.tenant.UpdateAccount("ada", func(a *sailpointtest.Account) { a.Disabled = true }))
	got = g.sync(exitDone)
	if active("ada@example.com") || len(got.Changes) != 1 {
		t.Errorf("ada is active: %v; changes %v", active("ada@example.com"), listed(got.Changes))
	}
	g.idle(exitDone)
	g.must(g.tenant.UpdateAccount("ada", func(a *sailpointtest.Account) { a.Disabled = false }))
	g.sync(exitDone)
	if !active("ada@example.com") {
		t.Error("ada was not reactivated")
	}
	members("Stewards", "ada@example.com")

	t.Log("the life cycle ends")
	g.must(g.tenant.UpdateAccount("bo", func(a *sailpointtest.Account) { a.CloudLifecycleState = "terminated" }))
	g.sync(exitDone)
	if active("bo@example.com") {
		t.Error("bo is active after the life cycle")
	}
	g.idle(exitDone)

	t.Log("a person and a group get other names")
	g.must(g.tenant.UpdateAccount("cy", func(a *sailpointtest.Account) { a.Attributes["sn"] = "Cole-Öberg" }))
	g.must(g.tenant.RenameEntitlement(g.group(1), "Administrators", ""))
	got = g.sync(exitDone)
	if n := len(got.names("create", "group")) + len(got.names("create", "user")); n > 0 {
		t.Errorf("changes %v", listed(got.Changes))
	}
	members("Administrators", "ada@example.com", "cy@example.com")
	g.idle(exitDone)

	t.Log("an account is nobody's any more, another one is removed")
	g.must(g.tenant.UpdateAccount("cy", func(a *sailpointtest.Account) { a.Uncorrelated, a.IdentityID = true, "" }))
	g.must(g.tenant.RemoveAccount("ada"))
	g.sync(exitDone)
	if active("cy@example.com") || active("ada@example.com") {
		t.Error("they are still active")
	}
	g.idle(exitDone)

	t.Log("somebody new, and the one who was nobody's is somebody's again")
	g.must(g.tenant.PutAccount(sailpointtest.Person("ed", "ed@example.com", "Ed", "Eck", staff().Entitlements[2].Value)))
	g.must(g.tenant.UpdateAccount("cy", func(a *sailpointtest.Account) { a.Uncorrelated, a.IdentityID = false, "identity-cy" }))
	g.sync(exitDone)
	members("Empty", "ed@example.com")
	if !active("cy@example.com") {
		t.Error("cy was not reactivated")
	}
	g.idle(exitDone)
	if mails := g.post.mails(t); len(mails) > 0 {
		t.Errorf("mails about failures: %v", mails)
	}
}

// TestSailPointAccessProfiles: a bundle is a group, whose members hold all of it.
func TestSailPointAccessProfiles(t *testing.T) {
	t.Parallel()
	people := staff()
	ids := []string{people.Entitlements[0].ID, people.Entitlements[1].ID}
	people.AccessProfiles = []sailpointtest.AccessProfile{sailpointtest.Profile("bundle", "R&D + Labs", ids...)}
	g := newGroupSync(t, people, func(c *groupSyncConfig) {
		c.source = "access_profiles: true\n"
		c.sync = "users: {}\ngroups: {scope: 'type == \"access_profile\"', leavers: delete}\n"
	})
	g.sync(exitDone)
	if diff := cmp.Diff([]string{"R&D + Labs"}, g.names()); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
	if have := g.members("R&D + Labs"); !slices.Equal(have, []string{"ada@example.com"}) {
		t.Errorf("members %v", have)
	}
	g.idle(exitDone)
	g.must(g.tenant.Grant(ids[1], "bo"))
	g.sync(exitDone)
	if have := g.members("R&D + Labs"); !slices.Equal(have, []string{"ada@example.com", "bo@example.com"}) {
		t.Errorf("members after a grant: %v", have)
	}
	if r := g.command("sync", "--only", "group:R&D + Labs"); r.code != exitDone {
		t.Error(r)
	}
	// Who may not see them any more does not take them for gone.
	denied := sailpointtest.DefaultClient()
	denied.Denied = []string{"GET /access-profiles"}
	g.tenant.Register(denied)
	if r := g.command("sync"); r.code != exitIncomplete {
		t.Error(r)
	}
	if len(g.names()) != 1 {
		t.Errorf("groups %v", g.names())
	}
	g.tenant.Register(sailpointtest.DefaultClient())
	disabled := people.AccessProfiles[0]
	disabled.Disabled = true
	g.must(g.tenant.PutAccessProfile(disabled))
	g.sync(exitDone)
	if len(g.names()) != 0 {
		t.Errorf("groups %v after the access profile was switched off", g.names())
	}
	g.idle(exitDone)
}
