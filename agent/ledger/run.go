package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Run is one cycle of one sync.
type Run struct {
	ID         string
	Sync       string
	Cycle      string // full, delta, only, or the verb that made it
	ConfigHash string
	Started    time.Time
	// Finished is zero while the run goes on, and after a crash.
	Finished time.Time
	Result   string
	Summary  json.RawMessage // null until it has finished
}

// StartRun records that a run begins. Its ID must be new.
func (l *Ledger) StartRun(ctx context.Context, r Run) error {
	if r.ID == "" || r.Sync == "" {
		return fmt.Errorf("run %q of sync %q: both are needed", r.ID, r.Sync)
	}
	return l.write(ctx, "start run "+r.ID, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO run (id, sync, cycle, config_hash, started, finished, result, summary)
			VALUES (?,?,?,?,?,NULL,'',?)`, r.ID, r.Sync, r.Cycle, r.ConfigHash, millis(r.Started), []byte("null"))
		return err
	})
}

// FinishRun records when and how a run ended. Summary is anything that encodes to JSON.
// Give it a context that outlives the run's: a cancelled run ends too.
func (l *Ledger) FinishRun(ctx context.Context, id string, at time.Time, result string, summary any) error {
	data, err := json.Marshal(summary)
	if err != nil {
		return fmt.Errorf("summary of run %s: %w", id, err)
	}
	return l.write(ctx, "finish run "+id, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE run SET finished = ?, result = ?, summary = ? WHERE id = ?`, millis(at), result, data, id)
		if err == nil && n == 0 {
			return fmt.Errorf("there is no run %s", id)
		}
		return err
	})
}

const runColumns = `id, sync, cycle, config_hash, started, finished, result, summary`

func scanRun(row interface{ Scan(dest ...any) error }) (Run, error) {
	var r Run
	var started int64
	var finished sql.NullInt64
	var summary []byte
	err := row.Scan(&r.ID, &r.Sync, &r.Cycle, &r.ConfigHash, &started, &finished, &r.Result, &summary)
	r.Started, r.Finished, r.Summary = fromMillis(started), fromMillis(finished.Int64), summary
	return r, err
}

// Run returns a run by its id.
func (l *Ledger) Run(ctx context.Context, id string) (Run, bool, error) {
	r, err := scanRun(l.db.QueryRowContext(ctx, `SELECT `+runColumns+` FROM run WHERE id = ?`, id))
	ok, err := found(err)
	return r, ok, l.wrap(ctx, "read run "+id, err)
}

// LastRun returns the run of the sync that began last, finished or not.
func (l *Ledger) LastRun(ctx context.Context, sync string) (Run, bool, error) {
	runs, err := l.Runs(ctx, sync, 1)
	if err != nil || len(runs) == 0 {
		return Run{}, false, err
	}
	return runs[0], true, nil
}

const runsOf = `SELECT ` + runColumns + ` FROM run WHERE sync = ? ORDER BY started DESC, id DESC LIMIT ?`

// Runs returns up to limit runs of the sync, or of all syncs where it is empty,
// newest first.
func (l *Ledger) Runs(ctx context.Context, sync string, limit int) ([]Run, error) {
	query, args := runsOf, []any{sync, limit}
	if sync == "" {
		query, args = `SELECT `+runColumns+` FROM run ORDER BY started DESC, id DESC LIMIT ?`, args[1:]
	}
	out, err := collect(ctx, l, scanRun, query, args...)
	return out, l.wrap(ctx, "read runs", err)
}
