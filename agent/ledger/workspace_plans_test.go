package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// large are the tables that grow with the directory. SQLite knows nothing of the
// sizes of temporary tables, so that its plans are the same for few rows and many.
var large = []string{
	"desired", "desired_key", "live", "live_key", "live_member", "account", "team", "want_member", "joiner", "departed", "step", "claim",
	"idle", "idled", "idle_account", "awaiting", "awaited", "linked", "selected", "marked", "leaving", "held",
	"recognized", "forgotten", "reappeared", "rivalled", "contested", "succession", "held_now", "nested",
	"owned", "dirty", "mirror_object", "mirror_link", "assumed_member",
}

// Asking about one object never walks through all of them, and a question about
// all walks through one table, and looks up in the others.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	r.mirrored("g: a >h", "h: b")
	key := Key{"userName", "a"}
	drain := func(err error) { must(t, err) }
	known := map[string]bool{}
	for _, c := range []struct {
		name string
		one  bool
		run  func()
	}{
		{"put", true, func() {
			r.want(user("a"), In, "a")
			r.has(identity.User, "t-a", "a")
			r.accounts("a")
			r.team("g", true, "a")
			_, err := r.PutStep(ctx, step(identity.Create, user("a"), plan.WaveUsers))
			drain(err)
			drain(r.Skip(ctx, user("a"), "", "", true))
			drain(r.Claim(ctx, user("a"), "t-a"))
		}},
		{"one object", true, func() {
			_, err := r.Candidates(ctx, identity.User, key)
			drain(err)
			_, err = r.HolderOf(ctx, identity.User, key, "t-b")
			drain(err)
			_, _, err = r.DesiredOf(ctx, user("a"))
			drain(err)
			_, err = r.HashOf(ctx, user("a"))
			drain(err)
			_, err = r.DesiredByKey(ctx, identity.User, key)
			drain(err)
			drain(r.DropLive(ctx, identity.Group, "t-z"))
			_, err = r.LiveOwned(ctx, user("a"))
			drain(err)
			_, _, err = r.Counterpart(ctx, user("a"))
			drain(err)
			_, _, err = r.Counterpart(ctx, group("g"))
			drain(err)
			_, err = r.CountWanted(ctx, "g")
			drain(err)
			_, err = r.Unmoved(ctx, user("a"))
			drain(err)
			_, err = r.Nests(ctx, "g", "a")
			drain(err)
			_, err = r.IsHeld(ctx, user("a"))
			drain(err)
			drain(r.Recognize(ctx, user("a"), "t-a", "a", "h"))
			drain(r.Forget(ctx, user("a")))
			drain(r.Reappear(ctx, user("a")))
			_, err = r.Reappeared(ctx, user("a"))
			drain(err)
			drain(r.Succeed(ctx, user("b"), user("a"), "t-a"))
			_, err = r.SuccessionOf(ctx, user("b"))
			drain(err)
			_, err = r.Superseded(ctx, user("a"))
			drain(err)
			_, err = r.object(ctx, user("a"))
			drain(err)
			_, err = r.IsSelected(ctx, user("a"))
			drain(err)
			drain(r.Await(ctx, user("a"), "b", ""))
			drain(r.Unclaim(ctx, user("a"), "t-a"))
			drain(r.Unenrol(ctx, user("z")))
		}},
		{"one step", true, func() {
			_, err := r.StepsOf(ctx, user("a"))
			drain(err)
			_, err = r.StepsOnTarget(ctx, identity.User, "t-a")
			drain(err)
			_, err = r.Creates(ctx, user("a"))
			drain(err)
			_, err = r.Step(ctx, 1)
			drain(err)
			drain(r.Move(ctx, 1, plan.Place{Wave: 2}))
			drain(r.HoldStep(ctx, 1, ""))
			drain(r.SettleStep(ctx, 1, plan.Applied, "t-a", ""))
			drain(r.SetStepMembers(ctx, 1, nil))
			drain(r.DropStep(ctx, 99))
			collected(t, r.StepsAt(ctx, plan.Place{Wave: 2}), func(plan.Step) string { return "" })
		}},
		{"all", false, func() {
			collected(t, r.Objects(ctx, identity.User), joined)
			collected(t, r.Leavers(ctx, identity.User), joined)
			collected(t, r.Missing(ctx, identity.User), func(Missing) string { return "" })
			_, err := r.HowManyMissing(ctx, identity.User, 10)
			drain(err)
			collected(t, r.Contested(ctx, identity.User), joined)
			collected(t, r.Unclassified(ctx, identity.User), identity.Ref.String)
			collected(t, r.Recognized(ctx), func(o Owned) string { return o.TargetID })
			collected(t, r.Forgotten(ctx), identity.Ref.String)
			_, _, err = r.Estrange(ctx, identity.User, "userName")
			drain(err)
			drain(r.KeepHeld(ctx, noon()))
			drain(r.ClaimOwned(ctx, identity.User))
			drain(r.ShieldDuplicates(ctx, identity.User, "userName"))
			drain(r.AssumeMembers(ctx))
			drain(r.WantMembers(ctx, true))
			r.joiners()
			r.departed()
			r.spanning(1)
			r.joiners()
			_, err = r.CountMemberships(ctx)
			drain(err)
			_, err = r.CountUnchanged(ctx, identity.User)
			drain(err)
			_, err = r.CountWantedAll(ctx)
			drain(err)
			_, err = r.LiveMembers(ctx)
			drain(err)
			_, err = r.Places(ctx)
			drain(err)
			collected(t, r.Steps(ctx), func(plan.Step) string { return "" })
			r.written(assumeWritten, markPlanned, markedOfAll, markedOfSteps, heldKeep, heldDrop, contested)
		}},
		{"selected", false, func() {
			drain(r.SelectDue(ctx, noon()))
			drain(r.SelectLeaving(ctx, identity.User, noon(), noon()))
			drain(r.SelectAwaiting(ctx, "userName"))
			_, err := r.SelectOwners(ctx, identity.User)
			drain(err)
			drain(r.Mark(ctx))
			collected(t, r.Records(ctx, identity.User), func(m Mirrored) string { return m.Record.Ref.ID })
			_, err = r.CountSelected(ctx, identity.User)
			drain(err)
			_, err = r.Compared(ctx, user("a"))
			drain(err)
			collected(t, r.HeldBeside(ctx), func(h Held) string { return h.Name })
			_, err = r.Unnamed(ctx, identity.User, "userName")
			drain(err)
			_, _, err = r.CountMissing(ctx, identity.User)
			drain(err)
			drain(r.LinkReturning(ctx))
			drain(r.LinkAll(ctx))
			drain(r.LinkSelected(ctx))
			drain(r.LinkAbove(ctx))
			_, err = r.Linked(ctx)
			drain(err)
			drain(r.EnrolUnlike(ctx))
			_, err = r.Unlike(ctx)
			drain(err)
			r.written(mendable)
		}},
	} {
		c.run()
		seen := 0
		for query := range r.stmts {
			if known[query] {
				continue
			}
			known[query] = true
			seen++
			for _, problem := range walks(t, r, query, c.one) {
				t.Errorf("%s: %s in\n%s", c.name, problem, query)
			}
		}
		if seen == 0 {
			t.Errorf("%s: no statement was seen", c.name)
		}
	}
}

