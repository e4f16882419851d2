package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Select restricts the plan to the objects it is called for: what is owned
// beside them is neither compared nor taken for a leaver.
func (w *Workspace) Select(ctx context.Context, ref identity.Ref) error {
	w.partial = true
	return w.exec(ctx, `INSERT OR IGNORE INTO temp.selected VALUES (?, ?)`, ref.Kind, ref.ID)
}

// within ends a statement about the rows of a table that name an object by kind and
// source id: where the plan is about selected objects, it is about theirs. These are
// few and looked up one by one; the table may be as large as the directory.
func (w *Workspace) within(table string) string {
	if !w.partial {
		return ""
	}
	return ` AND (` + table + `.kind, ` + table + `.source_id) IN (SELECT kind, source_id FROM temp.selected)`
}

// SelectDue restricts the plan to the objects that are not in step and whose next
// try is not after now.
func (w *Workspace) SelectDue(ctx context.Context, now time.Time) error {
	w.partial = true
	return w.exec(ctx, selectDue, w.sync, millis(now))
}

const selectDue = `INSERT OR IGNORE INTO temp.selected SELECT kind, source_id FROM main.dirty WHERE sync = ? AND next_try <= ?`

// SelectLeaving adds what is owned of the kind and has been leaving since before
// a time, but for what waits for its next try.
func (w *Workspace) SelectLeaving(ctx context.Context, k identity.Kind, before, now time.Time) error {
	w.partial = true
	return w.exec(ctx, selectLeaving, w.sync, k, millis(before), millis(now))
}

const selectLeaving = `INSERT OR IGNORE INTO temp.selected SELECT l.kind, l.source_id FROM main.leaving l
	CROSS JOIN main.owned o ON o.sync = l.sync AND o.kind = l.kind AND o.source_id = l.source_id
	WHERE l.sync = ?1 AND l.kind = ?2 AND l.since <= ?3
	  AND NOT EXISTS (SELECT 1 FROM main.dirty d WHERE d.sync = ?1 AND d.kind = l.kind AND d.source_id = l.source_id AND d.next_try > ?4)`

// SelectAwaiting adds the objects that name, in an attribute, a selected one: by its
// source id, or by what it carries at path. They are those that it was not found
// for when they were last looked at, so that they were left without that attribute
// or with somebody else in it; and, where it is not owned under its present name,
// all of them.
func (w *Workspace) SelectAwaiting(ctx context.Context, path string) error {
	return w.exec(ctx, `INSERT OR IGNORE INTO temp.selected
		SELECT a.kind, a.source_id FROM temp.desired d
		CROSS JOIN temp.desired_key x ON x.kind = d.kind AND x.source_id = d.source_id AND x.path = ?2
		CROSS JOIN main.awaiting a ON a.sync = ?1 AND a.wanted IN (d.source_id, x.value)
		  AND (d.kind = 'user' OR a.kind = 'group') -- people have been compared by then
		WHERE a.found <> d.source_id
		  OR NOT EXISTS (SELECT 1 FROM main.owned o WHERE o.sync = ?1 AND o.kind = d.kind AND o.source_id = d.source_id AND lower(o.name) = x.value)`,
		w.sync, path)
}

// SelectOwners adds whoever owns, in this sync, a target object of the kind that
// has been seen, and reports how many they are: what is known of a target object
// is decided together.
func (w *Workspace) SelectOwners(ctx context.Context, k identity.Kind) (int, error) {
	stmt, err := w.prepared(ctx, `INSERT OR IGNORE INTO temp.selected
		SELECT o.kind, o.source_id FROM temp.live l
		CROSS JOIN main.owned o ON o.target = ? AND o.kind = l.kind AND o.target_id = l.target_id
		WHERE l.kind = ? AND o.sync = ?`)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, w.target, k, w.sync)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// Mark takes note of the markings that this plan is about: all of them, or those
