package ledger

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// world reads a world of users and links into an intake: records of some 200
// bytes, groups of 50.
func world(b *testing.B, in *Intake, users, links int) {
	b.Helper()
	for i := range users {
		id := fmt.Sprintf("00u%09d", (i*7919)%users) // not in order
		if err := in.Upsert(identity.Record{Ref: user(id), Version: "1", Fields: map[string]any{
			"status": "ACTIVE", "login": id + "@example.com", "email": id + "@example.com",
			"firstName": "Given" + id, "lastName": "Family" + id, "department": "Research", "number": strconv.Itoa(i),
		}}); err != nil {
			b.Fatal(err)
		}
	}
	for g := range links / 50 {
		ref := group(fmt.Sprintf("00g%09d", g))
		if err := in.Upsert(identity.Record{Ref: ref, Version: "1", Fields: map[string]any{"name": "Group " + ref.ID}}); err != nil {
			b.Fatal(err)
		}
		for i := range 50 {
			if err := in.Link(ref, user(fmt.Sprintf("00u%09d", (g*31+i*17)%users))); err != nil {
				b.Fatal(err)
			}
		}
		if err := in.Links(ref, nil, string(LinksComplete), ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIntake mirrors 100,000 users and 500,000 links: into an empty ledger,
// then the same again.
func BenchmarkIntake(b *testing.B) {
	for _, name := range []string{"first", "again"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				m := open(b).Mirror("src")
				run := func() {
					in, err := m.Begin(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					world(b, in, 100_000, 500_000)
					if _, err := in.Commit(b.Context(), full("1"), []string{"sync"}); err != nil {
						b.Fatal(err)
					}
				}
				if name == "again" {
					run()
				}
				runtime.GC()
				b.StartTimer()
				run()
			}
		})
	}
}

// BenchmarkRecords scans 100,000 mirrored users.
func BenchmarkRecords(b *testing.B) {
	m := open(b).Mirror("src")
	in, err := m.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	world(b, in, 100_000, 0)
	if _, err := in.Commit(b.Context(), full("1"), nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		for _, err := range m.Records(b.Context(), identity.User) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 100_000 {
			b.Fatal(n)
		}
	}
}
