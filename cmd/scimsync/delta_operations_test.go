package main

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

// operations are what administrators do in the tenant.
func (m *tenantModel) operations() map[string]func() {
	tenant := m.dir.tenant
	person := func(f func(id string, p *tenantPerson)) func() {
		return func() {
			if id := pickKey(m, m.people, "person"); id != "" {
				f(id, m.people[id])
			}
		}
	}
	group := func(f func(id string, g *tenantGroup)) func() {
		return func() {
			if id := pickKey(m, m.groups, "group"); id != "" {
				f(id, m.groups[id])
			}
		}
	}
	hire := func(upn, first, last string) string {
		id, name := m.next(1000)
		if upn == "" {
			upn = name + "@example.com"
		}
		_, err := tenant.CreateUser(entratest.Person(id, upn, first, last))
		m.must(err)
		m.people[id] = &tenantPerson{upn: upn, first: first, last: last, active: true}
		return id
	}
	set := func(id string, properties map[string]any) { m.must(tenant.UpdateUser(id, properties)) }
	return map[string]func(){
		"hire":    func() { hire("", "New", "Hand") },
		"disable": person(func(id string, p *tenantPerson) { m.must(tenant.SetEnabled(id, false)); p.active = false }),
		"enable":  person(func(id string, p *tenantPerson) { m.must(tenant.SetEnabled(id, true)); p.active = true }),
		"surname": person(func(id string, p *tenantPerson) {
			_, p.last = m.next(0)
			set(id, map[string]any{"surname": p.last})
		}),
		"rename": person(func(id string, p *tenantPerson) {
			_, name := m.next(0)
			p.upn = name + "@example.com"
			set(id, map[string]any{"userPrincipalName": p.upn, "mail": p.upn})
		}),
		"swap": person(func(id string, p *tenantPerson) {
			other := pickKey(m, m.people, "other")
			if other == id {
				return
			}
			q := m.people[other]
			set(id, map[string]any{"userPrincipalName": "parked@example.com"})
			set(other, map[string]any{"userPrincipalName": p.upn})
			set(id, map[string]any{"userPrincipalName": q.upn})
			p.upn, q.upn = q.upn, p.upn
		}),
		"manager": person(func(id string, p *tenantPerson) {
			p.manager = pickKey(m, m.people, "manager")
			if rapid.Bool().Draw(m.draw, "by name") {
				p.manager = m.people[p.manager].upn
			}
			set(id, map[string]any{"officeLocation": p.manager})
		}),
		// Of somebody who comes only later.
		"promise": person(func(id string, p *tenantPerson) {
			p.manager = fmt.Sprintf("n%d@example.com", m.serial+2)
			set(id, map[string]any{"officeLocation": p.manager})
		}),
		"delete": person(func(id string, p *tenantPerson) {
			if len(m.people) < 3 {
				return
			}
			m.must(tenant.DeleteUser(id))
			m.leave(id)
			m.bin[id] = p
			delete(m.people, id)
		}),
		"restore": func() {
			id := pickKey(m, m.bin, "deleted")
			if id == "" {
				return
			}
			for _, p := range m.people {
				if p.upn == m.bin[id].upn {
					return // it has a successor
				}
			}
			m.must(tenant.RestoreUser(id))
			m.people[id] = m.bin[id]
			delete(m.bin, id)
		},
		"rehire": person(func(id string, p *tenantPerson) {
			m.must(tenant.PurgeUser(id))
			m.leave(id)
			delete(m.people, id)
			hire(p.upn, p.first, p.last)
		}),
		"found": func() {
			id, name := m.next(2000)
			name = rapid.SampledFrom([]string{"OM_", "X_"}).Draw(m.draw, "prefix") + name
			member := pickKey(m, m.people, "member")
			_, err := tenant.CreateGroup(entratest.Team(id, name, member))
			m.must(err)
			m.groups[id] = &tenantGroup{name: name, members: map[string]bool{member: true}}
		},
		"retitle": group(func(id string, g *tenantGroup) {
			_, name := m.next(0)
			g.name = rapid.SampledFrom([]string{"OM_", "X_"}).Draw(m.draw, "prefix") + name
			m.must(tenant.UpdateGroup(id, map[string]any{"displayName": g.name}))
		}),
		"disband": group(func(id string, g *tenantGroup) {
			if len(m.groups) < 3 {
				return
			}
			m.must(tenant.DeleteGroup(id))
			m.leave(id)
			delete(m.groups, id)
		}),
		"join": group(func(id string, g *tenantGroup) {
			who := pickKey(m, m.people, "person")
			m.must(tenant.AddMember(id, who))
			g.members[who] = true
		}),
		"part": group(func(id string, g *tenantGroup) {
			if who := pickKey(m, g.members, "member"); who != "" {
				m.must(tenant.RemoveMember(id, who))
				delete(g.members, who)
			}
		}),
		"nest": group(func(id string, g *tenantGroup) {
			if inner := pickKey(m, m.groups, "inner"); inner != id {
				m.must(tenant.AddMember(id, inner))
				g.members[inner] = true
			}
		}),
		"nothing": func() {},
	}
}

// assignments are what is done besides where only what is assigned counts.
func (m *tenantModel) assignments() map[string]func() {
	operations := m.operations()
	app := m.dir.assigned
	operations["assign"] = func() {
		id := pickKey(m, m.people, "person")
		m.must(m.dir.tenant.Assign(app, id))
		m.people[id].assigned = true
	}
	operations["unassign"] = func() {
		id := pickKey(m, m.people, "person")
		m.must(m.dir.tenant.Unassign(app, id))
		m.people[id].assigned = false
	}
	operations["assign a group"] = func() {
		id := pickKey(m, m.groups, "group")
		m.must(m.dir.tenant.Assign(app, id))
		m.groups[id].assigned = true
	}
	operations["unassign a group"] = func() {
		id := pickKey(m, m.groups, "group")
		m.must(m.dir.tenant.Unassign(app, id))
		m.groups[id].assigned = false
	}
	return operations
}
