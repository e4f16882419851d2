package connectortest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// earlyBreak: a caller that stops early is not called again, and nothing goes
// on behind its back.
func (s SourceSuite) earlyBreak(t T) {
	w := Synthetic(3*s.PageSize+1, s.PageSize+1, 8*s.PageSize, 20)
	source := s.open(SourceOptions{World: w}).Source
	// What a source starts once and keeps is no leak of one read.
	total := s.read(t, source, all()).events
	for _, n := range []int{1, 2, s.PageSize + 1, total / 2, total - 1, total} {
		seen := 0
		stacks := leaked(t.Context(), func(ctx context.Context) {
			s.readUntil(ctx, t, source, all(), func(connectors.Event) bool {
				seen++
				return seen == n
			})
		})
		for _, stack := range stacks {
			t.Errorf("stopping after element %d of %d leaves goroutines behind:\n%s", n, total, stack)
		}
		if len(stacks) > 0 {
			return
		}
	}
}

// cancelBefore: a cancelled context reads nothing.
func (s SourceSuite) cancelBefore(t T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source := s.open(SourceOptions{World: Synthetic(3, 1, 2, 21)}).Source
	got := s.within(ctx, t, source, nil)
	if got != nil && got.err == nil {
		t.Errorf("a read with a cancelled context ended without an error")
	}
}

// cancelBetween: a context that is cancelled between two events ends the read
// with an error, and never with a Checkpoint.
func (s SourceSuite) cancelBetween(t T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := Synthetic(6*s.PageSize+1, 2*s.PageSize, 20*s.PageSize, 22)
	got := s.within(ctx, t, s.open(SourceOptions{World: w}).Source, cancel)
	if got != nil && got.err == nil {
		t.Errorf("the context was cancelled after the first event, and the read went on to %d events without an error", got.events)
	}
}

// cancelInPage: a context that is cancelled while a page is awaited ends the
// wait.
func (s SourceSuite) cancelInPage(t T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	faults := &Faults{}
	faults.Add(Fault{
		ID: "hanging page", Match: s.Wire.Users, Skip: 1, MinFires: 1,
		Effect: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			cancel()
			Hang()(w, r, next)
		},
	})
	w := Synthetic(3*s.PageSize, 1, 2, 23)
	got := s.within(ctx, t, s.open(SourceOptions{World: w, Faults: faults}).Source, nil)
	if got != nil && got.err == nil {
		t.Errorf("the context was cancelled while a page was awaited, and the read ended without an error")
	}
	faults.AssertFired(t)
}

// within reads with ctx, cancelling after the first event where cancel is
// given, and fails when the sequence does not end soon. It returns nil then.
func (s SourceSuite) within(ctx context.Context, t T, source connectors.Source, cancel context.CancelFunc) *reading {
	t.Helper()
	done := make(chan *reading, 1)
	go func() {
		done <- s.gather(ctx, source, all(), func(connectors.Event) bool {
			if cancel != nil {
				cancel()
			}
			return false
		})
	}()
	select {
	case got := <-done:
		for _, breach := range got.broken {
			t.Errorf("%s", breach)
		}
		return got
	case <-time.After(prompt):
		t.Errorf("the read goes on %s after its context was cancelled", prompt)
		return nil
	}
}

// insertWhileReading: people who join while pages are read push nobody out.
func (s SourceSuite) insertWhileReading(t T) {
	w := Synthetic(3*s.PageSize+1, 2, 2*s.PageSize, 24)
	edited := w.Clone()
	joined := User{ID: "a-newcomer", UserName: "newcomer@example.com", Given: "New", Family: "Comer", Email: "newcomer@example.com", Active: true}
	edited.Users = slices.Insert(edited.Users, 0, joined)
	faults := &Faults{}
	var sut SourceUnderTest
	faults.Add(Fault{
		ID: "somebody joins", Match: s.Wire.Users, Skip: 1, Times: 1, MinFires: 1,
		Effect: Do(func() { sut.Edit(edited) }),
	})
	sut = s.open(SourceOptions{World: w, Faults: faults})
	got := s.read(t, sut.Source, all())
	// The newcomer may be seen or not.
	honest(t, got, w)
	faults.AssertFired(t)
}

// listing is a listing in which a fault can be placed.
type listing struct {
	name  string
	match func(*http.Request) bool
	skip  int // pages that are fine
}

func (s SourceSuite) listings(w World) []listing {
	out := []listing{
		{"users, first page", s.Wire.Users, 0},
		{"users, second page", s.Wire.Users, 1},
		{"groups, first page", s.Wire.Groups, 0},
		{"groups, second page", s.Wire.Groups, 1},
	}
	if needsMembers(s) == "" {
		out = append(out, listing{"members, second page", s.membersOf(w.Groups[0].ID), 1})
	}
	return out
}

// faulty is a world in which every listing has at least three pages.
func (s SourceSuite) faulty() World {
	w := Synthetic(2*s.PageSize+2, 2*s.PageSize+2, 0, 25)
	w.Groups[0].Members = w.ids(identity.User)
	w.Groups[1].Members = w.ids(identity.User)[:2]
	return w
}

// errorOnPage: a page that is refused for good ends the read.
func (s SourceSuite) errorOnPage(t T) {
	w := s.faulty()
	for _, l := range s.listings(w)[:4] {
		t.Logf("%s is refused", l.name)
		faults := &Faults{}
		faults.Add(Fault{
			ID: l.name, Match: l.match, Skip: l.skip, MinFires: 1,
			Effect: jsonStatus(http.StatusBadRequest, "no such page"),
		})
		got := s.read(t, s.open(SourceOptions{World: w, Faults: faults}).Source, all())
		if got.err == nil {
			t.Errorf("%s was answered 400, and the read ended without an error", l.name)
		}
		honest(t, got, w)
		faults.AssertFired(t)
	}
}