// of the selected objects. Only these are cleared when it ends; what is marked
// anew meanwhile stays. It may be called again for objects that were added.
func (w *Workspace) Mark(ctx context.Context) error {
	return w.exec(ctx, `INSERT OR IGNORE INTO temp.marked
		SELECT d.kind, d.source_id, d.mark FROM main.dirty d WHERE d.sync = ?1`+w.within("d"), w.sync)
}

// MarkPlanned marks every object that the plan is about to change, so that a run
// which ends before its end leaves nothing behind that nobody looks at again.
func (w *Workspace) MarkPlanned(ctx context.Context, now time.Time) error {
	mark := newMark()
	return w.ledger.writeOn(ctx, w.conn, "mark what is planned", func(t *tx) error {
		if _, err := t.exec(ctx, markPlanned, w.sync, mark, millis(now)); err != nil {
			return err
		}
		marked := markedOfAll
		if w.partial {
			marked = markedOfSteps
		}
		_, err := t.exec(ctx, marked, w.sync, mark)
		return err
	})
}

const (
	markPlanned = `INSERT INTO main.dirty (sync, kind, source_id, mark, since, tries, next_try, why)
		SELECT DISTINCT ?1, s.kind, s.source_id, ?2, ?3, 0, 0, '' FROM temp.step s WHERE s.held = '' AND s.outcome = ''
		ON CONFLICT DO NOTHING`
	markedOfAll = `INSERT OR IGNORE INTO temp.marked SELECT kind, source_id, mark FROM main.dirty WHERE sync = ?1 AND mark = ?2`
	// The same where there are few steps.
	markedOfSteps = `INSERT OR IGNORE INTO temp.marked SELECT d.kind, d.source_id, d.mark FROM temp.step s
		CROSS JOIN main.dirty d ON d.sync = ?1 AND d.kind = s.kind AND d.source_id = s.source_id WHERE d.mark = ?2`
)

// Records yields the selected objects of the kind as the mirror has them, by id,
// but for those that were put already and those the mirror has never seen.
func (w *Workspace) Records(ctx context.Context, k identity.Kind) iter.Seq2[Mirrored, error] {
	return batches(func(after string) ([]Mirrored, string, error) {
		rows, err := w.query(ctx, `
			SELECT m.id, m.version, m.hash, m.fields, m.state, m.why, m.since, m.links_state, m.links_why
			FROM temp.selected s CROSS JOIN main.mirror_object m ON m.source = ?1 AND m.kind = s.kind AND m.id = s.source_id
			WHERE s.kind = ?2 AND s.source_id > ?3
			  AND NOT EXISTS (SELECT 1 FROM temp.desired d WHERE d.kind = s.kind AND d.source_id = s.source_id)
			ORDER BY s.source_id LIMIT ?4`, w.source, k, after, batch)
		if err != nil {
			return nil, "", err
		}
		defer rows.Close()
		var out []Mirrored
		for rows.Next() {
			m, err := scanMirrored(rows, k)
			if err != nil {
				return nil, "", err
			}
			after = m.Record.Ref.ID
			out = append(out, m)
		}
		return out, after, rows.Err()
	})
}

// What a further change alone does not mend.
const mendable = `
	SELECT d.kind, d.source_id FROM dirty d
	CROSS JOIN mirror_object m ON m.source = ?1 AND m.kind = d.kind AND m.id = d.source_id
	WHERE d.sync = ?2 AND d.next_try <= ?3 AND (m.state = 'unreadable' OR ?4 = 1 AND m.state = 'present' AND m.links_state = 'unknown')
	ORDER BY d.kind, d.source_id LIMIT ?5`

// Mendable returns the objects that are due for the sync and that the source has
// to be asked for: those that could not be read, and, where links count, the
// groups whose members are not known. It returns limit at most.
func (m *Mirror) Mendable(ctx context.Context, sync string, now time.Time, links bool, limit int) ([]identity.Ref, error) {
	scan := func(row interface{ Scan(dest ...any) error }) (identity.Ref, error) {
		var ref identity.Ref
		err := row.Scan(&ref.Kind, &ref.ID)
		return ref, err
	}
	out, err := collect(ctx, m.l, scan, mendable, m.source, sync, millis(now), links, limit)
	return out, m.l.wrap(ctx, "read what "+m.source+" did not show", err)
}

