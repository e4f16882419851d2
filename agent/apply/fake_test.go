package apply_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// target is an application whose next answers are scripted.
type target struct {
	connectors.Session // what the engine never calls

	mu      sync.Mutex
	profile connectors.Profile
	objects map[string]identity.Entry // by target id
	members map[string][]string       // of groups
	// script holds, by "op id", what the next calls are answered.
	script map[string][]reply
	// after is called when a call has been answered.
	after func(c identity.Change)
	calls []string
	busy  map[identity.Ref]bool
	// overlap names an object that was written twice at once.
	overlap string
}

// reply is one answer: whether it happens, and what is said of it.
type reply struct {
	happens bool
	err     error
	refused []connectors.RefusedMember
	status  connectors.Status
}

func fails(class connectors.Class) reply { return reply{err: connectors.Errorf(class, "%s", class)} }

func lost(happens bool) reply {
	return reply{happens: happens, err: connectors.Errorf(connectors.Lost, "no answer")}
}

func (t *target) Profile() connectors.Profile { return t.profile }

func (t *target) List(context.Context, identity.Kind, connectors.Want) iter.Seq2[identity.Entry, error] {
	return func(func(identity.Entry, error) bool) {}
}

func (t *target) Find(ctx context.Context, k identity.Kind, m connectors.Match, _ connectors.Want) ([]identity.Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, "find "+m.Path+" "+m.Value)
	if replies := t.script["find "+m.Path]; len(replies) > 0 {
		t.script["find "+m.Path] = replies[1:]
		if replies[0].err != nil {
			return nil, replies[0].err
		}
	}
	var out []identity.Entry
	for _, e := range t.objects {
		if e.Ref.Kind == k && e.Attrs.String(m.Path) == m.Value {
			out = append(out, e)
		}
	}
	return out, ctx.Err()
}

func (t *target) Apply(ctx context.Context, c identity.Change) (connectors.Result, error) {
	t.mu.Lock()
	if t.busy[c.Ref] {
		t.overlap = c.Ref.String()
	}
	t.busy[c.Ref] = true
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.busy[c.Ref] = false
		t.mu.Unlock()
		if t.after != nil {
			t.after(c)
		}
	}()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return connectors.Result{}, err
	}
	call := string(c.Op) + " " + c.Ref.ID
	t.calls = append(t.calls, call)
	r := reply{happens: true}
	if replies := t.script[call]; len(replies) > 0 {
		r, t.script[call] = replies[0], replies[1:]
	}
	result := connectors.Result{Status: connectors.Applied, Refused: r.refused}
	if r.status != "" {
		result.Status, result.Paths = r.status, []string{"title"}
	}
	if r.happens || r.err == nil {
		id, err := t.keep(c)
		if err != nil {
			return connectors.Result{}, err
		}
		result.Entry.TargetID = id
	}
	if r.err != nil {
		return connectors.Result{}, r.err
	}
	return result, nil
}

// keep does what a change says, and refuses a name that is taken.
func (t *target) keep(c identity.Change) (string, error) {
	id := c.TargetID
	e := t.objects[id]
	if c.Op == identity.Create {
		id = "t-" + c.Ref.ID
		e = identity.Entry{Ref: c.Ref, TargetID: id, Attrs: identity.Attrs{}}
		for _, other := range t.objects {
			for _, a := range c.Attributes {
				if a.Path == plan.NamePath(c.Ref.Kind) && other.Attrs[a.Path] == a.After {
					return "", connectors.Errorf(connectors.Conflict, "the name is taken")
				}
			}
		}
	} else if e.TargetID == "" {
		return "", connectors.Errorf(connectors.Missing, "no such object")
	}
	attrs := identity.Attrs{}
	maps.Copy(attrs, e.Attrs)
	for _, a := range c.Attributes {
		attrs[a.Path] = a.After
	}
	e.Attrs = attrs
	t.objects[id] = e
	if c.Op == identity.Delete {
		delete(t.objects, id)
	}
	for _, m := range c.Members {
		if m.TargetID == "" {
			return "", errors.New("a member without an id")
		}
		t.members[id] = slices.DeleteFunc(t.members[id], func(has string) bool { return has == m.TargetID })
		if c.Op != identity.RemoveMembers {
			t.members[id] = append(t.members[id], m.TargetID)
		}
	}
	return id, nil
}

// put adds an object that nobody owns.
func (t *target) put(k identity.Kind, id string, attrs identity.Attrs) {
	t.objects[id] = identity.Entry{Ref: identity.Ref{Kind: k}, TargetID: id, Attrs: attrs}
}

// bench is an engine over a real ledger and a scripted target.
type bench struct {
	t       *testing.T
	ledger  *ledger.Ledger
	scratch *ledger.Workspace
	target  *target
	engine  *apply.Engine
	journal *journal
}

// journal is that of the ledger, and can be made to fail.
type journal struct {
	*ledger.Ledger
	mu             sync.Mutex
	intend, settle error
	batches        int
	// second is closed with the second batch; open counts intents without an
	// outcome, most is the largest number there was.
	second     chan struct{}
	open, most int
}

func (j *journal) Intend(ctx context.Context, changes []identity.Change) ([]int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.intend != nil {
		return nil, j.intend
	}
	if j.batches++; j.batches == 2 {
		close(j.second)
	}
	j.open += len(changes)
	j.most = max(j.most, j.open)
	return j.Ledger.Intend(ctx, nil, "run", "sync", changes)
}

