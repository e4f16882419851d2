package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// cycleOnly marks a run on demand in the ledger.
	cycleOnly = "only"
	// onDemandTime is how long a run on demand may take: until then its open
	// intents are its own to settle.
	onDemandTime = 10 * time.Minute
)

// NotFoundError says that nobody knows a selected object.
type NotFoundError struct{ Selector Selector }

// Error names the object.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no %s %q, neither at the source nor among what scimsync provisioned", e.Selector.Kind, e.Selector.Value)
}

// prepareOnly plans for selected objects. It takes no lock, so that it need not
// wait for a full run: it claims its objects in the journal, and a run that has
// planned for one of them leaves it to its next cycle.
func (a *Agent) prepareOnly(ctx context.Context, c *Cycle, o Options) error {
	var err error
	if c.bound, _, err = a.Ledger.Binding(ctx, a.Sync.Name); err != nil {
		return err
	}
	if err := a.reconnect(ctx, c); err != nil {
		return err
	}
	refs, err := a.fetch(ctx, o.Only)
	if err != nil {
		return err
	}
	c.scratch, err = a.Ledger.NewWorkspace(ctx, a.Sync.Name, a.Sync.Source.Name, a.Sync.Target.Name)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := c.scratch.Select(ctx, ref); err != nil {
			return err
		}
	}
	return a.prove(ctx, c, a.compare(ctx, c, o))
}

// fetch reads the selected objects at the source into the mirror and returns
// their references.
func (a *Agent) fetch(ctx context.Context, selectors []Selector) ([]identity.Ref, error) {
	what := "read source " + a.Sync.Source.Name
	a.Progress.Phase("reading "+a.Sync.Source.Name, 0)
	reach := a.reach()
	query := connectors.Query{Links: a.links(), Fields: a.Fields}
	for _, s := range selectors {
		if (s.Kind == identity.User && a.Sync.Users == nil) || (s.Kind == identity.Group && a.Sync.Groups == nil) {
			return nil, fmt.Errorf("sync %s does not provision %s", a.Sync.Name, s.Kind.Plural())
		}
		keys, err := a.keys(ctx, s)
		if err != nil {
			return nil, err
		}
		query.Only = append(query.Only, keys...)
	}
	query.Kinds = a.kinds()
	mirror := a.Ledger.Mirror(a.Sync.Source.Name)
	intake, err := mirror.Begin(ctx)
	if err != nil {
		return nil, err
	}
	var refs []identity.Ref
	known := map[identity.Ref]bool{}
	end, err := a.pour(ctx, query, tee{intake, func(ref identity.Ref, exists bool) error {
		if !exists {
			// A guess that hit nothing, unless it is ours.
			if _, owned, err := a.Ledger.OwnedRef(ctx, a.Sync.Name, ref); err != nil || !owned {
				return err
			}
		}
		if !known[ref] {
			known[ref] = true
			refs = append(refs, ref)
		}
		return nil
	}})
	if err != nil {
		return nil, errors.Join(incomplete(what, err), intake.Discard())
	}
	if _, err := intake.Commit(ctx, ledger.Checkpoint{
		Cursor: string(end.Cursor), Only: true, NoLinks: !query.Links, Fields: readKey(reach, a.Fields),
		Selection: a.Sync.Source.Selection, At: a.Now(),
	}, reach.syncs); err != nil {
		return nil, err
	}
	if len(refs) == 0 {
		return nil, &NotFoundError{selectors[0]}
	}
	return refs, nil
}

// keys returns what the source may know the selected object by: what scimsync
// owns under that name or target id, else the value as an id and as a name.
func (a *Agent) keys(ctx context.Context, s Selector) ([]connectors.Key, error) {
	owner, found, err := a.Ledger.OwnedBy(ctx, a.Sync.Target.Name, s.Kind, s.Value)
	if err != nil {
		return nil, err
	}
	if keys, err := a.bundleKeys(ctx, s, owner.Ref); err != nil || len(keys) > 0 {
		return keys, err
	}
	if found && owner.Sync == a.Sync.Name {
		return []connectors.Key{{Kind: s.Kind, ID: owner.Ref.ID}}, nil
	}
	named, err := a.Ledger.OwnedNamed(ctx, a.Sync.Name, s.Kind, s.Value)
	if err != nil {
		return nil, err
	}
	keys := []connectors.Key{{Kind: s.Kind, Name: s.Value}}
	for _, o := range named {
		keys = append(keys, connectors.Key{Kind: s.Kind, ID: o.Ref.ID})
	}
	if len(named) == 0 {
		keys = append(keys, connectors.Key{Kind: s.Kind, ID: s.Value})
	}
	return keys, nil
}

// tee watches which objects a read is about.
type tee struct {
	events
	seen func(ref identity.Ref, exists bool) error
}

// Upsert takes a record and notes it.
func (t tee) Upsert(r identity.Record) error {
	return errors.Join(t.seen(r.Ref, true), t.events.Upsert(r))
}

// Gone takes an absence and notes it.
func (t tee) Gone(ref identity.Ref, why identity.Cause) error {
	return errors.Join(t.seen(ref, false), t.events.Gone(ref, why))
}
