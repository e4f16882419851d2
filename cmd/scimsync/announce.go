package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
)

// announcer tells people what became of the runs of one configuration, by the
// notify block of each sync. Nothing it cannot do fails a run: it is logged. Safe
// for concurrent use.
type announcer struct {
	app    *app
	ledger *ledger.Ledger
	tell   *notify.Dispatcher
	debts  debts
	// since is when this process began to watch.
	since time.Time
	now   func() time.Time

	mu sync.Mutex
	// left is what remains of the time a command gives to notifications;
	// negative where each event gets its own.
	left time.Duration
}

// The time that notifications may take: of a command in all its syncs, of one
// that was interrupted, and of one event of the daemon, of which there is no sum.
const (
	tellingTime  = 60 * time.Second
	partingTime  = 10 * time.Second
	daemonTells  = 5 * time.Minute
	unboundedAll = -1
	// leastTelling is less than anything can be sent in.
	leastTelling = 100 * time.Millisecond
)

// announcing are the choices of an announcer.
type announcing struct {
	// Sent hears of every message that was sent, or was not; nil is nobody.
	Sent func(notifier string, err error)
	// Daemon gives each event its own time. A command shares one minute among
	// all of them, because somebody waits for its end.
	Daemon bool
}

// announcer returns what tells of the runs of a configuration. A notifier that
// cannot be made, such as one whose ca_file is missing, fails when it is to tell.
func (a *app) announcer(cfg *configs.Config, l *ledger.Ledger, o announcing) *announcer {
	options := notify.Options{Log: a.log, UserAgent: "scimsync/" + version}
	notifiers := map[string]notify.Notifier{}
	for name, n := range cfg.Notifiers {
		made, err := newNotifier(n, options)
		if err != nil {
			made = broken{err}
		}
		if o.Sent != nil {
			made = observed{made, func(err error) { o.Sent(name, err) }}
		}
		notifiers[name] = made
	}
	out := &announcer{
		app: a, ledger: l, debts: debts{ledger: l, memory: l.Told(), now: time.Now},
		since: time.Now(), now: time.Now, left: tellingTime,
	}
	if o.Daemon {
		out.left = unboundedAll
	}
	out.tell = notify.NewDispatcher(notifiers, l.Told(), time.Now, options)
	return out
}

func newNotifier(n *configs.Notifier, o notify.Options) (notify.Notifier, error) {
	switch s := n.Settings.(type) {
	case *notify.EmailSettings:
		return notify.NewEmail(n.Name, *s, o)
	case *notify.WebhookSettings:
		return notify.NewWebhook(n.Name, *s, o)
	}
	return nil, fmt.Errorf("notifier %s: nothing sends for type %s", n.Name, n.Type.Name)
}

// broken is a notifier that could not be made.
type broken struct{ err error }

func (b broken) Send(context.Context, notify.Message) error { return b.err }

// observed is a notifier that says how each message went.
type observed struct {
	notify.Notifier
	sent func(error)
}

func (o observed) Send(ctx context.Context, m notify.Message) error {
	err := o.Notifier.Send(ctx, m)
	o.sent(err)
	return err
}

// reach is how much a run proves about its sync.
type reach string

const (
	reachWhole reach = "whole" // a full or delta cycle
	reachSaved reach = "saved" // a plan from a file, which says nothing of what happened since
	reachOnly  reach = "only"  // selected objects
)

// begins notes that a run is about to make things that somebody is to hear of.
func (n *announcer) begins(ctx context.Context, s *configs.Sync) {
	if s.Notify == nil || !routeOf(s.Notify).Wants(notify.GroupCreated) {
		return
	}
	if err := n.debts.begin(ctx, s.Name); err != nil {
		n.app.log.Warn("cannot note what is to be told", "sync", s.Name, "err", err)
	}
}

// ran tells of a run that was applied, however it ended. Failure is what Apply
// returned.
func (n *announcer) ran(ctx context.Context, s *configs.Sync, p *plan.Plan, r agent.Result, failure error, of reach) {
	if s.Notify == nil {
		return
	}
	n.within(ctx, s, func(ctx context.Context, route notify.Route) error {
		more := n.whole(ctx, s, r, failure, of)
		if !route.Wants(notify.GroupCreated) || r.Run == "" {
			return n.report(ctx, route, p, of, more)
		}
		owed, trouble := n.debts.owed(ctx, s.Name, r.Run)
		err := n.report(ctx, route, p, of, append(more, owed...))
		// It was told, or it was not: that is to be kept in any case.
		kept := context.WithoutCancel(ctx)
		if err != nil {
			return errors.Join(trouble, err, n.debts.due(kept, s.Name, r.Run))
		}
		return errors.Join(trouble, n.debts.paid(kept, s.Name, r.Run))
	})
}

