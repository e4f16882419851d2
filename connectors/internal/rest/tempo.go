package rest

import (
	"math"
	"time"
)

// tempo learns how many requests a second the other side bears, from its refusals
// and from what it answers between them. It is in one of three states:
//
//   - free: no rate is known, and whatever else the gate minds bounds the pace. The
//     first refusal after a few answers ends that: a rate is guessed, well below
//     the peak that was refused.
//   - searching: a rate is tried. While it is borne, it grows; a refusal brackets
//     what is borne from both sides, and the next try is in between. Two stretches
//     of different length between refusals even tell the rate itself (solve).
//   - settled: the rate is known and used, less a margin. After many answers a little
//     more is tried (venture), which the next refusal takes back.
//
// Where going slower came no further, it is not the pace that is refused: then tempo
// is free again, and learns nothing from the next refusals.
//
// All times are the caller's, and the gate's lock is held by every caller.
type tempo struct {
	configured float64 // by the user or a profile; 0: not
	said       float64 // by the other side's own headers; 0: not

	rate      float64 // learned; 0: none, tempo is free
	settled   bool    // the rate is known; otherwise it is searched for
	guessed   bool    // at a rate that nothing was measured for
	low, high float64 // while searching, it is between; 0: unknown
	trial     trial   // of the rate gone at

	counted tally     // since the last refusal that was learned from
	refusal time.Time // that one; zero: none
	resume  time.Time // when the pause after the last refusal ends
	before  stretch   // what ended in that refusal
	peak    peak

	// A settled rate is left for a higher one after so many answers, and as much
	// time as so many pauses take, of which the venture may cost one.
	holdAnswers int
	holdPauses  int
	pause       time.Duration // asked for lately, the longest
	step        float64       // to the higher rate
	left        float64       // the settled rate a venture began at; 0: none is on
	leftBorne   time.Duration // for how long that one was borne

	deaf     int // refusals to come that teach nothing
	deafness int // how many they are the next time
}

// trial is how a rate does.
type trial struct {
	began   time.Time
	idle    time.Duration // of the time since, paused or without work
	answers int
	bound   bool // the rate was what held requests back
}

func (t *trial) lasted(now time.Time) time.Duration { return now.Sub(t.began) - t.idle }

// tally counts answers over a time.
type tally struct {
	answers int
	began   time.Time
	idle    time.Duration // of the time since, paused or without work
}

// What is measured, and what is made of it.
const (
	tempoEnough  = 5               // answers that make a measurement
	tempoWindow  = 3 * time.Minute // longer cycles say more about us than about the limit
	tempoStray   = 50              // answers between refusals that do not unsettle what was told
	tempoMargin  = 0.98            // of what is borne is used
	slowestTempo = 0.2             // requests per second
	fastestTempo = 2000            // above this no rate is kept
)

// How a rate is searched for.
const (
	tempoTrials = 20 // answers that show that a rate is borne
	tempoTrial  = 300 * time.Millisecond
	tempoSpring = 1.6 // growth of one that is
	tempoNear   = 1.1 // a bracket this narrow is an answer
)

// How a settled rate is tried anew.
const (
	tempoStep    = 1.03 // growth at first
	tempoLeap    = 1.5  // the most
	tempoHold    = 500  // answers before
	tempoQuick   = 100  // the same, while little is known
	tempoPatient = 8000 // the most
	tempoWorth   = 10   // pauses before
	longestWorth = 160  // the most
	dearPause    = 5 * time.Second
)

func newTempo(configured float64) tempo {
	return tempo{configured: configured, deafness: 4, holdAnswers: tempoHold, holdPauses: tempoWorth}
}

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

// ceiling is the most that may be tried.
func (t *tempo) ceiling() float64 { return min(t.perSecond(), fastestTempo) }

// told reports whether somebody said what the rate is.
func (t *tempo) told() bool { return t.configured > 0 || t.said > 0 }

// learned reports whether refusals have taught a rate.
func (t *tempo) learned() bool { return t.rate > 0 }

