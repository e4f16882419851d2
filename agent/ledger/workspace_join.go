package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// Joined is a source object beside what is owned of it and what is live.
type Joined struct {
	Desired Desired
	Owned   *Owned
	// Live is the target object by the owned id; nil when it is not there.
	Live *identity.Entry
}

// batch is how many rows an iteration holds at a time. Rows are read in batches
// so that the caller may write to the workspace between two of them.
const batch = 512

// Objects yields every source object of the kind that is not out of scope, by
// source id.
func (w *Workspace) Objects(ctx context.Context, k identity.Kind) iter.Seq2[Joined, error] {
	return batches(func(after string) ([]Joined, string, error) {
		out, err := w.objectBatch(ctx, k, `d.state <> 'out' AND d.source_id > ?`, after)
		if len(out) > 0 {
			after = out[len(out)-1].Desired.Ref.ID
		}
		return out, after, err
	})
}

func (w *Workspace) objectBatch(ctx context.Context, k identity.Kind, where string, arg any) ([]Joined, error) {
	rows, err := w.query(ctx, `
		SELECT d.source_id, d.state, d.name, d.why, d.cause, d.undecided, d.active, d.hash, d.entry,
		       o.target_id, o.origin, o.name, o.record_hash, o.since, l.members_known, l.entry
		FROM temp.desired d
		LEFT JOIN main.owned o ON o.sync = ? AND o.kind = d.kind AND o.source_id = d.source_id
		LEFT JOIN temp.live l ON l.kind = d.kind AND l.target_id = o.target_id
		  AND NOT EXISTS (SELECT 1 FROM temp.stranger z WHERE z.kind = o.kind AND z.source_id = o.source_id)
		WHERE d.kind = ? AND `+where+` ORDER BY d.source_id LIMIT ?`, w.sync, k, arg, batch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Joined
	for rows.Next() {
		j := Joined{Desired: Desired{Ref: identity.Ref{Kind: k}}}
		d := &j.Desired
		var entry, live sql.RawBytes
		var known sql.NullBool
		var o nullOwned
		if err := rows.Scan(&d.Ref.ID, &d.State, &d.Name, &d.Why, &d.Cause, &d.Undecided, &d.Active, &d.Hash, &entry,
			&o.targetID, &o.origin, &o.name, &o.recordHash, &o.since, &known, &live); err != nil {
			return nil, err
		}
		if d.Entry, err = unpackEntry(entry); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Ref, err)
		}
		j.Owned = o.owned(w, d.Ref)
		if j.Live, err = liveEntry(live, known.Bool); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, rows.Err()
}

// Leavers yields what is owned of the kind but not in scope, by source id. Its
// Desired has state Out, or is zero where the mirror shows no such object.
func (w *Workspace) Leavers(ctx context.Context, k identity.Kind) iter.Seq2[Joined, error] {
	return batches(func(after string) ([]Joined, string, error) {
		rows, err := w.query(ctx, `
			SELECT o.source_id, o.target_id, o.origin, o.name, o.record_hash, o.since,
			       d.name, d.why, d.hash, l.members_known, l.entry
			FROM main.owned o
			LEFT JOIN temp.desired d ON d.kind = o.kind AND d.source_id = o.source_id
			LEFT JOIN temp.live l ON l.kind = o.kind AND l.target_id = o.target_id
		  AND NOT EXISTS (SELECT 1 FROM temp.stranger z WHERE z.kind = o.kind AND z.source_id = o.source_id)
			WHERE o.sync = ? AND o.kind = ? AND o.source_id > ? AND (d.state IS NULL OR d.state = 'out')`+w.within("o")+`
			ORDER BY o.source_id LIMIT ?`, w.sync, k, after, batch)
		if err != nil {
			return nil, "", err
		}
		defer rows.Close()
		var out []Joined
		for rows.Next() {
			var id string
			var o nullOwned
			var name, why, hash sql.NullString
			var known sql.NullBool
			var live sql.RawBytes
			if err := rows.Scan(&id, &o.targetID, &o.origin, &o.name, &o.recordHash, &o.since,
				&name, &why, &hash, &known, &live); err != nil {
				return nil, "", err
			}
			ref := identity.Ref{Kind: k, ID: id}
			j := Joined{Owned: o.owned(w, ref)}
			if name.Valid {
				j.Desired = Desired{Ref: ref, State: Out, Name: name.String, Why: why.String, Hash: hash.String}
			}
			if j.Live, err = liveEntry(live, known.Bool); err != nil {
				return nil, "", err
			}
			after = id
			out = append(out, j)
		}
		return out, after, rows.Err()
	})
}

