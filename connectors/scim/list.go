package scim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// List yields every object of the kind, each once. It ends in class Incomplete
// where the pages cannot be proved to be all, or an object could not be read.
func (s *session) List(ctx context.Context, k identity.Kind, w connectors.Want) iter.Seq2[identity.Entry, error] {
	return func(yield func(identity.Entry, error) bool) {
		op := "list " + k.Plural()
		if k == identity.Group && !s.profile.Groups {
			yield(identity.Entry{}, rest.Wrap(op, identity.Ref{}, connectors.Errorf(connectors.Unsupported, "the target has no groups")))
			return
		}
		walk := s.newWalk(k, s.leaveOutMembers(k, w))
		walk.ending = w.Ending
		err := walk.run(ctx, func(entries []identity.Entry) error {
			entries, err := s.completeMembers(ctx, k, w, entries, walk)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return errStopped
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, errStopped), err == nil:
			return
		case !walk.began && isClass(err, connectors.Missing, connectors.Unsupported):
			err = connectors.Errorf(connectors.Unsupported, "the target does not list %s: %w", k.Plural(), err)
		}
		yield(identity.Entry{}, s.wrap(op, identity.Ref{}, err))
	}
}

// leaveOutMembers is the part of a query that keeps group answers small where
// members are not wanted (RFC 7644, section 3.9).
func (s *session) leaveOutMembers(k identity.Kind, w connectors.Want) query {
	if k != identity.Group || w.Members || !or(s.product.ExcludedAttributes, true) {
		return nil
	}
	return query{{"excludedAttributes", "members"}}
}

var (
	// errStopped says that the consumer has had enough.
	errStopped = errors.New("stopped")
	// errNoAdvance says that the pages repeat themselves.
	errNoAdvance = errors.New("pages do not advance")
)

// walk is one way through all pages of a query.
type walk struct {
	s     *session
	kind  identity.Kind
	fixed query // parameters every page repeats
	size  int   // count to ask for
	// lookup says that few objects are expected: a short page ends it.
	lookup bool
	// maxPages ends a look-up whose filter is ignored; 0 is no bound.
	maxPages int
	// ending is called when nothing is left to ask for; nil once it was.
	ending func()

	// began says that a first page was read.
	began bool
	// seen are the ids yielded. Should two have the same digest, the total tells.
	seen       digests
	total      int64 // the last totalResults; -1 unknown
	shrunk     bool  // totalResults fell while paging: objects may have moved to pages already read
	unreadable []string
	unread     int
	unnamed    int // unreadable ones of which pages kept no text
}

func (s *session) newWalk(k identity.Kind, fixed query) *walk {
	size := s.pageSize()
	if k == identity.Group {
		if smaller := int(s.learned.groupPage.Load()); smaller > 0 {
			size = min(size, smaller)
		}
	}
	return &walk{s: s, kind: k, fixed: fixed, size: size, total: -1}
}

// emit takes the new entries of a page.
type emit func([]identity.Entry) error

// run reads all pages and hands each entry on once.
func (w *walk) run(ctx context.Context, emit emit) error {
	var err error
	switch w.s.pagingMethod() {
	case cursorPaging:
		err = w.byCursor(ctx, emit)
	case noPaging:
		err = w.atOnce(ctx, emit)
	default:
		err = w.byIndex(ctx, emit)
	}
	if err != nil {
		return err
	}
	if w.unread > 0 {
		return connectors.Errorf(connectors.Incomplete, "%d of the %s could not be read: %s",
			w.unread+w.unnamed, w.kind.Plural(), strings.Join(w.unreadable, "; "))
	}
	return nil
}

// tooLarge says that a page was larger than is read, so that a shorter one may do.
func tooLarge(err error) bool {
	return errors.Is(err, errTooLarge) || codeOf(err) == rest.CodeAnswerTooLarge
}

// maxObjects ends a listing that has no end: what has been seen is remembered in
// memory.
const maxObjects = 5_000_000

// bounded refuses a listing that goes on for ever.
func (w *walk) bounded() error {
	if w.seen.len() <= maxObjects {
		return nil
	}
	return connectors.Errorf(connectors.Incomplete, "the target lists more than %d %s: it may be making them up", maxObjects, w.kind.Plural())
}

// take returns the entries that were not seen before and remembers them.
func (w *walk) take(p listPage) []identity.Entry {
	w.began = true
	w.s.learnTotals(p)
	if p.total >= 0 {
		w.shrunk = w.shrunk || p.total < w.total
		w.total = p.total
	}
	fresh := p.entries[:0]
	for _, e := range p.entries {
		if w.seen.add(e.TargetID) {
			fresh = append(fresh, e)
		}
	}
	for _, problem := range p.unreadable {
		if w.seen.add("\x00" + problem) {
			w.refuse(problem)
		}
	}
	w.unnamed += p.unnamed
	return fresh
}

