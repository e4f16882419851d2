package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		os.Exit(child(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	l := open(t)
	lease, err := l.Lock(t.Context(), "test", "sync")
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	files, err := filepath.Glob(l.Path() + "*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", f, mode)
		}
		names = append(names, strings.TrimPrefix(f, l.Path()))
	}
	for _, want := range []string{"", "-wal", "-shm", ".lock"} {
		if !strings.Contains("|"+strings.Join(names, "|")+"|", "|"+want+"|") {
			t.Errorf("no file %q among %q", want, names)
		}
	}
}

func TestSettingsHoldOnEveryConnection(t *testing.T) {
	t.Parallel()
	l := open(t)
	for name, db := range map[string]*sql.DB{"read": l.db, "write": l.writer, "scratch": l.scratch} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "temp_store": "1", "application_id": "1935894893", "busy_timeout": "5000",
		} {
			var got string
			if err := db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s = %s, want %s (%v)", name, pragma, got, want, err)
			}
		}
	}
}

func TestReopenKeeps(t *testing.T) {
	t.Parallel()
	// A path may hold whatever a file name may.
	path := filepath.Join(t.TempDir(), "a b?c#d%20e&f=g;h.db")
	for i := range 3 {
		l, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		m := l.Mirror("src")
		if i > 0 {
			same(t, "members", look(t, m).Members[group("g")], []identity.Ref{user("a"), user("b")})
		}
		read(t, m, full("1"), small()...)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestManyOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsync.db")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			l, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			if err := l.MarkDirty(t.Context(), "sync", "", user("a")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
		fix  string
	}{
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a folder", "scimsync.db"},
		{"garbage", func(t *testing.T, path string) { write(t, path, []byte("version: 1\nsources: {}\n")) }, "is not a ledger", "name another file"},
		{"another program's database", func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), "CREATE TABLE theirs (x)"); err != nil {
				t.Fatal(err)
			}
		}, "database of another program", "name another file"},
		{"a newer schema", func(t *testing.T, path string) {
			l, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"); err != nil {
				t.Fatal(err)
			}
			// Empties the WAL, so that the bytes below stay the same.
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}, "newer scimsync (schema 999", "use that version"},
		{"a damaged ledger", func(t *testing.T, path string) {
			l, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(data[100:], bytes.Repeat([]byte{0xa5}, len(data)-100))
			write(t, path, data)
		}, "damaged", "restore a copy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			c.make(t, path)
			before, _ := os.ReadFile(path)
			for name, how := range map[string]func(context.Context, string) (*Ledger, error){"Open": Open, "OpenReadOnly": OpenReadOnly} {
				l, err := how(t.Context(), path)
				if err == nil {
					l.Close()
					t.Fatalf("%s succeeded", name)
				}
				if _, ok := errors.AsType[*OpenError](err); !ok {
					t.Errorf("%s: %T is no *OpenError: %v", name, err, err)
				}
				for _, part := range []string{path, c.want, c.fix} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: %q does not say %q", name, err, part)
					}
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenInAMissingFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "no", "state.db")
	_, err := Open(t.Context(), path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "mkdir -p") {
		t.Errorf("got %v", err)
	}
}

func TestOpenWithoutAccess(t *testing.T) {
	t.Parallel()
	if os.Getuid() <= 0 {
		t.Skip("root may open everything, and Windows has no file modes")
	}
	l := open(t)
	if err := os.Chmod(l.Path(), 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), l.Path())
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "give this user") {
		t.Errorf("got %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	if _, err := OpenReadOnly(t.Context(), path); !errors.Is(err, ErrNoLedger) {
		t.Errorf("without a ledger: %v", err)
	}
	write(t, path, nil)
	if _, err := OpenReadOnly(t.Context(), path); !errors.Is(err, ErrNoLedger) {
		t.Errorf("with an empty file: %v", err)
	}
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	read(t, l.Mirror("src"), full("1"), small()...)
	reader, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if n := len(look(t, reader.Mirror("src")).Objects); n != 3 {
		t.Errorf("read %d objects", n)
	}
	for name, call := range map[string]func() error{
		"mark":  func() error { return reader.MarkDirty(t.Context(), "sync", "", user("a")) },
		"lock":  func() error { _, err := reader.Lock(t.Context(), "test", "sync"); return err },
		"begin": func() error { _, err := reader.Mirror("src").Begin(t.Context()); return err },
		"plan":  func() error { _, err := reader.NewWorkspace(t.Context(), "sync", "src", "target"); return err },
	} {
		if err := call(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("1"), small()...)
	before := look(t, m)
	dirtied(t, l)
	// SQLite answers a full file and a full disk alike.
	var pages int
	if err := l.writer.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := l.writer.QueryRowContext(t.Context(), "PRAGMA max_page_count = 1").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	var refs []identity.Ref
	for i := range 5000 {
		refs = append(refs, user(strings.Repeat("x", 100)+string(rune('a'+i%26))+string(rune(0x4e00+i))))
	}
	err := l.MarkDirty(t.Context(), "sync", "", refs...)
	state, ok := errors.AsType[*StateError](err)
	if !ok {
		t.Fatalf("%T is no *StateError: %v", err, err)
	}
	for _, part := range []string{l.Path(), "mark objects", "no space left", "nothing was lost"} {
		if !strings.Contains(state.Error(), part) {
			t.Errorf("%q does not say %q", state, part)
		}
	}
	same(t, "dirty", dirtied(t, l), []string(nil))
	same(t, "mirror", look(t, m), before)
	// Once there is room, the same ledger works on.
	if err := l.writer.QueryRowContext(t.Context(), "PRAGMA max_page_count = 1000000").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := l.MarkDirty(t.Context(), "sync", "", refs...); err != nil {
		t.Fatal(err)
	}
	if n := len(dirtied(t, l)); n != len(refs) {
		t.Errorf("%d of %d marked", n, len(refs))
	}
}

func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	l := open(t)
	other, err := Open(t.Context(), l.Path()) // as another process would
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 10 { // each reads before it writes
				if err := []*Ledger{l, other}[i%2].RetryDirty(t.Context(), "sync", noon(), Retry{Ref: user("a")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if d, _, err := l.DirtyOf(t.Context(), "sync", user("a")); err != nil || d.Tries != 80 {
		t.Errorf("%d of 80 writes are there, %v", d.Tries, err)
	}
}

func TestWaitingWriterCanBeCancelled(t *testing.T) {
	t.Parallel()
	l := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := l.write(t.Context(), "hold", func(*tx) error {
		cancel()
		return l.MarkDirty(ctx, "sync", "", user("a"))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("SQLite format 3\x00"))
	path := filepath.Join(f.TempDir(), "seed.db")
	l, err := Open(f.Context(), path)
	if err != nil {
		f.Fatal(err)
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:4096])
	f.Add(append(bytes.Clone(seed[:200]), bytes.Repeat([]byte{7}, 9000)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "state")
		write(t, path, data)
		l, err := Open(t.Context(), path)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%q does not name the file", err)
			}
			return
		}
		// Whatever opens answers without a panic.
		for range l.Mirror("src").Records(t.Context(), identity.User) {
		}
		_ = l.MarkDirty(t.Context(), "sync", "", user("a"))
		_ = l.Close()
	})
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
