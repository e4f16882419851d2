package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
)

// Batch says how events become messages.
type Batch string

// The batches.
const (
	PerRun    Batch = "run"    // one digest
	PerObject Batch = "object" // one message an object
)

// mostSingle bounds the messages of one Dispatch to one notifier under PerObject;
// what is beyond it goes into one digest.
const mostSingle = 50

// Route says who hears about what of one sync: its notify block.
type Route struct {
	To     []string `yaml:"to"`
	Events []Kind   `yaml:"events,omitempty"` // none: all; recovered goes where what it closes went
	Batch  Batch    `yaml:"batch,omitempty"`  // default run
}

// Wants reports whether a kind of event is to be told.
func (r Route) Wants(kind Kind) bool { return len(r.Events) == 0 || slices.Contains(r.Events, kind) }

// wants reports whether an event is to be told.
func (r Route) wants(e Event) bool {
	if e.Kind == Recovered {
		return r.Wants(e.Closes)
	}
	return r.Wants(e.Kind)
}

// Dispatcher turns events into messages: who hears about which, what is new to
// whom, and in how many messages. What a notifier could not be sent and would not
// come up again (a created group, a recovery) goes with the next Dispatch of the
// sync, as long as the process lives. It is safe for concurrent use.
type Dispatcher struct {
	notifiers map[string]Notifier
	memory    Memory
	log       *slog.Logger
	now       func() time.Time
	lanes     map[string]*lane
}

// lane serialises one notifier, so that two syncs cannot tell the same at once.
type lane struct {
	turn    chan struct{}
	pending map[string][]Event // by sync
}

// NewDispatcher returns a dispatcher for notifiers by name.
func NewDispatcher(notifiers map[string]Notifier, memory Memory, now func() time.Time, o Options) *Dispatcher {
	d := &Dispatcher{notifiers: notifiers, memory: memory, log: o.log(), now: now, lanes: map[string]*lane{}}
	for name := range notifiers {
		d.lanes[name] = &lane{turn: make(chan struct{}, 1), pending: map[string][]Event{}}
	}
	return d
}

// Report tells what the plan of a finished whole cycle gives to tell, what it
// closes, and more, such as a Recover, in the same message. For a run of single
// objects, Dispatch what FromPlan returns.
func (d *Dispatcher) Report(ctx context.Context, r Route, p *plan.Plan, more ...Event) error {
	events, err := FromPlan(p)
	if err != nil {
		return err
	}
	open, err := d.Open(ctx, r, p.Sync)
	if err != nil {
		return err
	}
	closed, err := Recoveries(p, open)
	if err != nil {
		return err
	}
	return d.Dispatch(ctx, r, p.Sync, slices.Concat(more, closed, events))
}

// Open returns what was told to the route's notifiers about failures and held
// changes of a sync and still stands: KIND/CONDITION, without duplicates.
func (d *Dispatcher) Open(ctx context.Context, r Route, sync string) ([]string, error) {
	var out []string
	for _, name := range r.To {
		for _, kind := range [...]Kind{Failed, Held} {
			prefix := scope(name, sync)
			keys, err := d.memory.Keys(ctx, prefix+string(kind)+"/")
			if err != nil {
				return nil, fmt.Errorf("what notifier %s was told: %w", name, err)
			}
			for _, key := range keys {
				out = append(out, strings.TrimPrefix(key, prefix))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Dispatch tells the events of one sync to every notifier of the route, side by
// side, after what could not be sent before. An error names each notifier that
// did not hear everything; the others did.
func (d *Dispatcher) Dispatch(ctx context.Context, r Route, syncName string, events []Event) error {
	wanted := slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return !r.wants(e) })
	for i := range wanted {
		wanted[i].Sync = syncName
	}
	names := slices.Compact(slices.Sorted(slices.Values(r.To)))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		l, ok := d.lanes[name]
		if !ok {
			errs[i] = fmt.Errorf("notifier %s: there is none of this name", name)
			continue
		}
		all.Go(func() {
			select {
			case l.turn <- struct{}{}:
				defer func() { <-l.turn }()
				errs[i] = d.tell(ctx, name, syncName, r.Batch, wanted)
			case <-ctx.Done():
				errs[i] = fmt.Errorf("notifier %s: %w", name, context.Cause(ctx))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// tell sends what is new to one notifier.
func (d *Dispatcher) tell(ctx context.Context, name, sync string, batch Batch, events []Event) error {
	l := d.lanes[name]
	fresh, err := d.fresh(ctx, name, append(slices.Clone(l.pending[sync]), events...))
	if err != nil {
		return fmt.Errorf("notifier %s: what it was told: %w", name, err)
	}
	fresh, silent := split(fresh)
	if err := d.memory.Forget(ctx, silent); err != nil {
		return fmt.Errorf("notifier %s: forget what is over: %w", name, err)
	}
	delete(l.pending, sync)
	parts := parcels(fresh, batch)
	for i, part := range parts {
		if err := d.send(ctx, name, part); err != nil {
			l.pending[sync] = passed(slices.Concat(parts[i:]...))
			return err
		}
	}
	return nil
}

// send sends one message and remembers it.
func (d *Dispatcher) send(ctx context.Context, name string, part []news) error {
	m := compose(part, d.now())
	if err := d.notifiers[name].Send(ctx, m); err != nil {
		return err
	}
	d.log.Info("notification sent", "notifier", name, "sync", m.Sync, "run_id", m.Run, "delivery", m.ID)
	var keys, drop []string
	for _, n := range part {
		keys, drop = append(keys, n.keys...), append(drop, n.forget()...)
	}
	// It was sent: that is to be kept even when the run is being stopped.
	ctx = context.WithoutCancel(ctx)
	if err := errors.Join(d.memory.Forget(ctx, drop), d.memory.Remember(ctx, keys, d.now())); err != nil {
		return fmt.Errorf("notifier %s: the message was sent, but that could not be kept, so it may be sent again: %w", name, err)
	}
	return nil
}

// scope begins the keys of a notifier about a sync.
func scope(name, sync string) string { return url.PathEscape(name) + "/" + url.PathEscape(sync) + "/" }
