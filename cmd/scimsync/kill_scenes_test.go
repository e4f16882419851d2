package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// scene is a situation in which runs are killed.
type scene struct {
	name string
	// stage makes a world in which the run that is to be killed is next.
	stage func(t *testing.T) *staged
	// must are the places of this scene that the short form comes to as well.
	must []place
}

// staged is one world of a scene.
type staged struct {
	*judge
	// killed is the command line that is killed; recover what follows it.
	killed  []string
	recover func()
	// more changes the source; round differs from call to call.
	more func(round int)
}

// scenes are all situations. A place with no n is taken with several.
func scenes() []scene {
	return []scene{
		{"first", firstScene, []place{
			{side: toLedger, path: "journal intents, after"}, // intents without a call
			{side: toTarget, method: "POST", path: "/Users", moment: performed},
			{side: toSource, method: "GET", path: "/groups/", moment: answered},
			{side: toLedger, path: "commit the read, inside"},
		}},
		{"without marks", unmarkedScene, []place{
			{side: toTarget, method: "POST", path: "/Users", moment: answered},
			{side: toLedger, path: "journal outcomes, before"},
			{side: toTarget, method: "POST", path: "/Groups", moment: performed},
		}},
		{"blind", blindScene, []place{
			{side: toTarget, method: "PATCH", path: "/Groups", moment: performed},
			{side: toLedger, path: "journal outcomes, inside"},
		}},
		{"blind, following", blindFollowingScene, []place{
			{side: toTarget, method: "PATCH", path: "/Groups", moment: answered},
		}},
		{"following", followingScene, []place{
			{side: toLedger, path: "commit the read, after"},
			{side: toTarget, method: "PATCH", path: "/Users", moment: arrived},
			{side: toTarget, method: "GET", path: "/Users", moment: answered},
		}},
		{"delta", deltaScene, []place{
			{side: toLedger, path: "commit the read, after"},
			{side: toSource, method: "GET", path: "/logs", moment: performed},
		}},
		{"delta of a tenant", tenantScene, []place{
			{side: toLedger, path: "commit the read, inside"},
			{side: toLedger, path: "finish cycle, inside"},
		}},
		{"migration", migrationScene, []place{
			{side: toLedger, path: "migrate, before"}, {side: toLedger, path: "migrate, inside"}, {side: toLedger, path: "migrate, after"},
		}},
		{"notification", toldScene, []place{
			{side: toWebhook, method: "POST", moment: arrived},
			{side: toWebhook, method: "POST", moment: answered},
			{side: toLedger, path: "remember what was told, before"},
		}},
		{"notification of a first run", firstToldScene, []place{
			{side: toTarget, method: "POST", path: "/Groups", moment: answered},
			{side: toWebhook, method: "POST", moment: performed},
		}},
		{"tenant of SailPoint", sailPointScene, []place{
			{side: toSource, method: "GET", path: "/accounts", moment: halfway},
			{side: toTarget, method: "POST", path: "/Groups", moment: performed},
		}},
		{"group-sync workflow", workflowScene, []place{
			{side: toTarget, method: "POST", path: "/Groups", moment: answered},
			{side: toLedger, path: "remember what was told, before"}, // a mail was sent
			{side: toLedger, path: "finish run, after"},              // and one was not
		}},
		{"daemon", daemonScene, []place{
			{side: toLedger, path: "keep the schedule, inside"},
			{side: toTarget, method: "POST", path: "/Users", moment: performed},
		}},
	}
}

// small chunks make many places to die at.
const smallChunks = "limits: {concurrency: 4, members_per_patch: 7}\n"

// newGated puts gates before both servers of a world.
func newGated(t *testing.T, settings ...setting) *gated {
	t.Helper()
	// A target that takes two groups of one name is where a repeated create
	// would show.
	shared := withApplication(func(o *scimtest.Options) { o.SharedGroupNames = true })
	w := &gated{world: newWorld(t, append(settings, shared)...)}
	w.source, w.target = newGate(t, w.org), newGate(t, w.application)
	w.orgURL, w.url = w.source.server.URL, w.target.server.URL+"/scim/v2"
	w.configure(worldSettings{sync: everything, target: smallChunks})
	return w
}

