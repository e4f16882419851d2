package ledger

import (
	"context"
	"database/sql"
	"time"
)

// Binding is what a sync is bound to, as its last complete cycle left it. It
// tells a wiped or wrong target and an edited configuration from a change at the
// source.
type Binding struct {
	Sync       string
	Target     string // name in the configuration
	URL        string // without credentials
	ConfigHash string // of the last complete cycle; empty before one
	Selection  string // of the source, likewise
	Members    string // "blind" once learned, else empty
	// What is owned, as counted by the last full cycle.
	Users, Groups, Memberships int
	// FullAt is the end of the last complete full cycle; zero before one.
	FullAt time.Time
	// Facts are what the target said of itself at FactsAt; empty: nothing.
	Facts   []byte
	FactsAt time.Time
}

// Bind replaces the binding of a sync.
func (l *Ledger) Bind(ctx context.Context, b Binding) error {
	return l.write(ctx, "bind sync "+b.Sync, func(t *tx) error {
		_, err := t.exec(ctx, `
			INSERT INTO binding (sync, target, url, config_hash, selection, members, users, groups, memberships, full_at,
			  facts, facts_at)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (sync) DO UPDATE SET target = excluded.target, url = excluded.url, config_hash = excluded.config_hash,
			  selection = excluded.selection, members = excluded.members, users = excluded.users, groups = excluded.groups,
			  memberships = excluded.memberships, full_at = excluded.full_at, facts = excluded.facts, facts_at = excluded.facts_at`,
			b.Sync, b.Target, b.URL, b.ConfigHash, b.Selection, b.Members, b.Users, b.Groups, b.Memberships,
			sql.NullInt64{Int64: millis(b.FullAt), Valid: !b.FullAt.IsZero()},
			b.Facts, sql.NullInt64{Int64: millis(b.FactsAt), Valid: !b.FactsAt.IsZero()})
		return err
	})
}

// Binding returns what a sync is bound to; false before its first cycle.
func (l *Ledger) Binding(ctx context.Context, sync string) (Binding, bool, error) {
	var b Binding
	var full, said sql.NullInt64
	ok, err := found(l.db.QueryRowContext(ctx, `
		SELECT sync, target, url, config_hash, selection, members, users, groups, memberships, full_at, facts, facts_at
		FROM binding WHERE sync = ?`, sync).Scan(&b.Sync, &b.Target, &b.URL, &b.ConfigHash, &b.Selection, &b.Members,
		&b.Users, &b.Groups, &b.Memberships, &full, &b.Facts, &said))
	b.FullAt, b.FactsAt = fromMillis(full.Int64), fromMillis(said.Int64)
	return b, ok, l.wrap(ctx, "read the binding of "+sync, err)
}

// Pause is a sync that was told to stop until it is resumed.
type Pause struct {
	Sync  string
	Since time.Time
	Why   string // by whom or by what verb
}

// Pause stops a sync. A sync that is paused already keeps its first reason.
func (l *Ledger) Pause(ctx context.Context, p Pause) error {
	return l.write(ctx, "pause "+p.Sync, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO pause (sync, since, why) VALUES (?,?,?) ON CONFLICT DO NOTHING`, p.Sync, millis(p.Since), p.Why)
		return err
	})
}

// Resume lets a sync go on, and reports whether it was paused.
func (l *Ledger) Resume(ctx context.Context, sync string) (bool, error) {
	var n int64
	err := l.write(ctx, "resume "+sync, func(t *tx) error {
		var err error
		n, err = t.exec(ctx, `DELETE FROM pause WHERE sync = ?`, sync)
		return err
	})
	return err == nil && n > 0, err
}

// Paused returns the pause of a sync, and whether there is one.
func (l *Ledger) Paused(ctx context.Context, sync string) (Pause, bool, error) {
	p := Pause{Sync: sync}
	var since int64
	ok, err := found(l.db.QueryRowContext(ctx, `SELECT since, why FROM pause WHERE sync = ?`, sync).Scan(&since, &p.Why))
	p.Since = fromMillis(since)
	return p, ok, l.wrap(ctx, "read the pause of "+sync, err)
}
