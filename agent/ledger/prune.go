package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// pruneRows bounds one transaction of Prune, so that a run need not wait long.
const pruneRows = 5000

// Pruned says what Prune forgot.
type Pruned struct {
	Runs, Changes, Tombstones, Told int64
}

// The statements of Prune. ?1 is the time, ?2 how many rows to forget, ?3 the kind.
const (
	// There is an index in the order of the times: young runs are not looked at.
	oldRun = `COALESCE(finished, started) < ?1
		AND EXISTS (SELECT 1 FROM run newer WHERE newer.sync = run.sync AND (newer.started, newer.id) > (run.started, run.id))`
	pruneChanges = `DELETE FROM change WHERE (run, seq) IN (SELECT run, seq FROM change WHERE run IN (
		SELECT id FROM run WHERE ` + oldRun + ` AND id NOT IN (SELECT run FROM change WHERE outcome = '')) LIMIT ?2)`
	// Not before the last of its changes: nobody would find them any more.
	pruneRuns = `DELETE FROM run WHERE id IN (SELECT id FROM run WHERE ` + oldRun + `
		AND NOT EXISTS (SELECT 1 FROM change c WHERE c.run = run.id) LIMIT ?2)`
	pruneTold = `DELETE FROM told WHERE key IN (SELECT key FROM told WHERE at < ?1 LIMIT ?2)`
	// Owned objects and marks name no source; an id that another source shares is
	// kept longer than needed, which does no harm.
	pruneTombstones = `DELETE FROM mirror_object WHERE (source, kind, id) IN (
		SELECT m.source, m.kind, m.id FROM mirror_object m WHERE m.kind = ?3 AND m.state = 'gone' AND m.since < ?1
		  AND NOT EXISTS (SELECT 1 FROM owning s CROSS JOIN owned o ON o.sync = s.sync AND o.kind = m.kind AND o.source_id = m.id)
		  AND NOT EXISTS (SELECT 1 FROM marking s CROSS JOIN dirty d ON d.sync = s.sync AND d.kind = m.kind AND d.source_id = m.id)
		LIMIT ?2)`
)

// syncsIn defines a table of the syncs that another one has rows of, each found by
// one look into its key.
func syncsIn(name, table string) string {
	return fmt.Sprintf(`%[1]s(sync) AS (SELECT min(sync) FROM %[2]s UNION ALL
		SELECT (SELECT min(t.sync) FROM %[2]s t WHERE t.sync > s.sync) FROM %[1]s s WHERE s.sync IS NOT NULL)`, name, table)
}

// Prune forgets the history before a time: runs that finished before it, with
// their journal, objects that have been gone since before it, and what was told
// before it and has not been found to stand since. It keeps the last run of every
// sync, every intent without an outcome, and every gone object that is still owned
// or not in step. A run that crashed counts as finished when it started, once its
// intents are settled.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (Pruned, error) {
	var out Pruned
	for more := true; more; {
		some, err := l.PruneJournal(ctx, before)
		out.Runs, out.Changes = out.Runs+some.Runs, out.Changes+some.Changes
		if err != nil {
			return out, err
		}
		more = max(some.Runs, some.Changes) == pruneRows
	}
	at := millis(before)
	if err := l.pruneAll(ctx, &out.Told, pruneTold, at, pruneRows); err != nil {
		return out, err
	}
	tombstones := `WITH RECURSIVE ` + syncsIn("owning", "owned") + `, ` + syncsIn("marking", "dirty") + ` ` + pruneTombstones
	for _, kind := range identity.Kinds() {
		if err := l.pruneAll(ctx, &out.Tombstones, tombstones, at, pruneRows, kind); err != nil {
			return out, err
		}
	}
	return out, nil
}

// PruneJournal is Prune for a part of the runs and their journal, which it finds
// without looking at the rest: it takes no longer where much is known.
func (l *Ledger) PruneJournal(ctx context.Context, before time.Time) (Pruned, error) {
	var out Pruned
	err := l.write(ctx, "prune", func(t *tx) error {
		var err error
		if out.Changes, err = t.exec(ctx, pruneChanges, millis(before), pruneRows); err != nil {
			return err
		}
		out.Runs, err = t.exec(ctx, pruneRuns, millis(before), pruneRows)
		return err
	})
	if err != nil {
		return Pruned{}, err
	}
	return out, nil
}

// pruneAll repeats a statement until it finds no more.
func (l *Ledger) pruneAll(ctx context.Context, count *int64, query string, args ...any) error {
	for {
		var n int64
		err := l.write(ctx, "prune", func(t *tx) error {
			var err error
			n, err = t.exec(ctx, query, args...)
			return err
		})
		*count += n
		if err != nil || n < pruneRows {
			return err
		}
	}
}
