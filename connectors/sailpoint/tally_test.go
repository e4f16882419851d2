package sailpoint_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

// row is an entitlement, an account or an access profile on the wire, of which
// only the id matters.
func row(id any) map[string]any {
	return map[string]any{
		"id": id, "name": fmt.Sprint("name ", id), "nativeIdentity": fmt.Sprint("CN=", id), "attribute": "memberOf", "value": fmt.Sprint("CN=", id),
		"sourceSchemaObjectType": "group", "source": map[string]any{"id": sailpointtest.DirectoryID}, "sourceId": sailpointtest.DirectoryID,
		"attributes": map[string]any{}, "disabled": false, "enabled": true, "entitlements": []any{map[string]any{"id": "g"}},
	}
}

// serving answers one list of a tenant itself: rows and total are asked with
// every request, and no total is told where it is negative. It counts the
// requests.
func serving(t *testing.T, w sailpointtest.World, list string, rows func(offset, limit int) []any, total func() int) (*atomic.Int64, sailpoint.Settings) {
	t.Helper()
	server, settings := tenant(t, w)
	requests := &atomic.Int64{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/"+list) {
			server.ServeHTTP(w, r)
			return
		}
		requests.Add(1)
		q := r.URL.Query()
		offset, _ := strconv.Atoi(q.Get("offset"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		if n := total(); n >= 0 && q.Get("count") == "true" {
			w.Header().Set("X-Total-Count", strconv.Itoa(n))
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(rows(offset, limit)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(web.Close)
	settings.URL = web.URL
	return requests, settings
}

// TestListWithoutEnd: whatever a list goes on with, the read ends soon, as one
// that proves nothing.
func TestListWithoutEnd(t *testing.T) {
	t.Parallel()
	page := func(n int, id func(at int) any) func(offset, limit int) []any {
		return func(offset, limit int) []any {
			var out []any
			for i := range min(n, limit) {
				out = append(out, row(id(offset+i)))
			}
			return out
		}
	}
	fresh := func(at int) any { return fmt.Sprintf("e%09d", at) }
	kinds := map[string]func(offset, limit int) []any{
		"new ids":                  page(250, fresh),
		"new ids, few at a time":   page(3, fresh),
		"one id":                   page(250, func(int) any { return "e" }),
		"one id, few at a time":    page(3, func(int) any { return "e" }),
		"no ids":                   page(250, func(int) any { return nil }),
		"no ids, few at a time":    page(3, func(int) any { return nil }),
		"no objects":               func(int, int) []any { return []any{nil, 5, []any{}} },
		"the same rows every time": func(int, int) []any { return []any{row("a"), row("b"), row("c")} },
	}
	for _, list := range []string{"entitlements", "accounts", "access-profiles"} {
		for _, total := range []int{-1, 0, 3} {
			for name, rows := range kinds {
				if total < 0 && strings.HasPrefix(name, "new ids") {
					continue // nothing but their number tells these from a list that is long
				}
				t.Run(fmt.Sprintf("%s, %s, total %d", list, name, total), func(t *testing.T) {
					t.Parallel()
					requests, settings := serving(t, sailpointtest.Synthetic(12, 3, 4, 2), list, rows, func() int { return total })
					settings.AccessProfiles = list == "access-profiles"
					got := read(t, open(t, settings), everything())
					if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil {
						t.Errorf("the read ended with %v, checkpoint %v", got.err, got.checkpoint)
					}
					if n := requests.Load(); n > 100 {
						t.Errorf("%d requests", n)
					}
				})
			}
		}
	}
}

// TestListOutgrowsTotal: a list that grows by far more than a page while it is
// read is counted once more, and read to its end.
func TestListOutgrowsTotal(t *testing.T) {
	t.Parallel()
	told, length := &atomic.Int64{}, 40
	requests, settings := serving(t, entitlements(1), "entitlements", func(offset, limit int) []any {
		out := []any{}
		for at := offset; at < min(offset+limit, length); at++ {
			out = append(out, row(fmt.Sprintf("e%04d", at)))
		}
		return out
	}, func() int {
		if told.Add(1) == 1 {
			return 3
		}
		return length
	})
	settings.Limits.PageSize = 5
	got := read(t, open(t, settings), groupsOnly())
	got.complete(t)
	if n := len(got.ids(identity.Group)); n != length {
		t.Errorf("%d groups after %d requests, want %d", n, requests.Load(), length)
	}
}

// TestStandingDuplicates: a row that SailPoint lists twice, wherever it stands
// between the pages, is one group and two of the rows it counts. A list of which a
// row goes away meanwhile is still read once more.
func TestStandingDuplicates(t *testing.T) {
	t.Parallel()
	const size, length = 5, 14
	for _, most := range []int{size, 3, 2} { // the server may answer less than it is asked for
		for _, at := range []int{0, 3, 4, 5, 13} {
			for _, times := range []int{2, 12} {
				for _, hidden := range []bool{false, true} {
					for _, leaves := range []int{0, 2, 3} { // before that request; 0 is never
						t.Run(fmt.Sprintf("pages of %d, row %d %d times, hidden %v, first row leaves before %d", most, at, times, hidden, leaves), func(t *testing.T) {
							t.Parallel()
							var ids []string
							for i := range length {
								id := fmt.Sprintf("e%04d", i)
								ids = append(ids, id)
								for range times - 1 {
									if i == at {
										ids = append(ids, id)
									}
								}
							}
							request := 0
							_, settings := serving(t, entitlements(1), "entitlements", func(offset, limit int) []any {
								limit = min(limit, most)
								out := []any{}
								for _, id := range ids[min(offset, len(ids)):min(offset+limit, len(ids))] {
									out = append(out, row(id))
								}
								return out
							}, func() int {
								if request++; request == leaves {
									ids = ids[1:]
								}
								if hidden {
									return -1
								}
								return len(ids)
							})
							settings.Limits.PageSize = size
							got := read(t, open(t, settings), groupsOnly())
							got.complete(t)
							want := slices.Compact(slices.Clone(ids))
							read := slices.DeleteFunc(got.ids(identity.Group), func(id string) bool { return id == "e0000" && !slices.Contains(want, id) })
							if diff := cmp.Diff(want, read); diff != "" {
								t.Errorf("groups (-tenant +read):\n%s", diff)
							}
						})
					}
				}
			}
		}
	}
}

// TestDuplicateElsewhere: a row that comes again in another answer, away from
// where it was, is what an insertion looks like, also where the totals fit.
func TestDuplicateElsewhere(t *testing.T) {
	t.Parallel()
	ids := []string{"e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "e2"}
	_, settings := serving(t, entitlements(1), "entitlements", func(offset, limit int) []any {
		out := []any{}
		for _, id := range ids[min(offset, len(ids)):min(offset+limit, len(ids))] {
			out = append(out, row(id))
		}
		return out
	}, func() int { return len(ids) })
	settings.Limits.PageSize = 5
	if got := read(t, open(t, settings), groupsOnly()); connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil {
		t.Errorf("the read ended with %v, checkpoint %v", got.err, got.checkpoint)
	}
}

// TestNameWithoutEnd: rows of one name that never end are given up.
func TestNameWithoutEnd(t *testing.T) {
	t.Parallel()
	requests, settings := serving(t, entitlements(1), "entitlements", func(offset, limit int) []any {
		var out []any
		for i := range limit {
			e := row(fmt.Sprintf("e%09d", offset+i))
			e["name"] = "Team"
			out = append(out, e)
		}
		return out
	}, func() int { return -1 })
	q := groupsOnly()
	q.Only = []connectors.Key{{Kind: identity.Group, Name: "Team"}}
	got := read(t, open(t, settings), q)
	if connectors.ClassOf(got.err) != connectors.Incomplete || got.checkpoint != nil || requests.Load() > 50 {
		t.Errorf("the read ended with %v after %d requests", got.err, requests.Load())
	}
}