// Candidate is a live object that carries a key, and who owns it.
type Candidate struct {
	Live  identity.Entry
	Owner *Owned // of any sync on the target; nil for nobody
	// ClaimedBy is the source object of this plan the candidate already
	// belongs to; empty for none.
	ClaimedBy string
}

// Candidates returns the live objects that carry the key.
func (w *Workspace) Candidates(ctx context.Context, k identity.Kind, key Key) ([]Candidate, error) {
	rows, err := w.look(ctx, `
		SELECT l.members_known, l.entry, o.sync, o.source_id, o.target_id, o.origin, o.name, o.record_hash, o.since, c.source_id
		FROM temp.live_key x
		JOIN temp.live l ON l.kind = x.kind AND l.target_id = x.target_id
		LEFT JOIN main.owned o ON o.target = ? AND o.kind = l.kind AND o.target_id = l.target_id
		  AND NOT EXISTS (SELECT 1 FROM temp.stranger z WHERE z.kind = o.kind AND z.source_id = o.source_id)
		LEFT JOIN temp.claim c ON c.kind = l.kind AND c.target_id = l.target_id
		WHERE x.kind = ? AND x.path = ? AND x.value = ? ORDER BY x.target_id`, w.target, k, key.Path, key.Value)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Candidate
	for rows.Next() {
		var known bool
		var live sql.RawBytes
		var sync, sourceID, claimed sql.NullString
		var o nullOwned
		if err := rows.Scan(&known, &live, &sync, &sourceID, &o.targetID, &o.origin, &o.name, &o.recordHash, &o.since, &claimed); err != nil {
			return nil, err
		}
		entry, err := liveEntry(live, known)
		if err != nil {
			return nil, err
		}
		c := Candidate{Live: *entry, ClaimedBy: claimed.String}
		if c.Owner = o.owned(w, identity.Ref{Kind: k, ID: sourceID.String}); c.Owner != nil {
			c.Owner.Sync = sync.String
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// ErrClaimed says that a target object already belongs to another source object
// of the plan.
var ErrClaimed = errors.New("the target object belongs to another source object of this plan")

// Claim reserves a target object for one source object: one target object, one
// place in the plan.
func (w *Workspace) Claim(ctx context.Context, ref identity.Ref, targetID string) error {
	stmt, err := w.prepared(ctx, `INSERT INTO temp.claim VALUES (?,?,?)
		ON CONFLICT DO UPDATE SET source_id = excluded.source_id WHERE source_id = excluded.source_id`)
	if err != nil {
		return err
	}
	if ctx, err = brief(ctx); err != nil {
		return err
	}
	result, err := stmt.ExecContext(ctx, ref.Kind, targetID, ref.ID)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrClaimed, err)
	}
	return nil
}

// ClaimOwned reserves every live object for the source object that owns it.
func (w *Workspace) ClaimOwned(ctx context.Context, k identity.Kind) error {
	return w.exec(ctx, `INSERT OR IGNORE INTO temp.claim
		SELECT o.kind, o.target_id, o.source_id FROM main.owned o
		CROSS JOIN temp.desired d ON d.kind = o.kind AND d.source_id = o.source_id AND d.state <> 'out'
		CROSS JOIN temp.live l ON l.kind = o.kind AND l.target_id = o.target_id
		WHERE o.sync = ? AND o.kind = ?
		  AND NOT EXISTS (SELECT 1 FROM temp.stranger z WHERE z.kind = o.kind AND z.source_id = o.source_id)`+w.within("o")+`
		ORDER BY o.target_id`, w.sync, k)
}

// ShieldDuplicates shields the active objects of the kind that want one and the
// same value at path, which only one of them could have.
func (w *Workspace) ShieldDuplicates(ctx context.Context, k identity.Kind, path string) error {
	values := batches(func(after string) ([]string, string, error) {
		// Of whom, is seen where there are several.
		out, err := w.strings(ctx, `SELECT x.value FROM temp.desired_key x WHERE x.kind = ? AND x.path = ? AND x.value > ? GROUP BY x.value HAVING count(*) > 1 ORDER BY x.value LIMIT ?`,
			k, path, after, batch)
		if err != nil || len(out) == 0 {
			return nil, "", err
		}
		return out, out[len(out)-1], nil
	})
	for value, err := range values {
		if err != nil {
			return err
		}
		if err := w.shieldRivals(ctx, k, path, value); err != nil {
			return err
		}
	}
	return nil
}

// shieldRivals shields those who want one value, and names some of them to each.
func (w *Workspace) shieldRivals(ctx context.Context, k identity.Kind, path, value string) error {
	const named = 3
	var first []string
	n, err := w.count(ctx, `SELECT count(*) FROM temp.desired_key x
		CROSS JOIN temp.desired d ON d.kind = x.kind AND d.source_id = x.source_id AND d.state <> 'out' AND d.active = 1
		WHERE x.kind = ? AND x.path = ? AND x.value = ?`, k, path, value)
	if err != nil || n < 2 {
		return err
	}
	rivals := batches(func(after string) ([]string, string, error) {
		ids, err := w.strings(ctx, `SELECT x.source_id FROM temp.desired_key x
			CROSS JOIN temp.desired d ON d.kind = x.kind AND d.source_id = x.source_id AND d.state <> 'out' AND d.active = 1
			WHERE x.kind = ? AND x.path = ? AND x.value = ? AND x.source_id > ? ORDER BY x.source_id LIMIT ?`, k, path, value, after, batch)
		if err != nil || len(ids) == 0 {
			return nil, "", err
		}
		return ids, ids[len(ids)-1], nil
	})
	for id, err := range rivals {
		if err != nil {
			return err
		}
		if first == nil {
			if first, err = w.strings(ctx, `SELECT x.source_id FROM temp.desired_key x
				CROSS JOIN temp.desired d ON d.kind = x.kind AND d.source_id = x.source_id AND d.state <> 'out' AND d.active = 1
				WHERE x.kind = ? AND x.path = ? AND x.value = ? ORDER BY x.source_id LIMIT ?`, k, path, value, named+1); err != nil {
				return err
			}
		}
		others := slices.DeleteFunc(slices.Clone(first), func(other string) bool { return other == id })
		others = others[:min(named, len(others))]
		why := fmt.Sprintf("another object of the source has the same %s: %s", path, strings.Join(others, ", "))
		if more := n - 1 - len(others); more > 0 {
			why += fmt.Sprintf(" and %d more", more)
		}
		if err := w.exec(ctx, `UPDATE temp.desired SET state = 'shielded', undecided = 1, why = ?
			WHERE kind = ? AND source_id = ? AND state = 'in'`, why, k, id); err != nil {
			return err
		}
		// So that a later cycle about one of them is about all.
		if err := w.Await(ctx, identity.Ref{Kind: k, ID: id}, value, ""); err != nil {
			return err
		}
	}
	return nil
}

// HasRival reports whether an object was shielded when last looked at because another
// one wants the name as well.
func (w *Workspace) HasRival(ctx context.Context, ref identity.Ref, name Key) (bool, error) {
	n, err := w.count(ctx, `SELECT count(*) FROM main.awaiting WHERE sync = ? AND kind = ? AND source_id = ? AND wanted = ? AND found = ''`,
		w.sync, ref.Kind, ref.ID, name.Value)
	return n > 0, err
}

// strings returns the only column of a query.
func (w *Workspace) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := w.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func liveEntry(data []byte, membersKnown bool) (*identity.Entry, error) {
	if data == nil {
		return nil, nil
	}
	e, err := unpackEntry(data)
	if err != nil {
		return nil, err
	}
	e.Members.Known = membersKnown
	return &e, nil
}

// batches turns a paging query into a sequence: next returns a batch and the key
// to go on after; an empty batch ends it.
func batches[T any](next func(after string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := ""
		for {
			rows, last, err := next(after)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) == 0 {
				return
			}
			after = last
		}
	}
}

