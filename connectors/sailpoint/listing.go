package sailpoint

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

const (
	// maxRows ends a list that has no end.
	maxRows = 20_000_000
	// maxTails is how often rows may come behind the end of a list while it is
	// read: one that grows with every request would be read for ever.
	maxTails = 20
)

// listing is one whole list and what becomes of its rows.
type listing[T any] struct {
	op      string // "list accounts"
	client  *client
	target  *url.URL
	filters string
	sorters string // "id" where empty; an order in which no row changes its place
	limit   int
	id      func(T) string
	// begin is called with 1 before the list is read, and with 2 before it is
	// read once more: what each was given before does not count any more.
	begin func(try int)
	// each is called for every row once. Rows without an id come as they are.
	each func(T) error
	// gone is called at the end for every row that was seen in a reading that
	// did not count and not in the one that did.
	gone func(id string) error
}

// read reads the list to its end and proves that it is whole. A list that
// changes while it is read is read once more, and is then of class Incomplete.
func (l listing[T]) read(ctx context.Context) error {
	var before *idSet
	for try := 1; ; try++ {
		l.begin(try)
		seen, why, err := l.pass(ctx)
		if err != nil {
			return rest.Wrap(l.op, identity.Ref{}, err)
		}
		if why == "" {
			return l.vanished(before, seen)
		}
		if try > 1 {
			return &connectors.Error{Op: l.op, Class: connectors.Incomplete, Err: fmt.Errorf(
				"%s, twice in a row: SailPoint is changing this list, as an aggregation does; run again when that is over, or set aggregation.wait", why)}
		}
		l.client.log.InfoContext(ctx, "the list changed while it was read: reading it once more", slog.String("op", l.op), slog.String("why", why))
		before = seen
	}
}

// vanished tells of the rows that only an earlier reading saw.
func (l listing[T]) vanished(before, now *idSet) error {
	if before == nil {
		return nil
	}
	for id := range before.all() {
		if now.has(id) {
			continue
		}
		if err := l.gone(id); err != nil {
			return err
		}
	}
	return nil
}

// pass reads the list once, from the first row to the empty page. Why says in
// words what moved meanwhile, and is empty for a list that was seen whole.
//
// After a full page comes one that begins with that page's last row: if it is not
// there, a row before it went away and others slipped past. After a page that is
// not full comes the one that should be empty, with the total once more.
func (l listing[T]) pass(ctx context.Context) (*idSet, string, error) {
	seen := newIDSet()
	first, nameless := unknown, 0
	largest, tails, behind := 0, 0, false
	q := query{target: l.target, filters: l.filters, sorters: l.sorters, limit: l.limit, count: true}
	last, overlap := "", false
	for {
		p, err := list[T](ctx, l.client, q)
		if err != nil {
			return nil, "", err
		}
		if q.offset == 0 {
			first = p.total
		}
		items, n := p.items, len(p.items)
		switch {
		case n == 0 && overlap:
			return seen, "rows went away between two pages", nil
		case n == 0:
			return seen, judge(first, p.total, seen.len()+nameless), nil
		case overlap && l.id(items[0]) != last:
			return seen, "rows moved between two pages", nil
		case overlap:
			items = items[1:]
		case q.offset > 0:
			// Not the end after all. What joins this page to the last one is
			// not proved, so it is asked for again with the joint.
			if !l.fresh(items, seen) {
				return seen, "behind the last page came rows that had been read before (is offset dropped on the way?)", nil
			}
			q.offset, q.count, overlap, behind = q.offset-1, false, true, true
			continue
		}
		// A server that answers less than was asked for does so on every page.
		if behind && n < largest {
			if tails++; tails > maxTails {
				return seen, "rows keep coming at its end", nil
			}
		}
		largest, behind = max(largest, n), false
		added := len(items) == 0
		for _, item := range items {
			id := l.id(item)
			if id == "" {
				nameless++
			} else if !seen.add(id) {
				continue
			}
			added = true
			if err := l.each(item); err != nil {
				return nil, "", err
			}
		}
		if !added {
			return seen, "rows came between two pages", nil
		}
		if seen.len()+nameless > maxRows {
			return nil, "", connectors.Errorf(connectors.Incomplete, "the list has more than %d rows", maxRows)
		}
		last = l.id(p.items[n-1])
		if overlap = n >= l.limit; overlap {
			q.offset, q.count = q.offset+n-1, false
		} else {
			q.offset, q.count = q.offset+n, true
		}
	}
}

func (l listing[T]) fresh(items []T, seen *idSet) bool {
	for _, item := range items {
		if id := l.id(item); id == "" || !seen.has(id) {
			return true
		}
	}
	return false
}

// judge compares the rows read with the totals told at both ends. A list that is
// told to be empty must be counted too: an empty answer alone is what a broken
// gateway gives.
func judge(first, last, read int) string {
	switch {
	case first == unknown && last == unknown && read > 0:
		return "" // every joint between two pages was proved
	case first == unknown && last == unknown:
		return "an empty list was answered, without the X-Total-Count that was asked for"
	case first != read || last != read:
		return fmt.Sprintf("%d rows were read, and SailPoint counted %s at the start and %s at the end", read, counted(first), counted(last))
	}
	return ""
}

func counted(total int) string {
	if total == unknown {
		return "nothing"
	}
	return strconv.Itoa(total)
}

// idSet is a set of ids. SailPoint's are 32 hexadecimal digits, of which it keeps
// the sixteen bytes.
type idSet struct {
	short map[[16]byte]struct{}
	other map[string]struct{}
}

func newIDSet() *idSet {
	return &idSet{short: map[[16]byte]struct{}{}, other: map[string]struct{}{}}
}

// packed returns the bytes of an id that consists of 32 lower-case hexadecimal
// digits.
func packed(id string) ([16]byte, bool) {
	var key [16]byte
	if len(id) != 2*len(key) {
		return key, false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return key, false
		}
	}
	_, err := hex.Decode(key[:], []byte(id))
	return key, err == nil
}

// add reports whether the id is new.
func (s *idSet) add(id string) bool {
	before := s.len()
	if key, ok := packed(id); ok {
		s.short[key] = struct{}{}
	} else {
		s.other[id] = struct{}{}
	}
	return s.len() > before
}

func (s *idSet) has(id string) bool {
	if key, ok := packed(id); ok {
		_, in := s.short[key]
		return in
	}
	_, in := s.other[id]
	return in
}

func (s *idSet) len() int { return len(s.short) + len(s.other) }

func (s *idSet) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range s.short {
			if !yield(hex.EncodeToString(key[:])) {
				return
			}
		}
		for id := range s.other {
			if !yield(id) {
				return
			}
		}
	}
}
