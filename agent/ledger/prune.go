package ledger

import (
	"context"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// pruneRows bounds one transaction of Prune, so that a run need not wait long.
const pruneRows = 5000

// Pruned says what Prune forgot.
type Pruned struct {
	Runs, Changes, Tombstones, Told int64
}

// Prune forgets the history before a time: runs that finished before it, with
// their journal, objects that have been gone since before it, and what was told
// before it and has not been found to stand since. It keeps the last run of every
// sync, every intent without an outcome, and every gone object that is still owned
// or not in step. A run that crashed counts as finished when it started, once its
// intents are settled.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (Pruned, error) {
	var out Pruned
	at := millis(before)
	const old = `COALESCE(finished, started) < ?1
		AND EXISTS (SELECT 1 FROM run newer WHERE newer.sync = run.sync AND (newer.started > run.started OR newer.started = run.started AND newer.id > run.id))
		AND NOT EXISTS (SELECT 1 FROM change c WHERE c.run = run.id AND c.outcome = '')`
	for _, p := range []struct {
		count *int64
		query string
	}{
		{&out.Changes, `DELETE FROM change WHERE (run, seq) IN (SELECT run, seq FROM change WHERE run IN (SELECT id FROM run WHERE ` + old + `) LIMIT ?2)`},
		{&out.Runs, `DELETE FROM run WHERE id IN (SELECT id FROM run WHERE ` + old + ` LIMIT ?2)`},
		{&out.Told, `DELETE FROM told WHERE key IN (SELECT key FROM told WHERE at < ?1 LIMIT ?2)`},
	} {
		if err := l.prune(ctx, p.count, p.query, at, pruneRows); err != nil {
			return out, err
		}
	}
	for _, kind := range identity.Kinds() {
		// Owned objects and marks name no source; an id that another source
		// shares is kept longer than needed, which does no harm.
		if err := l.prune(ctx, &out.Tombstones, `DELETE FROM mirror_object WHERE (source, kind, id) IN (
			SELECT m.source, m.kind, m.id FROM mirror_object m WHERE m.kind = ?3 AND m.state = 'gone' AND m.since < ?1
			  AND m.id NOT IN (SELECT source_id FROM owned WHERE kind = ?3)
			  AND m.id NOT IN (SELECT source_id FROM dirty WHERE kind = ?3) LIMIT ?2)`,
			at, pruneRows, kind); err != nil {
			return out, err
		}
	}
	return out, nil
}

// prune repeats a statement until it finds no more.
func (l *Ledger) prune(ctx context.Context, count *int64, query string, args ...any) error {
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
