package oktatest

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// userFilter is what filter takes on the user list (management API, listUsers).
func userFilter() grammar {
	return filterGrammar("status", "lastUpdated", "id", "profile.login", "profile.email", "profile.firstName", "profile.lastName")
}

func userSearch() grammar {
	return searchGrammar("status", "lastUpdated", "created", "statusChanged", "id")
}

// selection reads filter and search of a list; nil selects everything.
func (c *call) selection(filter, search grammar) (condition, bool) {
	q := c.r.URL.Query()
	text, g := q.Get("filter"), filter
	if text == "" {
		text, g = q.Get("search"), search
	}
	if text == "" {
		return nil, true
	}
	cond, err := parseFilter(text, g)
	if err != nil {
		c.fail(failure{status: 400, code: "E0000031", summary: "Invalid search criteria: " + err.Error()})
		return nil, false
	}
	return cond, true
}

// late returns up to which time of change objects are found by their times:
// ListLag hides what is newer. Other expressions find everything.
func (c *call) late() int64 {
	q := c.r.URL.Query()
	if c.options.ListLag <= 0 || !strings.Contains(q.Get("filter")+q.Get("search"), "pdated") {
		return math.MaxInt64
	}
	return c.now.Add(-c.options.ListLag).Unix()
}

func (s *Server) listUsers(c *call) {
	l, ok := c.listing(200, 200)
	if !ok {
		return
	}
	cond, ok := c.selection(userFilter(), userSearch())
	if !ok {
		return
	}
	keep := func(u *user) bool { return u.status != Deprovisioned }
	if cond != nil {
		late := c.late()
		keep = func(u *user) bool { return u.updated <= late && cond(userLookup(u)) }
	}
	if q := strings.ToLower(c.r.URL.Query().Get("q")); q != "" {
		keep = func(u *user) bool { return strings.HasPrefix(strings.ToLower(u.login), q) }
	}
	c.list(l, func(st *store) (rows, *failure) {
		start, problem := startAfter(st.userAt, l.after)
		return rows{
			start: start, end: len(st.users),
			keep:  func(at int) bool { return !st.users[at].deleted && keep(&st.users[at]) },
			id:    func(at int) string { return st.users[at].id },
			write: func(b *pageBuffer, at int) { b.user(&st.users[at], c.base, c.lean) },
		}, problem
	})
}

func (s *Server) getUser(c *call) {
	c.one(func(st *store, b *pageBuffer) *failure {
		u, _, ok := st.user(c.r.PathValue("id"))
		if !ok {
			return missing("User", c.r.PathValue("id"))
		}
		b.user(u, c.base, c.lean)
		return nil
	})
}

// getMe answers the owner of the API token. A service app is nobody.
func (s *Server) getMe(c *call) {
	if c.grant.client != "" {
		c.fail(forbidden())
		return
	}
	c.one(func(st *store, b *pageBuffer) *failure {
		for i := range st.users {
			u := &st.users[i]
			if !u.deleted && (c.options.Owner == "" || strings.EqualFold(u.login, c.options.Owner)) {
				b.user(u, c.base, c.lean)
				return nil
			}
		}
		return missing("User", "me")
	})
}

func (s *Server) getOrg(c *call) {
	c.one(func(_ *store, b *pageBuffer) *failure {
		b.WriteString(`{"id":"00osandbox000000000","subdomain":"sandbox","companyName":"Example Company","status":"ACTIVE","website":"https://example.com"}`)
		return nil
	})
}

func missing(kind, id string) *failure {
	f := notFound("Resource not found: " + id + " (" + kind + ")")
	return &f
}

// startAfter returns the place that follows the object with the cursor's id,
// whether or not that still exists.
func startAfter(places map[string]int32, after string) (int, *failure) {
	if after == "" {
		return 0, nil
	}
	place, ok := places[after]
	if !ok {
		f := invalid("after: unknown cursor")
		return 0, &f
	}
	return int(place) + 1, nil
}

func userLookup(u *user) lookup {
	return func(property string) []string {
		switch property {
		case "status":
			return []string{u.status}
		case "id":
			return []string{u.id}
		case "profile.login":
			return []string{u.login}
		case "lastUpdated":
			return []string{rfc(u.updated)}
		case "created":
			return []string{rfc(u.created)}
		case "statusChanged":
			return []string{rfc(u.changed)}
		}
		return profileLookup(u.profile, property)
	}
}

func profileLookup(profile json.RawMessage, property string) []string {
	name, ok := strings.CutPrefix(property, "profile.")
	if !ok {
		return nil
	}
	value, err := profileString(profile, name)
	if err != nil {
		return nil
	}
	return []string{value}
}

func rfc(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }
