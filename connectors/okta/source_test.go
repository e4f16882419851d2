package okta_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The SDK's executor keeps a token cache it does not use here, whose
		// janitor ends when the executor is collected.
		goleak.IgnoreAnyFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}

// org serves a world and returns it with the settings that reach it.
func org(t *testing.T, w oktatest.World) (*oktatest.Server, okta.Settings) {
	t.Helper()
	server, err := oktatest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, okta.Settings{URL: web.URL, Token: secret(t, oktatest.DefaultToken)}
}

func secret(t *testing.T, value string) connectors.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return connectors.Secret{File: path}
}

func open(t *testing.T, s okta.Settings) connectors.Source {
	t.Helper()
	source, err := okta.Open(s, connectors.Runtime{
		Log: slog.New(slog.DiscardHandler), UserAgent: "scimsync/test", Traffic: new(connectors.Traffic),
	})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// seen is what a read yielded, folded as its consumer would.
type seen struct {
	records    map[identity.Ref]identity.Record
	order      []identity.Ref // of the upserts
	gone       map[identity.Ref]identity.Cause
	unreadable map[identity.Ref]string
	members    map[string][]string // of complete groups, in order
	states     map[string]connectors.LinksState
	whys       map[string]string
	checkpoint *connectors.Checkpoint
	err        error
}

func read(ctx context.Context, t *testing.T, source connectors.Source, q connectors.Query) seen {
	t.Helper()
	s := seen{
		records: map[identity.Ref]identity.Record{}, gone: map[identity.Ref]identity.Cause{},
		unreadable: map[identity.Ref]string{}, members: map[string][]string{},
		states: map[string]connectors.LinksState{}, whys: map[string]string{},
	}
	links := map[string][]string{}
	for e, err := range source.Read(ctx, q) {
		if s.checkpoint != nil || s.err != nil {
			t.Fatalf("%#v, %v came after the end", e, err)
		}
		if err != nil {
			s.err = err
			if _, ok := errors.AsType[*connectors.Error](err); !ok {
				t.Errorf("%v carries no *connectors.Error", err)
			}
			continue
		}
		switch e := e.(type) {
		case connectors.Upsert:
			s.records[e.Record.Ref] = e.Record
			s.order = append(s.order, e.Record.Ref)
		case connectors.Gone:
			s.gone[e.Ref] = e.Why
		case connectors.Unreadable:
			s.unreadable[e.Ref] = e.Why
		case connectors.Link:
			if _, closed := s.states[e.Group.ID]; closed {
				t.Errorf("a member of %s came after its end", e.Group)
			}
			links[e.Group.ID] = append(links[e.Group.ID], e.Member.ID)
		case connectors.Links:
			s.states[e.Group.ID], s.whys[e.Group.ID] = e.State, e.Why
			if e.State == connectors.Complete {
				for _, m := range e.Members {
					links[e.Group.ID] = append(links[e.Group.ID], m.ID)
				}
				s.members[e.Group.ID] = links[e.Group.ID]
			}
		case connectors.Checkpoint:
			s.checkpoint = &e
		default:
			t.Fatalf("unexpected %T", e)
		}
	}
	return s
}

func everything() connectors.Query {
	return connectors.Query{Kinds: identity.Kinds(), Links: true}
}

func user(id string) identity.Ref  { return identity.Ref{Kind: identity.User, ID: id} }
func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }

// people returns n users u000…, all active.
func people(n int) []oktatest.User {
	users := make([]oktatest.User, n)
	for i := range users {
		users[i] = oktatest.Person(fmt.Sprintf("u%03d", i), fmt.Sprintf("p%03d@example.com", i), "Given", fmt.Sprint("Family", i))
	}
	return users
}

func ids(users []oktatest.User) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.ID
	}
	return out
}

func mustBeWhole(t *testing.T, s seen) {
	t.Helper()
	if s.err != nil {
		t.Fatal(s.err)
	}
	if s.checkpoint == nil {
		t.Fatal("no checkpoint")
	}
}

func TestFullReadYieldsEveryStatus(t *testing.T) {
	t.Parallel()
	var w oktatest.World
	for i, status := range oktatest.Statuses() {
		u := oktatest.Person(fmt.Sprintf("u%d", i), fmt.Sprintf("o'neil+%d@example.com", i), "Zoë", `"Q" Ó`)
		u.Status = status
		w.Users = append(w.Users, u)
	}
	w.Groups = []oktatest.Group{oktatest.Team("g1", `R&D "Ω"`, "u1", "u2", "u0"), w.Everyone()}
	server, settings := org(t, w)
	got := read(t.Context(), t, open(t, settings), everything())
	mustBeWhole(t, got)
	if !slices.Equal(got.checkpoint.Full, identity.Kinds()) || got.checkpoint.Cursor == "" {
		t.Errorf("checkpoint = %+v", got.checkpoint)
	}
	for i, status := range oktatest.Statuses() {
		record, ok := got.records[user(fmt.Sprintf("u%d", i))]
		if !ok {
			t.Errorf("%s user was not read", status)
			continue
		}
		profile, _ := record.Fields["profile"].(map[string]any)
		if record.Fields["status"] != status || profile["login"] != fmt.Sprintf("o'neil+%d@example.com", i) || profile["firstName"] != "Zoë" {
			t.Errorf("record = %+v", record)
		}
		if record.Version == "" {
			t.Error("an old user has no version")
		}
	}
	g := got.records[group("g1")]
	if g.Fields["name"] != `R&D "Ω"` || g.Fields["type"] != oktatest.OktaGroup {
		t.Errorf("group = %+v", g)
	}
	if want := []string{"u0", "u1", "u2"}; !slices.Equal(got.members["g1"], want) {
		t.Errorf("members = %v, want %v", got.members["g1"], want)
	}
	if n := len(got.members["00geveryone000000000"]); n != 7 {
		t.Errorf("Everyone has %d members, want all 7 that are not DEPROVISIONED", n)
	}
	// Users twice, groups once, members of two groups, and the log.
	if n := server.Total(); n != 6 {
		t.Errorf("%d requests, want 6: %v", n, server.Requests())
	}
}