// stage prepares a scene of Okta: the keys of its sync, and whether it has run
// before and has something to do again.
func stage(t *testing.T, sync string, before bool, settings ...setting) *staged {
	t.Helper()
	w := newGated(t, append([]setting{withPeople(oktatest.Synthetic(24, 4, 60, 1))}, settings...)...)
	w.configure(worldSettings{sync: sync, target: smallChunks})
	s := &staged{killed: []string{"sync"}, more: w.churn}
	s.judge = newJudge(w, func() truth {
		out, logins := truth{active: map[string]bool{}}, map[string]string{}
		for _, p := range w.people() {
			login := strings.ToLower(p.login)
			out.active[login], logins[p.id] = p.active, login
		}
		out.teams = w.teams(logins, out.active)
		return out
	})
	s.recover = func() {
		s.t.Helper()
		if r := s.command("sync"); r.code != exitDone {
			s.t.Fatalf("the run after the killed one:\n%s", r)
		}
	}
	s.admitStrangers()
	if before {
		if r := s.command("sync"); r.code != exitDone {
			t.Fatal(r)
		}
		s.more(0)
	}
	return s
}

func firstScene(t *testing.T) *staged {
	t.Helper()
	return stage(t, everything, false)
}

// unmarked has no mark of its own on what it makes and may not adopt what it
// finds: the journal alone tells that an account whose answer nobody saw is ours.
const unmarked = `users: {map: {externalId: off}, matching: {by: [userName], existing: report}}
groups: {scope: type == "OKTA_GROUP", map: {externalId: off}, matching: {by: [displayName], existing: report}}
`

func unmarkedScene(t *testing.T) *staged {
	t.Helper()
	return stage(t, unmarked, false)
}

func blindScene(t *testing.T) *staged {
	t.Helper()
	return stage(t, everything, false, withHazards(scimtest.Hazards{EmptyMembers: true}))
}

func blindFollowingScene(t *testing.T) *staged {
	t.Helper()
	return stage(t, everything, true, withHazards(scimtest.Hazards{EmptyMembers: true}))
}

func followingScene(t *testing.T) *staged {
	t.Helper()
	return stage(t, everything, true)
}

func deltaScene(t *testing.T) *staged {
	t.Helper()
	return stage(t, everything+nightly, true)
}

// tenantScene is a delta cycle of Entra ID.
func tenantScene(t *testing.T) *staged {
	t.Helper()
	d := newTenancy(t, crew(), following)
	w := &gated{world: d.world, source: newGate(t, d.tenant), target: newGate(t, d.application)}
	d.tenantURL, d.url, d.target = w.source.server.URL, w.target.server.URL+"/scim/v2", smallChunks
	d.follow(following)
	m := newTenantModel(d)
	s := &staged{killed: []string{"sync"}}
	s.judge = newJudge(w, func() truth {
		out := truth{active: map[string]bool{}, teams: map[string]map[string]bool{}}
		for _, p := range m.people {
			out.active[p.upn] = p.active
		}
		for id, g := range m.groups {
			if !strings.HasPrefix(g.name, "OM_") {
				continue
			}
			out.teams[g.name] = map[string]bool{}
			for who := range m.peopleOf(id, map[string]bool{}) {
				if p := m.people[who]; p.active {
					out.teams[g.name][p.upn] = true
				}
			}
		}
		return out
	})
	s.recover = func() {
		s.t.Helper()
		d.delta(exitDone)
	}
	s.more = func(round int) {
		id, upn := entraID(100+round), fmt.Sprintf("new%d@example.com", round)
		_, err := d.tenant.CreateUser(entratest.Person(id, upn, "New", "Hand"))
		d.must(err)
		m.people[id] = &tenantPerson{upn: upn, first: "New", last: "Hand", active: true}
		team := fmt.Sprint("OM_New", round)
		_, err = d.tenant.CreateGroup(entratest.Team(entraID(200+round), team, id))
		d.must(err)
		m.groups[entraID(200+round)] = &tenantGroup{name: team, members: map[string]bool{id: true}}
		for _, group := range []string{entraID(12 + 2*(round%2)), entraID(13)} {
			d.must(d.tenant.AddMember(group, id))
			m.groups[group].members[id] = true
		}
		who := entraID(1 + round)
		d.must(d.tenant.UpdateUser(who, map[string]any{"surname": fmt.Sprint("Renamed", round), "userPrincipalName": fmt.Sprintf("renamed%d@example.com", round)}))
		m.people[who].last, m.people[who].upn = fmt.Sprint("Renamed", round), fmt.Sprintf("renamed%d@example.com", round)
		if m.groups[entraID(11)].members[who] {
			d.must(d.tenant.RemoveMember(entraID(11), who))
			delete(m.groups[entraID(11)].members, who)
		}
		d.must(d.tenant.SetEnabled(entraID(4+round%2), false))
		m.people[entraID(4+round%2)].active = false
	}
	s.besides = func() []string {
		if problem := m.differs(); problem != "" {
			return []string{problem}
		}
		return nil
	}
	// No strangers: the model takes what it sees for ours.
	d.sync(exitDone)
	s.more(0)
	return s
}

