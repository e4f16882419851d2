package ledger

import (
	"slices"
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// idle returns what is remembered of the sync, as USER or USER in GROUP.
func (r room) idle() []string {
	r.t.Helper()
	rows, err := r.l.db.QueryContext(r.t.Context(), `SELECT user_id, group_id FROM idle WHERE sync = 'sync' ORDER BY user_id, group_id`)
	must(r.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var u, g string
		must(r.t, rows.Scan(&u, &g))
		switch {
		case u == "":
			u = "known"
		case g != "":
			u += " in " + g
		}
		out = append(out, u)
	}
	must(r.t, rows.Err())
	return out
}

// again opens a second room over the same ledger, for some objects or for all.
func (r room) again(refs ...identity.Ref) room {
	r.t.Helper()
	w, err := r.l.NewWorkspace(r.t.Context(), "sync", "source", "target")
	must(r.t, err)
	r.t.Cleanup(func() { must(r.t, w.Close()) })
	for _, ref := range refs {
		must(r.t, w.Select(r.t.Context(), ref))
	}
	return room{w, r.t, r.l}
}

// teamed puts a group of ours that the target has members in.
func (r room) teamed(id string, members ...string) {
	r.t.Helper()
	must(r.t, r.PutTeam(r.t.Context(), id, "t-"+id, id, true))
	live := make([]string, len(members))
	for i, m := range members {
		live[i] = "t-" + m
	}
	r.has(identity.Group, "t-"+id, id, live...)
	must(r.t, r.WantMembers(r.t.Context(), true))
}

func (r room) member(id string, active bool) {
	r.t.Helper()
	must(r.t, r.PutAccount(r.t.Context(), id, "t-"+id, id, active))
}

// Who takes no part is remembered, with the groups he is left in; a cycle over a
// few changes what it looked at, and nothing else.
func TestRememberIdle(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	r.mirrored("g: a b", "h: c")
	for _, id := range []string{"a", "b", "c", "d"} {
		r.owns("sync", user(id), "t-"+id)
	}
	if known, err := r.l.KnowsIdle(ctx, "sync"); err != nil || known {
		t.Errorf("known %t, %v before the first cycle", known, err)
	}
	r.member("a", true)
	r.member("b", false)
	r.member("c", true)
	r.teamed("g", "a", "b", "d") // d has no account in this plan, and is not wanted
	r.teamed("h", "b", "c")      // b is inactive, and is not wanted
	s := step(identity.Reactivate, user("c"), plan.WaveUsers)
	s.Outcome = plan.Failed
	_, err := r.PutStep(ctx, s)
	must(t, err)
	must(t, r.RememberIdle(ctx))
	same(t, "after a whole cycle", r.idle(), []string{"known", "b", "b in h", "c", "d", "d in g"})

	few := r.again(user("b"), group("h"))
	few.member("b", true)
	must(t, few.LinkReturning(ctx))
	links, err := few.strings(ctx, `SELECT source_id FROM temp.linked ORDER BY source_id`)
	must(t, err)
	same(t, "groups of one who returns", links, []string{"g", "h"})
	few.teamed("h", "b", "c", "d")
	must(t, few.EnrolUnlike(ctx))
	if id, found, err := few.Counterpart(ctx, user("d")); err != nil || found {
		t.Errorf("d takes part as %q, %v; he took none when last looked at", id, err)
	}
	must(t, few.RememberIdle(ctx))
	same(t, "after one over a few", r.idle(), []string{"known", "c", "d", "d in g", "d in h"})

	// Nobody is in the way of a cycle about somebody else.
	must(t, r.again(user("a")).RememberIdle(ctx))
	got := r.idle()
	if !slices.Contains(got, "a") || len(got) != 6 {
		t.Errorf("idle %v, want a besides", got)
	}
	must(t, r.l.ForgetIdle(ctx, "sync"))
	if known, err := r.l.KnowsIdle(ctx, "sync"); err != nil || known {
		t.Errorf("known %t, %v after it was given up", known, err)
	}
}

// Who names somebody without an account, or by a name that changes hands, is found
// when that one is looked at. Whoever refers to him already is not: a boss has many.
func TestSelectAwaiting(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	for ref, named := range map[string]struct{ wanted, found string }{
		"byid":   {"boss", ""},
		"byname": {"boss@example.com", ""},
		"other":  {"boss@example.com", "namesake"},
		"report": {"boss@example.com", "boss"},
		"beside": {"nobody", ""},
	} {
		must(t, r.Await(ctx, user(ref), named.wanted, named.found))
	}
	must(t, r.RememberIdle(ctx))
	for _, c := range []struct {
		owned string // the name the boss is owned under
		want  []string
	}{
		{"", []string{"boss", "byid", "byname", "other", "report"}},
		{"old@example.com", []string{"boss", "byid", "byname", "other", "report"}},
		{"Boss@example.com", []string{"boss", "byid", "byname", "other"}}, // he was gone, and is back
	} {
		if c.owned != "" {
			must(t, r.l.Own(ctx, Owned{
				Sync: "sync", Ref: user("boss"), Target: "target", TargetID: "t", Origin: OriginCreated, Name: c.owned, Since: noon(),
			}))
		}
		few := r.again(user("boss"))
		few.want(user("boss"), In, "boss@example.com")
		must(t, few.SelectAwaiting(ctx, "userName"))
		users, _, err := few.Selected(ctx)
		must(t, err)
		var got []string
		for _, u := range users {
			got = append(got, u.ID)
		}
		same(t, "selected with "+c.owned, got, c.want)
	}
	few := r.again(user("byid"), user("byname"))
	must(t, few.Await(ctx, user("byname"), "boss@example.com", ""))
	must(t, few.Await(ctx, user("byname"), "boss@example.com", "boss")) // once he has an account
	must(t, few.RememberIdle(ctx))                                      // byid waits for nobody any more
	left, err := few.strings(ctx, `SELECT source_id || ' ' || found FROM main.awaiting ORDER BY source_id`)
	must(t, err)
	same(t, "left", left, []string{"beside ", "byname boss", "other namesake", "report boss"})
}

// A group that is gone has no members, also where nobody says so one by one.
func TestGoneGroupIsEmpty(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ctx := t.Context()
	r.mirrored("g: a b", "h: a")
	in, err := r.l.Mirror("source").Begin(ctx)
	must(t, err)
	must(t, in.Gone(group("g"), identity.CauseGone))
	_, err = in.Commit(ctx, Checkpoint{Cursor: "next", At: later()}, []string{"sync"})
	must(t, err)
	for id, want := range map[string]int{"g": 0, "h": 1} {
		n := 0
		for _, err := range r.l.Mirror("source").Members(ctx, id) {
			must(t, err)
			n++
		}
		same(t, "members of "+id, n, want)
	}
}
