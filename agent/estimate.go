package agent

import (
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// requests estimates the requests one change takes when all goes well: a lost
// answer, a clash of names or a refused member cost more.
func requests(change identity.Change, p connectors.Profile) int {
	size := p.Limits.MembersPerPatch
	if size <= 0 {
		size = 100
	}
	chunks := (len(change.Members) + size - 1) / size
	switch change.Op {
	case identity.Release:
		return 0
	case identity.Adopt:
		if len(change.Attributes) == 0 {
			return 0
		}
	case identity.AddMembers, identity.RemoveMembers:
		if p.ReplaceOnly {
			return 2 // read and replaced as a whole
		}
		return chunks
	case identity.Create:
		if p.MembersInCreate {
			return max(1, chunks)
		}
		return 1 + chunks
	case identity.Delete:
		return 1
	case identity.Update, identity.Reactivate, identity.Deactivate:
	}
	if p.ReplaceOnly {
		return 2
	}
	return 1
}

// takes returns the seconds that n requests take, and what that follows from.
func takes(n int, p connectors.Pace) (float64, plan.Basis) {
	took, byRate := p.Takes(n)
	switch {
	case !byRate:
		return took.Seconds(), plan.Latency
	case p.Learned:
		return took.Seconds(), plan.LearnedRate
	}
	return took.Seconds(), plan.KnownRate
}
