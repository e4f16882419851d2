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
		event := "application.user_membership.add"
		if found {
			event = "application.user_membership.update"
		}
		st.log(now, event, row.id, a.id)
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
			st.log(now, "group.application_assignment.add", g.id, a.id)
			st.watch(now, g.in, func() { a.groups = append(slices.Clone(a.groups), appGroup{place, now}) })
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
		g, place, ok := st.group(groupID)
		if !ok || !slices.ContainsFunc(a.groups, func(ag appGroup) bool { return ag.group == place }) {
			return fmt.Errorf("group %s is not assigned to app %s: %w", groupID, appID, ErrNotFound)
		}
		st.log(now, "group.application_assignment.remove", groupID, a.id)
		st.watch(now, g.in, func() {
			a.groups = slices.DeleteFunc(slices.Clone(a.groups), func(ag appGroup) bool { return ag.group == place })
		})
		return nil
	})
}

// unassign drops assignments by hand of a user, from apps of these statuses:
// deactivation ends them in active apps only.
func (s *store) unassign(place int32, statuses ...string) {
	for i := range s.apps {
		a := &s.apps[i]
		if at, found := slices.BinarySearchFunc(a.direct, place, byPlace); found && slices.Contains(statuses, a.status) {
			a.direct = slices.Delete(slices.Clone(a.direct), at, at+1)
		}
	}
}

// watch makes a change and logs which of the users were assigned to an app, or
// taken from it, by what it did: Okta tells of everybody, also of those who come
// and go with a group.
func (s *store) watch(now int64, places []int32, change func()) {
	before := make([]bool, 0, len(s.apps)*len(places))
	for i := range s.apps {
		for _, place := range places {
			before = append(before, s.has(&s.apps[i], place))
		}
	}
	change()
	for i := range s.apps {
		a := &s.apps[i]
		a.stale = true
		for j, place := range places {
			was, is := before[i*len(places)+j], s.has(a, place)
			switch {
			case is && !was:
				s.log(now, "application.user_membership.add", s.users[place].id, a.id)
			case was && !is:
				s.log(now, "application.user_membership.remove", s.users[place].id, a.id)
			}
		}
	}
}

// has reports whether the user is assigned to the app, by hand or through a
// group.
func (s *store) has(a *app, place int32) bool {
	if _, byHand := slices.BinarySearchFunc(a.direct, place, byPlace); byHand {
		return true
	}
	if u := &s.users[place]; u.deleted || u.status == Deprovisioned {
		return false
	}
	return slices.ContainsFunc(a.groups, func(ag appGroup) bool {
		_, in := slices.BinarySearch(s.groups[ag.group].in, place)
		return in
	})
}

func byPlace(a assignment, place int32) int { return cmp.Compare(a.user, place) }
