package scim_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/identity"
)

// crowds serves groups of so many members each.
type crowds struct {
	groups, members int
	// idBytes is how long the id of a member is.
	idBytes int

	mu     sync.Mutex
	counts []int // what was asked for, page by page
}

func (c *crowds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/Groups":
	case "/Users":
		answer(w, http.StatusOK, listOf())
		return
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
	count, _ := strconv.Atoi(r.URL.Query().Get("count"))
	c.mu.Lock()
	c.counts = append(c.counts, count)
	c.mu.Unlock()
	var page []map[string]any
	for g := start; g < start+count && g <= c.groups; g++ {
		members := make([]map[string]any, c.members)
		for m := range members {
			members[m] = map[string]any{"value": fmt.Sprintf("%0*d", c.idBytes, m)}
		}
		page = append(page, map[string]any{"id": fmt.Sprint("g", g), "displayName": fmt.Sprint("Group ", g), "members": members})
	}
	list := listOf(page...)
	list["totalResults"] = c.groups
	answer(w, http.StatusOK, list)
}

// However large groups are, no page but the first, of a few, holds more members
// than may be in memory at a time, and no group is lost where pages change their
// size. Groups of few members take hardly more pages than any other objects.
func TestListsCrowds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*struct {
		crowds
		later, requests int
	}{
		"small":         {crowds{groups: 250, members: 10, idBytes: 8}, 100, 4},
		"crowds":        {crowds{groups: 250, members: 500, idBytes: 8}, 40, 8},
		"beyond a page": {crowds{groups: 120, members: 500, idBytes: 512}, 40, 4},
		"one page":      {crowds{groups: 3, members: 21_000, idBytes: 8}, 100, 2}, // whether the total is of all is not known yet
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session, err := openAt(t, &c.crowds, scim.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for e, err := range session.List(t.Context(), identity.Group, connectors.Want{Members: true}) {
				if err != nil {
					t.Fatal(err)
				}
				if seen[e.TargetID] || len(e.Members.TargetIDs) != c.members {
					t.Errorf("%s with %d members, seen before: %t", e.TargetID, len(e.Members.TargetIDs), seen[e.TargetID])
				}
				seen[e.TargetID] = true
			}
			if len(seen) != c.groups || len(c.counts) > c.requests {
				t.Errorf("%d groups in %d requests, want %d in %d: %v", len(seen), len(c.counts), c.groups, c.requests, c.counts)
			}
			for i, count := range c.counts {
				if i > 0 && count > c.later || i == 0 && count != 8 {
					t.Errorf("page %d of %d groups: %v", i, count, c.counts)
				}
			}
		})
	}
}
