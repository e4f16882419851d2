package entra_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/identity"
)

const tenant = entratest.DefaultTenant

// secret keeps a secret in a file and names the place.
func secret(t *testing.T, value string) connectors.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return connectors.Secret{File: path}
}

func settings(t *testing.T, url string, pageSize int) entra.Settings {
	t.Helper()
	return entra.Settings{
		Tenant: tenant, URL: url, Limits: entra.Limits{PageSize: pageSize},
		Credential: entra.Credential{Kind: entra.StaticToken, Token: secret(t, entratest.DefaultToken)},
	}
}

func open(t *testing.T, s entra.Settings) *entra.Source {
	t.Helper()
	source, err := entra.Open(s, connectors.Runtime{Traffic: new(connectors.Traffic), UserAgent: "scimsync-test"})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// serve starts a tenant over the world.
func serve(t *testing.T, w entratest.World) (*entratest.Server, string) {
	t.Helper()
	server, err := entratest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, web.URL
}

// state is what a mirror makes of reads.
type state struct {
	records    map[identity.Ref]map[string]any
	members    map[identity.Ref]map[identity.Ref]bool
	gone       map[identity.Ref]identity.Cause
	unreadable map[identity.Ref]string
	links      map[identity.Ref]connectors.Links
	cursor     connectors.Cursor
	full       []identity.Kind
	done       bool
	err        error
}

func newState() *state {
	return &state{records: map[identity.Ref]map[string]any{}, members: map[identity.Ref]map[identity.Ref]bool{}}
}

func everything() connectors.Query {
	return connectors.Query{Kinds: identity.Kinds(), Links: true}
}

// full reads everything into a new state.
func full(t *testing.T, s *entra.Source, q connectors.Query) *state {
	t.Helper()
	st := newState()
	st.read(t.Context(), s, q)
	return st
}

// delta reads what changed since the state's cursor into it.
func (st *state) delta(t *testing.T, s *entra.Source, q connectors.Query) {
	t.Helper()
	q.From = st.cursor
	st.read(t.Context(), s, q)
}

// read applies the events of one read, the way the ledger does.
func (st *state) read(ctx context.Context, s connectors.Source, q connectors.Query) {
	st.gone, st.unreadable = map[identity.Ref]identity.Cause{}, map[identity.Ref]string{}
	st.links, st.done, st.err = map[identity.Ref]connectors.Links{}, false, nil
	linked := map[identity.Ref]map[identity.Ref]bool{}
	unlinked := map[identity.Ref]map[identity.Ref]bool{}
	put := func(in map[identity.Ref]map[identity.Ref]bool, group, member identity.Ref) {
		if in[group] == nil {
			in[group] = map[identity.Ref]bool{}
		}
		in[group][member] = true
	}
	for event, err := range s.Read(ctx, q) {
		if err != nil {
			st.err = err
			return
		}
		switch e := event.(type) {
		case connectors.Upsert:
			fields := e.Record.Fields
			if old, ok := st.records[e.Record.Ref]; ok && e.Record.Partial {
				merged := maps.Clone(old)
				maps.Copy(merged, fields)
				fields = merged
			}
			fields = maps.Clone(fields)
			maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
			st.records[e.Record.Ref] = fields
			delete(st.gone, e.Record.Ref)
		case connectors.Gone:
			delete(st.records, e.Ref)
			delete(st.members, e.Ref)
			delete(linked, e.Ref)
			st.gone[e.Ref] = e.Why
			for _, members := range st.members {
				delete(members, e.Ref)
			}
		case connectors.Link:
			put(linked, e.Group, e.Member)
			delete(unlinked[e.Group], e.Member)
		case connectors.Unlink:
			put(unlinked, e.Group, e.Member)
			delete(linked[e.Group], e.Member)
		case connectors.Unreadable:
			st.unreadable[e.Ref] = e.Why
		case connectors.Links:
			st.links[e.Group] = e
			if e.State != connectors.Complete {
				continue
			}
			if e.Members != nil || q.From == "" {
				delete(st.members, e.Group)
			}
			for _, m := range e.Members {
				put(st.members, e.Group, m)
			}
			for m := range linked[e.Group] {
				put(st.members, e.Group, m)
			}
			for m := range unlinked[e.Group] {
				delete(st.members[e.Group], m)
			}
		case connectors.Checkpoint:
			st.cursor, st.full, st.done = e.Cursor, e.Full, true
		}
	}
}

// lines is the state as text, in order. Fields that were cleared are left out.
func (st *state) lines() []string {
	var out []string
	for ref, fields := range st.records {
		out = append(out, fmt.Sprintf("%s %v", ref, fields))
	}
	for group, members := range st.members {
		if _, there := st.records[group]; !there {
			continue
		}
		for m := range members {
			out = append(out, fmt.Sprintf("%s in %s", m, group))
		}
	}
	slices.Sort(out)
	return out
}

func user(id string) identity.Ref  { return identity.Ref{Kind: identity.User, ID: id} }
func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }

func people(n int) []entratest.User {
	users := make([]entratest.User, n)
	for i := range users {
		id := fmt.Sprintf("u%03d", i)
		users[i] = entratest.Person(id, id+"@example.com", "Given"+id, "Family"+id)
	}
	return users
}

func ids(users []entratest.User) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.ID
	}
	return out
}

func unfired(t *testing.T, s *entratest.Server) {
	t.Helper()
	for _, f := range s.Unfired() {
		t.Error(f)
	}
}

var _ http.Handler = (*entratest.Server)(nil)
