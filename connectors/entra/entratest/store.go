package entratest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// store is the tenant's content. Rows keep their place for good, and every
// change has a number, so that a delta is what is numbered higher than a token.
type store struct {
	seq    int64
	users  []row
	groups []row
	others map[string]Other
	at     map[string]place
	upn    map[string]int // by userPrincipalName in lower case, of live users
	apps   []App
}

// place says which row an id is.
type place struct {
	kind  string
	index int
}

type row struct {
	id      string
	props   map[string]any
	state   state
	changed int64
	members []string       // of a group, in the order in which they joined
	log     []memberChange // of a group, since the world began
}

type state string

const (
	live    state = ""
	soft    state = "changed" // deleted, in deletedItems for 30 days
	purged  state = "deleted"
	maxLogs       = 100_000
)

type memberChange struct {
	seq   int64
	id    string
	added bool
}

func newStore(w World) (*store, error) {
	s := &store{at: make(map[string]place, len(w.Users)+len(w.Groups)), upn: make(map[string]int, len(w.Users)), others: map[string]Other{}}
	for _, u := range w.Users {
		if err := s.addUser(u); err != nil {
			return nil, err
		}
	}
	for _, o := range w.Others {
		if err := s.claim(o.ID, o.Type); err != nil {
			return nil, err
		}
		s.others[o.ID], s.at[o.ID] = o, place{kind: o.Type}
	}
	for _, g := range w.Groups {
		// Members may be groups that come later.
		if err := s.addGroup(Group{ID: g.ID, Properties: g.Properties}); err != nil {
			return nil, err
		}
	}
	for i, g := range w.Groups {
		members := make([]string, 0, len(g.Members))
		seen := make(map[string]bool, len(g.Members))
		for _, id := range g.Members {
			if _, ok := s.at[id]; !ok {
				return nil, fmt.Errorf("group %s: member %s does not exist", g.ID, id)
			}
			if !seen[id] {
				seen[id] = true
				members = append(members, id)
			}
		}
		s.groups[i].members = members
	}
	for _, a := range w.Apps {
		if err := s.claim(a.ID, ServicePrincipal); err != nil {
			return nil, err
		}
		s.at[a.ID] = place{kind: ServicePrincipal}
		for _, id := range a.Assigned {
			if _, ok := s.at[id]; !ok {
				return nil, fmt.Errorf("app %s: %s does not exist", a.AppID, id)
			}
		}
		a.Assigned = slices.Clone(a.Assigned)
		s.apps = append(s.apps, a)
	}
	return s, nil
}

func (s *store) claim(id, what string) error {
	if id == "" {
		return fmt.Errorf("a %s has no id", what)
	}
	if _, taken := s.at[id]; taken {
		return fmt.Errorf("id %s is taken", id)
	}
	return nil
}

func (s *store) addUser(u User) error {
	if err := s.claim(u.ID, TypeUser); err != nil {
		return err
	}
	name, _ := u.Properties["userPrincipalName"].(string)
	if name == "" {
		return fmt.Errorf("user %s: no userPrincipalName", u.ID)
	}
	if _, taken := s.upn[strings.ToLower(name)]; taken {
		return fmt.Errorf("user %s: userPrincipalName %s is taken", u.ID, name)
	}
	props := maps.Clone(u.Properties)
	if _, set := props["accountEnabled"]; !set {
		props["accountEnabled"] = true
	}
	s.seq++
	s.upn[strings.ToLower(name)] = len(s.users)
	s.at[u.ID] = place{TypeUser, len(s.users)}
	s.users = append(s.users, row{id: u.ID, props: props, changed: s.seq})
	return nil
}

func (s *store) addGroup(g Group) error {
	if err := s.claim(g.ID, TypeGroup); err != nil {
		return err
	}
	if name, _ := g.Properties["displayName"].(string); name == "" {
		return fmt.Errorf("group %s: no displayName", g.ID)
	}
	props := map[string]any{"securityEnabled": true, "mailEnabled": false, "groupTypes": []any{}}
	maps.Copy(props, g.Properties)
	s.seq++
	s.at[g.ID] = place{TypeGroup, len(s.groups)}
	s.groups = append(s.groups, row{id: g.ID, props: props, changed: s.seq})
	return nil
}

// rows returns the rows of a kind.
func (s *store) rows(kind string) []row {
	if kind == TypeGroup {
		return s.groups
	}
	return s.users
}

// user returns the live user with the id or userPrincipalName.
func (s *store) user(key string) (*row, bool) {
	at, ok := s.at[key]
	if !ok || at.kind != TypeUser {
		index, named := s.upn[strings.ToLower(key)]
		if !named {
			return nil, false
		}
		at = place{TypeUser, index}
	}
	r := &s.users[at.index]
	return r, r.state == live
}

func (s *store) group(id string) (*row, bool) {
	at, ok := s.at[id]
	if !ok || at.kind != TypeGroup {
		return nil, false
	}
	r := &s.groups[at.index]
	return r, r.state == live
}

// object returns the type of a live object, and the row where it is a user or
// group.
func (s *store) object(id string) (string, *row, bool) {
	var r *row
	at, known := s.at[id]
	if !known {
		return "", nil, false
	}
	switch at.kind {
	case TypeUser:
		r = &s.users[at.index]
	case TypeGroup:
		r = &s.groups[at.index]
	default:
		return at.kind, nil, true
	}
	return at.kind, r, r.state == live
}

func (s *store) app(appID, objectID string) (*App, bool) {
	for i := range s.apps {
		if a := &s.apps[i]; appID != "" && a.AppID == appID || objectID != "" && a.ID == objectID {
			return a, true
		}
	}
	return nil, false
}

// transitive returns the ids of everything in the group, each once.
func (s *store) transitive(g *row) []string {
	seen := map[string]bool{g.id: true}
	var out []string
	queue := []*row{g}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, id := range at.members {
			if seen[id] {
				continue
			}
			seen[id] = true
			out = append(out, id)
			if inner, ok := s.group(id); ok {
				queue = append(queue, inner)
			}
		}
	}
	return out
}

// memberOf returns the ids of the groups the object is in.
func (s *store) memberOf(id string, transitive bool) []string {
	var out []string
	for i := range s.groups {
		g := &s.groups[i]
		if g.state != live {
			continue
		}
		members := g.members
		if transitive {
			members = s.transitive(g)
		}
		if slices.Contains(members, id) {
			out = append(out, g.id)
		}
	}
	return out
}

// member adds or removes a member and says whether that changed anything.
func (s *store) member(g *row, id string, add bool) bool {
	at := slices.Index(g.members, id)
	if add == (at >= 0) {
		return false
	}
	// A new slice: a round may hold the old one.
	if add {
		g.members = append(slices.Clone(g.members), id)
	} else {
		g.members = slices.Delete(slices.Clone(g.members), at, at+1)
	}
	s.seq++
	if len(g.log) >= maxLogs {
		g.log = slices.Clone(g.log[maxLogs/2:])
	}
	g.log = append(g.log, memberChange{s.seq, id, add})
	return true
}
