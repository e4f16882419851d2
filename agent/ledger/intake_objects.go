package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/scimsync/scimsync/identity"
)

// folded is what all events about one object in one read come to.
type folded struct {
	ref           identity.Ref
	op            string // record, partial, gone or unreadable; empty: as mirrored
	version, hash string
	fields        []byte                     // whole; nil: those mirrored
	patch         map[string]json.RawMessage // of a partial record
	why           string
}

// applyWhole brings the mirror in line with the whole records that came once,
// which is nearly all of them, without moving them through this program.
func (c *commit) applyWhole(ctx context.Context) error {
	const once = ` FROM temp.intake_object s CROSS JOIN temp.intake_fields f
		WHERE f.ord = s.ord AND s.op = 'record' AND NOT EXISTS (
		  SELECT 1 FROM temp.intake_object x WHERE x.kind = s.kind AND x.id = s.id AND x.ord <> s.ord)`
	if _, err := c.tx.exec(ctx, `
		INSERT INTO temp.intake_touched
		SELECT s.kind, s.id, CASE WHEN m.state IS NULL THEN 'new' WHEN m.state = 'gone' THEN 'back' ELSE 'changed' END
		FROM temp.intake_object s LEFT JOIN main.mirror_object m ON m.source = ? AND m.kind = s.kind AND m.id = s.id
		WHERE s.op = 'record' AND (m.state IS NULL OR m.state <> 'present' OR m.hash <> s.hash) AND NOT EXISTS (
		  SELECT 1 FROM temp.intake_object x WHERE x.kind = s.kind AND x.id = s.id AND x.ord <> s.ord)`, c.source()); err != nil {
		return err
	}
	_, err := c.tx.exec(ctx, `
		INSERT INTO main.mirror_object
		  (source, kind, id, version, hash, fields, state, why, since, links_state, links_version, links_why)
		SELECT ?, s.kind, s.id, s.version, s.hash, f.fields, 'present', '', ?,
		  CASE s.kind WHEN 'group' THEN 'unknown' ELSE '' END, '', CASE s.kind WHEN 'group' THEN ? ELSE '' END`+once+`
		ON CONFLICT (source, kind, id) DO UPDATE SET version = excluded.version, hash = excluded.hash, fields = excluded.fields,
		  since = CASE mirror_object.state WHEN 'present' THEN mirror_object.since ELSE excluded.since END,
		  state = excluded.state, why = excluded.why`, c.source(), c.at, linksNotRead)
	return err
}

// linksNotRead is why the members of a new group are unknown until they are read.
const linksNotRead = "its members were not read"

