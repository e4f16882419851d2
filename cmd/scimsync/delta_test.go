package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// changes demands what a run did.
func (d *tenancy) changes(got syncJSON, want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(want, listed(got.Changes)); diff != "" {
		d.t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// The model and the comparison with a full cycle see a change that got lost
// between the source and the application, and one that somebody made there.
func TestDeltaSeesDefects(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	d.sync(exitDone)
	m := newTenantModel(d)
	if problem := m.differs() + d.disagrees(); problem != "" {
		t.Fatal(problem)
	}
	seen := func(what string) {
		t.Helper()
		if m.differs() == "" {
			t.Errorf("%s: the model sees no difference", what)
		}
		if d.disagrees() == "" {
			t.Errorf("%s: a full cycle finds nothing to do", what)
		}
	}
	d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": "Lovelace"}))
	m.people[entraID(1)].last = "Lovelace"
	d.json(exitDone, "plan") // reads the change
	l, err := ledger.Open(t.Context(), d.dir+"/scimsync.db")
	d.must(err)
	for dirty, err := range l.Dirty(t.Context(), "main") {
		d.must(err)
		dirty.Mark = 0
		d.must(l.ClearDirty(t.Context(), "main", dirty))
	}
	d.must(l.Close())
	if got := d.delta(exitDone); len(got.Changes) > 0 {
		t.Fatalf("changes %v, although the mark was lost", listed(got.Changes))
	}
	seen("a lost mark")
	d.changes(d.sync(exitDone, "--full"), "update user ada@example.com")
	d.must(d.application.RemoveMember("OM_Red", "bo@example.com"))
	d.delta(exitDone)
	seen("a membership taken away")
	d.sync(exitDone, "--full")
	if problem := m.differs() + d.disagrees(); problem != "" {
		t.Fatal(problem)
	}
}

// A cursor that has expired makes the cycle a full one, at once.
func TestDeltaExpired(t *testing.T) {
	t.Parallel()
	for _, form := range []entratest.Resync{entratest.ResyncGone, entratest.ResyncBadRequest} {
		d := newTenancy(t, crew(), following)
		d.tenant.Configure(func(o *entratest.Options) { o.Resync = form })
		d.sync(exitDone)
		d.delta(exitDone)
		d.must(d.tenant.SetEnabled(entraID(1), false))
		d.must(d.tenant.DeleteUser(entraID(2)))
		d.tenant.ExpireTokens()
		got := d.sync(exitDone)
		if got.Cycle != "full" {
			t.Errorf("the cycle was %s, want full", got.Cycle)
		}
		d.changes(got, "deactivate user ada@example.com", "deactivate user bo@example.com")
		d.must(d.tenant.SetEnabled(entraID(1), true))
		d.changes(d.delta(exitDone), "reactivate user ada@example.com")
		d.agrees()
	}
}

// A delta read that does not reach its end changes nothing, here or there, and the
// next one begins where it did.
func TestDeltaUnfinished(t *testing.T) {
	t.Parallel()
	users := entratest.Path("/users/delta")
	page := func(link string) entratest.Effect {
		return entratest.Effect{Status: http.StatusOK, Body: fmt.Sprintf(
			`{"value":[{"id":%q,"surname":"Wrong","userPrincipalName":"ada@example.com","accountEnabled":true}]%s}`, entraID(1), link)}
	}
	for name, effect := range map[string]entratest.Effect{
		"server error":   {Status: http.StatusInternalServerError},
		"hangup":         {Hangup: true},
		"no link":        page(""),
		"next link 404":  page(`,"@odata.nextLink":"/v1.0/users/delta?$skiptoken=nothing-here"`),
		"half an answer": {Truncate: 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), following)
			d.sync(exitDone)
			before, mark := d.application.Users(), d.bookmark()
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": "Lovelace"}))
			faults := []entratest.Fault{{ID: name, Match: users, Effect: effect, MinFires: 1}}
			if name == "next link 404" {
				faults = []entratest.Fault{
					{ID: "next", Match: entratest.Next(users), Effect: entratest.Effect{Status: http.StatusNotFound}, MinFires: 1},
					{ID: name, Match: users, Times: 1, Effect: effect, MinFires: 1},
				}
			}
			d.tenant.Inject(faults...)
			d.sync(exitIncomplete)
			if unfired := d.tenant.Unfired(); len(unfired) > 0 {
				t.Fatal(unfired)
			}
			d.same(before, d.application.Users())
			if diff := cmp.Diff(mark, d.bookmark()); diff != "" {
				t.Errorf("the cursor moved:\n%s", diff)
			}
			d.tenant.ClearFaults()
			d.changes(d.delta(exitDone), "update user ada@example.com")
			d.agrees()
		})
	}
}