// Unclaim gives up what a source object has claimed, for its successor. A claim
// of anybody else stays.
func (w *Workspace) Unclaim(ctx context.Context, ref identity.Ref, targetID string) error {
	return w.exec(ctx, `DELETE FROM temp.claim WHERE kind = ? AND target_id = ? AND source_id = ?`, ref.Kind, targetID, ref.ID)
}

// Contested yields the objects in scope that match a target object which another
// source object owns or matches too, by source id.
func (w *Workspace) Contested(ctx context.Context, k identity.Kind) iter.Seq2[Joined, error] {
	return func(yield func(Joined, error) bool) {
		if err := w.contest(ctx, k); err != nil {
			yield(Joined{}, err)
			return
		}
		for ref, err := range w.refs(ctx, k, `SELECT source_id FROM temp.contested WHERE kind = ? AND source_id > ? ORDER BY source_id LIMIT ?`) {
			var j Joined
			if err == nil {
				j, err = w.object(ctx, ref)
			}
			if !yield(j, err) || err != nil {
				return
			}
		}
	}
}

// contest notes whom Contested yields. First come the target objects that several
// objects match, or one that does not own it: seldom any, and found by sorting the
// matches, where a look at each would be all over the tables. The order of the joins
// is given: the planner knows nothing of the sizes of temporary tables.
func (w *Workspace) contest(ctx context.Context, k identity.Kind) error {
	if err := w.exec(ctx, `INSERT OR IGNORE INTO temp.rivalled
		SELECT ?1, m.target_id FROM (
		  SELECT y.target_id, min(x.source_id) AS first, max(x.source_id) AS last FROM temp.desired_key x
		  CROSS JOIN temp.live_key y ON y.kind = x.kind AND y.path = x.path AND y.value = x.value
		  WHERE x.kind = ?1 GROUP BY y.target_id) m
		WHERE m.first <> m.last OR EXISTS (SELECT 1 FROM main.owned o
		  WHERE o.target = ?2 AND o.kind = ?1 AND o.target_id = m.target_id AND o.sync = ?3 AND o.source_id <> m.first)`,
		k, w.target, w.sync); err != nil {
		return err
	}
	n, err := w.count(ctx, `SELECT count(*) FROM temp.rivalled WHERE kind = ?`, k)
	if err != nil || n == 0 {
		return err
	}
	if err := w.index(ctx, liveKeyIndex); err != nil {
		return err
	}
	return w.exec(ctx, contested, k)
}

