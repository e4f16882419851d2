package okta_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// patience is how long a request waits for another one that has to come.
const patience = 20 * time.Second

// signal is something that happens once or more.
type signal struct {
	once sync.Once
	done chan struct{}
}

func newSignal() *signal { return &signal{done: make(chan struct{})} }

func (s *signal) give() { s.once.Do(func() { close(s.done) }) }

// await fails the test where the signal does not come.
func (s *signal) await(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	select {
	case <-s.done:
	case <-ctx.Done():
	case <-time.After(patience):
		t.Error(what)
	}
}

// around serves a world of three pages of people and three of groups, where an app
// has all of them, with a word in when a request is served.
func around(t *testing.T, app string, say func(r *http.Request, serve func())) (*oktatest.Server, okta.Settings) {
	t.Helper()
	const size = 20
	w := oktatest.World{Users: people(3 * size)}
	a := oktatest.App{ID: "0oa1", Label: "App"}
	for _, u := range w.Users {
		a.Users = append(a.Users, oktatest.AppUser{ID: u.ID})
		a.Groups = append(a.Groups, "g"+u.ID[1:])
		w.Groups = append(w.Groups, oktatest.Team("g"+u.ID[1:], "Group "+u.ID, u.ID))
	}
	w.Apps = []oktatest.App{a}
	server, err := oktatest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say(r, func() { server.ServeHTTP(w, r) })
	}))
	t.Cleanup(web.Close)
	return server, okta.Settings{
		URL: web.URL, Token: secret(t, oktatest.DefaultToken), App: app, Limits: okta.Limits{PageSize: size},
	}
}

// lists are the paths of the lists of users and groups.
func lists(app string) (users, groups string) {
	if app == "" {
		return "/api/v1/users", "/api/v1/groups"
	}
	return "/api/v1/apps/" + app + "/users", "/api/v1/apps/" + app + "/groups"
}

// lastPage is the first user of the last page of people.
const lastPage = "u040"

// at calls do before the record of a user is taken.
func at(e connectors.Event, id string, do func()) {
	if u, ok := e.(connectors.Upsert); ok && u.Record.Ref == user(id) {
		do()
	}
}

// The first page of groups is on its way while the last of people is told and,
// without an app, while those are awaited whom the plain list leaves out.
func TestListsAreReadSideBySide(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"", "0oa1"} {
		t.Run("app "+app, func(t *testing.T) {
			t.Parallel()
			users, groups := lists(app)
			groupsAsked := newSignal()
			_, settings := around(t, app, func(r *http.Request, serve func()) {
				switch {
				case r.URL.Path == users && r.URL.Query().Has("filter"):
					groupsAsked.await(r.Context(), t, "groups are not asked for beside DEPROVISIONED people")
				case r.URL.Path == groups:
					groupsAsked.give()
				}
				serve()
			})
			var order []identity.Ref
			for e, err := range open(t, settings).Read(t.Context(), everything()) {
				if err != nil {
					t.Fatal(err)
				}
				at(e, lastPage, func() {
					groupsAsked.await(t.Context(), t, "groups are not asked for while the last people are told")
				})
				if u, ok := e.(connectors.Upsert); ok {
					order = append(order, u.Record.Ref)
				}
			}
			if len(order) != 120 {
				t.Errorf("%d records, want 120", len(order))
			}
			for i, ref := range order {
				if want := identity.Kinds()[i/60]; ref.Kind != want {
					t.Fatalf("record %d is %s: want people first, then groups", i, ref)
				}
			}
		})
	}
}

// Somebody deactivated while the last page of people is read is in the list of
// those who were, because nobody asks for that before the last page has been
// answered.
func TestDeactivatedWhileReading(t *testing.T) {
	t.Parallel()
	const leaver = "u059"
	var server *oktatest.Server
	var answered atomic.Bool
	server, settings := around(t, "", func(r *http.Request, serve func()) {
		query := r.URL.Query()
		switch {
		case r.URL.Path != "/api/v1/users":
		case query.Has("filter"):
			if !answered.Load() {
				t.Error("DEPROVISIONED people are asked for before the plain list was answered to its end")
			}
		case query.Get("after") == "u039": // the last page
			if err := server.SetStatus(leaver, oktatest.Deprovisioned); err != nil {
				t.Error(err)
			}
			serve()
			answered.Store(true)
			return
		}
		serve()
	})
	got := read(t.Context(), t, open(t, settings), everything())
	mustBeWhole(t, got)
	if !answered.Load() {
		t.Fatalf("the last page was not recognised: %v", server.Requests())
	}
	if status := got.records[user(leaver)].Fields["status"]; status != oktatest.Deprovisioned {
		t.Errorf("the leaver is %v, want %s", status, oktatest.Deprovisioned)
	}
}

