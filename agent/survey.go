package agent

import (
	"context"
	"errors"
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
		if s.unopened = a.connect(looking, c); s.unopened != nil {
			unreachable()
			return
		}
		if everything && c.profile().Listable {
			s.list(looking, a, c)
		}
	}()
	return s, reading
}

// connect opens the session of a cycle that has none.
func (a *Agent) connect(ctx context.Context, c *Cycle) error {
	if c.session != nil {
		return nil
	}
	var err error
	c.session, err = a.Target.Open(ctx)
	return incomplete("connect to target "+a.Sync.Target.Name, err)
}

// list lists every kind that can be. After a failure that ends the cycle, the
// others are not asked for.
func (s *survey) list(ctx context.Context, a *Agent, c *Cycle) {
	for _, k := range a.kinds() {
		if !offers(c.profile(), k) {
			continue
		}
		err := a.list(ctx, c, k, func() { s.seen.Add(1) })
		if s.listed[k] = err; err != nil && connectors.ClassOf(err) != connectors.Incomplete {
			return
		}
	}
}

// join waits for the end, once the source has been read or could not be. Where the
// target is out of reach, that is what ended both.
func (s *survey) join(a *Agent, read error) error {
	if read != nil {
		s.cancel()
	}
	s.follow(a)
	s.cancel()
	if s.unopened != nil && (read == nil || !errors.Is(s.unopened, context.Canceled)) {
		return s.unopened
	}
	return read
}

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

// list brings every object of a kind that the target holds into the scratch room,
// or none. Each is told to seen.
func (a *Agent) list(ctx context.Context, c *Cycle, k identity.Kind, seen func()) error {
	return c.scratch.Load(ctx, func() error {
		want := connectors.Want{Members: k == identity.Group && a.links()}
		for entry, err := range c.session.List(ctx, k, want) {
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
