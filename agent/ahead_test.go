package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/scimsync/scimsync/identity"
)

// entries yields n of them and then err, and counts what was taken.
func entries(n int, err error, taken *atomic.Int64) iter.Seq2[identity.Entry, error] {
	return func(yield func(identity.Entry, error) bool) {
		for i := range n {
			taken.Add(1)
			if !yield(identity.Entry{TargetID: fmt.Sprint(i)}, nil) {
				return
			}
		}
		if err != nil {
			yield(identity.Entry{}, err)
		}
	}
}

// take returns how many entries came, in their order, and the error at their end.
func (a *ahead) take(t *testing.T) (int, error) {
	t.Helper()
	n := 0
	for entry, err := range a.all {
		if err != nil {
			return n, err
		}
		if entry.TargetID != fmt.Sprint(n) {
			t.Fatalf("entry %s, want %d", entry.TargetID, n)
		}
		n++
	}
	return n, nil
}

func TestAhead(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, want := range []error{nil, broken} {
		var taken atomic.Int64
		a := newAhead(t.Context(), entries(100, want, &taken))
		if n, err := a.take(t); n != 100 || !errors.Is(err, want) {
			t.Errorf("%d entries, %v; want 100, %v", n, err, want)
		}
		a.stop()
	}
}

// It waits when enough is waiting for it.
func TestAheadIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var taken atomic.Int64
		a := newAhead(t.Context(), entries(100, nil, &taken))
		a.start()
		synctest.Wait()
		if n := taken.Load(); n != aheadEntries+1 {
			t.Errorf("%d were taken ahead, want %d", n, aheadEntries+1)
		}
		if n, err := a.take(t); n != 100 || err != nil {
			t.Errorf("%d entries, %v", n, err)
		}
	})
}

// A listing that is cut off never passes for a whole one, wherever that happens.
func TestAheadCutOff(t *testing.T) {
	t.Parallel()
	for at := range 30 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var taken atomic.Int64
			a := newAhead(ctx, entries(100, nil, &taken))
			a.start()
			synctest.Wait()
			n := 0
			var cut error
			for _, err := range a.all {
				if cut = err; err != nil {
					break
				}
				if n++; n == at+1 {
					cancel()
					synctest.Wait()
				}
			}
			if !errors.Is(cut, context.Canceled) || n == 100 {
				t.Errorf("cut off after %d: %d entries, %v", at, n, cut)
			}
			a.stop()
		})
	}
}

// One that was never asked for sends nothing.
func TestAheadNeverBegun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var taken atomic.Int64
	a := newAhead(ctx, entries(100, nil, &taken))
	cancel()
	a.stop()
	a.start()
	if n := taken.Load(); n != 0 {
		t.Errorf("%d were taken", n)
	}
}
