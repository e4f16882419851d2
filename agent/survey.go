package agent

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// survey looks at the target while the source is read, so that neither side waits
// for the other: it opens the session and, where everything will be compared,
// lists what the target holds into the scratch room, which is its own until it
// ends.
type survey struct {
	cancel func() // both sides
	ended  chan struct{}
	// seen counts the objects listed so far.
	seen atomic.Int64

	// The rest is read only after the end.

	// unopened says why there is no session, listed how each listing ended.
	unopened error
	listed   map[identity.Kind]error
}

// survey begins one. The context it returns is for reading the source, and ends
// when the target turns out to be out of reach.
func (a *Agent) survey(ctx context.Context, c *Cycle, everything bool) (*survey, context.Context) {
	reading, unreachable := context.WithCancel(ctx)
	looking, cancel := context.WithCancel(ctx)
	s := &survey{
		cancel: func() { cancel(); unreachable() }, ended: make(chan struct{}),
		listed: map[identity.Kind]error{},
	}
	go func() {
		defer close(s.ended)
		connect := a.reconnect
		if everything {
			connect = a.connect
		}
		if s.unopened = connect(looking, c); s.unopened != nil {
			unreachable()
			return
		}
		if everything && c.profile().Listable {
			s.list(looking, a, c)
		}
	}()
	return s, reading
}

// list lists every kind that can be. The next is asked for when nothing is left to ask
// for of the one before, so that its first pages are there when it has its turn. After
// a failure that ends the cycle, the others are given up.
func (s *survey) list(ctx context.Context, a *Agent, c *Cycle) {
	ctx, cancel := context.WithCancel(ctx)
	kinds := slices.DeleteFunc(a.kinds(), func(k identity.Kind) bool { return !offers(c.profile(), k) })
	listings, next := make([]*ahead, len(kinds)), func() {}
	for i, k := range slices.Backward(kinds) {
		listings[i] = newAhead(ctx, a.listing(ctx, c, k, next))
		next = listings[i].start
	}
	defer func() {
		cancel()
		for _, l := range listings {
			l.stop()
		}
	}()
	for i, k := range kinds {
		err := a.list(ctx, c, k, listings[i].all, func() { s.seen.Add(1) })
		if s.listed[k] = err; err != nil && connectors.ClassOf(err) != connectors.Incomplete {
			return
		}
	}
}

// join waits for the end, once the source has been read or could not be. Where both
// sides failed by themselves, both are told of. A side that was only cut off has
// nothing to tell, except that its credential is refused as well: whoever renews
// the one is to hear of the other in the same run.
func (s *survey) join(ctx context.Context, a *Agent, c *Cycle, read error) error {
	if read != nil {
		s.cancel()
	}
	s.follow(a)
	s.cancel()
	target := s.unopened
	if read == nil {
		return target
	}
	switch {
	case target == nil || cutOff(target):
		target = nil
		if refused(read) {
			target = refusal(ctx, func(ctx context.Context) error { return a.proveTarget(ctx, c) })
		}
	case cutOff(read):
		read = nil
		if refused(target) {
			read = refusal(ctx, a.proveSource)
		}
	}
	if target != nil && read != nil {
		return &BothError{Target: target, Source: read}
	}
	return cmp.Or(target, read)
}

// cutOff reports whether a side ended because it was told to.
func cutOff(err error) bool { return errors.Is(err, context.Canceled) }

// refused reports whether a side does not take its credential.
func refused(err error) bool { return connectors.ClassOf(err) == connectors.Unauthorized }

// refusal asks one side whether it refuses its credential, and returns how. The
// run has failed already and waits for no other answer.
func refusal(ctx context.Context, side func(context.Context) error) error {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := side(ctx); refused(err) {
		return err
	}
	return nil
}

// proveSource makes sure that the source takes its credential.
func (a *Agent) proveSource(ctx context.Context) error {
	_, err := a.Source.Info(ctx)
	return incomplete("read source "+a.Sync.Source.Name, err)
}

// proveTarget makes sure that the target takes its credential, without a question
// where it has shown that already.
func (a *Agent) proveTarget(ctx context.Context, c *Cycle) error {
	if err := a.connect(ctx, c); err != nil {
		return err
	}
	return a.prove(ctx, c, nil)
}

// BothError says that neither side could be read, each for a reason of its own.
type BothError struct{ Target, Source error }

// Error returns both reasons, on a line each.
func (e *BothError) Error() string { return e.Target.Error() + "\n" + e.Source.Error() }

// Unwrap returns both reasons.
func (e *BothError) Unwrap() []error { return []error{e.Target, e.Source} }

// follow shows how far the listing has come, until it ends.
func (s *survey) follow(a *Agent) {
	const often = 200 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	shown := 0
	for ended := false; !ended; {
		select {
		case <-s.ended:
			ended = true
		case <-tick.C:
		}
		seen := int(s.seen.Load())
		if shown == 0 && seen > 0 {
			a.Progress.Phase("reading "+a.Sync.Target.Name, 0)
		}
		if seen > shown {
			a.Progress.Advance(seen - shown)
		}
		shown = seen
	}
}

// listing asks the target for every object of a kind; ending is as in Want.
func (a *Agent) listing(ctx context.Context, c *Cycle, k identity.Kind, ending func()) iter.Seq2[identity.Entry, error] {
	return c.session.List(ctx, k, connectors.Want{Members: k == identity.Group && a.links(), Ending: ending})
}

// list brings every object of a listing into the scratch room, or none. Each is told
// to seen.
func (a *Agent) list(ctx context.Context, c *Cycle, k identity.Kind, entries iter.Seq2[identity.Entry, error], seen func()) error {
	return c.scratch.Load(ctx, func() error {
		for entry, err := range entries {
			if err != nil {
				return err
			}
			if err := c.scratch.PutLive(ctx, k, entry, keysOf(entry, a.keyPaths(k))); err != nil {
				return err
			}
			seen()
		}
		return nil
	})
}
