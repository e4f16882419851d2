package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// model is what a person who knows the rules expects of a source, a target and
// the syncs between them. It knows nothing of plans.
type model struct {
	t interface {
		Helper()
		Fatal(args ...any)
		Fatalf(format string, args ...any)
	}
	draw  *rapid.T
	world *world
	// people by source id; absent: gone.
	people map[string]*modelPerson
	// teams by source id, with the source ids of their members.
	teams map[string]map[string]bool
	// titles are the names of the teams.
	titles map[string]string
	// served are the logins that have an account of ours.
	served  map[string]bool
	foreign []scimtest.Resource
	hires   int
	serial  int // of names that were given
}

type modelPerson struct {
	login, last string
	active      bool
}

// modelSync lets nothing stand in the way but the guard on accounts.
const modelSync = `users: {}
groups: {leavers: delete}
guards: {users: {max: 1, share: 100%}, groups: {max: 100, share: 100%}, memberships: {max: 1000, share: 100%}, floor: 1}
`

func newModel(t *testing.T, settings ...setting) *world {
	t.Helper()
	w := newWorld(t, append([]setting{withPeople(office()), withSync(modelSync)}, settings...)...)
	w.must(w.application.Seed(3))
	w.must(w.application.SeedGroups(1, 2))
	return w
}

// newOffice tells the model what the office is.
func newOffice(w *world) *model {
	m := &model{
		t: w.t, world: w, people: map[string]*modelPerson{}, teams: map[string]map[string]bool{}, served: map[string]bool{},
		titles:  map[string]string{"00gred": "Red", "00gblue": "Blue", "00gnone": "Nobody"},
		foreign: slices.Concat(w.application.Users(), w.application.Groups()),
	}
	office := office()
	for _, u := range office.Users {
		var profile struct{ Login, LastName string }
		w.must(json.Unmarshal(u.Profile, &profile))
		m.people[u.ID] = &modelPerson{login: profile.Login, last: profile.LastName, active: true}
	}
	for id, members := range map[string][]string{
		"00gred": {"00uada", "00ubob", "00ucid"}, "00gblue": {"00udan", "00ueve"}, "00gnone": nil,
	} {
		m.teams[id] = map[string]bool{}
		for _, member := range members {
			m.teams[id][member] = true
		}
	}
	return m
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// one draws a person.
func (m *model) one(what string) string {
	ids := slices.Sorted(maps.Keys(m.people))
	return rapid.SampledFrom(ids).Draw(m.draw, what)
}

func (m *model) team() string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.teams))).Draw(m.draw, "team")
}

// operations are what people do at the source and at the target.
func (m *model) operations() map[string]func() {
	w := m.world
	status := func(active bool, status string) func() {
		return func() {
			id := m.one("person")
			m.must(w.org.SetStatus(id, status))
			m.people[id].active = active
		}
	}
	return map[string]func(){
		"hire": func() {
			m.hires++
			id, login := fmt.Sprintf("00unew%d", m.hires), fmt.Sprintf("new%d@example.com", m.hires)
			_, err := w.org.CreateUser(colleague(id, login, "New", "Hand", fmt.Sprint(100+m.hires)))
			m.must(err)
			m.people[id] = &modelPerson{login: login, last: "Hand", active: true}
		},
		"suspend": status(false, oktatest.Suspended),
		"return":  status(true, oktatest.Active),
		"fire": func() {
			if len(m.people) == 1 {
				return
			}
			id := m.one("person")
			m.must(w.org.SetStatus(id, oktatest.Deprovisioned))
			m.must(w.org.DeleteUser(id))
			delete(m.people, id)
			for _, members := range m.teams {
				delete(members, id)
			}
		},
		"rename": func() {
			id := m.one("person")
			last := rapid.StringMatching(`[A-Z][a-z']{1,6}`).Draw(m.draw, "last name")
			m.must(w.org.UpdateUser(id, map[string]any{"lastName": last}))
			m.people[id].last = last
		},
		"relogin": func() {
			p := m.people[m.one("person")]
			was := p.login
			p.login = m.name("login") + "@example.com"
			m.must(w.org.UpdateUser(was, map[string]any{"login": p.login}))
			m.served[p.login] = m.served[was]
			delete(m.served, was)
		},
		"found": func() {
			name := m.name("Team")
			m.found("00g"+name, name, m.one("founder"))
		},
		"retitle": func() {
			id := m.team()
			m.titles[id] = m.name("Title")
			m.must(w.org.UpdateGroup(id, map[string]any{"name": m.titles[id]}))
		},
		"disband": func() {
			if len(m.teams) == 1 {
				return
			}
			id := m.team()
			m.must(w.org.DeleteGroup(id))
			delete(m.teams, id)
		},
		"join": func() {
			id, team := m.one("person"), m.team()
			m.must(w.org.AddMember(team, id))
			m.teams[team][id] = true
		},
		"part": func() {
			id, team := m.one("person"), m.team()
			if m.teams[team][id] {
				m.must(w.org.RemoveMember(team, id))
				delete(m.teams[team], id)
			}
		},
		// Somebody's hand at the target: the next sync undoes it.
		"tamper": func() {
			if login := m.servedOne(); login != "" {
				m.must(w.application.Edit(identity.User, login, "name.familyName", "Mallory"))
			}
		},
		"drop": func() {
			if login := m.servedOne(); login != "" {
				m.must(w.application.Delete(identity.User, login))
			}
		},
		"sync": m.sync,
	}
}

