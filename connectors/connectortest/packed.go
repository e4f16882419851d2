package connectortest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime"
	"strings"
)

// Packed returns an http.Handler that answers in gzip with head, with piece again and
// again until it fills size bytes, and with tail: what is small on the wire and large
// behind it.
func Packed(head, piece, tail string, size int) http.HandlerFunc {
	var data bytes.Buffer
	packer := gzip.NewWriter(&data)
	const pieces = 1000
	block := []byte(strings.Repeat(piece, pieces))
	_, _ = packer.Write([]byte(head)) // to memory
	for times := size / len(piece); times > 0; times -= pieces {
		_, _ = packer.Write(block[:min(times, pieces)*len(piece)])
	}
	_, _ = packer.Write([]byte(tail))
	_ = packer.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(data.Bytes())
	}
}

// Allocates fails the test where do allocates more than so many bytes in all. Nothing
// else may run beside it.
func Allocates(t T, most uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("%d MiB were allocated, want %d at most", took>>20, most>>20)
	}
}
