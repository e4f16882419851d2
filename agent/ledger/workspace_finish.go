package ledger

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// The statements of FinishCycle. ?1 is the sync, ?2 the time.
const (
	// Only what is in step remembers the record it is in step with: a held
	// removal must look the same to the next cycle. Ends with within.
	finishHashes = `UPDATE main.owned AS o SET record_hash = d.hash FROM temp.desired d
		WHERE o.sync = ?1 AND d.kind = o.kind AND d.source_id = o.source_id AND d.state <> 'shielded' AND o.record_hash <> d.hash
		AND NOT EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = o.kind AND s.source_id = o.source_id
		  AND s.outcome NOT IN ('applied', 'unverified'))`
	// Only what was marked when the plan was made: what was marked since
	// has not been looked at.
	finishClean = `DELETE FROM main.dirty WHERE sync = ?1
		AND (kind, source_id, mark) IN (SELECT kind, source_id, mark FROM temp.marked)
		AND NOT EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = dirty.kind AND s.source_id = dirty.source_id
		  AND s.outcome NOT IN ('applied', 'unverified'))
		AND NOT EXISTS (SELECT 1 FROM temp.skipped k WHERE k.kind = dirty.kind AND k.source_id = dirty.source_id AND k.undecided = 1)`
	// Twice the wait after every failure, from five minutes to a day. What was
	// marked anew meanwhile is due at once.
	finishRetry = ` ON CONFLICT (sync, kind, source_id) DO UPDATE SET tries = dirty.tries + 1, why = excluded.why,
		  next_try = ?2 + min(?4, ?3 << min(dirty.tries, 20))
		WHERE EXISTS (SELECT 1 FROM temp.marked m WHERE m.kind = dirty.kind AND m.source_id = dirty.source_id AND m.mark = dirty.mark)`
	finishDirty = `INSERT INTO main.dirty (sync, kind, source_id, since, tries, next_try, why)
		SELECT ?1, s.kind, s.source_id, ?2, 1, ?2 + ?3, max(CASE WHEN s.held = '' THEN s.error
		  WHEN s.by_config = 1 THEN 'held: configuration' ELSE 'held: ' || s.held END)
		FROM temp.step s WHERE s.outcome NOT IN ('applied', 'unverified') GROUP BY s.kind, s.source_id` + finishRetry
	finishUndecided = `INSERT INTO main.dirty (sync, kind, source_id, since, tries, next_try, why)
		SELECT ?1, k.kind, k.source_id, ?2, 1, ?2 + ?3, 'undecided: ' || k.why
		FROM temp.skipped k WHERE k.undecided = 1 AND k.source_id <> '' AND NOT EXISTS (
		  SELECT 1 FROM temp.step s WHERE s.kind = k.kind AND s.source_id = k.source_id AND s.outcome NOT IN ('applied', 'unverified'))` + finishRetry
	// Whoever is no longer leaving, or has left, starts a new grace period next
	// time. Ends with within.
	finishGrace = `DELETE FROM main.leaving WHERE sync = ?1
		AND (NOT EXISTS (SELECT 1 FROM temp.grace g WHERE g.kind = leaving.kind AND g.source_id = leaving.source_id)
		  OR EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = leaving.kind AND s.source_id = leaving.source_id
		    AND s.op IN ('deactivate', 'delete') AND s.outcome IN ('applied', 'unverified')))`
)

// FinishCycle writes down what a cycle that came to its end has shown of the
// objects it was about: which are in step with the source, and which are not and
// when to look at them again. Mark must have been called before the plan was made.
func (w *Workspace) FinishCycle(ctx context.Context, now time.Time) error {
	return w.writeAll(ctx, "finish cycle", w.finishing(now))
}

func (w *Workspace) finishing(now time.Time) []statement {
	retry := []any{w.sync, now.UnixMilli(), firstRetry.Milliseconds(), lastRetry.Milliseconds()}
	return []statement{
		{finishHashes + w.within("o"), []any{w.sync}},
		{finishClean, []any{w.sync}},
		{finishDirty, retry},
		{finishUndecided, retry},
		{finishGrace + w.within("leaving"), []any{w.sync}},
	}
}

