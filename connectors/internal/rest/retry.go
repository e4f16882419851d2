package rest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/scimsync/scimsync/connectors"
)

// patience bounds what a call waits for and how often it tries.
type patience struct {
	first   time.Duration // wait before the second try, doubled each time
	most    time.Duration // of one such wait
	longest time.Duration // wait the other side may ask for
	budget  time.Duration // all waits of a call together
	tries   int           // sent in vain
	slowed  int           // answered "slow down"
}

func patient() patience {
	return patience{
		first:   250 * time.Millisecond,
		most:    30 * time.Second,
		longest: 90 * time.Second,
		budget:  5 * time.Minute,
		tries:   5,
		slowed:  30,
	}
}

// maxRequestBody bounds a request body that has to be kept for a second try.
const maxRequestBody = 64 << 20

// retry repeats what may safely be repeated. Which is which:
//
//	what happened                         GET HEAD PUT DELETE   other methods
//	not sent (no connection, no token)    again                 again
//	429; 503 with Retry-After             after the wait        after the wait
//	connection lost, 408, 5xx but 501     again                 Lost
//	anything else                         no                    no
//
// A method of the last column that Repeatable accepts counts as one of the first.
// A wait beyond what is allowed ends the call with class Throttled.
type retry struct {
	next       http.RoundTripper
	patience   patience
	repeatable func(*http.Request) bool
	hide       *mask
	traffic    *connectors.Traffic
	log        *slog.Logger
}

func (t *retry) RoundTrip(r *http.Request) (*http.Response, error) {
	r, err := replayable(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	steps := &backoff.ExponentialBackOff{
		InitialInterval: t.patience.first, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: t.patience.most,
	}
	steps.Reset()
	var tried attempts
	for {
		out := r.Clone(ctx)
		if r.GetBody != nil {
			if out.Body, err = r.GetBody(); err != nil {
				return nil, unsendable(err)
			}
		}
		resp, err := t.next.RoundTrip(out)
		if err == nil {
			return resp, nil
		}
		f := *asFault(err)
		delay, again := t.decide(r, &f, &tried, steps)
		t.log.LogAttrs(ctx, slog.LevelDebug, "request did not succeed",
			slog.String("method", method(r)), slog.String("path", t.hide.hide(clip(clean(r.URL.EscapedPath()), maxPath))),
			slog.Int("attempt", tried.all), slog.String("class", string(f.class)), slog.Bool("again", again),
			slog.Duration("wait", delay), slog.String("problem", t.hide.hide(clip(clean(t.hide.hide(f.text)), maxText))))
		if !again {
			return nil, tried.report(&f)
		}
		t.traffic.Retries.Add(1)
		began := time.Now()
		err = sleep(ctx, delay)
		if f.slow {
			t.traffic.AddWait(time.Since(began))
		}
		if err != nil {
			// The last answer is known, so nothing is lost.
			f.cause, f.text = err, context.Cause(ctx).Error()+", while waiting to try again after: "+f.text
			return nil, &f
		}
	}
}

// attempts counts the tries of a call.
type attempts struct {
	all, failed, slowed int
	waited              time.Duration
}

func (a *attempts) report(f *fault) *fault {
	if a.all > 1 && !f.final {
		tries := fmt.Sprintf("%d tries", a.all)
		if f.note != "" {
			tries = f.note + ", " + tries
		}
		f.note = tries
	}
	return f
}

// decide says how long to wait before the next try, or that there is none; then
// f says what the caller is told.
func (t *retry) decide(r *http.Request, f *fault, tried *attempts, steps *backoff.ExponentialBackOff) (time.Duration, bool) {
	tried.all++
	safe := idempotent(r.Method) || t.repeatable != nil && t.repeatable(r)
	step := steps.NextBackOff()
	switch {
	case f.slow:
		tried.slowed++
		demand := f.wait.Delay
		delay := max(f.pause, min(step, t.patience.longest))
		if demand > 0 {
			// Not all at once when the wait is over.
			delay = demand + rand.N(min(demand/10, time.Second)+1) //nolint:gosec // jitter
		}
		if f.wait.Concurrent {
			delay = t.patience.first + rand.N(t.patience.first) //nolint:gosec // jitter
		}
		over := f.final || demand > t.patience.longest && !f.wait.Concurrent ||
			tried.waited+delay > t.patience.budget || tried.slowed >= t.patience.slowed
		if over {
			f.class = connectors.Throttled
			f.wait.Delay = max(demand, delay)
			return 0, false
		}
		tried.waited += delay
		return delay, true
	case f.class != connectors.Transient && f.class != connectors.Incomplete:
		return 0, false
	case f.sent && !safe:
		f.class = connectors.Lost
		f.text += ": sent, and it may have happened"
		return 0, false
	case f.final || f.class == connectors.Incomplete:
		return 0, false
	}
	tried.failed++
	if tried.failed >= t.patience.tries || tried.waited+step > t.patience.budget {
		return 0, false
	}
	if f.stale && tried.failed == 1 {
		return 0, true
	}
	tried.waited += step
	return step, true
}

// replayable returns r with GetBody set where it has a body, so that every try
// gets its own. A body that cannot be opened twice is read into memory. The
// original body is closed.
func replayable(r *http.Request) (*http.Request, error) {
	out := *r
	out.Body = nil
	if r.Body == nil || r.Body == http.NoBody {
		out.GetBody = nil
		return &out, nil
	}
	defer closeBody(r)
	if r.GetBody != nil {
		return &out, nil
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
	if err == nil && len(data) > maxRequestBody {
		err = fmt.Errorf("it is larger than %d MiB", maxRequestBody>>20)
	}
	if err != nil {
		return nil, unsendable(err)
	}
	out.ContentLength = int64(len(data))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return &out, nil
}

func unsendable(err error) *fault {
	return &fault{class: connectors.Rejected, final: true, text: "the request body was not sent: " + plain(err)}
}
