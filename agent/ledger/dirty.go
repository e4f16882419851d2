package ledger

import (
	"context"
	"iter"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Dirty is an object that may not be in step with the target. Only an outcome or
// an empty difference clears it.
type Dirty struct {
	Sync string
	Ref  identity.Ref
	// Mark is this marking's own number: clearing with it leaves a newer
	// marking alone. Zero clears any.
	Mark    int64
	Since   time.Time // when it was first marked
	Tries   int       // that failed since it last changed
	NextTry time.Time // zero: at once
	Why     string    // of the last failure, or empty
}

// Retry keeps an object dirty after a failure.
type Retry struct {
	Ref identity.Ref
	Why string
	// At is when to try again; zero backs off: 5 minutes after the first
	// failure, doubling to a day.
	At time.Time
}

const (
	firstRetry = 5 * time.Minute
	lastRetry  = 24 * time.Hour
)

// backoff returns how long to wait after the n-th failure, counted from 1.
func backoff(n int) time.Duration {
	wait := firstRetry
	for range n - 1 {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}

// MarkDirty marks objects for the next cycle of a sync, at once.
func (l *Ledger) MarkDirty(ctx context.Context, sync, why string, refs ...identity.Ref) error {
	mark, now := newMark(), millis(time.Now())
	return l.write(ctx, "mark objects", func(t *tx) error {
		for _, ref := range refs {
			if _, err := t.exec(ctx, `
				INSERT INTO dirty (sync, kind, source_id, mark, since, tries, next_try, why) VALUES (?,?,?,?,?,0,0,?)
				ON CONFLICT (sync, kind, source_id) DO UPDATE SET mark = excluded.mark, tries = 0, next_try = 0, why = excluded.why`,
				sync, ref.Kind, ref.ID, mark, now, why); err != nil {
				return err
			}
		}
		return nil
	})
}

// RetryDirty keeps objects dirty after a failure that has no outcome of its own,
// such as one held or unmapped.
func (l *Ledger) RetryDirty(ctx context.Context, sync string, now time.Time, retries ...Retry) error {
	return l.write(ctx, "mark objects", func(t *tx) error {
		for _, r := range retries {
			if err := retry(ctx, t, sync, r, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func retry(ctx context.Context, t *tx, sync string, r Retry, now time.Time) error {
	var tries int
	if _, err := t.row(ctx, `SELECT tries FROM dirty WHERE sync = ? AND kind = ? AND source_id = ?`,
		[]any{sync, r.Ref.Kind, r.Ref.ID}, &tries); err != nil {
		return err
	}
	tries++
	at := r.At
	if at.IsZero() {
		at = now.Add(backoff(tries))
	}
	_, err := t.exec(ctx, `
		INSERT INTO dirty (sync, kind, source_id, mark, since, tries, next_try, why) VALUES (?,?,?,?,?,?,?,?)
		ON CONFLICT (sync, kind, source_id) DO UPDATE SET tries = excluded.tries, next_try = excluded.next_try, why = excluded.why`,
		sync, r.Ref.Kind, r.Ref.ID, newMark(), millis(now), tries, millis(at), r.Why)
	return err
}

// ClearDirty clears objects whose difference turned out to be empty. One that
// was marked again since it was listed stays.
func (l *Ledger) ClearDirty(ctx context.Context, sync string, dirty ...Dirty) error {
	return l.write(ctx, "clear objects", func(t *tx) error {
		for _, d := range dirty {
			d.Sync = sync
			if err := clearDirty(ctx, t, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func clearDirty(ctx context.Context, t *tx, d Dirty) error {
	_, err := t.exec(ctx, `DELETE FROM dirty WHERE sync = ?1 AND kind = ?2 AND source_id = ?3 AND (?4 = 0 OR mark = ?4)`,
		d.Sync, d.Ref.Kind, d.Ref.ID, d.Mark)
	return err
}

const dirtyColumns = `sync, kind, source_id, mark, since, tries, next_try, why`

func scanDirty(row interface{ Scan(dest ...any) error }) (Dirty, error) {
	var d Dirty
	var since, next int64
	err := row.Scan(&d.Sync, &d.Ref.Kind, &d.Ref.ID, &d.Mark, &since, &d.Tries, &next, &d.Why)
	d.Since, d.NextTry = fromMillis(since), fromMillis(next)
	return d, err
}

// Dirty yields the objects of a sync that are not in step: users, then groups,
// each by source id. The caller skips those whose NextTry is still to come, and
// may write meanwhile.
func (l *Ledger) Dirty(ctx context.Context, sync string) iter.Seq2[Dirty, error] {
	return func(yield func(Dirty, error) bool) {
		for _, kind := range identity.Kinds() {
			page := batches(func(after string) ([]Dirty, string, error) {
				out, err := collect(ctx, l, scanDirty, `SELECT `+dirtyColumns+` FROM dirty
					WHERE sync = ? AND kind = ? AND source_id > ? ORDER BY source_id LIMIT ?`, sync, kind, after, batch)
				if err != nil || len(out) == 0 {
					return nil, "", l.wrap(ctx, "read marked objects", err)
				}
				return out, out[len(out)-1].Ref.ID, nil
			})
			for d, err := range page {
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}

// DirtyOf returns the marking of one object.
func (l *Ledger) DirtyOf(ctx context.Context, sync string, ref identity.Ref) (Dirty, bool, error) {
	d, err := scanDirty(l.db.QueryRowContext(ctx, `SELECT `+dirtyColumns+` FROM dirty
		WHERE sync = ? AND kind = ? AND source_id = ?`, sync, ref.Kind, ref.ID))
	ok, err := found(err)
	return d, ok, l.wrap(ctx, "read marked objects", err)
}

// CountDirty returns how many objects of a sync are not in step, and how many of
// these have failed before.
func (l *Ledger) CountDirty(ctx context.Context, sync string) (int, int, error) {
	var total, failing int
	err := l.db.QueryRowContext(ctx, `SELECT count(*), COALESCE(sum(CASE WHEN tries > 0 THEN 1 ELSE 0 END), 0)
		FROM dirty WHERE sync = ?`, sync).Scan(&total, &failing)
	return total, failing, l.wrap(ctx, "count marked objects", err)
}
