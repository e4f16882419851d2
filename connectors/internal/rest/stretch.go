package rest

import (
	"math"
	"time"
)

// stretch is what was answered between two refusals.
type stretch struct {
	answers int           // all of them
	took    time.Duration // all of it but pauses
	cycle   time.Duration // all of it; 0: unknown
	// trial and lasted are what was answered at the last rate, and for how long.
	trial  int
	lasted time.Duration
	open   int // of these, taken as answered
}

// perSecond returns the answers a second, the pause before included: that much is
// borne. It is 0 where the stretch had no known beginning.
func (s stretch) perSecond() float64 {
	if s.cycle == 0 {
		return 0
	}
	return float64(s.answers) / s.cycle.Seconds()
}

// slower reports whether s took longer than the stretch before and had no more
// answers.
func (s stretch) slower(before stretch) bool {
	return s.cycle > 0 && before.cycle > 0 &&
		s.took.Seconds() > 1.2*before.took.Seconds() && s.cycle.Seconds() > 1.15*before.cycle.Seconds() &&
		float64(s.answers) < 1.1*float64(before.answers)
}

// like reports whether both cycles went as fast in the end.
func (s stretch) like(before stretch) bool {
	return s.cycle > 0 && before.cycle > 0 && math.Abs(s.perSecond()/before.perSecond()-1) < 0.03
}

// solve finds the rate of a token bucket from two stretches at one rate each. Both
// began with what was saved up, which is not known, and ended with nothing left: what
// one had more than the other came in the time that it lasted longer. It returns the
// answers a second, 0 where they are too much alike, and whether enough was counted to
// be certain.
func solve(a, b stretch) (float64, bool) {
	const certainly = 40 // answers
	if a.lasted < b.lasted {
		a, b = b, a
	}
	more := a.trial - b.trial
	if b.trial == 0 || a.lasted.Seconds() < 1.3*b.lasted.Seconds() || more < 2*tempoEnough {
		return 0, false
	}
	return float64(more) / (a.lasted - b.lasted).Seconds(), more > certainly+2*a.open
}
