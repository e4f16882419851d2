package rest

import (
	"math"
	"time"
)

// beat spaces requests evenly, so that no window of time, wherever the other side
// puts it, holds more than its share. What a timer was late, up to slack, is
// caught up; a rate that lay idle is not.
type beat struct {
	gap  time.Duration // between two; 0 without a rate
	next time.Time
}

const slack = 50 * time.Millisecond

// set changes the rate, in requests a second; infinity is none.
func (b *beat) set(perSecond float64) {
	gap := time.Duration(0)
	if !math.IsInf(perSecond, 1) {
		gap = time.Duration(float64(time.Second) / perSecond)
	}
	if gap < b.gap {
		b.next = b.next.Add(gap - b.gap) // a slower rate was waited for
	}
	b.gap = gap
}

// opens returns when the next may go.
func (b *beat) opens() time.Time {
	if b.gap == 0 {
		return time.Time{}
	}
	return b.next
}

// take lets one go.
func (b *beat) take(now time.Time) {
	if now.Sub(b.next) > slack {
		b.next = now
	}
	b.next = b.next.Add(b.gap)
}
