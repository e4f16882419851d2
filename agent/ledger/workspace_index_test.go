package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// lives returns who is live, as ID is NAME.
func (r room) lives() []string {
	r.t.Helper()
	rows, err := r.query(r.t.Context(), `SELECT target_id, entry FROM temp.live ORDER BY target_id, rowid`)
	must(r.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		var entry []byte
		must(r.t, rows.Scan(&id, &entry))
		e, err := unpackEntry(entry)
		must(r.t, err)
		out = append(out, id+" is "+e.Attrs.String("userName"))
	}
	must(r.t, rows.Err())
	return out
}

// What is put twice is there once, as it was put last, before live objects have an
// index and after; a listing that fails leaves nothing, not even the index.
func TestLiveIndex(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	broken := errors.New("broken off")
	put := func(end error, pairs ...string) func() error {
		return func() error {
			for _, pair := range pairs {
				id, name, _ := strings.Cut(pair, " is ")
				r.has(identity.User, id, name)
			}
			return end
		}
	}
	if err := r.Load(t.Context(), put(broken, "a is lost", "a is lost again")); !errors.Is(err, broken) {
		t.Fatalf("load: %v", err)
	}
	same(t, "after a listing that failed", r.lives(), []string(nil))
	must(t, r.Load(t.Context(), put(nil, "b is old", "a is ann", "b is older", "b is bob")))
	same(t, "put in one listing", r.lives(), []string{"a is ann", "b is bob"})
	must(t, r.Load(t.Context(), put(nil, "a is anna", "c is cid")))
	if err := r.Load(t.Context(), put(broken, "a is lost")); !errors.Is(err, broken) {
		t.Fatalf("load: %v", err)
	}
	must(t, put(nil, "c is carl")())
	same(t, "put again", r.lives(), []string{"a is anna", "b is bob", "c is carl"})
	must(t, r.DropLive(t.Context(), identity.User, "b"))
	same(t, "dropped", r.lives(), []string{"a is anna", "c is carl"})
	names, err := r.HolderOf(t.Context(), identity.User, Key{"userName", "bob"}, "")
	must(t, err)
	same(t, "holders of a dropped name", names, []string(nil))
}

// Many teams are looked at a few at a time, none of them twice, and none left out.
func TestJoinersOfManyTeams(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var groups, want []string
	for g := range 3*fewTeams - 1 {
		id := fmt.Sprintf("g%03d", g)
		groups = append(groups, id+": a b c")
		want = append(want, id+" a", id+" b", id+" c")
	}
	r.mirrored(groups...)
	r.accounts("a", "b", "c")
	must(t, r.Load(t.Context(), func() error {
		for _, group := range groups {
			id, _, _ := strings.Cut(group, ":")
			must(t, r.PutTeam(t.Context(), id, "", id, false))
		}
		return nil
	}))
	must(t, r.WantMembers(t.Context(), false))
	for _, accounts := range []int{0, 1, 2} {
		r.spanning(accounts)
		must(t, r.Load(t.Context(), func() error {
			if got := r.joiners(); !slices.Equal(got, want) {
				t.Errorf("in spans of %d: %d joiners, want %d", accounts, len(got), len(want))
			}
			return nil
		}))
	}
}
