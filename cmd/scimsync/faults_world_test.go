package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// unruly is a world between two traps, in which things happen.
type unruly struct {
	*world

	// tenant and sailpoint are the source where the world's org is not.
	tenant    *entratest.Server
	sailpoint *sailpointtest.Server

	source, target *trap
	// listing matches the requests a cycle reads the source by.
	listing func(*http.Request) bool
	// cycle is how a sync reads once the first is done.
	cycle string
	// day makes people arrive, leave, come back, change their names and their
	// groups.
	day func(n int)
	// problem says where the target is not what the source demands, and is
	// empty when it is.
	problem func() string
	// expire ends what the next cycle would go on from; nil where nothing does.
	expire func()
	// ahead is how far the agent's clock is ahead of the real one, in
	// nanoseconds; it may jump while a run is on.
	ahead atomic.Int64
	// gates stand before the traps, for runs that are killed.
	gates *gated
	// renews says that the source's credential is fetched anew when it ends.
	renews bool
}

// run runs a command line by the agent's clock.
func (u *unruly) run(args ...string) ran {
	u.t.Helper()
	return u.commandAt(u.now, args...)
}

// now is the time by the agent's clock.
func (u *unruly) now() time.Time { return time.Now().Add(time.Duration(u.ahead.Load())) }

// leap sets the agent's clock forward.
func (u *unruly) leap(d time.Duration) { u.ahead.Add(int64(d)) }

// trapped puts a trap and a gate before both servers and returns where they are.
func (u *unruly) trapped(source, target http.Handler) (string, string) {
	u.t.Helper()
	u.source, u.target = &trap{next: source}, &trap{next: target}
	u.gates = &gated{world: u.world, source: newGate(u.t, u.source), target: newGate(u.t, u.target)}
	return u.gates.source.server.URL, u.gates.target.server.URL
}

// unrulyOkta is the office of the model; more are keys of its sync.
func unrulyOkta(t *testing.T, more string) (*unruly, *model) {
	t.Helper()
	// A target that takes two groups of one name is where a repeated create
	// would show.
	w := newModel(t, withApplication(func(o *scimtest.Options) { o.SharedGroupNames = true }))
	u := &unruly{world: w, cycle: "full", listing: pathEnds("/api/v1/users")}
	var url string
	w.orgURL, url = u.trapped(w.org, w.application)
	w.url = url + "/scim/v2"
	w.configure(worldSettings{sync: modelSync + more})
	if more != "" {
		u.cycle, u.listing = "delta", pathEnds("/api/v1/logs")
	}
	m := newOffice(w)
	u.problem = m.differs
	u.day = func(n int) { u.officeDay(m, n) }
	return u, m
}

// onAWorkingDay runs a test in that office once something has happened since the first
// run: before a full cycle, and before one that follows changes.
func onAWorkingDay(t *testing.T, test func(*testing.T, *unruly, *model)) {
	t.Helper()
	for name, more := range map[string]string{"full": "", "delta": nightly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, m := unrulyOkta(t, more)
			u.sync(exitDone)
			u.day(0)
			test(t, u, m)
		})
	}
}

func (u *unruly) officeDay(m *model, n int) {
	id, login, last := fmt.Sprintf("00uday%d", n), fmt.Sprintf("day%d@example.com", n), fmt.Sprint("Name", n)
	_, err := u.org.CreateUser(colleague(id, login, "New", "Hand", fmt.Sprint(100+n)))
	u.must(err)
	m.people[id] = &modelPerson{login: login, last: "Hand", active: true}
	u.must(u.org.UpdateUser("00uada", map[string]any{"lastName": last}))
	m.people["00uada"].last = last
	if red := m.teams["00gred"]; n%2 == 0 {
		u.must(u.org.RemoveMember("00gred", "00ubob"))
		u.must(u.org.SetStatus("00ueve", oktatest.Suspended))
		delete(red, "00ubob")
	} else {
		u.must(u.org.AddMember("00gred", "00ubob"))
		u.must(u.org.SetStatus("00ueve", oktatest.Active))
		red["00ubob"] = true
	}
	m.people["00ueve"].active = n%2 != 0
	u.must(u.org.AddMember("00gblue", id))
	m.teams["00gblue"][id] = true
	m.found(fmt.Sprint("00gday", n), fmt.Sprint("Day ", n), id)
}

// How a sync of a tenant is read once the first cycle is done.
const (
	rarely = "0 3 1 1 *" // in full: in between by what changed
	always = ""
)

