package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

const (
	// applicationID marks the file as a ledger in the header of SQLite's file
	// format (bytes 68 to 71), so that no other program's database is taken
	// for one: "scim" in ASCII.
	applicationID = 0x7363696d
	// busyTimeout is how long one statement waits for another process.
	busyTimeout = 5 * time.Second
	// writeWait is how long a transaction waits in all.
	writeWait = time.Minute
	// openWait is how long opening waits for another process to migrate.
	openWait = 30 * time.Second
	// readers bounds the connections, and with them the page caches.
	readers = 4
)

// The page caches of a connection, in KiB. They are small: what does not fit is in
// the page cache of the operating system, a read of some microseconds away. With
// 8 MiB each a run over 10,000 users took 25 MiB more and was no faster.
const (
	readerCache  = 512
	writerCache  = 1024
	scratchCache = 1024
	tempCache    = 2048
)

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	path     string
	readOnly bool
	fail     func(string)

	db      *sql.DB // for reading
	writer  *sql.DB // one connection
	scratch *sql.DB // connections that are closed after use, with all that is temporary in them

	// turn is held while this process writes, so that its goroutines queue
	// here, where a context can end the wait, rather than in SQLite.
	turn chan struct{}

	commits atomic.Int64
}

// Commits returns how many transactions this process has committed. Each is one
// wait for the disk; a checkpoint of the journal now and then adds two.
func (l *Ledger) Commits() int64 { return l.commits.Load() }

// Options are for tests.
type Options struct {
	// Failpoint, when set, is called at named places, so that a test can end
	// the process there. A name is that of a write, as errors call it, with
	// BeforeWrite, InsideWrite or AfterWrite behind it, such as
	// "journal intents, inside"; the migration is the write "migrate", inside
	// of which one comes for every transaction. It is called from several
	// goroutines at a time.
	Failpoint func(name string)
}

// The places of a write at which Options.Failpoint is called: before its
// transaction begins, when only its COMMIT is missing, and after that.
const (
	BeforeWrite = ", before"
	InsideWrite = ", inside"
	AfterWrite  = ", after"
)

