package connectortest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// lostAnswer: a create whose answer was lost is not repeated blindly, is called
// Lost, and can be found.
func (s TargetSuite) lostAnswer(t T) {
	faults := &Faults{}
	faults.Add(Fault{ID: "lost answer", Match: s.CreatesUser, Times: 1, MinFires: 1, Effect: LoseAnswer()})
	w := s.start(t, TargetOptions{Faults: faults})
	want := ada().desired()
	_, err := w.session.Apply(t.Context(), create(w.profile, want))
	if class := connectors.ClassOf(err); class != connectors.Lost {
		t.Errorf("create without an answer: %v, of class %q; want class lost", err, class)
	}
	faults.AssertFired(t)
	held := w.Held(identity.User)
	if len(held) != 1 {
		t.Fatalf("after a create without an answer the target holds %d users, want 1", len(held))
	}
	w.findsOnly(t, identity.User, "userName", want.Attrs.String("userName"), held[0].TargetID)
}

// throttledCreate: slowed down, a create happens later, and once.
func (s TargetSuite) throttledCreate(t T) {
	const after = time.Second
	faults := &Faults{}
	faults.Add(Fault{ID: "429", Match: s.CreatesUser, Times: 1, MinFires: 1, Effect: Throttle(after)})
	w := s.start(t, TargetOptions{Faults: faults})
	started := time.Now()
	want := ada().desired()
	id := w.create(t, want)
	if took := time.Since(started); took < after {
		t.Errorf("the create took %s and was told to wait %s", took, after)
	}
	w.keeps(t, identity.User, id, want.Attrs)
	if n := len(w.Held(identity.User)); n != 1 {
		t.Errorf("after a throttled create the target holds %d users", n)
	}
	faults.AssertFired(t)
}

// refusedCredential: a credential that was never good opens nothing.
func (s TargetSuite) refusedCredential(t T) {
	faults := &Faults{}
	faults.Add(Fault{ID: "401 from the start", MinFires: 1, Effect: s.Unauthorized})
	_, err := s.open(TargetOptions{Faults: faults}).Target.Open(t.Context())
	if class := connectors.ClassOf(err); class != connectors.Unauthorized {
		t.Errorf("Open with a refused credential: %v, of class %q; want class unauthorized", err, class)
	}
	faults.AssertFired(t)
}

// expiredCredential: a credential that ends during a run stops every call.
func (s TargetSuite) expiredCredential(t T) {
	faults := &Faults{}
	w := s.start(t, TargetOptions{Faults: faults})
	want := ada().desired()
	id := w.create(t, want)
	faults.Add(Fault{ID: "401 from now on", MinFires: 4, Effect: s.Unauthorized})
	_, err := w.session.Apply(t.Context(), change(identity.Update, want.Ref, id, identity.Attribute{Path: "displayName", Before: "Ada Archer", After: "Ada"}))
	isUnauthorized(t, "update", err)
	other := ada()
	other.ID, other.UserName = "Ext-Other", "other@example.com"
	_, err = w.session.Apply(t.Context(), create(w.profile, other.desired()))
	isUnauthorized(t, "create", err)
	_, err = w.session.Find(t.Context(), identity.User, connectors.Match{Path: "userName", Value: "ada.archer@example.com"}, connectors.Want{})
	isUnauthorized(t, "find", err)
	err = nil
	for _, e := range w.session.List(t.Context(), identity.User, connectors.Want{}) {
		err = e
	}
	isUnauthorized(t, "list", err)
	w.keeps(t, identity.User, id, want.Attrs)
	faults.AssertFired(t)
}

func isUnauthorized(t T, what string, err error) {
	t.Helper()
	if class := connectors.ClassOf(err); class != connectors.Unauthorized {
		t.Errorf("%s with an expired credential: %v, of class %q; want class unauthorized", what, err, class)
	}
}

// cancelled: a cancelled context writes nothing and says so.
func (s TargetSuite) cancelled(t T) {
	w := s.start(t, TargetOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.session.Apply(ctx, create(w.profile, ada().desired())); err == nil {
		t.Errorf("a create with a cancelled context ended without an error")
	}
	if _, err := w.session.Find(ctx, identity.User, connectors.Match{Path: "userName", Value: "a"}, connectors.Want{}); err == nil {
		t.Errorf("a find with a cancelled context ended without an error: none found is not the same")
	}
	var failure error
	for _, err := range w.session.List(ctx, identity.User, connectors.Want{}) {
		failure = err
	}
	if failure == nil {
		t.Errorf("a listing with a cancelled context ended without an error: empty is not the same")
	}
	if n := len(w.Held(identity.User)); n != 0 {
		t.Errorf("a create with a cancelled context left %d users", n)
	}
}

// parallelCreates: a session is safe for concurrent use.
func (s TargetSuite) parallelCreates(t T) {
	w := s.start(t, TargetOptions{})
	users := People(16, 44)
	results := make([]connectors.Result, len(users))
	failures := make([]error, len(users))
	var group sync.WaitGroup
	for i, u := range users {
		group.Go(func() { results[i], failures[i] = w.session.Apply(t.Context(), create(w.profile, u.desired())) })
	}
	group.Wait()
	ids := []string{}
	for i, u := range users {
		if failures[i] != nil {
			t.Errorf("create %s: %v", u.UserName, failures[i])
			continue
		}
		ids = append(ids, results[i].Entry.TargetID)
		w.keeps(t, identity.User, results[i].Entry.TargetID, u.desired().Attrs)
	}
	if diff := cmp.Diff(entryIDs(w.Held(identity.User)), slices.Sorted(slices.Values(ids))); diff != "" {
		t.Errorf("ids of parallel creates (-held +answered):\n%s", diff)
	}
}
