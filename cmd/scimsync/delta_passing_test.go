package main

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/identity"
)

// The account of somebody who has left passes to whoever is hired in his place: on
// demand or by a delta cycle, the groups and bundles that it was left in are seen to.
func TestDeltaSuccessor(t *testing.T) {
	t.Parallel()
	bundled := strings.Replace(following, `groups: {include: ["OM_*"], leavers: delete}`,
		`groups: {include: ["OM_Blue"], leavers: delete, bundles: {OM_Red: [Admins]}}`, 1)
	for name, c := range map[string]struct {
		sync   string
		demand bool
	}{
		"delta": {sync: following}, "on demand": {sync: following, demand: true}, "in a bundle": {sync: bundled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), c.sync)
			_, err := d.application.Put(identity.Group, map[string]any{"displayName": "Admins"})
			d.must(err)
			d.sync(exitDone)
			d.must(d.tenant.PurgeUser(entraID(2)))
			d.changes(d.delta(exitDone), "deactivate user bo@example.com")
			_, err = d.tenant.CreateUser(entratest.Person(entraID(6), "bo@example.com", "Bo", "Berg"))
			d.must(err)
			if c.demand {
				d.sync(exitDone, "--only", "user:"+entraID(6))
			}
			d.delta(exitDone)
			d.agrees()
		})
	}
}

// Somebody comes into scope whose account carries his externalId under an earlier name,
// ours, another sync's or nobody's: he gets no second one.
func TestDeltaComesIntoScope(t *testing.T) {
	t.Parallel()
	const full = "full: \"0 3 * * *\"\n"
	t.Run("nobody's", func(t *testing.T) {
		t.Parallel()
		d := newTenancy(t, crew(), full+"users: {scope: surname != \"Berg\"}\n")
		_, err := d.application.Put(identity.User, map[string]any{"userName": "old.bo@example.com", "externalId": entraID(2), "active": true})
		d.must(err)
		d.sync(exitDone)
		d.must(d.tenant.UpdateUser(entraID(2), map[string]any{"surname": "Bergman"}))
		d.changes(d.delta(exitDone), "update user bo@example.com")
		d.agrees()
	})
	t.Run("another sync's", func(t *testing.T) {
		t.Parallel()
		d := newTenancy(t, crew(), following)
		d.followAll("  one:\n    from: entra\n    to: app\n    " + full + "    users: {scope: surname != \"Cole\"}\n" +
			"  two:\n    from: entra\n    to: app\n    " + full + "    users: {scope: surname == \"Cole\"}\n")
		d.sync(exitDone, "one")
		d.sync(exitDone, "two")
		d.must(d.tenant.UpdateUser(entraID(2), map[string]any{"surname": "Cole", "userPrincipalName": "bo.cole@example.com"}))
		d.changes(d.delta(exitPartial, "two"))
	})
}

// A sync that was out of the configuration for a while, during which others read its
// source, was not told what changed.
func TestDeltaSiblingAway(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	const people = "  people:\n    from: entra\n    to: app\n    full: \"0 3 * * *\"\n    users: {scope: givenName != \"Bo\"}\n"
	const bo = "  bo:\n    from: entra\n    to: app\n    full: \"0 3 * * *\"\n    users: {scope: givenName == \"Bo\"}\n"
	d.followAll(people + bo)
	for range 2 {
		d.sync(exitDone, "people")
		d.sync(exitDone, "bo")
	}
	d.delta(exitDone, "bo")
	d.followAll(people)
	d.must(d.tenant.SetEnabled(entraID(2), false))
	d.delta(exitDone, "people")
	d.followAll(people + bo)
	got := d.sync(exitDone, "bo")
	d.changes(got, "deactivate user bo@example.com")
	if got.Cycle != "full" {
		t.Errorf("a %s cycle", got.Cycle)
	}
	d.delta(exitDone, "bo")
	d.delta(exitDone, "people")
}

