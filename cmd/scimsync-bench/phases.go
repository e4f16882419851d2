package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// inFlight is the concurrency that the critical path and the bare client assume:
// what scimsync begins with where a target's limit is unknown.
const inFlight = 16

// phase is one measured run.
type phase struct {
	name string
	// prepare changes the world beforehand; nil: nothing.
	prepare func(context.Context, *rig) error
	args    []string
	// least is the fewest requests to source and target that can do it, where
	// the target holds so much afterwards.
	least func(w, held world, changed int) (source, target int)
	// changed is how many people prepare changes.
	changed func(w world) int
	// floor is the bare client's part; nil: none.
	floor func(context.Context, *rig) (time.Duration, error)
	// beside is run in the background from before the measured run on.
	beside []string
}

func none(world) int { return 0 }

func pages(n, size int) int { return max(1, int(math.Ceil(float64(n)/float64(size)))) }

// sizes of a page, as both servers and scimsync have them.
const (
	sourcePage = 200
	groupPage  = 200
	targetPage = 100
	patchSize  = 100
)

// phases are in the order they are run in one world.
func phases(from provider) []phase {
	readTarget := func(w world) int { return pages(w.users, targetPage) + pages(w.groups, targetPage) }
	onePercent := func(w world) int { return w.users / 100 }
	hundred := func(w world) int { return min(100, w.users/10) }
	change := func(n func(world) int) func(context.Context, *rig) error {
		return func(ctx context.Context, r *rig) error { return r.change(ctx, n(r.world)) }
	}
	return []phase{
		{
			name: "first load", args: []string{"sync"}, changed: none, floor: bareLoad,
			least: func(w, held world, _ int) (int, int) {
				more := max(0, held.memberships/held.groups-patchSize) * held.groups / patchSize
				return from.cold(w), 2 + held.users + held.groups + more
			},
		},
		{
			name: "no change, full", args: []string{"sync", "--full"}, changed: none, floor: bareRead,
			least: func(w, held world, _ int) (int, int) { return from.everything(w), readTarget(held) },
		},
		{
			name: "1% change, full", args: []string{"sync", "--full"}, changed: onePercent, prepare: change(onePercent),
			least: func(w, held world, n int) (int, int) { return from.everything(w), readTarget(held) + n },
		},
		{
			name: "no change, delta", args: []string{"sync"}, changed: none,
			least: func(w, _ world, _ int) (int, int) { return from.changes(w), 0 },
		},
		{
			name: "delta of 100", args: []string{"sync"}, changed: hundred, prepare: change(hundred),
			least: func(w, _ world, n int) (int, int) { return from.changes(w), 2 * n },
		},
		{
			name: "one object", changed: none, prepare: func(ctx context.Context, r *rig) error { return r.change(ctx, 1) },
			args:  []string{"sync", "--only", "user:" + someone},
			least: func(world, world, int) (int, int) { return 1, 2 },
		},
		{
			name: "one object during a full run", changed: none, prepare: change(onePercent),
			args: []string{"sync", "--only", "user:" + someone}, beside: []string{"sync", "--full"},
			least: func(world, world, int) (int, int) { return 1, 2 },
		},
	}
}

// someone stands for the id of a person in the arguments of a phase.
const someone = "SOMEONE"

// rig is one world being measured.
type rig struct {
	*servers
	agent *agent
	world world
	o     *options
}

func (r *rig) change(ctx context.Context, n int) error {
	_, err := r.control(ctx, http.MethodPost, fmt.Sprintf("/change?n=%d", n))
	return err
}

// sample is what one run of a phase gave.
type sample struct {
	usage
	stats
	critical time.Duration
	floor    time.Duration
}

// measure runs one phase.
func (r *rig) measure(ctx context.Context, p phase) (sample, error) {
	var s sample
	if p.prepare != nil {
		if err := p.prepare(ctx, r); err != nil {
			return s, err
		}
	}
	args, err := r.fill(ctx, p.args)
	if err != nil {
		return s, err
	}
	if _, err := r.stats(ctx); err != nil { // what came before does not count
		return s, err
	}
	background := make(chan error, 1)
	if p.beside == nil {
		background <- nil
	} else {
		go func() {
			_, err := r.agent.run(ctx, p.beside...)
			background <- err
		}()
		if err := r.untilBusy(ctx); err != nil {
			return s, err
		}
	}
	if s.usage, err = r.agent.run(ctx, args...); err != nil {
		return s, err
	}
	if err := <-background; err != nil {
		return s, err
	}
	if s.stats, err = r.stats(ctx); err != nil {
		return s, err
	}
	s.critical = criticalPath(s.stats, r.o.latency)
	if p.floor != nil && r.o.from.floor && r.o.rate == 0 { // it knows no pace
		if s.floor, err = p.floor(ctx, r); err != nil {
			return s, fmt.Errorf("bare client: %w", err)
		}
		if _, err := r.stats(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (r *rig) fill(ctx context.Context, args []string) ([]string, error) {
	out := slices.Clone(args)
	for i, arg := range out {
		if !strings.Contains(arg, someone) {
			continue
		}
		id, err := r.control(ctx, http.MethodGet, "/someone")
		if err != nil {
			return nil, err
		}
		out[i] = strings.ReplaceAll(arg, someone, string(id))
	}
	return out, nil
}

// untilBusy waits until a run in the background talks to the target.
func (r *rig) untilBusy(ctx context.Context) error {
	for {
		body, err := r.control(ctx, http.MethodGet, "/busy")
		if err != nil || string(body) != "0" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// criticalPath is the shortest time in which the requests that were made could
// have been answered: pages one after another, the rest inFlight at a time, kind
// after kind.
func criticalPath(s stats, latency time.Duration) time.Duration {
	rounds := 0
	for _, side := range []tally{s.Source, s.Target} {
		for kind, n := range side.Requests {
			if paged(kind) {
				rounds += n
			} else {
				rounds += (n + inFlight - 1) / inFlight
			}
		}
	}
	return time.Duration(rounds) * latency
}

// paged reports whether requests of a kind follow one from another: they read a
// collection.
func paged(kind string) bool {
	method, path, _ := strings.Cut(kind, " ")
	return method == http.MethodGet && !strings.Contains(strings.TrimSuffix(path, "/{$}"), "{")
}

// writes counts the requests that change the target.
func writes(t tally) int {
	n := 0
	for kind, count := range t.Requests {
		if !strings.HasPrefix(kind, "GET ") && !strings.HasSuffix(kind, "/.search") {
			n += count
		}
	}
	return n
}