// contested are those who match what is rivalled.
const contested = `INSERT OR IGNORE INTO temp.contested
	SELECT x.kind, x.source_id FROM temp.rivalled r
	CROSS JOIN temp.live_key y ON y.kind = r.kind AND y.target_id = r.target_id
	CROSS JOIN temp.desired_key x ON x.kind = y.kind AND x.path = y.path AND x.value = y.value
	CROSS JOIN temp.desired d ON d.kind = x.kind AND d.source_id = x.source_id AND d.state = 'in'
	WHERE r.kind = ?`

func (w *Workspace) object(ctx context.Context, ref identity.Ref) (Joined, error) {
	rows, err := w.objectBatch(ctx, ref.Kind, `d.source_id = ?`, ref.ID)
	if err != nil {
		return Joined{}, err
	}
	if len(rows) != 1 {
		return Joined{}, fmt.Errorf("%s: %w", ref, sql.ErrNoRows)
	}
	return rows[0], nil
}

// nullOwned scans the owned side of a join.
type nullOwned struct {
	targetID, origin, name, recordHash sql.NullString
	since                              sql.NullInt64
}

func (o nullOwned) owned(w *Workspace, ref identity.Ref) *Owned {
	if !o.targetID.Valid {
		return nil
	}
	return &Owned{
		Sync: w.sync, Ref: ref, Target: w.target, TargetID: o.targetID.String, Origin: Origin(o.origin.String),
		Name: o.name.String, RecordHash: o.recordHash.String, Since: fromMillis(o.since.Int64),
	}
}