// dishonestPages: an answer that is not what it says never passes for a page.
// The source may try again and succeed, or fail.
func (s SourceSuite) dishonestPages(t T) {
	w := s.faulty()
	effects := []struct {
		name   string
		effect Effect
	}{
		{"a page for people", HTML()},
		{"an answer that breaks off", Truncate()},
		{"half an answer as if whole", Cut()},
		{"an empty object", Status(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{}`)},
		{"no content", Status(http.StatusNoContent, nil, "")},
		{"a reset connection", Reset()},
	}
	for _, l := range s.listings(w) {
		for _, e := range effects {
			t.Logf("%s: %s", l.name, e.name)
			faults := &Faults{}
			faults.Add(Fault{ID: l.name + ": " + e.name, Match: l.match, Skip: l.skip, Times: 1, MinFires: 1, Effect: e.effect})
			honest(t, s.read(t, s.open(SourceOptions{World: w, Faults: faults}).Source, all()), w)
			faults.AssertFired(t)
		}
	}
}

// throttledWithHint: told when to come back, a source does, and loses nothing.
func (s SourceSuite) throttledWithHint(t T) { s.throttled(t, time.Second) }

// throttledWithoutHint: told to slow down and no more, it finds its own pause.
func (s SourceSuite) throttledWithoutHint(t T) { s.throttled(t, 0) }

func (s SourceSuite) throttled(t T, after time.Duration) {
	w := s.faulty()
	faults := &Faults{}
	for _, l := range s.listings(w)[1:] {
		if l.skip == 0 {
			continue
		}
		faults.Add(Fault{ID: l.name, Match: l.match, Skip: l.skip, Times: 1, MinFires: 1, Effect: s.Wire.Throttle(after)})
	}
	started := time.Now()
	whole(t, s.read(t, s.open(SourceOptions{World: w, Faults: faults}).Source, all()), w)
	if took := time.Since(started); took < after {
		t.Errorf("the read took %s and was told to wait %s", took, after)
	}
	faults.AssertFired(t)
}

// refusedCredential: a credential that was never good.
func (s SourceSuite) refusedCredential(t T) {
	faults := &Faults{}
	faults.Add(Fault{ID: "401 from the start", Effect: s.Wire.Unauthorized, MinFires: 2})
	source := s.open(SourceOptions{World: Synthetic(2, 1, 1, 26), Faults: faults}).Source
	if _, err := source.Info(t.Context()); connectors.ClassOf(err) != connectors.Unauthorized {
		t.Errorf("Info with a refused credential: %v, of class %q; want class unauthorized", err, connectors.ClassOf(err))
	}
	got := s.read(t, source, all())
	unauthorized(t, got)
	if got.events > 1 {
		t.Errorf("%d elements were read with a refused credential", got.events)
	}
	faults.AssertFired(t)
}

// expiredCredential: a credential that ends while pages are read.
func (s SourceSuite) expiredCredential(t T) {
	w := s.faulty()
	for _, l := range s.listings(w) {
		t.Logf("401 from: %s", l.name)
		faults := &Faults{}
		faults.Add(Fault{ID: l.name, Match: l.match, Skip: l.skip, MinFires: 1, Effect: s.Wire.Unauthorized})
		unauthorized(t, s.read(t, s.open(SourceOptions{World: w, Faults: faults}).Source, all()))
		faults.AssertFired(t)
	}
}

func unauthorized(t T, got *reading) {
	t.Helper()
	if class := connectors.ClassOf(got.err); class != connectors.Unauthorized {
		t.Errorf("the read ended with %v, of class %q; want class unauthorized", got.err, class)
	}
}

// unreadableGroup: a group whose members are withheld is unknown, and costs
// nobody else anything.
func (s SourceSuite) unreadableGroup(t T) {
	w := s.faulty()
	faults := &Faults{}
	withheld := w.Groups[0]
	faults.Add(Fault{ID: "members withheld", Match: s.membersOf(withheld.ID), MinFires: 1, Effect: s.Wire.Forbidden})
	got := s.read(t, s.open(SourceOptions{World: w, Faults: faults}).Source, all())
	faults.AssertFired(t)
	if got.err != nil || got.checkpoint == nil {
		t.Errorf("one group was withheld, and the whole read failed: %v", got.err)
		return
	}
	ref := identity.Ref{Kind: identity.Group, ID: withheld.ID}
	if closed, ok := got.closed[ref]; ok && closed.State != connectors.Unknown {
		t.Errorf("the members of %s were withheld, and its Links are %s", ref, closed.State)
	}
	for _, g := range w.Groups[1:] {
		wholeGroup(t, got, g)
	}
	for _, kind := range identity.Kinds() {
		ids := w.ids(kind)
		if kind == identity.Group {
			// It may be listed, or be unreadable itself.
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == withheld.ID })
		}
		read := slices.DeleteFunc(got.ids(kind), func(id string) bool { return kind == identity.Group && id == withheld.ID })
		if diff := cmp.Diff(ids, read); diff != "" {
			t.Errorf("%s beside the withheld group (-directory +read):\n%s", kind.Plural(), diff)
		}
	}
	honest(t, got, w)
}
