package scimtest

import (
	"math"
	"sync"
	"time"
)

// bucket is a token bucket. A nil bucket lets everything through.
type bucket struct {
	mu     sync.Mutex
	rate   float64 // tokens a second
	burst  float64
	tokens float64
	last   time.Time
}

func newBucket(l RateLimit) *bucket {
	if l.PerSecond <= 0 {
		return nil
	}
	burst := math.Max(1, float64(l.Burst))
	return &bucket{rate: l.PerSecond, burst: burst, tokens: burst, last: time.Now()}
}

// take takes a token, or says how long until there is one.
func (b *bucket) take() (time.Duration, bool) {
	if b == nil {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = math.Min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / b.rate * float64(time.Second)), false
	}
	b.tokens--
	return 0, true
}
