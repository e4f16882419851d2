//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// errHeld says that another open file holds the lock.
var errHeld = errors.New("the lock is held")

// fileLock is a lock that the operating system drops when its process dies.
type fileLock struct{ file *os.File }

// lockFile locks the file at path, which it creates, without waiting. The file
// stays when the lock goes: removing it would let two processes lock two files
// of one name.
func lockFile(path string) (*fileLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return &fileLock{file}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errHeld
	default:
		err = &os.PathError{Op: "flock", Path: path, Err: err}
	}
	_ = file.Close() // nothing was written, and err says more
	return nil, err
}

// release unlocks before it closes: a child that this process is just starting
// holds a copy of the open file until it executes, and with it the lock.
func (f *fileLock) release() error {
	err := syscall.Flock(int(f.file.Fd()), syscall.LOCK_UN)
	return errors.Join(err, f.file.Close())
}
