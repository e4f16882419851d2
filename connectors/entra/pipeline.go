package entra

import (
	"context"
	"sync"

	"github.com/scimsync/scimsync/connectors"
)

// pipeline runs jobs side by side and hands their events on in the order in
// which the jobs were started. Each job is at most one batch ahead of the
// consumer, so that memory does not grow with the size of a group.
type pipeline struct {
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

// job does one piece of work. It hands events on with send and stops when that
// fails. The error it returns ends the read.
type job func(ctx context.Context, send func(...connectors.Event) error) error

// newPipeline returns a pipeline of the given width. Close must be called.
func newPipeline(ctx context.Context, width int, emit func(connectors.Event) error) *pipeline {
	ctx, cancel := context.WithCancel(ctx)
	return &pipeline{ctx: ctx, cancel: cancel, width: width, emit: emit}
}

// start begins a job, after emitting what the oldest one brought when as many as
// the width are under way.
func (p *pipeline) start(j job) error {
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

func (p *pipeline) hand(out chan<- batch, b batch) error {
	select {
	case out <- b:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// finish emits what is left.
func (p *pipeline) finish() error {
	for len(p.queue) > 0 {
		if err := p.shift(); err != nil {
			return err
		}
	}
	return nil
}

// shift emits what the oldest job brings, to its end.
func (p *pipeline) shift() error {
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

// close ends every job and returns when all have ended.
func (p *pipeline) close() {
	p.cancel()
	p.busy.Wait()
}
