package okta_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// page2 matches the second and later pages of a path.
func page2(path string) func(*http.Request) bool {
	match := oktatest.Path(path)
	return func(r *http.Request) bool { return match(r) && r.URL.Query().Has("after") }
}

func fired(t *testing.T, s *oktatest.Server) {
	t.Helper()
	for _, f := range s.Unfired() {
		t.Error(f)
	}
}

func TestReadThatCannotBeProvedWhole(t *testing.T) {
	t.Parallel()
	refused := oktatest.Effect{Status: http.StatusBadRequest, Code: "E0000001", Summary: "Api validation failed"}
	tests := []struct {
		name   string
		links  oktatest.LinkStyle
		faults []oktatest.Fault
		class  connectors.Class
		says   string
	}{
		{name: "self link", links: oktatest.SelfLinks, class: connectors.Incomplete, says: "read before"},
		{name: "link to another host", links: oktatest.OtherHost, class: connectors.Incomplete, says: oktatest.Foreign},
		{
			// Okta's SDK panics on it, where it gets to see it.
			name: "a link that is no URL", class: connectors.Incomplete, says: "not a URL",
			faults: []oktatest.Fault{{ID: "link", Match: oktatest.Path("/api/v1/users"), MinFires: 1, Effect: oktatest.Effect{
				Status: http.StatusOK, Body: "[]", Link: func(*http.Request) string { return "http://[::1" },
			}}},
		},
		{
			name: "second page of users refused", class: connectors.Incomplete, says: "validation failed",
			faults: []oktatest.Fault{{ID: "400", Match: page2("/api/v1/users"), Effect: refused, MinFires: 1}},
		},
		{
			name: "users forbidden", class: connectors.Incomplete, says: "permission",
			faults: []oktatest.Fault{{
				ID: "403", Match: oktatest.Path("/api/v1/users"), MinFires: 1,
				Effect: oktatest.Effect{Status: http.StatusForbidden, Code: "E0000006", Summary: "You do not have permission"},
			}},
		},
		{
			name: "token refused in the middle", class: connectors.Unauthorized, says: "Invalid token",
			faults: []oktatest.Fault{{
				ID: "401", Match: page2("/api/v1/groups"), MinFires: 1,
				Effect: oktatest.Effect{Status: http.StatusUnauthorized, Code: "E0000011", Summary: "Invalid token provided"},
			}},
		},
		{
			name: "session refused with 403", class: connectors.Unauthorized, says: "Invalid session",
			faults: []oktatest.Fault{{
				ID: "403", Match: page2("/api/v1/users"), MinFires: 1,
				Effect: oktatest.Effect{Status: http.StatusForbidden, Code: "E0000005", Summary: "Invalid session"},
			}},
		},
		{
			name: "HTML", class: connectors.Incomplete, says: "address of an Okta org",
			faults: []oktatest.Fault{{
				ID: "html", Match: oktatest.Path("/api/v1/groups"), MinFires: 1,
				Effect: oktatest.Effect{Status: http.StatusOK, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}},
			}},
		},
		{
			name: "the same page for ever", class: connectors.Incomplete, says: "only what the one before held",
			faults: []oktatest.Fault{sameUser("/api/v1/users", oktatest.Fault{MinFires: 3})},
		},
		{
			name: "members fail for good", class: connectors.Incomplete, says: "list members: group:g000",
			faults: []oktatest.Fault{{ID: "500", Match: page2("/api/v1/groups/g000/users"), MinFires: 1, Effect: oktatest.Effect{Status: http.StatusInternalServerError}}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := oktatest.World{Users: people(45)}
			for i := range 45 {
				w.Groups = append(w.Groups, oktatest.Team("g"+w.Users[i].ID[1:], "Group "+w.Users[i].ID, ids(w.Users)...))
			}
			server, settings := org(t, w)
			server.Configure(func(o *oktatest.Options) { o.Links = test.links })
			server.Inject(test.faults...)
			settings.Limits.PageSize = 20
			got := read(t.Context(), t, open(t, settings), everything())
			if got.checkpoint != nil {
				t.Error("the read ended in a checkpoint")
			}
			if class := connectors.ClassOf(got.err); class != test.class {
				t.Errorf("class %s, want %s", class, test.class)
			}
			if got.err == nil || !strings.Contains(got.err.Error(), test.says) {
				t.Errorf("%v does not say %q", got.err, test.says)
			}
			if got.err != nil && strings.Contains(got.err.Error(), oktatest.DefaultToken) {
				t.Errorf("the error holds the token: %v", got.err)
			}
			fired(t, server)
		})
	}
}

