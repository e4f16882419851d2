package connectortest

import (
	"context"
	"iter"
	"math"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// TestSourceSuite: a sound source, whose pages even overlap, passes every case.
func TestSourceSuite(t *testing.T) {
	t.Parallel()
	toySuite("").Run(t)
}

// TestSourceSuiteFails: each planted defect is found by the case that is there
// for it.
func TestSourceSuiteFails(t *testing.T) {
	t.Parallel()
	tests := []struct{ defect, inCase, says string }{
		{"info says nothing", "info", "names no identity"},
		{"info says nothing", "info", "and not why"},
		{"loses a page", "page boundaries", "users (-directory +read)"},
		{"loses a page", "large group", "members of group"},
		{"loses a page", "concurrent reads", "users (-directory +read)"},
		{"loses a page", "insert while reading", "was not seen"},
		{"loses a page", "kinds", "was not seen"},
		{"no checkpoint", "page boundaries", "neither an error nor a Checkpoint"},
		{"checkpoint before the end", "page boundaries", "after the Checkpoint"},
		{"forges a checkpoint", "error on a page", "ended without an error"},
		{"forges a checkpoint", "error on a page", "was not seen"},
		{"forges a checkpoint", "refused credential", "want class unauthorized"},
		{"forges a checkpoint", "cancel before", "ended without an error"},
		{"forges a checkpoint", "cancel in a page", "ended without an error"},
		{"goes on after an error", "error on a page", "an error is the last element"},
		{"error without a class", "error on a page", "error without a class"},
		{"error without a class", "expired cursor", "want class expired"},
		{"leaks a goroutine", "early break", "leaves goroutines behind"},
		{"yields after it was stopped", "early break", "after it was told to stop"},
		{"ignores its context", "cancel before", "ended without an error"},
		{"ignores its context", "cancel between events", "without an error"},
		{"ignores its context", "cancel in a page", "goes on"},
		{"takes anything for a page", "dishonest pages", "was not seen"},
		{"takes anything for a page", "dishonest pages", "claim to be complete"},
		{"gives up when throttled", "throttled with Retry-After", "ended in an error"},
		{"gives up when throttled", "throttled without Retry-After", "ended in an error"},
		{"a refused credential is a rejection", "refused credential", "Info with a refused credential"},
		{"a refused credential is a rejection", "expired credential", "want class unauthorized"},
		{"withheld is empty", "unreadable group", "its Links are complete"},
		{"one withheld group fails all", "unreadable group", "the whole read failed"},
		{"a hundred members at most", "large group", "members of group"},
		{"ignores nested groups", "nested groups", "members of group"},
		{"hides the disabled", "disabled users", "users (-directory +read)"},
		{"lower-cases names", "record contents", "-directory +read"},
		{"version at random", "deterministic", "two reads of one directory differ"},
		{"projection drops what is always there", "field projection", "is always present"},
		{"projection drops a field", "field projection", "when asked for by name"},
		{"reads known members", "known links", "want unchanged"},
		{"reads known members", "known links", "requests for the members"},
		{"any known version will do", "known links", "want complete"},
		{"constant version", "known links changed", "want complete"},
		{"only vouches for all", "only by id", "everybody else would be gone"},
		{"only drops the cursor", "only by id", "want the one it was given"},
		{"only is silent about the missing", "only missing", "did not say that it is gone"},
		{"does not escape names", "only by name", "-asked +read"},
		{"delta forgets leavers", "delta equals full", "differs from a full read"},
		{"delta forgets unlinks", "delta equals full", "differs from a full read"},
	}
	covered := map[string]bool{"descriptor": true}
	for _, test := range tests {
		covered[test.inCase] = true
		t.Run(test.defect+" in "+test.inCase, func(t *testing.T) {
			t.Parallel()
			c := find(t, sourceCases(), test.inCase)
			record(t, func(rt T) { c.run(toySuite(test.defect).bind(t), rt) }).wantFailure(t, test.says)
		})
	}
	for _, c := range sourceCases() {
		if !covered[c.name] {
			t.Errorf("no planted defect shows that the case %q can fail", c.name)
		}
	}
}

func TestDescriptorFails(t *testing.T) {
	t.Parallel()
	shared := &struct{ URL string }{}
	tests := map[string]struct {
		edit func(*connectors.SourceType)
		says string
	}{
		"name":            {func(d *connectors.SourceType) { d.Name = "My Toy" }, "one lower-case word"},
		"summary":         {func(d *connectors.SourceType) { d.Summary = "" }, "one line"},
		"no open":         {func(d *connectors.SourceType) { d.Open = nil }, "must be set"},
		"value settings":  {func(d *connectors.SourceType) { d.Settings = func() any { return *shared } }, "a pointer to a struct"},
		"shared settings": {func(d *connectors.SourceType) { d.Settings = func() any { return shared } }, "share their settings"},
		"field twice": {func(d *connectors.SourceType) {
			d.Fields[identity.User] = append(d.Fields[identity.User], d.Fields[identity.User][0])
		}, "once"},
		"no rule":    {func(d *connectors.SourceType) { delete(d.DefaultMap[identity.User], "active") }, "no rule for the user attribute active"},
		"bad path":   {func(d *connectors.SourceType) { d.DefaultMap[identity.User]["a..b"] = "id" }, "a..b"},
		"empty rule": {func(d *connectors.SourceType) { d.DefaultMap[identity.User]["title"] = "" }, "empty rule"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := toySuite("")
			test.edit(&suite.Type)
			record(t, suite.descriptor).wantFailure(t, test.says)
		})
	}
}

