package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// kinds returns the kinds the sync provisions.
func (a *Agent) kinds() []identity.Kind {
	var out []identity.Kind
	if a.Sync.Users != nil {
		out = append(out, identity.User)
	}
	if a.Sync.Groups != nil {
		out = append(out, identity.Group)
	}
	return out
}

// links reports whether memberships are provisioned.
func (a *Agent) links() bool {
	return a.Sync.Groups != nil && a.Sync.Users != nil && a.Sync.Groups.Members != "off"
}

// read brings the mirror of the source up to date. Nothing of an incomplete read
// is kept.
func (a *Agent) read(ctx context.Context) error {
	what := "read source " + a.Sync.Source.Name
	a.Progress.Phase("reading "+a.Sync.Source.Name, 0)
	mirror := a.Ledger.Mirror(a.Sync.Source.Name)
	selection, fields := a.Sync.Source.Selection, fieldsKey(a.Fields)
	mark, mirrored, err := mirror.Bookmark(ctx)
	if err != nil {
		return err
	}
	query := connectors.Query{Kinds: a.kinds(), Links: a.links(), Fields: a.Fields}
	if mirrored && mark.Selection == selection && mark.Fields == fields {
		if query.Known, err = mirror.Known(ctx); err != nil {
			return err
		}
	}
	intake, err := mirror.Begin(ctx)
	if err != nil {
		return err
	}
	checkpoint, err := a.pour(ctx, query, intake)
	if err != nil {
		return errors.Join(incomplete(what, err), intake.Discard())
	}
	summary, err := intake.Commit(ctx, ledger.Checkpoint{
		Cursor: string(checkpoint.Cursor), Full: checkpoint.Full,
		NoLinks: !query.Links, Selection: selection, Fields: fields, At: a.Now(),
	}, a.Siblings)
	if err != nil {
		return err
	}
	a.Log.InfoContext(ctx, "source read", "source", a.Sync.Source.Name,
		"users", summary.Read[identity.User], "groups", summary.Read[identity.Group],
		"changed", summary.New[identity.User]+summary.Changed[identity.User]+summary.New[identity.Group]+summary.Changed[identity.Group])
	return nil
}

// pour moves the events of a read into the intake and returns the Checkpoint
// that ends it. A sequence without one is incomplete, whatever it says.
func (a *Agent) pour(ctx context.Context, q connectors.Query, in events) (connectors.Checkpoint, error) {
	var checkpoint *connectors.Checkpoint
	for event, err := range a.Source.Read(ctx, q) {
		switch {
		case err != nil:
			return connectors.Checkpoint{}, err
		case checkpoint != nil:
			return connectors.Checkpoint{}, connectors.Errorf(connectors.Incomplete, "the source went on after its checkpoint")
		}
		if end, ok := event.(connectors.Checkpoint); ok {
			checkpoint = &end
			continue
		}
		if err := take(in, event); err != nil {
			return connectors.Checkpoint{}, err
		}
		if _, ok := event.(connectors.Upsert); ok {
			a.Progress.Advance(1)
		}
	}
	if checkpoint == nil {
		return connectors.Checkpoint{}, connectors.Errorf(connectors.Incomplete, "the read ended before its end")
	}
	return *checkpoint, nil
}

// events takes what a read yields; a ledger.Intake does.
type events interface {
	Upsert(r identity.Record) error
	Gone(ref identity.Ref, why identity.Cause) error
	Link(group, member identity.Ref) error
	Unlink(group, member identity.Ref) error
	Unreadable(ref identity.Ref, why string) error
	Links(group identity.Ref, members []identity.Ref, state, why string) error
}

func take(in events, event connectors.Event) error {
	switch e := event.(type) {
	case connectors.Upsert:
		return in.Upsert(e.Record)
	case connectors.Gone:
		return in.Gone(e.Ref, e.Why)
	case connectors.Link:
		return in.Link(e.Group, e.Member)
	case connectors.Unlink:
		return in.Unlink(e.Group, e.Member)
	case connectors.Unreadable:
		return in.Unreadable(e.Ref, e.Why)
	case connectors.Links:
		return in.Links(e.Group, e.Members, string(e.State), e.Why)
	}
	return fmt.Errorf("unknown event %T", event)
}

// fieldsKey is what the mirror remembers of the fields it was read with.
func fieldsKey(fields map[identity.Kind][]string) string {
	if fields == nil {
		return "*"
	}
	var b strings.Builder
	for _, k := range identity.Kinds() {
		fmt.Fprintf(&b, "%s=%s;", k, strings.Join(fields[k], ","))
	}
	return b.String()
}