// Whoever refers to a group that changes takes part in memberships as before.
func TestDeltaReferenceToGroup(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), strings.Replace(following, "reference: user", "reference: group", 1))
	d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"officeLocation": entraID(14)}))
	d.sync(exitDone)
	d.must(d.tenant.UpdateGroup(entraID(14), map[string]any{"displayName": "OM_Vacant"}))
	d.changes(d.delta(exitDone), "update group OM_Vacant")
	d.must(d.tenant.AddMember(entraID(12), entraID(1)))
	d.changes(d.delta(exitDone), "add-members group OM_Blue ada@example.com")
	d.agrees()
}

// Two groups of one name are left alone both, also when only one of them changes, or
// somebody in it returns.
func TestDeltaRivals(t *testing.T) {
	t.Parallel()
	red := func(d *tenancy) int {
		group, _ := d.application.Find(identity.Group, "OM_Red")
		return len(group.Members)
	}
	t.Run("one changes", func(t *testing.T) {
		t.Parallel()
		d := newTenancy(t, crew(), following)
		d.sync(exitDone)
		_, err := d.tenant.CreateGroup(entratest.Team(entraID(15), "OM_Red", entraID(5)))
		d.must(err)
		d.delta(exitPartial)
		d.must(d.tenant.RemoveMember(entraID(11), entraID(1)))
		d.changes(d.delta(exitPartial))
		d.must(d.tenant.DeleteGroup(entraID(15)))
		d.must(d.tenant.UpdateGroup(entraID(11), map[string]any{"displayName": "OM_Crimson"}))
		d.changes(d.delta(exitDone), "update group OM_Crimson", "remove-members group OM_Crimson ada@example.com")
		d.agrees()
	})
	t.Run("somebody returns", func(t *testing.T) {
		t.Parallel()
		d := newTenancy(t, crew(), following)
		d.sync(exitDone)
		d.must(d.tenant.SetEnabled(entraID(3), false))
		d.delta(exitDone)
		d.must(d.tenant.RemoveMember(entraID(11), entraID(3)))
		d.delta(exitDone)
		d.must(d.tenant.UpdateGroup(entraID(14), map[string]any{"displayName": "OM_Red"}))
		d.delta(exitPartial)
		before := red(d)
		d.must(d.tenant.SetEnabled(entraID(3), true))
		d.changes(d.delta(exitDone), "reactivate user cy@example.com")
		if after := red(d); after != before {
			t.Errorf("%d members, before %d", after, before)
		}
	})
}

// An account that somebody has deleted by hand is made anew, and those who refer to it
// hear of its new id.
func TestDeltaReferenceVanished(t *testing.T) {
	t.Parallel()
	for name, boss := range map[string]string{"by name": "bo@example.com", "by id": entraID(2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), following)
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"officeLocation": boss}))
			d.sync(exitDone)
			d.sync(exitDone, "--full")
			d.must(d.application.Delete(identity.User, "bo@example.com"))
			d.must(d.tenant.UpdateUser(entraID(2), map[string]any{"surname": "Other"}))
			d.changes(d.delta(exitDone),
				"create user bo@example.com", "update user ada@example.com", "add-members group OM_Red bo@example.com")
			d.agrees()
		})
	}
}

// A group refers to somebody who is made in the same cycle.
func TestDeltaReferenceOfGroup(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--full"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), strings.Replace(following, "leavers: delete}",
				"leavers: delete, matching: {by: [displayName]}, map: {externalId: {value: description, reference: user}}}", 1))
			d.sync(exitDone)
			_, err := d.tenant.CreateUser(entratest.Person(entraID(6), "fay@example.com", "Fay", "Fox"))
			d.must(err)
			d.must(d.tenant.UpdateGroup(entraID(14), map[string]any{"description": entraID(6)}))
			d.changes(d.sync(exitDone, args...), "create user fay@example.com", "update group OM_Empty")
			d.agrees()
		})
	}
}