// name gives a name that nobody had.
func (m *model) name(of string) string {
	m.serial++
	return fmt.Sprint(of, m.serial)
}

// found makes a group of people.
func (m *model) found(id, name string, members ...string) {
	_, err := m.world.org.CreateGroup(oktatest.Team(id, name, members...))
	m.must(err)
	m.teams[id], m.titles[id] = map[string]bool{}, name
	for _, member := range members {
		m.teams[id][member] = true
	}
}

// servedOne draws an active person with an account; "" where there is none.
func (m *model) servedOne() string {
	var logins []string
	for _, p := range m.people {
		if p.active && m.served[p.login] {
			logins = append(logins, p.login)
		}
	}
	if slices.Sort(logins); len(logins) == 0 {
		return ""
	}
	login := rapid.SampledFrom(logins).Draw(m.draw, "account")
	if _, found := m.world.application.Find(identity.User, login); !found {
		return ""
	}
	return login
}

// enabled returns who has an active account of ours at the target, by source id.
func (m *model) enabled() map[string]bool {
	out := map[string]bool{}
	for _, u := range m.world.application.Users() {
		if u.Active && strings.HasPrefix(u.ExternalID, "00u") {
			out[u.ExternalID] = true
		}
	}
	return out
}

// sync runs until nothing is held, and demands that no run takes away more than
// the guard lets through unasked.
func (m *model) sync() {
	before := m.enabled()
	r := m.world.command("sync")
	lost := 0
	for id := range before {
		if !m.enabled()[id] {
			lost++
		}
	}
	switch {
	case r.code != exitDone && r.code != exitHeld:
		m.t.Fatalf("sync: %s", r)
	case lost > 1:
		m.t.Fatalf("%d accounts were switched off in one run, beyond the guard\n%s", lost, r)
	case r.code == exitHeld:
		held := m.world.json(exitDone, "plan").Summary.Held
		if r := m.world.command("sync", "--allow-removals", fmt.Sprint(held)); r.code != exitDone {
			m.t.Fatalf("sync with the removals allowed: %s", r)
		}
	}
	for _, p := range m.people {
		if p.active {
			m.served[p.login] = true
		}
	}
	if problem := m.differs(); problem != "" {
		m.t.Fatalf("after a sync: %s\n%s", problem, r)
	}
}

// differs says where the target is not what the model expects, and "" when it is.
func (m *model) differs() string {
	accounts := map[string]scimtest.Resource{}
	for _, u := range m.world.application.Users() {
		if _, twice := accounts[u.Name]; twice {
			return u.Name + " exists twice"
		}
		accounts[u.Name] = u
	}
	wanted := map[string]bool{}
	for id, p := range m.people {
		u, found := accounts[p.login]
		wanted[id] = p.active
		switch name, _ := u.Attributes["name"].(map[string]any); {
		case p.active && (!found || !u.Active):
			return p.login + " has no active account"
		case p.active && (u.ExternalID != id || name["familyName"] != p.last):
			return fmt.Sprintf("%s is %q %v, want %q %s", p.login, u.ExternalID, name["familyName"], id, p.last)
		}
	}
	for id := range m.enabled() {
		if !wanted[id] {
			return id + " has an active account and should not"
		}
	}
	for _, g := range m.world.application.Groups() {
		if strings.HasPrefix(g.ExternalID, "00g") && m.teams[g.ExternalID] == nil {
			return "the group " + g.Name + " should be gone"
		}
	}
	for id, members := range m.teams {
		if problem := m.teamDiffers(id, members, accounts); problem != "" {
			return problem
		}
	}
	return m.foreignDiffers()
}

