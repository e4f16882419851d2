package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// extent is what a cycle is about.
type extent int

// The extents. Only a whole cycle proves anything about what it does not name.
const (
	whole    extent = iota // every object
	selected               // those that are not in step, under the locks of the sync
	demanded               // those a person named, without a lock
	saved                  // the changes of a saved plan
)

// narrow reports whether the cycle is about selected objects only.
func (c *Cycle) narrow() bool { return c.extent == selected || c.extent == demanded }

// partial reports whether the cycle proves nothing about the rest, and ends
// without settling anything but its own changes.
func (c *Cycle) partial() bool { return c.extent == demanded || c.extent == saved }

// reach is what the syncs on one source read of it together. They share its
// mirror and its cursor: a delta read for one of them that left out what another
// needs would lose that for good.
type reach struct {
	syncs []string
	kinds []identity.Kind
	links bool
}

func (a *Agent) reach() reach {
	var r reach
	wanted := map[identity.Kind]bool{}
	for _, s := range a.Siblings {
		r.syncs = append(r.syncs, s.Name)
		wanted[identity.User] = wanted[identity.User] || s.Users != nil
		wanted[identity.Group] = wanted[identity.Group] || s.Groups != nil
		r.links = r.links || linked(s)
	}
	for _, k := range identity.Kinds() {
		if wanted[k] {
			r.kinds = append(r.kinds, k)
		}
	}
	return r
}

// opening is how a cycle begins: with what changed since a cursor, or, where that
// is empty, with everything; and why.
type opening struct {
	from connectors.Cursor
	why  string
	// known says that the mirror holds what will be read, of an earlier time.
	known bool
}

// opening decides whether the cycle may begin with what changed. Everything has
// to be as it was when both sides were last compared in full, and no full cycle
// may be due.
func (a *Agent) opening(ctx context.Context, c *Cycle, o Options, mark ledger.Bookmark, mirrored bool) (opening, error) {
	key := readKey(a.reach(), a.Fields)
	known := mirrored && mark.Selection == a.Sync.Source.Selection && mark.Fields == key
	full := func(format string, args ...any) (opening, error) {
		return opening{why: fmt.Sprintf(format, args...), known: known}, nil
	}
	b := c.bound
	switch {
	case o.Full:
		return full("it was asked for")
	case a.Sync.Full == nil:
		return full("the configuration has no full: every cycle is")
	case !mirrored:
		return full("the source was never read to its end")
	case mark.Cursor == "":
		return full("the source has given no cursor: it cannot tell what changed")
	case mark.Selection != a.Sync.Source.Selection:
		return full("another part of the source is read than before")
	case mark.Fields != key:
		return full("other fields, kinds or memberships are read than before")
	case len(mark.Shield) > 0:
		return full("a record of the source could not be told from others")
	case b.FullAt.IsZero():
		return full("both sides were never compared in full")
	case b.FullAt.After(a.Now()):
		// The next one would be due years from now, where the clock was wrong
		// by as much.
		return full("both sides were last compared at %s, which is still to come: the clock was set back", b.FullAt.Format(time.RFC3339))
	case b.URL != a.Sync.Target.URL:
		return full("the target has another address than before")
	case b.ConfigHash != a.Sync.Hash || b.Selection != a.Sync.Source.Selection:
		return full("the configuration was edited")
	}
	prepared, err := a.Ledger.KnowsIdle(ctx, a.Sync.Name)
	if err != nil {
		return opening{}, err
	}
	if !prepared {
		return full("the last full cycle prepared for none")
	}
	follows, err := a.Ledger.Mirror(a.Sync.Source.Name).Follows(ctx, a.Sync.Name)
	if err != nil {
		return opening{}, err
	}
	if !follows {
		return full("the source was read for others in the meantime, and this sync was not told what changed")
	}
	next := a.Sync.Full.Next(b.FullAt)
	if !next.IsZero() && !next.After(a.Now()) {
		return full("one is due since %s", next.Format(time.RFC3339))
	}
	return opening{
		from: connectors.Cursor(mark.Cursor), known: known,
		why: "both sides were compared in full at " + b.FullAt.Format(time.RFC3339),
	}, nil
}
