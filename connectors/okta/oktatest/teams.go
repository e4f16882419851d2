package oktatest

import (
	"sort"
	"strings"
)

func groupFilter() grammar {
	return filterGrammar("id", "type", "lastUpdated", "lastMembershipUpdated")
}

func groupSearch() grammar {
	return searchGrammar("id", "type", "created", "lastUpdated", "lastMembershipUpdated")
}

func (s *Server) listGroups(c *call) {
	l, ok := c.listing(10_000, 10_000)
	if !ok {
		return
	}
	cond, ok := c.selection(groupFilter(), groupSearch())
	if !ok {
		return
	}
	keep := func(*group) bool { return true }
	if cond != nil {
		late := c.late()
		keep = func(g *group) bool { return max(g.updated, g.members) <= late && cond(groupLookup(g)) }
	}
	if q := strings.ToLower(c.r.URL.Query().Get("q")); q != "" {
		// q cannot be paged: the first 300 are all there is.
		l.limit, l.after = min(l.limit, 300), ""
		keep = func(g *group) bool { return strings.HasPrefix(strings.ToLower(g.name), q) }
	}
	stats := strings.Contains(c.r.URL.Query().Get("expand"), "stats")
	c.list(l, func(st *store) (rows, *failure) {
		start, problem := startAfter(st.groupAt, l.after)
		return rows{
			start: start, end: len(st.groups),
			keep:  func(at int) bool { return !st.groups[at].deleted && keep(&st.groups[at]) },
			id:    func(at int) string { return st.groups[at].id },
			write: func(b *pageBuffer, at int) { b.group(&st.groups[at], c.base, stats) },
		}, problem
	})
}

func (s *Server) getGroup(c *call) {
	c.one(func(st *store, b *pageBuffer) *failure {
		g, _, ok := st.group(c.r.PathValue("id"))
		if !ok {
			return missing("UserGroup", c.r.PathValue("id"))
		}
		b.group(g, c.base, false)
		return nil
	})
}

// listMembers answers the members of a group. Deactivated people stay members
// (support.okta.com, "Deactivated Users not Removed From Okta Groups
// Automatically").
func (s *Server) listMembers(c *call) {
	l, ok := c.listing(1000, 1000)
	if !ok {
		return
	}
	c.list(l, func(st *store) (rows, *failure) {
		g, _, ok := st.group(c.r.PathValue("id"))
		if !ok {
			return rows{}, missing("UserGroup", c.r.PathValue("id"))
		}
		place, problem := startAfter(st.userAt, l.after)
		start := sort.Search(len(g.in), func(i int) bool { return int(g.in[i]) >= place })
		return rows{
			start: start, end: len(g.in),
			keep:  func(int) bool { return true },
			id:    func(at int) string { return st.users[g.in[at]].id },
			write: func(b *pageBuffer, at int) { b.user(&st.users[g.in[at]], c.base, c.lean) },
		}, problem
	})
}

func groupLookup(g *group) lookup {
	return func(property string) []string {
		switch property {
		case "id":
			return []string{g.id}
		case "type":
			return []string{g.kind}
		case "profile.name":
			return []string{g.name}
		case "created":
			return []string{rfc(g.created)}
		case "lastUpdated":
			return []string{rfc(g.updated)}
		case "lastMembershipUpdated":
			return []string{rfc(g.members)}
		}
		return profileLookup(g.profile, property)
	}
}