// bookmark returns how the source was last read.
func (d *tenancy) bookmark() ledger.Bookmark {
	d.t.Helper()
	l, err := ledger.OpenReadOnly(d.t.Context(), d.dir+"/scimsync.db")
	d.must(err)
	defer l.Close()
	mark, _, err := l.Mirror("entra").Bookmark(d.t.Context())
	d.must(err)
	return mark
}

// Whatever a killed run has read and not written is written by the next one,
// which reads nothing of it again.
func TestDeltaKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []place{
		{toTarget, "GET", "", 1, arrived}, // the source was read
		{toTarget, "GET", "", 6, answered},
		{toTarget, "POST", "/Users", 1, arrived},
		{toTarget, "POST", "/Users", 1, performed},
		{toTarget, "PATCH", "/Users", 1, arrived},
		{toTarget, "PATCH", "/Users", 1, answered},
		{toTarget, "PATCH", "/Groups", 1, arrived},
		{toTarget, "PATCH", "/Groups", 1, performed},
	} {
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), following)
			gate := newGate(t, d.application)
			d.url = gate.server.URL + "/scim/v2"
			d.follow(following)
			d.sync(exitDone)
			d.must(d.tenant.SetEnabled(entraID(3), false))
			d.delta(exitDone)
			m := newTenantModel(d)
			// Somebody comes, one returns, one is renamed, two move.
			d.must(d.tenant.SetEnabled(entraID(3), true))
			_, err := d.tenant.CreateUser(entratest.Person(entraID(6), "fay@example.com", "Fay", "Fox"))
			d.must(err)
			m.people[entraID(6)] = &tenantPerson{upn: "fay@example.com", last: "Fox", active: true}
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": "Lovelace"}))
			m.people[entraID(1)].last = "Lovelace"
			for group, who := range map[string]string{entraID(14): entraID(6), entraID(12): entraID(1)} {
				d.must(d.tenant.AddMember(group, who))
				m.groups[group].members[who] = true
			}
			d.must(d.tenant.RemoveMember(entraID(11), entraID(1)))
			delete(m.groups[entraID(11)].members, entraID(1))
			w := &gated{world: d.world, source: newGate(t, d.tenant), target: gate}
			w.killAt(at, "sync")
			d.tenant.ResetRequests()
			d.delta(exitDone)
			if problem := m.differs(); problem != "" {
				t.Error(problem)
			}
			if _, source := d.asked(); source != 2 {
				t.Errorf("%d requests to the source, want those of a read of no change", source)
			}
			d.agrees()
			d.nothingOpen()
		})
	}
}

// What a full cycle that was killed had found at the target is not forgotten: the
// next cycle puts it right, although the source has nothing to say of it.
func TestDeltaAfterKilledFull(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	gate := newGate(t, d.application)
	d.url = gate.server.URL + "/scim/v2"
	d.follow(following)
	d.sync(exitDone)
	d.must(d.application.RemoveMember("OM_Red", "bo@example.com"))
	d.must(d.application.Edit(identity.User, "ada@example.com", "name.familyName", "Mallory"))
	w := &gated{world: d.world, source: newGate(t, d.tenant), target: gate}
	w.killAt(place{toTarget, "PATCH", "/Users", 1, arrived}, "sync", "--full")
	d.changes(d.delta(exitDone), "update user ada@example.com", "add-members group OM_Red bo@example.com")
	d.agrees()
}

