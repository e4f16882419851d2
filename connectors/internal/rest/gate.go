package rest

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const (
	firstWorkers  = 16 // in flight at the start, where no limit was set
	mostWorkers   = 64
	fewestWorkers = 8 // that rising latency alone may lead to
	// longestPause bounds how long one answer can stop a client: a server
	// that asks for more is asked again after that.
	longestPause = time.Hour
	// unaskedPause follows a 429 that does not say how long to wait. It
	// doubles while nothing gets through, up to longestUnasked.
	unaskedPause   = 250 * time.Millisecond
	longestUnasked = 30 * time.Second
)

// gate decides when a request may go: never before a pause that was asked for is
// over, no faster than the rate that is known or was learned, no more at once
// than the other side bears, and nothing of a quota that is used up.
//
// The number in flight is learned: it shrinks when the other side asks to slow
// down, and grows by one per round of answers while all of it is used and
// answers come as fast as ever. What one request learns holds for all, in the
// order in which they came. It is safe for concurrent use.
type gate struct {
	ceiling int
	told    bool          // the ceiling was configured
	longest time.Duration // a pause beyond this is refused, not waited for

	mu       sync.Mutex
	limit    int
	inFlight int
	queue    list.List // of *waiter, first come first served
	alarm    *time.Timer
	full     bool      // whoever waits does so for a place
	held     time.Time // since when they wait for the clock instead; or zero

	round  int       // moves with every refusal
	until  time.Time // nothing is sent before
	unsure bool      // after a pause one goes ahead, and the rest when it is answered
	vain   int       // refusals without an answer between them
	idle   time.Time // since when nothing is in flight or waits

	wave   *wave // of the last one admitted
	left   bool  // somebody left since
	crowd  crowd
	tempo  tempo
	beat   beat
	span   span
	quotas map[string]*quota
	speed  map[string]*latency
}

// waiter is a request before the gate.
type waiter struct {
	kind   string
	since  time.Time
	turn   chan struct{}   // closed once ticket or err is set
	ended  <-chan struct{} // closed once its context has ended
	ticket ticket
	waited time.Duration
	err    error
}

// gaveUp reports whether nobody waits for the turn any more.
func (w *waiter) gaveUp() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// ticket is one request in flight.
type ticket struct {
	kind   string
	round  int
	beside int // in flight when it went, itself included
	wave   *wave
	at     time.Time
}

// wave is the requests that went with nobody leaving between them, on top of
// those that were in flight before.
type wave struct {
	most    int // in flight when the last of them went
	refused int // as one too many
	next    *wave
}

// borne returns how many at once the other side was seen to bear: of the most that
// were in flight since the wave went, those of it that were refused were too many.
// Whoever went later may have come first.
func (w *wave) borne() int {
	most := 0
	for later := w; later != nil; later = later.next {
		most = max(most, later.most)
	}
	return most - w.refused
}

func newGate(l connectors.Limits, longest time.Duration) *gate {
	g := &gate{
		limit: firstWorkers, ceiling: mostWorkers, longest: longest,
		wave: &wave{}, span: newSpan(l), quotas: map[string]*quota{}, speed: map[string]*latency{},
	}
	if l.Concurrency > 0 {
		g.limit, g.ceiling, g.told = l.Concurrency, l.Concurrency, true
	}
	g.tempo = newTempo(l.RequestsPerSecond)
	g.beat.set(g.tempo.perSecond())
	return g
}

// enter waits for a turn. It returns the time spent waiting for the clock rather
// than for a place. After an error there is nothing to leave.
func (g *gate) enter(ctx context.Context, kind string) (ticket, time.Duration, error) {
	if ctx.Err() != nil {
		return ticket{}, 0, cancelled(ctx)
	}
	g.mu.Lock()
	now := time.Now()
	w := &waiter{kind: kind, since: now, ended: ctx.Done()}
	g.awake(now)
	if g.queue.Len() == 0 {
		// The usual case: nobody waits, and nothing is in the way.
		if at, err := g.opens(kind, now); err != nil || g.inFlight < g.places() && !at.After(now) {
			defer g.mu.Unlock()
			if err != nil {
				return ticket{}, 0, err
			}
			return g.admit(kind, now), 0, nil
		}
	}
	w.turn = make(chan struct{})
	entry := g.queue.PushBack(w)
	g.dispatch(now)
	g.mu.Unlock()

	select {
	case <-w.turn:
		return w.ticket, w.waited, w.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.turn: // given in the same moment: pass it on
		if w.err == nil {
			g.vacate(w.ticket)
		}
	default:
		g.queue.Remove(entry)
	}
	now = time.Now()
	waited := w.waited
	if !g.held.IsZero() {
		waited = now.Sub(latest(w.since, g.held))
	}
	g.dispatch(now)
	return ticket{}, waited, cancelled(ctx)
}

