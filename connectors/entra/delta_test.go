package entra_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/identity"
)

// mutate makes the changes of a busy day.
func mutate(t *testing.T, s *entratest.Server, w entratest.World) {
	t.Helper()
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	u, g := ids(w.Users), w.Groups
	_, err := s.CreateUser(entratest.Person("new-1", "new-1@example.com", "New", "One"))
	do(err)
	do(s.UpdateUser(u[0], map[string]any{"jobTitle": "Chief", "department": nil}))
	do(s.SetEnabled(u[1], false))
	do(s.DeleteUser(u[2]))
	do(s.DeleteUser(u[3]))
	do(s.RestoreUser(u[3]))
	do(s.PurgeUser(u[4]))
	do(s.AddMember(g[0].ID, "new-1"))
	do(s.RemoveMember(g[0].ID, u[5]))
	do(s.AddMember(g[1].ID, u[5]))
	do(s.AddMember(g[1].ID, u[6]))
	do(s.RemoveMember(g[1].ID, u[6]))
	do(s.AddMember(g[1].ID, g[2].ID))
	do(s.UpdateGroup(g[2].ID, map[string]any{"displayName": "Renamed", "description": "now"}))
	do(s.DeleteGroup(g[3].ID))
	_, err = s.CreateGroup(entratest.Team("new-g", "New group", "new-1", u[7]))
	do(err)
}

func TestDeltaEqualsFull(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*entratest.Options){
		"plain":       func(*entratest.Options) {},
		"small pages": func(o *entratest.Options) { o.PageSize, o.MembersPerPage = 3, 2 },
		"interleaved, duplicates": func(o *entratest.Options) {
			o.PageSize, o.MembersPerPage, o.Interleave, o.Duplicates = 4, 3, true, true
		},
		"replays": func(o *entratest.Options) { o.Replay, o.EmptyPages, o.Tombstones = 25, true, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := entratest.Synthetic(40, 12, 150, 7)
			for i := range 8 {
				w.Groups[0].Members = append(w.Groups[0].Members, w.Users[i].ID)
			}
			server, url := serve(t, w)
			server.Configure(configure)
			source := open(t, settings(t, url, 0))
			st := full(t, source, everything())
			if !st.done || !slices.Equal(st.full, identity.Kinds()) {
				t.Fatalf("full read: %v, full %v", st.err, st.full)
			}
			mutate(t, server, w)
			for range 2 { // the second finds nothing new
				st.delta(t, source, everything())
				if !st.done || len(st.full) != 0 {
					t.Fatalf("delta read: %v, full %v", st.err, st.full)
				}
				fresh := full(t, source, everything())
				if diff := cmp.Diff(fresh.lines(), st.lines()); diff != "" {
					t.Errorf("after the delta (-full +delta):\n%s", diff)
				}
			}
		})
	}
}

func TestDeltaRequestsDoNotGrowWithTheDirectory(t *testing.T) {
	t.Parallel()
	server, url := serve(t, entratest.Synthetic(600, 100, 2000, 3))
	server.Configure(func(o *entratest.Options) { o.PageSize = 50 })
	source := open(t, settings(t, url, 0))
	st := full(t, source, everything())
	server.ResetRequests()
	st.delta(t, source, everything())
	if n := server.Total(); !st.done || n != 2 {
		t.Errorf("a delta read with nothing to tell sent %d requests (%v), want 2", n, st.err)
	}
}