// What is read ahead is bounded: whoever takes one page of people has caused no
// more than the next page to be read, and whoever takes the last, the first page of
// groups.
func TestReadingAheadIsBounded(t *testing.T) {
	t.Parallel()
	for app, rest := range map[string]int32{"": 1, "0oa1": 0} { // the list of DEPROVISIONED people
		t.Run("app "+app, func(t *testing.T) {
			t.Parallel()
			users, groups := lists(app)
			var usersRead, groupsRead atomic.Int32
			second, first := newSignal(), newSignal()
			_, settings := around(t, app, func(r *http.Request, serve func()) {
				serve()
				switch r.URL.Path {
				case users:
					if usersRead.Add(1) == 2 {
						second.give()
					}
				case groups:
					groupsRead.Add(1)
					first.give()
				}
			})
			ping := func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, settings.URL+"/", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
			}
			want := func(page string, u, g int32) {
				for range 20 {
					ping() // time for more to be asked for
				}
				if gotU, gotG := usersRead.Load(), groupsRead.Load(); gotU > u || gotG > g {
					t.Errorf("while the %s page of people was told, %d pages of people and %d of groups were read, want %d and %d",
						page, gotU, gotG, u, g)
				}
			}
			for e, err := range open(t, settings).Read(t.Context(), everything()) {
				if err != nil {
					t.Fatal(err)
				}
				at(e, "u000", func() {
					second.await(t.Context(), t, "the second page of people is not read ahead")
					want("first", 2, 0)
				})
				at(e, lastPage, func() {
					first.await(t.Context(), t, "the first page of groups is not read ahead")
					want("last", 3+rest, 1)
				})
			}
		})
	}
}

// A refusal that is heard early ends the read where it did: after the people.
func TestEarlyRefusalWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"", "0oa1"} {
		t.Run("app "+app, func(t *testing.T) {
			t.Parallel()
			_, groups := lists(app)
			refused := newSignal()
			server, settings := around(t, app, func(r *http.Request, serve func()) {
				serve()
				if r.URL.Path == groups {
					refused.give()
				}
			})
			server.Inject(oktatest.Fault{ID: "400", Match: oktatest.Path(groups), MinFires: 1, Effect: oktatest.Effect{
				Status: http.StatusBadRequest, Code: "E0000001", Summary: "Api validation failed",
			}})
			told := 0
			var last error
			for e, err := range open(t, settings).Read(t.Context(), everything()) {
				if last = err; err != nil {
					continue
				}
				if _, ok := e.(connectors.Upsert); ok {
					told++
				} else {
					t.Errorf("%T was told", e)
				}
				at(e, lastPage, func() {
					refused.await(t.Context(), t, "groups are not asked for while the last people are told")
				})
			}
			if connectors.ClassOf(last) != connectors.Incomplete || told != 60 {
				t.Errorf("%d people were told, want 60; then: %v", told, last)
			}
			if n := server.Requests()["GET "+groups]; app == "" && n != 1 {
				t.Errorf("groups were asked for %d times, want once", n)
			}
			fired(t, server)
		})
	}
}

// The end of a read, whoever ends it, ends the request for groups that is in
// flight, and Read returns when it has.
func TestEndOfAReadEndsWhatIsReadAhead(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"", "0oa1"} {
		for _, way := range []string{"stopped", "cancelled"} {
			t.Run(fmt.Sprintf("app %s, %s", app, way), func(t *testing.T) {
				t.Parallel()
				_, groups := lists(app)
				asked, ended := newSignal(), newSignal()
				_, settings := around(t, app, func(r *http.Request, serve func()) {
					if r.URL.Path != groups {
						serve()
						return
					}
					asked.give()
					<-r.Context().Done()
					ended.give()
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var last error
				stop := false
				for e, err := range open(t, settings).Read(ctx, everything()) {
					if _, whole := e.(connectors.Checkpoint); whole {
						t.Error("the read ended in a checkpoint")
					}
					last = err
					at(e, lastPage, func() {
						asked.await(t.Context(), t, "groups are not asked for while the last people are told")
						if stop = way == "stopped"; !stop {
							cancel()
						}
					})
					if stop {
						break
					}
				}
				if (last != nil) != (way == "cancelled") {
					t.Errorf("the read ended with %v", last)
				}
				ended.await(t.Context(), t, "the request for groups is still in flight")
			})
		}
	}
}

// A page that says where it lies is a page all the same, with its link to the next one
// and whatever is wrong with that (RFC 9110, section 10.2.2).
func TestPagesWithALocation(t *testing.T) {
	t.Parallel()
	broken := false
	for range 2 {
		server, settings := around(t, "", func(_ *http.Request, serve func()) { serve() })
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.Path)
			if broken && r.URL.Path == "/api/v1/users" {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Link", `<%zz>; rel="next"`)
				_, _ = w.Write([]byte("[]"))
				return
			}
			server.ServeHTTP(w, r)
		}))
		t.Cleanup(web.Close)
		settings.URL = web.URL
		got := read(t.Context(), t, open(t, settings), everything())
		if broken && connectors.ClassOf(got.err) != connectors.Incomplete {
			t.Errorf("a link that is none: %v", got.err)
		}
		if !broken && (got.err != nil || len(got.order) != 120) {
			t.Errorf("%d objects were read, want 120: %v", len(got.order), got.err)
		}
		broken = true
	}
}
