package scim

import (
	"context"
	"sync"

	"github.com/scimsync/scimsync/identity"
)

// The bounds of reading ahead: what is in flight is held in memory.
const (
	aheadPages   = 16
	aheadObjects = 4_000
	// aheadGroups bounds pages of groups, which may carry many members each.
	aheadGroups = 4
	// heavyMembers is how many members the pages that are read ahead may have
	// together. A page with more is the last of its size.
	heavyMembers = 20_000
)

// prefetch reads pages by index, ahead of the one asked for as far as the total
// is known. It guesses that pages stay as long as the first; where one does not,
// it stops reading ahead, and at goes on from where the pages really end.
type prefetch struct {
	ctx    context.Context //nolint:containedctx // ends with the listing that owns it
	cancel context.CancelFunc
	get    fetch
	group  sync.WaitGroup

	window int
	off    bool
	// wary keeps from reading ahead until the second page proves that pages
	// advance: who ignores count may ignore startIndex.
	wary    bool
	head    string
	step    int64
	next    int64
	total   int64
	pending map[int64]chan pageOrError
}

type pageOrError struct {
	page listPage
	err  error
}

func newPrefetch(ctx context.Context, w *walk, get fetch) *prefetch {
	ctx, cancel := context.WithCancel(ctx)
	p := &prefetch{ctx: ctx, cancel: cancel, get: get, pending: map[int64]chan pageOrError{}}
	p.window = min(aheadPages, max(1, aheadObjects/max(1, w.size)))
	if limit := w.s.profile.Limits.Concurrency; limit > 0 {
		p.window = min(p.window, limit)
	}
	if w.kind == identity.Group {
		p.window = min(p.window, aheadGroups)
	}
	p.off = p.window < 2 || w.lookup
	p.wary = w.s.learned.ignoresCount.Load()
	return p
}

// at returns the page that starts at the index. Calls come in rising order.
func (p *prefetch) at(start int64) (listPage, error) {
	var got pageOrError
	if ready, ok := p.pending[start]; ok {
		delete(p.pending, start)
		got = <-ready
	} else {
		if len(p.pending) > 0 {
			// The guess was wrong: what is on its way starts elsewhere.
			p.drop()
		}
		got.page, got.err = p.get(p.ctx, start)
	}
	if got.err == nil {
		p.learn(start, got.page)
		p.fill()
	}
	return got.page, got.err
}

// learn takes the length of the first page for that of all.
func (p *prefetch) learn(start int64, page listPage) {
	if page.members > heavyMembers || page.total < 0 {
		p.off = true
	}
	if page.members > 0 {
		p.window = min(p.window, max(1, heavyMembers/page.members))
	}
	p.total = page.total
	if p.step == 0 {
		p.step, p.head = int64(page.count), page.head()
	} else if p.wary {
		p.wary = page.head() == p.head
	}
	p.next = max(p.next, start+p.step)
}

func (p *prefetch) fill() {
	for !p.off && !p.wary && p.step > 0 && len(p.pending) < p.window && p.next <= p.total {
		ready := make(chan pageOrError, 1)
		start := p.next
		p.pending[start] = ready
		p.group.Go(func() {
			page, err := p.get(p.ctx, start)
			ready <- pageOrError{page, err}
		})
		p.next += p.step
	}
}

// asked reports whether the last page is on its way or here, as far as the total
// tells.
func (p *prefetch) asked() bool { return p.total >= 0 && p.next > p.total }

// drop forgets what is on its way and stops reading ahead.
func (p *prefetch) drop() {
	p.off = true
	clear(p.pending)
}

// stop ends what is on its way and waits for it.
func (p *prefetch) stop() {
	p.cancel()
	p.group.Wait()
}
