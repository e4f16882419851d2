package apply_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// A create whose answer was lost is looked up before it is repeated.
func TestLostCreate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replies []reply
		find    []reply
		creates int
		outcome string
		open    int
	}{
		"happened":         {replies: []reply{lost(true)}, creates: 1, outcome: "applied"},
		"did not happen":   {replies: []reply{lost(false)}, creates: 2, outcome: "applied"},
		"happened at last": {replies: []reply{lost(false), lost(true)}, creates: 2, outcome: "applied"},
		"never":            {replies: []reply{lost(false), lost(false)}, creates: 2, outcome: "failed", open: 1},
		"nobody can tell":  {replies: []reply{lost(true)}, find: []reply{fails(connectors.Transient)}, creates: 1, outcome: "failed", open: 1},
		"refused then":     {replies: []reply{lost(false), fails(connectors.Rejected)}, creates: 2, outcome: "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.target.script["create a"], b.target.script["find externalId"] = c.replies, c.find
			b.plan(create(user("a")))
			b.run()
			if got := b.outcomes(); !slices.Equal(got, []string{"create a: " + c.outcome}) {
				t.Errorf("%v, want %s", got, c.outcome)
			}
			if n := b.target.count("create a"); n != c.creates {
				t.Errorf("created %d times, want %d", n, c.creates)
			}
			if _, owned := b.owner(user("a")); owned != (c.outcome == "applied") {
				t.Errorf("owned: %t", owned)
			}
			if b.open() != c.open {
				t.Errorf("%d intents are open, want %d", b.open(), c.open)
			}
		})
	}
}

// A group that was made without an answer still gets its members.
func TestLostGroup(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.own(user("u"), identity.Attrs{})
	b.target.script["create g"] = []reply{lost(true)}
	b.plan(create(group("g"), member("u", "t-u")))
	b.want(b.run(), plan.Outcomes{Applied: 1}, "create g: applied")
	if b.target.count("add-members g") != 1 || !slices.Equal(b.target.members["t-g"], []string{"t-u"}) {
		t.Errorf("members %v after %v", b.target.members["t-g"], b.target.calls)
	}
}

// When the target shows the object late, the repeated create collides with the
// first one: it is ours all the same.
func TestLostThenConflict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.target.script["create a"] = []reply{lost(true), {happens: true}}
	made := false
	b.engine.TakeOver = func(_ context.Context, o apply.Obstacle) (apply.Takeover, error) {
		made = o.Path == "externalId" && o.Owner == nil
		return apply.Takeover{}, nil
	}
	// The look-ups before say nothing: as where a filter lags behind.
	b.engine.Session = &late{target: b.target, from: 4}
	b.plan(create(user("a")))
	b.want(b.run(), plan.Outcomes{Applied: 1}, "create a: applied")
	if o, _ := b.owner(user("a")); !made || o.Origin != ledger.OriginRecognized {
		t.Errorf("taken over %t, origin %s; want it recognized", made, o.Origin)
	}
}

// An object that is shown a little late is not made twice.
func TestLostShownLate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.target.script["create a"] = []reply{lost(true)}
	b.engine.Session = &late{target: b.target, from: 2}
	b.plan(create(user("a")))
	b.want(b.run(), plan.Outcomes{Applied: 1}, "create a: applied")
	if n := b.target.count("create a"); n != 1 {
		t.Errorf("created %d times", n)
	}
}

// late shows nothing in its first look-ups.
type late struct {
	*target
	asked, from int
}

func (l *late) Find(ctx context.Context, k identity.Kind, m connectors.Match, w connectors.Want) ([]identity.Entry, error) {
	if l.asked++; l.asked <= l.from {
		return nil, nil
	}
	return l.target.Find(ctx, k, m, w)
}

// Anything but a create may be said again.
func TestLostElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, id := range []string{"a", "b", "c"} {
		b.own(user(id), identity.Attrs{"userName": id})
	}
	b.target.script["update a"] = []reply{lost(true)}
	b.target.script["delete b"] = []reply{lost(true)}
	b.target.script["delete c"] = []reply{lost(false), lost(false), lost(false), lost(false)}
	b.plan(change(identity.Update, user("a"), "t-a", title("x")), change(identity.Delete, user("b"), "t-b"), change(identity.Delete, user("c"), "t-c"))
	b.want(b.run(), plan.Outcomes{Applied: 2, Failed: 1}, "update a: applied", "delete b: applied", "delete c: failed")
	if _, owned := b.owner(user("c")); !owned || b.open() != 0 {
		t.Errorf("owned %t, %d open; want a failed delete to stay ours and be settled", owned, b.open())
	}
}

