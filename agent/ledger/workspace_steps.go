package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// stepBody is what of a step is not in columns.
type stepBody struct {
	Cause      identity.Cause
	Reason     string
	Attributes []identity.Attribute
	Members    []identity.Member
}

// PutStep adds a step at the end of its place and returns its number.
func (w *Workspace) PutStep(ctx context.Context, s plan.Step) (int64, error) {
	body, err := packBody(stepBody{s.Cause, s.Reason, s.Attributes, s.Members})
	if err != nil {
		return 0, err
	}
	stmt, err := w.prepared(ctx, `INSERT INTO temp.step
		(wave, level, op, kind, source_id, target_id, name, by_config, held, outcome, error, body)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`)
	if err != nil {
		return 0, err
	}
	if ctx, err = brief(ctx); err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, s.Place.Wave, s.Place.Level, s.Op, s.Ref.Kind, s.Ref.ID, s.TargetID, s.Name,
		s.Evidence.ByConfiguration, s.Held, s.Outcome, s.Error, body)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Steps yields every step in write order.
func (w *Workspace) Steps(ctx context.Context) iter.Seq2[plan.Step, error] {
	return w.steps(ctx, "")
}

// Removals yields the steps that take something away, in write order.
func (w *Workspace) Removals(ctx context.Context) iter.Seq2[plan.Step, error] {
	return w.steps(ctx, "op IN (?, ?, ?) AND", identity.Deactivate, identity.Delete, identity.RemoveMembers)
}

// StepsAt yields the steps of one place, in order.
func (w *Workspace) StepsAt(ctx context.Context, p plan.Place) iter.Seq2[plan.Step, error] {
	return func(yield func(plan.Step, error) bool) { w.stepsAt(ctx, p, "", nil, yield) }
}

func (w *Workspace) steps(ctx context.Context, where string, args ...any) iter.Seq2[plan.Step, error] {
	return func(yield func(plan.Step, error) bool) {
		at := plan.Place{Wave: -1}
		for {
			found, err := w.row(ctx, `SELECT wave, level FROM temp.step WHERE (wave, level) > (?, ?) ORDER BY wave, level LIMIT 1`,
				[]any{at.Wave, at.Level}, &at.Wave, &at.Level)
			if err != nil {
				yield(plan.Step{}, err)
				return
			}
			if !found || !w.stepsAt(ctx, at, where, args, yield) {
				return
			}
		}
	}
}

// stepsAt yields the steps of one place that fit, and reports whether to go on.
func (w *Workspace) stepsAt(ctx context.Context, p plan.Place, where string, args []any, yield func(plan.Step, error) bool) bool {
	after := int64(0)
	for {
		rows, more, err := w.stepBatch(ctx, p, where, args, after)
		if err != nil {
			yield(plan.Step{}, err)
			return false
		}
		for _, s := range rows {
			if !yield(s, nil) {
				return false
			}
			after = s.Seq
		}
		if !more {
			return true
		}
	}
}

const stepColumns = `seq, wave, level, op, kind, source_id, target_id, name, by_config, held, outcome, error, body`

// batchBytes bounds what a batch of steps holds besides their number: one step
// may have thousands of members.
const batchBytes = 1 << 20