// written prepares the statements that finish a cycle, and others that are run in a
// write.
func (r room) written(others ...string) {
	r.t.Helper()
	for _, s := range slices.Concat(r.finishing(noon()), r.remembering()) {
		others = append(others, s.text)
	}
	for _, text := range others {
		_, err := r.prepared(r.t.Context(), text)
		must(r.t, err)
	}
}

// Each batch of steps begins where the one before has ended: a query that begins
// with the first of its place every time is read through, which no plan above tells.
func TestStepsArePaged(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	collected(t, r.Steps(t.Context()), func(plan.Step) string { return "" })
	collected(t, r.Removals(t.Context()), func(plan.Step) string { return "" })
	_, err := r.PutStep(t.Context(), step(identity.Create, user("a"), plan.WaveUsers))
	must(t, err)
	collected(t, r.Steps(t.Context()), func(plan.Step) string { return "" })
	collected(t, r.Removals(t.Context()), func(plan.Step) string { return "" })
	paged := 0
	for query := range r.stmts {
		if !strings.Contains(query, "FROM temp.step") || !strings.Contains(query, "LIMIT ?") {
			continue
		}
		paged++
		var id, parent, unused int
		var detail string
		args := slices.Repeat([]any{""}, strings.Count(query, "?"))
		must(t, r.conn.QueryRowContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...).Scan(&id, &parent, &unused, &detail))
		if !strings.Contains(detail, "seq>?") {
			t.Errorf("%s in\n%s", detail, query)
		}
	}
	if paged != 2 {
		t.Errorf("%d statements page through steps, want 2", paged)
	}
}

