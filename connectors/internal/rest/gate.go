package rest

import (
	"container/list"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimsync/scimsync/connectors"
)

const (
	firstWorkers  = 16 // in flight at the start, where no limit was set
	mostWorkers   = 64
	fewestWorkers = 8 // that rising latency alone may lead to
	// longestPause bounds how long one answer can stop a client: a server
	// that asks for more is asked again after that.
	longestPause = time.Hour
	// unaskedPause follows a 429 that does not say how long to wait.
	unaskedPause = 250 * time.Millisecond
)

// pace lets tries through the gate.
type pace struct {
	next    http.RoundTripper
	gate    *gate
	traffic *connectors.Traffic
}

func (t *pace) RoundTrip(r *http.Request) (*http.Response, error) {
	began, waited, err := t.gate.enter(r.Context())
	t.traffic.AddWait(waited)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	resp, err := t.next.RoundTrip(r)
	var f *fault
	if err != nil {
		f = asFault(err)
	}
	if f != nil && f.slow {
		t.traffic.Throttled.Add(1)
	}
	t.gate.leave(began, shape(r), f)
	return resp, err
}

// gate bounds how many requests are open at once, and when the next may go. The
// number is learned: it is halved when the other side asks to slow down, once
// per round of requests, and grows by one per round while all of it is used and
// answers come as fast as ever. A pause asked of one request holds for all.
type gate struct {
	ceiling int
	told    bool          // the ceiling was configured
	longest time.Duration // a pause beyond this is refused, not waited for
	fixed   *rate.Limiter // the configured rate; nil without one
	learned *tempo

	mu       sync.Mutex
	limit    int
	inFlight int       // places taken
	held     int       // of these, waiting for a pause or the rate
	queue    list.List // of chan struct{}, first come first served
	round    int       // moves with every halving
	credit   int       // answers since the limit last moved
	until    time.Time // nothing is sent before
	speed    map[string]*latency
}

// ticket is one request in flight.
type ticket struct {
	round int
	at    time.Time
}

func newGate(l connectors.Limits, longest time.Duration) *gate {
	g := &gate{limit: firstWorkers, ceiling: mostWorkers, longest: longest, learned: newTempo(), speed: map[string]*latency{}}
	if l.Concurrency > 0 {
		g.limit, g.ceiling, g.told = l.Concurrency, l.Concurrency, true
	}
	if l.RequestsPerSecond > 0 {
		g.fixed = rate.NewLimiter(rate.Limit(l.RequestsPerSecond), max(1, int(l.RequestsPerSecond/10)))
	}
	return g
}

// enter waits for a place, for the end of a pause and for the rate. It returns
// the time spent on the latter two. After an error there is nothing to leave.
func (g *gate) enter(ctx context.Context) (ticket, time.Duration, error) {
	if err := g.place(ctx); err != nil {
		return ticket{}, 0, cancelled(ctx)
	}
	began := time.Now()
	err := g.hold(ctx)
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.free()
		return ticket{}, now.Sub(began), err
	}
	return ticket{round: g.round, at: now}, now.Sub(began), nil
}

// place takes one of the places.
func (g *gate) place(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.inFlight < g.limit && g.queue.Len() == 0 {
		g.inFlight++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	entry := g.queue.PushBack(turn)
	g.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // given in the same moment: pass it on
		g.free()
	default:
		g.queue.Remove(entry)
	}
	return ctx.Err()
}

// hold waits out pause and rate.
func (g *gate) hold(ctx context.Context) error {
	if err := g.pause(ctx); err != nil {
		return err
	}
	for _, limiter := range []*rate.Limiter{g.fixed, g.learned.limiter} {
		if limiter == nil {
			continue
		}
		turn := limiter.Reserve()
		if err := g.wait(ctx, turn.Delay()); err != nil {
			turn.Cancel()
			return err
		}
	}
	return g.pause(ctx) // one may have been asked for meanwhile
}

// pause waits until nobody wants us to. A pause beyond the longest is refused at
// once, so that the caller hears of it.
func (g *gate) pause(ctx context.Context) error {
	for {
		g.mu.Lock()
		pause := time.Until(g.until)
		g.mu.Unlock()
		if pause > g.longest {
			return &fault{
				class: connectors.Throttled, slow: true, final: true, wait: Wait{Delay: pause},
				text: fmt.Sprintf("not sent: the other side asked for a pause of another %s", pause.Round(time.Second)),
			}
		}
		if pause <= 0 {
			return nil
		}
		if err := g.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// wait sleeps for d, with a place taken that is not in use.
func (g *gate) wait(ctx context.Context, d time.Duration) error {
	if d > 0 {
		g.mu.Lock()
		g.held++
		g.mu.Unlock()
		defer func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.held--
		}()
	}
	if err := sleep(ctx, d); err != nil {
		return cancelled(ctx)
	}
	return nil
}

// leave gives the place back and learns from what came of the request.
func (g *gate) leave(t ticket, shape string, f *fault) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case f != nil && f.slow:
		g.slowDown(t, f.wait, now)
	case f == nil || f.sent && f.class != connectors.Transient:
		g.answered(shape, now.Sub(t.at), now)
	}
	g.free()
}

// slowDown halves the places, once for all requests that were under way
// together, and pauses.
func (g *gate) slowDown(t ticket, wait Wait, now time.Time) {
	if wait == (Wait{}) {
		wait.Delay = unaskedPause
	}
	if t.round == g.round {
		g.limit = max(1, min(g.limit, g.inFlight-g.held)/2)
		g.round++
		g.credit = 0
		if !wait.Concurrent {
			g.learned.throttled(now, wait.Delay)
		}
	}
	if wait.Delay > 0 && !wait.Concurrent {
		if until := now.Add(min(wait.Delay, longestPause)); until.After(g.until) {
			g.until = until
		}
	}
}

// answered lets the limit grow while it is what holds requests back.
func (g *gate) answered(shape string, took time.Duration, now time.Time) {
	g.learned.done(now)
	if g.told && g.limit == g.ceiling {
		return // as configured, and nobody minds
	}
	speed := g.speed[shape]
	if speed == nil {
		if len(g.speed) >= mostShapes {
			clear(g.speed)
		}
		speed = &latency{}
		g.speed[shape] = speed
	}
	speed.add(took)
	if g.inFlight < g.limit || g.held > 0 {
		return // something else holds requests back: nothing can be learned
	}
	g.credit++
	if g.credit < g.limit {
		return
	}
	g.credit = 0
	switch ratio := speed.ratio(); {
	case ratio > 4 && !g.told:
		g.limit = max(min(g.limit, fewestWorkers), g.limit-1)
	case ratio <= 2:
		g.limit = min(g.ceiling, g.limit+1)
	}
}

// free gives one place back and hands out what is free. The caller holds mu.
func (g *gate) free() {
	g.inFlight--
	for g.inFlight < g.limit && g.queue.Len() > 0 {
		turn := g.queue.Remove(g.queue.Front()).(chan struct{})
		g.inFlight++
		close(turn)
	}
}