// unrulyEntra is the crew of the tenant's model.
func unrulyEntra(t *testing.T, full string) *unruly {
	t.Helper()
	keys, cycle := strings.Replace(following, "0 3 * * *", full, 1), "delta"
	if full == always {
		_, keys, _ = strings.Cut(following, "\n")
		cycle = "full"
	}
	d := newTenancy(t, crew(), keys)
	u := &unruly{world: d.world, tenant: d.tenant, cycle: cycle, listing: func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/users/") }}
	var url string
	d.tenantURL, url = u.trapped(d.tenant, d.application)
	d.url = url + "/scim/v2"
	d.follow(keys)
	m := newTenantModel(d)
	u.problem, u.expire = m.differs, d.tenant.ExpireTokens
	u.day = func(n int) {
		id, name := m.next(1000)
		upn := name + "@example.com"
		_, err := d.tenant.CreateUser(entratest.Person(id, upn, "New", "Hand"))
		d.must(err)
		m.people[id] = &tenantPerson{upn: upn, first: "New", last: "Hand", active: true}
		_, m.people[entraID(1)].last = m.next(0)
		d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": m.people[entraID(1)].last}))
		red, enabled := m.groups[entraID(11)], n%2 != 0
		if enabled {
			d.must(d.tenant.AddMember(entraID(11), entraID(2)))
			red.members[entraID(2)] = true
		} else {
			d.must(d.tenant.RemoveMember(entraID(11), entraID(2)))
			delete(red.members, entraID(2))
		}
		d.must(d.tenant.SetEnabled(entraID(5), enabled))
		m.people[entraID(5)].active = enabled
		d.must(d.tenant.AddMember(entraID(12), id))
		m.groups[entraID(12)].members[id] = true
		team := fmt.Sprint("OM_Day ", n)
		_, err = d.tenant.CreateGroup(entratest.Team(entraID(2000+n), team, id))
		d.must(err)
		m.groups[entraID(2000+n)] = &tenantGroup{name: team, members: map[string]bool{id: true}}
	}
	return u
}

// unrulySailPoint reads everything in every cycle.
func unrulySailPoint(t *testing.T) *unruly {
	t.Helper()
	g := newGroupSync(t, staff(), func(c *groupSyncConfig) {
		c.sync, c.notify = "users: {}\ngroups: {}\n", "{to: [stewards], events: [failed]}"
		c.application.SharedGroupNames = true
	})
	u := &unruly{world: g.world, sailpoint: g.tenant, cycle: "full", listing: pathEnds("/accounts"), renews: true}
	source, target := u.trapped(g.tenant, g.application)
	u.edit("url: "+g.tenant.URL(), "url: "+source)
	u.edit("url: "+g.url, "url: "+target+"/scim/v2")
	names, last, bo := []string{"ada@example.com", "bo@example.com", "cy@example.com"}, "Archer", true
	teams := map[string][]string{"Empty": nil}
	u.day = func(n int) {
		last, bo = fmt.Sprint("Name", n), n%2 != 0
		login := fmt.Sprintf("day%d@example.com", n)
		u.must(g.tenant.UpdateAccount("ada", func(a *sailpointtest.Account) { a.Attributes["sn"] = last }))
		u.must(g.tenant.UpdateAccount("bo", func(a *sailpointtest.Account) { a.Disabled = !bo }))
		team := fmt.Sprint("Day ", n)
		dn := sailpointtest.DN(team, "Groups")
		u.must(g.tenant.PutEntitlement(sailpointtest.Group(fmt.Sprintf("%032x", 1000+n), team, dn)))
		u.must(g.tenant.PutAccount(sailpointtest.Person(fmt.Sprint("day", n), login, "New", "Hand", staff().Entitlements[2].Value, dn)))
		names, teams[team] = append(names, login), []string{login}
		teams["Empty"] = append(teams["Empty"], login)
	}
	u.problem = func() string {
		active := map[string]bool{}
		for _, a := range g.application.Users() {
			if a.Active && active[a.Name] {
				return a.Name + " has two accounts"
			}
			active[a.Name] = active[a.Name] || a.Active
			name, _ := a.Attributes["name"].(map[string]any)
			if a.Name == "ada@example.com" && name["familyName"] != last {
				return fmt.Sprintf("ada is called %v, want %s", name["familyName"], last)
			}
		}
		for _, name := range names {
			if want := name != "bo@example.com" || bo; active[name] != want {
				return fmt.Sprintf("%s is active: %t, want %t", name, active[name], want)
			}
		}
		for team, want := range teams {
			if _, found := g.application.Find(identity.Group, team); !found {
				return "the group " + team + " is missing"
			}
			have := g.members(team)
			slices.Sort(want)
			if !slices.Equal(have, want) {
				return fmt.Sprintf("the group %s has %v, want %v", team, have, want)
			}
		}
		return ""
	}
	return u
}

// active are the logins of the active accounts at the target.
func (u *unruly) active() []string {
	var out []string
	for _, a := range u.application.Users() {
		if a.Active {
			out = append(out, a.Name)
		}
	}
	slices.Sort(out)
	return out
}

// mishap is something that goes wrong with a request.
type mishap func(next http.Handler) http.HandlerFunc

// mishaps are what networks and servers do on a bad day.
func mishaps() map[string]mishap {
	status := func(code int, body string, headers ...string) mishap {
		return func(http.Handler) http.HandlerFunc { return respond(code, body, headers...)(nil) }
	}
	effect := func(e connectortest.Effect) mishap {
		return func(next http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { e(w, r, next) }
		}
	}
	return map[string]mishap{
		"a reset connection": effect(connectortest.Reset()),
		"a lost answer":      effect(connectortest.LoseAnswer()),
		"half a body":        effect(connectortest.Truncate()),
		"a slow body": func(next http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				whole := recorded(next, w, r)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for len(whole) > 0 {
					n := min(len(whole), 1+len(whole)/5)
					_, _ = w.Write(whole[:n])
					_ = http.NewResponseController(w).Flush()
					whole = whole[n:]
					<-tick.C
				}
			}
		},
		"429 without a word": status(http.StatusTooManyRequests, `{}`),
		"429 and a wait":     status(http.StatusTooManyRequests, `{}`, "Retry-After", "1"),
		"500":                status(http.StatusInternalServerError, `{"detail":"something went wrong"}`),
		"503 and a wait":     status(http.StatusServiceUnavailable, `{}`, "Retry-After", "1"),
		"HTML with 200":      status(http.StatusOK, "<html><title>Maintenance</title></html>", "Content-Type", "text/html"),
		"an ended token":     status(http.StatusUnauthorized, `{"detail":"the token has ended"}`),
	}
}

// recorded lets the request be answered and hands the headers on.
func recorded(next http.Handler, w http.ResponseWriter, r *http.Request) []byte {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.Code)
	whole, _ := io.ReadAll(answer.Body) // in memory
	return whole
}
