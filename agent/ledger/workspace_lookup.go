package ledger

import (
	"context"
	"database/sql"
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// DesiredByKey returns the source id of the one object in scope that carries the
// key, and "" where none or several do.
func (w *Workspace) DesiredByKey(ctx context.Context, k identity.Kind, key Key) (string, error) {
	var n int
	var id sql.NullString
	_, err := w.row(ctx, `SELECT count(*), min(source_id) FROM temp.desired_key
		WHERE kind = ? AND path = ? AND value = ?`, []any{k, key.Path, key.Value}, &n, &id)
	if err != nil || n != 1 {
		return "", err
	}
	return id.String, nil
}

// DesiredOf returns the source object as the plan sees it, and false where the
// mirror shows none.
func (w *Workspace) DesiredOf(ctx context.Context, ref identity.Ref) (Desired, bool, error) {
	d := Desired{Ref: ref}
	var entry []byte
	ok, err := w.row(ctx, `SELECT state, name, why, cause, undecided, active, hash, entry
		FROM temp.desired WHERE kind = ? AND source_id = ?`, []any{ref.Kind, ref.ID},
		&d.State, &d.Name, &d.Why, &d.Cause, &d.Undecided, &d.Active, &d.Hash, &entry)
	if err != nil || !ok {
		return Desired{}, false, err
	}
	d.Entry, err = unpackEntry(entry)
	return d, true, err
}

// HashOf returns the hash of the mirrored record of a source object, and "" where
// the mirror shows none.
func (w *Workspace) HashOf(ctx context.Context, ref identity.Ref) (string, error) {
	var hash string
	_, err := w.row(ctx, `SELECT hash FROM temp.desired WHERE kind = ? AND source_id = ?`, []any{ref.Kind, ref.ID}, &hash)
	return hash, err
}

// LiveOwned returns the target id of an owned object that is at the target, and
// "" where there is none.
func (w *Workspace) LiveOwned(ctx context.Context, ref identity.Ref) (string, error) {
	var id string
	_, err := w.row(ctx, `SELECT l.target_id FROM main.owned o
		JOIN temp.live l ON l.kind = o.kind AND l.target_id = o.target_id
		WHERE o.sync = ? AND o.kind = ? AND o.source_id = ?
		  AND NOT EXISTS (SELECT 1 FROM temp.stranger z WHERE z.kind = o.kind AND z.source_id = o.source_id)`,
		[]any{w.sync, ref.Kind, ref.ID}, &id)
	return id, err
}

// HolderOf returns the live objects that carry a name now, but for one.
func (w *Workspace) HolderOf(ctx context.Context, k identity.Kind, name Key, but string) ([]string, error) {
	return w.strings(ctx, `SELECT target_id FROM temp.live_key
		WHERE kind = ? AND path = ? AND value = ? AND target_id <> ? ORDER BY target_id`, k, name.Path, name.Value, but)
}

// Missing is an owned object that nobody has seen at the target in this plan.
type Missing struct {
	Ref      identity.Ref
	TargetID string
	// Left says that the source does not show it either.
	Left bool
}

// Missing returns the owned objects of a kind that should be at the target, or
// are to be taken away from there, and were not seen: not those the source shows
// as inactive or out of scope, which some targets hide. They come by source id;
// what is seen meanwhile is left out.
func (w *Workspace) Missing(ctx context.Context, k identity.Kind) iter.Seq2[Missing, error] {
	return batches(func(after string) ([]Missing, string, error) {
		rows, err := w.query(ctx, `SELECT o.source_id, o.target_id, d.source_id IS NULL`+missing+`
			AND o.source_id > ? ORDER BY o.source_id LIMIT ?`, w.sync, k, after, batch)
		if err != nil {
			return nil, "", err
		}
		defer rows.Close()
		var out []Missing
		for rows.Next() {
			m := Missing{Ref: identity.Ref{Kind: k}}
			if err := rows.Scan(&m.Ref.ID, &m.TargetID, &m.Left); err != nil {
				return nil, "", err
			}
			after = m.Ref.ID
			out = append(out, m)
		}
		return out, after, rows.Err()
	})
}

// HowManyMissing counts what Missing yields, up to a limit.
func (w *Workspace) HowManyMissing(ctx context.Context, k identity.Kind, limit int) (int, error) {
	return w.count(ctx, `SELECT count(*) FROM (SELECT 1`+missing+` LIMIT ?)`, w.sync, k, limit)
}

const missing = ` FROM main.owned o
	LEFT JOIN temp.desired d ON d.kind = o.kind AND d.source_id = o.source_id
	WHERE o.sync = ? AND o.kind = ? AND (d.source_id IS NULL OR d.state = 'in' AND d.active = 1)
	  AND NOT EXISTS (SELECT 1 FROM temp.live l WHERE l.kind = o.kind AND l.target_id = o.target_id)`

// Unmoved reports whether nothing has happened to an owned object since the last
// complete cycle: it was in step, as far as that cycle could see, or held because
// of the configuration, and was not waiting to leave. What is to be removed now
// all the same is so because of an edit of the configuration.
func (w *Workspace) Unmoved(ctx context.Context, ref identity.Ref) (bool, error) {
	n, err := w.count(ctx, `SELECT
		(SELECT count(*) FROM main.dirty WHERE sync = ?1 AND kind = ?2 AND source_id = ?3 AND why <> 'held: configuration')
		+ (SELECT count(*) FROM main.leaving WHERE sync = ?1 AND kind = ?2 AND source_id = ?3)`, w.sync, ref.Kind, ref.ID)
	return n == 0, err
}

// CountMissing returns how many selected objects are owned and should be at the
// target, and how many of these nobody has seen there.
func (w *Workspace) CountMissing(ctx context.Context, k identity.Kind) (int, int, error) {
	var all, missing int
	_, err := w.row(ctx, `SELECT count(*), COALESCE(sum(l.target_id IS NULL), 0) FROM temp.desired d
		CROSS JOIN main.owned o ON o.sync = ? AND o.kind = d.kind AND o.source_id = d.source_id
		LEFT JOIN temp.live l ON l.kind = o.kind AND l.target_id = o.target_id
		WHERE d.kind = ? AND d.state = 'in' AND d.active = 1`, []any{w.sync, k}, &all, &missing)
	return all, missing, err
}
