package ledger

import (
	"context"
	"database/sql"
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// Estrange finds the live objects that carry the id of something owned and are
// somebody else: a target that was emptied or restored hands its ids out again.
// Whoever carries another externalId and another name is not ours, whatever its
// id; from here on it counts as nobody's, and what is owned as missing. It
// returns how much of what is owned was lost that way, and the first of it.
func (w *Workspace) Estrange(ctx context.Context, k identity.Kind, namePath string) (int, Owned, error) {
	lost, first := 0, Owned{}
	if suspicious, err := w.suspicious(ctx, k); err != nil || !suspicious {
		return 0, Owned{}, err
	}
	if err := w.index(ctx, liveKeyIndex); err != nil {
		return 0, Owned{}, err
	}
	for s, err := range w.suspects(ctx, k) {
		if err != nil {
			return 0, Owned{}, err
		}
		name := identity.Fold(s.live.Attrs.String(namePath))
		if name == "" || name == identity.Fold(s.owned.Name) || name == identity.Fold(s.wanted.Attrs.String(namePath)) {
			continue
		}
		if err := w.exec(ctx, `INSERT OR IGNORE INTO temp.stranger VALUES (?, ?)`, k, s.owned.Ref.ID); err != nil {
			return 0, Owned{}, err
		}
		if lost++; lost == 1 {
			first = s.owned
		}
	}
	return lost, first, nil
}

type suspect struct {
	owned        Owned
	live, wanted identity.Entry
}

// suspects yields what is owned and carries a foreign externalId at the target.
func (w *Workspace) suspects(ctx context.Context, k identity.Kind) iter.Seq2[suspect, error] {
	return batches(func(after string) ([]suspect, string, error) {
		out, err := w.suspectBatch(ctx, k, after)
		if err != nil || len(out) == 0 {
			return nil, "", err
		}
		return out, out[len(out)-1].owned.Ref.ID, nil
	})
}

// concerned narrows a plan about selected objects to what these own, and to what is
// owned, by the sync, of the objects of the target that were seen. ?1 is the sync, ?2
// the kind, ?5 the target.
func (w *Workspace) concerned() (string, []any) {
	if !w.partial {
		return "", nil
	}
	return ` AND o.source_id IN (SELECT source_id FROM temp.selected WHERE kind = ?2
		UNION SELECT x.source_id FROM temp.live s
		  CROSS JOIN main.owned x ON x.target = ?5 AND x.kind = s.kind AND x.target_id = s.target_id
		  WHERE s.kind = ?2 AND x.sync = ?1)`, []any{w.target}
}

// unproven is what is not seen at the target with its own externalId, as nearly
// everything is: both tables are in the order of source ids.
const unproven = ` AND NOT EXISTS (SELECT 1 FROM temp.live_key p WHERE p.kind = o.kind AND p.path = 'externalId'
	AND p.value = o.source_id AND p.target_id = o.target_id)`

// suspicious reports whether there may be suspects at all: the target has
// externalIds, and something owned is not seen there with its own.
func (w *Workspace) suspicious(ctx context.Context, k identity.Kind) (bool, error) {
	n, err := w.count(ctx, `SELECT EXISTS (SELECT 1 FROM temp.live_key WHERE kind = ? AND path = 'externalId')`, k)
	if err != nil || n == 0 || w.partial {
		return n > 0, err
	}
	n, err = w.count(ctx, `SELECT EXISTS (SELECT 1 FROM main.owned o
		CROSS JOIN temp.live l ON l.kind = o.kind AND l.target_id = o.target_id WHERE o.sync = ? AND o.kind = ?`+unproven+`)`, w.sync, k)
	return n > 0, err
}

func (w *Workspace) suspectBatch(ctx context.Context, k identity.Kind, after string) ([]suspect, error) {
	concerned, target := w.concerned()
	rows, err := w.query(ctx, `
		SELECT o.source_id, o.target_id, o.origin, o.name, o.record_hash, o.since, l.entry, d.entry
		FROM main.owned o
		CROSS JOIN temp.live l ON l.kind = o.kind AND l.target_id = o.target_id
		LEFT JOIN temp.desired d ON d.kind = o.kind AND d.source_id = o.source_id
		WHERE o.sync = ?1 AND o.kind = ?2 AND o.source_id > ?3`+concerned+unproven+` AND EXISTS (
		  SELECT 1 FROM temp.live_key x WHERE x.kind = l.kind AND x.target_id = l.target_id
		    AND x.path = 'externalId' AND x.value <> o.source_id
		    AND NOT EXISTS (SELECT 1 FROM temp.desired_key y
		      WHERE y.kind = x.kind AND y.path = x.path AND y.value = x.value AND y.source_id = o.source_id))
		ORDER BY o.source_id LIMIT ?4`, append([]any{w.sync, k, after, batch}, target...)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []suspect
	for rows.Next() {
		var s suspect
		var o nullOwned
		var live, wanted sql.RawBytes
		ref := identity.Ref{Kind: k}
		if err := rows.Scan(&ref.ID, &o.targetID, &o.origin, &o.name, &o.recordHash, &o.since, &live, &wanted); err != nil {
			return nil, err
		}
		s.owned = *o.owned(w, ref)
		if s.live, err = unpackEntry(live); err != nil {
			return nil, err
		}
		if wanted != nil {
			if s.wanted, err = unpackEntry(wanted); err != nil {
				return nil, err
			}
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
