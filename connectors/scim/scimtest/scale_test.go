package scimtest

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// TestConcurrentWriters: one name has one owner, and no membership is lost,
// whoever writes at the same time.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	group := h.group("Everybody")
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range each {
				h.do("POST", "/Users", userBody(fmt.Sprintf("shared%d@example.com", i), ""))
				r := h.do("POST", "/Users", userBody(fmt.Sprintf("u%d-%d@example.com", n, i), ""))
				h.do("PATCH", "/Groups/"+group, patchBody(`{"op":"add","path":"members","value":[{"value":"`+r.text("id")+`"}]}`))
				h.do("GET", "/Users?count=5", "")
				h.do("GET", "/Groups/"+group, "")
			}
		})
	}
	wg.Wait()
	users, _, members := h.Counts()
	if users != each+writers*each || members != writers*each {
		t.Errorf("%d users and %d memberships", users, members)
	}
}

// TestLargeTarget: a target of 10,000 users is found in by index, and paged.
func TestLargeTarget(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.PageSize = 1000 })
	if err := h.Seed(10_000); err != nil {
		t.Fatal(err)
	}
	if err := h.SeedGroups(1, 10_000); err != nil {
		t.Fatal(err)
	}
	if got := h.names("/Users" + filterQuery(`userName eq "USER9999@example.com"`)); got != "user9999" {
		t.Errorf("found %q", got)
	}
	seen := map[string]bool{}
	for start := 1; start <= 10_000; start += 1000 {
		r := h.do("GET", fmt.Sprintf("/Users?startIndex=%d&count=1000", start), "")
		for _, v := range asList(r.doc["Resources"]) {
			seen[v.(map[string]any)["id"].(string)] = true
		}
	}
	if len(seen) != 10_000 {
		t.Errorf("paged %d users", len(seen))
	}
	if err := h.Delete(identity.User, "user0001@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, _, members := h.Counts(); members != 9_999 {
		t.Errorf("%d memberships", members)
	}
}

// BenchmarkPage is one page of 100 of 100,000 users; BenchmarkFind one look-up
// by userName.
func BenchmarkPage(b *testing.B) { benchmark(b, "/scim/v2/Users?startIndex=50001&count=100") }

func BenchmarkFind(b *testing.B) {
	benchmark(b, "/scim/v2/Users"+filterQuery(`userName eq "user50000@example.com"`))
}

func benchmark(b *testing.B, path string) {
	s, err := New(Options{Token: token})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Seed(100_000); err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
