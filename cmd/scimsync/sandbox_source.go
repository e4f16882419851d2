package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
)

// fakeSource is an identity provider of the sandbox: what serves it, what a
// configuration says of it, and what can be changed in it.
type fakeSource struct {
	name    string // its type, and its name in the configuration
	title   string
	handler http.Handler
	// settings are the keys beside type; URL stands for its address.
	settings string
	// secretFile is the file that settings name, and secret what is in it.
	secretFile, secret string
	// userMap are mapping rules beyond the default ones, groupScope the
	// expression of which groups are meant, or "".
	userMap, groupScope string
	// changes are command lines that change the source at $S.
	changes []string

	directory
	people []entry
	teams  []team
}

// entry is somebody or something that exists at the source.
type entry struct {
	id, label string
	disabled  bool
}

// team is a group and the ids of the people in it.
type team struct {
	entry
	members []string
}

// recruit is somebody to be created.
type recruit struct{ given, surname, mail, job, department, number string }

func (p recruit) name() string { return p.given + " " + p.surname }

// directory is what can be changed at a source, in words that all of them know.
// An error says that nothing has changed.
type directory interface {
	addPerson(p recruit) (id string, err error)
	setTitle(id, job string) error
	setName(id, given, surname string) error
	enable(id string) error
	disable(id string) error
	removePerson(id string) error
	addGroup(name string) (id string, err error)
	renameGroup(team, name string) error
	removeGroup(team string) error
	addMember(team, id string) error
	removeMember(team, id string) error
}

func fakeOkta(users, groups, memberships int, seed uint64) (*fakeSource, error) {
	world := oktatest.Synthetic(users, groups, memberships, seed)
	org, err := oktatest.New(world)
	if err != nil {
		return nil, err
	}
	s := &fakeSource{
		name: "okta", title: "an Okta org", handler: org, directory: oktaDirectory{org},
		settings:   "url: URL\ntoken: {file: okta.token}",
		secretFile: "okta.token", secret: oktatest.DefaultToken,
		userMap: `
title: profile.title
urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: profile.department
urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: profile.employeeNumber`,
		groupScope: `type == "OKTA_GROUP"`,
	}
	for _, u := range world.Users {
		var p struct{ Login string }
		if err := json.Unmarshal(u.Profile, &p); err != nil {
			return nil, err
		}
		s.people = append(s.people, entry{id: u.ID, label: p.Login, disabled: u.Status == oktatest.Deprovisioned})
	}
	for _, g := range world.Groups {
		var p struct{ Name string }
		if err := json.Unmarshal(g.Profile, &p); err != nil {
			return nil, err
		}
		s.teams = append(s.teams, team{entry{id: g.ID, label: p.Name}, g.Members})
	}
	s.suggest("users", "groups", `{"profile": {"name": "Renamed group"}}`,
		"curl -d '' $S/users/%s/disable", "users")
	return s, nil
}

func fakeEntra(users, groups, memberships int, seed uint64) (*fakeSource, error) {
	world := entratest.Synthetic(users, groups, memberships, seed)
	tenant, err := entratest.New(world)
	if err != nil {
		return nil, err
	}
	s := &fakeSource{
		name: "entra", title: "an Entra tenant", handler: tenant, directory: entraDirectory{tenant},
		settings: "tenant: " + tenant.Tenant() + `
url: URL
credential:
  kind: static_token
  token: {file: entra.token}`,
		secretFile: "entra.token", secret: entratest.DefaultToken,
		userMap: `
title: jobTitle
urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: department
urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: employeeId`,
	}
	people := map[string]bool{}
	for _, u := range world.Users {
		people[u.ID] = true
		s.people = append(s.people, entry{
			id: u.ID, label: fmt.Sprint(u.Properties["userPrincipalName"]), disabled: u.Properties["accountEnabled"] == false,
		})
	}
	for _, g := range world.Groups {
		t := team{entry: entry{id: g.ID, label: fmt.Sprint(g.Properties["displayName"])}}
		for _, m := range g.Members {
			if people[m] { // the others are devices and groups
				t.members = append(t.members, m)
			}
		}
		s.teams = append(s.teams, t)
	}
	s.suggest("users", "groups", `{"properties": {"displayName": "Renamed group"}}`,
		"curl -d '' $S/users/%s/disable", "members")
	return s, nil
}

