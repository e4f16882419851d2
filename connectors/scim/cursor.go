package scim

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/scimsync/scimsync/connectors"
)

// maxCursor bounds a cursor, which goes into an address.
const maxCursor = 16 << 10

// byCursor reads pages by cursor (RFC 9865). The only end is a page without
// nextCursor. An expired cursor restarts the listing once.
func (w *walk) byCursor(ctx context.Context, emit emit) error {
	const idle = 5 // pages in a row that bring nothing new
	cursor, restarted, stale := "", false, 0
	for n := 1; ; n++ {
		p, err := w.request(ctx, http.MethodGet, w.fixed.with("count", strconv.Itoa(w.size)).with("cursor", cursor), nil)
		switch code := codeOf(err); {
		case tooLarge(err) && w.size > 1:
			// RFC 9865, section 2.3: count may not change on the way.
			w.shrinkPage()
			cursor = ""
			continue
		case err != nil && cursor != "" && !restarted && (code == codeExpiredCursor || code == codeInvalidCursor):
			cursor, restarted = "", true
			continue
		case err != nil:
			return fmt.Errorf("page %d: %w", n, err)
		}
		before := w.seen.len()
		fresh := w.take(p)
		if p.next == "" {
			w.asked()
		}
		if err := emit(fresh); err != nil {
			return err
		}
		if err := w.bounded(); err != nil {
			return err
		}
		if len(p.next) > maxCursor {
			return connectors.Errorf(connectors.Incomplete, "page %d: its cursor is longer than %d KiB", n, maxCursor>>10)
		}
		if p.next == "" {
			if w.total >= 0 && w.s.learned.totalsHonest.Load() {
				return w.whole()
			}
			return nil
		}
		if stale++; w.seen.len() > before || restarted {
			stale = 0
		}
		if p.next == cursor || stale >= idle {
			return connectors.Errorf(connectors.Incomplete, "the cursor of %s does not advance after %d distinct objects", w.kind.Plural(), w.seen.len())
		}
		if w.maxPages > 0 && n >= w.maxPages {
			return connectors.Errorf(connectors.Unsupported, "the filter finds more than %d pages: it is ignored", n)
		}
		cursor = p.next
	}
}

// atOnce reads a listing that has no pages.
func (w *walk) atOnce(ctx context.Context, emit emit) error {
	p, err := w.request(ctx, http.MethodGet, w.fixed, nil)
	if err != nil {
		return err
	}
	if err := emit(w.take(p)); err != nil {
		return err
	}
	return w.whole()
}
