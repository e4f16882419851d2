package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Agent runs one sync.
type Agent struct {
	Sync   *configs.Sync
	Source connectors.Source
	Target connectors.Target
	Ledger *ledger.Ledger
	// Fields are the record fields that the syncs of this source use.
	Fields map[identity.Kind][]string
	// Siblings are all syncs on the source, this one included: they share its
	// mirror and its cursor, and a change in the mirror concerns them all.
	Siblings []*configs.Sync
	// Keep is how long the journal is kept; 0 is for ever.
	Keep     time.Duration
	Log      *slog.Logger
	Progress Progress
	// Now is the clock.
	Now func() time.Time
}

// Progress is told how far a cycle has come. Its methods are called from one
// goroutine at a time.
type Progress interface {
	// Phase begins a phase, with the number of things to do, or 0 where it
	// is not known beforehand.
	Phase(name string, total int)
	// Advance counts things done in the phase.
	Advance(n int)
}

// IncompleteError says that a read did not reach its end, so that nothing was
// written.
type IncompleteError struct {
	What string // what was being read, and from where
	Err  error
}

// Error says what was not read, and that nothing was written.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%s: %v; nothing was written", e.What, e.Err)
}

// Unwrap returns the cause.
func (e *IncompleteError) Unwrap() error { return e.Err }

// incomplete wraps a failed read. Refused credentials, a cancelled run and a
// ledger in trouble keep their own meaning.
func incomplete(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*ledger.StateError](err); ok || errors.Is(err, context.Canceled) ||
		connectors.ClassOf(err) == connectors.Unauthorized {
		return fmt.Errorf("%s: %w", what, err)
	}
	return &IncompleteError{What: what, Err: err}
}

// StaleError says that a saved plan no longer fits.
type StaleError struct{ Why string }

// Error returns why.
func (e *StaleError) Error() string { return e.Why }

// Cycle is a sync between its plan and its end. It holds the locks and the
// scratch room until it is closed.
type Cycle struct {
	Plan *plan.Plan

	agent   *Agent
	session connectors.Session
	scratch *ledger.Workspace
	lease   *ledger.Lease
	counts  counts
	// configHeld says that the guard holds removals that come from an edit of
	// the configuration, so that the edit is not taken for accepted yet.
	configHeld bool
	// surveyed is what was seen of the target while the source was read; nil:
	// nothing.
	surveyed *survey
	// bound is what the ledger remembers of the target.
	bound ledger.Binding
	// opened is when the target said what it can do; zero where that is only
	// remembered.
	opened time.Time
	// unreadable are objects whose counterpart the target shows in a form
	// nobody can read, and why.
	unreadable map[identity.Ref]string
	// due counts, by kind, the objects that were due.
	due map[identity.Kind]int
	// sought are objects for which nobody was found by name, where the cycle is
	// about few.
	sought  map[identity.Ref]bool
	emptied []emptied
	// bundles are those that take part, by id.
	bundles map[string]bundle
	// moves are steps that wait for another one to give a name up.
	moves []plan.NameMove
	notes []string
	// extent is what the plan is about; readFull says that the source was read
	// as a whole for it.
	extent   extent
	readFull bool
	// sighted says that the target shows members, though an earlier run learned
	// that it does not.
	sighted bool
	// heldBeside counts the removals that an earlier cycle held back and this
	// one has not looked at.
	heldBeside int
	// stale counts the changes of a saved plan that no longer fit.
	stale int
	// began is when this cycle began to read: what others write from then on
	// is left to the next cycle.
	began time.Time
}

// profile is what the session says of the target, and what earlier runs learned
// of it.
func (c *Cycle) profile() connectors.Profile {
	p := c.session.Profile()
	if c.bound.Members == string(connectors.MembersBlind) && c.bound.URL == c.agent.Sync.Target.URL && p.Members == connectors.MembersReadable {
		p.Members = connectors.MembersBlind
	}
	return p
}

// counts is what is owned and what was seen.
type counts struct {
	owned, present map[plan.Class]int
	// expected are the owned objects that should be seen at the target, and
	// vanished those of them that are not; missing are all that are not.
	expected, vanished, missing map[plan.Class]int
	// unoffered says that the target lacks something the sync wants.
	unoffered bool
}

func newCounts() counts {
	return counts{
		owned: map[plan.Class]int{}, present: map[plan.Class]int{},
		expected: map[plan.Class]int{}, vanished: map[plan.Class]int{}, missing: map[plan.Class]int{},
	}
}

// see counts an owned object.
func (c *counts) see(k identity.Kind, live, expected bool) {
	class := classOf(k)
	c.owned[class]++
	if !live {
		c.missing[class]++
	}
	if expected {
		c.expected[class]++
	}
}

