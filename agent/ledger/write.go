package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// tx is a running write transaction. Its statements are prepared once.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (t *tx) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = s
	return s, nil
}

// exec runs a statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := t.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row scans the only row of a query and reports whether there is one.
func (t *tx) row(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	s, err := t.stmt(ctx, query)
	if err != nil {
		return false, err
	}
	return found(s.QueryRowContext(ctx, args...).Scan(dest...))
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (t *tx) close() {
	for _, s := range t.stmts {
		s.Close()
	}
}

// found turns the absence of a row into false.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// write runs fn in a transaction. An error from fn undoes all of it and is
// returned as it is where it is not the database's.
func (l *Ledger) write(ctx context.Context, op string, fn func(*tx) error) error {
	if l.readOnly {
		return ErrReadOnly
	}
	if err := l.take(ctx, op); err != nil {
		return err
	}
	defer l.yield()
	conn, err := l.writer.Conn(ctx)
	if err != nil {
		return l.wrap(ctx, op, err)
	}
	defer conn.Close()
	return l.transact(ctx, conn, op, fn)
}

// writeOn is write on a connection that holds temporary tables.
func (l *Ledger) writeOn(ctx context.Context, conn *sql.Conn, op string, fn func(*tx) error) error {
	if err := l.take(ctx, op); err != nil {
		return err
	}
	defer l.yield()
	return l.transact(ctx, conn, op, fn)
}

func (l *Ledger) take(ctx context.Context, op string) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return l.wrap(ctx, op, ctx.Err())
	}
}

func (l *Ledger) yield() { <-l.turn }

func (l *Ledger) transact(ctx context.Context, conn *sql.Conn, op string, fn func(*tx) error) error {
	l.fail(op + BeforeWrite)
	if err := begin(ctx, conn); err != nil {
		return l.wrap(ctx, op, err)
	}
	t := &tx{conn: conn, stmts: map[string]*sql.Stmt{}}
	committed := false
	// Deferred, so that a panic in fn does not leave the transaction open.
	defer func() {
		t.close()
		if !committed {
			rollback(ctx, conn)
		}
	}()
	if err := fn(t); err != nil {
		return l.wrap(ctx, op, err)
	}
	l.fail(op + InsideWrite)
	// Past this point the work is done: a cancellation no longer undoes it.
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return l.wrap(context.WithoutCancel(ctx), op, err)
	}
	committed = true
	l.commits.Add(1)
	l.fail(op + AfterWrite)
	return nil
}

// begin takes SQLite's write lock at once, so that no transaction fails halfway
// for want of it, and waits for other processes that hold it.
func begin(ctx context.Context, conn *sql.Conn) error {
	until := time.Now().Add(writeWait)
	for {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		if primaryCode(err) != sqlite3.SQLITE_BUSY || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
	}
}

func rollback(ctx context.Context, conn *sql.Conn) {
	_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err == nil || strings.Contains(err.Error(), "no transaction is active") {
		return // SQLite has undone it by itself, as it does on a full disk
	}
	// A connection in doubt is not used again.
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// millis is the form of every time in the ledger; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// placeholders returns n groups of "(?,?,…)" with width parameters each.
func placeholders(n, width int) string {
	group := "(" + strings.TrimSuffix(strings.Repeat("?,", width), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(group+",", n), ",")
}