// awake notes that there is work again after a time without. The caller holds mu,
// as of everything below.
func (g *gate) awake(now time.Time) {
	if g.inFlight == 0 && g.queue.Len() == 0 && !g.idle.IsZero() {
		g.tempo.rested(now.Sub(g.idle))
	}
	g.idle = time.Time{}
}

// places returns how many may be in flight.
func (g *gate) places() int {
	if g.unsure {
		return 1
	}
	return g.limit
}

// opens returns when a request of a kind may go at the earliest. A pause beyond
// the longest is refused at once, so that the caller hears of it.
func (g *gate) opens(kind string, now time.Time) (time.Time, error) {
	at := latest(g.until, latest(g.beat.opens(), g.span.opens()))
	if q := g.quotas[kind]; q != nil {
		at = latest(at, q.opens(now))
	}
	if pause := at.Sub(now); pause > g.longest {
		return at, &fault{
			class: connectors.Throttled, slow: true, final: true, wait: Wait{Delay: pause},
			text: fmt.Sprintf("not sent: the other side asked for a pause of another %s", pause.Round(time.Second)),
		}
	}
	return at, nil
}

// admit lets one through.
func (g *gate) admit(kind string, now time.Time) ticket {
	g.inFlight++
	g.beat.take(now)
	g.span.take(now)
	q := g.quotas[kind]
	if q == nil && len(g.quotas) < mostShapes {
		q = &quota{left: math.MaxInt}
		g.quotas[kind] = q
	}
	if q != nil {
		q.inFlight++
	}
	if g.left {
		g.wave.next = &wave{}
		g.wave, g.left = g.wave.next, false
	}
	g.wave.most = g.inFlight
	return ticket{kind: kind, round: g.round, beside: g.inFlight, wave: g.wave, at: now}
}

// vacate gives the place of a ticket back.
func (g *gate) vacate(t ticket) {
	g.inFlight--
	g.left = true
	if q := g.quotas[t.kind]; q != nil {
		q.inFlight--
	}
}

// dispatch lets through whoever may go, and sets the alarm for the next.
func (g *gate) dispatch(now time.Time) {
	g.full = false
	var next time.Time
	for e := g.queue.Front(); e != nil; {
		w := e.Value.(*waiter)
		if w.gaveUp() {
			e = e.Next() // it takes itself out of the queue
			continue
		}
		if g.inFlight >= g.places() {
			g.full = true
			break
		}
		at, err := g.opens(w.kind, now)
		if err == nil && at.After(now) {
			if next.IsZero() || at.Before(next) {
				next = at
			}
			if !g.quotas[w.kind].closed(now) {
				break // what holds this one holds all behind it
			}
			e = e.Next()
			continue
		}
		if err == nil {
			w.ticket = g.admit(w.kind, now)
		}
		w.err = err
		if !g.held.IsZero() {
			w.waited = now.Sub(latest(w.since, g.held))
		}
		behind := e.Next()
		g.queue.Remove(e)
		close(w.turn)
		e = behind
	}
	switch {
	case next.IsZero():
		g.held = time.Time{}
	case g.held.IsZero():
		g.held = now
	}
	g.wake(next, now)
	if g.inFlight == 0 && g.queue.Len() == 0 && g.idle.IsZero() {
		g.idle = now
	}
}

// wake sets the alarm; a zero time stops it.
func (g *gate) wake(at, now time.Time) {
	if at.IsZero() {
		if g.alarm != nil {
			g.alarm.Stop()
		}
		return
	}
	if g.alarm != nil {
		g.alarm.Reset(at.Sub(now))
		return
	}
	g.alarm = time.AfterFunc(at.Sub(now), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.dispatch(time.Now())
	})
}

