package agent

import (
	"context"
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// aheadEntries is how many entries of a listing wait for their turn. A target shows
// a handful of groups first, to tell how many make a page: so many, and the page after
// them is on its way.
const aheadEntries = 8

// ahead is a listing that goes on before anybody takes what it yields, until so much
// is waiting.
type ahead struct {
	waiting chan listed
	cut     error // why it ended before its end, once waiting is closed; nil: it did not
}

type listed struct {
	entry identity.Entry
	err   error
}

// startAhead begins a listing. It ends with ctx, which the listing was made with,
// or when all was taken.
func startAhead(ctx context.Context, entries iter.Seq2[identity.Entry, error]) *ahead {
	a := &ahead{waiting: make(chan listed, aheadEntries)}
	go func() {
		defer close(a.waiting)
		for entry, err := range entries {
			select {
			case a.waiting <- listed{entry, err}:
			case <-ctx.Done():
				a.cut = context.Cause(ctx)
				return
			}
		}
	}()
	return a
}

// all yields what the listing does, and an error where it was cut off: what is not
// seen to its end must never pass for all. It is for one consumer, once.
func (a *ahead) all(yield func(identity.Entry, error) bool) {
	for l := range a.waiting {
		if !yield(l.entry, l.err) {
			return
		}
	}
	if a.cut != nil {
		yield(identity.Entry{}, a.cut)
	}
}

// wait returns when the listing has ended; its context is over by then.
func (a *ahead) wait() {
	if a != nil {
		for range a.waiting { //nolint:revive // what nobody takes any more
		}
	}
}