// sameUser answers every page with one user and a link that differs each time.
func sameUser(path string, f oktatest.Fault) oktatest.Fault {
	f.ID, f.Match = "same page", oktatest.Path(path)
	f.Effect = oktatest.Effect{Status: http.StatusOK, Body: `[{"id":"u000","status":"ACTIVE","profile":{"login":"a"}}]`}
	f.Effect.Header = http.Header{"Content-Type": {"application/json"}}
	f.Effect.Link = func(r *http.Request) string {
		return "http://" + r.Host + path + "?after=" + r.URL.Query().Get("after") + "x"
	}
	return f
}

func TestPassingTroubleIsRiddenOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		effect oktatest.Effect
	}{
		{"the SDK's endless reconnect on EOF", oktatest.Effect{Hangup: true}},
		{"an answer cut short", oktatest.Effect{Truncate: 100}},
		{"a 503", oktatest.Effect{Status: http.StatusServiceUnavailable}},
		{"429 with a reset", oktatest.Effect{Throttle: oktatest.ThrottleReset}},
		{"429 without reset or date", oktatest.Effect{Throttle: oktatest.ThrottleBare}},
		{"429 of the concurrent limit", oktatest.Effect{Throttle: oktatest.ThrottleConcurrent}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := oktatest.World{Users: people(30)}
			w.Groups = []oktatest.Group{oktatest.Team("g", "All", ids(w.Users)...)}
			server, settings := org(t, w)
			server.Inject(oktatest.Fault{ID: test.name, Match: page2("/api/v1/users"), Times: 1, MinFires: 1, Effect: test.effect},
				oktatest.Fault{ID: "members too", Match: oktatest.Path("/api/v1/groups/g/users"), Times: 1, MinFires: 1, Effect: test.effect})
			settings.Limits.PageSize = 20
			began := time.Now()
			got := read(t.Context(), t, open(t, settings), everything())
			mustBeWhole(t, got)
			if len(got.records) != 31 || len(got.members["g"]) != 30 {
				t.Errorf("%d records, %d members", len(got.records), len(got.members["g"]))
			}
			// A concurrent-limit 429 says Reset in a minute and means now.
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			fired(t, server)
		})
	}
}

