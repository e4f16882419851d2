package rest

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		{"", "", 0, false},
		{"7", "", 7 * time.Second, true},
		{" 7 ", "", 7 * time.Second, true},
		{"0", "", 0, true},
		{"-5", "", 0, true},
		{"1.5", "", 1500 * time.Millisecond, true},
		{"1e300", "", longestDemand, true},
		{"NaN", "", 0, false},
		{"Inf", "", 0, false},
		{"soon", "", 0, false},
		{"99999999999999999999", "", longestDemand, true},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "", 30 * time.Second, true},
		{"Sun, 01 Mar 2026 11:00:00 GMT", "", 0, true},
		// The server's clock is an hour behind ours: only its own counts.
		{"Sun, 01 Mar 2026 11:00:30 GMT", "Sun, 01 Mar 2026 11:00:00 GMT", 30 * time.Second, true},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "yesterday", 30 * time.Second, true},
		{"Sun, 01 Mar 9999 12:00:30 GMT", "", longestDemand, true},
	} {
		h := http.Header{}
		if c.value != "" {
			h.Set("Retry-After", c.value)
		}
		if c.date != "" {
			h.Set("Date", c.date)
		}
		if got, ok := RetryAfter(h, now); got != c.want || ok != c.ok {
			t.Errorf("%q at %q: %s %t, want %s %t", c.value, c.date, got, ok, c.want, c.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 11:00:00 GMT")
	f.Add("-1e999", "0")
	f.Fuzz(func(t *testing.T, value, date string) {
		wait, ok := RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, time.Unix(0, 0))
		if wait < 0 || wait > longestDemand || !ok && wait != 0 {
			t.Fatalf("%q at %q: %s %t", value, date, wait, ok)
		}
	})
}
