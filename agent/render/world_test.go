package render_test

import (
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

const department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"

func user(id string) identity.Ref { return identity.Ref{Kind: identity.User, ID: id} }

func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }

func set(path string, before, after any) identity.Attribute {
	return identity.Attribute{Path: path, Before: before, After: after}
}

func people(names ...string) []identity.Member {
	out := make([]identity.Member, len(names))
	for i, name := range names {
		out[i] = identity.Member{Ref: user("00u" + fmt.Sprint(i)), TargetID: "t", Name: name}
	}
	return out
}

func step(c identity.Change) plan.Step {
	return plan.Step{Place: plan.Place{Wave: plan.WaveOf(c)}, Change: c}
}

func created(name string) plan.Step {
	return step(identity.Change{
		Op: identity.Create, Ref: user("00u-" + name), Name: name, Cause: identity.CauseNew,
		Reason:     "in scope at the source, not at the target",
		Attributes: []identity.Attribute{set("userName", nil, name)},
	})
}

func deactivated(name string) plan.Step {
	return step(identity.Change{
		Op: identity.Deactivate, Ref: user("00u-" + name), TargetID: "t-" + name, Name: name, Cause: identity.CauseGone,
		Reason: "no longer at the source", Attributes: []identity.Attribute{set("active", true, false)},
	})
}

func updated(name string, attributes ...identity.Attribute) plan.Step {
	return step(identity.Change{
		Op: identity.Update, Ref: user("00u-" + name), TargetID: "t-" + name, Name: name, Cause: identity.CauseChanged,
		Reason: "differs from the source", Attributes: attributes,
	})
}

func membersOf(op identity.Op, name string, members ...string) plan.Step {
	return step(identity.Change{
		Op: op, Ref: group("00g-" + name), TargetID: "t-" + name, Name: name, Cause: identity.CauseMembership,
		Reason: "memberships differ", Members: people(members...),
	})
}

// held gives the rule to every step that removes.
func held(rule plan.Rule, steps ...plan.Step) []plan.Step {
	for i := range steps {
		steps[i].Held = rule
	}
	return steps
}

// made is a plan of steps, numbered and counted as the agent does.
func made(steps []plan.Step, edits ...func(*plan.Plan)) *plan.Plan {
	p := &plan.Plan{
		Sync: "okta-to-alation", ID: "20260102T030405-abc", Created: "2026-01-02T03:04:05Z",
		Target: "https://acme.alation.example.com/scim/v2", Cycle: plan.Full, Digest: "sha256:c0ffee",
	}
	for i := range steps {
		steps[i].Seq = int64(i + 1)
		if steps[i].Held != "" {
			p.Summary.Held += steps[i].Weight()
			continue
		}
		p.Summary.Add(steps[i].Change)
		p.Requests++
	}
	p.Steps = plan.Of(steps)
	for _, edit := range edits {
		edit(p)
	}
	for _, s := range p.Skipped {
		p.Summary.Of(s.Ref.Kind).Skipped++
	}
	return p
}

func unchanged(users, groups int) func(*plan.Plan) {
	return func(p *plan.Plan) { p.Summary.Users.Unchanged, p.Summary.Groups.Unchanged = users, groups }
}

func tripped(trips ...plan.Trip) func(*plan.Plan) {
	return func(p *plan.Plan) { p.Guard = plan.Guard{Tripped: true, Trips: trips} }
}

func skipped(list ...plan.Skipped) func(*plan.Plan) {
	return func(p *plan.Plan) { p.Skipped = list }
}

// ran makes the plan a run: what was not held and has no outcome was applied.
func ran(p *plan.Plan) {
	p.Run = p.ID
	var steps []plan.Step
	for s := range p.Steps {
		if s.Held == "" && s.Outcome == "" {
			s.Outcome = plan.Applied
		}
		if s.Held == "" {
			p.Outcomes.Count(s.Outcome)
		}
		steps = append(steps, s)
	}
	p.Steps = plan.Of(steps)
}

