//go:build !linux

package main

// losesRights says that loseRights works here.
const losesRights = false

// loseRights does nothing: where there are no capabilities to drop, tests of
// read-only files run as an ordinary user or not at all.
func loseRights() error { return nil }
