package rest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// model is a server in virtual time: it says when a request is answered and how.
// A model is used by one simulation.
type model struct {
	mu      sync.Mutex
	serve   func(m *model, now time.Time) (status int, headers []string)
	latency func(m *model, now time.Time) time.Duration
	began   time.Time
	open    int
	seen    int
	refused int
}

func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.open++
	m.seen++
	now := time.Now()
	status, headers := m.serve(m, now)
	took := 20 * time.Millisecond
	if m.latency != nil {
		took = m.latency(m, now)
	}
	if status != http.StatusOK {
		took = 5 * time.Millisecond
		m.refused++
	}
	m.mu.Unlock()
	time.Sleep(took)
	m.mu.Lock()
	m.open--
	m.mu.Unlock()
	return respond(r, status, "", append(headers, "Date", time.Now().UTC().Format(http.TimeFormat))...), nil
}

// tokens is a token bucket.
type tokens struct {
	rate  func(time.Time) float64
	burst float64
	have  float64
	last  time.Time
}

func (b *tokens) take(now time.Time) bool {
	if b.last.IsZero() {
		b.last, b.have = now, b.burst
	}
	b.have = min(b.burst, b.have+now.Sub(b.last).Seconds()*b.rate(now))
	b.last = now
	if b.have < 1 {
		return false
	}
	b.have--
	return true
}

func steady(perSecond float64) func(time.Time) float64 {
	return func(time.Time) float64 { return perSecond }
}

// bucket is a server with a token bucket; tell makes the headers of an answer.
func bucket(perSecond, burst float64, tell func(ok bool) []string) *model {
	b := &tokens{rate: steady(perSecond), burst: burst}
	return &model{serve: func(_ *model, now time.Time) (int, []string) {
		ok := b.take(now)
		if ok {
			return 200, tell(ok)
		}
		return 429, tell(ok)
	}}
}

func silent(bool) []string { return nil }

func retryAfter(ok bool) []string {
	if ok {
		return nil
	}
	return []string{"Retry-After", "1"}
}

// window is a server that counts in fixed windows.
func window(quota int, length time.Duration, tell func(left int, end time.Time, ok bool) []string) *model {
	count, n := 0, int64(-1)
	return &model{serve: func(m *model, now time.Time) (int, []string) {
		// The window is half over when we come.
		at := now.Sub(m.began) + length/2
		if i := int64(at / length); i != n {
			n, count = i, 0
		}
		end := m.began.Add(time.Duration(n+1)*length - length/2)
		count++
		ok := count <= quota
		status := 200
		if !ok {
			status = 429
		}
		return status, tell(max(0, quota-count), end, ok)
	}}
}