// report tells what the plan of a run gives to tell, and more.
func (n *announcer) report(ctx context.Context, route notify.Route, p *plan.Plan, of reach, more []notify.Event) error {
	switch of {
	case reachWhole:
		return n.tell.Report(ctx, route, p, more...)
	case reachSaved:
		// What the file does not mention may have failed since it was made.
		narrowed := *p
		narrowed.Cycle = plan.Delta
		return n.tell.Report(ctx, route, &narrowed, more...)
	case reachOnly:
	}
	events, err := notify.FromPlan(p)
	return errors.Join(err, n.tell.Dispatch(ctx, route, p.Sync, append(more, events...)))
}

// whole returns what a run says about its sync as a whole: that it failed, or
// that what stood about it is over.
func (n *announcer) whole(ctx context.Context, s *configs.Sync, r agent.Result, failure error, of reach) []notify.Event {
	cause := failure
	if cause == nil {
		cause = r.Report.Stopped
	}
	switch {
	case errors.Is(cause, apply.ErrInterrupted), errors.Is(cause, context.Canceled):
		return nil
	case cause != nil:
		return []notify.Event{n.runFailed(s, r.Run, cause)}
	case of != reachWhole:
		return nil
	}
	now := n.now()
	over := []notify.Event{notify.Recover(s.Name, r.Run, notify.Failed, now), notify.Recover(s.Name, r.Run, notify.Stale, now)}
	// A delta cycle shows what it is about; the ledger knows the rest.
	if holding, err := n.ledger.Holding(ctx, s.Name); err == nil && !holding {
		over = append(over, notify.Recover(s.Name, r.Run, notify.Held, now))
	}
	return over
}

func (n *announcer) runFailed(s *configs.Sync, run string, cause error) notify.Event {
	return notify.RunFailed(s.Name, run, errors.New(n.app.explain(cause)), n.now())
}

// failed tells of a run that ended before it had a plan. A run that did not take
// place, because another one holds the lock or somebody stopped it, failed in no
// way.
func (n *announcer) failed(ctx context.Context, s *configs.Sync, cause error) {
	switch codeOf(cause) {
	case exitDone, exitLocked, exitInterrupted, exitStale, exitUsage:
		return
	}
	if s.Notify == nil {
		return
	}
	n.within(ctx, s, func(ctx context.Context, route notify.Route) error {
		return n.tell.Dispatch(ctx, route, s.Name, []notify.Event{n.runFailed(s, "", cause)})
	})
}

// within bounds the time of telling and logs what went wrong with it.
func (n *announcer) within(ctx context.Context, s *configs.Sync, tell func(context.Context, notify.Route) error) {
	budget, ok := n.budget()
	if !ok {
		n.app.log.Warn("no time left for notifications: slow notifiers have used it up", "sync", s.Name)
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, fmt.Errorf("no time left after %s", budget.Round(time.Second)))
	defer cancel()
	began := n.now()
	err := tell(ctx, routeOf(s.Notify))
	n.spend(n.now().Sub(began))
	if err != nil {
		n.app.log.Warn("notification not sent", "sync", s.Name, "err", err)
	}
}

// budget returns how long the next telling may take; false where all is used up.
func (n *announcer) budget() (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.left == unboundedAll {
		return daemonTells, true
	}
	if n.app.stopped() {
		n.left = min(n.left, partingTime)
	}
	return n.left, n.left > 0
}

func (n *announcer) spend(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.left != unboundedAll {
		n.left -= d
		if n.left < leastTelling {
			n.left = 0
		}
	}
}

func routeOf(c *configs.Notify) notify.Route {
	r := notify.Route{To: c.To, Batch: notify.Batch(c.Batch)}
	for _, kind := range c.Events {
		r.Events = append(r.Events, notify.Kind(kind))
	}
	return r
}