// leave gives the place back and learns from what came of the request.
func (g *gate) leave(t ticket, f *fault, told report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.vacate(t)
	g.account(t, told)
	switch {
	case f != nil && f.slow:
		g.slowDown(t, f, now)
	case f == nil || f.sent && f.class != connectors.Transient:
		g.answered(t, now)
	}
	if f == nil || !f.slow {
		// Also when it came to nothing: somebody has to go ahead.
		g.unsure = g.unsure && t.round != g.round
	}
	g.dispatch(now)
}

// account keeps what an answer said about limits.
func (g *gate) account(t ticket, told report) {
	if told == (report{}) {
		return
	}
	if told.perSecond > 0 {
		g.tempo.tell(told.perSecond)
		g.beat.set(g.tempo.perSecond())
	}
	if q := g.quotas[t.kind]; told.counts && q != nil {
		q.update(told, time.Now())
	}
}

// slowDown pauses and learns. All that was under way together counts as one
// refusal, of which every answer may prolong the pause.
func (g *gate) slowDown(t ticket, f *fault, now time.Time) {
	first := t.round == g.round
	if first {
		g.round++
		g.vain++
	}
	if f.wait.Concurrent {
		g.crowded(t)
		return
	}
	f.pause = f.wait.Delay
	if f.pause <= 0 {
		f.pause = min(unaskedPause<<min(max(g.vain-1, 0), 16), longestUnasked)
	}
	pace := f.class == connectors.Throttled // 503: it is busy, whoever asks how fast
	burst := max(t.beside, g.inFlight+1)
	switch {
	case !first:
	case pace && (g.tempo.learned() || g.crowd.hold > 0) && burst > 1 && burst >= g.crowd.most:
		// Never were more of them borne: it may be that, and not the pace.
		g.limit = max(1, min(g.limit, burst-1))
		g.crowd.refused(burst)
	case pace:
		if !g.tempo.learned() {
			g.limit = max(1, min(g.limit, burst)/2)
		}
		g.tempo.refused(now, f.pause, g.inFlight)
		g.beat.set(g.tempo.perSecond())
	default:
		g.limit = max(1, min(g.limit, burst)/2)
	}
	g.unsure = true
	if until := now.Add(min(f.pause, longestPause)); until.After(g.until) {
		g.tempo.paused(until.Sub(latest(now, g.until)), until)
		g.until = until
	}
}

// crowded learns from a refusal that says how many at once were too many: each
// was one too many of its wave. Those that took the places of others meanwhile
// are waves of their own: who was refused then says nothing of the first.
func (g *gate) crowded(t ticket) {
	t.wave.refused++
	g.limit = max(1, min(g.limit, t.wave.borne()))
	g.crowd.refused(g.limit + 1)
}

// answered lets the limits grow while they are what holds requests back.
func (g *gate) answered(t ticket, now time.Time) {
	if t.round == g.round {
		g.vain = 0
	}
	if g.tempo.answered(now, !g.held.IsZero(), t.round != g.round) {
		g.beat.set(g.tempo.perSecond())
	}
	speed := g.speed[t.kind]
	if speed == nil {
		if len(g.speed) >= mostShapes {
			clear(g.speed)
		}
		speed = &latency{}
		g.speed[t.kind] = speed
	}
	speed.add(now.Sub(t.at))
	if g.limit == g.ceiling && g.told {
		return // as configured, and nobody minds
	}
	g.crowd.answered(t.beside)
	if !g.full {
		return // something else holds requests back: nothing can be learned
	}
	if g.crowd.round(g.limit) {
		g.limit = g.crowd.next(g.limit, g.ceiling, g.told, speed)
	}
}

// pace returns what is known by now.
func (g *gate) pace() connectors.Pace {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := connectors.Pace{AtOnce: g.limit, Most: g.ceiling}
	if rate := g.tempo.perSecond(); !math.IsInf(rate, 1) {
		p.PerSecond, p.Learned = rate, rate == g.tempo.rate
	}
	for _, speed := range g.speed {
		if took := time.Duration(speed.smooth * float64(time.Second)); p.Latency == 0 || took < p.Latency {
			p.Latency = took
		}
	}
	return p
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
