package rest

import (
	"bytes"
	"io"
)

// chunkBytes is up to where a body is one piece; a larger one grows by pieces of
// pieceBytes, so that no copy of it is held beside it and little room is empty.
const (
	chunkBytes = 4 << 20
	pieceBytes = 1 << 20
)

// body is the body of an answer, in memory. It needs no closing, and ReadJSON
// reads it in place. What has been read of it is let go.
type body struct {
	chunks [][]byte
	size   int64 // of what was received
	at     int   // what was read of the first chunk
	begun  bool
}

// newBody returns an empty body with room for an answer of the size, which may be
// 0 for unknown.
func newBody(size int64) *body {
	return &body{chunks: [][]byte{make([]byte, 0, size+bytes.MinRead)}}
}

// bodyOf returns a body that holds data.
func bodyOf(data []byte) *body { return &body{chunks: [][]byte{data}, size: int64(len(data))} }

// readFrom adds what r gives until the body has limit bytes, which is no error, or
// reading ends: in io.EOF at the end of the answer.
func (b *body) readFrom(r io.Reader, limit int64) error {
	for b.size < limit {
		last := len(b.chunks) - 1
		chunk := b.chunks[last]
		if len(chunk) == cap(chunk) {
			b.grow()
			continue
		}
		room := chunk[len(chunk):min(int64(cap(chunk)), int64(len(chunk))+limit-b.size)]
		n, err := r.Read(room)
		b.chunks[last] = chunk[:len(chunk)+n]
		b.size += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// grow makes room behind what is there.
func (b *body) grow() {
	first := b.chunks[0]
	if len(b.chunks) > 1 || cap(first) >= chunkBytes {
		b.chunks = append(b.chunks, make([]byte, 0, pieceBytes))
		return
	}
	b.chunks[0] = append(make([]byte, 0, min(2*cap(first), chunkBytes)), first...)
}

// cut drops what lies beyond the first n bytes.
func (b *body) cut(n int64) {
	for i, chunk := range b.chunks {
		b.chunks[i] = chunk[:min(int64(len(chunk)), n)]
		n -= int64(len(b.chunks[i]))
	}
	b.size = 0
	for _, chunk := range b.chunks {
		b.size += int64(len(chunk))
	}
}

// whole returns the body in one piece, if nothing was read of it and it is one.
func (b *body) whole() ([]byte, bool) {
	switch {
	case b.begun:
		return nil, false
	case len(b.chunks) == 0:
		return nil, true
	}
	return b.chunks[0], int64(len(b.chunks[0])) == b.size
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.begun = true
	for len(b.chunks) > 0 {
		if left := b.chunks[0][b.at:]; len(left) > 0 {
			n := copy(p, left)
			b.at += n
			return n, nil
		}
		b.chunks[0] = nil
		b.chunks, b.at = b.chunks[1:], 0
	}
	return 0, io.EOF
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }
