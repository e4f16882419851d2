package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// readBound ends a read that does not end by itself.
	readBound = 30 * time.Second
	// prompt is how long a cancelled read may take to end.
	prompt = 3 * time.Second
	// eventBound stops a source that yields for ever.
	eventBound = 1_000_000
)

// reading is what one read yielded, gathered the way a mirror would.
type reading struct {
	records    map[identity.Ref]identity.Record
	gone       map[identity.Ref]identity.Cause
	unreadable map[identity.Ref]string
	members    map[identity.Ref]map[identity.Ref]bool
	unlinked   map[identity.Ref]map[identity.Ref]bool
	closed     map[identity.Ref]connectors.Links
	checkpoint *connectors.Checkpoint
	err        error
	// events counts the elements, the error included.
	events int
	// broken are breaches of the contract of the sequence itself.
	broken []string
}

// collector receives the elements of one sequence.
type collector struct {
	*reading

	always map[identity.Kind][]string
	stop   func(connectors.Event) bool // nil never stops
	busy   atomic.Bool
	// overlap is set in place of a breach: the fields belong to the call that
	// is in progress.
	overlap atomic.Bool
	ended   bool
}

// all is the query for everything.
func all() connectors.Query {
	return connectors.Query{Kinds: identity.Kinds(), Links: true}
}

// read reads to the end, and fails the test for every breach of the contract
// that needs no knowledge of the world: where a Checkpoint may stand, what may
// follow an error, what every event must carry.
func (s SourceSuite) read(t T, source connectors.Source, q connectors.Query) *reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readBound)
	defer cancel()
	return s.readUntil(ctx, t, source, q, nil)
}

// Sound reads to the end, and fails the test for whatever breaks the contract of
// every read, as the suite does: it is for fuzzing what a server answers, where
// nobody knows what should come of it. It returns the Checkpoint, nil after an error,
// and how many objects have a record.
func Sound(t T, kind connectors.SourceType, source connectors.Source, q connectors.Query) (*connectors.Checkpoint, int) {
	t.Helper()
	got := SourceSuite{Type: kind}.read(t, source, q)
	return got.checkpoint, len(got.records)
}

// readUntil is read with a context of its own, up to the event for which stop is
// true.
func (s SourceSuite) readUntil(ctx context.Context, t T, source connectors.Source, q connectors.Query, stop func(connectors.Event) bool) *reading {
	t.Helper()
	got := s.gather(ctx, source, q, stop)
	for _, breach := range got.broken {
		t.Errorf("%s", breach)
	}
	return got
}

func (s SourceSuite) gather(ctx context.Context, source connectors.Source, q connectors.Query, stop func(connectors.Event) bool) *reading {
	c := &collector{
		reading: &reading{
			records:    map[identity.Ref]identity.Record{},
			gone:       map[identity.Ref]identity.Cause{},
			unreadable: map[identity.Ref]string{},
			members:    map[identity.Ref]map[identity.Ref]bool{},
			unlinked:   map[identity.Ref]map[identity.Ref]bool{},
			closed:     map[identity.Ref]connectors.Links{},
		},
		always: map[identity.Kind][]string{},
		stop:   stop,
	}
	for kind, fields := range s.Type.Fields {
		for _, f := range fields {
			if f.Always {
				c.always[kind] = append(c.always[kind], f.Path)
			}
		}
	}
	// The sequence is called rather than ranged over, so that a call after
	// the end or from two goroutines is a finding and not a panic.
	source.Read(ctx, q)(c.yield)
	c.finish()
	return c.reading
}

func (c *collector) breach(format string, args ...any) {
	if len(c.broken) < 10 {
		c.broken = append(c.broken, fmt.Sprintf(format, args...))
	}
}

func (c *collector) yield(event connectors.Event, err error) bool {
	if !c.busy.CompareAndSwap(false, true) {
		c.overlap.Store(true)
		return false
	}
	defer c.busy.Store(false)
	c.events++
	switch {
	case c.ended:
		c.breach("yielded %T, %v after it was told to stop", event, err)
		return false
	case c.err != nil:
		c.breach("yielded %T, %v after the error %v: an error is the last element", event, err, c.err)
	case c.checkpoint != nil:
		c.breach("yielded %T, %v after the Checkpoint, which is always last", event, err)
	case err != nil:
		c.fail(event, err)
	default:
		c.take(event)
	}
	if c.events > eventBound {
		c.breach("yielded more than %d elements", eventBound)
		c.ended = true
	}
	if c.stop != nil && c.stop(event) {
		c.ended = true
	}
	return !c.ended
}

