package entra_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/identity"
)

const app = entratest.SyntheticApp

// assignedWorld has two assigned groups, one of which holds a third, a user
// assigned by hand, and people who are not assigned.
func assignedWorld() entratest.World {
	return entratest.World{
		Users:  people(12),
		Others: []entratest.Other{{ID: "d1", Type: entratest.Device}, {ID: "s1", Type: entratest.ServicePrincipal}},
		Groups: []entratest.Group{
			entratest.Team("a", "Assigned A", "u000", "u001", "d1", "inner"),
			entratest.Team("b", "Assigned B", "u001", "u002"),
			entratest.Team("inner", "Inner", "u003"),
			entratest.Team("free", "Free", "u004", "u005"),
		},
		Apps: []entratest.App{{ID: "sp", AppID: app, Name: "Data Catalog", Assigned: []string{"a", "b", "u006", "s1"}}},
	}
}

func assignedTo(t *testing.T, url string) entra.Settings {
	t.Helper()
	s := settings(t, url, 2)
	s.AssignedTo = app
	return s
}

func refs(st *state) []string {
	var out []string
	for ref := range st.records {
		out = append(out, ref.ID)
	}
	slices.Sort(out)
	return out
}

func TestAssignedOnly(t *testing.T) {
	t.Parallel()
	_, url := serve(t, assignedWorld())
	direct := assignedTo(t, url)
	nested := direct
	nested.Nested = true
	for name, test := range map[string]struct {
		settings entra.Settings
		records  string
		a        int
	}{
		"direct": {direct, "a b u000 u001 u002 u006", 2},
		"nested": {nested, "a b u000 u001 u002 u003 u006", 3},
	} {
		st := full(t, open(t, test.settings), everything())
		if got := strings.Join(refs(st), " "); !st.done || got != test.records {
			t.Errorf("%s: read %s (%v), want %s", name, got, st.err, test.records)
		}
		if n := len(st.members[group("a")]); n != test.a {
			t.Errorf("%s: group a has %d members, want %d", name, n, test.a)
		}
	}
}

func TestAssignedOnlyByKey(t *testing.T) {
	t.Parallel()
	_, url := serve(t, assignedWorld())
	source := open(t, assignedTo(t, url))
	key := func(kind identity.Kind, id string) connectors.Key { return connectors.Key{Kind: kind, ID: id} }
	st := only(t, source, everything(), key(identity.User, "u001"), key(identity.User, "u006"), key(identity.User, "u003"),
		key(identity.User, "nobody"), key(identity.Group, "a"), key(identity.Group, "free"))
	if got := strings.Join(refs(st), " "); st.err != nil || got != "a u001 u006" {
		t.Errorf("read %s (%v)", got, st.err)
	}
	want := map[identity.Ref]identity.Cause{
		user("u003"): identity.CauseUnassigned, user("nobody"): identity.CauseGone, group("free"): identity.CauseUnassigned,
	}
	if diff := cmp.Diff(want, st.gone); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
	if len(st.members[group("a")]) != 2 {
		t.Errorf("members of a: %v", st.members[group("a")])
	}
}