// TestQueryPlans can fail: it finds a walk in a loop, one in a subquery, an index
// made for one question, and a walk where one object is asked for.
func TestQueryPlanDefects(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for query, one := range map[string]bool{
		`SELECT count(*) FROM temp.desired d CROSS JOIN temp.live l WHERE l.entry = d.entry`:                                         false,
		`SELECT count(*) FROM temp.desired d WHERE EXISTS (SELECT 1 FROM temp.step s WHERE s.name = d.name)`:                         false,
		`SELECT count(*) FROM temp.desired WHERE name = ?`:                                                                           true,
		`SELECT count(*) FROM temp.desired d, temp.live l WHERE l.entry = d.entry AND d.kind = l.members_known AND d.name = l.entry`: false,
	} {
		if len(walks(t, r, query, one)) == 0 {
			t.Errorf("nothing is found wrong with %s", query)
		}
	}
}

// walks returns the parts of a query's plan that grow with the directory for
// every row, or at all where the query is about one object.
func walks(t *testing.T, r room, query string, one bool) []string {
	t.Helper()
	rows, err := r.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, placed(query)...)
	must(t, err)
	defer rows.Close()
	var problems []string
	loops := map[int]int{}     // loops met so far, by parent
	repeated := map[int]bool{} // nodes that run once for every row of another
	for rows.Next() {
		var id, parent, unused int
		var detail string
		must(t, rows.Scan(&id, &parent, &unused, &detail))
		repeated[id] = repeated[parent] || strings.HasPrefix(detail, "CORRELATED")
		words := strings.Fields(detail)
		if len(words) < 2 || words[0] != "SCAN" && words[0] != "SEARCH" {
			continue
		}
		inner := loops[parent] > 0 || repeated[id]
		loops[parent]++
		switch {
		case strings.Contains(detail, "AUTOMATIC"):
			problems = append(problems, detail)
		case words[0] == "SCAN" && (inner || one) && grows(query, words[1]):
			problems = append(problems, detail)
		}
	}
	must(t, rows.Err())
	return problems
}

// placed returns a value for every parameter of a query.
func placed(query string) []any {
	n := strings.Count(query, "?")
	if strings.Contains(query, "?1") {
		for n = 0; strings.Contains(query, fmt.Sprintf("?%d", n+1)); n++ {
		}
	}
	return slices.Repeat([]any{""}, n)
}

// grows reports whether a name in a query plan, which may be an alias, is one of
// a large table.
func grows(query, name string) bool {
	return slices.ContainsFunc(large, func(table string) bool { return means(query, name, table) })
}

// means reports whether a name in the plan of a query is that of a table, or an alias
// that the query has for it.
func means(query, name, table string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "temp."), "main.")
	if name == table {
		return true
	}
	for _, word := range []string{" ", " AS "} {
		for _, schema := range []string{"temp.", "main.", " "} {
			if strings.Contains(query+" ", schema+table+word+name+" ") || strings.Contains(query, schema+table+word+name+"\n") {
				return true
			}
		}
	}
	return false
}
