package rest

import (
	"math"
	"time"
)

// tempo learns how many requests a second the other side bears. Refusals bracket
// it: what was answered between two of them is borne, refusals and pauses
// included; what was answered while it was being sent is more than is borne, by
// what a token bucket had saved up. Two such stretches of different length tell
// how much that was, and so the rate itself. It is used a little under that, and
// tried anew by and by.
//
// The gate's lock is held by every caller.
type tempo struct {
	configured float64            // by the user or a profile; 0: not
	said       float64            // by the other side's own headers; 0: not
	rate       float64            // learned; 0: not
	low, high  float64            // it is between; 0: unknown
	before     stretch            // the last one that ended in a refusal
	count      int                // answers since the last refusal that was counted
	began      time.Time          // of count
	still      time.Duration      // since then, paused or without work
	resume     time.Time          // end of the last pause
	cycle      time.Time          // the refusal before; zero: none
	pause      time.Duration      // asked for lately, the longest
	slots      [peakSlots]float64 // answers by tenth of a second, for the peak
	slot       int64

	tried   time.Time     // since when at this rate
	idle    time.Duration // since then, paused or without work
	answers int           // since
	guessed bool          // at a rate that nothing was measured for
	bound   bool          // the rate was what held requests back
	settled bool          // the rate is known; it is only tried now and then
	hold    int           // answers until then
	step    float64
	worth   int     // pauses until then, too
	was     float64 // the rate that was borne before it was tried; 0: none
	borne   time.Duration

	deaf, deafness int // refusals that teach nothing
}

func newTempo(configured float64) tempo {
	return tempo{configured: configured, deafness: 4, hold: tempoHold, worth: tempoWorth}
}

// stretch is what was answered between two refusals.
type stretch struct {
	count int           // answers, all of it
	took  time.Duration // all of it but pauses
	cycle time.Duration // all of it; 0: unknown
	// trial and lasted are what was answered at the last rate, and for how
	// long.
	trial  int
	lasted time.Duration
	open   int // of these, taken as answered
}

const (
	tempoWindow  = 3 * time.Minute // longer cycles say more about us than about the limit
	tempoEnough  = 5               // answers that make a measurement
	tempoMargin  = 0.98            // of what is borne is used
	tempoNear    = 1.1             // a bracket this narrow is an answer
	tempoSpring  = 1.6             // growth while searching
	tempoLeap    = 1.5             // the most of a settled rate
	tempoStep    = 1.03            // growth of a settled rate
	tempoTrial   = 300 * time.Millisecond
	tempoTrials  = 20  // answers
	tempoQuick   = 100 // answers at a settled rate before it is tried anew
	tempoHold    = 500 // the same, while little is known
	tempoPatient = 8000
	tempoCertain = 40
	tempoStray   = 50 // answers between refusals that do not unsettle what was told
	// A try that is refused costs a pause: so many of them pass before another
	// is risked, twice as many after each that was in vain.
	tempoWorth   = 10
	longestWorth = 160
	dearPause    = 5 * time.Second
	peakSlots    = 10
	slowestTempo = 0.2  // requests per second
	fastestTempo = 2000 // above this no rate is kept
)

// perSecond returns the rate to go at; infinity where none is known.
func (t *tempo) perSecond() float64 {
	rate := math.Inf(1)
	for _, known := range []float64{t.configured * tempoMargin, t.said * tempoMargin, t.rate} {
		if known > 0 {
			rate = min(rate, known)
		}
	}
	return rate
}

// told reports whether somebody said what the rate is.
func (t *tempo) told() bool { return t.configured > 0 || t.said > 0 }

// learned reports whether refusals have taught a rate.
func (t *tempo) learned() bool { return t.rate > 0 }

// tell takes over a rate from the other side's headers.
func (t *tempo) tell(perSecond float64) { t.said = max(perSecond, slowestTempo) }

// rested leaves a time out of the measurement in which nothing was sent.
func (t *tempo) rested(d time.Duration) { t.still += d; t.idle += d }

// paused leaves a pause out of the measurement, which ends at until.
func (t *tempo) paused(d time.Duration, until time.Time) {
	t.still += d
	if t.tried.Before(until.Add(-d)) {
		t.idle += d
	} else {
		t.tried = until // the trial has not begun
	}
}

