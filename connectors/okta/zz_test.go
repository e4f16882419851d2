package okta_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

func TestZZ(t *testing.T) {
	b := time.Now()
	w := oktatest.Synthetic(100_000, 5000, 500_000, 1)
	t.Log("synthetic", time.Since(b))
	_, settings := org(t, w)
	w = oktatest.World{}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Log("heap MiB with server", m.HeapAlloc>>20)
	source := open(t, settings)
	b = time.Now()
	n, peak := 0, uint64(0)
	for _, err := range source.Read(t.Context(), everything()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%5000 == 0 {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	t.Log("read", time.Since(b), n, "peak MiB", peak>>20)
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Log("after MiB", m.HeapAlloc>>20)
}
