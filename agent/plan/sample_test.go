package plan_test

import (
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

const department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"

// sample is a plan with one step of every kind, one held step and two objects
// that are left alone.
func sample(t *testing.T) *plan.Plan {
	t.Helper()
	member := func(id, target string) identity.Member {
		return identity.Member{Ref: identity.Ref{Kind: identity.User, ID: id}, TargetID: target, Name: id + "@example.com"}
	}
	user := func(id string) identity.Ref { return identity.Ref{Kind: identity.User, ID: id} }
	group := func(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }
	changes := []identity.Change{
		{
			Op: identity.Deactivate, Ref: user("u1"), TargetID: "t1", Name: "u1@example.com", Cause: identity.CauseGone,
			Reason:     "no longer at the source",
			Attributes: []identity.Attribute{{Path: "active", Before: true, After: false}},
		},
		{
			Op: identity.Create, Ref: user("u2"), Name: "u2@example.com", Cause: identity.CauseNew,
			Reason: "in scope at the source, not at the target",
			Attributes: []identity.Attribute{
				{Path: "active", After: true},
				{Path: "roles", After: []string{"admin", "<b>"}},
				{Path: department, After: "R&D"},
				{Path: "userName", After: "u2@example.com"},
			},
		},
		{
			Op: identity.Adopt, Ref: user("u3"), TargetID: "t3", Name: "u3@example.com", Cause: identity.CauseMatched,
			Reason:     "an existing object matches",
			Attributes: []identity.Attribute{{Path: "externalId", After: "u3"}},
		},
		{
			Op: identity.Reactivate, Ref: user("u4"), TargetID: "t4", Name: "u4@example.com", Cause: identity.CauseEnabled,
			Reason:     "active again at the source",
			Attributes: []identity.Attribute{{Path: "active", Before: false, After: true}},
		},
		{
			Op: identity.Update, Ref: user("u4"), TargetID: "t4", Name: "u4@example.com", Cause: identity.CauseChanged,
			Reason:     "differs from the source in title",
			Attributes: []identity.Attribute{{Path: "title", Before: "Dr", After: nil}, {Path: "x-level", Before: 2.0, After: 2.5}},
		},
		{
			Op: identity.Update, Ref: user("u5"), TargetID: "t5", Name: "u5@example.com", Cause: identity.CauseReference,
			Reason:     "refers to an account that this plan makes or adopts",
			Attributes: []identity.Attribute{{Path: "manager", After: identity.Reference{Ref: user("u2")}}},
		},
		{
			Op: identity.Create, Ref: group("g1"), Name: "Team", Cause: identity.CauseNew,
			Reason:     "in scope at the source, not at the target",
			Attributes: []identity.Attribute{{Path: "displayName", After: "Team"}},
			Members:    []identity.Member{member("u2", ""), member("u4", "t4")},
		},
		{
			Op: identity.AddMembers, Ref: group("g2"), TargetID: "t-g2", Name: "Ops", Cause: identity.CauseMembership,
			Reason:  "the source has members the target lacks",
			Members: []identity.Member{{Ref: group("g1"), Name: "Team"}, member("u5", "t5")},
		},
		{
			Op: identity.RemoveMembers, Ref: group("g2"), TargetID: "t-g2", Name: "Ops", Cause: identity.CauseMembership,
			Reason: "the source no longer has these members", Members: []identity.Member{member("u1", "t1")},
		},
		{
			Op: identity.Delete, Ref: group("g3"), TargetID: "t-g3", Name: "Old", Cause: identity.CauseOutOfScope,
			Reason:     "out of scope",
			Attributes: []identity.Attribute{{Path: "displayName", Before: "Old"}},
		},
	}
	p := &plan.Plan{
		Sync: "okta-to-alation", ID: "20260102T030405-abc", Created: "2026-01-02T03:04:05Z",
		Target: "https://alation.example.com/scim/v2", ConfigHash: "sha256:c0ffee", Cycle: plan.Full,
		Skipped: []plan.Skipped{
			{Ref: user("u6"), Name: "u6@example.com", Why: "2 objects at the target match by userName: a, b", Undecided: true},
			{Ref: group("g4"), Name: "BuiltInAdmins", Why: "protected"},
		},
		Guard: plan.Guard{Tripped: true, Trips: []plan.Trip{
			{Rule: plan.RuleEmptiedGroup, Kind: plan.Memberships, Count: 1, Of: 1, Limit: 0.5, Name: "Ops"},
		}},
		Notes:    []string{"the target has no photos"},
		Requests: 9,
	}
	var steps []plan.Step
	for i, c := range changes {
		s := plan.Step{Seq: int64(i + 1), Place: plan.Place{Wave: plan.WaveOf(c)}, Change: c}
		if c.Op == identity.RemoveMembers {
			s.Held = plan.RuleEmptiedGroup
			p.Summary.Held += s.Weight()
		} else {
			p.Summary.Add(c)
		}
		steps = append(steps, s)
	}
	steps[6].Place.Level = 1
	p.Summary.Users.Unchanged, p.Summary.Users.Skipped, p.Summary.Groups.Skipped = 40, 1, 1
	p.Steps = plan.Of(steps)
	return sealed(t, p)
}

// sealed gives a plan its digest.
func sealed(t interface {
	Helper()
	Fatal(...any)
}, p *plan.Plan,
) *plan.Plan {
	t.Helper()
	digest, err := plan.Digest(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Digest = digest
	return p
}

// collect returns the steps of a plan.
func collect(t interface {
	Helper()
	Fatal(...any)
}, p *plan.Plan,
) []plan.Step {
	t.Helper()
	var out []plan.Step
	for s, err := range p.Steps {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// with returns the plan with its steps edited.
func with(t *testing.T, p *plan.Plan, edit func([]plan.Step) []plan.Step) *plan.Plan {
	t.Helper()
	q := *p
	q.Steps = plan.Of(edit(collect(t, p)))
	return &q
}