func TestPeerThatOnlyHangsUpIsLeftInPeace(t *testing.T) {
	t.Parallel()
	server, settings := org(t, oktatest.World{Users: people(1)})
	server.Inject(oktatest.Fault{ID: "hang up", MinFires: 2, Effect: oktatest.Effect{Hangup: true}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	got := read(ctx, t, open(t, settings), everything())
	if got.err == nil || got.checkpoint != nil {
		t.Errorf("err = %v, checkpoint = %v", got.err, got.checkpoint)
	}
	if n := server.Total(); n > 10 {
		t.Errorf("%d connections in two seconds", n)
	}
	fired(t, server)
}

func TestOneBadRecordIsOneBadRecord(t *testing.T) {
	t.Parallel()
	server, settings := org(t, oktatest.World{})
	server.Inject(
		oktatest.Fault{ID: "users", MinFires: 1, Match: func(r *http.Request) bool {
			return r.URL.Path == "/api/v1/users" && !r.URL.Query().Has("filter")
		}, Effect: oktatest.Effect{Status: http.StatusOK, Header: http.Header{}, Body: `[
			{"id":"good","status":"ACTIVE","lastUpdated":"2025-01-01T00:00:00.000Z","profile":{"login":"good@example.com","tags":["a"],"n":1.5,"none":null}},
			{"id":"nologin","status":"ACTIVE","profile":{"firstName":"A"}},
			{"id":"badprofile","status":"ACTIVE","profile":"text"},
			{"id":"nostatus","profile":{"login":"a"}},
			{"id":"badtime","status":"ACTIVE","lastUpdated":7,"profile":{"login":"b"}}]`}},
		oktatest.Fault{ID: "groups", MinFires: 1, Match: oktatest.Path("/api/v1/groups"), Effect: oktatest.Effect{
			Status: http.StatusOK, Header: http.Header{}, Body: `[
			{"id":"g1","type":"OKTA_GROUP","profile":{"name":"G"}}, "text", {"id":7,"type":"OKTA_GROUP","profile":{"name":"H"}}, null,
			{"id":"g2","type":"OKTA_GROUP","profile":{}}]`,
		}},
		oktatest.Fault{ID: "members", MinFires: 1, Match: oktatest.Path("/api/v1/groups/g1/users"), Effect: oktatest.Effect{
			Status: http.StatusOK, Header: http.Header{}, Body: `[{"id":"good"},{"status":"ACTIVE"}]`,
		}})
	got := read(t.Context(), t, open(t, settings), everything())
	mustBeWhole(t, got)
	for _, id := range []string{"nologin", "badprofile", "nostatus", "badtime"} {
		if got.unreadable[user(id)] == "" {
			t.Errorf("%s is not shielded", id)
		}
	}
	good := got.records[user("good")]
	profile, _ := good.Fields["profile"].(map[string]any)
	if _, has := profile["none"]; !has || profile["n"] != 1.5 || len(got.records) != 2 {
		t.Errorf("records = %+v", got.records)
	}
	if got.unreadable[group("")] == "" || got.unreadable[group("g2")] == "" {
		t.Errorf("unreadable = %v: an element without an id shields its kind", got.unreadable)
	}
	if got.states["g1"] != connectors.Unknown || got.whys["g1"] == "" {
		t.Errorf("members of g1 are %s, want unknown", got.states["g1"])
	}
	fired(t, server)
}

func TestWithheldMembersAreUnknown(t *testing.T) {
	t.Parallel()
	w := oktatest.World{Users: people(3)}
	w.Groups = []oktatest.Group{oktatest.Team("g1", "One", "u000"), oktatest.Team("g2", "Two", "u001"), oktatest.Team("g3", "Three", "u002")}
	server, settings := org(t, w)
	server.Inject(
		oktatest.Fault{ID: "403", MinFires: 1, Match: oktatest.Path("/api/v1/groups/g1/users"), Effect: oktatest.Effect{Status: http.StatusForbidden, Code: "E0000006"}},
		oktatest.Fault{ID: "404", MinFires: 1, Match: oktatest.Path("/api/v1/groups/g2/users"), Effect: oktatest.Effect{Status: http.StatusNotFound, Code: "E0000007"}})
	got := read(t.Context(), t, open(t, settings), everything())
	mustBeWhole(t, got)
	if got.states["g1"] != connectors.Unknown || got.states["g2"] != connectors.Unknown || got.states["g3"] != connectors.Complete {
		t.Errorf("states = %v", got.states)
	}
	fired(t, server)
}

func TestDuplicatesAcrossPages(t *testing.T) {
	t.Parallel()
	server, settings := org(t, oktatest.World{Users: people(41)})
	// The second page begins again with the last user of the first.
	server.Inject(oktatest.Fault{ID: "twice", Match: page2("/api/v1/users"), Times: 1, MinFires: 1, Effect: oktatest.Effect{
		Status: http.StatusOK, Header: http.Header{},
		Body: `[{"id":"u019","status":"SUSPENDED","profile":{"login":"p019@example.com"}},{"id":"u020","status":"ACTIVE","profile":{"login":"p020@example.com"}}]`,
		Link: func(r *http.Request) string { return "http://" + r.Host + "/api/v1/users?after=u020&limit=20" },
	}})
	settings.Limits.PageSize = 20
	got := read(t.Context(), t, open(t, settings), connectors.Query{Kinds: []identity.Kind{identity.User}})
	mustBeWhole(t, got)
	if len(got.records) != 41 || got.records[user("u019")].Fields["status"] != oktatest.Suspended {
		t.Errorf("%d users, u019 = %v: the later record counts", len(got.records), got.records[user("u019")])
	}
	fired(t, server)
}

func TestNothingIsAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	server, settings := org(t, oktatest.World{Users: people(1)})
	source := open(t, settings)
	for range 2 {
		mustBeWhole(t, read(t.Context(), t, source, everything()))
	}
	if n := server.Requests()["GET /api/v1/users"]; n != 4 {
		t.Errorf("%d requests for users in two reads, want 4", n)
	}
	if err := server.SetStatus("u000", oktatest.Suspended); err != nil {
		t.Fatal(err)
	}
	got := read(t.Context(), t, source, everything())
	if record := got.records[user("u000")]; record.Fields["status"] != oktatest.Suspended || record.Version != "" {
		t.Errorf("record = %+v: changed, and too fresh for a version", record)
	}
}
