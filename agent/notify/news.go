package notify

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
)

// news is the part of an event that one notifier has not heard of.
type news struct {
	event Event      // its objects are the new ones
	known int        // objects that were told before
	keys  []string   // to remember
	drop  [][]string // to forget, by object of a recovered event
	seen  []string   // what was told before and still stands
}

// size counts the objects, or 0 for an event about the sync.
func (n news) size() int { return len(n.event.Objects) + n.event.More }

// forget returns the keys that are not to be remembered any more.
func (n news) forget() []string { return slices.Concat(n.drop...) }

// keyPrefix begins the keys of an event. A credential is told once however many
// syncs use it.
func keyPrefix(name string, e Event) string {
	kind := e.Kind
	if kind == Recovered {
		kind = e.Closes
	}
	sync := e.Sync
	if kind == Expiring {
		return url.PathEscape(name) + "/*/" + string(kind) + "/"
	}
	return scope(name, sync) + string(kind) + "/"
}

// fresh reduces events to what a notifier has not heard of.
func (d *Dispatcher) fresh(ctx context.Context, name string, events []Event) ([]news, error) {
	// What is asserted now is not recovered, whatever an older event says.
	asserted := map[string]bool{}
	for _, e := range events {
		if e.Kind != Recovered {
			for _, key := range keysOf(name, e) {
				asserted[key] = true
			}
		}
	}
	taken := map[string]bool{}
	var out []news
	var standing []string
	for _, e := range events {
		var n news
		var err error
		if e.Kind == Recovered {
			n, err = d.recovered(ctx, name, e, asserted, taken)
		} else {
			n, err = d.unheard(ctx, name, e, taken)
		}
		if err != nil {
			return nil, err
		}
		standing = append(standing, n.seen...)
		if len(n.keys)+len(n.forget()) > 0 {
			out = append(out, n)
		}
	}
	if len(standing) > 0 {
		// A memory drops what is old, which what still stands is not.
		if err := d.memory.Remember(ctx, standing, d.now()); err != nil {
			d.log.Warn("what was told and still stands may be told again", "notifier", name, "err", err)
		}
	}
	return out, nil
}

// keysOf returns the keys of an event: one for each object, and one for the
// event where it has none or more than it lists.
func keysOf(name string, e Event) []string {
	prefix := keyPrefix(name, e)
	keys := make([]string, 0, len(e.Objects)+1)
	for _, o := range e.Objects {
		keys = append(keys, prefix+cmp.Or(o.Condition, about(o.Ref)+fingerprint(stable(o.Detail))))
	}
	if len(e.Objects) == 0 || e.More > 0 {
		keys = append(keys, prefix+cmp.Or(e.Condition, fingerprint(stable(e.Text))))
	}
	return keys
}

// unheard returns the objects of an event that were not told.
func (d *Dispatcher) unheard(ctx context.Context, name string, e Event, taken map[string]bool) (news, error) {
	n := news{event: e}
	n.event.Objects, n.event.More = nil, 0
	for i, key := range keysOf(name, e) {
		if taken[key] {
			continue
		}
		taken[key] = true
		seen, err := d.memory.Seen(ctx, key)
		weight := 1
		if i >= len(e.Objects) {
			weight = e.More
		}
		switch {
		case err != nil:
			return news{}, err
		case seen:
			n.known += weight
			n.seen = append(n.seen, key)
			continue
		case i < len(e.Objects):
			n.event.Objects = append(n.event.Objects, e.Objects[i])
		default:
			n.event.More = weight
		}
		n.keys = append(n.keys, key)
	}
	return n, nil
}

// recovered returns what an event closes of what was told.
func (d *Dispatcher) recovered(ctx context.Context, name string, e Event, asserted, taken map[string]bool) (news, error) {
	prefix := keyPrefix(name, e)
	told, err := d.memory.Keys(ctx, prefix)
	if err != nil {
		return news{}, err
	}
	closes := func(condition string) []string {
		begin := prefix + condition
		at, _ := slices.BinarySearch(told, begin)
		var out []string
		for _, key := range told[at:] {
			if !strings.HasPrefix(key, begin) {
				break
			}
			if !taken[key] && !asserted[key] {
				taken[key] = true
				out = append(out, key)
			}
		}
		return out
	}
	n := news{event: e}
	n.event.Objects, n.event.More = nil, 0
	if len(e.Objects) == 0 {
		n.drop = [][]string{closes(e.Condition)}
		return n, nil
	}
	for _, o := range e.Objects {
		if drop := closes(o.Condition); len(drop) > 0 {
			n.event.Objects, n.drop = append(n.event.Objects, o), append(n.drop, drop)
		}
	}
	return n, nil
}

// split takes out what is forgotten without a message, and returns its keys.
func split(all []news) ([]news, []string) {
	var loud []news
	var silent []string
	for _, n := range all {
		if n.event.quiet {
			silent = append(silent, n.forget()...)
			continue
		}
		loud = append(loud, n)
	}
	return loud, silent
}

// parcels groups news into messages.
func parcels(all []news, batch Batch) [][]news {
	if len(all) == 0 {
		return nil
	}
	if batch != PerObject {
		return [][]news{all}
	}
	var out [][]news
	var rest []news
	for _, n := range all {
		for _, one := range singles(n) {
			if len(out) < mostSingle {
				out = append(out, []news{one})
			} else {
				rest = append(rest, one)
			}
		}
	}
	if len(rest) > 0 {
		out = append(out, rest)
	}
	return out
}

// singles takes news apart into one for each object.
func singles(n news) []news {
	if n.size() <= 1 {
		return []news{n}
	}
	var out []news
	keys := n.keys
	for i, o := range n.event.Objects {
		one := news{event: n.event}
		one.event.Objects, one.event.More = []Object{o}, 0
		if n.event.Kind == Recovered {
			one.drop = n.drop[i : i+1]
		} else {
			one.keys, keys = keys[:1], keys[1:]
		}
		out = append(out, one)
	}
	if n.event.More > 0 {
		rest := news{event: n.event, keys: keys}
		rest.event.Objects = nil
		out = append(out, rest)
	}
	return out
}

// passed returns the events of unsent news that will not come up again by
// themselves.
func passed(all []news) []Event {
	var out []Event
	objects := 0
	for _, n := range all {
		switch n.event.Kind {
		case GroupCreated, GroupExists, Recovered:
			if objects += n.size(); objects <= MostObjects {
				out = append(out, n.event)
			}
		case Failed, Held, Stale, Expiring:
		}
	}
	return out
}
