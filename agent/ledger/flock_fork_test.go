//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ledger

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A copy of the open file, as a child has between fork and exec, must not keep
// the lock that its parent has released.
func TestReleaseFreesCopies(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	duplicate, err := syscall.Dup(int(lock.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(duplicate) }()
	if err := lock.release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFile(path)
	if err != nil {
		t.Fatalf("the lock is still held: %v", err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}
