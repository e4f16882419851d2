package agent

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// recover settles what an earlier run left open when it died: every create is
// looked up at the target, so that it is neither repeated nor lost. Everything
// else is a fact about a known object, which the comparison sees anew.
func (a *Agent) recover(ctx context.Context, c *Cycle) error {
	var open []ledger.Journaled // no more than a run has in flight
	for intent, err := range a.Ledger.OpenIntents(ctx, a.Sync.Name) {
		if err != nil {
			return err
		}
		// Further ahead than that was written before the clock was set back.
		if intent.Cycle == cycleOnly && a.Now().Sub(intent.IntentAt).Abs() < onDemandTime {
			continue // a run on demand, which takes no lock, may be going on
		}
		open = append(open, intent)
	}
	if len(open) == 0 {
		return nil
	}
	a.Log.InfoContext(ctx, "settling what an interrupted run left open", "sync", a.Sync.Name, "changes", len(open))
	if err := a.connect(ctx, c); err != nil {
		return err
	}
	outcomes := make([]ledger.Outcome, len(open))
	group, looking := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	for i, intent := range open {
		group.Go(func() error {
			var err error
			outcomes[i], err = a.becameOf(looking, c, intent)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := a.Ledger.Settle(ctx, outcomes); err != nil {
		return fmt.Errorf("settle what an interrupted run left open: %w", err)
	}
	return nil
}

// becameOf finds out what became of an intent.
func (a *Agent) becameOf(ctx context.Context, c *Cycle, intent ledger.Journaled) (ledger.Outcome, error) {
	o := ledger.Outcome{
		Run: intent.Run, Seq: intent.Seq, At: a.Now(), Ref: intent.Change.Ref, TargetID: intent.Change.TargetID,
		Outcome: plan.Failed, Error: "the run ended before the answer; compared anew by the next one",
	}
	if intent.Change.Op != identity.Create {
		return o, nil
	}
	live, err := apply.Made(ctx, c.session, a.Ledger, a.Sync.Target.Name, intent.Change)
	if err != nil {
		return o, incomplete("look up what the interrupted run "+intent.Run+" was creating", err)
	}
	if live != nil {
		o.Outcome, o.Error, o.TargetID = plan.Applied, "the run ended before the answer; found when looked up", live.TargetID
		o.Own = &ledger.Owned{
			Sync: a.Sync.Name, Ref: intent.Change.Ref, Target: a.Sync.Target.Name, TargetID: live.TargetID,
			Origin: ledger.OriginCreated, Name: intent.Change.Name, Since: a.Now(),
		}
	}
	return o, nil
}
