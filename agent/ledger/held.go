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

type heldKey struct {
	op     identity.Op
	ref    identity.Ref
	member string
}

func (h Held) key() heldKey { return heldKey{h.Op, h.Ref, h.Member} }

// ReplaceHeld makes held what the guards of a cycle keep back now. What was held
// before keeps Since and the decision; what is not wanted any more is dropped.
// A zero Since of a new one is now.
func (l *Ledger) ReplaceHeld(ctx context.Context, sync string, held []Held) error {
	return l.UpdateHeld(ctx, sync, held, func(identity.Ref) (bool, error) { return true, nil })
}

// UpdateHeld is ReplaceHeld for a cycle that has looked at some objects only:
// what is held of the others stays.
func (l *Ledger) UpdateHeld(ctx context.Context, sync string, held []Held, about func(identity.Ref) (bool, error)) error {
	return l.write(ctx, "keep held removals", func(t *tx) error {
		wanted := make(map[heldKey]bool, len(held))
		for _, h := range held {
			wanted[h.key()] = true
			if h.Since.IsZero() {
				h.Since = time.Now()
			}
			if _, err := t.exec(ctx, `
				INSERT INTO held (sync, op, kind, source_id, member_id, target_id, name, rule, since, decision, until)
				VALUES (?,?,?,?,?,?,?,?,?,'',0)
				ON CONFLICT (sync, op, kind, source_id, member_id) DO UPDATE SET
				  target_id = excluded.target_id, name = excluded.name, rule = excluded.rule`,
				sync, h.Op, h.Ref.Kind, h.Ref.ID, h.Member, h.TargetID, h.Name, h.Rule, millis(h.Since)); err != nil {
				return err
			}
		}
		unwanted, err := unwantedHeld(ctx, t, sync, wanted)
		if err != nil {
			return err
		}
		for _, k := range unwanted {
			if ok, err := about(k.ref); err != nil || !ok {
				if err != nil {
					return err
				}
				continue
			}
			if _, err := t.exec(ctx, `DELETE FROM held WHERE sync = ? AND op = ? AND kind = ? AND source_id = ? AND member_id = ?`,
				sync, k.op, k.ref.Kind, k.ref.ID, k.member); err != nil {
				return err
			}
		}
		return nil
	})
}

func unwantedHeld(ctx context.Context, t *tx, sync string, wanted map[heldKey]bool) ([]heldKey, error) {
	rows, err := t.query(ctx, `SELECT op, kind, source_id, member_id FROM held WHERE sync = ?`, sync)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []heldKey
	for rows.Next() {
		var k heldKey
		if err := rows.Scan(&k.op, &k.ref.Kind, &k.ref.ID, &k.member); err != nil {
			return nil, err
		}
		if !wanted[k] {
			out = append(out, k)
		}
	}
	return out, rows.Err()
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
