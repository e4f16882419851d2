package agent

import (
	"context"
	"time"
)

// factsLast is how long a cycle about few objects goes by what the target said of
// itself earlier. Cycles about everything always ask.
const factsLast = 24 * time.Hour

// connect opens the session of a cycle that has none.
func (a *Agent) connect(ctx context.Context, c *Cycle) error {
	if c.session != nil {
		return nil
	}
	var err error
	if c.session, err = a.Target.Open(ctx); err != nil {
		return a.unreachable(err)
	}
	c.opened = a.Now()
	return nil
}

// reconnect is connect for a cycle about few objects, for which asking the target
// what it can do would cost more than the work itself: it goes by what an earlier
// cycle was told, and proves at its end that the target was there.
func (a *Agent) reconnect(ctx context.Context, c *Cycle) error {
	known := c.bound
	age := a.Now().Sub(known.FactsAt)
	if c.session == nil && len(known.Facts) > 0 && known.URL == a.Sync.Target.URL && age.Abs() < factsLast {
		c.session = a.Target.Reopen(ctx, known.Facts)
	}
	return a.connect(ctx, c)
}

// prove makes sure, once a few objects were looked at and however that ended, that
// a target answered: a credential that is refused, and an address where nobody is
// any more, are told as such rather than as people who cannot be found.
func (a *Agent) prove(ctx context.Context, c *Cycle, looked error) error {
	if ctx.Err() != nil {
		return looked
	}
	if err := c.session.Prove(ctx); err != nil {
		return a.unreachable(err)
	}
	return looked
}

func (a *Agent) unreachable(err error) error {
	return incomplete("connect to target "+a.Sync.Target.Name, err)
}
