package okta

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"

	"github.com/scimsync/scimsync/connectors"
)

// How many pages in a row may bring nothing. Okta may answer an empty page with
// a link, and a page may repeat an object of the one before; a listing that does
// so without end is none.
const (
	maxEmptyPages = 100
	maxStalePages = 10
	// maxItems and maxPages end a listing that has no end.
	maxItems = 20_000_000
	maxPages = 1_000_000
)

// page is one page of a listing, decoded into T.
type page[T any] struct {
	answer
	items []T
}

// listing is a list that has been asked for. One page waits for the caller, and the
// next is asked for when that one is taken: memory does not grow with the length of
// the list, however long the caller takes to come to it.
type listing[T any] struct {
	ctx    context.Context //nolint:containedctx // one list's, and ended with it
	cancel context.CancelFunc
	steps  chan step[T]
	near   chan struct{} // closed when the first target has been answered to its end
	busy   sync.WaitGroup
}

// step is one page of a listing, or why there is none.
type step[T any] struct {
	page page[T]
	last bool // nothing follows it
	err  error
}

// list asks for the first page of the first target, at once where when is nil, or
// else when it is closed. Further targets are read after it, each from when the one
// before has been answered to its end. Close must be called.
func list[T any](ctx context.Context, c *client, id func(T) string, when <-chan struct{}, targets ...string) *listing[T] {
	l := &listing[T]{steps: make(chan step[T]), near: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(ctx) //nolint:gosec // G118: close calls it
	l.busy.Go(func() {
		defer close(l.steps)
		if when != nil {
			select {
			case <-when:
			case <-l.ctx.Done():
				return
			}
		}
		l.read(c, id, targets)
	})
	return l
}

// read hands on page after page until there are no more, or one cannot be had, or
// the list is closed.
func (l *listing[T]) read(c *client, id func(T) string, targets []string) {
	for i, target := range targets {
		w := walk[T]{client: c, id: id, seen: make(map[uint64]struct{}), seed: maphash.MakeSeed()}
		for next := target; next != ""; {
			p, err := w.step(l.ctx, next)
			next = p.next
			if err == nil && next == "" && i == 0 {
				close(l.near)
			}
			select {
			case l.steps <- step[T]{p, next == "" && i == len(targets)-1, err}:
			case <-l.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}
}

// pages yields the pages, once. An error is the last thing it yields; without one
// every target was seen to its end.
func (l *listing[T]) pages(yield func(page[T], error) bool) {
	for s := range l.steps {
		if s.err != nil {
			yield(page[T]{}, s.err)
			return
		}
		if !yield(s.page, nil) || s.last {
			return
		}
	}
	// The context ended between two pages.
	yield(page[T]{}, connectors.Errorf(connectors.Incomplete, "the listing was cut short: %w", context.Cause(l.ctx)))
}

// close ends the request in flight and returns when it has ended.
func (l *listing[T]) close() {
	l.cancel()
	l.busy.Wait()
}

// pages yields the pages of the listing at target, following the links it is
// given. It asks for the next page while the caller works on the last. Errors are
// as those of a listing. Stopping early ends the request in flight before it
// returns.
func pages[T any](ctx context.Context, c *client, target string, id func(T) string) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		l := list(ctx, c, id, nil, target)
		defer l.close()
		l.pages(yield)
	}
}

// walk is the way through one listing.
type walk[T any] struct {
	client *client
	id     func(T) string
	seed   maphash.Seed
	seen   map[uint64]struct{} // links followed, which may be long
	items  int
	before map[string]struct{} // ids of the page before
	empty  int                 // pages in a row that held nothing
	stale  int                 // pages in a row that held nothing new
}

func (w *walk[T]) step(ctx context.Context, target string) (page[T], error) {
	w.seen[maphash.String(w.seed, target)] = struct{}{}
	a, err := w.client.get(ctx, target)
	if err != nil {
		return page[T]{}, err
	}
	items, err := decodeList[T](a.body)
	if err != nil {
		return page[T]{}, connectors.Errorf(connectors.Incomplete, "GET %s: %w", pathOf(target), err)
	}
	if _, again := w.seen[maphash.String(w.seed, a.next)]; again && a.next != "" {
		return page[T]{}, connectors.Errorf(connectors.Incomplete,
			"GET %s: the link to the next page leads to a page that was read before: a proxy may be rewriting Link headers", pathOf(target))
	}
	if err := w.advance(items); err != nil {
		return page[T]{}, connectors.Errorf(connectors.Incomplete, "GET %s: %w", pathOf(target), err)
	}
	a.body = nil // a page may wait for its turn
	return page[T]{a, items}, nil
}

// advance refuses a listing that does not get on: pages that repeat the one
// before, or nothing but empty pages. A link that differs each time proves
// nothing.
func (w *walk[T]) advance(items []T) error {
	if w.items += len(items); w.items > maxItems || len(w.seen) > maxPages {
		return fmt.Errorf("the listing does not end after %d objects on %d pages", w.items, len(w.seen))
	}
	if len(items) == 0 {
		if w.empty++; w.empty > maxEmptyPages {
			return errors.New("nothing but empty pages")
		}
		return nil
	}
	w.empty = 0
	now := make(map[string]struct{}, len(items))
	fresh := false
	for _, item := range items {
		id := w.id(item)
		now[id] = struct{}{}
		if _, known := w.before[id]; !known || id == "" {
			fresh = true
		}
	}
	if w.before = now; fresh {
		w.stale = 0
	} else if w.stale++; w.stale > maxStalePages {
		return errors.New("page after page holds only what the one before held")
	}
	return nil
}

// decodeList decodes a JSON array. An element of the wrong type is left zero, so
// that one bad record does not take its page with it.
func decodeList[T any](body []byte) ([]T, error) {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '[' {
		return nil, errors.New("the answer is not a list")
	}
	var items []T
	err := json.Unmarshal(body, &items)
	if _, one := errors.AsType[*json.UnmarshalTypeError](err); one {
		return items, nil
	}
	if err != nil {
		return nil, errors.New("the answer is not readable JSON")
	}
	return items, nil
}
