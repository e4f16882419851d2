package agent

import (
	"context"
	"fmt"

	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// recover settles what an earlier run left open when it died: every create is
// looked up at the target, so that it is neither repeated nor lost. Everything
// else is a fact about a known object, which the comparison sees anew.
func (a *Agent) recover(ctx context.Context, c *Cycle) error {
	var outcomes []ledger.Outcome
	for intent, err := range a.Ledger.OpenIntents(ctx, a.Sync.Name) {
		if err != nil {
			return err
		}
		if intent.Cycle == cycleOnly && a.Now().Sub(intent.IntentAt) < onDemandTime {
			continue // a run on demand, which takes no lock, may be going on
		}
		o := ledger.Outcome{
			Run: intent.Run, Seq: intent.Seq, At: a.Now(), Ref: intent.Change.Ref, TargetID: intent.Change.TargetID,
			Outcome: plan.Failed, Error: "the run ended before the answer; compared anew by the next one",
		}
		if intent.Change.Op == identity.Create {
			live, err := apply.Made(ctx, c.session, a.Ledger, a.Sync.Target.Name, intent.Change)
			if err != nil {
				return incomplete("look up what the interrupted run "+intent.Run+" was creating", err)
			}
			if live != nil {
				o.Outcome, o.Error, o.TargetID = plan.Applied, "the run ended before the answer; found when looked up", live.TargetID
				o.Own = &ledger.Owned{
					Sync: a.Sync.Name, Ref: intent.Change.Ref, Target: a.Sync.Target.Name, TargetID: live.TargetID,
					Origin: ledger.OriginCreated, Name: intent.Change.Name, Since: a.Now(),
				}
			}
		}
		outcomes = append(outcomes, o)
	}
	if len(outcomes) == 0 {
		return nil
	}
	a.Log.InfoContext(ctx, "settling what an interrupted run left open", "sync", a.Sync.Name, "changes", len(outcomes))
	if err := a.Ledger.Settle(ctx, outcomes); err != nil {
		return fmt.Errorf("settle what an interrupted run left open: %w", err)
	}
	return nil
}
