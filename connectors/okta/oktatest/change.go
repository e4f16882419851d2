package oktatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrNotFound says that the user, group or app of a change does not exist.
var ErrNotFound = errors.New("not found")

// change runs f on the store under the lock, with the time it happens.
func (s *Server) change(f func(st *store, now int64) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now
	if s.options.Now != nil {
		now = s.options.Now
	}
	if err := f(s.store, now().Unix()); err != nil {
		return fmt.Errorf("oktatest: %w", err)
	}
	return nil
}

// CreateUser adds a person and returns the id. Without an ID one is made; times
// are now.
func (s *Server) CreateUser(u User) (string, error) {
	err := s.change(func(st *store, now int64) error {
		if u.ID == "" {
			u.ID = fmt.Sprintf("00unew%014d", len(st.users))
		}
		at := time.Unix(now, 0)
		u.Created, u.LastUpdated, u.StatusChanged = at, at, at
		if err := st.addUser(u); err != nil {
			return err
		}
		st.log(now, "user.lifecycle.create", u.ID)
		return nil
	})
	return u.ID, err
}

// UpdateUser changes profile fields of a user (id or login); nil drops one. A
// new login is a rename.
func (s *Server) UpdateUser(key string, fields map[string]any) error {
	return s.change(func(st *store, now int64) error {
		u, place, ok := st.user(key)
		if !ok {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		profile, err := merge(u.profile, fields)
		if err != nil {
			return err
		}
		login, err := profileString(profile, "login")
		if err != nil {
			return err
		}
		before, after := strings.ToLower(u.login), strings.ToLower(login)
		if holder, taken := st.loginAt[after]; taken && holder != place {
			return fmt.Errorf("user %s: login %s is taken", key, login)
		}
		delete(st.loginAt, before)
		st.loginAt[after] = place
		u.login, u.profile, u.updated = login, profile, now
		st.log(now, "user.account.update_profile", u.id)
		return nil
	})
}

// SetStatus moves a user (id or login) to a status. DEPROVISIONED unassigns the
// user from every active app and keeps the group memberships, as Okta does
// (support.okta.com, "Can an Application Be Assigned to a Deactivated User").
func (s *Server) SetStatus(key, status string) error {
	return s.change(func(st *store, now int64) error {
		u, place, ok := st.user(key)
		if !ok {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		at := slices.Index(Statuses(), status)
		if at < 0 {
			return fmt.Errorf("user %s: status %q is none of Okta's", key, status)
		}
		st.log(now, statusEvent(u.status, status), u.id)
		st.watch(now, []int32{place}, func() {
			u.status, u.updated, u.changed = Statuses()[at], now, now
			if status == Deprovisioned {
				st.unassign(place, Active)
			}
		})
		return nil
	})
}

func statusEvent(from, to string) string {
	switch {
	case to == Deprovisioned:
		return "user.lifecycle.deactivate"
	case to == Suspended:
		return "user.lifecycle.suspend"
	case from == Suspended:
		return "user.lifecycle.unsuspend"
	case to == LockedOut:
		return "user.account.lock"
	case from == LockedOut && to == Active:
		return "user.account.unlock_by_admin"
	case to == PasswordExpired:
		return "user.account.expire_password"
	case to == Recovery:
		return "user.account.reset_password"
	}
	return "user.lifecycle.activate"
}

// DeleteUser removes a user (id or login) for good; no list shows it again.
func (s *Server) DeleteUser(key string) error {
	return s.change(func(st *store, now int64) error {
		u, place, ok := st.user(key)
		if !ok {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		st.log(now, "user.lifecycle.delete.initiated", u.id)
		st.watch(now, []int32{place}, func() {
			st.unassign(place, Active, "INACTIVE")
			for i := range st.groups {
				st.groups[i].remove(place, now)
			}
			delete(st.loginAt, strings.ToLower(u.login))
			u.deleted, u.profile = true, nil
		})
		st.log(now, "user.lifecycle.delete.completed", u.id)
		return nil
	})
}

// CreateGroup adds a group and returns the id. Without an ID one is made; times
// are now.
func (s *Server) CreateGroup(g Group) (string, error) {
	err := s.change(func(st *store, now int64) error {
		if g.ID == "" {
			g.ID = fmt.Sprintf("00gnew%014d", len(st.groups))
		}
		at := time.Unix(now, 0)
		g.Created, g.LastUpdated, g.LastMembershipUpdated = at, at, at
		if err := st.addGroup(g); err != nil {
			return err
		}
		st.log(now, "group.lifecycle.create", g.ID)
		return nil
	})
	return g.ID, err
}

// UpdateGroup changes profile fields of a group; nil drops one. A new name is a
// rename.
func (s *Server) UpdateGroup(id string, fields map[string]any) error {
	return s.change(func(st *store, now int64) error {
		g, _, ok := st.group(id)
		if !ok {
			return fmt.Errorf("group %s: %w", id, ErrNotFound)
		}
		profile, err := merge(g.profile, fields)
		if err != nil {
			return err
		}
		name, err := profileString(profile, "name")
		if err != nil {
			return err
		}
		g.name, g.profile, g.updated = name, profile, now
		st.log(now, "group.profile.update", g.id)
		return nil
	})
}

// DeleteGroup removes a group and its assignments.
func (s *Server) DeleteGroup(id string) error {
	return s.change(func(st *store, now int64) error {
		g, place, ok := st.group(id)
		if !ok {
			return fmt.Errorf("group %s: %w", id, ErrNotFound)
		}
		st.log(now, "group.lifecycle.delete", g.id)
		st.watch(now, g.in, func() {
			g.deleted, g.in = true, nil
			for i := range st.apps {
				a := &st.apps[i]
				a.groups = slices.DeleteFunc(slices.Clone(a.groups), func(ag appGroup) bool { return ag.group == place })
			}
		})
		return nil
	})
}

// AddMember puts a user (id or login) into a group. lastMembershipUpdated moves
// only when the user was not in it.
func (s *Server) AddMember(groupID, key string) error {
	return s.member(groupID, key, "group.user_membership.add", (*group).add)
}

// RemoveMember takes a user (id or login) out of a group.
func (s *Server) RemoveMember(groupID, key string) error {
	return s.member(groupID, key, "group.user_membership.remove", (*group).remove)
}

func (s *Server) member(groupID, key, event string, do func(*group, int32, int64) bool) error {
	return s.change(func(st *store, now int64) error {
		g, _, ok := st.group(groupID)
		if !ok {
			return fmt.Errorf("group %s: %w", groupID, ErrNotFound)
		}
		u, place, ok := st.user(key)
		if !ok {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		st.watch(now, []int32{place}, func() {
			if do(g, place, now) {
				st.log(now, event, u.id, g.id)
			}
		})
		return nil
	})
}

func (g *group) add(place int32, now int64) bool {
	at, found := slices.BinarySearch(g.in, place)
	if !found {
		// A new slice: a page may still be reading the old one.
		g.in = slices.Insert(slices.Clone(g.in), at, place)
		g.members = now
	}
	return !found
}

func (g *group) remove(place int32, now int64) bool {
	at, found := slices.BinarySearch(g.in, place)
	if found {
		g.in = slices.Delete(slices.Clone(g.in), at, at+1)
		g.members = now
	}
	return found
}

// merge applies fields to a profile; nil drops a field.
func merge(profile json.RawMessage, fields map[string]any) (json.RawMessage, error) {
	all := map[string]any{}
	if err := json.Unmarshal(profile, &all); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	maps.Copy(all, fields)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	data, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return data, nil
}
