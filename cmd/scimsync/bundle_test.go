package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// bundled is the staff with a group that stands for two roles at the application,
// both there before; one of them holds somebody by hand.
func bundled(t *testing.T, groups string) *groupSync {
	t.Helper()
	people := staff()
	g := newGroupSync(t, people, func(c *groupSyncConfig) {
		c.target, c.notify = alation, "{to: [stewards], events: [failed]}"
		c.sync = "users: {}\ngroups:\n" + indent(2, groups)
		c.application.SharedGroupNames = true
	})
	byHand, err := g.application.Put(identity.User, map[string]any{"userName": "zoe@example.com"})
	g.must(err)
	for _, role := range []string{"ServerAdmin", "CatalogAdmin"} {
		_, err := g.application.Put(identity.Group, map[string]any{
			"displayName": role, "externalId": "role " + role, "members": []any{map[string]any{"value": byHand}},
		})
		g.must(err)
	}
	return g
}

const roles = "scope: name == \"Stewards\"\nleavers: delete\nbundles: {Admins: [serveradmin, CatalogAdmin]}\n"

func (g *groupSync) holds(group string, want ...string) {
	g.t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, g.members(group)); diff != "" {
		g.t.Errorf("members of %s (-want +have):\n%s", group, diff)
	}
}

// named demands that something is named for a reason that holds these words.
func (g *groupSync) named(got syncJSON, say string) {
	g.t.Helper()
	for _, s := range got.Skipped {
		if strings.Contains(s.Why, say) {
			return
		}
	}
	g.t.Errorf("nothing is named for %q: %v", say, got.Skipped)
}

// TestBundles: the members of a source group, which is not provisioned itself,
// join the roles, which stay what they are.
func TestBundles(t *testing.T) {
	t.Parallel()
	g := bundled(t, roles)
	got := g.sync(exitDone)
	if adopted := got.names("adopt", "group"); len(adopted) != 2 {
		t.Errorf("adopted %v, want the two roles; %v", adopted, listed(got.Changes))
	}
	if diff := cmp.Diff([]string{"CatalogAdmin", "ServerAdmin", "Stewards"}, g.names()); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
	g.holds("ServerAdmin", "ada@example.com", "zoe@example.com")
	g.holds("CatalogAdmin", "ada@example.com", "zoe@example.com")
	g.idle(exitDone)

	t.Log("members follow, and only ours")
	g.must(g.tenant.Grant(g.group(1), "bo"))
	g.must(g.tenant.Revoke(g.group(1), "ada"))
	g.sync(exitDone)
	g.holds("ServerAdmin", "bo@example.com", "zoe@example.com")
	g.idle(exitDone)

	t.Log("somebody of ours was put into a role by hand")
	g.must(g.application.AddMember("CatalogAdmin", "cy@example.com"))
	g.sync(exitDone)
	g.holds("CatalogAdmin", "bo@example.com", "zoe@example.com")

	t.Log("the source group gets another name, and another one that name")
	g.must(g.tenant.RenameEntitlement(g.group(1), "Former admins", ""))
	g.named(g.sync(exitPartial), "no group called")
	g.holds("ServerAdmin", "bo@example.com", "zoe@example.com")
	g.must(g.tenant.RenameEntitlement(g.group(1), "ADMINS", ""))
	g.sync(exitDone)
	g.idle(exitDone)

	t.Log("one of them on demand")
	g.must(g.tenant.Grant(g.group(1), "cy"))
	g.sync(exitDone, "--only", "group:ServerAdmin")
	g.holds("ServerAdmin", "bo@example.com", "cy@example.com", "zoe@example.com")
	g.must(g.tenant.Revoke(g.group(1), "bo"))
	g.sync(exitDone, "--only", "user:bo@example.com")
	g.sync(exitDone)
	g.holds("CatalogAdmin", "cy@example.com", "zoe@example.com")
	g.idle(exitDone)

	t.Log("the roles are what they were")
	for _, role := range []string{"ServerAdmin", "CatalogAdmin"} {
		if have, ok := g.application.Find(identity.Group, role); !ok || have.ExternalID != "role "+role {
			t.Errorf("role %s is %+v", role, have)
		}
	}

	t.Log("out of the configuration: nobody loses anything, and nothing is deleted")
	g.config.sync = "users: {}\ngroups: {scope: 'name == \"Stewards\"', leavers: delete}\n"
	g.configure()
	g.sync(exitDone)
	g.holds("ServerAdmin", "cy@example.com", "zoe@example.com")
	g.idle(exitDone)
	if _, ok := g.application.Find(identity.Group, "CatalogAdmin"); !ok {
		t.Error("a role was deleted")
	}
}

