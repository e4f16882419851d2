package okta_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// clock is Okta's, and stands still until it is moved.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d / time.Second)) }

// timed serves a world by a clock of its own.
func timed(t *testing.T, w oktatest.World) (*oktatest.Server, okta.Settings, *clock) {
	t.Helper()
	server, settings := org(t, w)
	c := new(clock)
	c.at.Store(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Unix())
	server.Configure(func(o *oktatest.Options) { o.Now = c.now })
	return server, settings, c
}

// mirror is what full and delta reads have told, as the agent keeps it.
type mirror struct {
	records map[identity.Ref]identity.Record
	members map[string]map[string]bool
	cursor  connectors.Cursor
}

// query asks for everything since the mirror was last brought up to date.
func (m *mirror) query() connectors.Query {
	q := everything()
	q.From = m.cursor
	q.Known = func(ref identity.Ref) (string, bool) {
		_, whole := m.members[ref.ID]
		version := m.records[ref].Version
		return version, whole && version != ""
	}
	return q
}

// full reads everything anew.
func full(t *testing.T, source connectors.Source) *mirror {
	t.Helper()
	m := &mirror{records: map[identity.Ref]identity.Record{}, members: map[string]map[string]bool{}}
	got := read(t.Context(), t, source, everything())
	mustBeWhole(t, got)
	m.apply(t, got)
	return m
}

// delta brings the mirror up to date and returns what the read told.
func (m *mirror) delta(t *testing.T, source connectors.Source) seen {
	t.Helper()
	got := read(t.Context(), t, source, m.query())
	mustBeWhole(t, got)
	if len(got.checkpoint.Full) > 0 || got.checkpoint.Cursor == "" {
		t.Fatalf("a delta read ended in %+v", got.checkpoint)
	}
	m.apply(t, got)
	return got
}

func (m *mirror) apply(t *testing.T, got seen) {
	t.Helper()
	maps.Copy(m.records, got.records)
	for id, state := range got.states {
		switch state {
		case connectors.Complete:
			m.members[id] = map[string]bool{}
			for _, member := range got.members[id] {
				m.members[id][member] = true
			}
		case connectors.Unknown:
			delete(m.members, id)
		case connectors.Unchanged:
			if m.members[id] == nil {
				t.Errorf("group %s is unchanged, and its members were never told", id)
			}
		}
	}
	for ref := range got.gone {
		delete(m.records, ref)
		delete(m.members, ref.ID)
	}
	m.cursor = got.checkpoint.Cursor
}

func (m *mirror) lines() []string {
	var lines []string
	for ref, record := range m.records {
		line := fmt.Sprintf("%s %v", ref, record.Fields)
		if ref.Kind == identity.Group {
			line += fmt.Sprint(" members ", slices.Sorted(maps.Keys(m.members[ref.ID])))
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// churn makes changes at random. Those that Okta refuses are left out.
func churn(r *rand.Rand, s *oktatest.Server, app string, n int) {
	user := func() string { return fmt.Sprintf("00u%03d", r.IntN(30)) }
	group := func() string { return fmt.Sprintf("00g%02d", r.IntN(6)) }
	for range n {
		u, g := user(), group()
		switch r.IntN(16) {
		case 0, 1:
			_, _ = s.CreateUser(oktatest.Person(u, fmt.Sprintf("%s-%d@example.com", u, r.IntN(1000)), "Given", "Family"))
		case 2, 3:
			_ = s.UpdateUser(u, map[string]any{"title": fmt.Sprint("Title ", r.IntN(1000))})
		case 4, 5:
			_ = s.SetStatus(u, oktatest.Statuses()[r.IntN(8)])
		case 6:
			_ = s.DeleteUser(u)
		case 7:
			_, _ = s.CreateGroup(oktatest.Team(g, "Group "+g))
		case 8:
			_ = s.UpdateGroup(g, map[string]any{"description": fmt.Sprint("Text ", r.IntN(1000))})
		case 9:
			if r.IntN(4) == 0 {
				_ = s.DeleteGroup(g)
			}
		case 10, 11:
			_ = s.AddMember(g, u)
		case 12:
			_ = s.RemoveMember(g, u)
		case 13:
			_ = s.AssignUser(app, oktatest.AppUser{ID: u, Profile: oktatest.Profile(map[string]any{"role": r.IntN(100)})})
		case 14:
			_ = s.UnassignUser(app, u)
		case 15:
			switch r.IntN(6) {
			case 0:
				_ = s.AssignGroup(app, g)
			case 1:
				_ = s.UnassignGroup(app, g)
			}
		}
	}
}

// small is the world churn works on: some of its ids exist.
func small() oktatest.World {
	var w oktatest.World
	for i := range 20 {
		w.Users = append(w.Users, oktatest.Person(fmt.Sprintf("00u%03d", i), fmt.Sprintf("p%03d@example.com", i), "Given", "Family"))
	}
	for i := range 4 {
		w.Groups = append(w.Groups, oktatest.Team(fmt.Sprintf("00g%02d", i), fmt.Sprint("Group ", i), w.Users[i].ID, w.Users[i+5].ID))
	}
	w.Apps = []oktatest.App{{ID: "0oa1", Label: "Catalog", Groups: []string{"00g00", "00g01"}, Users: []oktatest.AppUser{{ID: "00u010"}}}}
	return w
}
