package ledger

import (
	"errors"
	"os"
	"syscall"
)

// errHeld says that another open file holds the lock.
var errHeld = errors.New("the lock is held")

// errSharingViolation is ERROR_SHARING_VIOLATION.
const errSharingViolation = syscall.Errno(32)

// fileLock is a lock that the operating system drops when its process dies.
type fileLock struct{ handle syscall.Handle }

// lockFile opens the file at path, which it creates, so that nobody else can
// open it meanwhile. It does not wait. The file stays when the lock goes.
func lockFile(path string) (*fileLock, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	const shareNothing = 0
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareNothing,
		nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case err == nil:
		return &fileLock{handle}, nil
	case errors.Is(err, errSharingViolation):
		return nil, errHeld
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}

func (f *fileLock) release() error { return syscall.CloseHandle(f.handle) }
