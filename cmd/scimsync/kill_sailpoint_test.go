package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// tenantOf puts gates before a SailPoint tenant and its application, and lets a
// judge know what the tenant shows.
func tenantOf(t *testing.T, g *groupSync) (*staged, *truth) {
	t.Helper()
	w := &gated{world: g.world, source: newGate(t, g.tenant), target: newGate(t, g.application)}
	g.edit("url: "+g.tenant.URL(), "url: "+w.source.server.URL)
	g.edit("url: "+g.url+"\n", "url: "+w.target.server.URL+"/scim/v2\n    limits: {concurrency: 4, members_per_patch: 7}\n")
	known := &truth{active: map[string]bool{}, teams: map[string]map[string]bool{}}
	s := &staged{killed: []string{"sync"}}
	s.judge = newJudge(w, func() truth { return *known })
	s.recover = func() {
		s.t.Helper()
		if r := s.command("sync"); r.code != exitDone {
			s.t.Fatalf("the run after the killed one:\n%s", r)
		}
	}
	s.admitStrangers()
	return s, known
}

// sailPointScene is a cycle of a SailPoint tenant with users, groups and
// memberships, which has run before and has something to do again.
func sailPointScene(t *testing.T) *staged {
	t.Helper()
	const people, teams = 16, 3
	world := groupsNamed("Red", "Green", "Blue")
	for i := range people {
		id := fmt.Sprintf("%032x", 100+i)
		world.Accounts = append(world.Accounts, sailpointtest.Person(id, fmt.Sprintf("p%d@example.com", i), "Pat", fmt.Sprint("Nr", i), world.Entitlements[i%teams].Value))
	}
	g := newGroupSync(t, world, func(c *groupSyncConfig) {
		c.sync, c.notify = "users: {}\ngroups: {}\n", "{to: [stewards], events: [failed]}"
		c.application.SharedGroupNames = true
	})
	s, known := tenantOf(t, g)
	for i := range people {
		login, team := fmt.Sprintf("p%d@example.com", i), world.Entitlements[i%teams].Name
		known.active[login] = true
		if known.teams[team] == nil {
			known.teams[team] = map[string]bool{}
		}
		known.teams[team][login] = true
	}
	s.more = func(round int) {
		// One is disabled, one joins another group, one leaves one, one is
		// called another name; one arrives, in a group of its own.
		off, moves := fmt.Sprintf("p%d@example.com", round), fmt.Sprintf("p%d@example.com", 3+round)
		s.must(g.tenant.UpdateAccount(fmt.Sprintf("%032x", 100+round), func(a *sailpointtest.Account) { a.Disabled = true }))
		known.active[off] = false
		for _, members := range known.teams {
			delete(members, off)
		}
		from, to := world.Entitlements[(3+round)%teams], world.Entitlements[(4+round)%teams]
		s.must(g.tenant.Revoke(from.ID, fmt.Sprintf("%032x", 103+round)))
		s.must(g.tenant.Grant(to.ID, fmt.Sprintf("%032x", 103+round)))
		delete(known.teams[from.Name], moves)
		known.teams[to.Name][moves] = true
		s.must(g.tenant.UpdateAccount(fmt.Sprintf("%032x", 110), func(a *sailpointtest.Account) { a.Attributes["sn"] = fmt.Sprint("Renamed", round) }))
		team, login := fmt.Sprint("Founded ", round), fmt.Sprintf("new%d@example.com", round)
		dn := sailpointtest.DN(team, "Groups")
		s.must(g.tenant.PutEntitlement(sailpointtest.Group(fmt.Sprintf("%032x", 50+round), team, dn)))
		s.must(g.tenant.PutAccount(sailpointtest.Person(fmt.Sprintf("%032x", 200+round), login, "New", "Hand", dn)))
		known.active[login], known.teams[team] = true, map[string]bool{login: true}
	}
	if r := s.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	s.more(0)
	return s
}

// workflowScene is the group-sync workflow: groups alone, those that exist left
// alone, and a mail that tells of both.
func workflowScene(t *testing.T) *staged {
	t.Helper()
	made, existing := []string{"Team A", "Team B", "Team C", "Team D", "Team E"}, []string{"There 1", "There 2"}
	g := newGroupSync(t, groupsNamed(append(slices.Clone(made), existing...)...), func(c *groupSyncConfig) {
		c.application = scimtest.Options{Token: scimToken, LogRequests: 5000, SharedGroupNames: true}
	})
	for _, name := range existing {
		_, err := g.application.Put(identity.Group, map[string]any{"displayName": name})
		g.must(err)
	}
	s, known := tenantOf(t, g)
	for _, name := range made {
		known.teams[name] = map[string]bool{}
	}
	s.more = func(round int) {
		name := fmt.Sprint("Founded ", round)
		s.must(g.tenant.PutEntitlement(sailpointtest.Group(fmt.Sprintf("%032x", 500+round), name, sailpointtest.DN(name, "Groups"))))
		made, known.teams[name] = append(made, name), map[string]bool{}
	}
	// Everybody hears of every group, those that exist included, and nobody more
	// than once for each life.
	s.besides = func() []string {
		var out []string
		for _, name := range slices.Concat(made, existing) {
			n := 0
			for _, m := range g.post.mails(s.t) {
				if strings.Contains(m.body, name) {
					n++
				}
			}
			if n < 1 || n > 2 {
				out = append(out, fmt.Sprintf("the group %s was told of in %d mails", name, n))
			}
		}
		return out
	}
	return s
}
