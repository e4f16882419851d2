package ledger

import (
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// directory are the tables that grow with the directory, or with what was ever done
// about it, and by what columns of theirs a few rows are found: those of one object,
// or of one group.
var directory = map[string][]string{
	"mirror_object": {"id=?"}, "mirror_link": {"group_id=?", "member_id=?"},
	"owned": {"source_id=?", "target_id=?", "<expr>=?"}, "assumed_member": {"group_id=?"},
	"idle": {"user_id=?", "group_id=?"}, "awaiting": {"source_id=?", "wanted=?"},
	"dirty": {"source_id=?"}, "leaving": {"source_id=?"}, "held": {"source_id=?"},
	"run": {"id=?", "sync=?", "<expr><?"}, "change": {"run=?", "source_id=?"},
}

// sweeps returns the parts of a query's plan that walk through a table of the
// directory, where other tables do not say which objects are meant.
func sweeps(t *testing.T, r room, query string) []string {
	t.Helper()
	rows, err := r.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, placed(query)...)
	must(t, err)
	defer rows.Close()
	var problems []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		must(t, rows.Scan(&id, &parent, &unused, &detail))
		words := strings.Fields(detail)
		if len(words) < 2 || words[0] != "SCAN" && words[0] != "SEARCH" {
			continue
		}
		_, terms, _ := strings.Cut(detail, "(")
		terms, _, _ = strings.Cut(terms, ")")
		given := strings.Split(terms, " AND ")
		for table, columns := range directory {
			if !means(query, words[1], table) {
				continue
			}
			if !slices.ContainsFunc(columns, func(column string) bool { return slices.Contains(given, column) }) {
				problems = append(problems, detail)
			}
		}
	}
	must(t, rows.Err())
	return problems
}

// A cycle about few objects costs nothing that grows with the directory: each of its
// questions begins with those objects, and none walks through what there is.
func TestNarrowCyclesSweepNothing(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	_, err := r.conn.ExecContext(ctx, intakeSchema)
	must(t, err)
	r.mirrored("g: a >h", "h: b")
	must(t, r.SelectDue(ctx, noon()))
	must(t, r.SelectLeaving(ctx, identity.User, noon(), noon()))
	must(t, r.Mark(ctx))
	r.want(user("a"), In, "a")
	r.has(identity.User, "t-a", "a")
	must(t, r.PutLive(ctx, identity.User, identity.Entry{TargetID: "t-b"}, []Key{{"externalId", "c"}}))
	r.accounts("a")
	r.team("g", true, "a")
	_, err = r.PutStep(ctx, step(identity.Create, user("a"), plan.WaveUsers))
	must(t, err)
	must(t, r.SelectAwaiting(ctx, "userName"))
	_, err = r.SelectOwners(ctx, identity.User)
	must(t, err)
	collected(t, r.Records(ctx, identity.User), func(m Mirrored) string { return m.Record.Ref.ID })
	_, err = r.Unnamed(ctx, identity.User, "userName")
	must(t, err)
	_, _, err = r.CountMissing(ctx, identity.User)
	must(t, err)
	collected(t, r.Objects(ctx, identity.User), joined)
	collected(t, r.Leavers(ctx, identity.User), joined)
	collected(t, r.Unclassified(ctx, identity.User), identity.Ref.String)
	collected(t, r.Contested(ctx, identity.User), joined)
	collected(t, r.HeldBeside(ctx), func(h Held) string { return h.Name })
	_, _, err = r.Estrange(ctx, identity.User, "userName")
	must(t, err)
	must(t, r.ClaimOwned(ctx, identity.User))
	must(t, r.ShieldDuplicates(ctx, identity.User, "userName"))
	_, err = r.TouchesBundle(ctx, Bundle{ID: "bundle:x", Groups: []string{"g"}}, true)
	must(t, err)
	must(t, r.LinkReturning(ctx))
	must(t, r.LinkAll(ctx))
	must(t, r.LinkSelected(ctx))
	must(t, r.LinkAbove(ctx))
	_, err = r.Linked(ctx)
	must(t, err)
	must(t, r.AssumeMembers(ctx))
	must(t, r.WantMembers(ctx, true))
	must(t, r.WantBundle(ctx, Bundle{ID: "bundle:x", Groups: []string{"g"}}, true))
	must(t, r.EnrolUnlike(ctx))
	_, err = r.Unlike(ctx)
	must(t, err)
	r.joiners()
	r.departed()
	r.written(
		markPlanned, markedOfSteps, heldKeep, heldDrop, mendable, ownedNamed, mirrorShows,
		pruneChanges, pruneRuns, runsOf, linksRead, linksKnown)

	// What is walked through all the same, and why.
	const (
		work    = "the list of what is to be done"
		waiting = "the list of what somebody has to decide"
		groups  = "the groups, where people get an account, or somebody asks for one person"
		first   = "it ends with the first it finds"
		open    = "what runs of now have on their way"
	)
	walked := map[string]map[string]string{
		selectDue:     {"main.dirty": work},
		selectLeaving: {"l": work},
		mendable:      {"d": work},
		heldBeside:    {"h": waiting},
		heldDrop:      {"main.held": waiting},
		linkDirect:    {"g": groups},
		linkAll:       {"g": groups},
		mirrorShows:   {"mirror_object": first},
		pruneChanges:  {"change": open},
	}
	met := 0
	for query := range r.stmts {
		for _, problem := range sweeps(t, r, query) {
			if name := strings.Fields(problem)[1]; walked[query][name] != "" {
				met++
				continue
			}
			t.Errorf("%s in\n%s", problem, query)
		}
	}
	if met != len(walked) {
		t.Errorf("%d of %d exceptions were met", met, len(walked))
	}
}

// TestNarrowCyclesSweepNothing can fail: it finds what a cycle about everything asks.
func TestSweepDefects(t *testing.T) {
	t.Parallel()
	r := newRoom(t) // selects nothing
	collected(t, r.Leavers(t.Context(), identity.User), joined)
	must(t, r.ClaimOwned(t.Context(), identity.User))
	r.written(`SELECT kind, count(*) FROM mirror_object GROUP BY kind`, `SELECT id FROM run WHERE started < ?`)
	found := 0
	for query := range r.stmts {
		if len(sweeps(t, r, query)) > 0 {
			found++
		}
	}
	// Of what finishes a cycle: hashes, grace, idle people, what to forget of
	// them, and of those who wait.
	if want := 2 + 2 + 5; found != want {
		t.Errorf("%d statements were found to sweep, want %d", found, want)
	}
}
