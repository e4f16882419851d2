package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/identity"
)

// fixedPages serves users in pages of twenty, whatever count says, as
// scimmy-routers 1.3 does over GET.
type fixedPages struct {
	users    int
	advances bool // GET honours startIndex
	gets     atomic.Int32
	searches atomic.Int32
	// drop is how many searches lose their connection.
	drop atomic.Int32
	// meet is closed once two pages after the second are asked for at once.
	meet  chan struct{}
	later atomic.Int32
}

const fixedPage = 20

func (f *fixedPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /Users":
		f.gets.Add(1)
		start := 1
		if f.advances {
			start, _ = strconv.Atoi(r.URL.Query().Get("startIndex"))
		}
		if f.meet != nil && start > 2*fixedPage && f.together(r) != nil {
			return
		}
		answer(w, http.StatusOK, f.page(start, fixedPage))
	case "POST /Users/.search":
		f.searches.Add(1)
		if f.drop.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
		var body struct{ StartIndex, Count int }
		_ = json.NewDecoder(r.Body).Decode(&body)
		answer(w, http.StatusOK, f.page(body.StartIndex, body.Count))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// together waits for a second page to be asked for.
func (f *fixedPages) together(r *http.Request) error {
	if f.later.Add(1) == 2 {
		close(f.meet)
	}
	select {
	case <-f.meet:
	case <-time.After(5 * time.Second):
	case <-r.Context().Done():
		return r.Context().Err()
	}
	return nil
}

func (f *fixedPages) page(start, count int) map[string]any {
	var users []map[string]any
	for i := start; i < start+count && i <= f.users; i++ {
		users = append(users, map[string]any{"id": fmt.Sprintf("u%04d", i), "userName": fmt.Sprintf("user%d@example.com", i)})
	}
	list := listOf(users...)
	list["totalResults"] = f.users
	return list
}

// TestListFixedPages: a target that ignores count is not flooded with pages
// before the second proves that pages advance; a search that loses its
// connection is asked again, because it only reads.
func TestListFixedPages(t *testing.T) {
	t.Parallel()
	count := func(t *testing.T, f *fixedPages, profile string) (int, error) {
		t.Helper()
		session, err := openAt(t, f, scim.Settings{Profile: profile})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range session.List(t.Context(), identity.User, connectors.Want{}) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	list := func(t *testing.T, f *fixedPages, profile string) {
		t.Helper()
		if n, err := count(t, f, profile); err != nil || n != f.users {
			t.Errorf("%d users listed, want %d; %v", n, f.users, err)
		}
	}
	t.Run("searched", func(t *testing.T) {
		t.Parallel()
		f := &fixedPages{users: 950}
		f.drop.Store(2)
		list(t, f, "scimmy")
		if n := f.gets.Load(); n != 1 {
			t.Errorf("%d GETs of one page, want 1 to open", n)
		}
		if n := f.searches.Load(); n != 12 {
			t.Errorf("%d searches, want 10 and 2 again", n)
		}
	})
	// A target nobody knows to search is sent nothing but GETs: it might take
	// a POST for a create.
	t.Run("not advancing", func(t *testing.T) {
		t.Parallel()
		f := &fixedPages{users: 950}
		_, err := count(t, f, "")
		if connectors.ClassOf(err) != connectors.Incomplete || !strings.Contains(err.Error(), "ignores startIndex") {
			t.Errorf("%v, want class incomplete and why", err)
		}
		const most = 3 // to open, the first page, the second
		if n, posts := f.gets.Load(), f.searches.Load(); n > most || posts > 0 {
			t.Errorf("%d GETs and %d POSTs of one page, want at most %d and none", n, posts, most)
		}
	})
	t.Run("advancing", func(t *testing.T) {
		t.Parallel()
		f := &fixedPages{users: 190, advances: true, meet: make(chan struct{})}
		list(t, f, "")
		select {
		case <-f.meet:
		default:
			t.Error("no page was read ahead of the one before")
		}
		if n := f.gets.Load(); n != 11 {
			t.Errorf("%d GETs, want 1 to open and 10 pages", n)
		}
	})
}