// An object that is in the way of a create becomes ours by policy alone.
func TestConflict(t *testing.T) {
	t.Parallel()
	taken := identity.Attrs{"userName": "a", "title": "old"}
	adopt := change(identity.Adopt, user("a"), "t-x", title("new"))
	reactivate := change(identity.Reactivate, user("a"), "t-x", identity.Attribute{Path: "active", After: true})
	for name, c := range map[string]struct {
		attrs    identity.Attrs
		owner    *ledger.Owned
		takeover apply.Takeover
		script   map[string][]reply
		outcome  string
		origin   ledger.Origin
		title    string
		says     string
	}{
		"adopted": {
			attrs: taken, takeover: apply.Takeover{Changes: []identity.Change{adopt, reactivate}},
			outcome: "applied", origin: ledger.OriginAdopted, title: "new", says: "adopted",
		},
		"for its members only": {
			attrs: taken, takeover: apply.Takeover{Changes: []identity.Change{change(identity.Adopt, user("a"), "t-x")}},
			outcome: "applied", origin: ledger.OriginAdopted, title: "old", says: "adopted",
		},
		"recognized": {
			attrs:   identity.Attrs{"userName": "a", "externalId": "a", "title": "old"},
			outcome: "applied", origin: ledger.OriginRecognized, title: "old", says: "recognized",
		},
		"refused": {
			attrs: taken, takeover: apply.Takeover{Refused: "existing is report"},
			outcome: "failed", title: "old", says: "existing is report",
		},
		"adoption refused": {
			attrs: taken, takeover: apply.Takeover{Changes: []identity.Change{adopt, reactivate}},
			script: map[string][]reply{"adopt a": {fails(connectors.Forbidden)}}, outcome: "failed", title: "old", says: "forbidden",
		},
		"adopted, but not reactivated": {
			attrs: taken, takeover: apply.Takeover{Changes: []identity.Change{adopt, reactivate}},
			script:  map[string][]reply{"reactivate a": {fails(connectors.Forbidden)}},
			outcome: "failed", origin: ledger.OriginAdopted, title: "new", says: "forbidden",
		},
		"somebody else's": {
			attrs: taken, owner: &ledger.Owned{Sync: "other", Ref: user("z")},
			outcome: "failed", title: "old", says: "belongs to user:z of sync other",
		},
		"ours, hidden": {
			attrs: taken, owner: &ledger.Owned{Sync: "sync", Ref: user("a"), Origin: ledger.OriginCreated},
			outcome: "applied", origin: ledger.OriginCreated, title: "old", says: "it was ours",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.target.put(identity.User, "t-x", c.attrs)
			if c.owner != nil {
				c.owner.Target, c.owner.TargetID = "target", "t-x"
				if c.owner.Origin == "" {
					c.owner.Origin = ledger.OriginCreated
				}
				must(t, b.ledger.Own(t.Context(), *c.owner))
			}
			maps.Copy(b.target.script, c.script)
			b.engine.TakeOver = func(context.Context, apply.Obstacle) (apply.Takeover, error) { return c.takeover, nil }
			seqs := b.plan(create(user("a")))
			b.run()
			s, err := b.scratch.Step(t.Context(), seqs[0])
			must(t, err)
			if string(s.Outcome) != c.outcome || !strings.Contains(s.Error, c.says) {
				t.Errorf("%s: %s; want %s, %q", s.Outcome, s.Error, c.outcome, c.says)
			}
			if o, _ := b.owner(user("a")); o.Origin != c.origin {
				t.Errorf("origin %q, want %q", o.Origin, c.origin)
			}
			if got := b.target.objects["t-x"].Attrs["title"]; got != c.title {
				t.Errorf("title %v, want %s", got, c.title)
			}
		})
	}
}

// A name that two objects share, or that nobody shows, is nobody's to take.
func TestConflictUnclear(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.target.put(identity.User, "t-1", identity.Attrs{"userName": "twin"})
	b.target.put(identity.User, "t-2", identity.Attrs{"userName": "twin"})
	b.target.script["create hidden"] = []reply{fails(connectors.Conflict)}
	seqs := b.plan(create(user("twin")), create(user("hidden")))
	b.want(b.run(), plan.Outcomes{Failed: 2})
	for i, says := range []string{"2 objects match by userName", "shows nobody by that name"} {
		s, err := b.scratch.Step(t.Context(), seqs[i])
		must(t, err)
		if !strings.Contains(s.Error, says) {
			t.Errorf("%s: want %q", s.Error, says)
		}
	}
}

// A predecessor's account changes hands only when the adoption succeeded.
func TestRehire(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{false, true} {
		b := newBench(t)
		id := b.own(user("old"), identity.Attrs{"userName": "a"})
		adopt := change(identity.Adopt, user("new"), id, title("x"))
		adopt.Cause = identity.CauseRehire
		if refused {
			b.target.script["adopt new"] = []reply{fails(connectors.Rejected)}
		}
		b.plan(adopt)
		b.run()
		_, before := b.owner(user("old"))
		_, after := b.owner(user("new"))
		if before != refused || after == refused {
			t.Errorf("refused %t: the predecessor owns it %t, the successor %t", refused, before, after)
		}
	}
}
