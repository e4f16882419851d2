package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/url"
	"sync"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// How many pages in a row may bring nothing. A delta round may well hold empty
// pages (learn.microsoft.com/graph/delta-query-overview); a listing that goes on
// so without end is none.
const (
	maxEmptyPages = 1000
	maxSamePages  = 10
	// maxItems and maxPages end a listing that has no end.
	maxItems = 20_000_000
	maxPages = 1_000_000
)

// ending says how a listing must end.
type ending int

const (
	plain ending = iota // without a link
	delta               // with a deltaLink
)

// page is one page of a listing, decoded into T.
type page[T any] struct {
	items []T
	next  string // the next page; empty on the last one
	delta string // where the next round starts; on the last page of a round
}

// client sends requests and follows links, to one origin only.
type client struct {
	graph *graph.Client
	base  *url.URL
}

// get sends one request and decodes the object it is answered with into v.
func (c *client) get(ctx context.Context, r graph.Request, v any) error {
	body, err := c.graph.Get(ctx, r)
	if err != nil {
		return rest.Wrap("", identity.Ref{}, err)
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return connectors.Errorf(connectors.Incomplete, "GET %s: the answer is not a JSON object: is the address that of Microsoft Graph?", pathOf(r))
	}
	if err := json.Unmarshal(body, v); err != nil {
		if _, one := errors.AsType[*json.UnmarshalTypeError](err); !one {
			return connectors.Errorf(connectors.Incomplete, "GET %s: the answer is not readable JSON", pathOf(r))
		}
		// One value of the wrong type is left zero, and found by name.
	}
	if name := repeated(body, "value", "@odata.nextLink", "@odata.deltaLink"); name != "" {
		return connectors.Errorf(connectors.Incomplete, "GET %s: the answer holds %s twice", pathOf(r), name)
	}
	return nil
}

// repeated returns the first of the names that the object has twice: which of
// them counts would be a guess (RFC 8259, section 4), and the decoder's, the last
// one, may lose half a page. Most answers hold each name once anywhere, which is
// quickly seen.
func repeated(object []byte, names ...string) string {
	for _, name := range names {
		if bytes.Count(object, []byte(`"`+name+`"`)) < 2 {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(object))
		_, _ = decoder.Token() // it is an object, and was decoded before
		for times := 0; decoder.More(); {
			key, err := decoder.Token()
			if err != nil {
				break
			}
			if key == name {
				if times++; times == 2 {
					return name
				}
			}
			var skipped json.RawMessage
			if decoder.Decode(&skipped) != nil {
				break
			}
		}
	}
	return ""
}

// pages yields the pages of a listing, following the links it is given. It asks
// for the next page while the caller works on the last. An error is the last
// thing it yields; without one the listing was seen to its end. Stopping early
// ends the request in flight before it returns.
func pages[T any](ctx context.Context, c *client, first graph.Request, end ending, mark func(T, *maphash.Hash)) iter.Seq2[page[T], error] {
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
			w := walk[T]{client: c, end: end, mark: mark, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
			for request := first; ; {
				p, err := w.step(ctx, request)
				select {
				case steps <- step{p, err}:
				case <-ctx.Done():
					return
				}
				if err != nil || p.next == "" {
					return
				}
				request = request.At(p.next)
			}
		})
		for s := range steps {
			if s.err != nil {
				yield(page[T]{}, s.err)
				return
			}
			if !yield(s.page, nil) || s.page.next == "" {
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
	end    ending
	mark   func(T, *maphash.Hash) // tells one item from another
	seed   maphash.Seed
	seen   map[uint64]struct{} // links followed
	before uint64              // the page before
	items  int
	empty  int // pages in a row that held nothing
	same   int // pages in a row that held what the one before did
}

func (w *walk[T]) step(ctx context.Context, request graph.Request) (page[T], error) {
	w.seen[maphash.String(w.seed, request.URL)] = struct{}{}
	var answer struct {
		Next  string `json:"@odata.nextLink"`
		Delta string `json:"@odata.deltaLink"`
		Value *[]T   `json:"value"`
	}
	if err := w.client.get(ctx, request, &answer); err != nil {
		return page[T]{}, err
	}
	incomplete := func(why string) (page[T], error) {
		return page[T]{}, connectors.Errorf(connectors.Incomplete, "GET %s: %s", pathOf(request), why)
	}
	if answer.Value == nil {
		return incomplete("the answer holds no list")
	}
	p := page[T]{items: *answer.Value}
	switch {
	case answer.Next != "" && answer.Delta != "":
		return incomplete("the page names a page that follows and is the last one at once")
	case answer.Next == "" && answer.Delta == "" && w.end == delta:
		return incomplete("the round ended without a deltaLink, so that nothing shows it was whole")
	}
	var err error
	if p.next, err = w.own(request, answer.Next); err != nil {
		return page[T]{}, err
	}
	if p.delta, err = w.own(request, answer.Delta); err != nil {
		return page[T]{}, err
	}
	if _, again := w.seen[maphash.String(w.seed, p.next)]; again && p.next != "" {
		return incomplete("the link to the next page leads to a page that was read before")
	}
	if err := w.advance(p.items); err != nil {
		return incomplete(err.Error())
	}
	return p, nil
}

// own returns the link as an address within Graph's own origin and, in a round,
// within what the round is of: another link would tell the changes of other
// objects, and those of these would never be told.
func (w *walk[T]) own(request graph.Request, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := rest.ResolveLink(w.client.base, link)
	if err != nil {
		return "", connectors.Errorf(connectors.Incomplete, "link to the next page: %w", err)
	}
	if w.end == delta && collection(u.String()) != collection(request.URL) {
		return "", connectors.Errorf(connectors.Incomplete, "GET %s: the link that follows leads away to %s", pathOf(request), u.EscapedPath())
	}
	return u.String(), nil
}

// advance refuses a listing that does not get on: a link that differs each time
// proves nothing.
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
	var h maphash.Hash
	h.SetSeed(w.seed)
	for _, item := range items {
		w.mark(item, &h)
	}
	now := h.Sum64()
	if now != w.before {
		w.before, w.same = now, 0
	} else if w.same++; w.same > maxSamePages {
		return errors.New("page after page holds only what the one before held")
	}
	return nil
}

// pathOf names a request without its query, which may hold a name or a token.
func pathOf(r graph.Request) string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return "Graph"
	}
	return u.EscapedPath()
}
