package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The conditions a caller may ask for with errors.Is.
var (
	// ErrNoLedger says that there is no ledger at the path yet.
	ErrNoLedger = errors.New("there is no ledger yet")
	// ErrLeaseLost says that another process has taken a lock over. Nothing
	// more may be written to a target under it.
	ErrLeaseLost = errors.New("the lock was taken over by another process")
	// ErrReadOnly says that a ledger opened for reading was asked to write.
	ErrReadOnly = errors.New("the ledger is open for reading only")
	// ErrMirrorMoved says that another read of the same source was committed
	// after this one began, so that this one no longer starts where it says.
	ErrMirrorMoved = errors.New("another read of the source was committed meanwhile; run again")
)

// OpenError says why a ledger cannot be opened and what to do about it. The file
// was not changed.
type OpenError struct {
	Path    string
	Problem string
	Fix     string
	Err     error // the cause; nil where there is none beyond Problem
}

// Error returns ledger PATH: PROBLEM; FIX.
func (e *OpenError) Error() string {
	text := fmt.Sprintf("ledger %s: %s", e.Path, e.Problem)
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// StateError says that the ledger could not be read or written. Where it was to
// be written, nothing was: writing to the target must stop.
type StateError struct {
	Path string
	Op   string // what was being done: "journal intents"
	Err  error
}

// Error says what was being done, what is wrong, and what to do about it.
func (e *StateError) Error() string {
	return fmt.Sprintf("ledger %s: %s: %s (%v)", e.Path, e.Op, advice(e.Err), e.Err)
}

// Unwrap returns the cause.
func (e *StateError) Unwrap() error { return e.Err }

// LockedError says that another run holds a lock.
type LockedError struct {
	Name   string
	Holder string    // as that run named itself; empty while it is just starting
	Since  time.Time // zero while it is just starting
}

// Error names the lock, its holder and since when.
func (e *LockedError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s is locked by another run", e.Name)
	}
	return fmt.Sprintf("%s is locked by %s since %s", e.Name, e.Holder, e.Since.Format(time.RFC3339))
}

// OwnedError says that a target object already belongs to another source object
// or sync: one target object has one owner.
type OwnedError struct {
	Target   string
	TargetID string
	Wanted   SyncRef
	Owner    SyncRef
}

// Error names both sides.
func (e *OwnedError) Error() string {
	return fmt.Sprintf("target %s: object %s belongs to %s of sync %s and cannot also belong to %s of sync %s",
		e.Target, e.TargetID, e.Owner.Ref, e.Owner.Sync, e.Wanted.Ref, e.Wanted.Sync)
}

// primaryCode returns SQLite's primary result code of err, or 0.
func primaryCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// advice says in words what a person does about a failure of the database.
func advice(err error) string {
	switch primaryCode(err) {
	case sqlite3.SQLITE_FULL:
		return "no space left for it or for temporary files (SQLITE_TMPDIR moves those): free some and run again; nothing was lost"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return "it may not be written: give this user write access to the file and its folder"
	case sqlite3.SQLITE_CANTOPEN:
		return "one of its files cannot be opened: this user needs write access to the folder, and the process a free file descriptor"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return "the file is damaged: restore a copy, or move it away and run a full sync, which recognises what it provisioned by externalId"
	case sqlite3.SQLITE_IOERR:
		return "the disk answered with an error: check the file system and run again; nothing was lost"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another process has kept it busy for a minute: wait for it, or stop it, and run again"
	}
	return "the database refused"
}

// wrap gives err its place. A cancelled context keeps its own meaning, and an
// error that is about the caller's data rather than the file is left alone.
func (l *Ledger) wrap(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("ledger %s: %s: %w", l.path, op, cause)
	}
	if primaryCode(err) == 0 {
		return fmt.Errorf("ledger %s: %s: %w", l.path, op, err)
	}
	if _, ok := errors.AsType[*StateError](err); ok {
		return err
	}
	return &StateError{Path: l.path, Op: op, Err: err}
}