// tell takes over a rate from the other side's headers.
func (t *tempo) tell(perSecond float64) { t.said = max(perSecond, slowestTempo) }

// rested leaves a time out of the measurement in which nothing was sent.
func (t *tempo) rested(d time.Duration) { t.counted.idle += d; t.trial.idle += d }

// paused leaves a pause out of the measurement, which ends at until.
func (t *tempo) paused(d time.Duration, until time.Time) {
	t.counted.idle += d
	if t.trial.began.Before(until.Add(-d)) {
		t.trial.idle += d
	} else {
		t.trial.began = until // it has not begun
	}
}

// answered counts an answer and reports whether the rate has changed. Held says
// that requests wait for the clock, late that it was sent before the last refusal.
func (t *tempo) answered(now time.Time, held, late bool) bool {
	if t.counted.began.IsZero() {
		t.counted.began = now
	}
	t.peak.add(now)
	if late {
		if t.guessed { // answers take longer than refusals
			t.rate = max(t.rate, min(t.peak.perSecond()/4, fastestTempo))
		}
		return t.guessed
	}
	t.counted.answers++
	if !t.learned() {
		return false
	}
	t.trial.answers++
	t.trial.bound = t.trial.bound || held
	switch {
	case !t.trial.bound:
		return false // whether more would be borne is not known
	case t.settled:
		return t.venture(now)
	default:
		return t.climb(now)
	}
}

// venture leaves a settled rate for a higher one, when that has waited long enough,
// and reports whether it did.
func (t *tempo) venture(now time.Time) bool {
	borne := t.trial.lasted(now)
	if t.trial.answers < t.holdAnswers || borne < time.Duration(t.holdPauses)*min(t.pause, dearPause) {
		return false
	}
	from, step := t.rate, t.step
	t.step = min(tempoLeap, 1+2*(step-1))
	t.goAt(now, from*step)
	t.left, t.leftBorne = from, borne
	return true
}

