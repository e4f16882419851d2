package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// chained groups jobs by object, in order.
func chained(jobs []*job) [][]*job {
	at := map[identity.Ref]int{}
	var chains [][]*job
	for _, j := range jobs {
		i, ok := at[j.change.Ref]
		if !ok {
			i = len(chains)
			at[j.change.Ref] = i
			chains = append(chains, nil)
		}
		chains[i] = append(chains[i], j)
	}
	return chains
}

// chain performs the jobs of one object in order; after a failure the rest is
// not tried.
func (r *run) chain(ctx context.Context, jobs []*job, answers chan<- answer) {
	broken := false
	for _, j := range jobs {
		select {
		case <-r.halt:
			broken = true
		case <-r.Stop:
			broken = true
		case <-ctx.Done():
			broken = true
		default:
		}
		a := answer{job: j}
		if !broken {
			a = r.perform(ctx, j)
			broken = a.err != nil
		}
		r.judge(ctx, a)
		answers <- a
	}
}

// judge looks at an answer before the next call is made, and stops the work when
// it must.
func (r *run) judge(ctx context.Context, a answer) {
	r.judging.Lock()
	defer r.judging.Unlock()
	if !a.tried {
		r.noticeStop(ctx)
		return
	}
	if r.Advance != nil {
		r.Advance(1)
	}
	if a.err == nil {
		r.failing = 0
		return
	}
	var stopped error
	switch connectors.ClassOf(a.err) {
	case connectors.Unauthorized:
		stopped = a.err
	case connectors.Transient, connectors.Throttled, connectors.Lost:
		if r.failing++; r.failing >= patience {
			stopped = fmt.Errorf("the target failed %d times in a row: %w", r.failing, a.err)
		}
	default:
		// The target answers; it is this object that it does not take.
		r.failing = 0
	}
	if stopped == nil {
		return
	}
	r.halted()
	if r.report.Stopped == nil { // the first reason is the one that counts
		r.report.Stopped = stopped
	}
}

// settle writes outcomes down, in the journal first.
func (r *run) settle(ctx context.Context, answers []answer) error {
	outcomes := make([]ledger.Outcome, len(answers))
	known := make([]ledger.Outcome, 0, len(answers))
	for i, a := range answers {
		if outcomes[i] = r.outcome(a); !a.unknown() {
			known = append(known, outcomes[i])
		}
	}
	if err := r.Journal.Settle(ctx, known); err != nil {
		return fmt.Errorf("write down what was done: %w", err)
	}
	return r.Scratch.Load(ctx, func() error {
		for i, a := range answers {
			o := outcomes[i]
			r.report.Count(o.Outcome)
			if err := r.Scratch.SettleStep(ctx, a.job.step.Seq, o.Outcome, o.TargetID, o.Error); err != nil {
				return err
			}
		}
		return nil
	})
}

// unknown says that nobody can tell whether an object was made. Its intent stays
// open, so that the next run looks it up before it makes anything.
func (a answer) unknown() bool {
	return a.tried && a.job.change.Op == identity.Create && connectors.ClassOf(a.err) == connectors.Lost
}

// outcome says what the journal must know of an answer.
func (r *run) outcome(a answer) ledger.Outcome {
	c := a.job.change
	o := ledger.Outcome{
		Run: r.RunID, Seq: a.job.journal, At: time.Now(), Ref: c.Ref, TargetID: c.TargetID,
		Outcome: plan.Outcome(a.result.Status), Error: a.note,
	}
	if id := a.result.Entry.TargetID; id != "" {
		o.TargetID = id
	}
	switch {
	case !a.tried:
		o.Outcome, o.Error = plan.NotTried, "the run stopped before its turn"
		return o
	case a.err != nil:
		o.Outcome, o.Error = plan.Failed, a.err.Error()
	case len(a.result.Refused) > 0:
		o.Outcome, o.Error = plan.Failed, refusals(a.result.Refused)
	case o.Outcome == plan.NotKept:
		o.Error = "the target does not show " + strings.Join(a.result.Paths, ", ") +
			"; what it never keeps should not be mapped (off)"
	case o.Outcome == "":
		o.Outcome = plan.Applied
	}
	r.ownership(a, &o)
	return o
}

// ownership says who owns what after the answer.
func (r *run) ownership(a answer, o *ledger.Outcome) {
	c := a.job.change
	switch c.Op {
	case identity.Create, identity.Adopt:
		// A created group whose members were refused is ours all the same.
		if o.TargetID == "" || a.err != nil && a.result.Entry.TargetID == "" {
			return
		}
		origin := ledger.OriginCreated
		if c.Op == identity.Adopt {
			origin = ledger.OriginAdopted
		}
		if a.origin != "" {
			origin = a.origin
		}
		o.Own = &ledger.Owned{
			Sync: r.Sync, Ref: c.Ref, Target: r.Target, TargetID: o.TargetID,
			Origin: origin, Name: c.Name, RecordHash: a.job.hash, Since: o.At,
		}
		if !a.job.predecessor.IsZero() {
			o.Disown = a.job.predecessor
		}
		if a.err == nil {
			o.Assume = r.memberships(o.TargetID, c.Members, a.result.Refused)
		}
	case identity.Delete, identity.Release:
		if a.err == nil {
			o.Disown = c.Ref
		}
	case identity.AddMembers:
		if a.err == nil {
			o.Assume = r.memberships(c.TargetID, c.Members, a.result.Refused)
		}
	case identity.RemoveMembers:
		if a.err == nil {
			o.Unassume = r.memberships(c.TargetID, c.Members, a.result.Refused)
		}
	case identity.Update, identity.Reactivate, identity.Deactivate:
		if a.err == nil {
			o.Rename = c.Name
		}
	}
}

// memberships are the members that a member-blind target was given or relieved
// of; of other targets nothing is remembered.
func (r *run) memberships(groupID string, members []identity.Member, refused []connectors.RefusedMember) []ledger.Membership {
	if r.Blind == nil || !r.Blind() {
		return nil
	}
	no := map[string]bool{}
	for _, m := range refused {
		no[m.Member.TargetID] = true
	}
	var out []ledger.Membership
	for _, m := range members {
		if !no[m.TargetID] {
			out = append(out, ledger.Membership{GroupID: groupID, MemberID: m.TargetID})
		}
	}
	return out
}

func refusals(refused []connectors.RefusedMember) string {
	const shown = 5
	parts := make([]string, 0, shown+1)
	for i, m := range refused {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(refused)-shown))
			break
		}
		parts = append(parts, m.Member.Name+": "+m.Why)
	}
	noun := "members"
	if len(refused) == 1 {
		noun = "member"
	}
	return fmt.Sprintf("%d %s refused: %s", len(refused), noun, strings.Join(parts, "; "))
}
