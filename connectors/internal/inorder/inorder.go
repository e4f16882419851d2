// Package inorder runs several pieces of a read side by side and hands their
// events on in the order in which the pieces were begun, so that a source that
// asks for many groups at once yields the same sequence as one that asks for one
// after the other.
//
// It is not a pool of workers and not a retrying layer: it makes no request,
// limits no rate and looks into no event.
package inorder

import (
	"context"
	"sync"

	"github.com/scimsync/scimsync/connectors"
)

// Pipeline is one read's. Its methods are called from one goroutine, the one that
// consumes; jobs run in their own. Each job is at most one batch ahead of the
// consumer, so that memory does not grow with the size of a group.
type Pipeline struct {
	ctx    context.Context //nolint:containedctx // one read's, and ended with it
	cancel context.CancelFunc
	width  int
	emit   func(connectors.Event) error
	queue  []chan batch
	busy   sync.WaitGroup
}

type batch struct {
	events []connectors.Event
	err    error
}

// Job does one piece of work. It hands events on with send and stops when that
// fails. The error it returns ends the read.
type Job func(ctx context.Context, send func(...connectors.Event) error) error

// New returns a pipeline that has at most width jobs under way and gives their
// events to emit. Close must be called.
func New(ctx context.Context, width int, emit func(connectors.Event) error) *Pipeline {
	ctx, cancel := context.WithCancel(ctx)
	return &Pipeline{ctx: ctx, cancel: cancel, width: max(1, width), emit: emit}
}

// Start begins a job, after emitting what the oldest one brought when as many as
// the width are under way. The error is a job's, emit's or the context's, and
// ends the read.
func (p *Pipeline) Start(j Job) error {
	for len(p.queue) >= p.width {
		if err := p.shift(); err != nil {
			return err
		}
	}
	out := make(chan batch, 1)
	p.queue = append(p.queue, out)
	p.busy.Go(func() {
		defer close(out)
		send := func(events ...connectors.Event) error { return p.hand(out, batch{events: events}) }
		if err := j(p.ctx, send); err != nil {
			// Where the pipeline has ended, nobody is left to be told.
			_ = p.hand(out, batch{err: err})
		}
	})
	return nil
}

func (p *Pipeline) hand(out chan<- batch, b batch) error {
	select {
	case out <- b:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// Finish emits what is left. Errors are as those of Start.
func (p *Pipeline) Finish() error {
	for len(p.queue) > 0 {
		if err := p.shift(); err != nil {
			return err
		}
	}
	return nil
}

// shift emits what the oldest job brings, to its end.
func (p *Pipeline) shift() error {
	out := p.queue[0]
	p.queue = p.queue[1:]
	for b := range out {
		if b.err != nil {
			return b.err
		}
		for _, e := range b.events {
			if err := p.emit(e); err != nil {
				return err
			}
		}
	}
	// A job cut off by the end of the context may have sent nothing.
	return p.ctx.Err()
}

// Close ends every job and returns when all have ended.
func (p *Pipeline) Close() {
	p.cancel()
	p.busy.Wait()
}
