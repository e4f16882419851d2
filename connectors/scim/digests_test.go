package scim

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// A set of digests answers as a map does, whatever is put into it, and the keys
// that crowd in one bucket are found again as well.
func TestDigests(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Few bits: many come again. Many zeros at the end: all crowd.
		bits := rapid.SampledFrom([]int{4, 12, 16, 64}).Draw(t, "bits")
		zeros := rapid.SampledFrom([]int{0, 3, 40}).Draw(t, "zeros")
		draw := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var d digests
		want := map[uint64]bool{}
		for range rapid.IntRange(0, 20*bucketSize).Draw(t, "times") {
			key := draw.Uint64() >> (64 - bits) << zeros
			if got := d.insert(key); got == want[key] {
				t.Fatalf("%x was new: %t, want %t", key, got, !want[key])
			}
			want[key] = true
			if d.len() != len(want) {
				t.Fatalf("%d are in it, want %d", d.len(), len(want))
			}
		}
		for key := range want {
			if d.insert(key) {
				t.Fatalf("%x is not found again", key)
			}
		}
	})
}

// The same string is the same digest, in a set of its own seed.
func TestDigestsOfStrings(t *testing.T) {
	t.Parallel()
	var d digests
	for i := range 10_000 {
		if !d.add(strconv.Itoa(i)) {
			t.Fatalf("%d was there already", i)
		}
	}
	for i := range 10_000 {
		if d.add(strconv.Itoa(i)) {
			t.Fatalf("%d is new again", i)
		}
	}
	if d.len() != 10_000 {
		t.Errorf("%d are in it, want 10000", d.len())
	}
}

// Each digest takes little more than itself, and a set of few hardly anything.
func TestDigestsAreSmall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n     int
		bytes int // for each
	}{{1, 64}, {100, 12}, {10_000, 11}, {300_000, 10}, {300_100, 10}} {
		var d digests
		draw := rand.New(rand.NewPCG(1, uint64(c.n)))
		for range c.n {
			d.insert(draw.Uint64())
		}
		size := binary.Size(uint64(0))
		held := 3 * size * cap(d.buckets)
		for _, bucket := range d.buckets {
			held += size * cap(bucket)
		}
		if held > c.bytes*c.n {
			t.Errorf("%d digests take %d bytes, which is %.1f each, want at most %d", c.n, held, float64(held)/float64(c.n), c.bytes)
		}
	}
}

// BenchmarkDigests puts a million strings into a set, and says how many bytes of
// memory each then takes.
func BenchmarkDigests(b *testing.B) {
	const n = 1_000_000
	for name, fill := range map[string]func() any{
		"digests": func() any {
			d := &digests{}
			for i := range n {
				d.add(strconv.Itoa(i))
			}
			return d
		},
		"map": func() any {
			m := map[uint64]struct{}{}
			draw := rand.New(rand.NewPCG(1, 1))
			for range n {
				m[draw.Uint64()] = struct{}{}
			}
			return m
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var kept any
			before := live()
			for b.Loop() {
				kept = fill()
			}
			b.ReportMetric(float64(live()-before)/n, "live-B/key")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
			runtime.KeepAlive(kept)
		})
	}
}

// live returns how many bytes of the heap are in use after a collection.
func live() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