func TestPageBoundaries(t *testing.T) {
	t.Parallel()
	const size = 20
	for _, n := range []int{0, 1, size - 1, size, size + 1, 3 * size, 3*size + 1} {
		for _, shape := range []struct {
			name string
			set  func(*oktatest.Options)
		}{
			{"lines", func(*oktatest.Options) {}},
			{"joined", func(o *oktatest.Options) { o.Links = oktatest.JoinedLine }},
			{"trailing empty page", func(o *oktatest.Options) { o.TrailingPage = true }},
			{"empty pages between", func(o *oktatest.Options) { o.EmptyPages = true }},
		} {
			t.Run(fmt.Sprintf("%d users, %s", n, shape.name), func(t *testing.T) {
				t.Parallel()
				w := oktatest.World{Users: people(n)}
				w.Groups = []oktatest.Group{oktatest.Team("g", "All", ids(w.Users)...)}
				for i := range n {
					w.Groups = append(w.Groups, oktatest.Team(fmt.Sprintf("g%03d", i), fmt.Sprint("Group ", i)))
				}
				w.Apps = []oktatest.App{{ID: "0oa1", Label: "App", Groups: []string{"g"}}}
				for i := 1; i < len(w.Groups); i++ {
					w.Apps[0].Groups = append(w.Apps[0].Groups, w.Groups[i].ID)
				}
				server, settings := org(t, w)
				server.Configure(shape.set)
				settings.Limits.PageSize = size
				for _, app := range []string{"", "0oa1"} {
					settings.App = app
					got := read(t.Context(), t, open(t, settings), everything())
					mustBeWhole(t, got)
					if len(got.order) != n+n+1 || len(got.records) != n+n+1 {
						t.Errorf("app %q: %d records of %d objects, want %d", app, len(got.order), len(got.records), n+n+1)
					}
					if !slices.Equal(got.members["g"], ids(w.Users)) {
						t.Errorf("app %q: members = %v", app, got.members["g"])
					}
				}
			})
		}
	}
}

func TestMinimumRequests(t *testing.T) {
	t.Parallel()
	server, settings := org(t, oktatest.Synthetic(1000, 50, 5000, 1))
	source := open(t, settings)
	cold := read(t.Context(), t, source, everything())
	mustBeWhole(t, cold)
	if n := server.Total(); n > 60 {
		t.Errorf("cold: %d requests, want at most 60: %v", n, server.Requests())
	}
	members := 0
	for _, m := range cold.members {
		members += len(m)
	}
	if members != 5000 {
		t.Errorf("%d memberships, want 5000", members)
	}
	server.ResetRequests()
	q := everything()
	q.Known = func(ref identity.Ref) (string, bool) {
		version := cold.records[ref].Version
		return version, version != ""
	}
	warm := read(t.Context(), t, source, q)
	mustBeWhole(t, warm)
	if n := server.Total(); n > 8 {
		t.Errorf("nothing moved: %d requests, want at most 8: %v", n, server.Requests())
	}
	for id, state := range warm.states {
		if state != connectors.Unchanged {
			t.Errorf("group %s is %s", id, state)
		}
	}
	if len(warm.states) != 50 {
		t.Errorf("%d groups closed, want 50", len(warm.states))
	}
}

// BenchmarkRead reads a synthetic org in full over loopback; ns/op is per read.
func BenchmarkRead(b *testing.B) {
	server, err := oktatest.New(oktatest.Synthetic(10_000, 500, 50_000, 1))
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	path := filepath.Join(b.TempDir(), "token")
	if err := os.WriteFile(path, []byte(oktatest.DefaultToken), 0o600); err != nil {
		b.Fatal(err)
	}
	source, err := okta.Open(okta.Settings{URL: web.URL, Token: connectors.Secret{File: path}}, connectors.Runtime{Traffic: new(connectors.Traffic)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		events := 0
		for _, err := range source.Read(b.Context(), everything()) {
			if err != nil {
				b.Fatal(err)
			}
			events++
		}
		if events < 11_000 {
			b.Fatalf("%d events", events)
		}
	}
}