// Selected returns the objects the plan is restricted to, by kind and id.
func (w *Workspace) Selected(ctx context.Context) (users, groups []identity.Ref, err error) {
	rows, err := w.query(ctx, `SELECT kind, source_id FROM temp.selected ORDER BY source_id`)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var ref identity.Ref
		if err := rows.Scan(&ref.Kind, &ref.ID); err != nil {
			return nil, nil, err
		}
		if ref.Kind == identity.Group {
			groups = append(groups, ref)
		} else {
			users = append(users, ref)
		}
	}
	return users, groups, rows.Err()
}

// IsSelected reports whether the plan is restricted to objects of which this is
// one.
func (w *Workspace) IsSelected(ctx context.Context, ref identity.Ref) (bool, error) {
	n, err := w.count(ctx, `SELECT count(*) FROM temp.selected WHERE kind = ? AND source_id = ?`, ref.Kind, ref.ID)
	return n > 0, err
}

// CountSelected returns how many objects of the kind the plan is restricted to.
func (w *Workspace) CountSelected(ctx context.Context, k identity.Kind) (int, error) {
	return w.count(ctx, `SELECT count(*) FROM temp.selected WHERE kind = ?`, k)
}

// Compared reports whether the plan has looked at an object: it is selected, or a
// group whose members were compared. A plan about everything has looked at all.
func (w *Workspace) Compared(ctx context.Context, ref identity.Ref) (bool, error) {
	if !w.partial {
		return true, nil
	}
	n, err := w.count(ctx, `SELECT (SELECT count(*) FROM temp.selected WHERE kind = ?1 AND source_id = ?2)
		+ (SELECT count(*) FROM temp.team WHERE ?1 = 'group' AND source_id = ?2)`, ref.Kind, ref.ID)
	return n > 0, err
}

const heldBeside = `SELECT h.op, h.kind, h.source_id, h.member_id, h.name, h.rule FROM main.held h WHERE h.sync = ?1
	AND NOT EXISTS (SELECT 1 FROM temp.selected s WHERE s.kind = h.kind AND s.source_id = h.source_id)
	AND NOT EXISTS (SELECT 1 FROM temp.team t WHERE h.kind = 'group' AND t.source_id = h.source_id)`

// HeldBeside yields what a guard keeps back for objects that this plan has not
// looked at.
func (w *Workspace) HeldBeside(ctx context.Context) iter.Seq2[Held, error] {
	return func(yield func(Held, error) bool) {
		if !w.partial {
			return
		}
		rows, err := w.query(ctx, heldBeside, w.sync)
		if err != nil {
			yield(Held{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			h := Held{Sync: w.sync}
			err := rows.Scan(&h.Op, &h.Ref.Kind, &h.Ref.ID, &h.Member, &h.Name, &h.Rule)
			if !yield(h, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Held{}, err)
		}
	}
}

// Unnamed yields the objects in scope of the kind that want a name nobody who was
// seen carries, and that were found by another key: whether the name is free is
// not known of them.
func (w *Workspace) Unnamed(ctx context.Context, k identity.Kind, path string) ([]Desired, error) {
	rows, err := w.query(ctx, `
		SELECT d.source_id, d.entry FROM temp.desired d
		CROSS JOIN temp.desired_key x ON x.kind = d.kind AND x.source_id = d.source_id AND x.path = ?2
		WHERE d.kind = ?1 AND d.state = 'in' AND d.active = 1
		  AND NOT EXISTS (SELECT 1 FROM temp.live_key y WHERE y.kind = x.kind AND y.path = x.path AND y.value = x.value)
		ORDER BY d.source_id`, k, path)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Desired
	for rows.Next() {
		d := Desired{Ref: identity.Ref{Kind: k}}
		var entry sql.RawBytes
		if err := rows.Scan(&d.Ref.ID, &entry); err != nil {
			return nil, err
		}
		if d.Entry, err = unpackEntry(entry); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Ref, err)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}
