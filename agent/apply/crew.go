package apply

import (
	"context"
	"sync"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// crew works on the steps of one place, many objects at a time. Its methods belong
// to the goroutine of the run; only the workers are others.
type crew struct {
	run *run
	ctx context.Context //nolint:containedctx // that of the calls; ends with the place

	queue   chan []*job
	answers chan answer
	workers sync.WaitGroup
	hired   int

	// out are the objects with jobs that are not settled yet.
	out     map[identity.Ref]int
	members int // of those jobs
	// awaited counts the jobs whose answer has not come; pending are answers
	// that are not written down.
	awaited int
	pending []answer
}

func (r *run) newCrew(ctx context.Context) *crew {
	return &crew{
		run: r, ctx: ctx, queue: make(chan []*job, 2*chunk), answers: make(chan answer, 2*chunk),
		out: map[identity.Ref]int{},
	}
}

// ready writes down what has come, and waits until the crew may be given steps: no
// more than chunk of them wait there, they have few members, and none is about the
// same objects, whose new state the steps may need.
func (c *crew) ready(steps []plan.Step) error {
	for len(c.answers) > 0 || c.awaited > 0 && (len(c.queue) > chunk || c.members >= crowd) {
		if err := c.await(); err != nil {
			return err
		}
	}
	for _, s := range steps {
		if c.out[s.Ref] > 0 {
			return c.settleAll()
		}
	}
	return nil
}

// take starts jobs, those of one object one after another.
func (c *crew) take(jobs []*job) {
	for _, j := range jobs {
		c.out[j.change.Ref]++
		c.members += len(j.change.Members)
	}
	c.awaited += len(jobs)
	for _, chain := range chained(jobs) {
		c.queue <- chain
		if c.hired < max(1, c.run.Workers) {
			c.hired++
			c.workers.Go(c.work)
		}
	}
}

func (c *crew) work() {
	for chain := range c.queue {
		c.run.chain(c.ctx, chain, c.answers)
	}
}

// dismiss tells the workers that nothing more comes.
func (c *crew) dismiss() { close(c.queue) }

// await waits for one answer, and writes down what has come when that is enough.
func (c *crew) await() error {
	c.pending = append(c.pending, <-c.answers)
	if c.awaited--; len(c.pending) < settleEvery {
		return nil
	}
	return c.settle()
}

// settleAll waits for every answer and writes it down. After a failure to do so
// nothing new is begun, and the rest is waited for.
func (c *crew) settleAll() error {
	var problem error
	for c.awaited > 0 {
		if err := c.await(); err != nil && problem == nil {
			problem = err
			c.run.halted()
		}
	}
	if err := c.settle(); problem == nil {
		problem = err
	}
	return problem
}

// settle writes down what is pending, also when the run is being cut short.
func (c *crew) settle() error {
	pending := c.pending
	c.pending = nil
	if len(pending) == 0 {
		return nil
	}
	for _, a := range pending {
		ref := a.job.change.Ref
		if c.out[ref]--; c.out[ref] == 0 {
			delete(c.out, ref)
		}
		c.members -= len(a.job.change.Members)
	}
	return c.run.settle(context.WithoutCancel(c.ctx), pending)
}
