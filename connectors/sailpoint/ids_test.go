package sailpoint

import (
	"encoding/hex"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A set of ids answers as a map does, in whatever order they come.
func TestIDSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3*idBlock).Draw(t, "n")
		// A step ahead is the next in order; another one a stray or a repetition.
		steps := rapid.SliceOfN(rapid.IntRange(-4, 40), n, n).Draw(t, "steps")
		set, want := newIDSet(), map[string]bool{}
		at := 0
		for i, step := range steps {
			id := fmt.Sprintf("%032x", max(0, at+step))
			if step > 0 {
				at += step
			}
			if i%100 == 99 {
				id = fmt.Sprint("another sort of id ", step)
			}
			if got := set.add(id); got == want[id] {
				t.Fatalf("%s was new: %t", id, got)
			}
			want[id] = true
			if set.len() != len(want) {
				t.Fatalf("%d are in it, want %d", set.len(), len(want))
			}
		}
		for id := range want {
			if !set.has(id) {
				t.Fatalf("%s is not found again", id)
			}
		}
		if _, in := want[fmt.Sprintf("%032x", at+1)]; !in && set.has(fmt.Sprintf("%032x", at+1)) {
			t.Fatal("one is found that was not added")
		}
		if got := slices.Sorted(set.all()); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("all are %d others", len(got))
		}
	})
}

// Ids in their order take hardly more than their sixteen bytes.
func TestIDSetIsSmall(t *testing.T) { //nolint:paralleltest // what others have on the heap would count
	const n = 200_000
	before := live()
	set := newIDSet()
	for i := range n {
		var key idKey
		key[0], key[1], key[2] = byte(i>>16), byte(i>>8), byte(i)
		set.add(hex.EncodeToString(key[:]))
	}
	if each := float64(live()-before) / n; each > 17 {
		t.Errorf("%.1f bytes an id", each)
	}
	runtime.KeepAlive(set)
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