// applyRest brings the mirror in line with everything else: partial records, news
// that objects are gone or unreadable, and objects that were told more than once.
// Only staged rows are open while mirrored ones change.
func (c *commit) applyRest(ctx context.Context) error {
	rows, err := c.tx.query(ctx, `
		SELECT s.kind, s.id, s.ord, s.op, s.version, s.hash, f.fields, s.why,
		  (SELECT COALESCE(max(x.ord), 0) FROM temp.intake_object x WHERE x.kind = s.kind AND x.id = s.id AND x.op = 'same')
		FROM temp.intake_object s LEFT JOIN temp.intake_fields f ON f.ord = s.ord
		WHERE s.op <> 'same' AND (s.op <> 'record' OR EXISTS (
		  SELECT 1 FROM temp.intake_object x WHERE x.kind = s.kind AND x.id = s.id AND x.ord <> s.ord))
		ORDER BY s.kind, s.id, s.ord`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var pending []folded
	size := 0
	for rows.Next() {
		var o stagedObject
		var same int64
		if err := rows.Scan(&o.ref.Kind, &o.ref.ID, &o.ord, &o.op, &o.version, &o.hash, &o.fields, &o.why, &same); err != nil {
			return err
		}
		n := len(pending)
		if n == 0 || pending[n-1].ref != o.ref {
			// Batches are of one kind, and small whatever the records are.
			if n == stageRows || size >= stageBytes || n > 0 && pending[0].ref.Kind != o.ref.Kind {
				if err := c.applyBatch(ctx, pending); err != nil {
					return err
				}
				pending, size = pending[:0], 0
			}
			pending = append(pending, folded{ref: o.ref})
		}
		size += len(o.fields)
		if err := pending[len(pending)-1].take(o, same); err != nil {
			return fmt.Errorf("%s: %w", o.ref, err)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return c.applyBatch(ctx, pending)
}

// take adds the next event. Same is when the object was last seen as mirrored:
// events before that no longer count.
func (f *folded) take(o stagedObject, same int64) error {
	if o.ord < same {
		return nil
	}
	switch o.op {
	case opRecord:
		f.op, f.fields, f.hash, f.patch = opRecord, o.fields, o.hash, nil
	case opPartial:
		var patch map[string]json.RawMessage
		if err := json.Unmarshal(o.fields, &patch); err != nil {
			return err
		}
		switch {
		case f.op == opUnreadable:
			return nil // what the unreadable event changed is not in here
		case f.fields != nil:
			whole, hash, err := merge(f.fields, patch)
			if err != nil {
				return err
			}
			f.op, f.fields, f.hash = opRecord, whole, hash
		default:
			if f.patch == nil {
				f.patch = map[string]json.RawMessage{}
			}
			maps.Copy(f.patch, patch)
			f.op = opPartial
		}
	default:
		f.op, f.why = o.op, o.why
	}
	f.version = o.version
	return nil
}

// merge lays the fields that changed over those there were; null clears.
func merge(base []byte, patch map[string]json.RawMessage) ([]byte, string, error) {
	whole := map[string]any{}
	if err := json.Unmarshal(base, &whole); err != nil {
		return nil, "", err
	}
	for name, raw := range patch {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		whole[name] = value
	}
	return encodeFields(whole)
}

// mirroredState is what a change is judged against.
type mirroredState struct {
	hash, version string
	state         State
	why           string
	since         int64
}

func (c *commit) applyBatch(ctx context.Context, pending []folded) error {
	if len(pending) == 0 {
		return nil
	}
	mirrored, err := c.mirrored(ctx, pending)
	if err != nil {
		return err
	}
	for _, f := range pending {
		old, known := mirrored[f.ref.ID]
		var err error
		switch f.op {
		case "": // as mirrored
		case opRecord, opPartial:
			err = c.applyRecord(ctx, f, old, known)
		case opGone:
			err = c.applyGone(ctx, f, old, known)
		case opUnreadable:
			err = c.applyUnreadable(ctx, f, old, known)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.ref, err)
		}
	}
	return nil
}

func (c *commit) mirrored(ctx context.Context, pending []folded) (map[string]mirroredState, error) {
	if c.in.first {
		return nil, nil
	}
	args := []any{c.source(), pending[0].ref.Kind}
	for i := range stageRows { // one statement for every number of them
		args = append(args, pending[min(i, len(pending)-1)].ref.ID)
	}
	rows, err := c.tx.query(ctx, `SELECT id, hash, version, state, why, since FROM main.mirror_object
		WHERE source = ? AND kind = ? AND id IN `+placeholders(1, stageRows), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[string]mirroredState, len(pending))
	for rows.Next() {
		var id string
		var m mirroredState
		if err := rows.Scan(&id, &m.hash, &m.version, &m.state, &m.why, &m.since); err != nil {
			return nil, err
		}
		out[id] = m
	}
	return out, rows.Err()
}

func (c *commit) applyRecord(ctx context.Context, f folded, old mirroredState, known bool) error {
	state, why := StatePresent, ""
	if f.op == opPartial {
		base := []byte("{}") // a source that only sends changes sends a new object whole
		if known {
			if _, err := c.tx.row(ctx, `SELECT fields FROM main.mirror_object WHERE source = ? AND kind = ? AND id = ?`,
				[]any{c.source(), f.ref.Kind, f.ref.ID}, &base); err != nil {
				return err
			}
		}
		var err error
		if f.fields, f.hash, err = merge(base, f.patch); err != nil {
			return err
		}
		if known && old.state == StateUnreadable {
			// The changes that could not be read are not in this one: only a
			// whole record mends that.
			state, why = old.state, old.why
		}
	}
	since := c.at
	if known && old.state == state {
		since = old.since
	}
	switch {
	case !known:
		if err := c.touch(ctx, f.ref, touchedNew); err != nil {
			return err
		}
	case old.state == StateGone:
		if err := c.touch(ctx, f.ref, touchedBack); err != nil {
			return err
		}
	case old.state != state || old.hash != f.hash:
		if err := c.touch(ctx, f.ref, touchedChanged); err != nil {
			return err
		}
	case old.version == f.version:
		return nil
	}
	return c.put(ctx, f, state, why, since)
}

// put writes a whole row. What is known of a group's members is decided later.
func (c *commit) put(ctx context.Context, f folded, state State, why string, since int64) error {
	links := sql.NullString{}
	linksWhy := ""
	if f.ref.Kind == identity.Group {
		links = sql.NullString{String: string(LinksUnknown), Valid: true}
		linksWhy = linksNotRead
	}
	_, err := c.tx.exec(ctx, `
		INSERT INTO main.mirror_object
		  (source, kind, id, version, hash, fields, state, why, since, links_state, links_version, links_why)
		VALUES (?,?,?,?,?,?,?,?,?,?,'',?)
		ON CONFLICT (source, kind, id) DO UPDATE SET version = excluded.version, hash = excluded.hash,
		  fields = excluded.fields, state = excluded.state, why = excluded.why, since = excluded.since`,
		c.source(), f.ref.Kind, f.ref.ID, f.version, f.hash, f.fields, state, why, since, links.String, linksWhy)
	return err
}

func (c *commit) applyGone(ctx context.Context, f folded, old mirroredState, known bool) error {
	switch {
	case !known: // it was not there and is not there
		return nil
	case old.state != StateGone:
		if err := c.touch(ctx, f.ref, touchedAbsent); err != nil {
			return err
		}
		if _, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET state = ?, why = ?, since = ? WHERE source = ? AND kind = ? AND id = ?`,
			StateGone, f.why, c.at, c.source(), f.ref.Kind, f.ref.ID); err != nil || f.ref.Kind != identity.Group {
			return err
		}
		return c.empty(ctx, f.ref.ID)
	case f.why == "" || f.why == old.why:
		return nil
	}
	// What happens to a leaver may depend on the cause.
	if err := c.touch(ctx, f.ref, touchedChanged); err != nil {
		return err
	}
	_, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET why = ? WHERE source = ? AND kind = ? AND id = ?`,
		f.why, c.source(), f.ref.Kind, f.ref.ID)
	return err
}

// empty drops the links of a group that is gone: what is not there has no
// members.
func (c *commit) empty(ctx context.Context, group string) error {
	if _, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET links_state = 'unknown', links_version = '', links_why = 'the group is gone'
		WHERE source = ? AND kind = 'group' AND id = ?`, c.source(), group); err != nil {
		return err
	}
	_, err := c.tx.exec(ctx, `DELETE FROM main.mirror_link WHERE source = ? AND group_id = ?`, c.source(), group)
	return err
}

func (c *commit) applyUnreadable(ctx context.Context, f folded, old mirroredState, known bool) error {
	if !known {
		if f.fields == nil {
			var err error
			if f.fields, f.hash, err = encodeFields(nil); err != nil {
				return err
			}
		}
		if err := c.touch(ctx, f.ref, touchedNew); err != nil {
			return err
		}
		return c.put(ctx, f, StateUnreadable, f.why, c.at)
	}
	if old.state == StateUnreadable {
		_, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET why = ? WHERE source = ? AND kind = ? AND id = ?`,
			f.why, c.source(), f.ref.Kind, f.ref.ID)
		return err
	}
	if err := c.touch(ctx, f.ref, touchedChanged); err != nil {
		return err
	}
	// No version: the next readable record is not taken for the one mirrored.
	_, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET state = ?, why = ?, since = ?, version = ''
		WHERE source = ? AND kind = ? AND id = ?`, StateUnreadable, f.why, c.at, c.source(), f.ref.Kind, f.ref.ID)
	return err
}
