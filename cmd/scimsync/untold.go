package main

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// What still stands after a run comes up again with the next one. That a group
// was made does not: where a mail server was down, or the process was killed
// before it could tell, the next run tells of it from the journal. The memory
// keeps, for each sync, the last run of which everybody was told; what came after
// it is owed.

// mostOwed bounds the runs that are told of later, the newest first.
const mostOwed = 100

// debts knows what is still to be told of the earlier runs of syncs.
type debts struct {
	ledger *ledger.Ledger
	memory notify.Memory
	now    func() time.Time
}

// prefix begins the only key of a sync; notifiers' keys begin with a name, which
// is never empty.
func (debts) prefix(sync string) string { return "/" + url.PathEscape(sync) + "/told/" }

// begin notes, before a run makes anything, where the telling of a sync begins: a
// first run that is killed owes what it made.
func (d debts) begin(ctx context.Context, sync string) error {
	_, known, err := d.last(ctx, sync)
	if err != nil || known {
		return err
	}
	runs, err := d.ledger.Runs(ctx, sync, 1)
	if err != nil {
		return err
	}
	before := ""
	if len(runs) > 0 {
		before = runs[0].ID
	}
	return d.keep(ctx, sync, before)
}

// owed returns the groups that earlier runs made since everybody was told, and
// notes where it looked from. Those who heard of some are not told again: the
// conditions are the same.
func (d debts) owed(ctx context.Context, sync, run string) ([]notify.Event, error) {
	last, known, err := d.last(ctx, sync)
	if err != nil {
		return nil, err
	}
	runs, err := d.ledger.Runs(ctx, sync, mostOwed)
	if err != nil {
		return nil, err
	}
	runs = slices.DeleteFunc(runs, func(r ledger.Run) bool { return r.ID >= run })
	if !known {
		// Nobody was ever told of this sync: what was made before is no news.
		if len(runs) > 0 {
			last = runs[0].ID
		}
		return nil, d.keep(ctx, sync, last)
	}
	var out []notify.Event
	for _, r := range slices.Backward(runs) {
		if r.ID <= last {
			continue
		}
		made, err := d.made(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	return out, nil
}

// made returns the groups that a run made, as its own telling would have.
func (d debts) made(ctx context.Context, r ledger.Run) ([]notify.Event, error) {
	steps := func(yield func(plan.Step, error) bool) {
		for j, err := range d.ledger.History(ctx, ledger.Filter{Run: r.ID, Kind: identity.Group, Op: identity.Create}) {
			if !yield(plan.Step{Change: j.Change, Outcome: j.Outcome}, err) {
				return
			}
		}
	}
	events, err := notify.FromPlan(&plan.Plan{
		Sync: r.Sync, ID: r.ID, Run: r.ID, Created: r.Started.UTC().Format(time.RFC3339), Steps: steps,
	})
	return slices.DeleteFunc(events, func(e notify.Event) bool { return e.Kind != notify.GroupCreated }), err
}

// paid notes that everybody was told of a run and of all before it.
func (d debts) paid(ctx context.Context, sync, run string) error {
	last, _, err := d.last(ctx, sync)
	if err != nil || last >= run {
		return err
	}
	return d.keep(ctx, sync, run)
}

// due notes that somebody was not told of a run.
func (d debts) due(ctx context.Context, sync, run string) error {
	last, _, err := d.last(ctx, sync)
	if err != nil || last < run {
		return err
	}
	// A later run of single objects was told of before this one ended.
	runs, err := d.ledger.Runs(ctx, sync, mostOwed)
	if err != nil {
		return err
	}
	before := ""
	if i := slices.IndexFunc(runs, func(r ledger.Run) bool { return r.ID < run }); i >= 0 {
		before = runs[i].ID
	}
	return d.keep(ctx, sync, before)
}

func (d debts) last(ctx context.Context, sync string) (string, bool, error) {
	keys, err := d.memory.Keys(ctx, d.prefix(sync))
	if err != nil || len(keys) == 0 {
		return "", false, err
	}
	run, err := url.PathUnescape(strings.TrimPrefix(keys[len(keys)-1], d.prefix(sync)))
	return run, true, err
}

// keep replaces the key of a sync.
func (d debts) keep(ctx context.Context, sync, run string) error {
	before, err := d.memory.Keys(ctx, d.prefix(sync))
	if err != nil {
		return err
	}
	key := d.prefix(sync) + url.PathEscape(run)
	if err := d.memory.Remember(ctx, []string{key}, d.now()); err != nil {
		return err
	}
	return d.memory.Forget(ctx, slices.DeleteFunc(before, func(k string) bool { return k == key }))
}
