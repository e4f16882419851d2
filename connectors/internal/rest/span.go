package rest

import (
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// span keeps to a limit that is told as so many requests in so long: never more
// are sent in any stretch of that length, wherever the other side puts its own.
// Unlike a beat it lets a short run go at once.
type span struct {
	length time.Duration
	sent   []time.Time // when the last ones went, as a ring
	next   int         // the oldest of them
}

// newSpan makes one that uses 98 % of what is allowed, in stretches 2 % longer:
// requests arrive later than they are sent, and not all by as much.
func newSpan(l connectors.Limits) span {
	if l.PerWindow <= 0 || l.Window <= 0 {
		return span{}
	}
	return span{length: l.Window + l.Window/50, sent: make([]time.Time, max(1, l.PerWindow-l.PerWindow/50))}
}

// opens returns when the next may go; zero: at any time.
func (s *span) opens() time.Time {
	if len(s.sent) == 0 || s.sent[s.next].IsZero() {
		return time.Time{}
	}
	return s.sent[s.next].Add(s.length)
}

// take lets one go.
func (s *span) take(now time.Time) {
	if len(s.sent) == 0 {
		return
	}
	s.sent[s.next] = now
	s.next = (s.next + 1) % len(s.sent)
}
