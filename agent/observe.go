package agent

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// observe brings what the target holds of a kind into the scratch room. It asks
// the target, never the ledger.
func (a *Agent) observe(ctx context.Context, c *Cycle, k identity.Kind) error {
	what := "read " + k.Plural() + " of target " + a.Sync.Target.Name
	if c.narrow() {
		a.reading(k)
		if err := a.lookUpAll(ctx, c, k); err != nil {
			return incomplete(what, err)
		}
		return incomplete(what, a.around(ctx, c, k))
	}
	if !c.profile().Listable {
		a.reading(k)
		return incomplete(what, a.lookUpAll(ctx, c, k))
	}
	err := c.listing(ctx, k)
	if connectors.ClassOf(err) == connectors.Incomplete {
		a.Log.WarnContext(ctx, "the target cannot be listed; looking objects up one by one",
			"target", a.Sync.Target.Name, "kind", k, "err", err)
		return incomplete(what, a.lookUpAll(ctx, c, k))
	}
	if err == nil {
		err = a.lookAgain(ctx, c, k)
	}
	if err == nil {
		err = a.lookUpMissing(ctx, c, k)
	}
	return incomplete(what, err)
}

// lookAgain looks up what runs on demand have written since the cycle began: the
// listing may be older.
func (a *Agent) lookAgain(ctx context.Context, c *Cycle, k identity.Kind) error {
	asked := map[string]bool{}
	var questions []question
	for j, err := range a.Ledger.History(ctx, ledger.Filter{Sync: a.Sync.Name, Kind: k, Since: c.began}) {
		id := j.Change.TargetID
		switch {
		case err != nil:
			return err
		case j.Cycle != cycleOnly || id == "" || asked[id]:
			continue
		}
		asked[id] = true
		if err := c.scratch.DropLive(ctx, k, id); err != nil {
			return err
		}
		questions = append(questions, question{ref: j.Change.Ref, matches: []connectors.Match{{Path: "id", Value: id}}})
	}
	if len(questions) == 0 {
		return nil
	}
	return a.ask(ctx, c, k, questions)
}

// listing is what the survey has listed, or lists it now.
func (c *Cycle) listing(ctx context.Context, k identity.Kind) error {
	if c.surveyed != nil {
		if err, listed := c.surveyed.listed[k]; listed {
			return err
		}
	}
	a := c.agent
	a.reading(k)
	return a.list(ctx, c, k, a.listing(ctx, c, k, nil), func() { a.Progress.Advance(1) })
}

// reading says that objects of a kind are read at the target.
func (a *Agent) reading(k identity.Kind) {
	a.Progress.Phase("reading "+k.Plural()+" of "+a.Sync.Target.Name, 0)
}

// lookups is how many look-ups are on their way at a time; the transport paces
// them further.
const lookups = workers

// lookUpAll finds each object on its own: what is owned by its id, the rest by
// its keys.
func (a *Agent) lookUpAll(ctx context.Context, c *Cycle, k identity.Kind) error {
	for questions, err := range inParts(c.questions(ctx, k, a.matchPaths(k))) {
		if err != nil {
			return err
		}
		if c.extent == selected {
			if questions, err = a.frugal(ctx, c, questions); err != nil {
				return err
			}
		}
		if err := a.ask(ctx, c, k, questions); err != nil {
			return err
		}
	}
	return nil
}

// frugal asks less of whoever came to the source since both sides were compared in
// full. Of one that was there before, and out of scope, nobody looked at his keys.
func (a *Agent) frugal(ctx context.Context, c *Cycle, questions []question) ([]question, error) {
	mirror := a.Ledger.Mirror(a.Sync.Source.Name)
	for i, q := range questions {
		m, found, err := mirror.Record(ctx, q.ref)
		if err != nil {
			return nil, err
		}
		if found && m.Since.After(c.bound.FullAt) {
			questions[i] = q.frugal()
		}
	}
	return questions, nil
}

// frugal leaves out the externalId of what is not ours, where the name is asked for too:
// that nobody carried it was seen when the whole target was compared, and whoever does
// by now has the name as well.
func (q question) frugal() question {
	name := plan.NamePath(q.ref.Kind)
	named := slices.ContainsFunc(q.matches, func(m connectors.Match) bool { return m.Path == name })
	if owned := len(q.matches) > 0 && q.matches[0].Path == "id"; !owned && named {
		q.matches = slices.DeleteFunc(q.matches, func(m connectors.Match) bool { return m.Path == "externalId" })
	}
	return q
}

// lookUpMissing asks for what a complete listing did not show by its id: some
// targets leave objects out. When most of it is missing, nobody is asked one by
// one: that the guards judge.
func (a *Agent) lookUpMissing(ctx context.Context, c *Cycle, k identity.Kind) error {
	owned, err := a.Ledger.CountOwned(ctx, a.Sync.Name, k)
	if err != nil {
		return err
	}
	limit := max(a.Sync.Guards.Floor, owned/2)
	n, err := c.scratch.HowManyMissing(ctx, k, limit+1)
	if err != nil || n == 0 || n > limit {
		return err
	}
	for missing, err := range inParts(c.scratch.Missing(ctx, k)) {
		if err != nil {
			return err
		}
		questions := make([]question, len(missing))
		for i, m := range missing {
			questions[i] = question{ref: m.Ref, matches: []connectors.Match{{Path: "id", Value: m.TargetID}}, left: m.Left}
		}
		if err := a.ask(ctx, c, k, questions); err != nil {
			return err
		}
	}
	return nil
}