func TestAssignedDelta(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(*entratest.Server) error
		gone map[identity.Ref]identity.Cause
		// resync says that nothing but a full read can tell.
		resync bool
	}{
		{name: "nothing", do: func(*entratest.Server) error { return nil }},
		{name: "a user joins an assigned group", do: func(s *entratest.Server) error { return s.AddMember("a", "u004") }},
		{
			name: "a user leaves the only one", do: func(s *entratest.Server) error { return s.RemoveMember("a", "u000") },
			gone: map[identity.Ref]identity.Cause{user("u000"): identity.CauseUnassigned},
		},
		{name: "a user leaves one of two", do: func(s *entratest.Server) error { return s.RemoveMember("a", "u001") }},
		{name: "a user moves", do: func(s *entratest.Server) error {
			if err := s.RemoveMember("a", "u000"); err != nil {
				return err
			}
			return s.AddMember("b", "u000")
		}},
		{name: "a user is assigned", do: func(s *entratest.Server) error { return s.Assign(app, "u009") }},
		{
			name: "a user is unassigned", do: func(s *entratest.Server) error { return s.Unassign(app, "u006") },
			gone: map[identity.Ref]identity.Cause{user("u006"): identity.CauseUnassigned},
		},
		{name: "a group is assigned", do: func(s *entratest.Server) error { return s.Assign(app, "free") }},
		{
			name: "a group is unassigned", do: func(s *entratest.Server) error { return s.Unassign(app, "b") },
			gone: map[identity.Ref]identity.Cause{user("u002"): identity.CauseUnassigned, group("b"): identity.CauseUnassigned},
		},
		{name: "one in scope is disabled", do: func(s *entratest.Server) error { return s.SetEnabled("u001", false) }},
		{name: "one out of scope is renamed", do: func(s *entratest.Server) error {
			return s.UpdateUser("u008", map[string]any{"displayName": "Elsewhere"})
		}},
		{
			name: "one in scope is deleted", do: func(s *entratest.Server) error { return s.DeleteUser("u002") },
			gone: map[identity.Ref]identity.Cause{user("u002"): identity.CauseGone},
		},
		{
			name: "one assigned by hand is deleted", do: func(s *entratest.Server) error { return s.DeleteUser("u006") },
			gone: map[identity.Ref]identity.Cause{user("u006"): identity.CauseGone},
		},
		{name: "a group is renamed", do: func(s *entratest.Server) error {
			return s.UpdateGroup("a", map[string]any{"displayName": "Renamed"})
		}},
		{name: "an assigned group is deleted", do: func(s *entratest.Server) error { return s.DeleteGroup("b") }, resync: true},
		{name: "a group that is not assigned is deleted", do: func(s *entratest.Server) error { return s.DeleteGroup("free") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t, assignedWorld())
			source := open(t, assignedTo(t, url))
			st := full(t, source, everything())
			if err := test.do(server); err != nil {
				t.Fatal(err)
			}
			st.delta(t, source, everything())
			if test.resync {
				if connectors.ClassOf(st.err) != connectors.Expired {
					t.Errorf("%v of class %q, want expired", st.err, connectors.ClassOf(st.err))
				}
				return
			}
			if !st.done || len(st.full) != 0 {
				t.Fatalf("delta: %v, full %v", st.err, st.full)
			}
			for ref, why := range test.gone {
				if st.gone[ref] != why {
					t.Errorf("%s is gone because of %q, want %q", ref, st.gone[ref], why)
				}
			}
			if len(st.gone) != len(test.gone) {
				t.Errorf("gone: %v, want %v", st.gone, test.gone)
			}
			if diff := cmp.Diff(full(t, source, everything()).lines(), st.lines()); diff != "" {
				t.Errorf("after the delta (-full +delta):\n%s", diff)
			}
		})
	}
}

// TestAssignedDeltaConverges makes changes at random: a delta ends where a full
// read does, or says that it cannot.
func TestAssignedDeltaConverges(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("nested %t, seed %d", nested, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 5))
				w := assignedWorld()
				server, url := serve(t, w)
				server.Configure(func(o *entratest.Options) {
					o.PageSize, o.MembersPerPage, o.Interleave, o.Replay = 3, 2, true, int64(seed)
				})
				s := assignedTo(t, url)
				s.Nested = nested
				source := open(t, s)
				st := full(t, source, everything())
				resyncs := 0
				for round := range 8 {
					for range 1 + r.IntN(5) {
						shake(r, server, w)
					}
					st.delta(t, source, everything())
					fresh := full(t, source, everything())
					switch {
					case connectors.ClassOf(st.err) == connectors.Expired:
						resyncs++
						st = fresh
						continue
					case !st.done:
						t.Fatalf("round %d: %v", round, st.err)
					}
					if diff := cmp.Diff(fresh.lines(), st.lines()); diff != "" {
						t.Fatalf("round %d (-full +delta):\n%s", round, diff)
					}
				}
				if !nested && resyncs > 0 {
					t.Errorf("%d rounds of 8 had to be read in full", resyncs)
				}
			})
		}
	}
}

