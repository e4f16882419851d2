package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// tenantModel is what a person expects of a tenant, an application and delta
// cycles between them.
type tenantModel struct {
	t interface {
		Helper()
		Fatal(args ...any)
		Fatalf(format string, args ...any)
	}
	draw *rapid.T
	dir  *tenancy
	// people by id, the deleted ones apart, and groups by id.
	people, bin map[string]*tenantPerson
	groups      map[string]*tenantGroup
	serial      int
	done        []string
}

type tenantPerson struct {
	upn, first, last string
	manager          string // by upn or id
	active           bool
	assigned         bool
}

type tenantGroup struct {
	name     string
	members  map[string]bool // of people and groups
	assigned bool
}

func newTenantModel(d *tenancy) *tenantModel {
	m := &tenantModel{t: d.t, dir: d, people: map[string]*tenantPerson{}, bin: map[string]*tenantPerson{}, groups: map[string]*tenantGroup{}}
	w := crew()
	for _, u := range w.Users {
		m.people[u.ID] = &tenantPerson{upn: u.Properties["userPrincipalName"].(string), first: u.Properties["givenName"].(string), last: u.Properties["surname"].(string), active: true}
	}
	for _, g := range w.Groups {
		group := &tenantGroup{name: g.Properties["displayName"].(string), members: map[string]bool{}}
		for _, id := range g.Members {
			group.members[id] = true
		}
		m.groups[g.ID] = group
	}
	for _, id := range w.Apps[0].Assigned {
		if p := m.people[id]; p != nil {
			p.assigned = true
		}
		if g := m.groups[id]; g != nil {
			g.assigned = true
		}
	}
	return m
}

func (m *tenantModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *tenantModel) next(prefix int) (string, string) {
	m.serial++
	return entraID(prefix + m.serial), fmt.Sprint("n", m.serial)
}

func pickKey[T any](m *tenantModel, from map[string]T, what string) string {
	if len(from) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(m.draw, what)
}

// leave takes somebody out of everything.
func (m *tenantModel) leave(id string) {
	for _, g := range m.groups {
		delete(g.members, id)
	}
	if p := m.people[id]; p != nil {
		p.assigned = false
	}
}

// counts reports whether a person is read at all.
func (m *tenantModel) counts(id string) bool {
	if m.dir.assigned == "" || m.people[id].assigned {
		return true
	}
	for _, g := range m.groups {
		if g.assigned && g.members[id] {
			return true
		}
	}
	return false
}

func (m *tenantModel) countsGroup(g *tenantGroup) bool { return m.dir.assigned == "" || g.assigned }

// people of a group, those of groups within it included where these count.
func (m *tenantModel) peopleOf(id string, seen map[string]bool) map[string]bool {
	out := map[string]bool{}
	if seen[id] {
		return out
	}
	seen[id] = true
	for member := range m.groups[id].members {
		if m.groups[member] == nil {
			out[member] = true
		} else if m.dir.assigned == "" {
			maps.Copy(out, m.peopleOf(member, seen))
		}
	}
	return out
}

// differs says where the application is not what the model expects.
func (m *tenantModel) differs() string {
	accounts, teams := map[string]scimtest.Resource{}, map[string]scimtest.Resource{}
	for _, u := range m.dir.application.Users() {
		if !u.Active {
			continue
		}
		if _, twice := accounts[u.ExternalID]; twice {
			return u.Name + " has two accounts"
		}
		accounts[u.ExternalID] = u
	}
	for _, g := range m.dir.application.Groups() {
		teams[g.ExternalID] = g
	}
	wanted := 0
	for id, p := range m.people {
		if !p.active || !m.counts(id) {
			continue
		}
		wanted++
		u, found := accounts[id]
		name, _ := u.Attributes["name"].(map[string]any)
		switch {
		case !found:
			return p.upn + " has no active account"
		case u.Name != p.upn || name["familyName"] != p.last:
			return fmt.Sprintf("%s is %s %v, want %s %s", id, u.Name, name["familyName"], p.upn, p.last)
		}
		if problem := m.managerDiffers(u, p, accounts); problem != "" {
			return problem
		}
	}
	if len(accounts) != wanted {
		return fmt.Sprintf("%d active accounts, want %d", len(accounts), wanted)
	}
	wanted = 0
	for id, g := range m.groups {
		if !strings.HasPrefix(g.name, "OM_") || !m.countsGroup(g) {
			continue
		}
		wanted++
		team, found := teams[id]
		if !found || team.Name != g.name {
			return fmt.Sprintf("the group %s is %q", g.name, team.Name)
		}
		has, members := map[string]bool{}, m.peopleOf(id, map[string]bool{})
		for _, member := range team.Members {
			has[member] = true
		}
		for who, u := range accounts {
			if has[u.ID] != members[who] {
				return fmt.Sprintf("%s in %s: %t, want %t", u.Name, g.name, has[u.ID], members[who])
			}
		}
	}
	if len(teams) != wanted {
		return fmt.Sprintf("%d groups, want %d", len(teams), wanted)
	}
	return ""
}

