package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// verdict is how a source object relates to the target.
type verdict struct {
	hold    plan.Hold
	live    *identity.Entry
	adopted bool
	// predecessor is the earlier source object whose account this one takes
	// over.
	predecessor identity.Ref
	// skip says why nothing is done; undecided, that a person must look.
	skip      string
	undecided bool
	// policy and exists say what matching.existing leaves alone.
	policy configs.Existing
	exists string
}

func skipped(format string, args ...any) verdict { return verdict{skip: fmt.Sprintf(format, args...)} }

func undecided(format string, args ...any) verdict {
	return verdict{skip: fmt.Sprintf(format, args...), undecided: true}
}

// match finds the live counterpart of one source object in scope.
func (a *Agent) match(ctx context.Context, c *Cycle, j ledger.Joined) (verdict, error) {
	if isBundle(j.Desired.Ref) {
		return a.matchBundle(ctx, c, j)
	}
	stranger := verdict{hold: plan.Stranger}
	if j.Owned != nil {
		if j.Live != nil {
			return verdict{hold: plan.Owned, live: j.Live, adopted: j.Owned.Origin == ledger.OriginAdopted}, nil
		}
		stranger.hold = plan.Vanished
	}
	for _, path := range a.matchPaths(j.Desired.Ref.Kind) {
		value := j.Desired.Entry.Attrs.String(path)
		if value == "" {
			continue
		}
		candidates, err := c.scratch.Candidates(ctx, j.Desired.Ref.Kind, key(path, value))
		if err != nil {
			return verdict{}, err
		}
		v, decided, err := a.weigh(ctx, c, j.Desired, path, candidates)
		if err != nil || decided {
			return v, err
		}
	}
	return stranger, nil
}

// weigh judges the live objects that carry one key of a source object. It is
// undecided here, in the sense of not decided, when the next key should be tried.
func (a *Agent) weigh(ctx context.Context, c *Cycle, d ledger.Desired, path string, candidates []ledger.Candidate) (v verdict, decided bool, err error) {
	switch len(candidates) {
	case 0:
		return verdict{}, false, nil
	case 1:
	default:
		return undecided("%d objects at the target match by %s: %s", len(candidates), path, ids(candidates)), true, nil
	}
	found := candidates[0]
	live := found.Live
	switch {
	case found.Owner != nil && found.Owner.Sync != a.Sync.Name:
		return undecided("the target object %s belongs to sync %s", live.TargetID, found.Owner.Sync), true, nil
	case found.Owner != nil && found.Owner.Ref != d.Ref:
		return a.succeed(ctx, c, d, found.Owner.Ref, live, path)
	case found.ClaimedBy != "" && found.ClaimedBy != d.Ref.ID:
		return undecided("the target object %s already belongs to source object %s", live.TargetID, found.ClaimedBy), true, nil
	case path == "externalId":
		return verdict{hold: plan.Recognized, live: &live}, true, nil
	}
	if v, decided, err := a.stranger(ctx, c, d, live, path); err != nil || decided {
		return v, decided, err
	}
	return a.existing(d, live, path), true, nil
}

// stranger looks at an unowned match that carries somebody else's externalId:
// when that is another object of this source, it is a predecessor, known or not.
func (a *Agent) stranger(ctx context.Context, c *Cycle, d ledger.Desired, live identity.Entry, path string) (verdict, bool, error) {
	external := live.Attrs.String("externalId")
	if external == "" || external == d.Entry.Attrs.String("externalId") || external == d.Ref.ID {
		return verdict{}, false, nil
	}
	other := identity.Ref{Kind: d.Ref.Kind, ID: external}
	_, found, err := a.Ledger.Mirror(a.Sync.Source.Name).Record(ctx, other)
	if err != nil || !found {
		return verdict{}, false, err
	}
	return a.succeed(ctx, c, d, other, live, path)
}

// succeed decides whether d takes over the account of another source object that
// carries the same name: a re-hire, or a name that passes from one to another.
func (a *Agent) succeed(ctx context.Context, c *Cycle, d ledger.Desired, from identity.Ref, live identity.Entry, path string) (verdict, bool, error) {
	earlier, found, err := a.desiredOf(ctx, c, from)
	if err != nil {
		return verdict{}, false, err
	}
	if !d.Active {
		// Two leavers of one name: the account stays with the one that has it.
		return verdict{hold: plan.Stranger}, true, nil
	}
	switch {
	case found && earlier.State == ledger.Shielded:
		return undecided("its name belongs to the account of %s, which could not be read or mapped", from), true, nil
	case found && earlier.State == ledger.In && earlier.Active:
		if key(path, earlier.Entry.Attrs.String(path)) == key(path, d.Entry.Attrs.String(path)) {
			return undecided("%s and %s both want %s", d.Ref, from, path), true, nil
		}
		// Its present holder is about to take another name.
		return verdict{}, false, nil
	case a.deletesLeavers(d.Ref.Kind) && a.provesNothing(d, live):
		// The account of the one who left goes, and with it the name comes
		// free; where it does not, the name stays taken and that is said.
		return verdict{}, false, nil
	case found && earlier.Active && d.Ref.Kind == identity.User:
		return undecided("its name belongs to the account of %s, who is out of scope but active at the source", from), true, nil
	case d.Ref.Kind == identity.Group:
		return undecided("its name belongs to the group that came from %s", from), true, nil
	case a.Sync.Users.Matching.Rehire != configs.Relink:
		return undecided("its name belongs to the account of %s; rehire is refuse", from), true, nil
	}
	if why := evidence(d.Entry, live); why != "" {
		return undecided("its name belongs to the account of %s, and nothing proves it is the same person: %s", from, why), true, nil
	}
	return verdict{hold: plan.Successor, live: &live, predecessor: from}, true, nil
}