// Syncs on one source share its cursor: what one of them reads all of them follow,
// also what it does not need itself.
func TestDeltaSiblings(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	d.followAll(`  people:
    from: entra
    to: app
    full: "0 3 * * *"
    users: {scope: givenName != "Bo"}
`)
	d.sync(exitDone)
	d.delta(exitDone)
	other, err := scimtest.New(scimtest.Options{Token: scimToken})
	d.must(err)
	otherURL, stop := other.Start()
	t.Cleanup(stop)
	d.target = "other:\n  type: scim\n  url: " + otherURL + "\n  auth: {bearer: {file: scim.token}}\n"
	syncs := d.syncs + `  teams:
    from: entra
    to: other
    full: "0 3 * * *"
    users: {}
    groups: {include: ["OM_*"]}
`
	d.followTwo(syncs, d.target)
	// The mirror holds no groups yet: both read all there is.
	if got := d.sync(exitDone, "people"); got.Cycle != "full" {
		t.Errorf("the cycle was %s, want full: more is read than before", got.Cycle)
	}
	d.sync(exitDone, "teams")
	for range 2 {
		d.delta(exitDone, "people")
		d.delta(exitDone, "teams")
	}
	// One reads what the other has to do, and the other way round.
	d.must(d.tenant.AddMember(entraID(14), entraID(2)))
	d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": "Lovelace"}))
	d.changes(d.delta(exitDone, "people"), "update user ada@example.com")
	d.changes(d.delta(exitDone, "teams"), "update user ada@example.com", "add-members group OM_Empty bo@example.com")
	d.must(d.tenant.SetEnabled(entraID(3), false))
	d.changes(d.delta(exitDone, "teams"), "deactivate user cy@example.com")
	d.changes(d.delta(exitDone, "people"), "deactivate user cy@example.com")
	for range 2 {
		if got := d.delta(exitDone, "teams"); len(got.Changes) > 0 {
			t.Errorf("changes %v, want none left", listed(got.Changes))
		}
	}
}

// followTwo configures syncs to two targets.
func (d *tenancy) followTwo(syncs, second string) {
	d.t.Helper()
	d.target = ""
	d.followAll(syncs)
	text := d.read("scimsync.yaml")
	d.write("scimsync.yaml", strings.Replace(text, "syncs:\n", indent(2, second)+"syncs:\n", 1))
}

// What cannot be decided is named once and costs nothing until it is due again or
// changes at the source.
func TestDeltaUndecided(t *testing.T) {
	t.Parallel()
	const byMail = "full: \"0 3 * * *\"\nusers: {map: {userName: mail}}\n"
	d := newTenancy(t, crew(), byMail)
	d.sync(exitDone)
	twin := entratest.Person(entraID(6), "ada.two@example.com", "Ada", "Archer")
	twin.Properties["mail"] = "ada@example.com"
	_, err := d.tenant.CreateUser(twin)
	d.must(err)
	before := d.application.Users()
	// Neither on demand nor in a cycle is an active person's account taken over.
	d.sync(exitPartial, "--only", "user:"+entraID(6))
	d.same(before, d.application.Users())
	d.asked()
	d.delta(exitPartial)
	d.same(before, d.application.Users())
	if target, _ := d.asked(); target == 0 || target > 3 {
		t.Errorf("%d requests for one new person", target)
	}
	d.delta(exitDone)
	if target, _ := d.asked(); target != thereAtAll {
		t.Errorf("%d requests for somebody who waits for his next try", target)
	}
	if r := d.command("plan"); r.code != exitPartial || !strings.Contains(r.out, "ada@example.com") {
		t.Errorf("a plan does not show who waits\n%s", r)
	}
	// He changes at the source: at once.
	d.must(d.tenant.UpdateUser(entraID(6), map[string]any{"mail": "ada.two@example.com"}))
	d.changes(d.delta(exitDone), "create user ada.two@example.com")
	d.agrees()
}