// stepBatch returns the steps of a place that follow one, and whether there may be
// more. The place is named, not passed in a comparison of rows: SQLite would take
// the first two columns of that to the index, and read a place from its beginning
// for every batch.
func (w *Workspace) stepBatch(ctx context.Context, p plan.Place, where string, args []any, after int64) ([]plan.Step, bool, error) {
	rows, err := w.query(ctx, `SELECT `+stepColumns+` FROM temp.step
		WHERE `+where+` wave = ? AND level = ? AND seq > ? ORDER BY wave, level, seq LIMIT ?`,
		slices.Concat(args, []any{p.Wave, p.Level, after, batch})...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var out []plan.Step
	size := 0
	for rows.Next() {
		s, n, err := scanStep(rows)
		if err != nil {
			return nil, false, err
		}
		out = append(out, s)
		if size += n; size >= batchBytes {
			return out, true, nil
		}
	}
	return out, len(out) == batch, rows.Err()
}

// scanStep returns a step and the size of what is not in its columns.
func scanStep(row interface{ Scan(dest ...any) error }) (plan.Step, int, error) {
	var s plan.Step
	var data sql.RawBytes
	if err := row.Scan(&s.Seq, &s.Place.Wave, &s.Place.Level, &s.Op, &s.Ref.Kind, &s.Ref.ID, &s.TargetID, &s.Name,
		&s.Evidence.ByConfiguration, &s.Held, &s.Outcome, &s.Error, &data); err != nil {
		return plan.Step{}, 0, err
	}
	body, err := unpackBody(data)
	if err != nil {
		return plan.Step{}, 0, fmt.Errorf("step %d: %w", s.Seq, err)
	}
	s.Cause, s.Reason, s.Attributes, s.Members = body.Cause, body.Reason, body.Attributes, body.Members
	return s, len(data), nil
}

// StepsOnTarget returns the steps about one target object.
func (w *Workspace) StepsOnTarget(ctx context.Context, k identity.Kind, targetID string) ([]plan.Step, error) {
	return w.stepsWhere(ctx, `kind = ? AND target_id = ?`, k, targetID)
}

// StepsOf returns the steps of one source object.
func (w *Workspace) StepsOf(ctx context.Context, ref identity.Ref) ([]plan.Step, error) {
	return w.stepsWhere(ctx, `kind = ? AND source_id = ?`, ref.Kind, ref.ID)
}

// Creates returns the number of the step that creates a source object at the
// target; 0 where none does.
func (w *Workspace) Creates(ctx context.Context, ref identity.Ref) (int64, error) {
	n, err := w.count(ctx, `SELECT min(seq) FROM temp.step WHERE kind = ? AND source_id = ? AND op = 'create'`, ref.Kind, ref.ID)
	return int64(n), err
}

func (w *Workspace) stepsWhere(ctx context.Context, where string, args ...any) ([]plan.Step, error) {
	rows, err := w.look(ctx, `SELECT `+stepColumns+` FROM temp.step WHERE `+where+` ORDER BY seq`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []plan.Step
	for rows.Next() {
		s, _, err := scanStep(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Places returns the places that have steps, in write order.
func (w *Workspace) Places(ctx context.Context) ([]plan.Place, error) {
	rows, err := w.query(ctx, `SELECT DISTINCT wave, level FROM temp.step ORDER BY wave, level`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []plan.Place
	for rows.Next() {
		var p plan.Place
		if err := rows.Scan(&p.Wave, &p.Level); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Move puts a step into another place.
func (w *Workspace) Move(ctx context.Context, seq int64, p plan.Place) error {
	return w.put(ctx, `UPDATE temp.step SET wave = ?, level = ? WHERE seq = ?`, p.Wave, p.Level, seq)
}

// HoldStep keeps a step back.
func (w *Workspace) HoldStep(ctx context.Context, seq int64, rule plan.Rule) error {
	return w.put(ctx, `UPDATE temp.step SET held = ? WHERE seq = ?`, rule, seq)
}

// DropStep takes a step out of the plan.
func (w *Workspace) DropStep(ctx context.Context, seq int64) error {
	return w.put(ctx, `DELETE FROM temp.step WHERE seq = ?`, seq)
}

// SettleStep records what became of a step; an empty target id leaves the one
// the step has.
func (w *Workspace) SettleStep(ctx context.Context, seq int64, o plan.Outcome, targetID, problem string) error {
	return w.put(ctx, `UPDATE temp.step SET outcome = ?, error = ?,
		target_id = CASE WHEN ? = '' THEN target_id ELSE ? END WHERE seq = ?`, o, problem, targetID, targetID, seq)
}

// Skipped returns the objects nothing is done about, by kind and source id.
func (w *Workspace) Skipped(ctx context.Context) ([]plan.Skipped, error) {
	rows, err := w.query(ctx, `SELECT kind, source_id, name, why, undecided, policy, target_id FROM temp.skipped ORDER BY kind DESC, source_id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []plan.Skipped
	for rows.Next() {
		var s plan.Skipped
		if err := rows.Scan(&s.Ref.Kind, &s.Ref.ID, &s.Name, &s.Why, &s.Undecided, &s.Policy, &s.TargetID); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// SetStepMembers gives a step its members.
func (w *Workspace) SetStepMembers(ctx context.Context, seq int64, members []identity.Member) error {
	steps, err := w.stepsWhere(ctx, `seq = ?`, seq)
	if err != nil {
		return err
	}
	for _, s := range steps {
		body, err := packBody(stepBody{s.Cause, s.Reason, s.Attributes, members})
		if err != nil {
			return err
		}
		if err := w.put(ctx, `UPDATE temp.step SET body = ? WHERE seq = ?`, body, seq); err != nil {
			return err
		}
	}
	return nil
}