func TestCursorThatNoLongerServes(t *testing.T) {
	t.Parallel()
	server, url := serve(t, entratest.Synthetic(5, 2, 6, 1))
	base := settings(t, url, 0)
	source := open(t, base)
	st := full(t, source, everything())
	usersOnly := full(t, source, connectors.Query{Kinds: []identity.Kind{identity.User}})
	noLinks := full(t, source, connectors.Query{Kinds: identity.Kinds()})
	aged := alter(t, st.cursor, func(c map[string]any) {
		c["users"].(map[string]any)["at"] = float64(time.Now().Add(-7 * 24 * time.Hour).Unix())
	})
	elsewhere := alter(t, st.cursor, func(c map[string]any) {
		c["groups"].(map[string]any)["link"] = "https://" + entratest.Foreign + "/v1.0/groups/delta?$deltatoken=x"
	})
	crossed := alter(t, st.cursor, func(c map[string]any) {
		c["users"].(map[string]any)["link"] = c["groups"].(map[string]any)["link"]
	})
	other := base
	other.AssignedTo = entratest.SyntheticApp
	server.ResetRequests()
	for name, test := range map[string]struct {
		source *entra.Source
		cursor connectors.Cursor
		says   string
	}{
		"no base64":         {source, "%%%", "not one of this source"},
		"no JSON":           {source, "AAAA", "not one of this source"},
		"too large":         {source, connectors.Cursor(strings.Repeat("A", 3<<20)), "too large"},
		"seven days old":    {source, aged, "seven days"},
		"to another origin": {source, elsewhere, "leads elsewhere"},
		"to another list":   {source, crossed, "leads elsewhere"},
		"users only":        {source, usersOnly.cursor, "does not cover groups"},
		"no memberships":    {source, noLinks.cursor, "does not cover memberships"},
		"other settings":    {open(t, other), st.cursor, "other settings"},
	} {
		q := everything()
		q.From = test.cursor
		got := newState()
		got.read(t.Context(), test.source, q)
		if connectors.ClassOf(got.err) != connectors.Expired || !strings.Contains(got.err.Error(), test.says) {
			t.Errorf("%s: %v of class %q, want expired and %q", name, got.err, connectors.ClassOf(got.err), test.says)
		}
	}
	if n := server.Total(); n != 0 {
		t.Errorf("%d requests were sent for cursors that show by themselves that they do not serve", n)
	}
}

func alter(t *testing.T, c connectors.Cursor, change func(map[string]any)) connectors.Cursor {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	change(fields)
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return connectors.Cursor(base64.RawURLEncoding.EncodeToString(data))
}

func TestResync(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]entratest.Resync{"410 with Location": entratest.ResyncGone, "400": entratest.ResyncBadRequest} {
		server, url := serve(t, entratest.Synthetic(5, 2, 6, 1))
		server.Configure(func(o *entratest.Options) { o.Resync = form })
		source := open(t, settings(t, url, 0))
		st := full(t, source, everything())
		server.ExpireTokens()
		st.delta(t, source, everything())
		if st.done || connectors.ClassOf(st.err) != connectors.Expired {
			t.Errorf("%s: %v of class %q, want expired", name, st.err, connectors.ClassOf(st.err))
		}
	}
}

