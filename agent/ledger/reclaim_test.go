package ledger

import (
	"os"
	"path/filepath"
	"testing"
)

// Somebody looks at a ledger while it is read-only; later it is writable again.
func TestOpenAfterReadOnlyVisit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsync.db")
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path + "-wal", path + "-shm"} {
		if err := os.WriteFile(name, nil, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if l, err = Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := l.Own(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o200 == 0 {
			t.Errorf("%s is still read-only", filepath.Base(name))
		}
	}
}
