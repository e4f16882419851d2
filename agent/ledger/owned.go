package ledger

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// SyncRef names a source object as one sync sees it.
type SyncRef struct {
	Sync string
	Ref  identity.Ref
}

// Owned is a target object that scimsync created or adopted, and may therefore
// change and remove. A target object has at most one owner in the whole ledger.
type Owned struct {
	Sync     string
	Ref      identity.Ref
	Target   string // name of the target in the configuration
	TargetID string
	Origin   Origin
	Name     string // userName or displayName as last written
	// RecordHash is Mirrored.Hash of the record the target object was last
	// in step with.
	RecordHash string
	// Since is when it became ours; set when it is first written.
	Since time.Time
}

// Origin says how an object became ours.
type Origin string

// The origins. Recognized objects carried our externalId when the ledger did not
// know them.
const (
	OriginCreated    Origin = "created"
	OriginAdopted    Origin = "adopted"
	OriginRecognized Origin = "recognized"
)

// Own records ownership, all or none. An object that the source object owned
// before is replaced, and so is another source object of the sync that owned the
// target object: the target has handed its id out again. An *OwnedError says that
// another sync owns it.
func (l *Ledger) Own(ctx context.Context, owned ...Owned) error {
	return l.write(ctx, "record ownership", func(t *tx) error {
		for _, o := range owned {
			if err := own(ctx, t, o); err != nil {
				return err
			}
		}
		return nil
	})
}

func own(ctx context.Context, t *tx, o Owned) error {
	if o.Sync == "" || o.Target == "" || o.TargetID == "" || o.Ref.IsZero() {
		return fmt.Errorf("own %s: a sync, a target and a target id are needed", o.Ref)
	}
	ctx, err := brief(ctx)
	if err != nil {
		return err
	}
	owner := SyncRef{}
	taken, err := t.row(ctx, `SELECT sync, kind, source_id FROM owned WHERE target = ? AND kind = ? AND target_id = ?`,
		[]any{o.Target, o.Ref.Kind, o.TargetID}, &owner.Sync, &owner.Ref.Kind, &owner.Ref.ID)
	if err != nil {
		return err
	}
	switch {
	case taken && owner.Sync == o.Sync && owner.Ref != o.Ref:
		// The target has given the id to somebody new: it was emptied or
		// restored, and what we knew it by is stale.
		if err := disown(ctx, t, owner); err != nil {
			return err
		}
	case taken && owner.Sync != o.Sync:
		return &OwnedError{Target: o.Target, TargetID: o.TargetID, Wanted: SyncRef{o.Sync, o.Ref}, Owner: owner}
	}
	since := o.Since
	if since.IsZero() {
		since = time.Now()
	}
	// A change of the target object is a new ownership; else since stays.
	_, err = t.exec(ctx, `
		INSERT INTO owned (sync, kind, source_id, target, target_id, origin, name, record_hash, since)
		VALUES (?,?,?,?,?,?,?,?,?)
		ON CONFLICT (sync, kind, source_id) DO UPDATE SET
		  since = CASE WHEN owned.target = excluded.target AND owned.target_id = excluded.target_id THEN owned.since ELSE excluded.since END,
		  target = excluded.target, target_id = excluded.target_id, origin = excluded.origin,
		  name = excluded.name, record_hash = excluded.record_hash`,
		o.Sync, o.Ref.Kind, o.Ref.ID, o.Target, o.TargetID, o.Origin, o.Name, o.RecordHash, millis(since))
	return err
}

// Disown gives ownership up. What is not owned is left alone.
func (l *Ledger) Disown(ctx context.Context, sync string, refs ...identity.Ref) error {
	return l.write(ctx, "give up ownership", func(t *tx) error {
		for _, ref := range refs {
			if err := disown(ctx, t, SyncRef{sync, ref}); err != nil {
				return err
			}
		}
		return nil
	})
}

func disown(ctx context.Context, t *tx, s SyncRef) error {
	_, err := t.exec(ctx, `DELETE FROM owned WHERE sync = ? AND kind = ? AND source_id = ?`, s.Sync, s.Ref.Kind, s.Ref.ID)
	return err
}

const ownedColumns = `sync, kind, source_id, target, target_id, origin, name, record_hash, since`

func scanOwned(row interface{ Scan(dest ...any) error }) (Owned, error) {
	var o Owned
	var since int64
	err := row.Scan(&o.Sync, &o.Ref.Kind, &o.Ref.ID, &o.Target, &o.TargetID, &o.Origin, &o.Name, &o.RecordHash, &since)
	o.Since = fromMillis(since)
	return o, err
}

