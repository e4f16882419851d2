package sailpoint

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
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
	t := newTally()
	q := query{target: l.target, filters: l.filters, sorters: l.sorters, limit: l.limit, count: true}
	last, overlap, behind := "", false, false
	for {
		p, err := list[T](ctx, l.client, q)
		if err != nil {
			return nil, "", err
		}
		items, n := p.items, len(p.items)
		if q.offset == 0 {
			t.begin(p.total, n)
		} else if n > 0 && t.excess() {
			if why, err := t.recount(p.total); why != "" || err != nil {
				return t.ids, why, err
			}
		}
		switch {
		case n == 0 && overlap:
			return t.ids, "rows went away between two pages", nil
		case n == 0:
			if t.twins > 0 {
				l.client.log.WarnContext(ctx, "SailPoint lists rows twice: each counts once", slog.String("op", l.op), slog.Int("count", t.twins))
			}
			return t.ids, t.judge(p.total), nil
		case overlap && l.id(items[0]) != last:
			return t.ids, "rows moved between two pages", nil
		case behind && n == 1:
			return t.ids, readBefore, nil
		case !overlap && q.offset > 0:
			// Not the end after all. What joins this page to the last one is
			// not proved, so it is asked for again with the joint.
			if !l.fresh(items, last, t.ids) {
				return t.ids, readBefore, nil
			}
			q.offset, q.count, overlap, behind = q.offset-1, t.excess(), true, true
			continue
		}
		if behind && !t.tail(n) {
			return t.ids, keepComing, nil
		}
		t.largest, behind = max(t.largest, n), false
		joint := 0
		if overlap {
			joint = 1
		}
		if why, err := l.take(items[:joint], items[joint:], t); why != "" || err != nil {
			return t.ids, why, err
		}
		last = l.id(items[n-1])
		overlap = n >= l.limit
		q.offset += n
		if overlap {
			q.offset--
		}
		q.count = !overlap || t.excess()
	}
}

// take hands on the rows of one page; joint is the row before them in the same
// answer, which was taken with the last page. A row that comes twice in one answer
// is two rows to SailPoint and one to us. In the order of the list the two stand
// side by side, so that, with the joint, they never come in two answers: a row
// that was in an earlier answer has moved.
func (l listing[T]) take(joint, rows []T, t *tally) (string, error) {
	here, fresh := make(map[string]bool, len(joint)+len(rows)), len(rows) == 0
	for _, row := range joint {
		here[l.id(row)] = true
	}
	for _, row := range rows {
		id := l.id(row)
		twin := here[id]
		here[id] = true
		switch {
		case id == "":
			t.nameless++
		case t.ids.add(id):
			fresh = true
		case twin:
			t.twins++
			continue
		default:
			return "rows came between two pages", nil
		}
		if err := l.each(row); err != nil {
			return "", err
		}
	}
	if !t.page(fresh) {
		return "its pages repeat themselves", nil
	}
	return "", nil
}

const readBefore = "behind the last page came rows that had been read before (is offset dropped on the way?)"

// fresh reports whether there is a row that was not read before, or may be a twin
// of the last one.
func (l listing[T]) fresh(items []T, last string, seen *idSet) bool {
	for _, item := range items {
		if id := l.id(item); id == "" || id == last || !seen.has(id) {
			return true
		}
	}
	return false
}