func fakeSailPoint(users, groups, memberships int, seed uint64) (*fakeSource, error) {
	world := sailpointtest.Synthetic(users, groups, memberships, seed)
	tenant, err := sailpointtest.New(world)
	if err != nil {
		return nil, err
	}
	client := sailpointtest.DefaultClient()
	s := &fakeSource{
		name: "sailpoint", title: "a SailPoint tenant", handler: tenant,
		settings:   "url: URL\nclient_id: " + client.ID + "\nclient_secret: {file: sailpoint.secret}\nsource: " + sailpointtest.DirectoryName,
		secretFile: "sailpoint.secret", secret: client.Secret,
		userMap: `
title: attributes.title
urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: attributes.department
urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: attributes.employeeID`,
	}
	holders := map[string][]string{}
	for _, a := range world.Accounts {
		if a.Uncorrelated || a.SystemAccount || a.IsMachine {
			continue // they are nobody
		}
		s.people = append(s.people, entry{id: a.ID, label: a.Name, disabled: a.Disabled})
		for _, dn := range heldBy(a) {
			holders[dn] = append(holders[dn], a.ID)
		}
	}
	for _, e := range world.Entitlements {
		if e.Type == "group" {
			s.teams = append(s.teams, team{entry{id: e.ID, label: e.Name}, holders[plainDN(e.Value)]})
		}
	}
	s.directory = &sailPointDirectory{tenant: tenant, seed: seed}
	s.suggest("accounts", "entitlements", `{"name": "Renamed group"}`,
		`curl -d '{"disabled": true}' $S/accounts/%s`, "accounts")
	return s, nil
}

// heldBy returns the groups of an account, which Synthetic spells in many ways.
func heldBy(a sailpointtest.Account) []string {
	var out []string
	switch held := a.Attributes["memberOf"].(type) {
	case string:
		out = append(out, plainDN(held))
	case []any:
		for _, v := range held {
			out = append(out, plainDN(fmt.Sprint(v)))
		}
	}
	return out
}

func plainDN(dn string) string { return strings.ToUpper(strings.ReplaceAll(dn, " ", "")) }

// suggest makes up command lines from whom and what there is: people, teams and
// members are words of the source's paths, renamed is the body of a change of
// name, and disable a whole line. The first person stays, who owns Okta's token.
func (s *fakeSource) suggest(people, teams, renamed, disable, members string) {
	s.changes = append(s.changes, fmt.Sprintf(disable, s.people[len(s.people)/2].id))
	if last := len(s.people) - 1; last > 0 {
		s.changes = append(s.changes, fmt.Sprintf("curl -X DELETE $S/%s/%s", people, s.people[last].id))
	}
	if len(s.teams) > 0 {
		s.changes = append(s.changes,
			fmt.Sprintf("G=$S/%s/%s", teams, s.teams[0].id),
			fmt.Sprintf("curl -d '%s' $G", renamed),
			fmt.Sprintf("curl -X PUT $G/%s/%s", members, s.people[0].id))
	}
}

// oktaDirectory changes an Okta org.
type oktaDirectory struct{ org *oktatest.Server }

func (o oktaDirectory) addPerson(p recruit) (string, error) {
	return o.org.CreateUser(oktatest.User{Status: oktatest.Active, Profile: oktatest.Profile(map[string]any{
		"login": p.mail, "email": p.mail, "firstName": p.given, "lastName": p.surname,
		"title": p.job, "department": p.department, "employeeNumber": p.number, "userType": "Employee",
	})})
}

func (o oktaDirectory) setTitle(id, job string) error {
	return o.org.UpdateUser(id, map[string]any{"title": job})
}

func (o oktaDirectory) setName(id, given, surname string) error {
	return o.org.UpdateUser(id, map[string]any{"firstName": given, "lastName": surname, "displayName": given + " " + surname})
}

func (o oktaDirectory) enable(id string) error       { return o.org.SetStatus(id, oktatest.Active) }
func (o oktaDirectory) disable(id string) error      { return o.org.SetStatus(id, oktatest.Deprovisioned) }
func (o oktaDirectory) removePerson(id string) error { return o.org.DeleteUser(id) }

func (o oktaDirectory) addGroup(name string) (string, error) {
	return o.org.CreateGroup(oktatest.Team("", name))
}

func (o oktaDirectory) renameGroup(team, name string) error {
	return o.org.UpdateGroup(team, map[string]any{"name": name})
}

