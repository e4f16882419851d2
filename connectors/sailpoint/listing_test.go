package sailpoint_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

func TestEntitlementCounts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 249, 250, 251, 499, 500, 501} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := entitlements(n)
			server, settings := tenant(t, w)
			got := read(t, open(t, settings), groupsOnly())
			got.complete(t)
			if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
				t.Errorf("groups (-tenant +read):\n%s", diff)
			}
			if !slices.Equal(got.checkpoint.Full, []identity.Kind{identity.Group}) {
				t.Errorf("Full is %v", got.checkpoint.Full)
			}
			// The page before the empty one, and one more for each joint.
			if pages := server.Requests()["GET /entitlements"]; pages > n/249+2 {
				t.Errorf("%d requests for %d entitlements", pages, n)
			}
		})
	}
}

// TestListMoves: rows come and go while the list is read, at every joint and on
// both sides of it. Nothing that is there all the time is lost.
func TestListMoves(t *testing.T) {
	t.Parallel()
	const rows, size = 23, 5
	type step struct {
		name string
		do   func(s *sailpointtest.Server, request int) error
	}
	add := func(id string) func(*sailpointtest.Server, int) error {
		return func(s *sailpointtest.Server, n int) error {
			id := fmt.Sprintf("%s%d", id, n)
			return s.PutEntitlement(sailpointtest.Group(id, id, sailpointtest.DN(id, "Groups")))
		}
	}
	remove := func(id string) func(*sailpointtest.Server, int) error {
		return func(s *sailpointtest.Server, _ int) error { return s.RemoveEntitlement(id) }
	}
	first, late := "e0000", "e0036"
	steps := []step{
		{"a row comes in front", add("a")},
		{"a row comes in the middle", add("e0019x")},
		{"a row comes at the end", add("z")},
		{"the first row goes", remove(first)},
		{"a late row goes", remove(late)},
		{"the first row goes and another comes at the end", func(s *sailpointtest.Server, n int) error {
			if err := remove(first)(s, n); err != nil {
				return err
			}
			return add("z")(s, n)
		}},
	}
	for _, step := range steps {
		for before := 1; before <= 7; before++ {
			t.Run(fmt.Sprintf("%s before page %d", step.name, before), func(t *testing.T) {
				t.Parallel()
				w := entitlements(rows)
				server, settings := tenant(t, w)
				settings.Limits.PageSize = size
				server.Inject(sailpointtest.Fault{
					ID: step.name, Match: server.Call("GET /entitlements"), Skip: before - 1, Times: 1, MinFires: 1,
					Effect: sailpointtest.Effect{Do: func() {
						if err := step.do(server, before); err != nil {
							t.Error(err)
						}
					}},
				})
				got := read(t, open(t, settings), groupsOnly())
				got.complete(t)
				for _, id := range idsOf(w) {
					if id == first || id == late {
						continue
					}
					if _, ok := got.records["group:"+id]; !ok {
						t.Errorf("group %s was there all the time and was not read", id)
					}
				}
				if before > 6 {
					return // the list was over
				}
				if unfired := server.Unfired(); len(unfired) > 0 {
					t.Error(unfired)
				}
			})
		}
	}
}

// TestListKeepsMoving: where something moves in every reading, the read says so
// and claims nothing.
func TestListKeepsMoving(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, entitlements(23))
	settings.Limits.PageSize = 5
	n := 0
	server.Inject(sailpointtest.Fault{Match: server.Call("GET /entitlements"), Skip: 1, MinFires: 2, Effect: sailpointtest.Effect{Do: func() {
		n++
		id := fmt.Sprintf("a%d", n)
		if err := server.PutEntitlement(sailpointtest.Group(id, id, id)); err != nil {
			t.Error(err)
		}
	}}})
	got := read(t, open(t, settings), groupsOnly())
	if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil {
		t.Fatalf("the read ended with %v, checkpoint %v", got.err, got.checkpoint)
	}
	if !strings.Contains(got.err.Error(), "run again") {
		t.Errorf("the error names no way out: %v", got.err)
	}
}

// TestListKeepsGrowing: a list that gets a row with every request ends all the
// same, also where no total tells how long it was.
func TestListKeepsGrowing(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		server, settings := tenant(t, entitlements(23))
		server.Configure(func(o *sailpointtest.Options) { o.HideTotal = hidden })
		settings.Limits.PageSize = 5
		n := 0
		server.Inject(sailpointtest.Fault{Match: server.Call("GET /entitlements"), MinFires: 1, Effect: sailpointtest.Effect{Do: func() {
			n++
			id := fmt.Sprintf("z%06d", n)
			if err := server.PutEntitlement(sailpointtest.Group(id, id, id)); err != nil {
				t.Error(err)
			}
		}}})
		got := read(t, open(t, settings), groupsOnly())
		if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil || !strings.Contains(got.err.Error(), "keep coming") {
			t.Errorf("the read ended with %v after %d requests", got.err, n)
		}
	}
}

