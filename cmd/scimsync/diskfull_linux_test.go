package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// TestDiskFull takes the room for the state file away in the middle of a first
// sync, just after the target has made an account. The run must say so, stop
// writing to the target, and leave the next one nothing to double.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	after := place{method: "POST", path: "/Users", n: 5, moment: performed}

	t.Run("no file may grow", func(t *testing.T) {
		t.Parallel()
		w := newGated(t)
		began := make(chan *process, 1)
		w.target.arm(after.matches, after.n, after.moment, func() {
			p := <-began
			if err := limitFiles(p.cmd.Process.Pid); err != nil {
				t.Errorf("limit the size of files: %v", err)
			}
		})
		p := w.start(nil, "sync")
		began <- p
		w.fails(p.end())
		w.recovers()
	})

	t.Run("no space left on the device", func(t *testing.T) {
		t.Parallel()
		w := newGated(t)
		volume := filepath.Join(w.dir, "volume")
		w.must(os.Mkdir(volume, 0o700))
		config, err := os.ReadFile(w.config)
		w.must(err)
		w.write("full.yaml", strings.Replace(string(config), "state: scimsync.db", "state: volume/scimsync.db", 1))
		if r := startCommand(t, w.dir, nil, apart, "sh", "-c", "mount -t tmpfs none volume").end(); r.code != 0 {
			t.Skipf("no file system of a fixed size can be mounted here: %s", r)
		}
		began := make(chan *process, 1)
		w.target.arm(after.matches, after.n, after.moment, func() {
			p := <-began
			if err := fill(fmt.Sprintf("/proc/%d/root%s/fill", p.cmd.Process.Pid, volume)); err != nil {
				t.Errorf("fill the disk: %v", err)
			}
		})
		p := startCommand(t, w.dir, nil, apart, "sh", "-c",
			`mount -t tmpfs -o size=4m none volume || exit 99
			scimsync sync -c full.yaml; code=$?
			rm volume/fill && cp volume/scimsync.db* . || exit 98
			exit $code`)
		began <- p
		r := p.end()
		w.fails(r)
		if !strings.Contains(r.err, "no space left") {
			t.Errorf("the run does not say that the disk is full\n%s", r)
		}
		w.recovers()
	})
}

// fails demands that a run has failed for its state file and did not go on to
// groups, whose intents it could not write down.
func (w *gated) fails(r ran) {
	w.t.Helper()
	w.target.disarm()
	if r.code != exitFailed || !strings.Contains(r.err, "ledger ") {
		w.t.Errorf("want exit %d and the name of the state file\n%s", exitFailed, r)
	}
	users, groups, _ := w.application.Counts()
	if users < 5 || groups > 0 {
		w.t.Errorf("%d users and %d groups were made; the disk was full after 5 users", users, groups)
	}
	w.source.quiet(w.t)
	w.target.quiet(w.t)
}

// limitFiles lets a process write to no regular file any more (prlimit(2)).
func limitFiles(pid int) error {
	limit := syscall.Rlimit{Cur: 0, Max: 0}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// apart gives a process mounts of its own, in a user namespace so that it takes
// no rights to make them; they end with it.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// fill writes a file until there is no space left.
func fill(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, 4096)
	const most = 64 << 20
	for range most / len(block) {
		if _, err := file.Write(block); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return fmt.Errorf("%s holds %d MiB and is not full", path, most>>20)
}
