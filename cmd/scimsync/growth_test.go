package main

import (
	"runtime"
	"slices"
	"testing"

	"github.com/scimsync/scimsync/agent"
)

// allocated is what was allocated, whether or not it is still in use.
type allocated struct{ count, bytes uint64 }

func allocations() allocated {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return allocated{stats.Mallocs, stats.TotalAlloc}
}

// hoard is a Progress that copies all it has for every object, as quadratic work
// does.
type hoard struct{ has []byte }

// Phase does nothing.
func (h *hoard) Phase(string, int) {}

// Advance grows and copies.
func (h *hoard) Advance(n int) {
	for range n {
		h.has = slices.Clone(append(h.has, 'x'))
	}
}

// bystander is a Progress that does nothing.
type bystander struct{}

// Phase does nothing.
func (bystander) Phase(string, int) {}

// Advance does nothing.
func (bystander) Advance(int) {}

// What an object costs does not grow with the directory: to read, mirror and plan
// it allocates as much among many as among few. What SQLite does by itself is
// looked at by TestQueryPlans of the ledger; seconds are for make growth.
func TestCostIsFlat(t *testing.T) { //nolint:paralleltest // what others allocate would count
	const (
		few, many = 1_000, 4_000
		bound     = 1.1
	)
	// growth returns what one of many costs, by what one of few does: in
	// allocations and in bytes.
	growth := func(t *testing.T, empty bool, progress func() agent.Progress) (float64, float64) {
		t.Helper()
		a := (&mirage{users: few, empty: empty}).plan(t, progress())
		b := (&mirage{users: many, empty: empty}).plan(t, progress())
		t.Logf("%d users: %d allocations, %d bytes a user; %d users: %d, %d",
			few, a.count/few, a.bytes/few, many, b.count/many, b.bytes/many)
		const times = float64(few) / float64(many)
		return float64(b.count) / float64(a.count) * times, float64(b.bytes) / float64(a.bytes) * times
	}
	for name, empty := range map[string]bool{"in step": false, "first load": true} {
		t.Run(name, func(t *testing.T) {
			count, bytes := growth(t, empty, func() agent.Progress { return bystander{} })
			if count > bound || bytes > bound {
				t.Errorf("each of %d users takes %.2f times the allocations and %.2f times the memory of each of %d; the bound is %.2f",
					many, count, bytes, few, bound)
			}
		})
	}
	t.Run("a defect is found", func(t *testing.T) {
		if _, bytes := growth(t, false, func() agent.Progress { return &hoard{} }); bytes <= bound {
			t.Errorf("%.2f times the memory where all is copied for every object, which the bound of %.2f should catch", bytes, bound)
		}
	})
}