// teamDiffers compares the active members of a team.
func (m *model) teamDiffers(id string, members map[string]bool, accounts map[string]scimtest.Resource) string {
	for _, g := range m.world.application.Groups() {
		if g.ExternalID != id {
			continue
		}
		if g.Name != m.titles[id] {
			return fmt.Sprintf("the group %s is called %q, want %q", id, g.Name, m.titles[id])
		}
		has := map[string]bool{}
		for _, member := range g.Members {
			has[member] = true
		}
		for person, p := range m.people {
			if p.active && has[accounts[p.login].ID] != members[person] {
				return fmt.Sprintf("%s in %s: %t, want %t", p.login, g.Name, !members[person], members[person])
			}
		}
		return ""
	}
	return "the group " + id + " is missing"
}

// foreignDiffers says which resource of others was touched.
func (m *model) foreignDiffers() string {
	now := map[string]scimtest.Resource{}
	for _, r := range slices.Concat(m.world.application.Users(), m.world.application.Groups()) {
		now[r.ID] = r
	}
	for _, r := range m.foreign {
		if fmt.Sprint(now[r.ID]) != fmt.Sprint(r) {
			return r.Name + " is nobody of ours and was touched"
		}
	}
	return ""
}

// modelRuns bounds the runs of one part, where SCIMSYNC_MODEL_RUNS does not ask for
// more: each has servers of its own.
const modelRuns = 6

// Whatever happens on both sides, after a sync the target is what the source says,
// what is not ours is as it was, and no run removes more than the guard lets pass.
func TestModel(t *testing.T) {
	t.Parallel()
	for part := range 3 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			checkModel(t, func(rt *rapid.T) {
				m := newOffice(newModel(t))
				m.t, m.draw = rt, rt
				m.sync()
				m.work(m.operations())
				m.sync()
				m.world.settled()
			})
		})
	}
}

// The same where syncs read only what has changed at the source, and a full plan
// afterwards finds nothing to do.
func TestModelOfChanges(t *testing.T) {
	t.Parallel()
	for part := range 2 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			checkModel(t, func(rt *rapid.T) {
				m := newOffice(newModel(t, withSync(modelSync+nightly)))
				m.t, m.draw = rt, rt
				m.sync()
				operations := m.operations()
				maps.DeleteFunc(operations, func(name string, _ func()) bool { return name == "tamper" || name == "drop" })
				m.work(operations)
				m.sync()
				if done := m.world.cycle("delta"); len(done.Changes) > 0 {
					rt.Fatalf("another cycle changes %v", listed(done.Changes))
				}
			})
		})
	}
}

// checkModel runs a model as often as is asked for.
func checkModel(t *testing.T, run func(*rapid.T)) {
	t.Helper()
	runs, limit, failed := 0, asked(t, "SCIMSYNC_MODEL_RUNS", modelRuns), false
	rapid.Check(t, func(rt *rapid.T) {
		// A failure is run again to be made small.
		if runs++; runs > limit && !failed {
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		run(rt)
	})
}

// work lets a few things happen.
func (m *model) work(operations map[string]func()) {
	names := slices.Sorted(maps.Keys(operations))
	for range rapid.IntRange(3, 12).Draw(m.draw, "operations") {
		operations[rapid.SampledFrom(names).Draw(m.draw, "operation")]()
	}
}

// The model sees each of these defects, and nothing once they are undone.
func TestModelSeesDefects(t *testing.T) {
	t.Parallel()
	w := newModel(t)
	m := newOffice(w)
	m.sync()
	edit := func(path string, value any) {
		w.must(w.application.Edit(identity.User, "ada@example.com", path, value))
	}
	gone, foreign := m.people["00ueve"], m.foreign[0]
	for name, c := range map[string]struct{ plant, undo func() }{
		"an attribute": {func() { edit("name.familyName", "Mallory") }, func() { edit("name.familyName", "Byron") }},
		"an account":   {func() { edit("active", false) }, func() { edit("active", true) }},
		"a membership": {
			func() { w.must(w.application.RemoveMember("Red", "bob@example.com")) },
			func() { w.must(w.application.AddMember("Red", "bob@example.com")) },
		},
		"one too many": {
			func() { w.must(w.application.AddMember("Blue", "bob@example.com")) },
			func() { w.must(w.application.RemoveMember("Blue", "bob@example.com")) },
		},
		"a leaver":          {func() { delete(m.people, "00ueve") }, func() { m.people["00ueve"] = gone }},
		"a foreign account": {func() { m.foreign[0].Version++ }, func() { m.foreign[0] = foreign }},
	} {
		c.plant()
		if m.differs() == "" {
			t.Errorf("%s: the model sees no difference", name)
		}
		c.undo()
		if problem := m.differs(); problem != "" {
			t.Fatalf("%s: after it was undone: %s", name, problem)
		}
	}
}