// An account that leaves with a grace period is switched off by the cycle after
// it, although nothing changes at the source any more.
func TestDeltaGrace(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), "full: \"0 3 * * *\"\nusers: {grace: 50ms}\n")
	d.sync(exitDone)
	d.must(d.tenant.DeleteUser(entraID(1)))
	for i := range 200 {
		got := d.delta(exitDone)
		if len(got.Changes) == 0 {
			continue
		}
		d.changes(got, "deactivate user ada@example.com")
		if i == 0 {
			t.Error("switched off within its grace period")
		}
		d.asked()
		d.delta(exitDone)
		if target, _ := d.asked(); target != thereAtAll {
			t.Errorf("%d requests after it has left", target)
		}
		d.agrees()
		return
	}
	t.Error("never switched off")
}

// Causes of leaving are told apart in delta cycles as well.
func TestDeltaCauses(t *testing.T) {
	t.Parallel()
	const causes = "full: \"0 3 * * *\"\nusers: {leavers: {gone: delete, unassigned: deactivate, disabled: deactivate, out_of_scope: keep}}\n"
	d := newTenancy(t, crew(), causes)
	d.assigned = entraID(22)
	d.follow(causes)
	d.sync(exitDone)
	d.must(d.tenant.RemoveMember(entraID(11), entraID(1)))
	d.must(d.tenant.DeleteUser(entraID(2)))
	d.changes(d.delta(exitDone), "deactivate user ada@example.com", "delete user bo@example.com")
	d.agrees()
}

// A record that could not be understood is read again at once, and again when it
// is due: what changes afterwards does not mend it.
func TestDeltaMends(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	d.sync(exitDone)
	d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": "Lovelace"}))
	d.tenant.Inject(entratest.Fault{
		ID: "odd", Match: entratest.Path("/users/delta"), Times: 1, MinFires: 1,
		Effect: entratest.Effect{Status: http.StatusOK, Body: fmt.Sprintf(
			`{"value":[{"id":%q,"accountEnabled":"maybe"}],"@odata.deltaLink":%q}`, entraID(1), d.deltaLink())},
	}, entratest.Fault{
		ID: "and by itself", Match: entratest.Path("/users/" + entraID(1)), Times: 1, MinFires: 1,
		Effect: entratest.Effect{Status: http.StatusOK, Body: fmt.Sprintf(`{"id":%q,"accountEnabled":"maybe"}`, entraID(1))},
	})
	if got := d.delta(exitPartial); len(got.Skipped) != 1 || len(got.Changes) > 0 {
		t.Fatalf("skipped %v, changes %v; want ada left alone", got.Skipped, listed(got.Changes))
	}
	if unfired := d.tenant.Unfired(); len(unfired) > 0 {
		t.Fatal(unfired)
	}
	// A person who does not want to wait.
	l, err := ledger.Open(t.Context(), d.dir+"/scimsync.db")
	d.must(err)
	d.must(l.MarkDirty(t.Context(), "main", "", identity.Ref{Kind: identity.User, ID: entraID(1)}))
	d.must(l.Close())
	d.changes(d.delta(exitDone), "update user ada@example.com")
	d.agrees()
}

// deltaLink returns a link at which the tenant tells what changed from now on.
func (d *tenancy) deltaLink() string {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet,
		d.tenantURL+"/v1.0/users/delta?$deltatoken=latest&$select=id,userPrincipalName,accountEnabled,displayName,givenName,surname,mail,officeLocation", http.NoBody)
	d.must(err)
	r.Header.Set("Authorization", "Bearer "+entratest.DefaultToken)
	answer, err := http.DefaultClient.Do(r)
	d.must(err)
	defer answer.Body.Close()
	var page struct {
		Link string `json:"@odata.deltaLink"`
	}
	d.must(decode(answer.Body, &page))
	if page.Link == "" {
		d.t.Fatal("the tenant gives no link")
	}
	return page.Link
}