// Open opens the ledger at path, and creates or migrates it as needed. Errors
// are an *OpenError or, when the disk fails, a *StateError.
func Open(ctx context.Context, path string) (*Ledger, error) {
	return OpenWith(ctx, path, Options{})
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, path string, o Options) (*Ledger, error) {
	fresh, err := inspect(path, os.O_RDWR)
	if err != nil && !errors.Is(err, ErrNoLedger) {
		return nil, err
	}
	if fresh {
		if err := create(ctx, path); err != nil {
			return nil, err
		}
	}
	if err := reclaim(path); err != nil {
		return nil, err
	}
	l, err := connect(path, o)
	if err != nil {
		return nil, err
	}
	if err := l.migrate(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// reclaim gives SQLite's companion files back their write permission: whoever
// looked at a ledger that was read-only then made them with its mode.
func reclaim(path string) error {
	for _, name := range [...]string{path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o200 != 0 {
			continue
		}
		if err := os.Chmod(name, 0o600); err != nil {
			return &OpenError{Path: name, Problem: "cannot be written", Fix: "give this user write access to it", Err: err}
		}
	}
	return nil
}

// OpenReadOnly opens an existing ledger for reading; its writing methods return
// ErrReadOnly. Without a ledger at path the error is ErrNoLedger.
func OpenReadOnly(ctx context.Context, path string) (*Ledger, error) {
	fresh, err := inspect(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if fresh {
		return nil, fmt.Errorf("ledger %s: %w", path, ErrNoLedger)
	}
	l := &Ledger{path: path, readOnly: true, fail: func(string) {}, turn: make(chan struct{}, 1)}
	if l.db, err = pool(path, "mode=ro", "query_only(1)"); err != nil {
		return nil, &OpenError{Path: path, Problem: "cannot be opened", Err: err}
	}
	l.db.SetMaxOpenConns(readers)
	have, latest, err := l.versions(ctx)
	switch {
	case err != nil:
		return nil, errors.Join(err, l.Close())
	case have != latest:
		return nil, errors.Join(l.versionError(have, latest), l.Close())
	}
	return l, nil
}

// Close closes the ledger. Leases and intakes are to be released first.
func (l *Ledger) Close() error {
	var errs []error
	for _, db := range []*sql.DB{l.db, l.writer, l.scratch} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Path returns where the ledger is.
func (l *Ledger) Path() string { return l.path }

// conn returns a connection of its own, whose temporary tables vanish when it is
// closed.
func (l *Ledger) conn(ctx context.Context) (*sql.Conn, error) {
	if l.readOnly {
		return nil, ErrReadOnly
	}
	conn, err := l.scratch.Conn(ctx)
	if err != nil {
		return nil, l.wrap(ctx, "connect", err)
	}
	return conn, nil
}

func connect(path string, o Options) (*Ledger, error) {
	l := &Ledger{path: path, fail: o.Failpoint, turn: make(chan struct{}, 1)}
	if l.fail == nil {
		l.fail = func(string) {}
	}
	var err error
	for _, p := range []struct {
		db    **sql.DB
		cache int
	}{{&l.db, readerCache}, {&l.writer, writerCache}, {&l.scratch, scratchCache}} {
		if *p.db, err = pool(path, "mode=rw", "journal_mode(WAL)", "synchronous(FULL)", fmt.Sprintf("cache_size(-%d)", p.cache)); err != nil {
			return nil, errors.Join(&OpenError{Path: path, Problem: "cannot be opened", Err: err}, l.Close())
		}
	}
	l.db.SetMaxOpenConns(readers)
	l.db.SetMaxIdleConns(readers)
	l.writer.SetMaxOpenConns(1)
	l.scratch.SetMaxIdleConns(-1)
	return l, nil
}

// pool prepares connections; none is made yet. The address is a file: URI
// (https://sqlite.org/uri.html), in which a path may hold any character.
func pool(path, mode string, pragmas ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := filepath.ToSlash(absolute)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // file:///C:/folder/file
	}
	query := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"temp_store(FILE)", // memory stays flat however much is spooled
		fmt.Sprintf("temp.cache_size(-%d)", tempCache),
		"trusted_schema(0)",
		"cell_size_check(1)",
		"journal_size_limit(67108864)",
	}}
	query["_pragma"] = append(query["_pragma"], pragmas...)
	connector, err := sqlite.NewConnector("file://" + (&url.URL{Path: name}).EscapedPath() + "?" + mode + "&" + query.Encode())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// inspect looks at the file without SQLite, which would change it: it reports
// whether there is nothing in it yet, and refuses what is no ledger.
func inspect(path string, access int) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, fmt.Errorf("ledger %s: %w", path, ErrNoLedger)
	case err != nil:
		return false, &OpenError{Path: path, Problem: "cannot be seen", Fix: "give this user access to it and its folder", Err: err}
	case info.IsDir():
		return false, &OpenError{Path: path, Problem: "is a folder", Fix: "name a file in it, such as " + filepath.Join(path, "scimsync.db")}
	case !info.Mode().IsRegular():
		return false, &OpenError{Path: path, Problem: "is not a regular file", Fix: "name a file on a local disk"}
	}
	file, err := os.OpenFile(path, access, 0)
	if err != nil {
		fix := "give this user read and write access to it"
		if access == os.O_RDONLY {
			fix = "give this user read access to it"
		}
		return false, &OpenError{Path: path, Problem: "cannot be opened", Fix: fix, Err: err}
	}
	defer func() { _ = file.Close() }() // it was only read
	var header [100]byte
	switch n, err := io.ReadFull(file, header[:]); {
	case n == 0 && errors.Is(err, io.EOF):
		return true, nil
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil:
	default:
		return false, &OpenError{Path: path, Problem: "cannot be read", Fix: "check the disk", Err: err}
	}
	const fix = "it was left as it is: name another file as state, or move this one away"
	if string(header[:16]) != "SQLite format 3\x00" {
		return false, &OpenError{Path: path, Problem: "is not a ledger", Fix: fix}
	}
	if binary.BigEndian.Uint32(header[68:72]) != applicationID {
		return false, &OpenError{Path: path, Problem: "is a database of another program", Fix: fix}
	}
	return false, nil
}

// create makes an empty ledger. SQLite gives its other files the mode of the
// first. One process creates; others wait for it.
func create(ctx context.Context, path string) error {
	return alone(ctx, path, func() error {
		if fresh, err := inspect(path, os.O_RDWR); !fresh {
			return err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return createError(path, err)
		}
		// An empty file may have been there with another mode.
		if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
			return createError(path, err)
		}
		db, err := pool(path, "mode=rw", "synchronous(FULL)")
		if err != nil {
			return createError(path, err)
		}
		// Before the first WAL page, so that inspect finds the mark in the
		// file itself.
		_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
		if err = errors.Join(err, db.Close()); err != nil {
			return (&Ledger{path: path}).wrap(ctx, "create", err)
		}
		return nil
	})
}

func createError(path string, err error) error {
	fix := "give this user write access to the folder " + filepath.Dir(path)
	if errors.Is(err, fs.ErrNotExist) {
		fix = "make the folder first: mkdir -p " + filepath.Dir(path)
	}
	return &OpenError{Path: path, Problem: "cannot be created", Fix: fix, Err: err}
}

// alone runs fn while no other process creates or migrates the ledger.
func alone(ctx context.Context, path string, fn func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, openWait, errors.New("another process is still migrating it"))
	defer cancel()
	for {
		lock, err := lockFile(path + ".lock")
		if err == nil {
			return errors.Join(fn(), lock.release())
		}
		if !errors.Is(err, errHeld) {
			return createError(path, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ledger %s: open: %w", path, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