// TestBundlesNamed: what cannot be told, or is not there, is named and nothing is
// made or emptied for it.
func TestBundlesNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, groups, say string
		prepare           func(g *groupSync)
	}{
		{"no such role", "scope: name == \"Stewards\"\nbundles: {Admins: [Nowhere]}\n", "has no group of this name", nil},
		{"no such group", "scope: name == \"Stewards\"\nbundles: {Nobody: [ServerAdmin]}\n", "no group called", nil},
		{"a role of a group", "bundles: {Admins: [Stewards]}\n", "provisioned under this name", nil},
		{"a role twice", "scope: name == \"Stewards\"\nbundles: {Admins: [ServerAdmin]}\n", "have this name", func(g *groupSync) {
			g.must(g.application.Edit(identity.Group, "CatalogAdmin", "displayName", "SERVERADMIN"))
		}},
		{"a group twice", "scope: name == \"Stewards\"\nbundles: {Admins: [ServerAdmin]}\n", "are called", func(g *groupSync) {
			g.must(g.tenant.PutEntitlement(sailpointtest.Group("ffffffffffffffffffffffffffffffff", "Admins", "CN=x,DC=y")))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := bundled(t, test.groups)
			if test.prepare != nil {
				test.prepare(g)
			}
			role, _ := g.application.Find(identity.Group, "ServerAdmin")
			before := g.members(role.ID)
			g.named(g.sync(exitPartial), test.say)
			if diff := cmp.Diff(before, g.members(role.ID)); diff != "" {
				t.Errorf("members of the role (-before +after):\n%s", diff)
			}
			if _, made := g.application.Find(identity.Group, "Nowhere"); made {
				t.Error("a role was made")
			}
		})
	}
}

// TestBundlesUnion: several groups join one role, which has the members of all of them;
// additive takes nobody out.
func TestBundlesUnion(t *testing.T) {
	t.Parallel()
	const two = "scope: name == \"Stewards\"\nmembers: %s\nbundles: {Admins: [ServerAdmin], Stewards: [ServerAdmin]}\n"
	g := bundled(t, strings.Replace(two, "%s", "additive", 1))
	g.sync(exitDone)
	g.holds("ServerAdmin", "ada@example.com", "bo@example.com", "zoe@example.com")
	g.must(g.tenant.Revoke(g.group(0), "ada")) // still in the other
	g.sync(exitDone)
	g.holds("ServerAdmin", "ada@example.com", "bo@example.com", "zoe@example.com")
	g.must(g.tenant.Revoke(g.group(1), "ada"))
	g.sync(exitDone)
	g.holds("ServerAdmin", "ada@example.com", "bo@example.com", "zoe@example.com")
	g.config.sync = strings.Replace(g.config.sync, "additive", "exact", 1)
	g.configure()
	// An edit that takes somebody out waits for a person's word.
	held := g.sync(exitHeld)
	g.holds("ServerAdmin", "ada@example.com", "bo@example.com", "zoe@example.com")
	g.sync(exitDone, "--allow-removals", itoa(held.Summary.Held))
	g.holds("ServerAdmin", "bo@example.com", "zoe@example.com")
	g.idle(exitDone)
}

