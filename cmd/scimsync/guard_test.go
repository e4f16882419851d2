package main

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// untouched runs a sync that must not remove anything.
func (w *world) untouched(code int, args ...string) ran {
	w.t.Helper()
	users, groups, memberships := w.application.Counts()
	active := w.countActive()
	r := w.command(append([]string{"sync"}, args...)...)
	if r.code != code {
		w.t.Errorf("want exit %d\n%s", code, r)
	}
	u, g, m := w.application.Counts()
	if u != users || g != groups || m != memberships || w.countActive() != active {
		w.t.Errorf("the target lost something: %d users (%d active), %d groups, %d memberships; were %d (%d), %d, %d\n%s",
			u, w.countActive(), g, m, users, active, groups, memberships, r)
	}
	return r
}

func (w *world) countActive() int {
	n := 0
	for _, u := range w.application.Users() {
		if u.Active {
			n++
		}
	}
	return n
}

func TestSourceAnswersEmpty(t *testing.T) {
	t.Parallel()
	empty := oktatest.Effect{Status: 200, Body: "[]"}
	for name, c := range map[string]struct {
		fault oktatest.Fault
		code  int
	}{
		"no users":            {oktatest.Fault{ID: "users", Match: oktatest.Path("/api/v1/users"), Effect: empty, MinFires: 1}, exitHeld},
		"no groups":           {oktatest.Fault{ID: "groups", Match: oktatest.Path("/api/v1/groups"), Effect: empty, MinFires: 1}, exitHeld},
		"no members":          {oktatest.Fault{ID: "members", Match: oktatest.Path("/api/v1/groups/*/users"), Effect: empty, MinFires: 1}, exitHeld},
		"users fail":          {oktatest.Fault{ID: "500", Match: oktatest.Path("/api/v1/users"), Effect: oktatest.Effect{Status: 500}, MinFires: 1}, exitIncomplete},
		"members fail":        {oktatest.Fault{ID: "500", Match: oktatest.Path("/api/v1/groups/*/users"), Skip: 2, Effect: oktatest.Effect{Status: 500}, MinFires: 1}, exitIncomplete},
		"HTML":                {oktatest.Fault{ID: "html", Match: oktatest.Path("/api/v1/users"), Effect: oktatest.Effect{Status: 200, Body: "<html>login</html>"}, MinFires: 1}, exitIncomplete},
		"connection closes":   {oktatest.Fault{ID: "eof", Match: oktatest.Path("/api/v1/users"), Effect: oktatest.Effect{Hangup: true}, MinFires: 1}, exitIncomplete},
		"half an answer":      {oktatest.Fault{ID: "half", Match: oktatest.Path("/api/v1/users"), Effect: oktatest.Effect{Truncate: 100}, MinFires: 1}, exitIncomplete},
		"credential refused":  {oktatest.Fault{ID: "401", Match: oktatest.Path("/api/v1/users"), Effect: oktatest.Effect{Status: 401, Code: "E0000011"}, MinFires: 1}, exitUnauthorized},
		"permission withheld": {oktatest.Fault{ID: "403", Match: oktatest.Path("/api/v1/users"), Effect: oktatest.Effect{Status: 403, Code: "E0000006"}, MinFires: 1}, exitIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSync("users: {leavers: delete}\ngroups: {leavers: delete}\n"))
			w.sync(exitDone)
			if name == "no members" || name == "members fail" {
				// Groups whose members did not change are not read again.
				w.touchGroups()
			}
			w.org.Inject(c.fault)
			r := w.untouched(c.code)
			if unfired := w.org.Unfired(); len(unfired) > 0 {
				t.Fatalf("faults that never fired: %v", unfired)
			}
			if !strings.Contains(r.out+r.err, "nothing") && !strings.Contains(r.out, "--allow-removals") && c.code != exitUnauthorized {
				t.Errorf("the message does not say what to do:\n%s", r)
			}
			w.org.ClearFaults()
			if r := w.command("sync"); r.code != exitDone {
				t.Errorf("after the source is back:\n%s", r)
			}
			w.settled()
		})
	}
}

func (w *world) touchGroups() {
	w.t.Helper()
	ids := w.activeIDs()
	var groups []struct{ ID string }
	w.get("/api/v1/groups?limit=200", &groups)
	for _, g := range groups {
		for range 2 {
			// A change that leaves the membership as it is but moves its clock.
			if w.org.AddMember(g.ID, ids[0]) == nil {
				w.must(w.org.RemoveMember(g.ID, ids[0]))
			}
			ids[0] = ids[1]
		}
	}
}

func TestSourceShowsHalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(exitDone)
	for i, id := range w.activeIDs() {
		if i%2 == 0 {
			w.must(w.org.SetStatus(id, oktatest.Deprovisioned))
			w.must(w.org.DeleteUser(id))
		}
	}
	r := w.untouched(exitHeld)
	plan := w.json(exitDone, "plan")
	if !plan.Guard.Tripped || plan.Summary.Held == 0 {
		t.Fatalf("the plan does not show the guard: %+v\n%s", plan.Guard, r)
	}
	if r := w.command("plan", "--exit-code"); r.code != exitHeld {
		t.Errorf("plan --exit-code: want %d\n%s", exitHeld, r)
	}
	if r := w.command("status"); !strings.Contains(r.out, "held") {
		t.Errorf("status does not show what is held:\n%s", r)
	}
	w.untouched(exitHeld, "--allow-removals", "1")
	w.sync(exitDone, "--allow-removals", itoa(plan.Summary.Held))
	w.settled()
	w.complete()
}

// A few leavers pass; what a guard holds does not keep the rest from going.
func TestGuardLetsTheRestGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(exitDone)
	ids := w.activeIDs()
	for _, id := range ids[:12] {
		w.must(w.org.SetStatus(id, oktatest.Deprovisioned))
	}
	w.must(w.org.UpdateUser(ids[20], map[string]any{"lastName": "Changed"}))
	got := w.sync(exitHeld)
	if len(got.Held) != 12 || got.Summary.Users.Update != 1 || got.Changes[0].Outcome != "applied" {
		t.Errorf("held %d, updated %d; want 12 and 1", len(got.Held), got.Summary.Users.Update)
	}
	w.must(w.org.SetStatus(ids[0], oktatest.Active))
	if got := w.sync(exitHeld); len(got.Held) != 11 {
		t.Errorf("held %d after one returned, want 11", len(got.Held))
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everything+"guards: {on_trip: abort}\n"))
	w.sync(exitDone)
	ids := w.activeIDs()
	for _, id := range ids[:12] {
		w.must(w.org.SetStatus(id, oktatest.Deprovisioned))
	}
	w.must(w.org.UpdateUser(ids[20], map[string]any{"lastName": "Changed"}))
	if got := w.sync(exitHeld); len(got.Changes) != 0 || len(got.Held) != 13 {
		t.Errorf("%d changes, %d held; want nothing written", len(got.Changes), len(got.Held))
	}
}

func TestTargetEmptied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(exitDone)
	w.must(w.application.Wipe())
	got := w.sync(exitHeld)
	if len(got.Changes) != 0 || len(got.Held) == 0 {
		t.Errorf("%d changes, %d held; want everything held", len(got.Changes), len(got.Held))
	}
	w.sync(exitDone, "--allow-removals", itoa(got.Summary.Held))
	w.settled()
	w.complete()
}

func TestWrongTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(exitDone)
	other, err := scimtest.New(scimtest.Options{Token: scimToken})
	w.must(err)
	url, stop := other.Start()
	t.Cleanup(stop)
	w.url = url
	w.resync(everything)
	got := w.sync(exitHeld)
	if users, _, _ := other.Counts(); users != 0 || len(got.Changes) != 0 {
		t.Errorf("%d users made at another target, %d changes", users, len(got.Changes))
	}
	if !got.Guard.Tripped || got.Guard.Trips[0].Rule != "wrong_target" {
		t.Errorf("guard says %+v, want wrong_target", got.Guard)
	}
}

// An edit of the configuration that takes people away waits for a person, even
// below every limit, and again on the next run.
func TestConfigurationEdit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync("users: {}\ngroups: {}\n"))
	w.sync(exitDone)
	w.resync("users: {scope: 'profile.lastName != \"Byron\"'}\ngroups: {}\n")
	for range 2 {
		got := w.sync(exitHeld)
		if len(got.Changes) != 0 || len(got.Held) != 1 || got.Guard.Trips[0].Rule != "configuration" {
			t.Fatalf("changes %v, held %v, guard %+v; want ada's removal held", listed(got.Changes), listed(got.Held), got.Guard)
		}
	}
	w.must(w.org.SetStatus("00ubob", oktatest.Suspended))
	if got := w.sync(exitHeld); len(got.Changes) != 1 || got.Changes[0].Name != "bob@example.com" {
		t.Errorf("changes %v; want a leaver of the source to go as usual", listed(got.Changes))
	}
	w.sync(exitDone, "--allow-removals", "1")
	w.inactive("ada@example.com")
	w.settled()
}

func TestProtected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(withNumbers+"protect: {users: [ADA@example.com], groups: [red]}\n"))
	_, err := w.application.Put(identity.User, map[string]any{"userName": "ada@example.com", "active": true})
	w.must(err)
	_, err = w.application.Put(identity.Group, map[string]any{"displayName": "Red"})
	w.must(err)
	before := w.application.Users()[:1]
	groups := w.application.Groups()
	w.sync(exitDone)
	w.must(w.org.SetStatus("00uada", oktatest.Suspended))
	w.sync(exitDone)
	w.same(before, w.application.Users())
	w.same(groups, w.application.Groups())
}

func TestCeiling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(exitHeld, "--max-changes", "10")
	if users, _, _ := w.application.Counts(); users != 0 {
		t.Errorf("%d users written beyond the ceiling", users)
	}
	w.sync(exitDone, "--max-changes", "1000")
}
