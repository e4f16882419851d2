package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// FromPlan returns what a plan, applied or not, gives to tell:
//
//	group_created   a group whose creation was applied
//	group_exists    a group left alone because it exists, under existing: notify or skip
//	failed          a change that failed or was not kept, and an object that could not be decided or mapped
//	held            a change that a guard keeps back
//
// Objects are in the plan's order. The error is that of reading the plan's steps.
func FromPlan(p *plan.Plan) ([]Event, error) {
	made, failed := gather(p, GroupCreated, Info), gather(p, Failed, Grave)
	exists, held := gather(p, GroupExists, Info), gather(p, Held, Warning)
	for s, err := range p.Steps {
		if err != nil {
			return nil, fmt.Errorf("read the plan of %s: %w", p.Sync, err)
		}
		if s.Held != "" {
			held.add(Object{Ref: s.Ref, Name: s.Name, Detail: heldDetail(s), Condition: heldCondition(s)})
		}
		switch s.Outcome {
		case plan.Failed, plan.NotKept:
			failed.add(Object{Ref: s.Ref, Name: s.Name, Detail: failure(s), Condition: failedCondition(s.Ref, failure(s))})
		case plan.Applied, plan.Unverified:
			if s.Op == identity.Create && s.Ref.Kind == identity.Group {
				made.add(Object{Ref: s.Ref, Name: s.Name, Detail: createdDetail(s), Condition: about(s.Ref) + fingerprint(p.Run)})
			}
		case plan.NotTried:
		}
	}
	for _, s := range p.Skipped {
		switch {
		case s.Undecided:
			failed.add(Object{Ref: s.Ref, Name: s.Name, Detail: s.Why, Condition: failedCondition(s.Ref, s.Why)})
		case leftAlone(s):
			// The policy is the reader's own, and says nothing new.
			detail := strings.TrimSuffix(s.Why, "; existing is "+s.Policy)
			exists.add(Object{Ref: s.Ref, Name: s.Name, Detail: detail, Condition: about(s.Ref) + fingerprint(s.TargetID)})
		}
	}
	held.event.Text = trips(p.Guard)
	var out []Event
	for _, c := range []*collector{failed, held, exists, made} {
		if e, some := c.done(); some {
			out = append(out, e)
		}
	}
	return out, nil
}

// Recoveries returns what a plan closes of the conditions that Open returned,
// given the plan of a whole cycle (not of one for single objects), applied:
//
//	a failure      its object was changed without a failure; in a full cycle also: nothing is left to do about it
//	what was held  in a full cycle: it is not held any more; else: it was done
//
// A delta cycle looks at what has changed and proves nothing about the rest:
// where the ledger knows that nothing is held any more, Recover says so.
func Recoveries(p *plan.Plan, open []string) ([]Event, error) {
	state := standing{objects: map[identity.Ref]*verdict{}, held: map[string]fate{}}
	for _, key := range open {
		state.expect(key)
	}
	for s, err := range p.Steps {
		if err != nil {
			return nil, fmt.Errorf("read the plan of %s: %w", p.Sync, err)
		}
		state.step(s)
	}
	for _, s := range p.Skipped {
		if s.Undecided {
			state.failures++
			state.object(s.Ref, func(v *verdict) { v.stands = true })
		}
	}
	return state.close(p), nil
}

// standing judges open conditions by a plan.
type standing struct {
	objects  map[identity.Ref]*verdict
	order    []identity.Ref
	held     map[string]fate // of open conditions
	rest     bool            // failures beyond the listed ones are open
	heldNow  int
	failures int
}

// fate is what the plan shows of a change that was held.
type fate int

const (
	unseen fate = iota
	stillHeld
	done
)

// verdict is what the plan shows of an object that had failed.
type verdict struct {
	name   string
	good   bool // something was done about it
	stands bool // something failed, or was not tried
}

func (st *standing) expect(key string) {
	kind, condition, _ := strings.Cut(key, "/")
	switch Kind(kind) {
	case Held:
		st.held[condition] = unseen
	case Failed:
		if strings.HasPrefix(condition, overflow) {
			st.rest = true
			return
		}
		if ref, ok := refOf(condition); ok && st.objects[ref] == nil {
			st.objects[ref] = &verdict{}
			st.order = append(st.order, ref)
		}
	case GroupCreated, GroupExists, Expiring, Stale, Recovered:
	}
}

func (st *standing) object(ref identity.Ref, judge func(*verdict)) {
	if v := st.objects[ref]; v != nil {
		judge(v)
	}
}

