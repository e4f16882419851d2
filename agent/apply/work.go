package apply

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// work runs jobs side by side, those of one object one after another, and writes
// their outcomes down as they come in.
func (r *run) work(ctx context.Context, jobs []*job) error {
	chains := chained(jobs)
	queue := make(chan []*job, len(chains))
	for _, c := range chains {
		queue <- c
	}
	close(queue)
	answers := make(chan answer, len(jobs))
	halt := make(chan struct{})
	var once sync.Once
	stop := func() { once.Do(func() { close(halt) }) }
	var workers sync.WaitGroup
	for range min(max(1, r.Workers), len(chains)) {
		workers.Go(func() {
			for chain := range queue {
				r.chain(ctx, chain, halt, answers)
			}
		})
	}
	go func() {
		workers.Wait()
		close(answers)
	}()
	return r.gather(ctx, answers, stop)
}

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
func (r *run) chain(ctx context.Context, jobs []*job, halt <-chan struct{}, answers chan<- answer) {
	broken := false
	for _, j := range jobs {
		select {
		case <-halt:
			broken = true
		case <-r.Stop:
			broken = true
		case <-ctx.Done():
			broken = true
		default:
		}
		if broken {
			answers <- answer{job: j}
			continue
		}
		a := r.perform(ctx, j)
		broken = a.err != nil
		answers <- a
	}
}

// gather settles answers until the last, and stops the work when it must.
func (r *run) gather(ctx context.Context, answers <-chan answer, stop func()) error {
	// What was done is written down even when the run is being cut short.
	ctx = context.WithoutCancel(ctx)
	var pending []answer
	var problem error
	flush := func() {
		if len(pending) == 0 || problem != nil {
			return
		}
		if problem = r.settle(ctx, pending); problem != nil {
			stop()
		}
		pending = nil
	}
	for a := range answers {
		if r.judge(ctx, a) {
			stop()
		}
		if pending = append(pending, a); len(pending) >= settleEvery {
			flush()
		}
	}
	flush()
	return problem
}

// judge counts an answer and reports whether the run must stop.
func (r *run) judge(ctx context.Context, a answer) bool {
	if !a.tried {
		r.noticeStop(ctx)
		return false
	}
	if r.Advance != nil {
		r.Advance(1)
	}
	switch class := connectors.ClassOf(a.err); {
	case a.err == nil:
		r.failing = 0
		return false
	case class == connectors.Unauthorized, class == connectors.Unsupported && a.result.Entry.TargetID == "" && r.failing > patience:
		r.report.Stopped = a.err
		return true
	case class == connectors.Transient, class == connectors.Throttled, class == connectors.Lost:
		if r.failing++; r.failing >= patience {
			r.report.Stopped = fmt.Errorf("the target failed %d times in a row: %w", r.failing, a.err)
			return true
		}
	default:
		r.failing = 0
	}
	return false
}

// settle writes outcomes down, in the journal first.
func (r *run) settle(ctx context.Context, answers []answer) error {
	outcomes := make([]ledger.Outcome, len(answers))
	for i, a := range answers {
		outcomes[i] = r.outcome(a)
	}
	if err := r.Journal.Settle(ctx, outcomes); err != nil {
		return fmt.Errorf("write down what was done: %w", err)
	}
	for i, a := range answers {
		o := outcomes[i]
		r.report.Count(o.Outcome)
		if err := r.Scratch.SettleStep(ctx, a.job.step.Seq, o.Outcome, o.TargetID, o.Error); err != nil {
			return err
		}
	}
	return nil
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
		o.Error = "the target does not show " + strings.Join(a.result.Paths, ", ")
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
		o.Assume = r.memberships(o.TargetID, c.Members, a.result.Refused)
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
	if r.Session.Profile().Members != connectors.MembersBlind {
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
	return fmt.Sprintf("%d members refused: %s", len(refused), strings.Join(parts, "; "))
}
