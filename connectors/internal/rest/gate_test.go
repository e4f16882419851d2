package rest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimsync/scimsync/connectors"
)

// load sends n requests, at most workers at once, and returns how many failed.
func load(t *testing.T, client *http.Client, n, workers int) int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed, next := 0, 0
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				next++
				i := next
				mu.Unlock()
				if i > n {
					return
				}
				if _, err := send(t, client, "PATCH", "https://api.example.com/v1/Users/1", "{}"); err != nil {
					mu.Lock()
					failed++
					mu.Unlock()
					t.Log(err)
				}
			}
		})
	}
	wg.Wait()
	return failed
}

// gauge counts how many requests are open at once.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) enter() func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.most = max(g.most, g.now)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.now--
	}
}

func (g *gauge) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func gateBehind(t *testing.T, client *http.Client) *gate {
	t.Helper()
	return client.Transport.(*seal).next.(*guard).next.(*retry).next.(*pace).gate
}

func TestPaceFixedConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open gauge
		client := fake(t, Config{Limits: connectors.Limits{Concurrency: 3}}, func(r *http.Request) (*http.Response, error) {
			defer open.enter()()
			time.Sleep(20 * time.Millisecond)
			return respond(r, 200, ""), nil
		})
		began := time.Now()
		if failed := load(t, client, 300, 30); failed != 0 {
			t.Errorf("%d failed", failed)
		}
		if open.most != 3 {
			t.Errorf("%d at once, want 3", open.most)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %s, want 2s", took)
		}
	})
}

func TestPaceGrowsWhileItHelps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open gauge
		client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			defer open.enter()()
			time.Sleep(20 * time.Millisecond)
			return respond(r, 200, ""), nil
		})
		load(t, client, 16, 16)
		if open.most != firstWorkers {
			t.Errorf("%d at once at the start, want %d", open.most, firstWorkers)
		}
		load(t, client, 10000, 200)
		if open.most != mostWorkers {
			t.Errorf("%d at once, want %d", open.most, mostWorkers)
		}
	})
}

func TestPaceStopsGrowingWhenAnswersSlowDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A server that does ten at a time; more only wait.
		var open gauge
		busy := rate.NewLimiter(500, 1)
		client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			defer open.enter()()
			turn := busy.Reserve()
			time.Sleep(20*time.Millisecond + turn.Delay())
			return respond(r, 200, ""), nil
		})
		load(t, client, 5000, 200)
		if open.most > 45 {
			t.Errorf("%d at once, although answers came ever slower", open.most)
		}
		if limit := gateBehind(t, client).limit; limit < fewestWorkers {
			t.Errorf("down to %d", limit)
		}
	})
}

func TestPaceDoesNotGrowWhileIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) { return respond(r, 200, ""), nil })
		load(t, client, 5000, 4)
		if limit := gateBehind(t, client).limit; limit != firstWorkers {
			t.Errorf("limit %d after 4 workers", limit)
		}
	})
}

func TestPaceConfiguredRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The server counts with the same limit and a burst of one second.
		allowed := rate.NewLimiter(10, 10)
		traffic := new(connectors.Traffic)
		client := fake(t, Config{Limits: connectors.Limits{RequestsPerSecond: 10}, Runtime: connectors.Runtime{Traffic: traffic}},
			func(r *http.Request) (*http.Response, error) {
				if !allowed.Allow() {
					return respond(r, 429, "", "Retry-After", "1"), nil
				}
				time.Sleep(20 * time.Millisecond)
				return respond(r, 200, ""), nil
			})
		began := time.Now()
		if failed := load(t, client, 600, 16); failed != 0 {
			t.Errorf("%d failed", failed)
		}
		if took := time.Since(began); took > 63*time.Second {
			t.Errorf("took %s for a minute's worth of requests", took)
		}
		if n := traffic.Throttled.Load(); n != 0 {
			t.Errorf("%d throttled", n)
		}
		if traffic.Waited() < time.Minute {
			t.Errorf("waited %s only, it says", traffic.Waited())
		}
	})
}

