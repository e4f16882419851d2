package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// room is a workspace with short ways to fill it.
type room struct {
	*Workspace
	t *testing.T
	l *Ledger
}

func newRoom(t *testing.T) room {
	t.Helper()
	l := open(t)
	w, err := l.NewWorkspace(t.Context(), "sync", "source", "target")
	must(t, err)
	t.Cleanup(func() { must(t, w.Close()) })
	return room{w, t, l}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want puts a source object whose userName is name.
func (r room) want(ref identity.Ref, state DesiredState, name string) {
	r.t.Helper()
	must(r.t, r.PutDesired(r.t.Context(), Desired{
		Ref: ref, Name: name, State: state, Active: true, Hash: "h-" + ref.ID,
		Entry: identity.Entry{Ref: ref, Attrs: identity.Attrs{"userName": name}},
	}, []Key{{"userName", name}, {"externalId", ref.ID}}))
}

// has puts a target object.
func (r room) has(k identity.Kind, id, name string, members ...string) {
	r.t.Helper()
	must(r.t, r.PutLive(r.t.Context(), k, identity.Entry{
		TargetID: id, Attrs: identity.Attrs{"userName": name},
		Members: identity.Members{Known: true, TargetIDs: members},
	}, []Key{{"userName", name}}))
}

func (r room) owns(sync string, ref identity.Ref, id string) {
	r.t.Helper()
	must(r.t, r.l.Own(r.t.Context(), Owned{
		Sync: sync, Ref: ref, Target: "target", TargetID: id, Origin: OriginCreated, Name: id, RecordHash: "old", Since: noon(),
	}))
}

// every returns all of a sequence.
func (r room) every(refs iter.Seq2[identity.Ref, error]) ([]identity.Ref, error) {
	var out []identity.Ref
	for ref, err := range refs {
		if err != nil {
			return nil, err
		}
		out = append(out, ref)
	}
	return out, nil
}

// collected returns a sequence as text.
func collected[T any](t *testing.T, rows iter.Seq2[T, error], text func(T) string) []string {
	t.Helper()
	var out []string
	for row, err := range rows {
		must(t, err)
		out = append(out, text(row))
	}
	return out
}

func joined(j Joined) string {
	text := j.Desired.Ref.ID
	if j.Owned != nil {
		text = j.Owned.Ref.ID + " owns " + j.Owned.TargetID
	}
	if j.Live != nil {
		text += ", live as " + j.Live.Attrs.String("userName")
	}
	return text
}

func TestWorkspaceJoins(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.want(user("a"), In, "ann")
	r.want(user("b"), In, "bob")
	r.want(user("c"), Out, "cid")
	r.want(user("d"), Shielded, "dan")
	r.want(group("a"), In, "team")
	for id, target := range map[string]string{"a": "t-a", "c": "t-c", "d": "t-d", "gone": "t-gone"} {
		r.owns("sync", user(id), target)
	}
	r.owns("other", user("x"), "t-x")
	for _, id := range []string{"t-a", "t-c", "t-gone", "t-x", "t-free"} {
		r.has(identity.User, id, "live "+id)
	}
	same(t, "objects", collected(t, r.Objects(t.Context(), identity.User), joined),
		[]string{"a owns t-a, live as live t-a", "b", "d owns t-d"})
	same(t, "leavers", collected(t, r.Leavers(t.Context(), identity.User), joined),
		[]string{"c owns t-c, live as live t-c", "gone owns t-gone, live as live t-gone"})
	same(t, "objects of another kind", collected(t, r.Objects(t.Context(), identity.Group), joined), []string{"a"})
	absent := func(m Missing) string { return m.Ref.ID }
	same(t, "missing", collected(t, r.Missing(t.Context(), identity.User), absent), []string(nil)) // the shielded one is not looked for
	for ref, want := range map[identity.Ref]string{user("a"): "t-a", user("b"): "", user("d"): ""} {
		id, err := r.LiveOwned(t.Context(), ref)
		must(t, err)
		same(t, "live of "+ref.ID, id, want)
	}
	must(t, r.Select(t.Context(), user("gone")))
	same(t, "selected leavers", collected(t, r.Leavers(t.Context(), identity.User), joined), []string{"gone owns t-gone, live as live t-gone"})
}

func TestWorkspaceMissing(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.want(user("active"), In, "a")
	r.want(user("out"), Out, "o")
	must(t, r.PutDesired(t.Context(), Desired{Ref: user("inactive"), State: In}, nil))
	for _, id := range []string{"active", "out", "inactive", "left"} {
		r.owns("sync", user(id), "t-"+id)
	}
	got := collected(t, r.Missing(t.Context(), identity.User), func(m Missing) string {
		return fmt.Sprint(m.Ref.ID, " ", m.TargetID, " ", m.Left)
	})
	same(t, "missing", got, []string{"active t-active false", "left t-left true"})
	for limit, want := range map[int]int{1: 1, 10: 2} {
		n, err := r.HowManyMissing(t.Context(), identity.User, limit)
		must(t, err)
		same(t, "missing, counted", n, want)
	}
}

func TestWorkspaceCandidates(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.has(identity.User, "t-1", "ann")
	r.has(identity.User, "t-2", "ann")
	r.has(identity.Group, "t-3", "ann")
	r.owns("other", user("x"), "t-2")
	must(t, r.Claim(t.Context(), user("a"), "t-1"))
	got, err := r.Candidates(t.Context(), identity.User, Key{"userName", "ann"})
	must(t, err)
	if len(got) != 2 || got[0].Owner != nil || got[0].ClaimedBy != "a" || got[1].Owner == nil || got[1].Owner.Sync != "other" || got[1].ClaimedBy != "" {
		t.Errorf("candidates %+v", got)
	}
	holders, err := r.HolderOf(t.Context(), identity.User, Key{"userName", "ann"}, "t-1")
	must(t, err)
	same(t, "holders", holders, []string{"t-2"})
}

// A target object has one place in a plan, and only its owner can give it up.
func TestWorkspaceClaims(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.want(user("old"), In, "a")
	r.want(user("left"), Out, "b")
	r.owns("sync", user("old"), "t-1")
	r.owns("sync", user("left"), "t-2")
	r.has(identity.User, "t-1", "a")
	r.has(identity.User, "t-2", "b")
	must(t, r.ClaimOwned(t.Context(), identity.User))
	must(t, r.Claim(t.Context(), user("old"), "t-1")) // again
	claim := func(ref identity.Ref, id string, free bool) {
		t.Helper()
		if err := r.Claim(t.Context(), ref, id); free != (err == nil) || err != nil && !errors.Is(err, ErrClaimed) {
			t.Errorf("%s claims %s: %v, want free %t", ref, id, err, free)
		}
	}
	claim(user("new"), "t-1", false)
	claim(user("new"), "t-2", true) // who is out of scope holds nothing
	must(t, r.Unclaim(t.Context(), user("old"), "t-1"))
	claim(user("heir"), "t-1", true)
	must(t, r.Unclaim(t.Context(), user("old"), "t-1"))
	claim(user("second heir"), "t-1", false)
}

func TestWorkspaceDuplicates(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for id, name := range map[string]string{"a": "same", "b": "same", "c": "same", "d": "other", "e": "out", "f": "out", "g": "idle"} {
		r.want(user(id), In, name)
	}
	r.want(user("f"), Out, "out")
	must(t, r.PutDesired(t.Context(), Desired{Ref: user("h"), State: In}, []Key{{"userName", "idle"}})) // inactive
	must(t, r.ShieldDuplicates(t.Context(), identity.User, "userName"))
	got := collected(t, r.Objects(t.Context(), identity.User), func(j Joined) string {
		return fmt.Sprintf("%s %s %t %s", j.Desired.Ref.ID, j.Desired.State, j.Desired.Undecided, j.Desired.Why)
	})
	const why = "another object of the source has the same userName: "
	same(t, "states", got, []string{
		"a shielded true " + why + "b, c", "b shielded true " + why + "a, c", "c shielded true " + why + "a, b",
		"d in false ", "e in false ", "g in false ", "h in false ",
	})
	id, err := r.DesiredByKey(t.Context(), identity.User, Key{"userName", "other"})
	must(t, err)
	same(t, "the only one of a name", id, "d")
	if id, err = r.DesiredByKey(t.Context(), identity.User, Key{"userName", "same"}); err != nil || id != "" {
		t.Errorf("one of three: %q, %v", id, err)
	}
}

func TestWorkspaceContested(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.want(user("mine"), In, "mine")
	r.want(user("new"), In, "passed on")
	r.want(user("x"), In, "wanted twice")
	r.want(user("y"), In, "wanted twice")
	r.want(user("out"), Out, "passed on")
	r.want(user("free"), In, "free")
	r.owns("sync", user("mine"), "t-mine")
	r.owns("sync", user("old"), "t-old")
	r.owns("other", user("foreign"), "t-foreign")
	for id, name := range map[string]string{
		"t-mine": "mine", "t-old": "passed on", "t-twice": "wanted twice", "t-free": "free", "t-foreign": "foreign",
	} {
		r.has(identity.User, id, name)
	}
	got := collected(t, r.Contested(t.Context(), identity.User), func(j Joined) string { return j.Desired.Ref.ID })
	same(t, "contested", got, []string{"new", "x", "y"})
}

// The first reason to leave an object alone stays, unless a person must look.
func TestWorkspaceSkip(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, s := range []plan.Skipped{
		{Ref: user("a"), Why: "policy"},
		{Ref: user("a"), Why: "ambiguous", Undecided: true},
		{Ref: user("a"), Why: "policy again"},
		{Ref: user("b"), Why: "first"},
		{Ref: user("b"), Why: "second"},
		{Ref: user("c"), Why: "unread", Undecided: true},
		{Ref: user("c"), Why: "unmapped", Undecided: true},
	} {
		must(t, r.Skip(t.Context(), s.Ref, s.Name, s.Why, s.Undecided))
	}
	exists := plan.Skipped{Ref: group("g"), Name: "Ops", Why: "exists", Policy: "notify", TargetID: "t-1"}
	must(t, r.SkipAs(t.Context(), exists))
	must(t, r.Skip(t.Context(), group("g"), "Ops", "other", false))
	lost := plan.Skipped{Ref: group("h"), Why: "exists", Policy: "notify", TargetID: "t-2"}
	must(t, r.SkipAs(t.Context(), lost))
	must(t, r.Skip(t.Context(), lost.Ref, "", "ambiguous", true))
	got, err := r.Skipped(t.Context())
	must(t, err)
	same(t, "skipped", got, []plan.Skipped{
		{Ref: user("a"), Why: "ambiguous", Undecided: true},
		{Ref: user("b"), Why: "first"},
		{Ref: user("c"), Why: "unread", Undecided: true},
		exists,
		{Ref: lost.Ref, Why: "ambiguous", Undecided: true},
	})
}

func step(op identity.Op, ref identity.Ref, wave plan.Wave) plan.Step {
	return plan.Step{Place: plan.Place{Wave: wave}, Change: identity.Change{Op: op, Ref: ref, TargetID: "t-" + ref.ID}}
}

// Steps come in write order, whatever the order they were put in and however
// many batches they fill, and may be settled while they are read.
func TestWorkspaceSteps(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	const n = 2*batch + 7
	must(t, r.Load(t.Context(), func() error {
		for i := range n {
			s := step(identity.Update, user(fmt.Sprint(i)), plan.WaveUsers-plan.Wave(i%2))
			s.Place.Level = i % 3
			if _, err := r.PutStep(t.Context(), s); err != nil {
				return err
			}
		}
		return nil
	}))
	var all []plan.Step
	for s, err := range r.Steps(t.Context()) {
		must(t, err)
		all = append(all, s)
		must(t, r.SettleStep(t.Context(), s.Seq, plan.Applied, "new-"+s.TargetID, ""))
	}
	if len(all) != n || !slices.IsSortedFunc(all, func(a, b plan.Step) int {
		if c := a.Place.Compare(b.Place); c != 0 {
			return c
		}
		return int(a.Seq - b.Seq)
	}) {
		t.Errorf("%d steps, want %d in order", len(all), n)
	}
	places, err := r.Places(t.Context())
	must(t, err)
	total := 0
	for _, p := range places {
		for s, err := range r.StepsAt(t.Context(), p) {
			must(t, err)
			if s.Place != p || s.Outcome != plan.Applied || !strings.HasPrefix(s.TargetID, "new-") {
				t.Fatalf("at %v: %+v", p, s)
			}
			total++
		}
	}
	if len(places) != 6 || total != n {
		t.Errorf("%d places with %d steps", len(places), total)
	}
	on, err := r.StepsOnTarget(t.Context(), identity.User, "new-t-3")
	must(t, err)
	same(t, "steps on a target", len(on), 1)
	must(t, r.Move(t.Context(), on[0].Seq, plan.Place{Wave: plan.WaveDeleteUsers, Level: 2}))
	must(t, r.HoldStep(t.Context(), on[0].Seq, plan.RuleMax))
	must(t, r.SetStepMembers(t.Context(), on[0].Seq, []identity.Member{{Ref: user("m"), Name: "m"}}))
	s, err := r.Step(t.Context(), on[0].Seq)
	must(t, err)
	if s.Place.Wave != plan.WaveDeleteUsers || s.Held != plan.RuleMax || len(s.Members) != 1 {
		t.Errorf("moved and held: %+v", s)
	}
	must(t, r.DropStep(t.Context(), s.Seq))
	if of, err := r.StepsOf(t.Context(), s.Ref); err != nil || len(of) != 0 {
		t.Errorf("dropped: %v, %v", of, err)
	}
}

// What is put in a Load that fails is gone again.
func TestWorkspaceLoadRollsBack(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	sentinel := errors.New("stop")
	if err := r.Load(t.Context(), func() error { r.want(user("a"), In, "a"); return sentinel }); !errors.Is(err, sentinel) {
		t.Errorf("error %v", err)
	}
	r.want(user("b"), In, "b")
	same(t, "objects", collected(t, r.Objects(t.Context(), identity.User), joined), []string{"b"})
}

// A plan's scratch room is its own.
func TestWorkspacesApart(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	other, err := r.l.NewWorkspace(t.Context(), "sync", "source", "target")
	must(t, err)
	r.want(user("a"), In, "a")
	_, found, err := other.DesiredOf(t.Context(), user("a"))
	must(t, errors.Join(err, other.Close()))
	if found {
		t.Error("one plan sees another's objects")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.l.NewWorkspace(cancelled, "sync", "source", "target"); err == nil {
		t.Error("opened with a context that has ended")
	}
}