// climb goes on to a higher rate when the one that is tried was borne, and reports
// whether it did.
func (t *tempo) climb(now time.Time) bool {
	answers, least := tempoTrials, tempoTrial
	if t.high > 0 { // near the end a bucket takes longer to run empty
		answers, least = 2*answers, 5*least
	}
	if lasted := t.trial.lasted(now); lasted < least || t.trial.answers < answers && lasted < 10*least {
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

// refused learns from a refusal; pause is what it asks for, and inFlight what went
// before it and is not answered yet.
func (t *tempo) refused(now time.Time, pause time.Duration, inFlight int) {
	t.pause = max(pause, t.pause*9/10)
	if t.deaf > 0 {
		t.deaf--
		return
	}
	if t.counted.began.IsZero() {
		t.counted.began = now
	}
	t.resume = now.Add(pause)
	if t.counted.answers < tempoEnough {
		// Too few to measure: go on counting, and slower.
		switch {
		case !t.learned():
			t.guess(now)
		case t.counted.answers > 0:
			t.try(now, t.rate/2)
		}
		return
	}
	before, last := t.before, t.measure(now, inFlight)
	t.before, t.refusal, t.counted = last, now, tally{began: now}
	switch {
	case !t.learned():
		t.guess(now)
	case t.settled && t.left > 0:
		t.retreat(now)
	case t.told() && last.answers >= tempoStray:
		// What was told is nearly right, or somebody else used a little of it.
		t.settle(now, t.rate/tempoStep)
	case t.settled && t.trial.answers > t.holdAnswers/2 && last.perSecond() > 0.7*t.rate:
		t.yield(now, last, before)
	case last.slower(before):
		// And came no further for it: it is not the pace.
		t.forget()
		t.deaf, t.deafness = t.deafness, min(64, 2*t.deafness)
	default:
		t.bracket(now, last, before)
	}
}

// measure returns the stretch that a refusal ends.
func (t *tempo) measure(now time.Time, inFlight int) stretch {
	s := stretch{
		answers: t.counted.answers, took: max(now.Sub(t.counted.began)-t.counted.idle, time.Millisecond),
		trial: t.trial.answers, lasted: max(t.trial.lasted(now), time.Millisecond),
	}
	if since := now.Sub(t.refusal); !t.refusal.IsZero() && since <= tempoWindow {
		s.cycle = since
	}
	if t.learned() { // what will have been answered when all is
		s.answers += inFlight
		s.trial += inFlight
		s.open = inFlight
	}
	return s
}

// guess begins to search, well below what went through in a burst; or settles a
// little below what was told.
func (t *tempo) guess(now time.Time) {
	if t.told() {
		t.settle(now, t.ceiling()/tempoStep)
		return
	}
	if peak := t.peak.perSecond(); peak > 0 {
		t.try(now, min(t.ceiling(), peak/4))
		t.guessed = true
	}
}

// retreat goes back from a venture that was refused, and waits longer for the next:
// the rate before was borne; the less surely, the shorter that was.
func (t *tempo) retreat(now time.Time) {
	t.settle(now, t.left*(1-min(1-tempoMargin, 0.1/t.leftBorne.Seconds())))
	t.holdAnswers = min(tempoPatient, 2*max(t.holdAnswers, tempoHold))
	t.holdPauses = min(longestWorth, 2*t.holdPauses)
}

// yield goes down a little from a settled rate that was borne for long: it was a
// little too fast, or the limit has come down a little. If it was more, the next
// refusal will tell.
func (t *tempo) yield(now time.Time, last, before stretch) {
	next := t.rate / tempoStep
	if estimate, _ := solve(last, before); estimate > 0.7*t.rate {
		next = min(next, tempoMargin*estimate)
	}
	t.settle(now, next)
}

// bracket goes on searching after a refusal, or is done with it.
func (t *tempo) bracket(now time.Time, last, before stretch) {
	borne := last.perSecond()
	t.narrow(last, borne)
	estimate, certain := solve(last, before)
	if estimate <= borne || estimate >= t.high {
		estimate = 0
	}
	if estimate == 0 && last.like(before) {
		estimate, certain = borne, true // whatever the pace: it is the window's
	}
	switch {
	case estimate > 0:
		t.settle(now, tempoMargin*estimate)
	case t.low > 0 && t.high/t.low <= tempoNear:
		t.settle(now, tempoMargin*math.Sqrt(t.low*t.high))
	default:
		t.try(now, math.Sqrt(max(t.low, t.high/4)*t.high))
	}
	t.holdAnswers, t.holdPauses = tempoHold, tempoWorth
	if !certain {
		t.holdAnswers, t.holdPauses = tempoQuick, tempoWorth/4
	}
}

// narrow brings what the rate is between in line with a stretch that ended in a
// refusal: what was answered in all of it is borne, what was answered while it was
// being sent is too much, by what a bucket had saved up.
func (t *tempo) narrow(last stretch, borne float64) {
	t.high = t.ceiling()
	if !t.trial.bound { // by places
		t.high = min(t.high, max(t.peak.perSecond(), float64(last.trial)/last.lasted.Seconds()))
	}
	if t.trial.answers < tempoTrials {
		t.low *= 0.8 // what a bucket had saved up was gone before
	}
	if t.low >= t.high*0.99 {
		t.low = 0 // it was borne for a while only
	}
	t.low = max(t.low, borne)
}

// try goes at a rate to see whether it is borne.
func (t *tempo) try(now time.Time, perSecond float64) {
	t.settled, t.guessed = false, false
	t.goAt(now, perSecond)
}

// settle takes a rate for the one.
func (t *tempo) settle(now time.Time, perSecond float64) {
	t.settled, t.guessed, t.step = true, false, tempoStep
	t.goAt(now, perSecond)
}

// goAt begins the trial of a rate, after the pause that was asked for.
func (t *tempo) goAt(now time.Time, perSecond float64) {
	t.trial, t.left = trial{began: latest(now, t.resume)}, 0
	t.rate = max(perSecond, slowestTempo)
	if t.rate >= fastestTempo {
		t.forget()
	}
}

// forget goes back to no learned rate.
func (t *tempo) forget() { t.rate, t.low, t.high, t.left, t.settled = 0, 0, 0, 0, false }