// Owned yields what a sync owns of the kind, by source id. The caller may write
// meanwhile.
func (l *Ledger) Owned(ctx context.Context, sync string, kind identity.Kind) iter.Seq2[Owned, error] {
	return batches(func(after string) ([]Owned, string, error) {
		out, err := collect(ctx, l, scanOwned, `SELECT `+ownedColumns+` FROM owned
			WHERE sync = ? AND kind = ? AND source_id > ? ORDER BY source_id LIMIT ?`, sync, kind, after, batch)
		if err != nil || len(out) == 0 {
			return nil, "", l.wrap(ctx, "read ownership", err)
		}
		return out, out[len(out)-1].Ref.ID, nil
	})
}

// OwnedRef returns what a sync owns for one source object.
func (l *Ledger) OwnedRef(ctx context.Context, sync string, ref identity.Ref) (Owned, bool, error) {
	o, err := scanOwned(l.db.QueryRowContext(ctx, `SELECT `+ownedColumns+` FROM owned
		WHERE sync = ? AND kind = ? AND source_id = ?`, sync, ref.Kind, ref.ID))
	ok, err := found(err)
	return o, ok, l.wrap(ctx, "read ownership", err)
}

// OwnedIDs returns the target ids of what a sync owns of a kind, by source id.
func (l *Ledger) OwnedIDs(ctx context.Context, sync string, kind identity.Kind, sourceIDs []string) (map[string]string, error) {
	out := make(map[string]string, len(sourceIDs))
	for part := range slices.Chunk(sourceIDs, batch) {
		args := []any{sync, kind}
		for _, id := range part {
			args = append(args, id)
		}
		owned, err := collect(ctx, l, scanOwned, `SELECT `+ownedColumns+` FROM owned
			WHERE sync = ? AND kind = ? AND source_id IN `+placeholders(1, len(part)), args...)
		if err != nil {
			return nil, l.wrap(ctx, "read ownership", err)
		}
		for _, o := range owned {
			out[o.Ref.ID] = o.TargetID
		}
	}
	return out, nil
}

// OwnedBy returns who owns a target object, whatever the sync.
func (l *Ledger) OwnedBy(ctx context.Context, target string, kind identity.Kind, targetID string) (Owned, bool, error) {
	o, err := scanOwned(l.db.QueryRowContext(ctx, `SELECT `+ownedColumns+` FROM owned
		WHERE target = ? AND kind = ? AND target_id = ?`, target, kind, targetID))
	ok, err := found(err)
	return o, ok, l.wrap(ctx, "read ownership", err)
}

// CountOwned returns how many objects of the kind a sync owns.
func (l *Ledger) CountOwned(ctx context.Context, sync string, kind identity.Kind) (int, error) {
	var n int
	err := l.db.QueryRowContext(ctx, `SELECT count(*) FROM owned WHERE sync = ? AND kind = ?`, sync, kind).Scan(&n)
	return n, l.wrap(ctx, "count ownership", err)
}

// collect returns every row of a query.
func collect[T any](ctx context.Context, l *Ledger, scan func(interface{ Scan(dest ...any) error }) (T, error), query string, args ...any) ([]T, error) {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// Membership is one membership by target ids.
type Membership struct{ GroupID, MemberID string }

// Assume records memberships as written to a target that cannot be read.
func (l *Ledger) Assume(ctx context.Context, sync string, members ...Membership) error {
	return l.write(ctx, "record memberships", func(t *tx) error { return assume(ctx, t, sync, members) })
}

func assume(ctx context.Context, t *tx, sync string, members []Membership) error {
	for _, m := range members {
		if _, err := t.exec(ctx, `INSERT INTO assumed_member (sync, group_id, member_id) VALUES (?,?,?) ON CONFLICT DO NOTHING`,
			sync, m.GroupID, m.MemberID); err != nil {
			return err
		}
	}
	return nil
}

// Unassume records memberships as removed.
func (l *Ledger) Unassume(ctx context.Context, sync string, members ...Membership) error {
	return l.write(ctx, "record memberships", func(t *tx) error { return unassume(ctx, t, sync, members) })
}

func unassume(ctx context.Context, t *tx, sync string, members []Membership) error {
	for _, m := range members {
		if _, err := t.exec(ctx, `DELETE FROM assumed_member WHERE sync = ? AND group_id = ? AND member_id = ?`,
			sync, m.GroupID, m.MemberID); err != nil {
			return err
		}
	}
	return nil
}

// Assumed yields the assumed members of a group by its target id, in order.
func (l *Ledger) Assumed(ctx context.Context, sync, groupID string) iter.Seq2[string, error] {
	return batches(func(after string) ([]string, string, error) {
		out, err := l.strings(ctx, `SELECT member_id FROM assumed_member
			WHERE sync = ? AND group_id = ? AND member_id > ? ORDER BY member_id LIMIT ?`, sync, groupID, after, batch)
		if err != nil || len(out) == 0 {
			return nil, "", l.wrap(ctx, "read memberships", err)
		}
		return out, out[len(out)-1], nil
	})
}
