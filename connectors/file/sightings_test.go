package file

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever stands where, and however much of it fits into memory, the lines that
// share an id are found, and no others.
func TestSightings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(rapid.StringMatching(`[a-h][a-c]?`)).Draw(t, "ids")
		s := newSightings(rapid.IntRange(1, 9).Draw(t, "held"))
		defer s.close()
		lines := map[string][]int{}
		for i, id := range ids {
			if err := s.add(id, i+1); err != nil {
				t.Fatal(err)
			}
			lines[id] = append(lines[id], i+1)
		}
		var want [][]int
		for _, some := range lines {
			if len(some) > 1 {
				want = append(want, some)
			}
		}
		got, err := s.repeated()
		if err != nil {
			t.Fatal(err)
		}
		order := func(a, b []int) int { return slices.Compare(a, b) }
		slices.SortFunc(want, order)
		slices.SortFunc(got, order)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("lines (-want +got):\n%s", diff)
		}
	})
}

// A file that is broken as a whole is refused, and the temporary file goes.
func TestSightingsBroken(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	s := newSightings(100)
	for i := range repeatsMost + 2 {
		if err := s.add("the same", i+1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.repeated(); !errors.Is(err, errRepeats) {
		t.Errorf("ended with %v", err)
	}
	s.close()
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// Memory does not grow with the file.
func TestSightingsStayFlat(t *testing.T) {
	t.Parallel()
	s := newSightings(1000)
	defer s.close()
	for i := range 50_000 {
		if err := s.add(fmt.Sprint(i), i+1); err != nil {
			t.Fatal(err)
		}
	}
	if n := cap(s.held); n > 2000 {
		t.Errorf("room for %d sightings is held, where 1000 are", n)
	}
	if got, err := s.repeated(); err != nil || len(got) > 0 {
		t.Errorf("repeated are %v, %v", got, err)
	}
	if info, err := s.spool.Stat(); err != nil || info.Size() != 50_000*sightingSize {
		t.Errorf("the temporary file is %v, %v", info, err)
	}
}
