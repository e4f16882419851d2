package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/notify"
)

var _ notify.Memory = ledger.Told{}

// memories are all there is of notify.Memory, each new and empty.
func memories() map[string]func(t *testing.T) notify.Memory {
	return map[string]func(t *testing.T) notify.Memory{
		"in memory": func(*testing.T) notify.Memory { return notify.InMemory() },
		"ledger": func(t *testing.T) notify.Memory {
			t.Helper()
			return openLedger(t, filepath.Join(t.TempDir(), "scimsync.db")).Told()
		},
	}
}

func openLedger(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func TestMemories(t *testing.T) {
	t.Parallel()
	for name, fresh := range memories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("keys", func(t *testing.T) { memoryKeys(t, fresh(t)) })
			t.Run("model", func(t *testing.T) { memoryModel(t, fresh(t)) })
			t.Run("at once", func(t *testing.T) { memoryAtOnce(t, fresh(t)) })
		})
	}
}

// memoryKeys: a prefix is a prefix, whatever patterns of SQL it holds.
func memoryKeys(t *testing.T, m notify.Memory) {
	t.Helper()
	all := []string{
		"", "mail/a/failed", "mail/a/failed/x", "mail/a_b/failed", "mail/aXb/failed", "mail/a%/failed", "mail/A/failed",
		"mail/*/credential_expiring/okta/15d", "mail0", "mail", "z\x7f", "z\x7fa", "z\xff", "z\xff\xff", "é/ü", "\xff\xff",
	}
	if err := m.Remember(t.Context(), all, noon()); err != nil {
		t.Fatal(err)
	}
	if err := m.Remember(t.Context(), nil, noon()); err != nil {
		t.Errorf("remember nothing: %v", err)
	}
	for _, prefix := range append(slices.Clone(all), "m", "mail/", "mail/a", "mail/a_", "mail/a%", "nothing", "é", "z", "\xff") {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		slices.Sort(want)
		got, err := m.Keys(t.Context(), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("keys with %q: %q, %v, want %q", prefix, got, err, want)
		}
	}
	if err := m.Forget(t.Context(), []string{"mail/a_b/failed", "never there"}); err != nil {
		t.Error(err)
	}
	for key, want := range map[string]bool{"mail/a_b/failed": false, "mail/aXb/failed": true, "mail/a": false, "": true, "mail/a/FAILED": false} {
		if got, err := m.Seen(t.Context(), key); err != nil || got != want {
			t.Errorf("seen %q: %v, %v", key, got, err)
		}
	}
}

// memoryModel compares any sequence of calls with a map.
func memoryModel(t *testing.T, m notify.Memory) {
	t.Helper()
	model := map[string]bool{}
	key := rapid.StringMatching(`[ab%_/]{0,4}`)
	rapid.Check(t, func(r *rapid.T) {
		keys := rapid.SliceOfN(key, 0, 5).Draw(r, "keys")
		ctx := t.Context()
		switch rapid.SampledFrom([]string{"remember", "forget", "cancelled"}).Draw(r, "what") {
		case "remember":
			if err := m.Remember(ctx, keys, noon()); err != nil {
				r.Fatal(err)
			}
			for _, k := range keys {
				model[k] = true
			}
		case "forget":
			if err := m.Forget(ctx, keys); err != nil {
				r.Fatal(err)
			}
			for _, k := range keys {
				delete(model, k)
			}
		default: // all or none
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			if err := m.Remember(cancelled, keys, noon()); err == nil {
				for _, k := range keys {
					model[k] = true
				}
			}
		}
		prefix := rapid.StringMatching(`[ab%_/]{0,2}`).Draw(r, "prefix")
		var want []string
		for k := range model {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if got, err := m.Keys(ctx, prefix); err != nil || !slices.Equal(got, want) {
			r.Fatalf("keys with %q: %q, %v, want %q", prefix, got, err, want)
		}
		probe := key.Draw(r, "probe")
		if got, err := m.Seen(ctx, probe); err != nil || got != model[probe] {
			r.Fatalf("seen %q: %v, %v", probe, got, err)
		}
	})
}

func memoryAtOnce(t *testing.T, m notify.Memory) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 10 {
				mine := fmt.Sprintf("%d/%d", i, n)
				if err := m.Remember(t.Context(), []string{mine, "shared"}, noon()); err != nil {
					t.Error(err)
				}
				if seen, err := m.Seen(t.Context(), mine); err != nil || !seen {
					t.Errorf("%s: %v, %v", mine, seen, err)
				}
			}
		})
	}
	all.Wait()
	if keys, err := m.Keys(t.Context(), ""); err != nil || len(keys) != 81 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// TestToldSurvives: the ledger remembers over restarts, and says so when it
// cannot.
func TestToldSurvives(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsync.db")
	l, err := ledger.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Told().Remember(t.Context(), []string{"a", "b"}, noon()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Told().Seen(t.Context(), "a"); err == nil {
		t.Error("a closed ledger knows")
	}
	l = openLedger(t, path)
	if keys, err := l.Told().Keys(t.Context(), ""); err != nil || !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys: %q, %v", keys, err)
	}
	reader, err := ledger.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.Told().Remember(t.Context(), []string{"c"}, noon()); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("remember while reading: %v", err)
	}
	if err := reader.Told().Forget(t.Context(), []string{"a"}); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("forget while reading: %v", err)
	}
}
