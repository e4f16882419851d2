package main

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

// Mass removal trips the guard whether it comes at once or in parts, and what is
// held waits for a person, cycle after cycle.
func TestDeltaGuard(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, entratest.Synthetic(100, 5, 200, 1), "full: \"0 3 * * *\"\nusers: {}\n")
	d.sync(exitDone)
	owned := d.countActive()
	people := d.application.Users()
	leave := func(n int) {
		t.Helper()
		for range n {
			d.must(d.tenant.DeleteUser(people[0].ExternalID))
			people = people[1:]
		}
	}
	leave(3)
	d.delta(exitDone)
	leave(30)
	got := d.delta(exitHeld)
	if got.Summary.Held != 30 || d.countActive() != owned-3 {
		t.Fatalf("held %d of 30, %d active of %d", got.Summary.Held, d.countActive(), owned-3)
	}
	// Two more are too many on top of what is held, as in a full cycle.
	leave(2)
	for range 2 {
		if got := d.delta(exitHeld); got.Summary.Held != 32 || len(got.Changes) > 0 {
			t.Fatalf("held %d, changes %v; want 32 held", got.Summary.Held, listed(got.Changes))
		}
	}
	// Others go on meanwhile.
	d.must(d.tenant.UpdateUser(people[0].ExternalID, map[string]any{"surname": "Changed"}))
	if got := d.delta(exitHeld); len(got.Changes) != 1 || got.Summary.Held != 32 {
		t.Errorf("held %d, changes %v; want one change besides", got.Summary.Held, listed(got.Changes))
	}
	// One of them comes back: what was held for him is no more.
	if r := d.command("plan"); !strings.Contains(r.out, "--allow-removals 32") {
		t.Errorf("the plan does not show what is held\n%s", r)
	}
	gone := d.application.Users()[10].ExternalID
	d.must(d.tenant.RestoreUser(gone))
	if got := d.delta(exitHeld); got.Summary.Held != 31 {
		t.Errorf("held %d after one came back, want 31", got.Summary.Held)
	}
	d.sync(exitHeld, "--allow-removals", "30")
	d.delta(exitDone, "--allow-removals", "31")
	d.delta(exitDone)
	d.agrees()
}

// The source shows nobody any more: a delta says so one by one, and is not
// believed any more than a full read.
func TestDeltaEmptied(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	d.sync(exitDone)
	for n := 1; n <= 5; n++ {
		d.must(d.tenant.DeleteUser(entraID(n)))
	}
	got := d.delta(exitHeld)
	if d.countActive() != 5 || len(got.Guard.Trips) == 0 || got.Guard.Trips[0].Rule != "emptied" {
		t.Errorf("%d active, guard %+v; want all held as emptied", d.countActive(), got.Guard)
	}
}

// A delta of mass removal from a target that lost most of its accounts is compared
// with the whole of it.
func TestDeltaVanished(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, entratest.Synthetic(60, 2, 20, 1), "full: \"0 3 * * *\"\nusers: {}\n")
	d.sync(exitDone)
	people := d.application.Users()
	d.must(d.application.Wipe())
	for _, u := range people[:4] {
		d.must(d.tenant.UpdateUser(u.ExternalID, map[string]any{"surname": "Changed"}))
	}
	got := d.delta(exitHeld)
	if len(got.Changes) > 0 || len(got.Guard.Trips) == 0 || got.Guard.Trips[0].Rule != "vanished" {
		t.Errorf("changes %v, guard %+v; want everything held as vanished", listed(got.Changes), got.Guard)
	}
}

// What was held of somebody dissolves when his successor takes the account over.
func TestDeltaHeldPredecessor(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), "full: \"0 3 * * *\"\nusers: {}\nguards: {users: {max: 0}, floor: 0}\n")
	d.sync(exitDone)
	d.must(d.tenant.DeleteUser(entraID(1)))
	if got := d.delta(exitHeld); got.Summary.Held != 1 {
		t.Fatalf("held %d, want 1", got.Summary.Held)
	}
	_, err := d.tenant.CreateUser(entratest.Person(entraID(6), "ada@example.com", "Ada", "Archer"))
	d.must(err)
	d.changes(d.delta(exitDone), "adopt user ada@example.com")
	d.delta(exitDone)
	d.agrees()
}
