package oktatest

import (
	"slices"
	"sort"
)

func (s *Server) getApp(c *call) {
	c.one(func(st *store, b *pageBuffer) *failure {
		a, ok := st.app(c.r.PathValue("id"))
		if !ok {
			return missing("AppInstance", c.r.PathValue("id"))
		}
		b.WriteString(`{"id":"` + a.id + `","name":"scim2testapp","label":`)
		b.text(a.label)
		b.WriteString(`,"status":"` + a.status + `","features":[],"signOnMode":"AUTO_LOGIN"}`)
		return nil
	})
}

// prepare brings the app's list of users up to date, which a read lock does not
// allow.
func (s *Server) prepare(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.store.app(id); ok {
		s.store.assigned(a)
	}
}

func (s *Server) listAppUsers(c *call) {
	l, ok := c.listing(50, 500)
	if !ok {
		return
	}
	expand := c.r.URL.Query().Get("expand") == "user"
	id := c.r.PathValue("id")
	s.prepare(id)
	c.list(l, func(st *store) (rows, *failure) {
		a, ok := st.app(id)
		if !ok {
			return rows{}, missing("AppInstance", id)
		}
		place, problem := startAfter(st.userAt, l.after)
		all := a.users
		start := sort.Search(len(all), func(i int) bool { return int(all[i].user) >= place })
		return rows{
			start: start, end: len(all),
			keep: func(int) bool { return true },
			id:   func(at int) string { return st.users[all[at].user].id },
			write: func(b *pageBuffer, at int) {
				b.appUser(all[at], &st.users[all[at].user], c.base, id, expand, c.lean)
			},
		}, problem
	})
}

func (s *Server) getAppUser(c *call) {
	id, key := c.r.PathValue("id"), c.r.PathValue("user")
	s.prepare(id)
	c.one(func(st *store, b *pageBuffer) *failure {
		a, ok := st.app(id)
		if !ok {
			return missing("AppInstance", id)
		}
		// Unlike /users/{id}, this path takes an id only.
		place, ok := st.userAt[key]
		if !ok {
			return missing("AppUser", key)
		}
		at, found := slices.BinarySearchFunc(a.users, place, func(x assignment, p int32) int { return int(x.user - p) })
		if !found {
			return missing("AppUser", key)
		}
		b.appUser(a.users[at], &st.users[place], c.base, id, c.r.URL.Query().Get("expand") == "user", c.lean)
		return nil
	})
}

func (s *Server) listAppGroups(c *call) {
	l, ok := c.listing(20, 200)
	if !ok {
		return
	}
	if l.limit < 20 {
		c.fail(invalid("limit: the range is 20 to 200"))
		return
	}
	expand := c.r.URL.Query().Get("expand") == "group"
	id := c.r.PathValue("id")
	c.list(l, func(st *store) (rows, *failure) {
		a, ok := st.app(id)
		if !ok {
			return rows{}, missing("AppInstance", id)
		}
		start := 0
		if l.after != "" {
			start = 1 + slices.IndexFunc(a.groups, func(ag appGroup) bool { return st.groups[ag.group].id == l.after })
		}
		return rows{
			start: start, end: len(a.groups),
			keep: func(at int) bool { return !st.groups[a.groups[at].group].deleted },
			id:   func(at int) string { return st.groups[a.groups[at].group].id },
			write: func(b *pageBuffer, at int) {
				b.appGroup(a.groups[at], at, &st.groups[a.groups[at].group], c.base, id, expand)
			},
		}, nil
	})
}

func (s *Server) getAppGroup(c *call) {
	id, key := c.r.PathValue("id"), c.r.PathValue("group")
	c.one(func(st *store, b *pageBuffer) *failure {
		a, ok := st.app(id)
		if !ok {
			return missing("AppInstance", id)
		}
		at := slices.IndexFunc(a.groups, func(ag appGroup) bool { return st.groups[ag.group].id == key })
		if at < 0 || st.groups[a.groups[at].group].deleted {
			return missing("ApplicationGroupAssignment", key)
		}
		b.appGroup(a.groups[at], at, &st.groups[a.groups[at].group], c.base, id, c.r.URL.Query().Get("expand") == "group")
		return nil
	})
}