// migrationScene is a state file of the first schema, of a sync without marks: what
// the migration lost would be taken for somebody else's.
func migrationScene(t *testing.T) *staged {
	t.Helper()
	s := stage(t, unmarked, true)
	s.must(toFirstSchema(t, filepath.Join(s.dir, "scimsync.db")))
	return s
}

// toldScene is firstToldScene after its first run.
func toldScene(t *testing.T) *staged {
	t.Helper()
	s := firstToldScene(t)
	if r := s.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	s.more(0)
	return s
}

// firstToldScene is a sync that tells a webhook of the groups it makes.
func firstToldScene(t *testing.T) *staged {
	t.Helper()
	s := stage(t, everything, false)
	ears := &listener{}
	s.webhook = newGate(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost { // and not gate.quiet
			ears.ServeHTTP(w, r)
		}
	}))
	s.write("hook.secret", hookSecret)
	s.configure(worldSettings{sync: everything + "notify: {to: [chat], events: [group_created]}\n", target: smallChunks})
	config, err := os.ReadFile(s.config)
	s.must(err)
	s.write("scimsync.yaml", fmt.Sprintf("%snotifiers:\n  chat: {type: webhook, url: %q, secret: {file: hook.secret}}\n", config, s.webhook.server.URL))
	churn, made := s.more, slices.Collect(maps.Keys(s.truth().teams))
	s.more = func(round int) {
		churn(round)
		for n := range 2 {
			name := fmt.Sprintf("Founded %d %d", round, n)
			_, err := s.org.CreateGroup(oktatest.Team("", name, s.activeIDs()[n]))
			s.must(err)
			made = append(made, name)
		}
	}
	// Everybody hears of every group, and nobody more than once for each life.
	s.besides = func() []string {
		heard := map[string]int{}
		var out []string
		for _, message := range ears.all() {
			for _, section := range message.Sections {
				for _, o := range section.Objects {
					if section.Event == notify.GroupCreated {
						heard[o.Name]++
					}
				}
			}
		}
		for _, name := range made {
			if n := heard[name]; n < 1 || n > 2 {
				out = append(out, fmt.Sprintf("the group %s was told of %d times", name, n))
			}
		}
		return append(out, ears.wrong...)
	}
	return s
}

// daemonScene is a daemon whose first run is killed, and another one after it.
func daemonScene(t *testing.T) *staged {
	t.Helper()
	s := stage(t, everyHour, false)
	s.withServer("")
	s.killed = []string{"daemon", "--hook-delay", "0", "--hook-pause", "0"}
	s.recover = func() {
		s.t.Helper()
		d := s.daemon(nil)
		if line := d.runs(1); !strings.Contains(line, "result=done") {
			s.t.Errorf("the first run after the kill: %s", line)
		}
		d.stops()
	}
	return s
}

// requests are the places at requests that the scenes are killed at besides their
// own: every sort of request, at each of its moments.
func requests() []place {
	var out []place
	for _, p := range []place{
		{side: toSource, method: "GET", path: "/users"},
		{side: toSource, method: "GET", path: "/groups"},
		{side: toSource, method: "GET", path: "/logs"},
		{side: toSource, method: "GET", path: "/delta"},
		{side: toSource, method: "POST", path: "/token"},
		{side: toSource, method: "GET", path: "/entitlements"},
		{side: toSource, method: "GET", path: "/accounts"},
		{side: toTarget, method: "GET", path: "/ServiceProviderConfig"},
		{side: toTarget, method: "GET", path: "/Users"},
		{side: toTarget, method: "GET", path: "/Groups"},
		{side: toTarget, method: "POST", path: "/Users"},
		{side: toTarget, method: "POST", path: "/Groups"},
		{side: toTarget, method: "PATCH", path: "/Users"},
		{side: toTarget, method: "PATCH", path: "/Groups"},
		{side: toWebhook, method: "POST"},
	} {
		moments := []moment{arrived, performed, answered}
		if p.method == http.MethodGet {
			moments = append(moments, halfway) // through a page
		}
		for _, m := range moments {
			p.moment = m
			out = append(out, p)
		}
	}
	return out
}

// places returns where a scene can be killed and how often its run comes there, as
// a run that nobody kills shows.
func (s scene) places(t *testing.T) []place {
	t.Helper()
	w := s.stage(t)
	for _, g := range w.gates() {
		g.forget()
	}
	passed := w.passed(w.killed...)
	var out []place
	for point, n := range passed {
		out = append(out, place{side: toLedger, path: point, n: n})
	}
	for _, p := range requests() {
		if g := w.gate(p.side); g != nil {
			if p.n = g.count(p.matches); p.n > 0 {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b place) int { return strings.Compare(a.name(), b.name()) })
	return out
}