// sliding is a server that allows so many in any stretch of time, by when they
// arrive: up to 100 ms after they were sent.
func sliding(quota int, length time.Duration) *model {
	r := rand.New(rand.NewPCG(3, 4))
	var arrived []time.Time // in order
	return &model{serve: func(_ *model, now time.Time) (int, []string) {
		at := now.Add(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
		old, _ := slices.BinarySearchFunc(arrived, at.Add(-length), time.Time.Compare)
		arrived = arrived[old:]
		if len(arrived) >= quota {
			return 429, []string{"Retry-After", "10"}
		}
		place, _ := slices.BinarySearchFunc(arrived, at, time.Time.Compare)
		arrived = slices.Insert(arrived, place, at)
		return 200, nil
	}}
}

// okta tells the window as Okta does.
func okta(quota int) func(int, time.Time, bool) []string {
	return func(left int, end time.Time, _ bool) []string {
		return []string{
			"X-Rate-Limit-Limit", strconv.Itoa(quota), "X-Rate-Limit-Remaining", strconv.Itoa(left),
			"X-Rate-Limit-Reset", strconv.FormatInt(end.Add(time.Second-1).Unix(), 10),
		}
	}
}

func untilEnd(_ int, end time.Time, ok bool) []string {
	if ok {
		return nil
	}
	return []string{"Retry-After", strconv.Itoa(int(math.Ceil(time.Until(end).Seconds())))}
}

// atOnce is a server that refuses more than most at a time.
func atOnce(most int, headers ...string) *model {
	return &model{serve: func(m *model, _ time.Time) (int, []string) {
		if m.open > most {
			return 429, headers
		}
		return 200, nil
	}}
}

// jitter is a latency that varies: a fixed part, and a part that is
// exponentially distributed.
func jitter(mean time.Duration) func(*model, time.Time) time.Duration {
	r := rand.New(rand.NewPCG(1, 2))
	return func(*model, time.Time) time.Duration {
		return mean/2 + time.Duration(r.ExpFloat64()*float64(mean)/2)
	}
}

func with(m *model, latency func(*model, time.Time) time.Duration) *model {
	m.latency = latency
	return m
}

// simulation is a run against a model.
type simulation struct {
	name   string
	model  func() *model
	limits connectors.Limits
	n      int // requests
	// ideal is how long they take at the least.
	ideal time.Duration
	used  float64 // the least share of what is allowed that has to be used
	slow  float64 // the largest share of refusals
}

func lasting(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func simulations() []simulation {
	inTenSeconds := connectors.Limits{PerWindow: 100, Window: 10 * time.Second}
	window100 := func() *model { return sliding(100, 10*time.Second) }
	told := func(perSecond float64) connectors.Limits { return connectors.Limits{RequestsPerSecond: perSecond} }
	return []simulation{
		{name: "told 50 a second", model: func() *model { return bucket(50, 5, retryAfter) }, limits: told(50), n: 1100, ideal: lasting(1100 / 50.), used: 0.95, slow: 0},
		{name: "told 200 a second", model: func() *model { return with(bucket(200, 20, retryAfter), jitter(20*time.Millisecond)) }, limits: told(200), n: 1100, ideal: lasting(1100 / 200.), used: 0.95, slow: 0.001},
		{name: "told 3 a second", model: func() *model { return bucket(3, 1, retryAfter) }, limits: told(3), n: 300, ideal: 100 * time.Second, used: 0.95, slow: 0},
		{name: "told 10 a second, 100 in 10 s", model: func() *model { return window(100, 10*time.Second, untilEnd) }, limits: told(10), n: 1000, ideal: 100 * time.Second, used: 0.95, slow: 0},
		{name: "told 100 in 10 s", model: func() *model { return window100() }, limits: inTenSeconds, n: 1000, ideal: 100 * time.Second, used: 0.95, slow: 0},
		{name: "told 100 in 10 s, uneven", model: func() *model { return with(window100(), jitter(200*time.Millisecond)) }, limits: inTenSeconds, n: 1000, ideal: 100 * time.Second, used: 0.95, slow: 0},
		{name: "told 100 in 10 s, short run", model: func() *model { return window100() }, limits: inTenSeconds, n: 90, ideal: lasting(0.16), used: 0.95, slow: 0},
		{name: "told 100 in 10 s, of which others use half", model: func() *model { return window(50, 10*time.Second, untilEnd) }, limits: inTenSeconds, n: 1000, ideal: 195 * time.Second, used: 0.9, slow: 0.02},
		{name: "told far more than needed", model: func() *model { return bucket(1e6, 1e6, silent) }, limits: told(1e5), n: 2000, ideal: 2 * time.Second, used: 0.95, slow: 0},
		{name: "told too much", model: func() *model { return bucket(50, 50, retryAfter) }, limits: told(60), n: 10000, ideal: 200 * time.Second, used: 0.95, slow: 0.01},
		{name: "policy header", model: func() *model {
			return bucket(50, 5, func(bool) []string { return []string{"RateLimit-Policy", `"burst";q=50;w=1`} })
		}, n: 1100, ideal: 22 * time.Second, used: 0.95, slow: 0.01},
		{name: "window of a minute, Okta's headers", model: func() *model { return window(600, time.Minute, okta(600)) }, n: 6000, ideal: 10*time.Minute - 30*time.Second, used: 0.95, slow: 0.001},
		{name: "window of a minute, short run", model: func() *model { return window(600, time.Minute, okta(600)) }, n: 500, ideal: lasting(500. / 16 * 0.02), used: 0.95, slow: 0},
		{name: "window of a minute, Retry-After", model: func() *model { return window(600, time.Minute, untilEnd) }, n: 10000, ideal: lasting(16*60 + 10), used: 0.95, slow: 0.01},
		{name: "window of a minute, silent", model: func() *model { return window(600, time.Minute, func(int, time.Time, bool) []string { return nil }) }, n: 10000, ideal: lasting(16*60 + 10), used: 0.94, slow: 0.01},
		{name: "window of ten seconds", model: func() *model { return window(200, 10*time.Second, untilEnd) }, n: 10000, ideal: 500 * time.Second, used: 0.95, slow: 0.01},
		{name: "bucket 50 a second, a second", model: func() *model { return bucket(50, 50, retryAfter) }, n: 10000, ideal: 200 * time.Second, used: 0.95, slow: 0.01},
		{name: "bucket 50 a second, a tenth", model: func() *model { return bucket(50, 5, retryAfter) }, n: 10000, ideal: 200 * time.Second, used: 0.95, slow: 0.01},
		{name: "bucket 50 a second, silent", model: func() *model { return bucket(50, 5, silent) }, n: 10000, ideal: 200 * time.Second, used: 0.95, slow: 0.01},
		{name: "bucket 50 a second, slow answers", model: func() *model { return with(bucket(50, 50, retryAfter), jitter(500*time.Millisecond)) }, n: 10000, ideal: 200 * time.Second, used: 0.92, slow: 0.01},
		{name: "bucket 200 a second, a tenth", model: func() *model { return with(bucket(200, 20, retryAfter), jitter(20*time.Millisecond)) }, n: 40000, ideal: 200 * time.Second, used: 0.93, slow: 0.01},
		{name: "bucket 3 a second", model: func() *model { return bucket(3, 3, retryAfter) }, n: 3000, ideal: 1000 * time.Second, used: 0.95, slow: 0.02},
		{name: "bucket 50 a second, first load", model: func() *model { return bucket(50, 5, retryAfter) }, n: 1100, ideal: 22 * time.Second, used: 0.78, slow: 0.015},
		{name: "bucket 200 a second, first load", model: func() *model { return bucket(200, 20, retryAfter) }, n: 1100, ideal: lasting(5.4), used: 0.5, slow: 0.015},
		{name: "five at once, 429", model: func() *model { return atOnce(5) }, n: 20000, ideal: 80 * time.Second, used: 0.95, slow: 0.01},
		{name: "five at once, 429, uneven", model: func() *model { return with(atOnce(5, "Retry-After", "1"), jitter(20*time.Millisecond)) }, n: 40000, ideal: 160 * time.Second, used: 0.91, slow: 0.01},
		{name: "one at once", model: func() *model { return atOnce(1) }, n: 10000, ideal: 200 * time.Second, used: 0.90, slow: 0.01},
		{name: "five at once, Okta", model: func() *model { return atOnce(5, "X-Rate-Limit-Limit", "0") }, n: 10000, ideal: 40 * time.Second, used: 0.95, slow: 0.01},
		{name: "ten at a time, others wait", model: func() *model {
			var free [10]time.Time
			return &model{serve: func(*model, time.Time) (int, []string) { return 200, nil }, latency: func(_ *model, now time.Time) time.Duration {
				first := 0
				for i := range free {
					if free[i].Before(free[first]) {
						first = i
					}
				}
				free[first] = latest(now, free[first]).Add(20 * time.Millisecond)
				return free[first].Sub(now)
			}}
		}, n: 10000, ideal: 20 * time.Second, used: 0.98, slow: 0},
		{name: "no limit", model: func() *model {
			return with(&model{serve: func(*model, time.Time) (int, []string) { return 200, nil }}, jitter(20*time.Millisecond))
		}, n: 10000, ideal: lasting(10000. / 64 * 0.02), used: 0.8, slow: 0},
		{name: "five times slower from the middle on", model: func() *model {
			return &model{serve: func(*model, time.Time) (int, []string) { return 200, nil }, latency: func(m *model, _ time.Time) time.Duration {
				if m.seen > 5000 {
					return 100 * time.Millisecond
				}
				return 20 * time.Millisecond
			}}
		}, n: 10000, ideal: lasting(5000./64*0.02 + 5000./64*0.1), used: 0.9, slow: 0},
		{name: "twice as slow from the middle on", model: func() *model {
			return &model{serve: func(*model, time.Time) (int, []string) { return 200, nil }, latency: func(m *model, _ time.Time) time.Duration {
				if m.seen > 5000 {
					return 40 * time.Millisecond
				}
				return 20 * time.Millisecond
			}}
		}, n: 10000, ideal: lasting(5000./64*0.02 + 5000./64*0.04), used: 0.8, slow: 0},
		{name: "the limit halves in the middle", model: func() *model {
			m := bucket(50, 5, retryAfter)
			b := &tokens{burst: 5}
			m.serve = func(m *model, now time.Time) (int, []string) {
				rate := 50.
				if m.seen > 5000 {
					rate = 25
				}
				b.rate = steady(rate)
				if b.take(now) {
					return 200, nil
				}
				return 429, retryAfter(false)
			}
			return m
		}, n: 10000, ideal: 300 * time.Second, used: 0.92, slow: 0.01},
		{name: "the limit doubles in the middle", model: func() *model {
			b := &tokens{burst: 50}
			return &model{serve: func(m *model, now time.Time) (int, []string) {
				rate := 25.
				if m.seen > 5000 {
					rate = 50
				}
				b.rate = steady(rate)
				if b.take(now) {
					return 200, nil
				}
				return 429, retryAfter(false)
			}}
		}, n: 20000, ideal: 500 * time.Second, used: 0.7, slow: 0.01},
		{name: "one in two hundred is 503 with Retry-After", model: func() *model {
			return &model{serve: func(m *model, _ time.Time) (int, []string) {
				if m.seen%200 == 0 {
					return 503, retryAfter(false)
				}
				return 200, nil
			}}
		}, n: 10000, ideal: lasting(50 + 10000./64*0.02), used: 0.8, slow: 0.01},
	}
}

// TestSimulations runs the gate against servers of every sort, in virtual time:
// how much of what is allowed is used, and how many requests are refused.
func TestSimulations(t *testing.T) {
	t.Parallel()
	for _, s := range simulations() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := s.model()
				m.began = time.Now()
				reset := func(h http.Header) Wait {
					return Wait{Concurrent: h.Get("X-Rate-Limit-Limit") == "0"}
				}
				client := fake(t, Config{Limits: s.limits, Reset: reset}, m.RoundTrip)
				load(t, client, 3, 1) // what a target is asked first
				if failed := load(t, client, s.n, mostWorkers); failed != 0 {
					t.Errorf("%d failed", failed)
				}
				wall := time.Since(m.began)
				used, slow := s.ideal.Seconds()/wall.Seconds(), float64(m.refused)/float64(m.seen)
				line := fmt.Sprintf("%5.1f%% used, %.2f%% refused, %8s of %8s", 100*used, 100*slow,
					wall.Round(10*time.Millisecond), s.ideal.Round(10*time.Millisecond))
				t.Log(line)
				if used < s.used || slow > s.slow {
					t.Errorf("%s; want %.0f%% and %.1f%%", line, 100*s.used, 100*s.slow)
				}
			})
		})
	}
}
