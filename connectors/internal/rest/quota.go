package rest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// report is what an answer says about limits, in its headers.
type report struct {
	// perSecond is the rate of a policy with a short window; 0 is unknown.
	perSecond float64
	// counts says that left and reset are known: so many requests may
	// follow before reset.
	counts bool
	left   int
	reset  time.Time
}

// quota is what is left of a window for one kind of request: limits are often
// counted by endpoint (Okta: reference/rl-global-mgmt).
type quota struct {
	left     int
	reset    time.Time
	inFlight int
}

// closed reports whether nothing is left for now.
func (q *quota) closed(now time.Time) bool { return q != nil && !q.opens(now).IsZero() }

// opens returns when the next request may go. What is in flight is taken as not
// yet counted; its answer will tell.
func (q *quota) opens(now time.Time) time.Time {
	if q.left > q.inFlight || !now.Before(q.reset) {
		return time.Time{}
	}
	return q.reset
}

// update takes over what an answer said. Answers overtake each other: within one
// window the least counts.
func (q *quota) update(told report, now time.Time) {
	if told.reset.Sub(q.reset) < sameReset && told.reset.Sub(now) > sameReset {
		told.left = min(told.left, q.left)
	}
	q.left, q.reset = told.left, told.reset
}

const (
	// sameReset is how far the ends of one window may seem to be apart, told
	// in whole seconds by clocks that differ.
	sameReset = 2 * time.Second
	// shortWindow is one in which waiting for its end would cost more than
	// going evenly.
	shortWindow = 10 * time.Second
	// epochFrom tells a reset at a moment from one in so many seconds.
	epochFrom = 5e8
	// longestWindow is the furthest reset that is believed.
	longestWindow = time.Hour
)

// quotaNames are the spellings in use of limit, remaining and reset: the drafts of
// RateLimit up to 07 (draft-ietf-httpapi-ratelimit-headers; later ones have one
// field), and those before it.
func quotaNames() [3][3]string {
	return [...][3]string{
		{"Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset"},
		{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"},
		{"X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"},
	}
}

// readReport reads the rate-limit headers of an answer. What cannot be
// understood is left out: these headers are advice.
func readReport(h http.Header, now time.Time) report {
	var r report
	if policy := h.Get("Ratelimit-Policy"); policy != "" {
		r.perSecond = policyRate(policy)
	}
	if text := h.Get("Ratelimit"); text != "" {
		if left, reset, ok := readLimit(text); ok {
			r.count(left, reset, h, now)
			return r
		}
	}
	for _, names := range quotaNames() {
		left, reset := h.Get(names[1]), h.Get(names[2])
		if left == "" {
			continue
		}
		limit := h.Get(names[0])
		if r.perSecond == 0 && strings.Contains(limit, "w=") {
			r.perSecond = policyRate(limit)
		}
		if limit == "0" {
			break // Okta: too many at once; nothing is said of a window
		}
		l, err1 := strconv.ParseFloat(strings.TrimSpace(left), 64)
		at, err2 := resetSeconds(strings.TrimSpace(reset))
		if err1 == nil && err2 == nil {
			r.count(l, at, h, now)
		}
		break
	}
	return r
}

// count keeps what is left of a window, unless going evenly is the better way to
// use it.
func (r *report) count(left, reset float64, h http.Header, now time.Time) {
	if r.perSecond > 0 || math.IsNaN(left) || math.IsNaN(reset) || left < 0 || reset < 0 {
		return
	}
	if reset >= epochFrom {
		// By the other side's clock, of which Date is cut to a second: the
		// wait may be too long by as much, and is never too short.
		reset -= float64(dateOr(h, now).Unix())
	}
	if reset <= 0 || reset > longestWindow.Seconds() {
		return
	}
	r.counts = true
	r.left = int(min(left, math.MaxInt32))
	r.reset = now.Add(time.Duration(reset * float64(time.Second)))
}

func dateOr(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

// resetSeconds reads a number of seconds, from now or since 1970, or a time as
// RFC 3339 has it (Atlassian).
func resetSeconds(text string) (float64, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return seconds, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		// Atlassian leaves the seconds out.
		at, err = time.Parse("2006-01-02T15:04Z07:00", text)
	}
	return float64(at.Unix()), err
}

// readLimit reads RateLimit: `"name";r=50;t=30` (draft 08 on) or
// `limit=100, remaining=50, reset=30` (draft 07).
func readLimit(text string) (left, reset float64, ok bool) {
	left, reset = -1, -1
	for _, part := range fieldsOf(text) {
		key, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			continue
		}
		switch strings.TrimSpace(key) {
		case "r", "remaining":
			// Of several policies, the one that is nearest to its end.
			if left >= 0 && n >= left {
				return left, reset, reset >= 0
			}
			left = n
		case "t", "reset":
			reset = n
		}
	}
	return left, reset, left >= 0 && reset >= 0
}

// policyRate returns the lowest rate of the policies with a short window:
// `"burst";q=100;w=10` (draft 08 on), `100;w=10` (before).
func policyRate(text string) float64 {
	lowest := 0.0
	for policy := range strings.SplitSeq(clip(text, maxText), ",") {
		quota, window := 0.0, 0.0
		for i, part := range fieldsOf(policy) {
			key, value, named := strings.Cut(part, "=")
			if !named && i == 0 {
				key, value = "q", key
			}
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || n <= 0 || math.IsInf(n, 0) {
				continue
			}
			switch strings.TrimSpace(key) {
			case "q":
				quota = n
			case "w":
				window = n
			}
		}
		if quota == 0 || window == 0 || window > shortWindow.Seconds() {
			continue
		}
		if perSecond := quota / window; lowest == 0 || perSecond < lowest {
			lowest = perSecond
		}
	}
	return lowest
}

// fieldsOf cuts a header value at its semicolons and commas.
func fieldsOf(text string) []string {
	return strings.FieldsFunc(clip(text, maxText), func(r rune) bool { return r == ';' || r == ',' })
}