// Somebody's manager who is not in the cycle keeps his place, in a delta cycle
// and on demand.
func TestDeltaReference(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"delta": nil, "on demand": {"--only", "user:" + entraID(1)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), following)
			d.sync(exitDone)
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"officeLocation": "BO@example.com"}))
			d.asked()
			d.changes(d.sync(exitDone, args...), "update user ada@example.com")
			bo, _ := d.application.Find(identity.User, "bo@example.com")
			if got := d.manager("ada@example.com"); got != bo.ID {
				t.Errorf("the manager is %v, want %s", got, bo.ID)
			}
			for _, r := range d.application.Log() {
				if strings.Contains(r.Path, bo.ID) {
					t.Errorf("%s %s: the manager was asked for", r.Method, r.Path)
				}
			}
			d.agrees()
		})
	}
}

// Whoever names somebody who has left, by name or by id, refers to him once he is
// back: his account was ours all the time, under the same name.
func TestDeltaReferenceReturns(t *testing.T) {
	t.Parallel()
	for name, boss := range map[string]string{"by name": "bo@example.com", "by id": entraID(2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), following)
			d.sync(exitDone)
			d.must(d.tenant.DeleteUser(entraID(2)))
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"officeLocation": boss}))
			d.changes(d.delta(exitDone), "deactivate user bo@example.com")
			d.must(d.tenant.RestoreUser(entraID(2)))
			d.changes(d.delta(exitDone),
				"update user ada@example.com", "reactivate user bo@example.com", "remove-members group OM_Red bo@example.com")
			bo, _ := d.application.Find(identity.User, "bo@example.com")
			if got := d.manager("ada@example.com"); got != bo.ID {
				t.Errorf("the manager is %v, want %s", got, bo.ID)
			}
			// She has him now, and is not looked at for another change of his.
			d.must(d.tenant.UpdateUser(entraID(2), map[string]any{"surname": "Other"}))
			d.asked()
			d.changes(d.delta(exitDone), "update user bo@example.com")
			ada, _ := d.application.Find(identity.User, "ada@example.com")
			for _, r := range d.application.Log() {
				if strings.Contains(r.Path+r.Query, ada.ID) || strings.Contains(r.Query, "ada") {
					t.Errorf("%s %s?%s: she was asked for", r.Method, r.Path, r.Query)
				}
			}
		})
	}
}

// Whoever is deleted and comes back gets another account, which those who refer to him
// hear of.
func TestDeltaReferenceMadeAnew(t *testing.T) {
	t.Parallel()
	for name, boss := range map[string]string{"by name": "bo@example.com", "by id": entraID(2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), strings.Replace(following, "users:\n", "users:\n  leavers: {disabled: delete}\n", 1))
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"officeLocation": boss}))
			d.sync(exitDone)
			d.sync(exitDone, "--full") // now that everybody has an account
			d.must(d.tenant.SetEnabled(entraID(2), false))
			d.changes(d.delta(exitDone), "delete user bo@example.com")
			d.must(d.tenant.SetEnabled(entraID(2), true))
			d.changes(d.delta(exitDone),
				"create user bo@example.com", "update user ada@example.com", "add-members group OM_Red bo@example.com")
			bo, _ := d.application.Find(identity.User, "bo@example.com")
			if got := d.manager("ada@example.com"); got != bo.ID {
				t.Errorf("the manager is %v, want %s", got, bo.ID)
			}
			d.agrees()
		})
	}
}

// manager returns whose id somebody's manager has at the application.
func (d *tenancy) manager(who string) any {
	enterprise, _ := d.user(who)["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)
	value, _ := enterprise["manager"].(map[string]any)
	return value["value"]
}
