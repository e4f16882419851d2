package plan

import (
	"bytes"
	"strings"
	"testing"
)

// TestReadIsBounded reads under a limit of its own: the real one is gigabytes.
func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	p := &Plan{Sync: "s", Steps: Of(nil)}
	var err error
	if p.Digest, err = Digest(p); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	size := int64(b.Len())
	if _, err := read(bytes.NewReader(b.Bytes()), size); err != nil {
		t.Errorf("a plan of exactly the limit: %v", err)
	}
	for name, r := range map[string]*endless{
		"a larger plan":        {head: b.Bytes()},
		"a string without end": {head: []byte(`{"version":1,"syncs":[{"sync":"`)},
	} {
		_, err := read(r, size)
		if err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: got %v", name, err)
		}
		if int64(r.read) > size+1 {
			t.Errorf("%s: read %d bytes, the limit is %d", name, r.read, size)
		}
	}
}

// endless is a head that spaces follow for ever.
type endless struct {
	head []byte
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
		if e.read < len(e.head) {
			p[i] = e.head[e.read]
		}
		e.read++
	}
	return len(p), nil
}
