package main

import (
	"io/fs"
	"os"
)

// fileWatch notices that a file is not what it was. It compares what the file
// system says of it; where that is a link, of what it points to, so that an
// exchanged link (as container platforms do it) counts.
type fileWatch struct {
	path string
	// used is the state that was acted upon, seen the last one found.
	used, seen fs.FileInfo
}

// watchFile begins to watch.
func watchFile(path string) *fileWatch {
	w := &fileWatch{path: path}
	w.settle()
	return w
}

// settle takes the present state for known.
func (w *fileWatch) settle() {
	w.used = w.look()
	w.seen = w.used
}

// changed reports whether the file has changed since settle and is at rest: it was
// the same the time before, so that nobody is in the middle of writing it.
func (w *fileWatch) changed() bool {
	now := w.look()
	atRest := same(now, w.seen)
	w.seen = now
	return atRest && !same(now, w.used)
}

// look returns nil where there is no file.
func (w *fileWatch) look() fs.FileInfo {
	info, err := os.Stat(w.path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
