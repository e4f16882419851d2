package ledger

import (
	"context"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Held is a removal that a guard keeps back until a person decides.
type Held struct {
	Sync string
	Op   identity.Op
	Ref  identity.Ref
	// Member is the source id of the member; empty but for memberships.
	Member   string
	TargetID string
	Name     string
	Rule     string    // of the guard
	Since    time.Time // when it was first held
	Decision Decision
	// Until is when the decision ends; zero while there is none.
	Until time.Time
}

// Decision is what a person said of a held removal.
type Decision string

// The decisions.
const (
	Undecided Decision = ""
	Approved  Decision = "approved"
	Rejected  Decision = "rejected"
)

// Decided returns the decision that holds at a time.
func (h Held) Decided(at time.Time) Decision {
	if !at.Before(h.Until) {
		return Undecided
	}
	return h.Decision
}

// The statements of KeepHeld. ?1 is the sync; ?2 the time, or 0 where the plan was
// about everything.
const (
	heldKeep = `INSERT INTO main.held (sync, op, kind, source_id, member_id, target_id, name, rule, since, decision, until)
		SELECT ?1, op, kind, source_id, member_id, target_id, name, rule, ?2, '', 0 FROM temp.held_now WHERE true
		ON CONFLICT (sync, op, kind, source_id, member_id) DO UPDATE SET
		  target_id = excluded.target_id, name = excluded.name, rule = excluded.rule`
	heldDrop = `DELETE FROM main.held WHERE sync = ?1
		AND NOT EXISTS (SELECT 1 FROM temp.held_now n
		  WHERE n.op = held.op AND n.kind = held.kind AND n.source_id = held.source_id AND n.member_id = held.member_id)
		AND (?2 = 0 OR EXISTS (SELECT 1 FROM temp.selected x WHERE x.kind = held.kind AND x.source_id = held.source_id)
		  OR EXISTS (SELECT 1 FROM temp.team t WHERE held.kind = 'group' AND t.source_id = held.source_id))`
)

// KeepHeld makes held what the steps of the plan are held for now, memberships one
// by one. What was held before keeps Since and the decision; what is not wanted any
// more is dropped, as far as the plan has looked at it.
func (w *Workspace) KeepHeld(ctx context.Context, now time.Time) error {
	err := w.Load(ctx, func() error {
		if err := w.exec(ctx, `DELETE FROM temp.held_now`); err != nil {
			return err
		}
		for s, err := range w.Steps(ctx) {
			if err != nil {
				return err
			}
			if s.Held == "" {
				continue
			}
			members := []identity.Member{{}}
			if s.Op == identity.AddMembers || s.Op == identity.RemoveMembers {
				members = s.Members
			}
			for _, m := range members {
				if err := w.exec(ctx, `INSERT OR REPLACE INTO temp.held_now VALUES (?,?,?,?,?,?,?)`,
					s.Op, s.Ref.Kind, s.Ref.ID, m.Ref.ID, s.TargetID, s.Name, s.Held); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.ledger.writeOn(ctx, w.conn, "keep held removals", func(t *tx) error {
		if _, err := t.exec(ctx, heldKeep, w.sync, millis(now)); err != nil {
			return err
		}
		_, err := t.exec(ctx, heldDrop, w.sync, w.partial)
		return err
	})
}

// Held returns what is held for a sync, by operation and object.
func (l *Ledger) Held(ctx context.Context, sync string) ([]Held, error) {
	scan := func(row interface{ Scan(dest ...any) error }) (Held, error) {
		var h Held
		var since, until int64
		err := row.Scan(&h.Sync, &h.Op, &h.Ref.Kind, &h.Ref.ID, &h.Member, &h.TargetID, &h.Name, &h.Rule, &since, &h.Decision, &until)
		h.Since, h.Until = fromMillis(since), fromMillis(until)
		return h, err
	}
	out, err := collect(ctx, l, scan, `SELECT sync, op, kind, source_id, member_id, target_id, name, rule, since, decision, until
		FROM held WHERE sync = ? ORDER BY op, kind, source_id, member_id`, sync)
	return out, l.wrap(ctx, "read held removals", err)
}

// Holding reports whether anything is held for a sync. It counts nothing.
func (l *Ledger) Holding(ctx context.Context, sync string) (bool, error) {
	var holding bool
	err := l.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM held WHERE sync = ?)`, sync).Scan(&holding)
	return holding, l.wrap(ctx, "read held removals", err)
}

// Decide records what a person said of the removals that were shown, and of
// nothing that was held since: it returns how many of them are still held for
// the same reason. Undecided takes a decision back.
func (l *Ledger) Decide(ctx context.Context, d Decision, until time.Time, shown ...Held) (int, error) {
	if d == Undecided {
		until = time.Time{}
	}
	decided := 0
	err := l.write(ctx, "record the decision", func(t *tx) error {
		decided = 0
		for _, h := range shown {
			n, err := t.exec(ctx, `UPDATE held SET decision = ?, until = ?
				WHERE sync = ? AND op = ? AND kind = ? AND source_id = ? AND member_id = ? AND target_id = ? AND since = ?`,
				d, millis(until), h.Sync, h.Op, h.Ref.Kind, h.Ref.ID, h.Member, h.TargetID, millis(h.Since))
			if err != nil {
				return err
			}
			decided += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return decided, nil
}
