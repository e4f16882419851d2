package entratest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrNotFound says that what a change names does not exist.
var ErrNotFound = errors.New("not found")

func (s *Server) change(f func(st *store) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := f(s.store); err != nil {
		return fmt.Errorf("entratest: %w", err)
	}
	return nil
}

// newID returns an id for the n-th object made after the start.
func newID(prefix string, n int) string {
	return fmt.Sprintf("%s-0000-4000-8000-%012x", prefix, n)
}

// CreateUser adds a person and returns the id, which is made up where none is
// given.
func (s *Server) CreateUser(u User) (string, error) {
	err := s.change(func(st *store) error {
		if u.ID == "" {
			u.ID = newID("0e3a0000", len(st.users))
		}
		return st.addUser(u)
	})
	return u.ID, err
}

// UpdateUser changes properties of a user, by id or userPrincipalName; nil
// clears one.
func (s *Server) UpdateUser(key string, properties map[string]any) error {
	return s.change(func(st *store) error {
		u, ok := st.user(key)
		if !ok {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		if name, set := properties["userPrincipalName"]; set {
			text, _ := name.(string)
			holder, taken := st.upn[strings.ToLower(text)]
			if text == "" || taken && st.users[holder].id != u.id {
				return fmt.Errorf("user %s: userPrincipalName %v is taken or empty", key, name)
			}
			old, _ := u.props["userPrincipalName"].(string)
			delete(st.upn, strings.ToLower(old))
			st.upn[strings.ToLower(text)] = st.at[u.id].index
		}
		u.update(st, properties)
		return nil
	})
}

// update lays properties over those of the row in a new map: an answer may be
// reading the old one.
func (r *row) update(st *store, properties map[string]any) {
	props := maps.Clone(r.props)
	maps.Copy(props, properties)
	r.props = props
	st.seq++
	r.changed = st.seq
}

// SetEnabled enables or disables an account.
func (s *Server) SetEnabled(key string, enabled bool) error {
	return s.UpdateUser(key, map[string]any{"accountEnabled": enabled})
}

// DeleteUser moves a user to the deleted items, from where RestoreUser brings it
// back. It leaves its groups and loses its assignments.
func (s *Server) DeleteUser(key string) error { return s.removeUser(key, soft) }

// PurgeUser deletes a user for good.
func (s *Server) PurgeUser(key string) error { return s.removeUser(key, purged) }

func (s *Server) removeUser(key string, to state) error {
	return s.change(func(st *store) error {
		u, ok := st.user(key)
		if u == nil || !ok && u.state != soft {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		name, _ := u.props["userPrincipalName"].(string)
		if ok {
			delete(st.upn, strings.ToLower(name))
		}
		st.remove(u, to)
		return nil
	})
}

// remove deletes a row and everything that refers to it.
func (s *store) remove(r *row, to state) {
	s.seq++
	r.state, r.changed = to, s.seq
	for i := range s.groups {
		s.member(&s.groups[i], r.id, false)
	}
	for i := range s.apps {
		s.apps[i].Assigned = slices.DeleteFunc(s.apps[i].Assigned, func(id string) bool { return id == r.id })
	}
}

// RestoreUser brings a deleted user back, into no group.
func (s *Server) RestoreUser(id string) error {
	return s.change(func(st *store) error {
		at, ok := st.at[id]
		if !ok || at.kind != TypeUser || st.users[at.index].state != soft {
			return fmt.Errorf("deleted user %s: %w", id, ErrNotFound)
		}
		u := &st.users[at.index]
		name, _ := u.props["userPrincipalName"].(string)
		if _, taken := st.upn[strings.ToLower(name)]; taken {
			return fmt.Errorf("user %s: userPrincipalName %s is taken", id, name)
		}
		st.upn[strings.ToLower(name)] = at.index
		st.seq++
		u.state, u.changed = live, st.seq
		return nil
	})
}

// CreateGroup adds a group and returns the id, which is made up where none is
// given.
func (s *Server) CreateGroup(g Group) (string, error) {
	err := s.change(func(st *store) error {
		if g.ID == "" {
			g.ID = newID("0e3b0000", len(st.groups))
		}
		if err := st.addGroup(g); err != nil {
			return err
		}
		row, _ := st.group(g.ID)
		for _, id := range g.Members {
			if _, _, ok := st.object(id); !ok {
				return fmt.Errorf("group %s: member %s: %w", g.ID, id, ErrNotFound)
			}
			st.member(row, id, true)
		}
		return nil
	})
	return g.ID, err
}

// UpdateGroup changes properties of a group; nil clears one.
func (s *Server) UpdateGroup(id string, properties map[string]any) error {
	return s.change(func(st *store) error {
		g, ok := st.group(id)
		if !ok {
			return fmt.Errorf("group %s: %w", id, ErrNotFound)
		}
		if name, set := properties["displayName"]; set && name == "" {
			return fmt.Errorf("group %s: displayName is empty", id)
		}
		g.update(st, properties)
		return nil
	})
}

// DeleteGroup removes a group for good, as security groups are.
func (s *Server) DeleteGroup(id string) error {
	return s.change(func(st *store) error {
		g, ok := st.group(id)
		if !ok {
			return fmt.Errorf("group %s: %w", id, ErrNotFound)
		}
		g.members = nil
		st.remove(g, purged)
		return nil
	})
}

// AddMember puts a user, group or other object into a group. A user may be named
// by userPrincipalName.
func (s *Server) AddMember(groupID, member string) error { return s.setMember(groupID, member, true) }

// RemoveMember takes a member out of a group.
func (s *Server) RemoveMember(groupID, member string) error {
	return s.setMember(groupID, member, false)
}

func (s *Server) setMember(groupID, member string, add bool) error {
	return s.change(func(st *store) error {
		g, ok := st.group(groupID)
		if !ok {
			return fmt.Errorf("group %s: %w", groupID, ErrNotFound)
		}
		id, ok := st.resolve(member)
		if !ok && add {
			return fmt.Errorf("member %s: %w", member, ErrNotFound)
		}
		st.member(g, id, add)
		return nil
	})
}

// resolve returns the id of a live object named by id or userPrincipalName.
func (s *store) resolve(key string) (string, bool) {
	if u, ok := s.user(key); ok {
		return u.id, true
	}
	_, _, ok := s.object(key)
	return key, ok
}

// Assign assigns a user, group or service principal to the enterprise
// application with that appId.
func (s *Server) Assign(appID, principal string) error {
	return s.assign(appID, principal, true)
}

// Unassign takes the assignment back.
func (s *Server) Unassign(appID, principal string) error {
	return s.assign(appID, principal, false)
}

func (s *Server) assign(appID, principal string, add bool) error {
	return s.change(func(st *store) error {
		a, ok := st.app(appID, "")
		if !ok {
			return fmt.Errorf("app %s: %w", appID, ErrNotFound)
		}
		id, ok := st.resolve(principal)
		if !ok && add {
			return fmt.Errorf("principal %s: %w", principal, ErrNotFound)
		}
		a.Assigned = slices.DeleteFunc(slices.Clone(a.Assigned), func(have string) bool { return have == id })
		if add {
			a.Assigned = append(a.Assigned, id)
		}
		return nil
	})
}