// TestKeptLinkIsRefused demands a full read where Graph does not take a link that
// was kept, whatever it calls that, and none for trouble later on or of another
// kind.
func TestKeptLinkIsRefused(t *testing.T) {
	t.Parallel()
	type refusal struct {
		status        int
		code, message string
	}
	formed := refusal{http.StatusBadRequest, "BadRequest", "Badly formed token."}
	tests := []struct {
		name     string
		assigned bool
		path     string
		token    string // in the query of the request refused
		refusal  refusal
		class    connectors.Class
	}{
		{"users", false, "/users/delta", "deltatoken", formed, connectors.Expired},
		{"groups", false, "/groups/delta", "deltatoken", refusal{http.StatusBadRequest, "BadRequest", "Invalid delta token"}, connectors.Expired},
		{"users, another code", false, "/users/delta", "deltatoken", refusal{http.StatusBadRequest, "Request_UnsupportedQuery", "unsupported"}, connectors.Expired},
		{"users of an app", true, "/users/delta", "deltatoken", formed, connectors.Expired},
		{"groups of an app", true, "/groups/delta", "deltatoken", formed, connectors.Expired},
		{"later", false, "/users/delta", "skiptoken", formed, connectors.Incomplete},
		{"not for the link", false, "/users/delta", "deltatoken", refusal{http.StatusForbidden, "Authorization_RequestDenied", "no"}, connectors.Incomplete},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := entratest.Synthetic(20, 5, 30, 1)
			server, url := serve(t, w)
			server.Configure(func(o *entratest.Options) { o.PageSize = 3 })
			s := settings(t, url, 0)
			if test.assigned {
				s.AssignedTo = entratest.SyntheticApp
			}
			source := open(t, s)
			st := full(t, source, everything())
			if !st.done {
				t.Fatal(st.err)
			}
			for i := range 8 {
				if err := server.UpdateUser(w.Users[i].ID, map[string]any{"jobTitle": "Chief"}); err != nil {
					t.Fatal(err)
				}
			}
			here := entratest.Path(test.path)
			server.Inject(entratest.Fault{
				ID: test.name, MinFires: 1,
				Match:  func(r *http.Request) bool { return here(r) && strings.Contains(r.URL.RawQuery, test.token) },
				Effect: entratest.Effect{Status: test.refusal.status, Code: test.refusal.code, Message: test.refusal.message},
			})
			st.delta(t, source, everything())
			if st.done || connectors.ClassOf(st.err) != test.class || !strings.Contains(st.err.Error(), test.refusal.message) {
				t.Errorf("%v of class %q, want %q and %q", st.err, connectors.ClassOf(st.err), test.class, test.refusal.message)
			}
			unfired(t, server)
		})
	}
}

func TestRoundThatCannotBeProvedWhole(t *testing.T) {
	t.Parallel()
	usersNext, groupsNext := entratest.Next(entratest.Path("/users/delta")), entratest.Next(entratest.Path("/groups/delta"))
	effect := func(status int, code string) entratest.Effect {
		return entratest.Effect{Status: status, Code: code, Message: "as planned"}
	}
	body := func(text string) entratest.Effect { return entratest.Effect{Status: http.StatusOK, Body: text} }
	tests := []struct {
		name   string
		links  entratest.LinkStyle
		match  func(*http.Request) bool
		effect entratest.Effect
		class  connectors.Class
		says   string
	}{
		{"404 next link", 0, usersNext, effect(http.StatusNotFound, "ResourceNotFound"), connectors.Incomplete, "as planned"},
		{"404 next link of groups", 0, groupsNext, effect(http.StatusNotFound, "Request_ResourceNotFound"), connectors.Incomplete, "as planned"},
		{"410 within a first round", 0, usersNext, effect(http.StatusGone, "syncStateNotFound"), connectors.Incomplete, "as planned"},
		{"400 of another kind", 0, groupsNext, effect(http.StatusBadRequest, "Request_BadRequest"), connectors.Incomplete, "as planned"},
		{"403", 0, groupsNext, effect(http.StatusForbidden, "Authorization_RequestDenied"), connectors.Incomplete, "as planned (403 Forbidden): grant application permission GroupMember.Read.All"},
		{"401", 0, groupsNext, effect(http.StatusUnauthorized, "InvalidAuthenticationToken"), connectors.Unauthorized, "as planned"},
		{"no links at all", entratest.NoLinks, nil, entratest.Effect{}, connectors.Incomplete, "without a deltaLink"},
		{"link to itself", entratest.SelfLinks, nil, entratest.Effect{}, connectors.Incomplete, "read before"},
		{"link to another host", entratest.OtherHost, nil, entratest.Effect{}, connectors.Incomplete, entratest.Foreign},
		{"both links", 0, usersNext, body(`{"value":[],"@odata.nextLink":"/v1.0/a","@odata.deltaLink":"/v1.0/b"}`), connectors.Incomplete, "at once"},
		{"next link to groups", 0, usersNext, body(`{"value":[],"@odata.nextLink":"/v1.0/groups/delta?$skiptoken=a"}`), connectors.Incomplete, "leads away to /v1.0/groups/delta"},
		{"delta link to groups", 0, usersNext, body(`{"value":[],"@odata.deltaLink":"/v1.0/groups/delta?$deltatoken=a"}`), connectors.Incomplete, "leads away to /v1.0/groups/delta"},
		{"delta link to a list", 0, groupsNext, body(`{"value":[],"@odata.deltaLink":"/v1.0/groups?$deltatoken=a"}`), connectors.Incomplete, "leads away to /v1.0/groups"},
		{"no list", 0, usersNext, body(`{"@odata.deltaLink":"/v1.0/b"}`), connectors.Incomplete, "no list"},
		{"an array", 0, usersNext, body(`[]`), connectors.Incomplete, "not a JSON object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t, entratest.Synthetic(20, 20, 60, 1))
			server.Configure(func(o *entratest.Options) { o.PageSize, o.Links = 5, test.links })
			if test.match != nil {
				server.Inject(entratest.Fault{ID: test.name, Match: test.match, Effect: test.effect, MinFires: 1})
			}
			got := full(t, open(t, settings(t, url, 0)), everything())
			if got.done || connectors.ClassOf(got.err) != test.class {
				t.Fatalf("done %t, %v of class %q, want %q", got.done, got.err, connectors.ClassOf(got.err), test.class)
			}
			if !strings.Contains(got.err.Error(), test.says) || strings.Contains(got.err.Error(), entratest.DefaultToken) {
				t.Errorf("%v does not say %q, or says too much", got.err, test.says)
			}
			unfired(t, server)
		})
	}
}

