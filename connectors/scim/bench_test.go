package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// BenchmarkDecodePage compares reading a page of users with what a bare client
// does that decodes the same page.
func BenchmarkDecodePage(b *testing.B) {
	list := []any{}
	for i := range 100 {
		id := fmt.Sprintf("6c3c1b5e-0000-4000-8000-%012d", i)
		list = append(list, map[string]any{
			"schemas": []string{userSchema, enterpriseSchema}, "id": id, "externalId": "00u" + id,
			"userName": fmt.Sprintf("person.%06d@example.com", i), "displayName": "Ada Archer", "active": true,
			"name":           map[string]any{"givenName": "Ada", "familyName": "Archer"},
			"emails":         []any{map[string]any{"value": fmt.Sprintf("person.%06d@example.com", i), "type": "work", "primary": true}},
			"meta":           map[string]any{"resourceType": "User", "created": "2026-11-22T07:00:00Z", "location": "https://acme.example.com/scim/v2/Users/" + id},
			enterpriseSchema: map[string]any{"department": "Quality"},
		})
	}
	page, err := json.Marshal(map[string]any{"totalResults": 100, "Resources": list})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("agent", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			s := newStream(bytes.NewReader(page))
			s.crowded = false // as nearly every page
			if p, err := decodePage(s, identity.User); err != nil || len(p.entries) != 100 {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			var p struct{ Resources []map[string]any }
			if err := json.Unmarshal(page, &p); err != nil || len(p.Resources) != 100 {
				b.Fatal(err)
			}
		}
	})
}
