package oktatest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// store is the org's content. Rows keep their place for good, so that a place
// is a cursor that insertions and deletions do not disturb.
type store struct {
	users   []user
	userAt  map[string]int32 // by id; deleted ones stay
	loginAt map[string]int32 // by login in lower case

	groups  []group
	groupAt map[string]int32

	apps  []app
	appAt map[string]int

	events []event
	logged int // events ever
}

type user struct {
	id, login, status         string
	created, updated, changed int64 // unix seconds: Okta keeps no finer time here
	profile                   json.RawMessage
	deleted                   bool
}

type group struct {
	id, name, kind            string
	created, updated, members int64 // members: lastMembershipUpdated
	profile                   json.RawMessage
	in                        []int32 // places of the members, in order
	deleted                   bool
}

type app struct {
	id, label, status string
	direct            []assignment // in order of place
	groups            []appGroup
	// users is everybody assigned, made when first asked for after a change.
	users []assignment
	stale bool
}

type assignment struct {
	user       int32
	scope      string // USER or GROUP
	status     string
	externalID string
	profile    json.RawMessage
	updated    int64
}

type appGroup struct {
	group   int32
	updated int64
}

func newStore(w World) (*store, error) {
	s := &store{
		userAt: make(map[string]int32, len(w.Users)), loginAt: make(map[string]int32, len(w.Users)),
		groupAt: make(map[string]int32, len(w.Groups)), appAt: make(map[string]int, len(w.Apps)),
		users: make([]user, 0, len(w.Users)), groups: make([]group, 0, len(w.Groups)),
	}
	for _, u := range w.Users {
		if err := s.addUser(u); err != nil {
			return nil, err
		}
	}
	for _, g := range w.Groups {
		if err := s.addGroup(g); err != nil {
			return nil, err
		}
	}
	for _, a := range w.Apps {
		if err := s.addApp(a); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) addUser(u User) error {
	login, err := profileString(u.Profile, "login")
	if err != nil {
		return fmt.Errorf("user %s: %w", u.ID, err)
	}
	status := cmp.Or(u.Status, Active)
	switch {
	case u.ID == "":
		return fmt.Errorf("user %s: no id", login)
	case !slices.Contains(Statuses(), status):
		return fmt.Errorf("user %s: status %q is none of Okta's", u.ID, status)
	}
	if _, taken := s.userAt[u.ID]; taken {
		return fmt.Errorf("user id %s is taken", u.ID)
	}
	if _, taken := s.loginAt[strings.ToLower(login)]; taken {
		return fmt.Errorf("user %s: login %s is taken", u.ID, login)
	}
	created := seconds(u.Created, Epoch().Unix())
	place := int32(len(s.users))
	s.users = append(s.users, user{
		id: u.ID, login: login, status: status, profile: u.Profile,
		created: created, updated: seconds(u.LastUpdated, created), changed: seconds(u.StatusChanged, created),
	})
	s.userAt[u.ID], s.loginAt[strings.ToLower(login)] = place, place
	return nil
}

func (s *store) addGroup(g Group) error {
	name, err := profileString(g.Profile, "name")
	if err != nil {
		return fmt.Errorf("group %s: %w", g.ID, err)
	}
	if g.ID == "" {
		return fmt.Errorf("group %s: no id", name)
	}
	if _, taken := s.groupAt[g.ID]; taken {
		return fmt.Errorf("group id %s is taken", g.ID)
	}
	created := seconds(g.Created, Epoch().Unix())
	row := group{
		id: g.ID, name: name, kind: cmp.Or(g.Type, OktaGroup), profile: g.Profile, created: created,
		updated: seconds(g.LastUpdated, created), members: seconds(g.LastMembershipUpdated, created),
		in: make([]int32, 0, len(g.Members)),
	}
	for _, id := range g.Members {
		place, ok := s.userAt[id]
		if !ok {
			return fmt.Errorf("group %s: member %s is no user", g.ID, id)
		}
		row.in = append(row.in, place)
	}
	slices.Sort(row.in)
	row.in = slices.Compact(row.in)
	s.groupAt[g.ID] = int32(len(s.groups))
	s.groups = append(s.groups, row)
	return nil
}

func (s *store) addApp(a App) error {
	if a.ID == "" {
		return fmt.Errorf("app %q: no id", a.Label)
	}
	if _, taken := s.appAt[a.ID]; taken {
		return fmt.Errorf("app id %s is taken", a.ID)
	}
	row := app{id: a.ID, label: a.Label, status: cmp.Or(a.Status, Active), stale: true}
	for _, u := range a.Users {
		place, ok := s.userAt[u.ID]
		if !ok {
			return fmt.Errorf("app %s: %s is no user", a.ID, u.ID)
		}
		row.direct = append(row.direct, assignment{
			user: place, scope: "USER", status: cmp.Or(u.Status, Active),
			externalID: u.ExternalID, profile: u.Profile, updated: Epoch().Unix(),
		})
	}
	slices.SortFunc(row.direct, func(x, y assignment) int { return cmp.Compare(x.user, y.user) })
	for _, id := range a.Groups {
		place, ok := s.groupAt[id]
		if !ok {
			return fmt.Errorf("app %s: %s is no group", a.ID, id)
		}
		row.groups = append(row.groups, appGroup{place, Epoch().Unix()})
	}
	s.appAt[a.ID] = len(s.apps)
	s.apps = append(s.apps, row)
	return nil
}

// user returns the row of an id or, as Okta's paths allow, of a login.
func (s *store) user(key string) (*user, int32, bool) {
	place, ok := s.userAt[key]
	if !ok {
		place, ok = s.loginAt[strings.ToLower(key)]
	}
	if !ok || s.users[place].deleted {
		return nil, 0, false
	}
	return &s.users[place], place, true
}

func (s *store) group(id string) (*group, int32, bool) {
	place, ok := s.groupAt[id]
	if !ok || s.groups[place].deleted {
		return nil, 0, false
	}
	return &s.groups[place], place, true
}

func (s *store) app(id string) (*app, bool) {
	at, ok := s.appAt[id]
	if !ok {
		return nil, false
	}
	return &s.apps[at], true
}

// assigned returns everybody assigned to the app, in order of place. A person
// assigned by hand keeps scope USER even when a group brings the app too.
func (s *store) assigned(a *app) []assignment {
	if !a.stale {
		return a.users
	}
	all := slices.Clone(a.direct)
	for _, ag := range a.groups {
		for _, place := range s.groups[ag.group].in {
			if s.users[place].status != Deprovisioned {
				all = append(all, assignment{user: place, scope: "GROUP", status: Active, updated: ag.updated})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y assignment) int { return cmp.Compare(x.user, y.user) })
	all = slices.CompactFunc(all, func(x, y assignment) bool { return x.user == y.user })
	a.users, a.stale = all, false
	return all
}

func seconds(t time.Time, otherwise int64) int64 {
	if t.IsZero() {
		return otherwise
	}
	return t.Unix()
}

// profileString returns a required string of a profile.
func profileString(profile json.RawMessage, field string) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(profile, &fields); err != nil {
		return "", fmt.Errorf("profile: %w", err)
	}
	var value string
	if err := json.Unmarshal(fields[field], &value); err != nil || value == "" {
		return "", errors.New("profile: no " + field)
	}
	return value, nil
}