// statement is one statement of a write, and what it is given.
type statement struct {
	text string
	args []any
}

// writeAll runs statements in one transaction, in which the scratch tables are seen.
func (w *Workspace) writeAll(ctx context.Context, op string, statements []statement) error {
	return w.ledger.writeOn(ctx, w.conn, op, func(t *tx) error {
		for _, s := range statements {
			if _, err := t.exec(ctx, s.text, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// LeftSince returns since when an object has been leaving, beginning now when it
// was not before.
func (w *Workspace) LeftSince(ctx context.Context, ref identity.Ref, now time.Time) (time.Time, error) {
	if err := w.exec(ctx, `INSERT OR IGNORE INTO temp.grace VALUES (?, ?)`, ref.Kind, ref.ID); err != nil {
		return time.Time{}, err
	}
	var since int64
	err := w.ledger.db.QueryRowContext(ctx, `SELECT since FROM leaving WHERE sync = ? AND kind = ? AND source_id = ?`,
		w.sync, ref.Kind, ref.ID).Scan(&since)
	if err == nil {
		return time.UnixMilli(since), nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, err
	}
	return now, w.ledger.write(ctx, "begin grace period", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO leaving (sync, kind, source_id, since) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			w.sync, ref.Kind, ref.ID, now.UnixMilli())
		return err
	})
}

// Unclassified yields the owned objects that a complete read did not show and
// of which nobody has asked the source yet why, by source id.
func (w *Workspace) Unclassified(ctx context.Context, k identity.Kind) iter.Seq2[identity.Ref, error] {
	return batches(func(after string) ([]identity.Ref, string, error) {
		ids, err := w.strings(ctx, `SELECT o.source_id FROM main.owned o
			CROSS JOIN main.mirror_object m ON m.source = ? AND m.kind = o.kind AND m.id = o.source_id AND m.state = 'gone' AND m.why = ''
			WHERE o.sync = ? AND o.kind = ? AND o.source_id > ?`+w.within("o")+`
			ORDER BY o.source_id LIMIT ?`, w.source, w.sync, k, after, batch)
		if err != nil || len(ids) == 0 {
			return nil, "", err
		}
		return refsOf(k, ids), ids[len(ids)-1], nil
	})
}

// Counterpart returns the target id of an object that takes part, "" while it is to be
// created, and whether it does.
func (w *Workspace) Counterpart(ctx context.Context, ref identity.Ref) (string, bool, error) {
	query := `SELECT target_id FROM temp.account WHERE source_id = ?`
	if ref.Kind == identity.Group {
		query = `SELECT target_id FROM temp.team WHERE source_id = ?`
	}
	id := ""
	ok, err := w.row(ctx, query, []any{ref.ID}, &id)
	return id, ok, err
}

// CountUnchanged counts the objects of a kind that take part and need nothing.
func (w *Workspace) CountUnchanged(ctx context.Context, k identity.Kind) (int, error) {
	return w.count(ctx, `SELECT count(*) FROM temp.desired d WHERE d.kind = ? AND d.state = 'in'
		AND NOT EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = d.kind AND s.source_id = d.source_id)
		AND NOT EXISTS (SELECT 1 FROM temp.skipped k WHERE k.kind = d.kind AND k.source_id = d.source_id)`, k)
}

// Step returns one step.
func (w *Workspace) Step(ctx context.Context, seq int64) (plan.Step, error) {
	steps, err := w.stepsWhere(ctx, `seq = ?`, seq)
	if err != nil {
		return plan.Step{}, err
	}
	if len(steps) == 0 {
		return plan.Step{}, sql.ErrNoRows
	}
	return steps[0], nil
}

// LiveMembers returns the target ids of everybody who is in a team now.
func (w *Workspace) LiveMembers(ctx context.Context) ([]string, error) {
	return w.strings(ctx, `SELECT DISTINCT l.member_id FROM temp.live_member l
		JOIN temp.team t ON t.target_id = l.group_id ORDER BY l.member_id`)
}

// CountSteps counts the steps that are not held.
func (w *Workspace) CountSteps(ctx context.Context) (int, error) {
	return w.count(ctx, `SELECT count(*) FROM temp.step WHERE held = ''`)
}
