package main

import (
	"context"
	"slices"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/configs"
)

const (
	// missedFires is how many times a schedule may fire without a complete run.
	missedFires = 3
	// leastStale is how long a sync is never called stale, however often it
	// runs: a restart of the other side is no news.
	leastStale = time.Hour
	// runsLooked is how many runs back the last complete one is looked for.
	runsLooked = 500
)

// staleAt returns when a sync whose last complete run began at last is stale:
// once its schedule has fired three times since, or three intervals of @every
// have passed, and an hour at the least. It is zero where the sync has no
// schedule, or one that does not fire three times more.
func staleAt(s *configs.Schedule, last time.Time) time.Time {
	if s == nil {
		return time.Time{}
	}
	at := last
	for range missedFires {
		if at = s.Next(at); at.IsZero() {
			return time.Time{}
		}
	}
	if least := last.Add(leastStale); at.Before(least) {
		return least
	}
	return at
}

// stale tells of a sync that has had no complete run for too long. A sync that
// never had one counts from when this process began.
func (n *announcer) stale(ctx context.Context, s *configs.Sync) {
	if s.Notify == nil || s.Schedule == nil {
		return
	}
	last, err := lastComplete(ctx, n.ledger, s.Name)
	if err != nil {
		n.app.log.Warn("reading when the sync last ran to its end", "sync", s.Name, "err", err)
		return
	}
	since := last
	if last.IsZero() {
		since = n.since
	}
	now := n.now()
	if at := staleAt(s.Schedule, since); at.IsZero() || now.Before(at) {
		return
	}
	n.within(ctx, s, func(ctx context.Context, route notify.Route) error {
		return n.tell.Dispatch(ctx, route, s.Name, []notify.Event{notify.Staleness(s.Name, last, now)})
	})
}

// lastComplete returns when the latest run began that went over the whole sync
// to its end; zero where there is none. What a guard held or an object that
// failed is told as such, and the run is complete all the same.
func lastComplete(ctx context.Context, l *ledger.Ledger, sync string) (time.Time, error) {
	runs, err := l.Runs(ctx, sync, runsLooked)
	if err != nil {
		return time.Time{}, err
	}
	i := slices.IndexFunc(runs, func(r ledger.Run) bool {
		return slices.Contains([]string{"full", "delta"}, r.Cycle) && slices.Contains([]string{"done", "partial", "held"}, r.Result)
	})
	if i < 0 {
		return time.Time{}, nil
	}
	return runs[i].Started, nil
}