// eventsSource yields what it is told to, in a way of its own.
type eventsSource struct {
	connectors.Source

	read func(yield func(connectors.Event, error) bool)
}

func (s eventsSource) Read(context.Context, connectors.Query) iter.Seq2[connectors.Event, error] {
	return s.read
}

// TestProtocol: breaches that no case is made for are found in every read.
func TestProtocol(t *testing.T) {
	t.Parallel()
	group, user := identity.Ref{Kind: identity.Group, ID: "g"}, identity.Ref{Kind: identity.User, ID: "u"}
	events := func(list ...connectors.Event) func(func(connectors.Event, error) bool) {
		return func(yield func(connectors.Event, error) bool) {
			for _, e := range append(list, connectors.Checkpoint{}) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
	tests := map[string]struct {
		read func(func(connectors.Event, error) bool)
		says string
	}{
		"link after links":      {events(connectors.Links{Group: group, State: connectors.Complete}, connectors.Link{Group: group, Member: user}), "after the Links that closed it"},
		"record without id":     {events(connectors.Upsert{Record: identity.Record{Ref: identity.Ref{Kind: identity.Group}}}), "a kind and an id"},
		"record without always": {events(connectors.Upsert{Record: identity.Record{Ref: user, Fields: map[string]any{"id": "u"}}}), "lacks login"},
		"record of no JSON":     {events(connectors.Upsert{Record: identity.Record{Ref: group, Fields: map[string]any{"x": math.Inf(1)}}}), "cannot be kept as JSON"},
		"gone for no reason":    {events(connectors.Gone{Ref: user}), "are the causes"},
		"unreadable, no reason": {events(connectors.Unreadable{Ref: user}), "or the reason"},
		"unknown, no reason":    {events(connectors.Links{Group: group, State: connectors.Unknown}), "without a reason"},
		"unknown with members":  {events(connectors.Links{Group: group, State: connectors.Unknown, Why: "x", Members: []identity.Ref{user}}), "list members"},
		"links without a state": {events(connectors.Links{Group: group}), `have the state ""`},
		"nothing":               {events(nil), "no event, and no error"},
		"event and error at once": {func(yield func(connectors.Event, error) bool) {
			yield(connectors.Gone{}, connectors.Errorf(connectors.Transient, "x"))
		}, "together with the error"},
		"two goroutines": {func(yield func(connectors.Event, error) bool) {
			overlapping(yield)
		}, "two goroutines at once"},
		"no end": {func(yield func(connectors.Event, error) bool) {
			for yield(connectors.Gone{Ref: user, Why: identity.CauseGone}, nil) {
			}
		}, "more than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := toySuite("").bind(t)
			record(t, func(rt T) { suite.read(rt, eventsSource{read: test.read}, all()) }).wantFailure(t, test.says)
		})
	}
}

// overlapping calls yield from several goroutines until two calls have met.
func overlapping(yield func(connectors.Event, error) bool) {
	var group sync.WaitGroup
	defer group.Wait()
	refused := make(chan struct{})
	var once sync.Once
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-refused:
					return
				default:
				}
				if !yield(connectors.Gone{Ref: identity.Ref{Kind: identity.User, ID: "u"}, Why: identity.CauseGone}, nil) {
					once.Do(func() { close(refused) })
					return
				}
			}
		})
	}
}