// question is one object to look up.
type question struct {
	ref     identity.Ref
	matches []connectors.Match
	// left says that the source no longer shows the object: an inactive
	// account that the target hides is then as good as gone.
	left bool
	// holder says that it is asked who holds a name, not where the object is.
	holder bool
}

// ask looks objects up, several at a time.
func (a *Agent) ask(ctx context.Context, c *Cycle, k identity.Kind, questions []question) error {
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	answers := make(chan []identity.Entry, lookups)
	collected := make(chan error, 1)
	go func() { collected <- a.collect(ctx, c, k, answers) }()
	var unreadable unreadables
	var sought refs
	for _, q := range questions {
		group.Go(func() error {
			entries, err := a.lookUp(asking, c, k, q.matches)
			if q.holder && connectors.ClassOf(err) == connectors.Unsupported {
				return nil // the target will refuse a name that is taken
			}
			if err == nil && len(entries) == 0 && c.narrow() {
				sought.add(q)
			}
			if connectors.ClassOf(err) == connectors.Rejected && unreadable.add(q.ref, err) <= a.Sync.Guards.Floor {
				return nil
			}
			if q.left {
				entries = slices.DeleteFunc(entries, inactive)
			}
			if err == nil {
				answers <- entries // the collector reads to the end
			}
			return err
		})
	}
	err := group.Wait()
	close(answers)
	// When the run is being cut short both say so.
	if problem := <-collected; err == nil {
		err = problem
	}
	maps.Copy(c.unreadable, unreadable.why)
	maps.Copy(c.sought, sought.names)
	return err
}

// refs are the objects for which every key was asked for, the name among them,
// and nobody was found.
type refs struct {
	mu    sync.Mutex
	names map[identity.Ref]bool
}

func (r *refs) add(q question) {
	if !slices.ContainsFunc(q.matches, func(m connectors.Match) bool { return m.Path == plan.NamePath(q.ref.Kind) }) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = map[identity.Ref]bool{}
	}
	r.names[q.ref] = true
}

// unreadables are the objects that the target shows in a form nobody can read.
// A few are shielded and named; more than the guards' floor means that the target
// is not what it should be.
type unreadables struct {
	mu  sync.Mutex
	why map[identity.Ref]string
}

// add notes one and returns how many there are.
func (u *unreadables) add(ref identity.Ref, err error) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.why == nil {
		u.why = map[identity.Ref]string{}
	}
	u.why[ref] = "cannot be read at the target: " + err.Error()
	return len(u.why)
}

func inactive(e identity.Entry) bool {
	active, known := e.Attrs.Active()
	return known && !active
}

// collect writes what look-ups found. The scratch room has one writer.
func (a *Agent) collect(ctx context.Context, c *Cycle, k identity.Kind, answers <-chan []identity.Entry) error {
	var problem error
	for entries := range answers {
		if problem != nil {
			continue
		}
		problem = c.scratch.Load(ctx, func() error {
			for _, e := range entries {
				if err := c.scratch.PutLive(ctx, k, e, keysOf(e, a.keyPaths(k))); err != nil {
					return err
				}
			}
			return nil
		})
		a.Progress.Advance(1)
	}
	return problem
}

// lookUp tries the keys in turn; the first that finds something counts. A key
// the target cannot filter by finds nothing, but for the name: without it nothing
// can be said about the object, not even that it is absent.
func (a *Agent) lookUp(ctx context.Context, c *Cycle, k identity.Kind, matches []connectors.Match) ([]identity.Entry, error) {
	want := connectors.Want{Members: k == identity.Group && a.links()}
	var nameless error
	for _, m := range matches {
		entries, err := c.session.Find(ctx, k, m, want)
		switch {
		case connectors.ClassOf(err) == connectors.Unsupported && m.Path != plan.NamePath(k):
		case connectors.ClassOf(err) == connectors.Unsupported:
			nameless = err
		case err != nil:
			return nil, err
		case len(entries) > 0:
			return entries, nil
		}
	}
	return nil, nameless
}

// questions yields, per object, the keys to look it up by.
func (c *Cycle) questions(ctx context.Context, k identity.Kind, by []string) iter.Seq2[question, error] {
	return func(yield func(question, error) bool) {
		for j, err := range c.scratch.Objects(ctx, k) {
			if err == nil && c.narrow() && j.Desired.State == ledger.Shielded {
				continue // nothing is done about it, wherever it is
			}
			if !yield(question{ref: j.Desired.Ref, matches: matchesOf(j, by)}, err) || err != nil {
				return
			}
		}
		for j, err := range c.scratch.Leavers(ctx, k) {
			if err != nil {
				yield(question{}, err)
				return
			}
			if !yield(question{ref: j.Owned.Ref, matches: matchesOf(j, nil)}, nil) {
				return
			}
		}
	}
}

func matchesOf(j ledger.Joined, by []string) []connectors.Match {
	var out []connectors.Match
	if j.Owned != nil {
		out = append(out, connectors.Match{Path: "id", Value: j.Owned.TargetID})
	}
	for _, path := range matchBy(j.Desired.Ref, by) {
		if value := j.Desired.Entry.Attrs.String(path); value != "" {
			out = append(out, connectors.Match{Path: path, Value: value})
		}
	}
	return out
}
