package ledger

import (
	"context"
	"time"
)

// Agenda is what the schedule remembers of a sync across restarts. Times are
// kept to the millisecond; the zero time is one that never was.
type Agenda struct {
	// LastStart is when a run last began that was started by the schedule or
	// a hook. LastEnd is when it ended: zero while it goes on, and after a
	// crash.
	LastStart, LastEnd time.Time
	// LastFire is the scheduled moment up to which every other one is
	// answered: by a start, or by having been skipped or missed. For a sync
	// that was never started it is when it was first seen.
	LastFire time.Time
	// Spec is the schedule that LastFire is of, with its zone.
	Spec string
	// Asked is since when a hook waits for a run, until that has ended; zero:
	// none does.
	Asked time.Time
	// Failures counts the runs that failed in a row.
	Failures int
	// Until is when the quarantine after too many of them ends, or has ended;
	// zero: there is none.
	Until time.Time
	// Version is of what was run, so that a changed configuration is tried
	// at once.
	Version string
	// Result is the last run's in one word, and Why says what was wrong with
	// it; empty: nothing.
	Result, Why string
}

// Quarantined reports whether the sync is not to be run at the time.
func (a Agenda) Quarantined(at time.Time) bool { return at.Before(a.Until) }

// Agendas returns what the schedule remembers, by the name of the sync.
func (l *Ledger) Agendas(ctx context.Context) (map[string]Agenda, error) {
	type row struct {
		sync string
		Agenda
	}
	rows, err := collect(ctx, l, func(r interface{ Scan(dest ...any) error }) (row, error) {
		var out row
		var start, end, fire, asked, until int64
		a := &out.Agenda
		err := r.Scan(&out.sync, &start, &end, &fire, &a.Spec, &asked, &a.Failures, &until, &a.Version, &a.Result, &a.Why)
		a.LastStart, a.LastEnd, a.LastFire = fromMillis(start), fromMillis(end), fromMillis(fire)
		a.Asked, a.Until = fromMillis(asked), fromMillis(until)
		return out, err
	}, `SELECT sync, last_start, last_end, last_fire, spec, asked, failures, until, version, result, why FROM agenda`)
	if err != nil {
		return nil, l.wrap(ctx, "read the schedule's memory", err)
	}
	out := make(map[string]Agenda, len(rows))
	for _, r := range rows {
		out[r.sync] = r.Agenda
	}
	return out, nil
}

// KeepAgenda remembers how the sync stands, in place of what was remembered.
func (l *Ledger) KeepAgenda(ctx context.Context, sync string, a Agenda) error {
	return l.write(ctx, "keep the schedule of "+sync, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO agenda
			(sync, last_start, last_end, last_fire, spec, asked, failures, until, version, result, why) VALUES (?,?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (sync) DO UPDATE SET last_start = excluded.last_start, last_end = excluded.last_end,
			  last_fire = excluded.last_fire, spec = excluded.spec, asked = excluded.asked, failures = excluded.failures,
			  until = excluded.until, version = excluded.version, result = excluded.result, why = excluded.why`,
			sync, millis(a.LastStart), millis(a.LastEnd), millis(a.LastFire), a.Spec, millis(a.Asked), a.Failures,
			millis(a.Until), a.Version, a.Result, a.Why)
		return err
	})
}