func (c *collector) fail(event connectors.Event, err error) {
	c.err = err
	if event != nil {
		c.breach("yielded %T together with the error %v", event, err)
	}
	if _, ok := errors.AsType[*connectors.Error](err); !ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		c.breach("error without a class: no *connectors.Error in the chain of %v", err)
	}
}

func (c *collector) take(event connectors.Event) {
	switch e := event.(type) {
	case connectors.Upsert:
		c.upsert(e.Record)
	case connectors.Gone:
		c.named("Gone", e.Ref)
		switch e.Why {
		case identity.CauseGone, identity.CauseUnassigned, identity.CauseDisabled:
		default:
			c.breach("Gone %s because of %q: gone, unassigned and disabled are the causes", e.Ref, e.Why)
		}
		c.gone[e.Ref] = e.Why
	case connectors.Link:
		c.open("Link", e.Group, e.Member)
		add(c.members, e.Group, e.Member)
		delete(c.unlinked[e.Group], e.Member)
	case connectors.Unlink:
		c.open("Unlink", e.Group, e.Member)
		add(c.unlinked, e.Group, e.Member)
		delete(c.members[e.Group], e.Member)
	case connectors.Links:
		c.links(e)
	case connectors.Unreadable:
		if e.Ref.Kind == "" || e.Why == "" {
			c.breach("Unreadable %s (%q) lacks its kind or the reason", e.Ref, e.Why)
		}
		c.unreadable[e.Ref] = e.Why
		delete(c.records, e.Ref)
	case connectors.Checkpoint:
		c.checkpoint = &e
	default:
		c.breach("yielded %T, which is no event, and no error", event)
	}
}

func (c *collector) upsert(r identity.Record) {
	c.named("Upsert", r.Ref)
	if _, err := json.Marshal(r.Fields); err != nil {
		c.breach("the fields of %s cannot be kept as JSON: %v", r.Ref, err)
	}
	if !r.Partial {
		for _, path := range c.always[r.Ref.Kind] {
			if v, ok := lookup(r.Fields, path); !ok || v == nil {
				c.breach("%s lacks %s, which the descriptor says is always present", r.Ref, path)
			}
		}
	}
	c.records[r.Ref] = r
	delete(c.unreadable, r.Ref)
}

func (c *collector) links(e connectors.Links) {
	c.named("Links", e.Group)
	switch e.State {
	case connectors.Complete, connectors.Unchanged:
	case connectors.Unknown:
		if e.Why == "" {
			c.breach("Links of %s are unknown without a reason", e.Group)
		}
	default:
		c.breach("Links of %s have the state %q", e.Group, e.State)
	}
	if e.State != connectors.Complete && len(e.Members) > 0 {
		c.breach("Links of %s are %s and list members", e.Group, e.State)
	}
	for _, m := range e.Members {
		c.named("Links member", m)
		add(c.members, e.Group, m)
	}
	c.closed[e.Group] = e
}

func (c *collector) named(what string, ref identity.Ref) {
	if ref.ID == "" || ref.Kind != identity.User && ref.Kind != identity.Group {
		c.breach("%s names %q: a kind and an id are needed", what, ref)
	}
}

func (c *collector) open(what string, group, member identity.Ref) {
	c.named(what, group)
	c.named(what+" member", member)
	if _, closed := c.closed[group]; closed {
		c.breach("%s of %s comes after the Links that closed it", what, group)
	}
}

func (c *collector) finish() {
	if c.overlap.Load() {
		c.breach("yield was called from two goroutines at once")
	}
	if c.err == nil && c.checkpoint == nil && !c.ended {
		c.breach("the sequence ended with neither an error nor a Checkpoint: nobody can tell whether it was whole")
	}
}

func add(m map[identity.Ref]map[identity.Ref]bool, group, member identity.Ref) {
	if m[group] == nil {
		m[group] = map[identity.Ref]bool{}
	}
	m[group][member] = true
}

// lookup returns the value at a dotted path of a record's fields.
func lookup(fields map[string]any, path string) (any, bool) {
	var value any = fields
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// ids returns the ids of the records of a kind in order.
func (r *reading) ids(kind identity.Kind) []string {
	ids := []string{}
	for ref := range r.records {
		if ref.Kind == kind {
			ids = append(ids, ref.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// full reports whether the Checkpoint vouches for the kind.
func (r *reading) full(kind identity.Kind) bool {
	return r.checkpoint != nil && slices.Contains(r.checkpoint.Full, kind)
}

// linked returns the members of a group in order.
func (r *reading) linked(group identity.Ref) []identity.Ref {
	return slices.SortedFunc(maps.Keys(r.members[group]), byRef)
}

func byRef(a, b identity.Ref) int {
	return strings.Compare(string(a.Kind)+":"+a.ID, string(b.Kind)+":"+b.ID)
}
