package main

import (
	"syscall"
	"time"
	"unsafe"
)

// clockMonotonic is CLOCK_MONOTONIC of clock_gettime(2).
const clockMonotonic = 1

// monotonic returns the machine's monotonic clock in microseconds, which Go keeps
// to itself and systemd wants to see.
func monotonic() (int64, bool) {
	var t syscall.Timespec
	//nolint:gosec // the kernel writes into the structure that is made for it
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano() / int64(time.Microsecond), failed == 0
}
