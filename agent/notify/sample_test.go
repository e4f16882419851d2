package notify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }
func user(id string) identity.Ref  { return identity.Ref{Kind: identity.User, ID: id} }

func did(op identity.Op, ref identity.Ref, name string, outcome plan.Outcome, problem string) plan.Step {
	return plan.Step{Change: identity.Change{Op: op, Ref: ref, Name: name}, Outcome: outcome, Error: problem}
}

func kept(op identity.Op, ref identity.Ref, name string, members ...string) plan.Step {
	s := did(op, ref, name, plan.NotTried, "")
	s.Held = plan.RuleMax
	for _, id := range members {
		s.Members = append(s.Members, identity.Member{Ref: user(id)})
	}
	return s
}

// ran is the plan of a finished run.
func ran(run string, cycle plan.Cycle, steps ...plan.Step) *plan.Plan {
	return &plan.Plan{Sync: "ad-groups", Run: run, ID: run, Created: noon.Format(time.RFC3339), Cycle: cycle, Steps: plan.Of(steps)}
}

// sample has something of everything.
func sample() *plan.Plan {
	p := ran("20260822-1", plan.Full,
		did(identity.Create, group("g1"), "Finance", plan.Applied, ""),
		did(identity.Create, group("g2"), `O'Brien "The Team" <b>`, plan.Unverified, ""),
		did(identity.Create, group("g3"), "Führungskräfte", plan.Failed, "409 conflict: displayName is taken"),
		did(identity.Create, user("u1"), "ada@example.com", plan.Applied, ""),
		did(identity.Update, user("u2"), "grace@example.com", plan.NotKept, "title"),
		did(identity.AddMembers, group("g1"), "Finance", plan.NotTried, ""),
		kept(identity.Deactivate, user("u3"), "bob@example.com"),
		kept(identity.RemoveMembers, group("g4"), "財務", "u3", "u4"),
	)
	p.Skipped = []plan.Skipped{
		{Ref: group("g5"), Name: "Marketing", Why: "exists at the target as T5 (same displayName); existing is notify", Policy: "notify", TargetID: "T5"},
		{Ref: group("g6"), Name: "x\r\nBcc: eve@example.com", Why: "exists at the target as T6 (same displayName); existing is skip", Policy: "skip", TargetID: "T6"},
		{Ref: group("g7"), Name: "Reported", Why: "exists at the target as T7 (same displayName); existing is report", Policy: "report", TargetID: "T7"},
		{Ref: group("g8"), Name: "Elsewhere", Why: "out of scope"},
		{Ref: user("u5"), Name: "dup@example.com", Why: "2 objects at the target match by userName: a, b", Undecided: true},
	}
	p.Guard = plan.Guard{Tripped: true, Trips: []plan.Trip{{Rule: plan.RuleMax, Kind: plan.Users, Count: 501, Of: 9000, Limit: 500}}}
	return p
}

// ear is a Notifier that keeps what it hears, and fails when told to.
type ear struct {
	mu    sync.Mutex
	heard []Message
	deaf  bool
}

var errDeaf = errors.New("mail server down")

func (e *ear) Send(_ context.Context, m Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.deaf {
		return errDeaf
	}
	e.heard = append(e.heard, m)
	return nil
}

func (e *ear) turn(deaf bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaf = deaf
}

// since returns the titles of what was heard, and forgets them.
func (e *ear) since() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	titles := []string{}
	for _, m := range e.heard {
		titles = append(titles, strings.TrimPrefix(m.Title, "scimsync ad-groups: "))
	}
	e.heard = nil
	return titles
}

// house is a dispatcher with its ears.
type house struct {
	*Dispatcher
	ears   map[string]*ear
	memory Memory
	route  Route
}

func build(t *testing.T, memory Memory, route Route) house {
	t.Helper()
	h := house{ears: map[string]*ear{}, memory: memory, route: route}
	notifiers := map[string]Notifier{}
	for _, name := range []string{"stewards", "chat"} {
		h.ears[name] = &ear{}
		notifiers[name] = h.ears[name]
	}
	h.Dispatcher = NewDispatcher(notifiers, memory, func() time.Time { return noon }, Options{})
	return h
}

// report reports a plan and returns the titles that stewards heard.
func (h house) report(t *testing.T, p *plan.Plan, more ...Event) []string {
	t.Helper()
	if err := h.Report(t.Context(), h.route, p, more...); err != nil {
		t.Fatal(err)
	}
	return h.ears["stewards"].since()
}

func (h house) dispatch(t *testing.T, events ...Event) []string {
	t.Helper()
	if err := h.Dispatch(t.Context(), h.route, "ad-groups", events); err != nil {
		t.Fatal(err)
	}
	return h.ears["stewards"].since()
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: heard %q, want %q", what, got, want)
	}
}

// many are steps of n groups with one outcome, made while they are read; those
// that were not tried are held.
func many(n int, outcome plan.Outcome) iter.Seq2[plan.Step, error] {
	return func(yield func(plan.Step, error) bool) {
		for i := range n {
			id := fmt.Sprintf("g%06d", i)
			s := did(identity.Create, group(id), "Group "+id, outcome, "refused")
			if outcome == plan.NotTried {
				s = kept(identity.Delete, group(id), "Group "+id)
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}