// refused learns from a refusal; pause is what it asks for, and inFlight what went
// before it and is not answered yet.
func (t *tempo) refused(now time.Time, pause time.Duration, inFlight int) {
	t.pause = max(pause, t.pause*9/10)
	if t.deaf > 0 {
		t.deaf--
		return
	}
	if t.began.IsZero() {
		t.began = now
	}
	t.resume = now.Add(pause)
	ceiling := min(t.perSecond(), fastestTempo)
	if t.count < tempoEnough {
		// Too few to measure: go on counting, and slower.
		switch {
		case t.rate == 0:
			t.guess(now, ceiling)
		case t.count > 0:
			t.try(now, t.rate/2)
		}
		return
	}
	before, last := t.before, stretch{
		count: t.count, took: max(now.Sub(t.began)-t.still, time.Millisecond),
		trial: t.answers, lasted: max(now.Sub(t.tried)-t.idle, time.Millisecond),
	}
	if since := now.Sub(t.cycle); !t.cycle.IsZero() && since <= tempoWindow {
		last.cycle = since
	}
	if t.rate > 0 { // what will have been answered when all is
		last.count += inFlight
		last.trial += inFlight
		last.open = inFlight
	}
	t.before = last
	t.count, t.still, t.began, t.cycle = 0, 0, now, now
	switch {
	case t.rate == 0:
		t.guess(now, ceiling)
		return
	case t.settled && t.was > 0:
		// The rate before was borne; the less surely, the shorter that was.
		t.settle(now, t.was*(1-min(1-tempoMargin, 0.1/t.borne.Seconds())))
		t.hold = min(tempoPatient, 2*max(t.hold, tempoHold))
		t.worth = min(longestWorth, 2*t.worth)
		return
	case t.told() && last.count >= tempoStray:
		// What was told is nearly right, or somebody else used a little of it.
		t.settle(now, t.rate/tempoStep)
		return
	case t.settled && t.answers > t.hold/2 && last.perSecond() > 0.7*t.rate:
		// A little too fast, or the limit has come down a little. If it was
		// more, the next refusal will tell.
		next := t.rate / tempoStep
		if estimate, _ := solve(last, before); estimate > 0.7*t.rate {
			next = min(next, tempoMargin*estimate)
		}
		t.settle(now, next)
		return
	case last.slower(before):
		// It went slower, and came no further for it: it is not the pace.
		t.forget()
		t.deaf, t.deafness = t.deafness, min(64, 2*t.deafness)
		return
	}
	t.bracket(now, last, before)
}

// bracket narrows what the rate is between, after two stretches that ended in a
// refusal.
func (t *tempo) bracket(now time.Time, last, before stretch) {
	t.worth = tempoWorth
	t.high = min(t.perSecond(), fastestTempo)
	if !t.bound { // by places
		t.high = min(t.high, max(t.peak(), float64(last.trial)/last.lasted.Seconds()))
	}
	if t.answers < tempoTrials {
		t.low *= 0.8 // what a bucket had saved up was gone before
	}
	if t.low >= t.high*0.99 {
		t.low = 0 // it was borne for a while only
	}
	low := last.perSecond()
	t.low = max(t.low, low)
	estimate, certain := solve(last, before)
	if estimate <= low || estimate >= t.high {
		estimate = 0
	}
	if estimate == 0 && last.like(before) {
		estimate, certain = low, true // whatever the pace: it is the window's
	}
	switch {
	case estimate > 0:
		t.settle(now, tempoMargin*estimate)
	case t.low > 0 && t.high/t.low <= tempoNear:
		t.settle(now, tempoMargin*math.Sqrt(t.low*t.high))
	default:
		t.try(now, math.Sqrt(max(t.low, t.high/4)*t.high))
	}
	t.hold = tempoHold
	if !certain {
		t.hold, t.worth = tempoQuick, tempoWorth/4
	}
}

// guess begins to look for the rate, well below what went through in a burst; or
// a little below what was told.
func (t *tempo) guess(now time.Time, ceiling float64) {
	if t.told() {
		t.settle(now, ceiling/tempoStep)
		return
	}
	if peak := t.peak(); peak > 0 {
		t.try(now, min(ceiling, peak/4))
		t.guessed = true
	}
}

// perSecond returns the answers a second, the pause before included; 0 where that
// is not known.
func (s stretch) perSecond() float64 {
	if s.cycle == 0 {
		return 0
	}
	return float64(s.count) / s.cycle.Seconds()
}

