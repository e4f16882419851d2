package rest

import (
	"time"

	"golang.org/x/time/rate"
)

// tempo learns a rate from being throttled: the second time, what was done since
// the first is what the other side allows. It is used a little under that, and
// forgotten by and by.
type tempo struct {
	limiter *rate.Limiter
	last    time.Time     // throttled
	pause   time.Duration // asked for then
	grown   time.Time
	count   int // answers since last
}

const (
	tempoWindow  = 2 * time.Minute // longer cycles say more about us than about the limit
	tempoStorm   = time.Second
	tempoEnough  = 5 // answers that make a measurement
	tempoStep    = 5 * time.Second
	tempoCalm    = time.Minute
	slowestTempo = 0.5  // requests per second
	fastestTempo = 2000 // above this the limiter is taken off
)

func newTempo() *tempo { return &tempo{limiter: rate.NewLimiter(rate.Inf, 1)} }

// throttled measures and sets the rate; pause is what was asked for now. The
// gate's lock is held.
func (t *tempo) throttled(now time.Time, pause time.Duration) {
	since := now.Sub(t.last)
	if since < tempoStorm {
		return // still the same storm: go on counting
	}
	known := t.limiter.Limit() != rate.Inf
	switch {
	case known && since > 3*t.pause:
		// Long after the last one: a little too fast is all we were.
		t.set(now, max(slowestTempo, 0.97*float64(t.limiter.Limit())))
	case !t.last.IsZero() && since <= tempoWindow && t.count >= tempoEnough:
		// The cycle holds one burst and one pause.
		t.set(now, max(slowestTempo, 0.98*float64(t.count)/since.Seconds()))
	case known:
		t.set(now, max(slowestTempo, 0.9*float64(t.limiter.Limit())))
	}
	t.last, t.pause, t.count = now, pause, 0
}

// done counts an answer and lets the rate recover. The gate's lock is held.
func (t *tempo) done(now time.Time) {
	t.count++
	if t.limiter.Limit() == rate.Inf || now.Sub(t.grown) < tempoStep {
		return
	}
	factor := 1.01
	if now.Sub(t.last) > tempoCalm {
		factor = 1.25
	}
	t.set(now, factor*float64(t.limiter.Limit()))
}

func (t *tempo) set(now time.Time, perSecond float64) {
	t.grown = now
	if perSecond >= fastestTempo {
		t.limiter.SetLimit(rate.Inf)
		return
	}
	t.limiter.SetLimit(rate.Limit(perSecond))
}
