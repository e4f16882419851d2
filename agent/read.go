package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
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
func (a *Agent) links() bool { return linked(a.Sync) }

func linked(s *configs.Sync) bool {
	return s.Groups != nil && s.Users != nil && s.Groups.Members != configs.MembersOff
}

// read brings the mirror of the source up to date, and decides thereby what the
// cycle is about. Nothing of an incomplete read is kept.
func (a *Agent) read(ctx context.Context, c *Cycle, begin opening) error {
	a.Progress.Phase("reading "+a.Sync.Source.Name, 0)
	mirror, reach := a.Ledger.Mirror(a.Sync.Source.Name), a.reach()
	query := connectors.Query{Kinds: reach.kinds, Links: reach.links, Fields: a.Fields, From: begin.from}
	if begin.known {
		query.Known = mirror.Known(ctx)
	}
	read, err := a.readInto(ctx, mirror, query, reach)
	if query.From != "" && connectors.ClassOf(err) == connectors.Expired {
		begin.why = "the cursor has expired: " + err.Error()
		query.From = ""
		read, err = a.readInto(ctx, mirror, query, reach)
	}
	if err != nil {
		return err
	}
	c.readFull = query.From == "" || containsAll(read.full, reach.kinds)
	if c.extent = whole; !c.readFull {
		c.extent = selected
	}
	cycle := "full"
	if !c.readFull {
		cycle = "delta"
	}
	a.Log.InfoContext(ctx, "source read", "source", a.Sync.Source.Name, "cycle", cycle, "because", begin.why,
		"users", read.Read[identity.User], "groups", read.Read[identity.Group],
		"changed", read.New[identity.User]+read.Changed[identity.User]+read.New[identity.Group]+read.Changed[identity.Group],
		"gone", read.Absent[identity.User]+read.Absent[identity.Group])
	if c.extent == selected {
		return a.mend(ctx, mirror, query, reach)
	}
	return nil
}

// intake is what a read came to.
type intake struct {
	ledger.Summary
	full []identity.Kind
}

// readInto reads what the query asks for into the mirror. An error of class
// Expired says that the cursor is of no use any more.
func (a *Agent) readInto(ctx context.Context, mirror *ledger.Mirror, query connectors.Query, r reach) (intake, error) {
	in, err := mirror.Begin(ctx)
	if err != nil {
		return intake{}, err
	}
	checkpoint, err := a.pour(ctx, query, in)
	if err != nil {
		return intake{}, errors.Join(incomplete("read source "+a.Sync.Source.Name, err), in.Discard())
	}
	summary, err := in.Commit(ctx, ledger.Checkpoint{
		Cursor: string(checkpoint.Cursor), Full: checkpoint.Full, Only: len(query.Only) > 0, NoLinks: !query.Links,
		Selection: a.Sync.Source.Selection, Fields: readKey(r, a.Fields), At: a.Now(),
	}, r.syncs)
	return intake{summary, checkpoint.Full}, err
}

// mendLimit bounds the objects that are read again in one cycle.
const mendLimit = 200

// mend reads again what a delta read alone never mends: objects that could not be
// read, of which it tells no more than what changes, and groups whose members are
// not known. What cannot be mended stays as it is, shielded and not in step.
func (a *Agent) mend(ctx context.Context, mirror *ledger.Mirror, query connectors.Query, r reach) error {
	refs, err := mirror.Mendable(ctx, a.Sync.Name, a.Now(), a.links(), mendLimit)
	if err != nil {
		return err
	}
	kinds := a.kinds()
	refs = slices.DeleteFunc(refs, func(ref identity.Ref) bool { return !slices.Contains(kinds, ref.Kind) })
	if len(refs) == 0 {
		return nil
	}
	query.Only, query.From, query.Known = keysFor(refs), "", nil
	_, err = a.readInto(ctx, mirror, query, r)
	if _, ok := errors.AsType[*IncompleteError](err); ok {
		a.Log.WarnContext(ctx, "objects that could not be read before cannot be read now either; they are left alone",
			"source", a.Sync.Source.Name, "objects", len(refs), "err", err)
		return nil
	}
	return err
}

func keysFor(refs []identity.Ref) []connectors.Key {
	keys := make([]connectors.Key, len(refs))
	for i, ref := range refs {
		keys[i] = connectors.Key{Kind: ref.Kind, ID: ref.ID}
	}
	return keys
}

func containsAll(have, want []identity.Kind) bool {
	return !slices.ContainsFunc(want, func(k identity.Kind) bool { return !slices.Contains(have, k) })
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

// readKey is what the mirror remembers of what it was read with. What it was not
// read with it does not hold, and no delta read brings it.
func readKey(r reach, fields map[identity.Kind][]string) string {
	var b strings.Builder
	for _, k := range r.kinds {
		paths := "*"
		if fields != nil {
			paths = strings.Join(fields[k], ",")
		}
		fmt.Fprintf(&b, "%s=%s;", k, paths)
	}
	if r.links {
		b.WriteString("links;")
	}
	return b.String()
}
