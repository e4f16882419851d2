package scimtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// indexPage is one page by startIndex and count (RFC 7644, section 3.4.2.4).
func (s *Server) indexPage(h *Hazards, q query, found []*resource, views map[identity.Kind]view) *answer {
	start, size := q.startIndex, s.options.PageSize
	if q.count >= 0 {
		size = min(q.count, size)
	}
	if h.NonAdvancingPages && start > 1 {
		s.fire("NonAdvancingPages")
		start = 1
	}
	from := min(start-1, len(found))
	if h.DuplicateAcrossPages && from > 0 {
		s.fire("DuplicateAcrossPages")
		from--
	}
	if h.ShrinkingPages && from > 0 && size > 1 {
		s.fire("ShrinkingPages")
		size /= 2
	}
	page := found[from:min(from+size, len(found))]

	total := len(found)
	if h.TotalIsPageSize && total != len(page) {
		s.fire("TotalIsPageSize")
		total = len(page)
	}
	if h.BigTotals != 0 {
		s.fire("BigTotals")
		total += h.BigTotals
	}
	totalText := fmt.Sprintf(`,"totalResults":%d`, total)
	switch {
	case h.NoTotal:
		s.fire("NoTotal")
		totalText = ""
	case h.TotalAsString:
		s.fire("TotalAsString")
		totalText = fmt.Sprintf(`,"totalResults":"%d"`, total)
	}
	if h.ZeroBasedStartIndex {
		s.fire("ZeroBasedStartIndex")
		start--
	}
	name := "Resources"
	if h.LowerCaseResources {
		s.fire("LowerCaseResources")
		name = "resources"
	}
	head := fmt.Appendf(nil, `{"schemas":["%s"]%s,"itemsPerPage":%d,"startIndex":%d`, urnList, totalText, len(page), start)
	return s.listAnswer(head, page, views, name)
}

// position is where a cursor points: behind the resource with this number in
// the listing. It is no snapshot, which RFC 9865 does not ask for.
type position struct {
	after uint64 // seq of the last resource shown; 0 begins
	index int    // used instead where the listing is sorted
}

// cursorPage is one page by cursor (RFC 9865, section 2): nextCursor is there
// on every page but the last.
func (s *Server) cursorPage(q query, at position, found []*resource, views map[identity.Kind]view) *answer {
	size := s.options.PageSize
	if q.count > 0 {
		size = min(q.count, size)
	}
	from := min(at.index, len(found))
	if q.sortBy == "" && len(views) == 1 {
		// By number, so that what is inserted or deleted meanwhile moves
		// nothing. found is in order of creation.
		from = sort.Search(len(found), func(i int) bool { return found[i].seq > at.after })
	}
	page := found[from:min(from+size, len(found))]
	head := fmt.Appendf(nil, `{"schemas":["%s"],"totalResults":%d,"itemsPerPage":%d`, urnList, len(found), len(page))
	if end := from + len(page); end < len(found) && len(page) > 0 {
		next := q.writeCursor(position{after: page[len(page)-1].seq, index: end})
		head = fmt.Appendf(head, `,"nextCursor":"%s"`, next)
	}
	return s.listAnswer(head, page, views, "Resources")
}

// mark ties a cursor to the query it came from: RFC 9865 wants every other
// parameter repeated unchanged.
func (q query) mark() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", q.filter, q.sortBy, q.sortOrder, q.attributes, q.excluded))
	return hex.EncodeToString(sum[:8])
}

func (q query) writeCursor(p position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", p.after, p.index, q.mark()))
}

func (s *Server) readCursor(c *call, q query) (position, error) {
	if q.count == 0 {
		return position{}, badRequest("invalidCount", "with a cursor, count must be at least 1")
	}
	if *q.cursor == "" {
		return position{}, nil
	}
	invalid := badRequest("invalidCursor", "the cursor is not one of this query")
	text, err := base64.RawURLEncoding.DecodeString(*q.cursor)
	if err != nil {
		return position{}, invalid
	}
	fields := strings.Fields(string(text))
	if len(fields) != 3 || fields[2] != q.mark() {
		return position{}, invalid
	}
	after, err1 := strconv.ParseUint(fields[0], 10, 64)
	index, err2 := strconv.Atoi(fields[1])
	if err1 != nil || err2 != nil || index < 0 {
		return position{}, invalid
	}
	if s.due("ExpireCursors", c.h.ExpireCursors, c) {
		return position{}, badRequest("expiredCursor", "the cursor has expired: start the listing again")
	}
	return position{after, index}, nil
}