// refuse notes an object that could not be read. The first few are named.
func (w *walk) refuse(why string) {
	const named = 5
	if w.unread++; w.unread <= named {
		w.unreadable = append(w.unreadable, why)
	}
}

// asked says that nothing is left to ask for.
func (w *walk) asked() {
	if w.ending != nil {
		w.ending()
		w.ending = nil
	}
}

// learnTotals remembers that totalResults counts more than the page at hand.
func (s *session) learnTotals(p listPage) {
	if p.total > int64(p.count) {
		s.learned.totalsHonest.Store(true)
	}
}

// whole proves at the end of the pages that nothing is missing.
func (w *walk) whole() error {
	if w.total > int64(w.seen.len()+w.unnamed) {
		return connectors.Errorf(connectors.Incomplete,
			"the listing of %s ended after %d distinct objects, the target counts %d", w.kind.Plural(), w.seen.len(), w.total)
	}
	return nil
}

// byIndex reads pages by startIndex. A product whose GET repeats the first page
// and whose profile says that it searches is asked by POST /.search, with numbers
// instead of text: scimmy-routers 1.3 reads startIndex there only. No other
// target is: who does not know .search might take the request for a create, and a
// read must send nothing that could be a write.
func (w *walk) byIndex(ctx context.Context, emit emit) error {
	if w.s.product.Search && !w.lookup {
		return w.stuck(w.indexPages(ctx, w.search, emit))
	}
	err := w.indexPages(ctx, w.get, emit)
	if !errors.Is(err, errNoAdvance) {
		return err
	}
	if w.s.product.Search {
		err = w.indexPages(ctx, w.search, emit)
	}
	return w.stuck(err)
}

// stuck explains pages that do not advance.
func (w *walk) stuck(err error) error {
	if !errors.Is(err, errNoAdvance) {
		return err
	}
	return connectors.Errorf(connectors.Incomplete,
		"the target repeats the same page of %s (%d distinct objects seen): it ignores startIndex; raise limits.page_size above the number of %s, or ask its maker for a profile that says how it pages: %w",
		w.kind.Plural(), w.seen.len(), w.kind.Plural(), err)
}

// indexPages walks the pages; a total that fell while paging means that objects
// may have slipped to a page already read, so that one more pass looks for them.
func (w *walk) indexPages(ctx context.Context, get fetch, emit emit) error {
	for pass := 1; ; pass++ {
		w.shrunk = false
		if err := w.indexPass(ctx, get, emit, pass); err != nil {
			return err
		}
		if !w.shrunk || !w.s.learned.totalsHonest.Load() {
			return w.whole()
		}
		if pass == 2 {
			return connectors.Errorf(connectors.Incomplete,
				"%s kept disappearing while they were listed; list again when the target is quiet", w.kind.Plural())
		}
	}
}

func (w *walk) indexPass(ctx context.Context, get fetch, emit emit, pass int) error {
	full := w.size
	probing := pass == 1 && w.probes()
	if probing {
		w.size = min(full, firstGroups)
	}
	pages := newPrefetch(ctx, w, get)
	pages.off = pages.off || probing
	defer func() { pages.stop() }()
	const idle = 3 // pages in a row that bring nothing new, though they differ
	start, head, stale := int64(1), "", 0
	for n := 1; ; n++ {
		p, err := pages.at(start)
		if tooLarge(err) && w.size > 1 {
			pages.stop()
			w.shrinkPage()
			pages = newPrefetch(ctx, w, get)
			n--
			continue
		}
		if err != nil {
			return fmt.Errorf("page from %d: %w", start, err)
		}
		repeats := n > 1 && p.head() == head
		if n == 1 {
			head = p.head()
		}
		before := w.seen.len()
		fresh := w.take(p)
		if pages.asked() {
			w.asked()
		}
		if err := emit(fresh); err != nil {
			return err
		}
		if err := w.bounded(); err != nil {
			return err
		}
		start += int64(p.count)
		// A page may begin with what the one before ended with, and a second
		// pass sees what the first has seen: only the first page again, or
		// several stale ones, tell that the pages do not advance.
		if stale++; w.seen.len() > before {
			stale = 0
		}
		if stale > 0 && p.count > 0 && (repeats || pass == 1 && stale >= idle) {
			return w.repeated(p)
		}
		if stale > 0 && !repeats && w.total < 0 && p.count < w.size {
			return nil // the tail of the last page, again
		}
		if p.count == 0 || w.enough(p, start) {
			return nil
		}
		if w.maxPages > 0 && n >= w.maxPages {
			return connectors.Errorf(connectors.Unsupported, "the filter finds more than %d pages: it is ignored", n)
		}
		if probing || w.heavy(p) {
			pages.stop()
			if probing {
				w.size, probing = full, false
			}
			w.slim(p)
			pages = newPrefetch(ctx, w, get)
		}
	}
}

