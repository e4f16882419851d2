package ledger

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// Commit makes what was taken the mirror, in one transaction: records that
// differ are replaced, absent ones of full kinds marked gone, links brought up
// to date, every object whose content, state or links changed marked dirty for
// each of the syncs, and the cursor saved. With an error nothing has changed.
// The intake has ended either way.
func (in *Intake) Commit(ctx context.Context, cp Checkpoint, syncs []string) (Summary, error) {
	defer func() { _ = in.Discard() }() // it gives scratch space back; what was committed stays
	if err := in.usable(identity.User); err != nil {
		return Summary{}, err
	}
	for _, flush := range []func() error{in.flushObjects, in.flushLinks, in.flushCloses} {
		if err := flush(); err != nil {
			return Summary{}, err
		}
	}
	l := in.mirror.l
	var summary Summary
	err := l.writeOn(ctx, in.conn, "commit the read of "+in.mirror.source, func(t *tx) error {
		c := commit{in: in, tx: t, cp: cp, at: millis(cp.At)}
		for _, step := range []func(context.Context) error{
			c.current, c.applyWhole, c.applyRest, c.applyAbsence, c.judgeLinks, c.applyLinks, c.bookmark,
		} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if err := c.markDirty(ctx, syncs); err != nil {
			return err
		}
		var err error
		if summary, err = c.summary(ctx); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	return summary, nil
}

// commit is one running Commit.
type commit struct {
	in *Intake
	tx *tx
	cp Checkpoint
	at int64
}

func (c *commit) source() string { return c.in.mirror.source }

// full returns whether an object of the kind that was not seen is absent.
func (c *commit) full(kind identity.Kind) bool { return slices.Contains(c.cp.Full, kind) }

// current refuses a read that no longer starts where the mirror is.
func (c *commit) current(ctx context.Context) error {
	if c.cp.Only {
		return nil
	}
	var cursor string
	var at int64
	marked, err := c.tx.row(ctx, `SELECT cursor, completed_at FROM main.mirror_source WHERE source = ?`, []any{c.source()}, &cursor, &at)
	if err != nil {
		return err
	}
	if marked != c.in.marked || cursor != c.in.mark.Cursor || at != millis(c.in.mark.CompletedAt) {
		return ErrMirrorMoved
	}
	return nil
}

// What became of an object, as far as the summary and links care.
const (
	touchedNew     = "new"
	touchedBack    = "back" // was gone
	touchedChanged = "changed"
	touchedAbsent  = "absent"
)

// touch records that an object changed. The first word about it stays.
func (c *commit) touch(ctx context.Context, ref identity.Ref, what string) error {
	_, err := c.tx.exec(ctx, `INSERT INTO temp.intake_touched VALUES (?,?,?) ON CONFLICT DO NOTHING`, ref.Kind, ref.ID, what)
	return err
}

// applyAbsence marks what a full read did not see as gone, and drops the links of
// every group that is gone: what is not there has no members.
func (c *commit) applyAbsence(ctx context.Context) error {
	for _, kind := range identity.Kinds() {
		if !c.full(kind) || c.in.shield[kind] != "" {
			continue
		}
		const absent = ` FROM main.mirror_object WHERE source = ? AND kind = ? AND state <> 'gone' AND NOT EXISTS (
			SELECT 1 FROM temp.intake_object s WHERE s.kind = mirror_object.kind AND s.id = mirror_object.id)`
		if _, err := c.tx.exec(ctx, `INSERT INTO temp.intake_touched SELECT kind, id, 'absent'`+absent+` ON CONFLICT DO NOTHING`,
			c.source(), kind); err != nil {
			return err
		}
	}
	if _, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET state = 'gone', why = '', since = ?
		WHERE source = ? AND state <> 'gone' AND (kind, id) IN (SELECT kind, id FROM temp.intake_touched WHERE what = 'absent')`,
		c.at, c.source()); err != nil {
		return err
	}
	if _, err := c.tx.exec(ctx, `UPDATE main.mirror_object SET links_state = 'unknown', links_version = '', links_why = 'the group is gone'
		WHERE source = ? AND kind = 'group' AND id IN (SELECT id FROM temp.intake_touched WHERE kind = 'group' AND what = 'absent')`,
		c.source()); err != nil {
		return err
	}
	_, err := c.tx.exec(ctx, `DELETE FROM main.mirror_link
		WHERE source = ? AND group_id IN (SELECT id FROM temp.intake_touched WHERE kind = 'group' AND what = 'absent')`, c.source())
	return err
}

// bookmark saves the cursor and what shields a whole kind. A shield stands until
// a full read of the kind finds no reason for it.
func (c *commit) bookmark(ctx context.Context) error {
	shield := map[identity.Kind]string{}
	var users, groups string
	marked, err := c.tx.row(ctx, `SELECT shield_user, shield_group FROM main.mirror_source WHERE source = ?`,
		[]any{c.source()}, &users, &groups)
	if err != nil {
		return err
	}
	for kind, old := range map[identity.Kind]string{identity.User: users, identity.Group: groups} {
		switch now := c.in.shield[kind]; {
		case now != "":
			shield[kind] = now
		case !c.full(kind):
			shield[kind] = old
		}
	}
	if c.cp.Only {
		if !marked {
			return nil // never read as a whole: nothing to shield yet
		}
		_, err := c.tx.exec(ctx, `UPDATE main.mirror_source SET shield_user = ?, shield_group = ? WHERE source = ?`,
			shield[identity.User], shield[identity.Group], c.source())
		return err
	}
	_, err = c.tx.exec(ctx, `
		INSERT INTO main.mirror_source (source, cursor, selection, fields, shield_user, shield_group, completed_at)
		VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, selection = excluded.selection, fields = excluded.fields,
		  shield_user = excluded.shield_user, shield_group = excluded.shield_group, completed_at = excluded.completed_at`,
		c.source(), c.cp.Cursor, c.cp.Selection, c.cp.Fields, shield[identity.User], shield[identity.Group], c.at)
	return err
}

// markDirty marks what changed for every sync on the source. What failed before
// is tried again at once: it is not the same object any more. A sync that is not
// among them, out of the configuration for a while, has missed something.
func (c *commit) markDirty(ctx context.Context, syncs []string) error {
	told, err := json.Marshal(syncs)
	if err != nil {
		return err
	}
	if _, err := c.tx.exec(ctx, `DELETE FROM main.follower WHERE source = ? AND sync NOT IN (SELECT value FROM json_each(?))`,
		c.source(), string(told)); err != nil {
		return err
	}
	mark := newMark()
	for _, sync := range syncs {
		if _, err := c.tx.exec(ctx, `
			INSERT INTO main.dirty (sync, kind, source_id, mark, since, tries, next_try, why)
			SELECT ?, kind, id, ?, ?, 0, 0, '' FROM temp.intake_touched WHERE true
			ON CONFLICT (sync, kind, source_id) DO UPDATE SET mark = excluded.mark, tries = 0, next_try = 0, why = ''`,
			sync, mark, c.at); err != nil {
			return err
		}
	}
	return nil
}

// newMark returns a number that no other marking has, so that clearing what was
// seen cannot clear a newer mark.
func newMark() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	return int64(binary.BigEndian.Uint64(b[:]) >> 1)
}

func (c *commit) summary(ctx context.Context) (Summary, error) {
	s := Summary{
		Read: map[identity.Kind]int{}, New: map[identity.Kind]int{}, Changed: map[identity.Kind]int{},
		Absent: map[identity.Kind]int{}, Unreadable: map[identity.Kind]int{},
	}
	for _, q := range []struct {
		query string
		into  map[string]map[identity.Kind]int
	}{
		{
			`SELECT kind, 'read', count(DISTINCT id) FROM temp.intake_object WHERE op <> 'gone' GROUP BY kind`,
			map[string]map[identity.Kind]int{"read": s.Read},
		},
		{
			`SELECT kind, 'unreadable', count(DISTINCT id) FROM temp.intake_object WHERE op = 'unreadable' GROUP BY kind`,
			map[string]map[identity.Kind]int{"unreadable": s.Unreadable},
		},
		{
			`SELECT kind, what, count(*) FROM temp.intake_touched GROUP BY kind, what`,
			map[string]map[identity.Kind]int{touchedNew: s.New, touchedBack: s.New, touchedChanged: s.Changed, touchedAbsent: s.Absent},
		},
	} {
		if err := c.count(ctx, q.query, q.into); err != nil {
			return Summary{}, err
		}
	}
	return s, nil
}

func (c *commit) count(ctx context.Context, query string, into map[string]map[identity.Kind]int) error {
	rows, err := c.tx.query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind identity.Kind
		var what string
		var n int
		if err := rows.Scan(&kind, &what, &n); err != nil {
			return err
		}
		into[what][kind] += n
	}
	return rows.Err()
}
