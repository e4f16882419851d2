package ledger

import (
	"context"
	"time"
)

// Told remembers what people were told, so that nothing is told twice for one
// condition. It is the memory of agent/notify, which makes the keys; Prune
// forgets those that are older than the history.
type Told struct{ l *Ledger }

// Told returns the memory of what was told.
func (l *Ledger) Told() Told { return Told{l} }

// Seen reports whether the key is remembered.
func (t Told) Seen(ctx context.Context, key string) (bool, error) {
	var one int
	seen, err := found(t.l.db.QueryRowContext(ctx, `SELECT 1 FROM told WHERE key = ?`, key).Scan(&one))
	return seen, t.l.wrap(ctx, "read what was told", err)
}

// Keys returns the remembered keys that begin with prefix, in the order of their
// bytes.
func (t Told) Keys(ctx context.Context, prefix string) ([]string, error) {
	query, args := `SELECT key FROM told WHERE key >= ? ORDER BY key`, []any{prefix}
	// A range and not LIKE, to which names of syncs may hold patterns.
	if end, ok := successor(prefix); ok {
		query, args = `SELECT key FROM told WHERE key >= ? AND key < ? ORDER BY key`, []any{prefix, end}
	}
	keys, err := t.l.strings(ctx, query, args...)
	return keys, t.l.wrap(ctx, "read what was told", err)
}

// successor returns the least string after all that begin with prefix; false:
// there is none.
func successor(prefix string) (string, bool) {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return string(end[:i+1]), true
		}
	}
	return "", false
}

// Remember keeps all keys with the time they were told, or none when it fails. A
// key that is remembered already gets the new time.
func (t Told) Remember(ctx context.Context, keys []string, at time.Time) error {
	if len(keys) == 0 {
		return nil
	}
	return t.l.write(ctx, "remember what was told", func(tx *tx) error {
		for _, key := range keys {
			if _, err := tx.exec(ctx, `INSERT INTO told (key, at) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET at = excluded.at`,
				key, millis(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget drops keys, all of them or none when it fails; one that is not
// remembered is no error.
func (t Told) Forget(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return t.l.write(ctx, "forget what was told", func(tx *tx) error {
		for _, key := range keys {
			if _, err := tx.exec(ctx, `DELETE FROM told WHERE key = ?`, key); err != nil {
				return err
			}
		}
		return nil
	})
}
