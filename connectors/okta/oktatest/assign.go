package oktatest

import (
	"cmp"
	"fmt"
	"slices"
)

// AssignUser assigns a user to an app by hand (scope USER). DEPROVISIONED people
// cannot be assigned.
func (s *Server) AssignUser(appID string, u AppUser) error {
	return s.change(func(st *store, now int64) error {
		a, ok := st.app(appID)
		if !ok {
			return fmt.Errorf("app %s: %w", appID, ErrNotFound)
		}
		row, place, ok := st.user(u.ID)
		if !ok {
			return fmt.Errorf("user %s: %w", u.ID, ErrNotFound)
		}
		if row.status == Deprovisioned {
			return fmt.Errorf("user %s is DEPROVISIONED and cannot be assigned", u.ID)
		}
		entry := assignment{
			user: place, scope: "USER", status: cmp.Or(u.Status, Active),
			externalID: u.ExternalID, profile: u.Profile, updated: now,
		}
		at, found := slices.BinarySearchFunc(a.direct, place, byPlace)
		direct := slices.Clone(a.direct)
		if found {
			direct[at] = entry
		} else {
			direct = slices.Insert(direct, at, entry)
		}
		a.direct, a.stale = direct, true
		st.log(now, "application.user_membership.add", row.id, a.id)
		return nil
	})
}

// UnassignUser takes an assignment by hand away. Who also has the app through a
// group stays assigned with scope GROUP.
func (s *Server) UnassignUser(appID, key string) error {
	return s.change(func(st *store, now int64) error {
		a, ok := st.app(appID)
		if !ok {
			return fmt.Errorf("app %s: %w", appID, ErrNotFound)
		}
		u, place, ok := st.user(key)
		if !ok {
			return fmt.Errorf("user %s: %w", key, ErrNotFound)
		}
		at, found := slices.BinarySearchFunc(a.direct, place, byPlace)
		if !found {
			return fmt.Errorf("user %s is not assigned to app %s by hand: %w", key, appID, ErrNotFound)
		}
		a.direct, a.stale = slices.Delete(slices.Clone(a.direct), at, at+1), true
		st.log(now, "application.user_membership.remove", u.id, a.id)
		return nil
	})
}

// AssignGroup assigns a group to an app; its members become users of the app.
func (s *Server) AssignGroup(appID, groupID string) error {
	return s.change(func(st *store, now int64) error {
		a, ok := st.app(appID)
		if !ok {
			return fmt.Errorf("app %s: %w", appID, ErrNotFound)
		}
		g, place, ok := st.group(groupID)
		if !ok {
			return fmt.Errorf("group %s: %w", groupID, ErrNotFound)
		}
		if !slices.ContainsFunc(a.groups, func(ag appGroup) bool { return ag.group == place }) {
			a.groups = append(slices.Clone(a.groups), appGroup{place, now})
			a.stale = true
			st.log(now, "group.application_assignment.add", g.id, a.id)
		}
		return nil
	})
}

// UnassignGroup takes a group's assignment away.
func (s *Server) UnassignGroup(appID, groupID string) error {
	return s.change(func(st *store, now int64) error {
		a, ok := st.app(appID)
		if !ok {
			return fmt.Errorf("app %s: %w", appID, ErrNotFound)
		}
		before := len(a.groups)
		a.groups = slices.DeleteFunc(slices.Clone(a.groups), func(ag appGroup) bool { return st.groups[ag.group].id == groupID })
		if len(a.groups) == before {
			return fmt.Errorf("group %s is not assigned to app %s: %w", groupID, appID, ErrNotFound)
		}
		a.stale = true
		st.log(now, "group.application_assignment.remove", groupID, a.id)
		return nil
	})
}

// unassignEverywhere drops a deactivated user from the apps that are active.
func (s *store) unassignEverywhere(place int32, now int64) {
	for i := range s.apps {
		a := &s.apps[i]
		if at, found := slices.BinarySearchFunc(a.direct, place, byPlace); found && a.status == Active {
			a.direct = slices.Delete(slices.Clone(a.direct), at, at+1)
			s.log(now, "application.user_membership.remove", s.users[place].id, a.id)
		}
	}
}

func byPlace(a assignment, place int32) int { return cmp.Compare(a.user, place) }
