package ledger

import (
	"context"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// Indexes of large tables that are filled in another order than theirs are made when
// they are first needed: sorting once costs a fraction of what every insertion at
// random does once the index outgrows the cache.
const (
	liveIndex    = `CREATE UNIQUE INDEX IF NOT EXISTS temp.live_target ON live (kind, target_id)`
	liveKeyIndex = `CREATE INDEX IF NOT EXISTS temp.live_key_target ON live_key (kind, target_id)`
	accountIndex = `CREATE INDEX IF NOT EXISTS temp.account_target ON account (target_id, active)`
)

// index makes an index unless it is there.
func (w *Workspace) index(ctx context.Context, create string) error {
	if w.indexed[create] {
		return nil
	}
	if _, err := w.conn.ExecContext(ctx, create); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	w.indexed[create] = true
	return nil
}

// indexLive makes the index of live objects. Until then an object may have been put
// twice: the last one counts.
func (w *Workspace) indexLive(ctx context.Context) error {
	err := w.index(ctx, liveIndex)
	if primaryCode(err) != sqlite3.SQLITE_CONSTRAINT {
		return err
	}
	if err := w.exec(ctx, `DELETE FROM temp.live WHERE rowid NOT IN (
		SELECT max(rowid) FROM temp.live GROUP BY kind, target_id)`); err != nil {
		return err
	}
	return w.index(ctx, liveIndex)
}
