package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// The requests of a delta cycle grow with what has changed, not with the directory:
// at every size they are the same.
func TestDeltaRequests(t *testing.T) {
	t.Parallel()
	sizes := []int{1000, 5000}
	asked := make([]int, len(sizes))
	t.Cleanup(func() {
		if asked[0] != asked[1] && !t.Failed() {
			t.Errorf("100 changes take %d requests, by the size of the directory %d", asked, sizes)
		}
	})
	for i, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, entratest.Synthetic(size, 50, 5*size, 1), "full: \"0 3 * * *\"\nusers: {}\ngroups: {nested: ignore}\n")
			d.sync(exitDone)
			d.asked()
			d.delta(exitDone)
			if target, source := d.asked(); target != thereAtAll || source != 2 {
				t.Errorf("%d and %d requests when nothing changed, want %d and 2", target, source, thereAtAll)
			}
			var active []string
			for _, u := range d.application.Users() {
				if u.Active {
					active = append(active, u.ExternalID)
				}
			}
			for _, id := range active[:5] {
				d.must(d.tenant.UpdateUser(id, map[string]any{"surname": "Changed"}))
			}
			d.asked()
			if got := d.delta(exitDone); len(got.Changes) != 5 {
				t.Errorf("changes %v, want 5", listed(got.Changes))
			}
			if target, source := d.asked(); target != 10 || source != 2 {
				t.Errorf("%d and %d requests for 5 changes, want 10 and 2", target, source)
			}
			// A hundred changes: 40 people change, 30 come, 15 go, 15 groups
			// get a member.
			for _, id := range active[:40] {
				d.must(d.tenant.UpdateUser(id, map[string]any{"surname": "Changed again"}))
			}
			for n := range 30 {
				_, err := d.tenant.CreateUser(entratest.Person(entraID(100+n), fmt.Sprintf("n%d@example.com", n), "New", "Hand"))
				d.must(err)
			}
			for _, id := range active[40:55] {
				d.must(d.tenant.SetEnabled(id, false))
			}
			for _, g := range d.application.Groups()[:15] {
				d.must(d.tenant.AddMember(g.ExternalID, d.stranger(g, active[55:])))
			}
			d.asked()
			got := d.delta(exitDone)
			if len(got.Changes) != 100 || got.Cycle != "delta" {
				t.Errorf("%d changes in a %s cycle, want 100 in a delta", len(got.Changes), got.Cycle)
			}
			target, source := d.asked()
			if asked[i] = target; target < 100 || target > 200 || source != 2 {
				t.Errorf("%d and %d requests for 100 changes, want 200 at most and 2", target, source)
			}
			d.agrees()
		})
	}
}

// stranger returns an active person who is not in a group, by source id.
func (d *tenancy) stranger(g scimtest.Resource, active []string) string {
	d.t.Helper()
	for _, u := range d.application.Users() {
		if !slices.Contains(g.Members, u.ID) && slices.Contains(active, u.ExternalID) {
			return u.ExternalID
		}
	}
	d.t.Fatalf("everybody is in %s", g.Name)
	return ""
}

// When very much has changed the whole target is compared, which costs less.
func TestDeltaOutgrown(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, entratest.Synthetic(300, 5, 100, 1), "full: \"0 3 * * *\"\nusers: {}\n")
	d.sync(exitDone)
	for _, u := range d.application.Users() {
		d.must(d.tenant.UpdateUser(u.ExternalID, map[string]any{"surname": "Changed"}))
	}
	d.asked()
	got := d.delta(exitDone)
	target, _ := d.asked()
	if reads := target - len(got.Changes); len(got.Changes) < 250 || reads > 20 {
		t.Errorf("%d changes and %d requests besides; want a listing", len(got.Changes), reads)
	}
	d.agrees()
	if got := d.delta(exitDone); len(got.Changes) > 0 {
		t.Errorf("changes %v in the next cycle", listed(got.Changes))
	}
}

// Somebody returns into the groups he is in by now, and out of those he has left,
// of which nothing is told any more.
func TestDeltaReturns(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	d.sync(exitDone)
	d.must(d.tenant.SetEnabled(entraID(3), false))
	d.delta(exitDone)
	d.must(d.tenant.RemoveMember(entraID(11), entraID(3)))
	d.must(d.tenant.AddMember(entraID(14), entraID(3)))
	d.must(d.tenant.AddMember(entraID(13), entraID(3))) // within OM_Blue
	if got := d.delta(exitDone); len(got.Changes) > 0 {
		t.Errorf("changes %v for somebody who takes no part", listed(got.Changes))
	}
	d.agrees()
	d.must(d.tenant.SetEnabled(entraID(3), true))
	d.changes(d.delta(exitDone), "reactivate user cy@example.com", "add-members group OM_Blue cy@example.com",
		"add-members group OM_Empty cy@example.com", "remove-members group OM_Red cy@example.com")
	d.agrees()
}