// desiredOf returns a source object as the plan sees it, also where the plan is
// not about it.
func (a *Agent) desiredOf(ctx context.Context, c *Cycle, ref identity.Ref) (ledger.Desired, bool, error) {
	d, found, err := c.scratch.DesiredOf(ctx, ref)
	if err != nil || found || !c.narrow() {
		return d, found, err
	}
	m, found, err := a.Ledger.Mirror(a.Sync.Source.Name).Record(ctx, ref)
	if err != nil || !found || m.State == ledger.StateGone {
		return ledger.Desired{}, false, err
	}
	return a.desired(m, c.profile()), true, nil
}

// deletesLeavers reports whether some leavers of the kind are deleted.
func (a *Agent) deletesLeavers(k identity.Kind) bool {
	if k == identity.Group {
		return a.Sync.Groups.Leavers == configs.LeaveDelete
	}
	l := a.Sync.Users.Leavers
	return slices.Contains([]configs.Leave{l.Disabled, l.Gone, l.Unassigned, l.OutOfScope}, configs.LeaveDelete)
}

// provesNothing reports whether the source object may not take the account over.
func (a *Agent) provesNothing(d ledger.Desired, live identity.Entry) bool {
	return d.Ref.Kind == identity.Group || a.Sync.Users.Matching.Rehire != configs.Relink || evidence(d.Entry, live) != ""
}

const employeeNumber = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"

// evidence says what is lacking to prove that a source user and an account are
// one person: a second mapped key must agree.
func evidence(want, live identity.Entry) string {
	if number := want.Attrs.String(employeeNumber); number != "" {
		if held := live.Attrs.String(employeeNumber); held != number {
			return "the employee numbers differ"
		}
		return ""
	}
	for _, path := range [...]string{"name.givenName", "name.familyName"} {
		a, b := want.Attrs.String(path), live.Attrs.String(path)
		if a == "" || identity.Fold(a) != identity.Fold(b) {
			return path + " differs or is not known"
		}
	}
	return ""
}

// existing applies the policy for live objects that match and are nobody's.
func (a *Agent) existing(d ledger.Desired, live identity.Entry, path string) verdict {
	policy := a.matching(d.Ref.Kind).Existing
	switch policy {
	case configs.AdoptExisting, configs.MembersOnlyExisting:
		return verdict{hold: plan.Matched, live: &live, adopted: true}
	case configs.ReportExisting, configs.NotifyExisting, configs.SkipExisting:
	}
	v := skipped("exists at the target as %s (same %s); existing is %s", live.TargetID, path, policy)
	v.policy, v.exists = policy, live.TargetID
	return v
}

// claim makes sure that a target object stands in one place of the plan.
func (a *Agent) claim(ctx context.Context, c *Cycle, ref identity.Ref, v verdict) (verdict, error) {
	if v.live == nil {
		return v, nil
	}
	if !v.predecessor.IsZero() {
		if err := c.scratch.Unclaim(ctx, v.predecessor, v.live.TargetID); err != nil {
			return v, err
		}
	}
	err := c.scratch.Claim(ctx, ref, v.live.TargetID)
	if errors.Is(err, ledger.ErrClaimed) {
		return undecided("another source object already takes the target object %s", v.live.TargetID), nil
	}
	return v, err
}

func ids(candidates []ledger.Candidate) string {
	const shown = 3
	text := ""
	for i, c := range candidates {
		if i == shown {
			return text + ", …"
		}
		if i > 0 {
			text += ", "
		}
		text += c.Live.TargetID
	}
	return text
}

// policy returns what configuration and target say about a kind.
func (a *Agent) policy(k identity.Kind, profile connectors.Profile) plan.Policy {
	mapper := a.mapper(k)
	p := plan.Policy{
		Kind:           k,
		HasActive:      profile.Active,
		DeleteSuspends: profile.Delete == connectors.DeleteSuspends,
		Same:           func(path string, desired, live any) bool { return profile.Same(k, path, desired, live) },
		Frozen: func(path string) bool {
			return mapper.OnCreate(path) || slices.Contains(profile.Immutable[k], path)
		},
	}
	if k == identity.Group {
		g := a.Sync.Groups
		p.Create, p.Update, p.Rename = g.Create, g.Update, profile.RenameGroups
		p.MembersOnly = g.Matching.Existing == configs.MembersOnlyExisting
		leave := plan.Leave(g.Leavers)
		p.Leave = map[identity.Cause]plan.Leave{
			identity.CauseGone: leave, identity.CauseUnassigned: leave, identity.CauseOutOfScope: leave,
		}
		return p
	}
	u := a.Sync.Users
	p.Create, p.Update, p.Rename = u.Create, u.Update, profile.RenameUsers
	p.Leave = map[identity.Cause]plan.Leave{
		identity.CauseDisabled: plan.Leave(u.Leavers.Disabled), identity.CauseGone: plan.Leave(u.Leavers.Gone),
		identity.CauseUnassigned: plan.Leave(u.Leavers.Unassigned), identity.CauseOutOfScope: plan.Leave(u.Leavers.OutOfScope),
	}
	return p
}
