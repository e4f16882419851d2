package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Journaled is one change of the journal: the intent and, once there is one, the
// outcome.
type Journaled struct {
	Run      string
	Sync     string
	Cycle    string // of the run
	Seq      int64
	Change   identity.Change
	IntentAt time.Time
	// Outcome is empty while the intent is open: after a crash nobody knows
	// whether it was sent.
	Outcome   plan.Outcome
	Error     string
	OutcomeAt time.Time
}

const journalColumns = `c.run, c.sync, r.cycle, c.seq, c.op, c.kind, c.source_id, c.target_id, c.name, c.cause, c.reason,
	c.attributes, c.members, c.intent_at, c.outcome, c.error, c.outcome_at`

func scanJournaled(row interface{ Scan(dest ...any) error }) (Journaled, error) {
	var j Journaled
	var attributes, members []byte
	var intent int64
	var outcome sql.NullInt64
	c := &j.Change
	if err := row.Scan(&j.Run, &j.Sync, &j.Cycle, &j.Seq, &c.Op, &c.Ref.Kind, &c.Ref.ID, &c.TargetID, &c.Name, &c.Cause, &c.Reason,
		&attributes, &members, &intent, &j.Outcome, &j.Error, &outcome); err != nil {
		return Journaled{}, err
	}
	j.IntentAt, j.OutcomeAt = fromMillis(intent), fromMillis(outcome.Int64)
	if err := json.Unmarshal(attributes, &c.Attributes); err != nil {
		return Journaled{}, fmt.Errorf("run %s, change %d: attributes: %w", j.Run, j.Seq, err)
	}
	if err := json.Unmarshal(members, &c.Members); err != nil {
		return Journaled{}, fmt.Errorf("run %s, change %d: members: %w", j.Run, j.Seq, err)
	}
	return j, nil
}

// OpenIntents yields the intents of the sync that have no outcome, in the order
// they were made. Under the lock of the sync they are those of crashed runs and
// of runs on demand that are going on: the Cycle tells them apart. The caller
// may settle them meanwhile.
func (l *Ledger) OpenIntents(ctx context.Context, sync string) iter.Seq2[Journaled, error] {
	return func(yield func(Journaled, error) bool) {
		var last Journaled
		for {
			page, err := collect(ctx, l, scanJournaled, `SELECT `+journalColumns+` FROM change c JOIN run r ON r.id = c.run
				WHERE c.sync = ? AND c.outcome = '' AND (c.intent_at, c.run, c.seq) > (?, ?, ?)
				ORDER BY c.intent_at, c.run, c.seq LIMIT ?`, sync, millis(last.IntentAt), last.Run, last.Seq, batch)
			if err != nil {
				yield(Journaled{}, l.wrap(ctx, "read open intents", err))
				return
			}
			for _, j := range page {
				if !yield(j, nil) {
					return
				}
				last = j
			}
			if len(page) < batch {
				return
			}
		}
	}
}

// Changes yields the journal of a run in the order of intent. The caller may
// write meanwhile.
func (l *Ledger) Changes(ctx context.Context, run string) iter.Seq2[Journaled, error] {
	return l.changes(ctx, run, Filter{})
}

// Filter restricts History. Its zero value restricts nothing.
type Filter struct {
	Sync string
	Run  string
	// Object is a source id, a target id or a name; names in any case. Kind
	// narrows it.
	Kind    identity.Kind
	Object  string
	Op      identity.Op
	Outcome plan.Outcome // "open" stands for none yet
	Since   time.Time
}

func (f Filter) where() (string, []any) {
	var where strings.Builder
	var args []any
	for _, term := range []struct {
		given bool
		sql   string
		args  []any
	}{
		{f.Kind != "", "c.kind = ?", []any{f.Kind}},
		{f.Object != "", "(c.source_id = ? OR c.target_id = ? OR lower(c.name) = lower(?))", []any{f.Object, f.Object, f.Object}},
		{f.Op != "", "c.op = ?", []any{f.Op}},
		{f.Outcome == "open", "c.outcome = ''", nil},
		{f.Outcome != "" && f.Outcome != "open", "c.outcome = ?", []any{f.Outcome}},
		{!f.Since.IsZero(), "c.intent_at >= ?", []any{millis(f.Since)}},
	} {
		if term.given {
			where.WriteString(" AND " + term.sql)
			args = append(args, term.args...)
		}
	}
	return where.String(), args
}

// History yields the changes that pass the filter, newest run first, those of a
// run in the order of intent.
func (l *Ledger) History(ctx context.Context, f Filter) iter.Seq2[Journaled, error] {
	return func(yield func(Journaled, error) bool) {
		ids, err := l.strings(ctx, `SELECT id FROM run WHERE (?1 = '' OR sync = ?1) AND (?2 = '' OR id = ?2)
			AND (finished IS NULL OR finished >= ?3) ORDER BY started DESC, id DESC`, f.Sync, f.Run, millis(f.Since))
		if err != nil {
			yield(Journaled{}, l.wrap(ctx, "read history", err))
			return
		}
		for _, id := range ids {
			for j, err := range l.changes(ctx, id, f) {
				if !yield(j, err) || err != nil {
					return
				}
			}
		}
	}
}

func (l *Ledger) changes(ctx context.Context, run string, f Filter) iter.Seq2[Journaled, error] {
	where, args := f.where()
	return func(yield func(Journaled, error) bool) {
		after := int64(0)
		for {
			page, err := collect(ctx, l, scanJournaled, `SELECT `+journalColumns+` FROM change c JOIN run r ON r.id = c.run
				WHERE c.run = ? AND c.seq > ?`+where+` ORDER BY c.seq LIMIT ?`,
				append(append([]any{run, after}, args...), batch)...)
			if err != nil {
				yield(Journaled{}, l.wrap(ctx, "read the journal of run "+run, err))
				return
			}
			for _, j := range page {
				if !yield(j, nil) {
					return
				}
				after = j.Seq
			}
			if len(page) < batch {
				return
			}
		}
	}
}
