package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// patience bounds how long a notifier tries one message.
type patience struct {
	first  time.Duration // wait before the second try, doubled each time, varied by half
	most   time.Duration // of one wait
	budget time.Duration // from the first try to the beginning of the last
	tries  uint
}

// trouble is a failed try.
type trouble struct {
	err error
	// again says that another try may succeed.
	again bool
	// wait is what the other side asked for; zero where it did not say.
	wait time.Duration
}

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

// persist calls try until it succeeds, cannot succeed, or patience ends. The
// error is the last one, and says how many tries there were.
func persist(ctx context.Context, p patience, try func(context.Context) *trouble) error {
	steps := &backoff.ExponentialBackOff{
		InitialInterval: p.first, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: p.most,
	}
	tries := 0
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		t := try(ctx)
		if t == nil {
			return struct{}{}, nil
		}
		last = t.err
		switch {
		case !t.again:
			return struct{}{}, backoff.Permanent(t.err)
		case t.wait > 0:
			return struct{}{}, &demanded{t.err, t.wait}
		}
		return struct{}{}, t.err
	}, backoff.WithBackOff(steps), backoff.WithMaxTries(p.tries), backoff.WithMaxElapsedTime(p.budget))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(last, context.Cause(ctx)):
		return fmt.Errorf("%w, after: %w", context.Cause(ctx), last)
	case tries > 1:
		return fmt.Errorf("%w (%d tries)", last, tries)
	}
	return last
}

// demanded carries the wait the other side asked for to backoff.Retry.
type demanded struct {
	err  error
	wait time.Duration
}

func (d *demanded) Error() string { return d.err.Error() }

func (d *demanded) Unwrap() []error {
	return []error{d.err, &backoff.RetryAfterError{Duration: d.wait}}
}
