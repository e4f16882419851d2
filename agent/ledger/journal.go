package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Outcome closes an intent and carries what follows from it, so that journal,
// ownership and what is in step never disagree.
type Outcome struct {
	Run      string
	Seq      int64
	Ref      identity.Ref // of the change
	TargetID string       // as the target named the object; empty keeps that of the intent
	Outcome  plan.Outcome
	Error    string    // in words, without any credential
	At       time.Time // zero is now

	// What follows is of the run's sync. Disown is carried out before Own, so
	// that an account can change hands; zero disowns nothing.
	Disown identity.Ref
	Own    *Owned
	// Rename and RecordHash are, for a Ref that is already owned, its name as
	// written and the record it is in step with; empty keeps what there is.
	Rename     string
	RecordHash string
	// Assume and Unassume are memberships written to and removed from a
	// target that cannot be read.
	Assume, Unassume []Membership
	// Clear and Retry end and keep markings, of any object.
	Clear []Dirty
	Retry []Retry
}

// Intend journals changes before they are sent, in one transaction, and returns
// their numbers within the run, in the order of the changes. The number 0 marks
// a change that must not be sent: another run has claimed its object, or has
// written it since this run started; it stays dirty for the next cycle.
//
// With a lease, the error is ErrLeaseLost when it was taken over; a nil lease is
// for a run on demand, which claims its objects here and nowhere else. Any
// error means that nothing may be sent.
func (l *Ledger) Intend(ctx context.Context, lease *Lease, run, sync string, changes []identity.Change) ([]int64, error) {
	seqs := make([]int64, len(changes))
	err := l.write(ctx, "journal intents", func(t *tx) error {
		if lease != nil {
			if err := lease.check(ctx, t); err != nil {
				return err
			}
		}
		var started, last int64
		ok, err := t.row(ctx, `SELECT r.started, COALESCE((SELECT max(c.seq) FROM change c WHERE c.run = r.id), 0)
			FROM run r WHERE r.id = ? AND r.sync = ? AND r.finished IS NULL`, []any{run, sync}, &started, &last)
		if err == nil && !ok {
			err = fmt.Errorf("run %s of sync %s was not started, or has finished", run, sync)
		}
		if err != nil {
			return err
		}
		now := millis(time.Now())
		for i, c := range changes {
			claimed, err := claimed(ctx, t, sync, run, c.Ref, started)
			if err != nil {
				return err
			}
			if claimed {
				seqs[i] = 0
				continue
			}
			last++
			seqs[i] = last
			if err := intend(ctx, t, run, sync, last, now, c); err != nil {
				return fmt.Errorf("%s %s: %w", c.Op, c.Ref, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return seqs, nil
}

// claimed reports whether another run of the sync has an open intent on the
// object or has written it since this run started. What is dated later than now
// was written before the clock was set back, and claims nothing.
func claimed(ctx context.Context, t *tx, sync, run string, ref identity.Ref, started int64) (bool, error) {
	var one int
	return t.row(ctx, `SELECT 1 FROM change WHERE sync = ? AND kind = ? AND source_id = ? AND run <> ?
		AND (outcome = '' OR outcome <> 'not_tried' AND intent_at BETWEEN ? AND ?) LIMIT 1`,
		[]any{sync, ref.Kind, ref.ID, run, started, millis(time.Now())}, &one)
}

func intend(ctx context.Context, t *tx, run, sync string, seq, at int64, c identity.Change) error {
	attributes, err := json.Marshal(c.Attributes)
	if err != nil {
		return err
	}
	members, err := json.Marshal(c.Members)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `
		INSERT INTO change (run, seq, sync, op, kind, source_id, target_id, name, cause, reason, attributes, members,
		  intent_at, outcome, error, outcome_at)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,'','',NULL)`,
		run, seq, sync, c.Op, c.Ref.Kind, c.Ref.ID, c.TargetID, c.Name, c.Cause, c.Reason, attributes, members, at)
	return err
}

// Settle journals outcomes and everything that follows from them in one
// transaction. An outcome that is already there is left as it is; a different
// one is an error. Give it a context that outlives the run's: what was sent must
// be written down even when the run is cancelled.
func (l *Ledger) Settle(ctx context.Context, outcomes []Outcome) error {
	return l.write(ctx, "journal outcomes", func(t *tx) error {
		for _, o := range outcomes {
			if err := settle(ctx, t, o); err != nil {
				return fmt.Errorf("run %s, change %d: %w", o.Run, o.Seq, err)
			}
		}
		return nil
	})
}

func settle(ctx context.Context, t *tx, o Outcome) error {
	if o.Outcome == "" {
		return errors.New("an outcome is needed")
	}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	var sync string
	var now plan.Outcome
	ok, err := t.row(ctx, `SELECT sync, outcome FROM change WHERE run = ? AND seq = ?`, []any{o.Run, o.Seq}, &sync, &now)
	switch {
	case err != nil:
		return err
	case !ok:
		return errors.New("was not intended")
	case now == o.Outcome:
		return nil
	case now != "":
		return fmt.Errorf("is already settled as %s and cannot become %s", now, o.Outcome)
	}
	if _, err := t.exec(ctx, `UPDATE change SET outcome = ?, error = ?, outcome_at = ?,
		target_id = CASE WHEN ? <> '' THEN ? ELSE target_id END WHERE run = ? AND seq = ?`,
		o.Outcome, o.Error, millis(o.At), o.TargetID, o.TargetID, o.Run, o.Seq); err != nil {
		return err
	}
	return follow(ctx, t, sync, o)
}

// follow carries out what an outcome means for the rest of the ledger.
func follow(ctx context.Context, t *tx, sync string, o Outcome) error {
	if !o.Disown.IsZero() {
		if err := disown(ctx, t, SyncRef{sync, o.Disown}); err != nil {
			return err
		}
	}
	if o.Own != nil {
		if err := own(ctx, t, *o.Own); err != nil {
			return err
		}
		// The groups that the account was left in are those of its new holder.
		if _, err := t.exec(ctx, `INSERT OR IGNORE INTO idle (sync, user_id, group_id)
			SELECT sync, ?3, group_id FROM idle WHERE sync = ?1 AND user_id = ?2 AND group_id <> ''`,
			sync, o.Disown.ID, o.Own.Ref.ID); err != nil {
			return err
		}
	}
	if o.Rename != "" || o.RecordHash != "" {
		if _, err := t.exec(ctx, `UPDATE owned SET name = CASE WHEN ?1 <> '' THEN ?1 ELSE name END,
			record_hash = CASE WHEN ?2 <> '' THEN ?2 ELSE record_hash END WHERE sync = ?3 AND kind = ?4 AND source_id = ?5`,
			o.Rename, o.RecordHash, sync, o.Ref.Kind, o.Ref.ID); err != nil {
			return err
		}
	}
	if err := assume(ctx, t, sync, o.Assume); err != nil {
		return err
	}
	if err := unassume(ctx, t, sync, o.Unassume); err != nil {
		return err
	}
	for _, d := range o.Clear {
		d.Sync = sync
		if err := clearDirty(ctx, t, d); err != nil {
			return err
		}
	}
	for _, r := range o.Retry {
		if err := retry(ctx, t, sync, r, o.At); err != nil {
			return err
		}
	}
	return nil
}
