package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// losesRights says that loseRights works here.
const losesRights = true

// PR_CAPBSET_DROP and the two capabilities by which root passes over the modes
// of files (prctl(2), capabilities(7)).
const (
	dropFromBoundingSet = 24
	dacOverride         = 1
	dacReadSearch       = 2
)

// loseRights makes a root process obey the modes of files where LOSE_RIGHTS is
// set, so that tests of read-only files mean something in a container: it takes
// the capabilities out of the bounding set and executes itself again, which
// leaves it without them.
func loseRights() error {
	if os.Getenv("LOSE_RIGHTS") != "1" || os.Geteuid() != 0 {
		return nil
	}
	runtime.LockOSThread()
	for _, capability := range []uintptr{dacOverride, dacReadSearch} {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, dropFromBoundingSet, capability, 0); errno != 0 {
			return fmt.Errorf("drop capability %d: %w", capability, errno)
		}
	}
	if err := os.Setenv("LOSE_RIGHTS", "0"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, append([]string{"scimsync"}, os.Args[1:]...), os.Environ())
}