// shake makes one change that may or may not be possible.
func shake(r *rand.Rand, s *entratest.Server, w entratest.World) {
	u := w.Users[r.IntN(len(w.Users))].ID
	g := w.Groups[r.IntN(len(w.Groups))].ID
	switch r.IntN(9) {
	case 0, 1:
		_ = s.AddMember(g, u)
	case 2, 3:
		_ = s.RemoveMember(g, u)
	case 4:
		_ = s.Assign(app, []string{u, g}[r.IntN(2)])
	case 5:
		_ = s.Unassign(app, []string{u, g}[r.IntN(2)])
	case 6:
		_ = s.UpdateUser(u, map[string]any{"jobTitle": fmt.Sprint(r.IntN(100))})
	case 7:
		_ = s.UpdateGroup(g, map[string]any{"displayName": fmt.Sprint("Name ", r.IntN(100))})
	case 8:
		if r.IntN(2) == 0 {
			_ = s.DeleteUser(u)
		} else {
			_ = s.RestoreUser(u)
		}
	}
}

func TestAssignedDeltaAsksLittle(t *testing.T) {
	t.Parallel()
	server, url := serve(t, entratest.Synthetic(300, 40, 1500, 2))
	s := assignedTo(t, url)
	s.Limits.PageSize = 0
	source := open(t, s)
	st := full(t, source, everything())
	server.ResetRequests()
	st.delta(t, source, everything())
	// The application, what is assigned to it, users and groups.
	if n := server.Total(); !st.done || n != 4 {
		t.Errorf("a delta with nothing to tell sent %d requests (%v), want 4: %v", n, st.err, server.Requests())
	}
}

func TestAssignedManyPeople(t *testing.T) {
	t.Parallel()
	w := entratest.Synthetic(300, 6, 500, 2)
	server, url := serve(t, w)
	source := open(t, assignedTo(t, url))
	st := full(t, source, everything())
	for _, u := range w.Users[:100] {
		if err := server.UpdateUser(u.ID, map[string]any{"jobTitle": "Changed"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, u := range w.Users[100:160] {
		if err := server.Assign(app, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	server.ResetRequests()
	st.delta(t, source, everything())
	if diff := cmp.Diff(full(t, source, everything()).lines(), st.lines()); diff != "" || !st.done {
		t.Errorf("%v (-full +delta):\n%s", st.err, diff)
	}
	if n := server.Requests()["GET /v1.0/users/{id}/memberOf"]; n != 0 {
		t.Errorf("%d people were asked about one by one", n)
	}
}

func TestAssignedGroupThatCannotBeRead(t *testing.T) {
	t.Parallel()
	server, url := serve(t, assignedWorld())
	server.Inject(entratest.Fault{
		ID: "withheld", Match: entratest.Path("/groups/a/members/user"), MinFires: 1,
		Effect: entratest.Effect{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "withheld"},
	})
	st := full(t, open(t, assignedTo(t, url)), everything())
	if !st.done || st.unreadable[identity.Ref{Kind: identity.User}] == "" || st.links[group("a")].State != connectors.Unknown {
		t.Errorf("%v: unreadable %v, links of a %v: users must be shielded and the members unknown", st.err, st.unreadable, st.links[group("a")])
	}
	unfired(t, server)
}

func TestNoSuchApplication(t *testing.T) {
	t.Parallel()
	_, url := serve(t, entratest.World{Users: people(3)})
	source := open(t, assignedTo(t, url))
	st := full(t, source, everything())
	if st.done || connectors.ClassOf(st.err) != connectors.Incomplete || !strings.Contains(st.err.Error(), "assigned_to") {
		t.Errorf("%v: everybody must not look unassigned", st.err)
	}
	if _, err := source.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "assigned_to") {
		t.Errorf("Info: %v", err)
	}
}
