package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// A part of the journal at a time, and nothing that is found only by looking at
// everything. A run outlives its changes.
func TestPruneJournal(t *testing.T) {
	t.Parallel()
	l := open(t)
	m := l.Mirror("src")
	read(t, m, full("1"), small()...)
	read(t, m, Checkpoint{Cursor: "2", Full: []identity.Kind{identity.User}, NoLinks: true, At: noon()}, small()[0])
	dirtied(t, l)
	if err := l.Told().Remember(t.Context(), []string{"k"}, noon()); err != nil {
		t.Fatal(err)
	}
	const many = pruneRows + 3
	for i, id := range []string{"first", "other", "last"} {
		at := noon().Add(time.Duration(i) * time.Second)
		if err := l.StartRun(t.Context(), Run{ID: id, Sync: "sync", Started: at}); err != nil {
			t.Fatal(err)
		}
		n := 1
		if id == "first" {
			n = many
		}
		var all []identity.Change
		for i := range n {
			all = append(all, changes(fmt.Sprintf("x%d", i))...)
		}
		seqs, err := l.Intend(t.Context(), nil, id, "sync", all)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make([]Outcome, 0, n)
		for _, seq := range seqs {
			outcomes = append(outcomes, Outcome{Run: id, Seq: seq, Outcome: plan.NotTried})
		}
		if err := l.Settle(t.Context(), outcomes); err != nil {
			t.Fatal(err)
		}
		if err := l.FinishRun(t.Context(), id, at, "done", nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []Pruned{{Changes: pruneRows}, {Changes: 4, Runs: 2}, {}} {
		got, err := l.PruneJournal(t.Context(), later())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "pruned", got, want)
	}
	got, err := l.Prune(t.Context(), later())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the rest", got, Pruned{Tombstones: 1, Told: 1})
}
