package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// The made-up directory is one: everybody has an id of his own, every group its
// number of different members, and the application holds the same.
func TestGrowthWorld(t *testing.T) {
	t.Parallel()
	w := worldOf(1000)
	dir := t.TempDir()
	if err := w.export(dir); err != nil {
		t.Fatal(err)
	}
	type line struct {
		ID      string
		Members []string
	}
	users, groups := map[string]bool{}, map[string]map[string]bool{}
	each(t, filepath.Join(dir, "users.jsonl"), func(text []byte) {
		var u line
		must(t, json.Unmarshal(text, &u))
		users[u.ID] = true
	})
	memberships := 0
	each(t, filepath.Join(dir, "groups.jsonl"), func(text []byte) {
		var g line
		must(t, json.Unmarshal(text, &g))
		groups[g.ID] = map[string]bool{}
		for _, id := range g.Members {
			if !users[id] {
				t.Fatalf("%s is in %s and nobody", id, g.ID)
			}
			groups[g.ID][id] = true
		}
		memberships += len(groups[g.ID])
	})
	if got := (world{len(users), len(groups), memberships}); got != w {
		t.Errorf("the source holds %s, want %s", got, w)
	}
	m := &mirage{world: w}
	accounts := map[string]string{}
	for _, r := range listed(t, m.handler(), "/step/Users") {
		accounts[r.ID] = r.ExternalID
		if !users[r.ExternalID] {
			t.Fatalf("the application has %s, the source has not", r.ExternalID)
		}
	}
	if len(accounts) != w.users {
		t.Errorf("%d accounts, want %d", len(accounts), w.users)
	}
	for _, r := range listed(t, m.handler(), "/step/Groups") {
		if len(r.Members) != len(groups[r.ExternalID]) {
			t.Fatalf("%s has %d members there and %d here", r.ExternalID, len(r.Members), len(groups[r.ExternalID]))
		}
		for _, member := range r.Members {
			if !groups[r.ExternalID][accounts[member.Value]] {
				t.Fatalf("%s is in %s at the application only", member.Value, r.ExternalID)
			}
		}
	}
	if left := listed(t, m.handler(), "/empty/Users"); len(left) > 0 {
		t.Errorf("the empty application has %d people", len(left))
	}
}

// A run that plans something else than it should is no measurement.
func TestGrowthPlanned(t *testing.T) {
	t.Parallel()
	w := worldOf(100)
	plan := func(users, groups, members string) []byte {
		return fmt.Appendf(nil, `…],"summary":{"users":{%s},"groups":{%s},"memberships":{%s}},"digest":""}]}`, users, groups, members)
	}
	creates := plan(`"create":100`, `"create":50`, `"add":500`)
	inStep := plan(`"unchanged":100`, `"unchanged":50`, `"add":0`)
	for name, test := range map[string]struct {
		plan    []byte
		creates bool
		want    bool
	}{
		"creates":            {creates, true, true},
		"in step":            {inStep, false, true},
		"creates for step":   {creates, false, false},
		"nothing, not step":  {inStep, true, false},
		"a membership lacks": {plan(`"create":100`, `"create":50`, `"add":499`), true, false},
		"no summary":         {[]byte("{}"), true, false},
	} {
		if err := planned(test.plan, w, stage{creates: test.creates}); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The end of what is written is kept, however it comes.
func TestTail(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 1000, kept, 3 * kept} {
		out := &tail{}
		var all []byte
		for i := range 5 * kept / size {
			piece := fmt.Appendf(nil, "%0*d", size, i)
			all = append(all, piece...)
			if n, err := out.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if want := all[len(all)-min(kept, len(all)):]; string(out.last) != string(want) {
			t.Errorf("pieces of %d: %d bytes are kept, and not the last", size, len(out.last))
		}
	}
}

type resource struct {
	ID, ExternalID string
	Members        []struct{ Value string }
}

// listed reads all pages of a path.
func listed(t *testing.T, h http.Handler, path string) []resource {
	t.Helper()
	var all []resource
	for {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s?startIndex=%d&count=70", path, len(all)+1), http.NoBody))
		var page struct {
			TotalResults int
			Resources    []resource
		}
		must(t, json.Unmarshal(answer.Body.Bytes(), &page))
		all = append(all, page.Resources...)
		if len(all) >= page.TotalResults {
			return all
		}
		if len(page.Resources) == 0 {
			t.Fatalf("%s: an empty page after %d of %d", path, len(all), page.TotalResults)
		}
	}
}

func each(t *testing.T, path string, do func(line []byte)) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		do(lines.Bytes())
	}
	must(t, lines.Err())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
