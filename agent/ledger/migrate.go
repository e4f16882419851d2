package ledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the newest version this program knows. A newer
// one is refused: an older program would write what the newer one cannot trust.
func (l *Ledger) migrate(ctx context.Context) error {
	have, latest, err := l.versions(ctx)
	switch {
	case err != nil:
		return err
	case have == latest:
		return nil
	case have > latest:
		return l.versionError(have, latest)
	}
	l.fail(migrating + BeforeWrite)
	err = alone(ctx, l.path, func() error {
		if err := l.watchCommits(ctx, func() { l.fail(migrating + InsideWrite) }); err != nil {
			return l.wrap(ctx, "migrate", err)
		}
		files, err := fs.Sub(migrations, "migrations")
		if err != nil {
			return err
		}
		provider, err := goose.NewProvider(goose.DialectSQLite3, l.writer, files, goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return err
		}
		_, err = provider.Up(ctx)
		err = errors.Join(err, l.watchCommits(ctx, nil))
		return l.wrap(ctx, fmt.Sprintf("migrate from schema %d to %d", have, latest), err)
	})
	if err == nil {
		l.fail(migrating + AfterWrite)
	}
	return err
}

// migrating is what the failpoints call the migration.
const migrating = "migrate"

// watchCommits lets the failpoint see every COMMIT of the connection that
// migrates, which goose does not show; nil ends that.
func (l *Ledger) watchCommits(ctx context.Context, see func()) error {
	conn, err := l.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		hooks, ok := driver.(sqlite.HookRegisterer)
		switch {
		case !ok: // then only the tests miss something
		case see == nil:
			hooks.RegisterCommitHook(nil)
		default:
			hooks.RegisterCommitHook(func() int32 { see(); return 0 })
		}
		return nil
	})
}

// versions returns the schema version of the file, 0 for none, and the newest
// one that this program knows.
func (l *Ledger) versions(ctx context.Context) (int64, int64, error) {
	entries, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return 0, 0, err
	}
	var latest int64
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("migration %s: %w", e.Name(), err)
		}
		latest = max(latest, n)
	}
	// goose keeps its version table in the database it migrates.
	var tables int
	if err := l.db.QueryRowContext(ctx,
		`SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`).Scan(&tables); err != nil {
		return 0, 0, l.openFailure(ctx, err)
	}
	if tables == 0 {
		return 0, latest, nil
	}
	var have int64
	if err := l.db.QueryRowContext(ctx,
		`SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied = 1`).Scan(&have); err != nil {
		return 0, 0, l.openFailure(ctx, err)
	}
	return have, latest, nil
}

func (l *Ledger) openFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil || primaryCode(err) == 0 {
		return l.wrap(ctx, "open", err)
	}
	return &OpenError{Path: l.path, Problem: "cannot be opened", Fix: advice(err), Err: err}
}

func (l *Ledger) versionError(have, latest int64) error {
	if have > latest {
		return &OpenError{
			Path:    l.path,
			Problem: fmt.Sprintf("was written by a newer scimsync (schema %d, this one knows %d)", have, latest),
			Fix:     "use that version or a newer one",
		}
	}
	return &OpenError{
		Path:    l.path,
		Problem: fmt.Sprintf("is of an older scimsync (schema %d, this one needs %d)", have, latest),
		Fix:     "run plan or sync once, which migrates it",
	}
}
