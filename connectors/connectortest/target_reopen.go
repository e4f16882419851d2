package connectortest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// reopened: a session made from the facts of another one is like it, asks nothing
// before it has to, and nothing to be proved once it has found somebody.
func (s TargetSuite) reopened(t T) {
	faults := &Faults{}
	w := s.start(t, TargetOptions{Faults: faults})
	want := ada().desired()
	id := w.create(t, want)
	facts := w.session.Facts()
	if len(facts) == 0 {
		t.Fatalf("Facts returns nothing after an Open that went well")
	}
	const asked = "asked"
	faults.Add(Fault{ID: asked})
	w.session = w.Target.Reopen(t.Context(), facts)
	if w.session == nil {
		t.Fatalf("Reopen has no use for the facts of a session before")
	}
	profile := w.session.Profile()
	if n := faults.Fired(asked); n > 0 {
		t.Errorf("Reopen sent %d requests", n)
	}
	before := w.profile
	before.Pace, profile.Pace = connectors.Pace{}, connectors.Pace{}
	if diff := cmp.Diff(before, profile); diff != "" {
		t.Errorf("the profile of a reopened session differs (-before +reopened):\n%s", diff)
	}
	w.findsOnly(t, identity.User, "userName", want.Attrs.String("userName"), id)
	found := faults.Fired(asked)
	if err := w.session.Prove(t.Context()); err != nil || faults.Fired(asked) > found {
		t.Errorf("Prove, once somebody was found: %v and %d requests, want neither", err, faults.Fired(asked)-found)
	}
	if w.Target.Reopen(t.Context(), []byte("nonsense")) != nil {
		t.Errorf("Reopen makes a session of nonsense")
	}
}

// reopenedInVain: a session that was not asked for proof has none of it; asked for
// it, it says that the credential is refused.
func (s TargetSuite) reopenedInVain(t T) {
	faults := &Faults{}
	w := s.start(t, TargetOptions{Faults: faults})
	faults.Add(Fault{ID: "401 from now on", MinFires: 1, Effect: s.Unauthorized})
	session := w.Target.Reopen(t.Context(), w.session.Facts())
	if session == nil {
		t.Fatalf("Reopen has no use for the facts of a session before")
	}
	isUnauthorized(t, "prove", session.Prove(t.Context()))
	faults.AssertFired(t)
}