func (o oktaDirectory) removeGroup(team string) error      { return o.org.DeleteGroup(team) }
func (o oktaDirectory) addMember(team, id string) error    { return o.org.AddMember(team, id) }
func (o oktaDirectory) removeMember(team, id string) error { return o.org.RemoveMember(team, id) }

// entraDirectory changes an Entra tenant.
type entraDirectory struct{ tenant *entratest.Server }

func (e entraDirectory) addPerson(p recruit) (string, error) {
	u := entratest.Person("", p.mail, p.given, p.surname)
	u.Properties["jobTitle"], u.Properties["department"], u.Properties["employeeId"] = p.job, p.department, p.number
	return e.tenant.CreateUser(u)
}

func (e entraDirectory) setTitle(id, job string) error {
	return e.tenant.UpdateUser(id, map[string]any{"jobTitle": job})
}

func (e entraDirectory) setName(id, given, surname string) error {
	return e.tenant.UpdateUser(id, map[string]any{"givenName": given, "surname": surname, "displayName": given + " " + surname})
}

func (e entraDirectory) enable(id string) error       { return e.tenant.SetEnabled(id, true) }
func (e entraDirectory) disable(id string) error      { return e.tenant.SetEnabled(id, false) }
func (e entraDirectory) removePerson(id string) error { return e.tenant.DeleteUser(id) }

func (e entraDirectory) addGroup(name string) (string, error) {
	return e.tenant.CreateGroup(entratest.Team("", name))
}

func (e entraDirectory) renameGroup(team, name string) error {
	return e.tenant.UpdateGroup(team, map[string]any{"displayName": name})
}

func (e entraDirectory) removeGroup(team string) error      { return e.tenant.DeleteGroup(team) }
func (e entraDirectory) addMember(team, id string) error    { return e.tenant.AddMember(team, id) }
func (e entraDirectory) removeMember(team, id string) error { return e.tenant.RemoveMember(team, id) }

// sailPointDirectory changes what a SailPoint tenant has aggregated.
type sailPointDirectory struct {
	tenant *sailpointtest.Server
	seed   uint64
	made   int
}

// id makes an id in SailPoint's form, which may come anywhere in a list.
func (s *sailPointDirectory) id() string {
	s.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", s.seed, s.made))
	return hex.EncodeToString(sum[:16])
}

func (s *sailPointDirectory) addPerson(p recruit) (string, error) {
	a := sailpointtest.Person(s.id(), p.mail, p.given, p.surname)
	a.Attributes["title"], a.Attributes["department"], a.Attributes["employeeID"] = p.job, p.department, p.number
	return a.ID, s.tenant.PutAccount(a)
}

func (s *sailPointDirectory) set(id string, attributes map[string]any) error {
	return s.tenant.UpdateAccount(id, func(a *sailpointtest.Account) {
		maps.Copy(a.Attributes, attributes)
	})
}

func (s *sailPointDirectory) setTitle(id, job string) error {
	return s.set(id, map[string]any{"title": job})
}

func (s *sailPointDirectory) setName(id, given, surname string) error {
	return s.set(id, map[string]any{"givenName": given, "sn": surname, "displayName": given + " " + surname})
}

func (s *sailPointDirectory) enable(id string) error {
	return s.tenant.UpdateAccount(id, func(a *sailpointtest.Account) { a.Disabled, a.CloudLifecycleState = false, "active" })
}

func (s *sailPointDirectory) disable(id string) error {
	return s.tenant.UpdateAccount(id, func(a *sailpointtest.Account) { a.Disabled, a.CloudLifecycleState = true, "inactive" })
}

func (s *sailPointDirectory) removePerson(id string) error { return s.tenant.RemoveAccount(id) }

func (s *sailPointDirectory) addGroup(name string) (string, error) {
	g := sailpointtest.Group(s.id(), name, sailpointtest.DN(name, "Groups"))
	return g.ID, s.tenant.PutEntitlement(g)
}

func (s *sailPointDirectory) renameGroup(team, name string) error {
	return s.tenant.RenameEntitlement(team, name, sailpointtest.DN(name, "Groups"))
}

func (s *sailPointDirectory) removeGroup(team string) error      { return s.tenant.RemoveEntitlement(team) }
func (s *sailPointDirectory) addMember(team, id string) error    { return s.tenant.Grant(team, id) }
func (s *sailPointDirectory) removeMember(team, id string) error { return s.tenant.Revoke(team, id) }
