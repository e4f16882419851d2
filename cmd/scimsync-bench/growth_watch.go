package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// footprint is what a process had on disk, in bytes, at the most.
type footprint struct {
	// temporary are its unnamed files in a folder: SQLite removes the name of
	// a temporary file at once, so that only the process's own list of open
	// files shows it. It stays 0 where the system has no /proc (see proc(5)).
	temporary int64
	// journal is the write-ahead log beside the state file.
	journal int64
}

// watch looks at a process until done is closed, and then sends the largest
// footprint it has seen.
func watch(pid int, folder, state string, done <-chan struct{}) <-chan footprint {
	return until(done, 100*time.Millisecond, func(most *footprint) {
		most.temporary = max(most.temporary, unnamed(pid, folder))
		most.journal = max(most.journal, size(state+"-wal"))
	})
}

// resident looks at a process until done is closed, and then sends the largest
// resident set it has had, in bytes; 0 where the system has no /proc. What an ended
// process is said to have had (getrusage(2)) counts what its parent held before it
// became another program.
func resident(pid int, done <-chan struct{}) <-chan int64 {
	return until(done, 5*time.Millisecond, func(most *int64) { *most = max(*most, highWater(pid)) })
}

// until looks again and again until done is closed, and then sends what came of it.
func until[T any](done <-chan struct{}, often time.Duration, look func(*T)) <-chan T {
	out := make(chan T, 1)
	go func() {
		var seen T
		ticks := time.NewTicker(often)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				out <- seen
				return
			case <-ticks.C:
				look(&seen)
			}
		}
	}()
	return out
}

// highWater returns VmHWM of a process (proc_pid_status(5)), in bytes.
func highWater(pid int) int64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// unnamed returns the size of the files that a process has open in a folder.
func unnamed(pid int, folder string) int64 {
	open := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(open)
	if err != nil {
		return 0
	}
	var total int64
	for _, e := range entries {
		path := filepath.Join(open, e.Name())
		if name, err := os.Readlink(path); err == nil && strings.HasPrefix(name, folder+string(filepath.Separator)) {
			total += size(path) // of the file itself, though its name is gone
		}
	}
	return total
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
