package agent

import (
	"context"
	"iter"
	"sync"

	"github.com/scimsync/scimsync/identity"
)

// aheadEntries is how many entries of a listing wait for their turn. A target shows
// a handful of groups first, to tell how many make a page: so many, and the page after
// them is on its way.
const aheadEntries = 8

// ahead is a listing that may begin before anybody takes what it yields, and then goes
// on until so much is waiting.
type ahead struct {
	ctx     context.Context //nolint:containedctx // of the listing, which was made with it
	entries iter.Seq2[identity.Entry, error]
	begin   sync.Once
	waiting chan listed
	cut     error // why it ended before its end, once waiting is closed; nil: it did not
}

type listed struct {
	entry identity.Entry
	err   error
}

// newAhead makes one that has not begun. It ends with ctx, which the listing was made
// with, or when all was taken.
func newAhead(ctx context.Context, entries iter.Seq2[identity.Entry, error]) *ahead {
	return &ahead{ctx: ctx, entries: entries, waiting: make(chan listed, aheadEntries)}
}

// start begins the listing, if it has not begun.
func (a *ahead) start() { a.begin.Do(func() { go a.run() }) }

func (a *ahead) run() {
	defer close(a.waiting)
	for entry, err := range a.entries {
		select {
		case a.waiting <- listed{entry, err}:
		case <-a.ctx.Done():
			a.cut = context.Cause(a.ctx)
			return
		}
	}
}

// all yields what the listing does, and an error where it was cut off: what is not
// seen to its end must never pass for all. It is for one consumer, once.
func (a *ahead) all(yield func(identity.Entry, error) bool) {
	a.start()
	for l := range a.waiting {
		if !yield(l.entry, l.err) {
			return
		}
	}
	if a.cut != nil {
		yield(identity.Entry{}, a.cut)
	}
}

// stop returns when the listing has ended; its context is over by then. It does not
// begin any more.
func (a *ahead) stop() {
	a.begin.Do(func() { close(a.waiting) })
	for range a.waiting { // what nobody takes any more
	}
}