// TestBundlesDelta: what changes between full cycles reaches the roles, also
// through groups within groups and through people who come and go; a full cycle
// after each finds nothing more to do.
func TestBundlesDelta(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), strings.Replace(following, `leavers: delete}`,
		`leavers: delete, bundles: {OM_Red: [Role], OM_Blue: [Role, Other], Inner: [Third]}}`, 1))
	for _, role := range []string{"Role", "Other", "Third"} {
		_, err := d.application.Put(identity.Group, map[string]any{"displayName": role})
		d.must(err)
	}
	d.sync(exitDone)
	size := func(role string, want int) {
		t.Helper()
		if have := d.members(role); len(have) != want {
			t.Errorf("%s has %v, want %d", role, have, want)
		}
	}
	size("Role", 5) // ada, bo, cy; di; ed by way of Inner
	size("Other", 2)
	size("Third", 1)
	steps := []struct {
		name               string
		do                 func() error
		role, other, third int
	}{
		{"nothing", func() error { return nil }, 5, 2, 1},
		{"leaves a group", func() error { return d.tenant.RemoveMember(entraID(11), entraID(1)) }, 4, 2, 1},
		{"joins one that is no group of ours", func() error { return d.tenant.AddMember(entraID(13), entraID(1)) }, 5, 3, 2},
		{"is disabled", func() error { return d.tenant.SetEnabled(entraID(5), false) }, 5, 3, 2}, // the inactive are left in peace
		{"leaves meanwhile", func() error { return d.tenant.RemoveMember(entraID(13), entraID(5)) }, 5, 3, 2},
		{"is enabled again", func() error { return d.tenant.SetEnabled(entraID(5), true) }, 4, 2, 1},
		{"the inner group moves", func() error { return d.tenant.RemoveMember(entraID(12), entraID(13)) }, 3, 1, 1},
		{"and comes back", func() error { return d.tenant.AddMember(entraID(11), entraID(13)) }, 4, 1, 1},
	}
	for _, step := range steps {
		d.must(step.do())
		d.delta(exitDone)
		size("Role", step.role)
		size("Other", step.other)
		size("Third", step.third)
		d.agrees()
		if t.Failed() {
			t.Fatalf("after: %s", step.name)
		}
	}
	d.application.ResetRequests()
	d.delta(exitDone)
	if n := d.application.Requests()["GET /Groups/{id}"]; n > 0 {
		t.Errorf("a cycle in which nothing changed asks for %d groups", n)
	}
	t.Log("the role refuses, and is tried again")
	d.must(d.application.Delete(identity.Group, "Third"))
	d.must(d.tenant.AddMember(entraID(13), entraID(2)))
	d.delta(exitPartial)
	_, err := d.application.Put(identity.Group, map[string]any{"displayName": "Third"})
	d.must(err)
	d.sync(exitDone, "--full")
	size("Third", 2)
	d.agrees()
}

// TestBundlesBlind: at an application that shows no members, a role has what was
// written to it.
func TestBundlesBlind(t *testing.T) {
	t.Parallel()
	g := bundled(t, roles)
	g.application.SetHazards(scimtest.Hazards{EmptyMembers: true})
	g.sync(exitDone)
	g.sync(exitDone)
	g.idle(exitDone)
	g.must(g.tenant.Grant(g.group(1), "bo"))
	g.must(g.tenant.Revoke(g.group(1), "ada"))
	g.sync(exitDone)
	g.idle(exitDone)
	g.application.SetHazards(scimtest.Hazards{})
	g.holds("ServerAdmin", "bo@example.com", "zoe@example.com")
}

// TestBundlesProtected: a protected role is left alone.
func TestBundlesProtected(t *testing.T) {
	t.Parallel()
	g := bundled(t, roles)
	g.config.sync += "protect: {groups: [ServerAdmin]}\n"
	g.configure()
	g.sync(exitDone)
	g.holds("ServerAdmin", "zoe@example.com")
	g.holds("CatalogAdmin", "ada@example.com", "zoe@example.com")
}
