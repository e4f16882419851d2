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

// pages yields the pages of the listing at target, following the links it is
// given. It asks for the next page while the caller works on the last. An error
// is the last thing it yields; without one the listing was seen to its end.
// Stopping early ends the request in flight before it returns.
func pages[T any](ctx context.Context, c *client, target string, id func(T) string) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var done sync.WaitGroup
		defer done.Wait()
		defer cancel()
		type step struct {
			page page[T]
			err  error
		}
		steps := make(chan step)
		done.Go(func() {
			defer close(steps)
			w := walk[T]{client: c, id: id, seen: make(map[uint64]struct{}), seed: maphash.MakeSeed()}
			for next := target; next != ""; {
				p, err := w.step(ctx, next)
				select {
				case steps <- step{p, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
				next = p.next
			}
		})
		for s := range steps {
			if s.err != nil {
				yield(page[T]{}, s.err)
				return
			}
			if !yield(s.page, nil) {
				return
			}
			if s.page.next == "" {
				return
			}
		}
		// The context ended between two pages.
		yield(page[T]{}, connectors.Errorf(connectors.Incomplete, "the listing was cut short: %w", context.Cause(ctx)))
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
