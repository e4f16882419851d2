package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFileWatch demands that a change counts when it is at rest, and only once.
func TestFileWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var tick time.Duration
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		// File systems may keep times in steps.
		tick += time.Second
		at := time.Unix(1_700_000_000, 0).Add(tick)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "one")
	w := watchFile(path)
	expect := func(what string, looks ...bool) {
		t.Helper()
		for i, want := range looks {
			if got := w.changed(); got != want {
				t.Errorf("%s, look %d: %v, want %v", what, i+1, got, want)
			}
		}
	}
	expect("nothing happened", false, false)
	write(path, "two")
	expect("a change", false, true, true)
	w.settle()
	expect("it was taken up", false, false)
	write(path, "tw")
	expect("it is being written", false)
	write(path, "two and a half")
	expect("it is at rest", false, true)
	w.settle()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("it has gone", false, true)
	w.settle()
	write(filepath.Join(dir, "first"), "same")
	if err := os.Symlink("first", path); err != nil {
		t.Fatal(err)
	}
	expect("a link", false, true)
	w.settle()
	write(filepath.Join(dir, "second"), "same")
	if err := os.Symlink("second", path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	expect("the link was exchanged", false, true)
}