func (st *standing) step(s plan.Step) {
	if s.Held != "" {
		st.heldNow++
	}
	if len(st.held) > 0 {
		condition := heldCondition(s)
		if _, open := st.held[condition]; open {
			switch {
			case s.Held != "":
				st.held[condition] = stillHeld
			case s.Outcome == plan.Applied || s.Outcome == plan.Unverified:
				st.held[condition] = done
			}
		}
	}
	if s.Outcome == plan.Failed || s.Outcome == plan.NotKept {
		st.failures++
	}
	st.object(s.Ref, func(v *verdict) {
		v.name = s.Name
		switch s.Outcome {
		case plan.Applied, plan.Unverified:
			v.good = true
		default:
			v.stands = true
		}
	})
}

func (st *standing) close(p *plan.Plan) []Event {
	base := Event{Kind: Recovered, Severity: Info, Sync: p.Sync, Run: p.Run, Time: created(p)}
	var out []Event
	failed := base
	failed.Closes = Failed
	for _, ref := range st.order {
		v := st.objects[ref]
		// What a full plan does not mention is as it should be.
		if v.stands || !v.good && p.Cycle != plan.Full {
			continue
		}
		failed.Objects = append(failed.Objects, Object{Ref: ref, Name: v.name, Condition: about(ref)})
	}
	if len(failed.Objects) > 0 {
		out = append(out, failed)
	}
	if st.rest && st.failures <= MostObjects && p.Cycle == plan.Full {
		rest := base
		rest.Closes, rest.Condition, rest.quiet = Failed, overflow, true
		out = append(out, rest)
	}
	switch released := base; {
	case len(st.held) == 0:
	case st.heldNow == 0 && p.Cycle == plan.Full:
		released.Closes = Held
		out = append(out, released)
	default:
		released.Closes, released.quiet = Held, true
		for condition, f := range st.held {
			if f == done || f == unseen && p.Cycle == plan.Full {
				released.Objects = append(released.Objects, Object{Condition: condition})
			}
		}
		if len(released.Objects) > 0 {
			out = append(out, released)
		}
	}
	return out
}

// collector gathers the objects of one event.
type collector struct {
	event Event
	rest  hash.Hash
}

func gather(p *plan.Plan, kind Kind, severity Severity) *collector {
	return &collector{event: Event{Kind: kind, Severity: severity, Sync: p.Sync, Run: p.Run, Time: created(p)}}
}

func (c *collector) add(o Object) {
	if len(c.event.Objects) < MostObjects {
		c.event.Objects = append(c.event.Objects, o)
		return
	}
	if c.rest == nil {
		c.rest = sha256.New()
	}
	c.event.More++
	_, _ = fmt.Fprintln(c.rest, o.Condition) // a hash does not fail
}

func (c *collector) done() (Event, bool) {
	if c.rest != nil {
		c.event.Condition = overflow + hex.EncodeToString(c.rest.Sum(nil)[:8])
	}
	return c.event, len(c.event.Objects) > 0
}

// created reads the plan's own time; zero where it has none.
func created(p *plan.Plan) time.Time {
	t, err := time.Parse(time.RFC3339, p.Created)
	if err != nil {
		return time.Time{}
	}
	return t
}

func failedCondition(ref identity.Ref, reason string) string {
	return about(ref) + fingerprint(stable(reason))
}

func heldCondition(s plan.Step) string {
	parts := []string{string(s.Op)}
	for _, m := range s.Members {
		parts = append(parts, m.Ref.String(), m.TargetID)
	}
	return about(s.Ref) + fingerprint(parts...)
}

func failure(s plan.Step) string {
	text := s.Error
	if text == "" {
		text = "no reason was given"
	}
	if s.Outcome == plan.NotKept {
		return fmt.Sprintf("%s: accepted but not kept: %s", s.Op, text)
	}
	return fmt.Sprintf("%s: %s", s.Op, text)
}

func heldDetail(s plan.Step) string {
	what := string(s.Op)
	if n := len(s.Members); n > 0 && s.Op != identity.Create {
		what += " (" + counted(n, "member") + ")"
	}
	if s.Reason != "" {
		what += ": " + s.Reason
	}
	return fmt.Sprintf("%s [guard %s]", what, s.Held)
}

func createdDetail(s plan.Step) string {
	if n := len(s.Members); n > 0 {
		return "with " + counted(n, "member")
	}
	return ""
}

// leftAlone reports whether policy left a group alone because it exists.
func leftAlone(s plan.Skipped) bool {
	return s.Ref.Kind == identity.Group && (s.Policy == "notify" || s.Policy == "skip")
}

// trips says why guards tripped, in a sentence.
func trips(g plan.Guard) string {
	const shown = 5
	var out []string
	for i, t := range g.Trips {
		if i == shown {
			out = append(out, fmt.Sprintf("and %d more", len(g.Trips)-shown))
			break
		}
		out = append(out, t.String())
	}
	return strings.Join(out, "; ")
}