func TestEndlessRoundEnds(t *testing.T) {
	t.Parallel()
	server, url := serve(t, entratest.Synthetic(3, 1, 2, 1))
	for i := range 20 {
		fault := entratest.Fault{ID: fmt.Sprint("page ", i), Match: entratest.Path("/users/delta"), Times: 1, Effect: entratest.Effect{
			Status: http.StatusOK,
			Body:   fmt.Sprintf(`{"value":[{"id":"u1","userPrincipalName":"a@example.com","accountEnabled":true}],"@odata.nextLink":"/v1.0/users/delta?$skiptoken=%d"}`, i),
		}}
		if i < 10 {
			fault.MinFires = 1
		}
		server.Inject(fault)
	}
	got := full(t, open(t, settings(t, url, 0)), everything())
	if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), "page after page") {
		t.Errorf("a round of one page with ever new links ended with %v", got.err)
	}
	unfired(t, server)
}

func TestThrottledRoundIsRiddenOut(t *testing.T) {
	t.Parallel()
	server, url := serve(t, entratest.Synthetic(20, 5, 30, 1))
	server.Configure(func(o *entratest.Options) { o.PageSize = 6 })
	users := entratest.Next(entratest.Path("/users/delta"))
	server.Inject(
		entratest.Fault{ID: "429", Match: users, Times: 1, MinFires: 1, Effect: entratest.Effect{Throttle: true, RetryAfter: time.Second}},
		entratest.Fault{ID: "hangup", Match: users, Times: 1, MinFires: 1, Effect: entratest.Effect{Hangup: true}},
		entratest.Fault{ID: "cut", Match: users, Times: 1, MinFires: 1, Effect: entratest.Effect{Truncate: 30}},
		entratest.Fault{ID: "503", Match: users, Times: 1, MinFires: 1, Effect: entratest.Effect{Status: http.StatusServiceUnavailable}},
	)
	began := time.Now()
	got := full(t, open(t, settings(t, url, 0)), everything())
	if !got.done || len(got.records) != 25 {
		t.Errorf("%d records: %v", len(got.records), got.err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("told to wait a second, the read took %s", took)
	}
	unfired(t, server)
}
