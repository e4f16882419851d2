package ledger

import (
	"context"
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// What a comparison notes down about single objects on its way. It is spooled as
// everything else is: any of it may be as large as the directory.
const notesSchema = `
CREATE TEMP TABLE recognized (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, target_id TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE forgotten (kind TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE reappeared (kind TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE rivalled (kind TEXT NOT NULL, target_id TEXT NOT NULL, PRIMARY KEY (kind, target_id)) WITHOUT ROWID;
CREATE TEMP TABLE contested (kind TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE succession (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, predecessor TEXT NOT NULL, target_id TEXT NOT NULL,
  PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE INDEX temp.succession_predecessor ON succession (kind, predecessor);
CREATE TEMP TABLE held_now (
  op TEXT NOT NULL, kind TEXT NOT NULL, source_id TEXT NOT NULL, member_id TEXT NOT NULL,
  target_id TEXT NOT NULL, name TEXT NOT NULL, rule TEXT NOT NULL,
  PRIMARY KEY (op, kind, source_id, member_id)) WITHOUT ROWID;
CREATE TEMP TABLE nested (user_id TEXT PRIMARY KEY) WITHOUT ROWID;
`

// Recognize notes that an object is ours by its externalId, though the ledger
// does not know it.
func (w *Workspace) Recognize(ctx context.Context, ref identity.Ref, targetID, name, hash string) error {
	return w.put(ctx, `INSERT OR REPLACE INTO temp.recognized VALUES (?,?,?,?,?)`, ref.Kind, ref.ID, targetID, name, hash)
}

// Recognized yields what was noted by Recognize, as it is to be owned.
func (w *Workspace) Recognized(ctx context.Context) iter.Seq2[Owned, error] {
	return eachKind(func(k identity.Kind) iter.Seq2[Owned, error] {
		return batches(func(after string) ([]Owned, string, error) {
			rows, err := w.query(ctx, `SELECT source_id, target_id, name, hash FROM temp.recognized
				WHERE kind = ? AND source_id > ? ORDER BY source_id LIMIT ?`, k, after, batch)
			if err != nil {
				return nil, "", err
			}
			defer rows.Close()
			var out []Owned
			for rows.Next() {
				o := Owned{Sync: w.sync, Ref: identity.Ref{Kind: k}, Target: w.target, Origin: OriginRecognized}
				if err := rows.Scan(&o.Ref.ID, &o.TargetID, &o.Name, &o.RecordHash); err != nil {
					return nil, "", err
				}
				after = o.Ref.ID
				out = append(out, o)
			}
			return out, after, rows.Err()
		})
	})
}

// Forget notes that something owned is gone on both sides.
func (w *Workspace) Forget(ctx context.Context, ref identity.Ref) error {
	return w.put(ctx, `INSERT OR IGNORE INTO temp.forgotten VALUES (?,?)`, ref.Kind, ref.ID)
}

// Forgotten yields what was noted by Forget.
func (w *Workspace) Forgotten(ctx context.Context) iter.Seq2[identity.Ref, error] {
	return eachKind(func(k identity.Kind) iter.Seq2[identity.Ref, error] {
		return w.refs(ctx, k, `SELECT source_id FROM temp.forgotten WHERE kind = ? AND source_id > ? ORDER BY source_id LIMIT ?`)
	})
}

// Reappear notes that an object exists at the source, though its listing missed
// it.
func (w *Workspace) Reappear(ctx context.Context, ref identity.Ref) error {
	return w.put(ctx, `INSERT OR IGNORE INTO temp.reappeared VALUES (?,?)`, ref.Kind, ref.ID)
}

// Reappeared reports whether Reappear was called for an object.
func (w *Workspace) Reappeared(ctx context.Context, ref identity.Ref) (bool, error) {
	n, err := w.count(ctx, `SELECT count(*) FROM temp.reappeared WHERE kind = ? AND source_id = ?`, ref.Kind, ref.ID)
	return n > 0, err
}

// Succeed notes that an object takes over the target object of another one.
func (w *Workspace) Succeed(ctx context.Context, ref, predecessor identity.Ref, targetID string) error {
	w.successions++
	return w.put(ctx, `INSERT OR REPLACE INTO temp.succession VALUES (?,?,?,?)`, ref.Kind, ref.ID, predecessor.ID, targetID)
}

// Succession is what a source object takes over.
type Succession struct {
	Predecessor identity.Ref
	Live        identity.Entry
}

// SuccessionOf returns what was noted by Succeed; nil where an object takes over
// nothing.
func (w *Workspace) SuccessionOf(ctx context.Context, ref identity.Ref) (*Succession, error) {
	if w.successions == 0 {
		return nil, nil
	}
	s := Succession{Predecessor: identity.Ref{Kind: ref.Kind}}
	var known bool
	var data []byte
	ok, err := w.row(ctx, `SELECT x.predecessor, l.members_known, l.entry FROM temp.succession x
		CROSS JOIN temp.live l ON l.kind = x.kind AND l.target_id = x.target_id
		WHERE x.kind = ? AND x.source_id = ?`, []any{ref.Kind, ref.ID}, &s.Predecessor.ID, &known, &data)
	if err != nil || !ok {
		return nil, err
	}
	live, err := liveEntry(data, known)
	if err != nil {
		return nil, err
	}
	s.Live = *live
	return &s, nil
}

// Superseded reports whether another object takes over what this one has.
func (w *Workspace) Superseded(ctx context.Context, ref identity.Ref) (bool, error) {
	if w.successions == 0 {
		return false, nil
	}
	n, err := w.count(ctx, `SELECT count(*) FROM temp.succession WHERE kind = ? AND predecessor = ?`, ref.Kind, ref.ID)
	return n > 0, err
}

// refs pages through a query of source ids. It is given the kind, the id to go on
// after, and how many to return.
func (w *Workspace) refs(ctx context.Context, k identity.Kind, query string) iter.Seq2[identity.Ref, error] {
	return batches(func(after string) ([]identity.Ref, string, error) {
		ids, err := w.strings(ctx, query, k, after, batch)
		if err != nil || len(ids) == 0 {
			return nil, "", err
		}
		return refsOf(k, ids), ids[len(ids)-1], nil
	})
}

func refsOf(k identity.Kind, ids []string) []identity.Ref {
	out := make([]identity.Ref, len(ids))
	for i, id := range ids {
		out[i] = identity.Ref{Kind: k, ID: id}
	}
	return out
}

func eachKind[T any](of func(identity.Kind) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, k := range identity.Kinds() {
			for v, err := range of(k) {
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
	}
}

// IsHeld reports whether the step that creates a source object is held back.
func (w *Workspace) IsHeld(ctx context.Context, ref identity.Ref) (bool, error) {
	n, err := w.count(ctx, `SELECT count(*) FROM temp.step WHERE kind = ? AND source_id = ? AND op = ? AND held <> ''`,
		ref.Kind, ref.ID, identity.Create)
	return n > 0, err
}