// firstGroups is how many groups are asked for at first, where nothing is known of
// how many members they have: a hundred large ones are tens of megabytes.
const firstGroups = 8

// probes reports whether the first page is to tell how large pages may be.
func (w *walk) probes() bool {
	return w.kind == identity.Group && !w.lookup && len(w.fixed) == 0 && w.s.learned.groupPage.Load() == 0
}

// heavy reports whether a page had more members than is held at a time, though it
// had several groups.
func (w *walk) heavy(p listPage) bool {
	return w.kind == identity.Group && p.members > heavyMembers && p.count > 1 && w.size > 1
}

// slim asks for no more groups from now on than have so many members, if they are
// like those of the page.
func (w *walk) slim(p listPage) {
	if p.members == 0 {
		return
	}
	w.size = min(w.size, max(1, p.count*heavyMembers/p.members))
	w.s.learned.groupPage.Store(int32(w.size))
}

// enough reports whether the page just read was the last. A total that was
// never seen to exceed its page may be just the size of the page (Casdoor), so
// that one more page is asked for.
func (w *walk) enough(p listPage, next int64) bool {
	short := p.count < w.size
	if w.lookup && short && w.total <= int64(w.seen.len()) {
		return true
	}
	return w.total >= 0 && next > w.total && int64(w.seen.len()) >= w.total && w.s.learned.totalsHonest.Load()
}

// repeated judges a page that brought nothing new: everything may be in already,
// because the target does not page at all.
func (w *walk) repeated(p listPage) error {
	switch {
	case w.total >= 0 && int64(w.seen.len()) < w.total:
		return errNoAdvance
	case p.count > w.size: // count is ignored as well
		return nil
	case w.total >= 0 && (p.count < w.size || w.s.learned.totalsHonest.Load()):
		return nil
	case w.total < 0 && w.lookup:
		return nil
	}
	return errNoAdvance
}

// shrinkPage asks for smaller pages from now on.
func (w *walk) shrinkPage() {
	w.size = max(1, w.size/4)
	if w.kind == identity.Group {
		w.s.learned.groupPage.Store(int32(w.size))
	}
}

// fetch reads the page that starts at an index, counted from 1.
type fetch func(ctx context.Context, start int64) (listPage, error)

func (w *walk) get(ctx context.Context, start int64) (listPage, error) {
	if w.lookup && start == 1 && w.s.dialect.lookup != lookupPaged {
		return w.request(ctx, http.MethodGet, w.fixed, nil)
	}
	q := w.fixed.with("startIndex", strconv.FormatInt(start, 10)).with("count", strconv.Itoa(w.size))
	return w.request(ctx, http.MethodGet, q, nil)
}

// search asks by POST (RFC 7644, section 3.4.3).
func (w *walk) search(ctx context.Context, start int64) (listPage, error) {
	body := map[string]any{"schemas": []string{searchSchema}, "startIndex": start, "count": w.size}
	for _, pair := range w.fixed {
		if pair[0] == "excludedAttributes" {
			body[pair[0]] = []string{pair[1]}
			continue
		}
		body[pair[0]] = pair[1]
	}
	return w.request(ctx, http.MethodPost, nil, body)
}

func (w *walk) request(ctx context.Context, method string, q query, body any) (listPage, error) {
	u := w.s.at(collection(w.kind))
	if body != nil {
		u = w.s.at(collection(w.kind), ".search")
	}
	resp, err := w.s.send(ctx, method, withQuery(u, q), body, "")
	if err != nil {
		return listPage{}, err
	}
	defer resp.Body.Close()
	limit := int64(pageBytes)
	switch {
	case w.size == 1:
		limit = objectBytes
	case w.kind == identity.Group:
		limit = groupPageBytes
	}
	page, err := readPage(resp, w.kind, limit)
	if err == nil {
		w.s.learned.answered.Store(true)
	}
	return page, err
}

// head is the id of the first entry: what tells two pages apart.
func (p listPage) head() string {
	if len(p.entries) == 0 {
		return ""
	}
	return p.entries[0].TargetID
}
