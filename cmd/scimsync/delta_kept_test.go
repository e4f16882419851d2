package main

import (
	"testing"
)

// A group that is kept although it is gone at the source, or out of scope, stays as
// it is, whoever returns: a full cycle does not look at its members either.
func TestDeltaKeptGroups(t *testing.T) {
	t.Parallel()
	const kept = "full: \"0 3 * * *\"\ngroups: {include: [\"OM_*\"], leavers: keep}\n"
	for name, leave := range map[string]func(d *tenancy){
		"gone":         func(d *tenancy) { d.must(d.tenant.DeleteGroup(entraID(11))) },
		"out of scope": func(d *tenancy) { d.must(d.tenant.UpdateGroup(entraID(11), map[string]any{"displayName": "Red"})) },
	} {
		for _, when := range []string{"a member", "no member any more"} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				d := newTenancy(t, crew(), kept)
				d.sync(exitDone)
				d.must(d.tenant.SetEnabled(entraID(1), false))
				d.changes(d.delta(exitDone), "deactivate user ada@example.com")
				if when != "a member" {
					d.must(d.tenant.RemoveMember(entraID(11), entraID(1)))
					d.changes(d.delta(exitDone))
				}
				leave(d)
				d.changes(d.delta(exitDone))
				d.must(d.tenant.SetEnabled(entraID(1), true))
				d.changes(d.delta(exitDone), "reactivate user ada@example.com")
				d.agrees()
			})
		}
	}
}
