package file_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/file"
)

// FuzzRead: whatever the files hold, a read ends, in a Checkpoint or a classed
// error, and every object is named.
func FuzzRead(f *testing.F) {
	f.Add([]byte(ada+bjorn), []byte(data))
	f.Add([]byte(`{"id":"u1",`), []byte("null\n[]\n{}"))
	f.Add([]byte("\xff\xfe"), []byte("\ufeff"+data))
	f.Fuzz(func(t *testing.T, users, groups []byte) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{"users.jsonl": users, "groups.jsonl": groups} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ended := false
		for event, err := range open(t, dir).Read(t.Context(), everything) {
			if ended {
				t.Fatalf("%T, %v after the end", event, err)
			}
			if err != nil {
				ended = true
				if connectors.ClassOf(err) != connectors.Incomplete {
					t.Fatalf("error of class %q: %v", connectors.ClassOf(err), err)
				}
				continue
			}
			switch e := event.(type) {
			case connectors.Checkpoint:
				ended = true
			case connectors.Upsert:
				if e.Record.Ref.ID == "" || e.Record.Fields["id"] != e.Record.Ref.ID {
					t.Fatalf("record %+v", e.Record)
				}
			}
		}
		if !ended {
			t.Fatal("the read has no end")
		}
	})
}

// BenchmarkRead reads 20,000 users and 100,000 memberships.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	w := connectortest.Synthetic(20_000, 200, 100_000, 1)
	write(b, dir, w)
	source, err := file.Type().Open(&file.Settings{Path: dir}, connectors.Runtime{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range source.Read(b.Context(), everything) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
