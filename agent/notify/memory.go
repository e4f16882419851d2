package notify

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory keeps what was told, so that nothing is told twice for one condition,
// across restarts too. Keys are NOTIFIER/SYNC/KIND/CONDITION, in ASCII; those of
// credentials have * for the sync. It is safe for concurrent use. A key that is
// lost is told again; keys may be dropped when they are older than the history
// that is kept.
type Memory interface {
	// Seen reports whether key is remembered.
	Seen(ctx context.Context, key string) (bool, error)
	// Keys returns the remembered keys that begin with prefix, in order.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// Remember keeps all keys, or none when it fails.
	Remember(ctx context.Context, keys []string, at time.Time) error
	// Forget drops keys; one that is not remembered is no error.
	Forget(ctx context.Context, keys []string) error
}

// InMemory returns a Memory that lives as long as the process, for a single
// command and for tests.
func InMemory() Memory { return &volatile{told: map[string]time.Time{}} }

type volatile struct {
	mu   sync.Mutex
	told map[string]time.Time
}

func (v *volatile) Seen(_ context.Context, key string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, seen := v.told[key]
	return seen, nil
}

func (v *volatile) Keys(_ context.Context, prefix string) ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(v.told)), func(key string) bool {
		return !strings.HasPrefix(key, prefix)
	}), nil
}

func (v *volatile) Remember(_ context.Context, keys []string, at time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range keys {
		v.told[key] = at
	}
	return nil
}

func (v *volatile) Forget(_ context.Context, keys []string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range keys {
		delete(v.told, key)
	}
	return nil
}
