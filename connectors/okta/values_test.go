package okta_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// instead serves an org in which one path is answered by act.
func instead(t *testing.T, path string, act http.HandlerFunc) okta.Settings {
	t.Helper()
	server, settings := org(t, oktatest.World{
		Users:  people(1),
		Groups: []oktatest.Group{{ID: "g1", Type: "OKTA_GROUP", Profile: []byte(`{"name":"Staff"}`)}},
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			act(w, r)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	settings.URL = web.URL
	return settings
}

const (
	usersPath   = "/api/v1/users"
	membersPath = "/api/v1/groups/g1/users"
	onePath     = "/api/v1/users/u000"
)

// What is small on the wire and millions of values is refused before it is decoded.
func TestTooManyValues(t *testing.T) { //nolint:paralleltest // measures the memory of the whole process
	const size = 31 << 20
	everyone := everything()
	one := connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: "u000"}}}
	for name, c := range map[string]struct {
		path              string
		query             connectors.Query
		head, piece, tail string
	}{
		"users":   {usersPath, everyone, "[0", ",0", "]"},
		"members": {membersPath, everyone, "[{}", ",{}", "]"},
		"profile": {usersPath, everyone, `[{"id":"u000","status":"ACTIVE","profile":{"login":"a","x":[{}`, ",{}", "]}}]"},
		"one":     {onePath, one, `{"id":"u000","status":"ACTIVE","profile":{"login":"a","x":[[]`, ",[]", "]}}"},
	} {
		t.Run(name, func(t *testing.T) {
			source := open(t, instead(t, c.path, connectortest.Packed(c.head, c.piece, c.tail, size)))
			connectortest.Allocates(t, 100<<20, func() {
				got := read(t.Context(), t, source, c.query)
				if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), "more than 500000 values") {
					t.Errorf("%v", got.err)
				}
			})
		})
	}
}

// A page of a thousand people with two hundred attributes each is read.
func TestLargeProfiles(t *testing.T) {
	t.Parallel()
	const members, attributes = 1000, 200
	var filler strings.Builder
	for a := range attributes {
		_, _ = fmt.Fprintf(&filler, `,"custom%d":"value, {%d}"`, a, a)
	}
	source := open(t, instead(t, membersPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		comma := "["
		for m := range members {
			_, _ = fmt.Fprintf(w, `%s{"id":"u%03d","status":"ACTIVE","profile":{"login":"p%03d@example.com"%s}}`, comma, m, m, filler.String())
			comma = ","
		}
		_, _ = io.WriteString(w, "]")
	}))
	got := read(t.Context(), t, source, everything())
	mustBeWhole(t, got)
	if n := len(got.members["g1"]); n != members {
		t.Errorf("%d members, want %d", n, members)
	}
}

// Text that is not UTF-8 would reach the target with something else in its place.
func TestNotUTF8(t *testing.T) {
	t.Parallel()
	for name, accepted := range map[string]bool{"Jos\xe9": false, "José": true, "\xed\xa0\x80": false, "\ufffd": true} {
		source := open(t, instead(t, usersPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `[{"id":"u000","status":"ACTIVE","profile":{"login":"`+name+`@example.com"}}]`)
		}))
		got := read(t.Context(), t, source, everything())
		if accepted {
			mustBeWhole(t, got)
			continue
		}
		if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), "not UTF-8") {
			t.Errorf("%q: %v", name, got.err)
		}
	}
}
