package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// repeats is how often a write is sent again whose answer was lost.
	repeats = 3
	// createRepeats is the same for creates: a target that makes objects without
	// answering, and shows them late, would have one more of them each time. The
	// next run looks once more.
	createRepeats = 1
	// showsLate is how long a target is given to show what it has made, before it
	// is made again.
	showsLate = time.Second
)

// perform sends one change, and looks before it repeats.
func (r *run) perform(ctx context.Context, j *job) answer {
	c := j.change
	a := answer{job: j, tried: true}
	if c.Op == identity.Release || c.Op == identity.Adopt && len(c.Attributes) == 0 {
		a.result = connectors.Result{Entry: identity.Entry{TargetID: c.TargetID}, Status: connectors.Applied}
		return a
	}
	a.result, a.err = r.Session.Apply(ctx, c)
	allowed := repeats
	if c.Op == identity.Create {
		allowed = createRepeats
	}
	for range allowed {
		if connectors.ClassOf(a.err) != connectors.Lost || ctx.Err() != nil {
			break
		}
		if found, decided := r.afterLoss(ctx, j, a); decided {
			return found
		}
		if c.Op == identity.Create {
			if sleep(ctx, showsLate); ctx.Err() != nil {
				break
			}
			if found, decided := r.afterLoss(ctx, j, a); decided {
				return found
			}
		}
		// Anything but a create is a fact about a known object: saying it
		// again is harmless, and the session reads before it adds members
		// again.
		a.result, a.err = r.Session.Apply(ctx, c)
	}
	switch connectors.ClassOf(a.err) {
	case connectors.Lost:
		if ctx.Err() == nil {
			if found, decided := r.afterLoss(ctx, j, a); decided {
				return found
			}
		}
	case connectors.Conflict:
		if c.Op == identity.Create {
			return r.afterConflict(ctx, j, a)
		}
	case connectors.Missing:
		if c.Op == identity.Delete {
			a.err, a.result.Status = nil, connectors.Applied
		}
	}
	return a
}

// sleep waits, or until the context ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// afterLoss looks for what a create has made whose answer was lost. It is
// decided when that was found, or when nobody can tell.
func (r *run) afterLoss(ctx context.Context, j *job, a answer) (answer, bool) {
	if j.change.Op != identity.Create {
		return a, false
	}
	live, err := Made(ctx, r.Session, r.Ledger, r.Target, j.change)
	if err != nil {
		a.err = fmt.Errorf("%w (and looking it up: %w)", a.err, err)
		return a, true
	}
	if live == nil {
		return a, false
	}
	a.note, a.err = "the answer was lost; found when looked up", nil
	a.result = connectors.Result{Entry: *live, Status: connectors.Applied}
	return r.complete(ctx, j, a), true
}

// complete gives a group that was found after a lost create its members.
func (r *run) complete(ctx context.Context, j *job, a answer) answer {
	if len(j.change.Members) == 0 {
		return a
	}
	entry := a.result.Entry
	add := j.change
	add.Op, add.TargetID, add.Attributes = identity.AddMembers, entry.TargetID, nil
	a.result, a.err = r.Session.Apply(ctx, add)
	a.result.Entry.TargetID = entry.TargetID
	return a
}