// One answer pauses everybody, and workers are halved once for a burst.
func TestPaceSharesThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		throttled, early := 0, 0
		var until time.Time
		var open gauge
		client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			defer open.enter()()
			mu.Lock()
			if time.Now().Before(until) {
				early++
			}
			first := throttled < firstWorkers
			if first {
				throttled++
			}
			mu.Unlock()
			time.Sleep(20 * time.Millisecond)
			if first {
				mu.Lock()
				until = time.Now().Add(30 * time.Second)
				mu.Unlock()
				return respond(r, 429, "", "Retry-After", "30"), nil
			}
			return respond(r, 200, ""), nil
		})
		began := time.Now()
		if failed := load(t, client, 100, 40); failed != 0 {
			t.Errorf("%d failed", failed)
		}
		if early != 0 {
			t.Errorf("%d requests sent during the pause", early)
		}
		if took := time.Since(began); took < 30*time.Second || took > 40*time.Second {
			t.Errorf("took %s", took)
		}
		if got := gateBehind(t, client).limit; got < firstWorkers/2 || got > firstWorkers {
			t.Errorf("limit %d after one burst", got)
		}
	})
}

// A burst of refusals halves once; after the pause one goes ahead, and the rest
// when it was answered.
func TestGateHalvesOncePerBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(connectors.Limits{}, time.Minute)
		slow := &fault{class: connectors.Throttled, slow: true, wait: Wait{Delay: time.Second}}
		tickets := make([]ticket, firstWorkers)
		for i := range tickets {
			var err error
			if tickets[i], _, err = g.enter(t.Context(), "GET"); err != nil {
				t.Fatal(err)
			}
		}
		for _, ticket := range tickets {
			g.leave(ticket, slow, report{})
		}
		if g.limit != firstWorkers/2 {
			t.Errorf("limit %d, want %d", g.limit, firstWorkers/2)
		}
		var through atomic.Int32
		for range firstWorkers {
			go func() {
				ticket, _, err := g.enter(t.Context(), "GET")
				if err != nil {
					return
				}
				if through.Add(1) == 1 {
					time.Sleep(10 * time.Second)
				}
				g.leave(ticket, nil, report{})
			}()
		}
		time.Sleep(900 * time.Millisecond)
		if n := through.Load(); n != 0 {
			t.Errorf("%d sent during the pause", n)
		}
		time.Sleep(5 * time.Second)
		if n := through.Load(); n != 1 {
			t.Errorf("%d sent before the first was answered", n)
		}
		time.Sleep(time.Minute)
		if n := through.Load(); n != firstWorkers {
			t.Errorf("%d of %d sent", n, firstWorkers)
		}
	})
}

// Too many at once is no reason to pause (Okta answers limit and remaining 0 and
// a reset that is only an estimate).
func TestPaceConcurrentLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open gauge
		reset := func(h http.Header) Wait {
			if h.Get("X-Rate-Limit-Limit") == "0" {
				return Wait{Delay: time.Minute, Concurrent: true}
			}
			return Wait{}
		}
		traffic := new(connectors.Traffic)
		client := fake(t, Config{Reset: reset, Runtime: connectors.Runtime{Traffic: traffic}}, func(r *http.Request) (*http.Response, error) {
			defer open.enter()()
			over := open.count() > 5
			time.Sleep(20 * time.Millisecond)
			if over {
				return respond(r, 429, "", "X-Rate-Limit-Limit", "0"), nil
			}
			return respond(r, 200, ""), nil
		})
		began := time.Now()
		if failed := load(t, client, 500, 40); failed != 0 {
			t.Errorf("%d failed", failed)
		}
		// Five at once need 2 s.
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("took %s", took)
		}
		if traffic.Throttled.Load() == 0 {
			t.Error("the limit was never met")
		}
	})
}

// Those that take the places of the first to be served are refused too while the
// rest of the burst is open: that says nothing of how many are borne.
func TestGateCountsABurstOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const borne = 5
		g := newGate(connectors.Limits{}, time.Minute)
		over := &fault{class: connectors.Throttled, slow: true, wait: Wait{Concurrent: true}}
		enter := func() ticket {
			ticket, _, err := g.enter(t.Context(), "GET")
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		var open []ticket
		for range firstWorkers {
			open = append(open, enter())
		}
		for i := range borne {
			g.leave(open[i], nil, report{})
			open[i] = enter()
		}
		for _, ticket := range open {
			g.leave(ticket, over, report{})
		}
		if g.limit != borne {
			t.Errorf("limit %d, want %d", g.limit, borne)
		}
	})
}