// gone returns what the guards are to judge as vanished. Many targets hide the
// inactive, whose absence therefore proves nothing; but where most of those are
// missing that should be seen, everything that is missing counts.
func (c *counts) gone() map[plan.Class]int {
	out := map[plan.Class]int{}
	for class, n := range c.vanished {
		if out[class] = n; 2*n > c.expected[class] {
			out[class] = max(n, c.missing[class])
		}
	}
	return out
}

// Options say what a cycle may do.
type Options struct {
	// AllowRemovals lifts the guard when it equals the number of changes it
	// holds; nil lifts nothing.
	AllowRemovals *int
	// MaxChanges refuses a larger plan; nil has no ceiling.
	MaxChanges *int
	// Only restricts the cycle to these objects; nil is all.
	Only []Selector
	// Full reads the source, and compares the target, as a whole.
	Full bool
	// Eager looks also at what failed or was held before and whose next try is
	// still to come: a person wants to see it. AllowRemovals implies it.
	Eager bool
}

// Selector names one object by source id, userName or displayName, externalId
// or target id.
type Selector struct {
	Kind  identity.Kind
	Value string
}

// Prepare reads both sides and plans. The caller closes the cycle.
func (a *Agent) Prepare(ctx context.Context, o Options) (*Cycle, error) {
	c := (&Cycle{agent: a, began: a.Now()}).fresh()
	if len(o.Only) > 0 {
		c.extent = demanded
		if err := a.prepareOnly(ctx, c, o); err != nil {
			return nil, c.closeOn(err)
		}
		return c, nil
	}
	var err error
	if c.lease, err = a.Ledger.Lock(ctx, holder(), a.locks()...); err != nil {
		return nil, err
	}
	if err := a.prepare(ctx, c, o); err != nil {
		return nil, c.closeOn(err)
	}
	return c, nil
}

// closeOn closes the cycle when there is an error, and returns it.
func (c *Cycle) closeOn(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, c.Close())
}

func (a *Agent) prepare(ctx context.Context, c *Cycle, o Options) error {
	var err error
	if c.bound, _, err = a.Ledger.Binding(ctx, a.Sync.Name); err != nil {
		return err
	}
	if err := a.recover(ctx, c); err != nil {
		return err
	}
	mark, mirrored, err := a.Ledger.Mirror(a.Sync.Source.Name).Bookmark(ctx)
	if err != nil {
		return err
	}
	begin, err := a.opening(ctx, c, o, mark, mirrored)
	if err != nil {
		return err
	}
	if err := a.openScratch(ctx, c); err != nil {
		return err
	}
	survey, reading := a.survey(ctx, c, begin.from == "")
	if err := survey.join(ctx, a, c, a.read(reading, c, begin)); err != nil {
		return err
	}
	if c.extent == selected {
		err := a.prove(ctx, c, a.compareDue(ctx, c, o))
		if !errors.Is(err, errTooNarrow) {
			return err
		}
		a.Log.InfoContext(ctx, "comparing the whole target", "sync", a.Sync.Name, "because", err.Error())
		if err := a.restart(ctx, c); err != nil {
			return err
		}
	}
	c.surveyed = survey
	if err := c.scratch.Mark(ctx); err != nil {
		return err
	}
	return a.compare(ctx, c, o)
}

// openScratch gives the cycle an empty room.
func (a *Agent) openScratch(ctx context.Context, c *Cycle) error {
	var err error
	c.scratch, err = a.Ledger.NewWorkspace(ctx, a.Sync.Name, a.Sync.Source.Name, a.Sync.Target.Name)
	return err
}

// restart forgets what was compared, so that everything can be.
func (a *Agent) restart(ctx context.Context, c *Cycle) error {
	scratch := c.scratch
	*c = Cycle{
		agent: a, session: c.session, opened: c.opened, lease: c.lease, bound: c.bound, began: c.began,
		readFull: c.readFull, extent: whole,
	}
	c.fresh()
	if err := scratch.Close(); err != nil {
		return err
	}
	return a.openScratch(ctx, c)
}

// fresh makes what a comparison notes down.
func (c *Cycle) fresh() *Cycle {
	c.due = map[identity.Kind]int{}
	c.unreadable, c.sought = map[identity.Ref]string{}, map[identity.Ref]bool{}
	return c
}

func (a *Agent) locks() []string {
	return []string{"sync:" + a.Sync.Name, "source:" + a.Sync.Source.Name, "target:" + a.Sync.Target.Name}
}

// Close gives everything back. It may be called more than once.
func (c *Cycle) Close() error {
	var errs []error
	if c.scratch != nil {
		errs = append(errs, c.scratch.Close())
		c.scratch = nil
	}
	return errors.Join(append(errs, c.Unlock())...)
}

// holder names this process to whoever finds its lock.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// Unlock lets other runs on the same source and target go ahead while this
// cycle is still being shown.
func (c *Cycle) Unlock() error {
	lease := c.lease
	c.lease = nil
	if lease == nil {
		return nil
	}
	return lease.Release()
}
