package main

import (
	"os"
	"runtime/debug"
)

// What is live on the heap stays small, whatever the size of a directory: one or two
// MiB most of the time, ten while large groups are written. Go would wait until it
// has doubled, which is a collection for every MiB at one end and ten MiB of garbage
// at the other. So a ballast that is never touched, and takes no memory therefore,
// counts as live as well, and what may be added is a smaller part of both: 4 MiB
// at one end, and 6 at the other.
const (
	ballastSize = 16 << 20
	// heapGrowth is by how many percent the heap may outgrow what is live, ballast
	// included, before it is collected.
	heapGrowth = 20
	// heapBound is where it is collected at once, in bytes. Only a million
	// people or so come near: the digests of their ids are live while a target
	// is listed.
	heapBound = 48<<20 + ballastSize
)

// thrifty has the process collect its garbage less often than Go does by itself
// while there is little, and sooner when there is much. What it returns has to be
// kept. Where $GOGC or $GOMEMLIMIT says how, Go does as it is told.
func thrifty() []byte {
	for _, name := range [...]string{"GOGC", "GOMEMLIMIT"} {
		if _, chosen := os.LookupEnv(name); chosen {
			return nil
		}
	}
	debug.SetGCPercent(heapGrowth)
	debug.SetMemoryLimit(heapBound)
	return make([]byte, ballastSize)
}
