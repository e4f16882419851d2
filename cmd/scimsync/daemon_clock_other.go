//go:build !linux

package main

// monotonic is for systemd, which only Linux has.
func monotonic() (int64, bool) { return 0, false }