// mixed has every operation once.
func mixed() []plan.Step {
	swap := updated("amy@example.com", set("userName", "amy@example.com", "amy.renaming@example.com"))
	swap.Cause, swap.Reason = identity.CauseNameSwap, "two objects trade names: this one gives its name up for a moment"
	vanished := created("cleo@example.com")
	vanished.Cause, vanished.Reason = identity.CauseVanished, "was provisioned, but is no longer at the target"
	unassigned := deactivated("hugo@example.com")
	unassigned.Cause, unassigned.Reason = identity.CauseUnassigned, "no longer assigned to the application"
	team := step(identity.Change{
		Op: identity.Create, Ref: group("00g1"), Name: "Data Stewards", Cause: identity.CauseNew,
		Reason: "in scope at the source, not at the target", Members: people("ann@example.com", "bob@example.com"),
	})
	return []plan.Step{
		deactivated("gus@example.com"), unassigned,
		created("ann@example.com"), swap,
		step(identity.Change{
			Op: identity.Adopt, Ref: user("00u2"), TargetID: "2819c223-7646-453a-919d-413861904646", Name: "bob@example.com",
			Cause: identity.CauseMatched, Reason: "an existing object matches",
			Attributes: []identity.Attribute{set("externalId", nil, "00u2"), set("name.givenName", "Robert", "Bob")},
		}),
		vanished,
		step(identity.Change{
			Op: identity.Adopt, Ref: user("00u3"), TargetID: "77", Name: "dan@example.com", Cause: identity.CauseRehire,
			Reason:     "returned with a new id at the source; takes over the earlier account",
			Attributes: []identity.Attribute{set("externalId", "00u0", "00u3")},
		}),
		step(identity.Change{
			Op: identity.Reactivate, Ref: user("00u3"), TargetID: "77", Name: "dan@example.com", Cause: identity.CauseEnabled,
			Reason: "active again at the source", Attributes: []identity.Attribute{set("active", false, true)},
		}),
		updated("eve@example.com",
			set(`emails[type eq "work"].value`, "eve@old.example.com", "eve@example.com"),
			set("roles", []string{"catalog-admin", "viewer"}, []string{"viewer", "steward"}),
			set("title", "Dr", nil), set(department, nil, "Research & Development"),
		),
		updated("flo@example.com", set("userName", "flo@example.com", "amy@example.com")),
		updated("amy@example.com", set("userName", "amy.renaming@example.com", "flo@example.com")),
		updated("ann@example.com", set("manager", nil, identity.Reference{Ref: user("00u2")})),
		team,
		membersOf(identity.AddMembers, "OM_Everyone", "ann@example.com", "bob@example.com", "cleo@example.com", "dan@example.com",
			"eve@example.com", "flo@example.com", "gus@example.com", "Smith, Ann"),
		membersOf(identity.RemoveMembers, "OM_Admins", "gus@example.com", "hugo@example.com"),
		step(identity.Change{
			Op: identity.Delete, Ref: group("00g9"), TargetID: "9", Name: "OM_Old", Cause: identity.CauseOutOfScope,
			Reason: "out of scope", Attributes: []identity.Attribute{set("displayName", "OM_Old", nil)},
		}),
		step(identity.Change{
			Op: identity.Release, Ref: user("00u8"), TargetID: "8", Name: "ida@example.com", Cause: identity.CauseGone,
			Reason: "adopted, and given back",
		}),
	}
}

// finished is the mixed plan after a run in which some steps went wrong.
func finished() []plan.Step {
	steps := mixed()
	for i, o := range map[int]struct {
		outcome plan.Outcome
		why     string
	}{
		1:  {plan.Failed, "403 Forbidden: the token may not deactivate the last administrator of the catalog"},
		2:  {plan.Failed, `409: "ann@example.com" is taken by an account that the filter does not show`},
		8:  {plan.NotKept, "accepted, but the target does not show it: roles, title"},
		11: {plan.NotTried, "depends on a change that failed"},
		13: {plan.Unverified, "the target does not show members"},
		15: {plan.NotTried, "the run stopped before its turn"},
	} {
		steps[i].Outcome, steps[i].Error = o.outcome, o.why
	}
	return steps
}

// nasty are names as an attacker, or an honest directory, may hold them.
var nasty = []string{
	"\x1b[2J\x1b[31mred\x1b[0m@example.com",
	"\x1b]0;owned\x07title@example.com",
	"moc.elpmaxe@\u202enimda",
	"ad\u200bm\u00adin@example.com",
	"two\r\nlines\u2028and\u2029more\u0085\v",
	"- ann@example.com  no longer at the source\n+ bob",
	"pipe|pipe\\|pipe\\\\|`tick``s`|",
	"<script>alert('x')</script> <img src=x>",
	"[link](javascript:alert) **bold** _it_ ~~gone~~ # @acme/everyone $x$ &lt;",
	strings.Repeat("very long name ", 20),
	strings.Repeat("unbroken", 40),
	"김철수 田中太郎 王小明 ភាសាខ្មែរ הַשָּׁלוֹם علی\u200cرضا",
	strings.Repeat("漢字", 60),
	"👩‍👩‍👧‍👦 family 🇩🇪 flag 1️⃣ ❤️ 👍🏽",
	"z" + strings.Repeat("\u0301", 500) + "algo",
	"\xff\xfe not UTF-8 \xc3(",
	"", "   ", ",", "`", "\\", "|",
}

func hostile() *plan.Plan {
	var steps []plan.Step
	for _, name := range nasty {
		steps = append(steps,
			deactivated(name), updated(name, set("title", name, nil), set(name, nil, name), set("roles", []string{name, "a"}, []string{"a", name + "x"})))
		adopt := created(name)
		adopt.Op, adopt.TargetID, adopt.Reason = identity.Adopt, name, name
		adopt.Outcome, adopt.Error = plan.Failed, name
		steps = append(steps, adopt)
	}
	steps = append(steps, membersOf(identity.AddMembers, nasty[0], nasty...), membersOf(identity.RemoveMembers, nasty[1], nasty...))
	steps = append(steps, held(plan.RuleMax, deactivated(nasty[5]))...)
	p := made(steps, tripped(
		plan.Trip{Rule: plan.RuleEmptiedGroup, Kind: plan.Memberships, Count: 9, Of: 9, Name: strings.Join(nasty, " ")},
		plan.Trip{Rule: plan.RuleWrongTarget, Kind: plan.Users, Count: 9, Of: 9, Name: nasty[10]},
	))
	for i, name := range nasty {
		p.Skipped = append(p.Skipped, plan.Skipped{Ref: user(name), Name: name, Why: name, Undecided: i%2 == 0})
		p.Notes = append(p.Notes, name)
	}
	return p
}