// managerDiffers looks at who an account says its manager is, where that is an
// active person.
func (m *tenantModel) managerDiffers(u scimtest.Resource, p *tenantPerson, accounts map[string]scimtest.Resource) string {
	enterprise, _ := u.Attributes["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)
	manager, _ := enterprise["manager"].(map[string]any)
	for id, boss := range m.people {
		account, has := accounts[id]
		if boss.upn != p.manager && id != p.manager || boss == p || !has {
			continue
		}
		if manager["value"] != account.ID {
			return fmt.Sprintf("the manager of %s is %v, want %s %s", u.Name, manager["value"], account.ID, boss.upn)
		}
	}
	return ""
}

// follows lets things happen, and demands after every cycle, most of them deltas, that the
// application is as it should be and that a full cycle finds nothing left to do.
func (m *tenantModel) follows(operations map[string]func()) {
	names := slices.Sorted(maps.Keys(operations))
	for round := range rapid.IntRange(1, 6).Draw(m.draw, "rounds") {
		for range rapid.IntRange(1, 5).Draw(m.draw, "operations") {
			name := rapid.SampledFrom(names).Draw(m.draw, "operation")
			m.done = append(m.done, fmt.Sprint(round, " ", name))
			operations[name]()
		}
		args := []string{"sync"}
		if rapid.IntRange(0, 4).Draw(m.draw, "in full") == 4 {
			args = append(args, "--full")
		}
		r := m.dir.command(args...)
		problem := ""
		switch {
		case r.code == exitDone:
			problem = m.differs()
		case r.code == exitPartial && strings.Contains(r.out, "Could not be decided"):
			// A name that an inactive account keeps, or a return that nothing
			// proves. A full cycle has to leave it alone as well.
		case r.code == exitHeld && strings.Contains(r.out, "the source shows no"):
			// Everything is gone: a full cycle has to hold it as well.
			if problem := m.dir.disagrees(); !strings.Contains(problem, `"changes":[]`) || !strings.Contains(problem, `"rule":"emptied"`) {
				m.t.Fatalf("after %v: %s\nthe last cycle: %s", m.done, problem, r)
			}
			return
		default:
			m.t.Fatalf("after %v: %s", m.done, r)
		}
		if problem == "" {
			problem = m.dir.disagrees()
		}
		if problem != "" {
			m.t.Fatalf("after %v: %s\nthe last cycle: %s", m.done, problem, r)
		}
		if r.code != exitDone {
			return
		}
	}
}

// Whatever happens in the tenant, delta cycles do what full ones would.
func TestDeltaModel(t *testing.T) {
	t.Parallel()
	for _, assigned := range []string{"", entraID(22)} {
		for part := range 2 {
			t.Run(fmt.Sprint("assigned=", assigned != "", " ", part), func(t *testing.T) {
				t.Parallel()
				runs, limit, failed := 0, asked(t, "SCIMSYNC_DELTA_RUNS", modelRuns), false
				rapid.Check(t, func(rt *rapid.T) {
					// A failure is run again to be made small.
					if runs++; runs > limit && !failed {
						return
					}
					defer func() { failed = failed || rt.Failed() }()
					sync := following
					if rapid.Bool().Draw(rt, "leavers are deleted") {
						sync = strings.Replace(sync, "users:\n", "users:\n  leavers: {disabled: delete, gone: delete}\n", 1)
					}
					d := newTenancy(t, crew(), sync)
					d.assigned = assigned
					d.follow(sync)
					d.sync(exitDone)
					m := newTenantModel(d)
					m.t, m.draw = rt, rt
					operations := m.operations()
					if assigned != "" {
						operations = m.assignments()
					}
					m.follows(operations)
				})
			})
		}
	}
}
