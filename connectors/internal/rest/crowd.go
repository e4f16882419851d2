package rest

// crowd learns how many requests may be in flight at once.
type crowd struct {
	most   int // in flight when one was answered
	bad    int // in flight when one was refused for it; 0: none, or forgotten
	calm   int // answers since
	hold   int // answers until as many are tried again
	credit int // answers since the number was looked at
}

const (
	crowdHold    = 500 // one refusal in so many answers is little
	longestHold  = 16000
	crowdedTries = 4 // rounds at the least number until slow answers are not our doing
)

// refused notes that one of beside requests was too many.
func (c *crowd) refused(beside int) {
	if c.bad == 0 { // the first of them, or the first since as many were tried again
		c.hold = min(longestHold, max(crowdHold, 2*c.hold))
	}
	if c.bad == 0 || beside <= c.bad {
		c.bad = beside
	}
	c.calm, c.credit = 0, 0
	c.most = min(c.most, beside-1)
}

// answered notes that one of beside requests was served.
func (c *crowd) answered(beside int) {
	c.calm++
	c.most = max(c.most, beside)
	if c.bad > 0 && c.calm >= c.hold {
		c.bad = 0
	}
}

// round reports whether as many answers as there are places came since it last
// did.
func (c *crowd) round(limit int) bool {
	c.credit++
	if c.credit < limit {
		return false
	}
	c.credit = 0
	return true
}

// next returns the number of places after a round in which all were used.
func (c *crowd) next(limit, ceiling int, told bool, speed *latency) int {
	switch ratio := speed.ratio(); {
	case ratio > 4 && !told:
		if limit > fewestWorkers {
			return limit - 1
		}
		// It is as slow with few: then it is not the number.
		if speed.resigned++; speed.resigned >= crowdedTries {
			speed.rebase()
		}
	case ratio <= 2 && limit < ceiling && (c.bad == 0 || limit+1 < c.bad):
		return limit + 1
	}
	return limit
}