func (j *journal) Settle(ctx context.Context, outcomes []ledger.Outcome) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.settle != nil {
		return j.settle
	}
	j.open -= len(outcomes)
	return j.Ledger.Settle(ctx, outcomes)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "scimsync.db"))
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	scratch, err := l.NewWorkspace(t.Context(), "sync", "source", "target")
	must(t, err)
	t.Cleanup(func() { must(t, scratch.Close()) })
	must(t, l.StartRun(t.Context(), ledger.Run{ID: "run", Sync: "sync", Cycle: "full", Started: time.Now()}))
	b := &bench{t: t, ledger: l, scratch: scratch, journal: &journal{Ledger: l, second: make(chan struct{})}}
	b.target = &target{
		profile: connectors.Profile{Members: connectors.MembersReadable},
		objects: map[string]identity.Entry{}, members: map[string][]string{},
		script: map[string][]reply{}, busy: map[identity.Ref]bool{},
	}
	b.engine = &apply.Engine{
		Session: b.target, Scratch: scratch, Ledger: l, Journal: b.journal,
		Sync: "sync", Target: "target", RunID: "run", Workers: 8,
		By:    map[identity.Kind][]string{identity.User: {"externalId", "userName"}, identity.Group: {"externalId", "displayName"}},
		Blind: func() bool { return b.target.Profile().Members == connectors.MembersBlind },
		TakeOver: func(_ context.Context, o apply.Obstacle) (apply.Takeover, error) {
			t.Errorf("%s stands in the way of %s", o.Live.TargetID, o.Create.Ref)
			return apply.Takeover{}, nil
		},
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func user(id string) identity.Ref  { return identity.Ref{Kind: identity.User, ID: id} }
func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }

// create is the change that makes an object, named after its id.
func create(ref identity.Ref, members ...identity.Member) identity.Change {
	return identity.Change{
		Op: identity.Create, Ref: ref, Name: ref.ID, Cause: identity.CauseNew, Members: members,
		Attributes: []identity.Attribute{{Path: "externalId", After: ref.ID}, {Path: plan.NamePath(ref.Kind), After: ref.ID}},
	}
}

func change(op identity.Op, ref identity.Ref, targetID string, attributes ...identity.Attribute) identity.Change {
	return identity.Change{Op: op, Ref: ref, TargetID: targetID, Name: ref.ID, Attributes: attributes}
}

func title(after string) identity.Attribute { return identity.Attribute{Path: "title", After: after} }

func member(id, targetID string) identity.Member {
	return identity.Member{Ref: user(id), TargetID: targetID, Name: id}
}

// plan adds steps, each in its usual place, and returns their numbers.
func (b *bench) plan(changes ...identity.Change) []int64 {
	b.t.Helper()
	var seqs []int64
	must(b.t, b.scratch.Load(b.t.Context(), func() error {
		for _, c := range changes {
			seq, err := b.scratch.PutStep(b.t.Context(), plan.Step{Place: plan.Place{Wave: plan.WaveOf(c)}, Change: c})
			if err != nil {
				return err
			}
			seqs = append(seqs, seq)
		}
		return nil
	}))
	return seqs
}

// own makes an object at the target ours.
func (b *bench) own(ref identity.Ref, attrs identity.Attrs) string {
	b.t.Helper()
	id := "t-" + ref.ID
	b.target.put(ref.Kind, id, attrs)
	must(b.t, b.ledger.Own(b.t.Context(), ledger.Owned{
		Sync: "sync", Ref: ref, Target: "target", TargetID: id, Origin: ledger.OriginCreated, Name: ref.ID,
	}))
	return id
}

// run applies the plan and returns the report.
func (b *bench) run() apply.Report {
	b.t.Helper()
	r, err := b.engine.Run(b.t.Context())
	must(b.t, err)
	return r
}

// outcomes returns "op id: outcome" of every step, in order.
func (b *bench) outcomes() []string {
	b.t.Helper()
	var out []string
	for s, err := range b.scratch.Steps(b.t.Context()) {
		must(b.t, err)
		out = append(out, fmt.Sprintf("%s %s: %s", s.Op, s.Ref.ID, s.Outcome))
	}
	return out
}

func (b *bench) want(report apply.Report, outcomes plan.Outcomes, steps ...string) {
	b.t.Helper()
	if diff := cmp.Diff(outcomes, report.Outcomes); diff != "" {
		b.t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(steps, b.outcomes()); diff != "" && steps != nil {
		b.t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// owner returns what is owned for a source object.
func (b *bench) owner(ref identity.Ref) (ledger.Owned, bool) {
	b.t.Helper()
	o, found, err := b.ledger.OwnedRef(b.t.Context(), "sync", ref)
	must(b.t, err)
	return o, found
}

// open counts the intents that nobody knows the outcome of.
func (b *bench) open() int {
	b.t.Helper()
	n := 0
	for _, err := range b.ledger.OpenIntents(b.t.Context(), "sync") {
		must(b.t, err)
		n++
	}
	return n
}

// count counts the calls that begin with a word.
func (t *target) count(call string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, c := range t.calls {
		if c == call {
			n++
		}
	}
	return n
}
