package agent

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

func at(hour int) time.Time { return time.Date(2026, 3, 10, hour, 0, 0, 0, time.UTC) }

// newAgent returns an agent over an empty ledger whose sync follows changes
// between full cycles at three in the morning.
func newAgent(t *testing.T) *Agent {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &configs.Sync{
		Name: "sync", Hash: "hash", Full: threeInTheMorning(t), Users: &configs.Users{},
		Source: &configs.Source{Name: "source", Selection: "selection"},
		Target: &configs.Target{Name: "target", URL: "https://target.example.com"},
	}
	return &Agent{
		Sync: s, Ledger: l, Siblings: []*configs.Sync{s}, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return at(12) },
	}
}

func threeInTheMorning(t *testing.T) *configs.Schedule {
	t.Helper()
	s, err := configs.ParseSchedule("0 3 * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A cycle begins with what changed only where nothing speaks against it.
func TestOpening(t *testing.T) {
	t.Parallel()
	type facts struct {
		agent    *Agent
		options  Options
		bound    ledger.Binding
		mark     ledger.Bookmark
		mirrored bool
		idle     bool
	}
	for name, c := range map[string]struct {
		change func(*facts)
		why    string // of a full cycle; empty: delta
	}{
		"as it was":         {func(*facts) {}, ""},
		"forced":            {func(f *facts) { f.options.Full = true }, "asked for"},
		"always full":       {func(f *facts) { f.agent.Sync.Full = nil }, "no full"},
		"never read":        {func(f *facts) { f.mirrored = false }, "never read"},
		"no cursor":         {func(f *facts) { f.mark.Cursor = "" }, "no cursor"},
		"other selection":   {func(f *facts) { f.mark.Selection = "other" }, "another part"},
		"other fields":      {func(f *facts) { f.mark.Fields = "other" }, "other fields"},
		"a shield":          {func(f *facts) { f.mark.Shield = map[identity.Kind]string{identity.Group: "x"} }, "told from others"},
		"never compared":    {func(f *facts) { f.bound.FullAt = time.Time{} }, "never compared"},
		"other target":      {func(f *facts) { f.bound.URL = "https://other.example.com" }, "another address"},
		"edited":            {func(f *facts) { f.bound.ConfigHash = "other" }, "edited"},
		"edited source":     {func(f *facts) { f.bound.Selection = "other" }, "edited"},
		"not prepared":      {func(f *facts) { f.idle = false }, "prepared"},
		"due":               {func(f *facts) { f.bound.FullAt = at(2) }, "due since 2026-03-10T03:00:00Z"},
		"due at this time":  {func(f *facts) { f.bound.FullAt = at(2); f.agent.Now = func() time.Time { return at(3) } }, "due since"},
		"due in a moment":   {func(f *facts) { f.bound.FullAt = at(2); f.agent.Now = func() time.Time { return at(3).Add(-1) } }, ""},
		"compared at three": {func(f *facts) { f.bound.FullAt = at(3) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t)
			key := readKey(a.reach(), a.Fields)
			f := facts{
				agent: a, mirrored: true, idle: true,
				bound: ledger.Binding{URL: a.Sync.Target.URL, ConfigHash: "hash", Selection: "selection", FullAt: at(4)},
				mark:  ledger.Bookmark{Cursor: "cursor", Selection: "selection", Fields: key},
			}
			c.change(&f)
			if f.idle {
				remember(t, a)
			}
			got, err := a.opening(t.Context(), &Cycle{agent: a, bound: f.bound}, f.options, f.mark, f.mirrored)
			if err != nil {
				t.Fatal(err)
			}
			if full := got.from == ""; full != (c.why != "") || !strings.Contains(got.why, c.why) {
				t.Errorf("from %q because %s; want %q", got.from, got.why, c.why)
			}
		})
	}
}

// remember ends an empty whole cycle.
func remember(t *testing.T, a *Agent) {
	t.Helper()
	w, err := a.Ledger.NewWorkspace(t.Context(), "sync", "source", "target")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RememberIdle(t.Context()); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// What all syncs of a source need is read, and growth of it is noticed.
func TestReach(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	alone := readKey(a.reach(), a.Fields)
	groups := &configs.Sync{Name: "groups", Groups: &configs.Groups{Members: configs.MembersExact}}
	a.Siblings = append(a.Siblings, groups)
	both := a.reach()
	if !slices.Equal(both.kinds, identity.Kinds()) || both.links || !slices.Equal(both.syncs, []string{"sync", "groups"}) {
		t.Errorf("reach %+v, want both kinds without links", both)
	}
	groups.Users = &configs.Users{}
	linked := a.reach()
	if !linked.links {
		t.Error("no links are read, although one sync provisions memberships")
	}
	groups.Groups.Members = configs.MembersOff
	if a.reach().links {
		t.Error("links are read, although nobody wants them")
	}
	fields := map[identity.Kind][]string{identity.User: {"a", "b"}}
	keys := []string{alone, readKey(both, nil), readKey(linked, nil), readKey(linked, fields)}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 4 {
		t.Errorf("keys %q, want four different ones", keys)
	}
}

// Of what is not ours only the name is asked for, where that tells; of what is
// ours, the id first.
func TestFrugal(t *testing.T) {
	t.Parallel()
	ask := func(paths ...string) []connectors.Match {
		var out []connectors.Match
		for _, p := range paths {
			out = append(out, connectors.Match{Path: p, Value: "x"})
		}
		return out
	}
	for _, c := range []struct{ have, want []connectors.Match }{
		{ask("externalId", "userName"), ask("userName")},
		{ask("externalId", "emails", "userName"), ask("emails", "userName")},
		{ask("externalId"), ask("externalId")},
		{ask("externalId", "emails"), ask("externalId", "emails")},
		{ask("id", "externalId", "userName"), ask("id", "externalId", "userName")},
		{nil, nil},
	} {
		got := question{ref: identity.Ref{Kind: identity.User, ID: "1"}, matches: slices.Clone(c.have)}.frugal()
		if !slices.Equal(got.matches, c.want) {
			t.Errorf("%v becomes %v, want %v", c.have, got.matches, c.want)
		}
	}
}

// A cycle that restarts keeps its locks and what it knows, and nothing of what it
// compared.
func TestRestart(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	c := (&Cycle{agent: a, extent: selected, began: at(1), heldBeside: 3, notes: []string{"x"}}).fresh()
	if err := a.openScratch(context.WithoutCancel(t.Context()), c); err != nil {
		t.Fatal(err)
	}
	before := c.scratch
	if err := a.restart(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if c.extent != whole || c.heldBeside != 0 || len(c.notes) != 0 || c.scratch == before || !c.began.Equal(at(1)) || c.sought == nil {
		t.Errorf("restarted as %+v", c)
	}
}