// TestVanishesBetweenReadings: an account that the first reading saw and the
// second did not is told as gone, and its memberships of the first are none.
func TestVanishesBetweenReadings(t *testing.T) {
	t.Parallel()
	dn := sailpointtest.DN("Team", "Groups")
	w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory()}, Entitlements: []sailpointtest.Entitlement{sailpointtest.Group("g1", "Team", dn)}}
	for i := range 12 {
		w.Accounts = append(w.Accounts, sailpointtest.Person(fmt.Sprintf("u%02d", i), fmt.Sprintf("u%02d@example.com", i), "A", "B", dn))
	}
	server, settings := tenant(t, w)
	settings.Limits.PageSize = 5
	server.Inject(sailpointtest.Fault{ID: "u00 goes", Match: server.Call("GET /accounts"), Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: func() {
		if err := server.RemoveAccount("u00"); err != nil {
			t.Error(err)
		}
		if err := server.Revoke("g1", "u01"); err != nil {
			t.Error(err)
		}
	}}})
	got := read(t, open(t, settings), everything())
	got.complete(t)
	if got.gone["user:u00"] != identity.CauseGone {
		t.Errorf("u00 is %q, want gone", got.gone["user:u00"])
	}
	want := []string{"u02", "u03", "u04", "u05", "u06", "u07", "u08", "u09", "u10", "u11"}
	if diff := cmp.Diff(want, got.members["g1"]); diff != "" {
		t.Errorf("members (-tenant +read):\n%s", diff)
	}
}

// TestServersHabits: pages smaller than asked for, no total, an offset that is
// dropped on the way.
func TestServersHabits(t *testing.T) {
	t.Parallel()
	w := entitlements(23)
	t.Run("smaller pages", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		server.Configure(func(o *sailpointtest.Options) { o.PageCap = 4 })
		got := read(t, open(t, settings), groupsOnly())
		got.complete(t)
		if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("no total", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		server.Configure(func(o *sailpointtest.Options) { o.HideTotal = true })
		settings.Limits.PageSize = 5
		got := read(t, open(t, settings), groupsOnly())
		got.complete(t)
		if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("offset dropped", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		settings = through(t, server, settings, func(r *http.Request) {
			q := r.URL.Query()
			q.Del("offset")
			r.URL.RawQuery = q.Encode()
		})
		got := read(t, open(t, settings), groupsOnly())
		if connectors.ClassOf(got.err) != connectors.Incomplete {
			t.Errorf("the read ended with %v", got.err)
		}
	})
	t.Run("filter dropped", func(t *testing.T) {
		t.Parallel()
		w := sailpointtest.Synthetic(12, 6, 20, 5)
		w.Sources = append(w.Sources, sailpointtest.Connection{ID: "other", Name: "Other"})
		foreign := sailpointtest.Group("zzz", "Foreign", "CN=Foreign,DC=example,DC=com")
		foreign.SourceID = "other"
		w.Entitlements = append(w.Entitlements, foreign)
		server, settings := tenant(t, w)
		settings = through(t, server, settings, func(r *http.Request) {
			q := r.URL.Query()
			q.Del("filters")
			r.URL.RawQuery = q.Encode()
		})
		got := read(t, open(t, settings), everything())
		got.complete(t)
		if n := len(got.ids(identity.Group)); n != 6 {
			t.Errorf("%d groups, want the 6 of the source and type: %v", n, got.ids(identity.Group))
		}
	})
	t.Run("early end behind a short page", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		server.Configure(func(o *sailpointtest.Options) { o.PageCap = 4 })
		server.Inject(sailpointtest.Fault{ID: "empty page", Match: server.Call("GET /entitlements"), Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Status: 200, Body: "[]"}})
		got := read(t, open(t, settings), groupsOnly())
		got.complete(t)
		if diff := cmp.Diff(idsOf(w), got.ids(identity.Group)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("early end", func(t *testing.T) {
		t.Parallel()
		server, settings := tenant(t, w)
		settings.Limits.PageSize = 5
		server.Inject(sailpointtest.Fault{ID: "empty page", Match: server.Call("GET /entitlements"), Skip: 2, MinFires: 1, Effect: sailpointtest.Effect{Status: 200, Body: "[]"}})
		got := read(t, open(t, settings), groupsOnly())
		if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil {
			t.Errorf("the read ended with %v, checkpoint %v", got.err, got.checkpoint)
		}
	})
}

// through puts a proxy that edits requests in front of the tenant.
func through(t *testing.T, server *sailpointtest.Server, s sailpoint.Settings, edit func(*http.Request)) sailpoint.Settings {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		edit(r)
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.URL = web.URL
	return s
}