// Whoever went later may have come first: a refused one was too many of the most
// that were under way with it, not of those it went with. Whether they are still
// under way does not matter.
func TestGateCountsThoseThatOvertake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(connectors.Limits{}, time.Minute)
		over := &fault{class: connectors.Throttled, slow: true, wait: Wait{Concurrent: true}}
		var open []ticket
		fill := func() {
			for g.inFlight < g.limit {
				ticket, _, err := g.enter(t.Context(), "GET")
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, ticket)
			}
		}
		leave := func() {
			g.leave(open[0], nil, report{})
			open = open[1:]
		}
		g.limit = 5
		fill()
		leave()
		fill()
		slow := open[4]
		leave()
		g.limit = 6
		fill()
		for open[0] != slow {
			leave()
		}
		g.leave(slow, over, report{})
		if g.limit != 5 {
			t.Errorf("limit %d after the sixth was refused, want 5", g.limit)
		}
	})
}

func TestPaceRefusesWhileALongPauseLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			sent++
			if sent == 1 {
				return respond(r, 429, "", "Retry-After", "1800"), nil
			}
			return respond(r, 200, ""), nil
		})
		for range 3 {
			_, err := send(t, client, "GET", "https://api.example.com/v1/x", "")
			wantClass(t, err, connectors.Throttled)
		}
		if sent != 1 {
			t.Errorf("%d requests, although a pause was asked for", sent)
		}
		time.Sleep(30 * time.Minute)
		if _, err := send(t, client, "GET", "https://api.example.com/v1/x", ""); err != nil {
			t.Error(err)
		}
	})
}

// A place is never lost, whoever gives up when.
func TestGateKeepsItsPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(connectors.Limits{Concurrency: 2}, time.Minute)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7+1)*time.Millisecond)
				defer cancel()
				ticket, _, err := g.enter(ctx, "GET")
				if err != nil {
					return
				}
				time.Sleep(time.Duration(i%3) * time.Millisecond)
				g.leave(ticket, nil, report{})
			})
		}
		wg.Wait()
		if g.inFlight != 0 || g.queue.Len() != 0 {
			t.Errorf("%d in flight, %d waiting", g.inFlight, g.queue.Len())
		}
	})
}

func TestShape(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, path := range []string{"/api/v1/users", "/api/v1/groups", "/api/v1/groups/00g1/users", "/api/v1/users/00u1"} {
		s := shape(request(t, t.Context(), "GET", "https://a.example"+path, ""))
		if other, ok := seen[s]; ok {
			t.Errorf("%s and %s are both %q", path, other, s)
		}
		seen[s] = path
	}
	a, b := shape(request(t, t.Context(), "GET", "https://a.example/Users/00u1", "")), shape(request(t, t.Context(), "GET", "https://a.example/Users/00u2", ""))
	if a != b || strings.Contains(a, "00u1") {
		t.Errorf("%q and %q", a, b)
	}
}

// A refusal that comes late, of a request that went before another one was refused and
// newer ones were answered, says nothing new.
func TestGateLateRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		client := fake(t, Config{Reset: func(h http.Header) Wait {
			return Wait{Concurrent: h.Get("X-Rate-Limit-Limit") == "0"}
		}}, func(r *http.Request) (*http.Response, error) {
			n := sent.Add(1)
			if n == 2 {
				time.Sleep(5 * time.Second)
				return respond(r, http.StatusTooManyRequests, ""), nil
			}
			time.Sleep(10 * time.Millisecond)
			if n > 1 {
				return respond(r, http.StatusOK, ""), nil
			}
			resp := respond(r, http.StatusTooManyRequests, "")
			resp.Header.Set("X-Rate-Limit-Limit", "0") // one too many at once
			return resp, nil
		})
		if failed := load(t, client, 20, 4); failed > 0 {
			t.Errorf("%d requests failed", failed)
		}
	})
}

// Requests that are given up while they wait are not in flight, nor do they take
// anything of a pace or a quota.
func TestGateForgetsWhoGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(connectors.Limits{Concurrency: 1, PerWindow: 40, Window: time.Minute}, time.Hour)
		began := time.Now()
		for range 20 {
			first, _, err := g.enter(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					if ticket, _, err := g.enter(ctx, "x"); err == nil {
						g.leave(ticket, nil, report{})
					}
				})
			}
			synctest.Wait()
			cancel()
			g.leave(first, nil, report{})
			wg.Wait()
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("twenty requests of forty a minute waited for %s", took)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if n := g.quotas["x"].inFlight; n != 0 || g.inFlight != 0 || g.queue.Len() != 0 {
			t.Errorf("%d of the kind and %d in all are in flight, %d wait; want none", n, g.inFlight, g.queue.Len())
		}
	})
}
