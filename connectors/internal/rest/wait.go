package rest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestDemand is the longest wait that is taken for what it says.
const longestDemand = 365 * 24 * time.Hour

// RetryAfter reads the Retry-After header (RFC 9110, section 10.2.3), in seconds
// or as a date. A date is compared with the answer's own Date header, because
// the two clocks may differ; now stands in where there is none. A time that has
// passed is no wait. It returns false where the header is absent or unreadable.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	// Some servers send fractions.
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(seconds) || math.IsInf(seconds, 0) {
			return 0, false
		}
		seconds = min(max(seconds, 0), longestDemand.Seconds())
		return time.Duration(seconds * float64(time.Second)), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), longestDemand), true
}