// slower reports whether s took longer than the stretch before and had no more
// answers.
func (s stretch) slower(before stretch) bool {
	return s.cycle > 0 && before.cycle > 0 && s.took.Seconds() > 1.2*before.took.Seconds() && s.cycle.Seconds() > 1.15*before.cycle.Seconds() &&
		float64(s.count) < 1.1*float64(before.count)
}

// like reports whether both cycles went as fast in the end.
func (s stretch) like(before stretch) bool {
	return s.cycle > 0 && before.cycle > 0 && math.Abs(s.perSecond()/before.perSecond()-1) < 0.03
}

// solve compares two stretches at one rate each. Both began with what was saved
// up, and ended with nothing left. It returns 0 where they are too much alike,
// and whether enough was counted to be certain.
func solve(a, b stretch) (perSecond float64, certain bool) {
	if a.lasted < b.lasted {
		a, b = b, a
	}
	more := a.trial - b.trial
	if b.trial == 0 || a.lasted.Seconds() < 1.3*b.lasted.Seconds() || more < 2*tempoEnough {
		return 0, false
	}
	return float64(more) / (a.lasted - b.lasted).Seconds(), more > tempoCertain+2*a.open
}

// forget goes back to no learned rate.
func (t *tempo) forget() { t.rate, t.low, t.high, t.was, t.settled = 0, 0, 0, 0, false }

// answered counts an answer and reports whether the rate has changed. Held says
// that requests wait for the clock, late that it was sent
// before the last refusal.
func (t *tempo) answered(now time.Time, held, late bool) bool {
	if t.began.IsZero() {
		t.began = now
	}
	t.mark(now)
	if late {
		if t.guessed { // answers take longer than refusals
			t.rate = max(t.rate, min(t.peak()/4, fastestTempo))
		}
		return t.guessed
	}
	t.count++
	if t.rate == 0 {
		return false
	}
	t.answers++
	t.bound = t.bound || held
	if !t.bound {
		return false
	}
	since := now.Sub(t.tried) - t.idle
	if t.settled {
		if t.answers < t.hold || since < time.Duration(t.worth)*min(t.pause, dearPause) {
			return false
		}
		was, step := t.rate, t.step
		t.step = min(tempoLeap, 1+2*(step-1))
		t.again(now, was*step)
		t.was, t.borne = was, since
		return true
	}
	trials, trial := tempoTrials, tempoTrial
	if t.high > 0 { // near the end a bucket takes longer to run empty
		trials, trial = 2*trials, 5*trial
	}
	if t.answers < trials && since < 10*trial || since < trial {
		return false
	}
	t.low = max(t.low, t.rate)
	switch {
	case t.high == 0:
		t.try(now, t.rate*tempoSpring)
	case t.high/t.low <= tempoNear:
		t.settle(now, tempoMargin*t.high)
	default:
		t.try(now, min(t.rate*tempoSpring, math.Sqrt(t.low*t.high)))
	}
	return true
}

// try goes at a rate to see whether it is borne.
func (t *tempo) try(now time.Time, perSecond float64) {
	t.settled, t.guessed = false, false
	t.again(now, perSecond)
}

// settle takes a rate for the one.
func (t *tempo) settle(now time.Time, perSecond float64) {
	t.settled, t.guessed, t.step = true, false, tempoStep
	t.again(now, perSecond)
}

func (t *tempo) again(now time.Time, perSecond float64) {
	t.tried, t.answers, t.bound, t.was, t.idle = latest(now, t.resume), 0, false, 0, 0
	t.rate = max(perSecond, slowestTempo)
	if t.rate >= fastestTempo {
		t.forget()
	}
}

// mark counts answers in tenths of a second.
func (t *tempo) mark(now time.Time) {
	slot := now.UnixMilli() / 100
	for gap := min(slot-t.slot, peakSlots); gap > 0; gap-- {
		t.slots[(slot-gap+1)%peakSlots] = 0
	}
	t.slot = max(t.slot, slot)
	t.slots[slot%peakSlots]++
}

// peak returns the most answers a second there were lately, for a tenth of one.
func (t *tempo) peak() float64 {
	most := 0.0
	for _, n := range t.slots {
		most = max(most, 10*n)
	}
	return most
}
