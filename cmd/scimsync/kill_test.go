package main

import (
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// kills is how many runs TestKilled kills: $SCIMSYNC_KILLS, or few enough for
// every day. A nightly run takes some hundreds.
func kills(t *testing.T) int {
	t.Helper()
	return asked(t, "SCIMSYNC_KILLS", 25)
}

// asked returns the number in an environment variable, by which a nightly run asks
// for more than the usual.
func asked(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s takes a number, not %q", variable, text)
	}
	return n
}

// recovers demands that the next run puts everything right.
func (w *gated) recovers() {
	w.t.Helper()
	if r := w.command("sync"); r.code != exitDone {
		w.t.Fatalf("the run after the killed one:\n%s", r)
	}
	w.unique()
	w.complete()
	w.settled()
	w.nothingOpen()
}

// nothingOpen demands that the journal knows what became of every change.
func (w *world) nothingOpen() {
	w.t.Helper()
	for _, change := range w.leftOpen() {
		w.t.Errorf("the journal does not know what became of %s", change)
	}
}

// leftOpen are the changes of which the journal does not know what became.
func (w *world) leftOpen() []string {
	w.t.Helper()
	l, err := ledger.OpenReadOnly(w.t.Context(), w.dir+"/scimsync.db")
	w.must(err)
	defer l.Close()
	var out []string
	for intent, err := range l.OpenIntents(w.t.Context(), "main") {
		w.must(err)
		out = append(out, fmt.Sprint(intent.Change.Op, " ", intent.Change.Name))
	}
	return out
}

// again is how often the same place is tried; a place a second time has other
// neighbours, because requests run beside each other.
const again = 3

// tally counts the kills by scene and place. Safe for concurrent use.
type tally struct {
	mu   sync.Mutex
	hits map[string]map[string]int // by the place's name, by scene
	// begun counts the runs that -run did not leave out.
	begun int
}

func (c *tally) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun++
}

func (c *tally) hit(scene, place string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hits[place] == nil {
		c.hits[place] = map[string]int{}
	}
	c.hits[place][scene]++
}

// report writes the table and returns how many were killed.
func (c *tally) report(t *testing.T) int {
	t.Helper()
	var b strings.Builder
	total := 0
	for _, name := range slices.Sorted(maps.Keys(c.hits)) {
		n := 0
		var where []string
		for _, scene := range slices.Sorted(maps.Keys(c.hits[name])) {
			n += c.hits[name][scene]
			where = append(where, fmt.Sprintf("%s %d", scene, c.hits[name][scene]))
		}
		total += n
		fmt.Fprintf(&b, "%4d  %-42s %s\n", n, name, strings.Join(where, ", "))
	}
	t.Logf("%d kills:\n%s", total, b.String())
	return total
}

// order is a kill that is to be made: a scene and a place in it.
type order struct {
	scene scene
	place place // n is how often a run comes there; 0 is not known
}

// orders returns at least so many kills to make: first the places that each scene
// must be killed at; then, where more are asked for, every place that any scene
// comes to, and the rest by chance.
func orders(t *testing.T, total int) []order {
	t.Helper()
	var list, rest []order
	named := map[string]bool{}
	for _, s := range scenes() {
		for _, p := range s.must {
			list, named[p.name()] = append(list, order{s, p}), true
		}
	}
	if total <= len(list) {
		return list
	}
	for _, s := range scenes() {
		for _, p := range s.places(t) {
			if o := (order{s, p}); !named[p.name()] {
				list, named[p.name()] = append(list, o), true
			} else {
				rest = append(rest, o)
			}
		}
	}
	chance := rand.New(rand.NewPCG(20, 26)) // the same every time
	for len(list) < total {
		chance.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		list = append(list, rest[:min(len(rest), total-len(list))]...)
	}
	return list
}

// TestKilled kills runs in every situation at named places and demands that the
// next run puts everything right: nothing doubled, lost, taken away or left open.
// With SCIMSYNC_KILLS it kills at every place there is; the table is logged. A
// place that no run came to fails the test.
func TestKilled(t *testing.T) {
	t.Parallel()
	list := orders(t, kills(t))
	counts := &tally{hits: map[string]map[string]int{}}
	t.Run("runs", func(t *testing.T) {
		for i, o := range list {
			t.Run(fmt.Sprint(i, " ", o.scene.name, ", ", o.place.name()), func(t *testing.T) {
				t.Parallel()
				o.carryOut(t, i, counts)
			})
		}
	})
	total := counts.report(t)
	switch {
	case t.Failed():
		return
	case total != counts.begun:
		t.Fatalf("%d kills of %d", total, counts.begun)
	case total < len(list):
		t.Skipf("only %d of %d runs were asked for with -run", total, len(list))
	}
	for _, o := range list {
		if counts.hits[o.place.name()][o.scene.name] == 0 {
			t.Errorf("%s: no run was killed at %s", o.scene.name, o.place.name())
		}
	}
}

// carryOut kills one run and judges what became of it.
func (o order) carryOut(t *testing.T, number int, counts *tally) {
	t.Helper()
	counts.begin()
	chance := rand.New(rand.NewPCG(uint64(number), 1))
	at := o.place
	for try := range again {
		s := o.scene.stage(t)
		switch {
		case o.place.n == 0:
			at.n = 1 + (number+try)%3
		case try == 0:
			at.n = 1 + chance.IntN(o.place.n)
		default:
			at.n = 1
		}
		if try == again-1 {
			at.n = 1
		}
		if s.dieAt(at, s.killed...) != nil {
			continue // this run did not come there so often
		}
		counts.hit(o.scene.name, at.name())
		s.recover()
		if s.clean("after the kill at " + at.String()); t.Failed() {
			return
		}
		// What was lost unseen shows when life goes on.
		s.more(1)
		s.recover()
		s.clean("and a change later")
		return
	}
	t.Errorf("no run came to %s", at)
}

// TestKilledUnjudged shows that the loop fails where the state file does not keep
// what it has to.
func TestKilledUnjudged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stage func(*testing.T) *staged
		at    place
		// forget is what the state file does not keep.
		forget string
		want   string
	}{
		"intents": {
			unmarkedScene,
			place{side: toTarget, method: "POST", path: "/Users", n: 5, moment: performed},
			`DELETE FROM change WHERE outcome = ''`, "are owned, want at least",
		},
		"what changed": {
			deltaScene,
			place{side: toLedger, path: "commit the read, after", n: 1},
			`DELETE FROM dirty`, "a full plan finds something to do",
		},
		"ownership": {
			unmarkedScene,
			place{side: toLedger, path: "finish cycle, before", n: 1},
			`DELETE FROM owned WHERE kind = 'group'`, "0 groups are owned",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.stage(t)
			s.killAt(c.at, s.killed...)
			db, err := sql.Open("sqlite", s.dir+"/scimsync.db")
			s.must(err)
			result, err := db.ExecContext(t.Context(), c.forget)
			s.must(err)
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				t.Fatalf("nothing to forget: %v", err)
			}
			s.must(db.Close())
			r := s.command("sync")
			if text := strings.Join(s.harms(), "\n"); !strings.Contains(text, c.want) {
				t.Errorf("%q is not seen, but: %s\n%s", c.want, text, r)
			}
		})
	}
}

// TestKilledAgainAndAgain kills every run of a first sync after a few writes:
// each must get further than the one before.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	write := func(r *http.Request) bool { return r.Method != http.MethodGet }
	for round, have := 1, 0; round <= 4; round++ {
		at := place{side: toTarget, method: "POST", path: "/Users", n: 6, moment: performed}
		w.killAt(at, "sync")
		users, _, _ := w.application.Counts()
		if users < have+6 {
			t.Fatalf("round %d: %d users, after %d in the round before", round, users, have)
		}
		have = users
	}
	w.recovers()
	users, groups, _ := w.application.Counts()
	if n := w.target.count(write); n > 2*(users+groups+w.target.count(place{method: "PATCH"}.matches)) {
		t.Errorf("%d writes for %d users and %d groups", n, users, groups)
	}
}

// churn changes the source in every way that is not a removal of many: two
// people are renamed, one leaves, one moves between two groups, one joins a
// group and one is taken out of it, and a group is renamed.
func (w *world) churn(round int) {
	w.t.Helper()
	ids := w.activeIDs()
	var groups []struct {
		ID, Type string
	}
	w.get("/api/v1/groups?limit=200", &groups)
	var teams []string
	for _, g := range groups {
		if g.Type == oktatest.OktaGroup {
			teams = append(teams, g.ID)
		}
	}
	from, to := teams[round%len(teams)], teams[(round+1)%len(teams)]
	var members []struct{ ID string }
	w.get("/api/v1/groups/"+from+"/users?limit=200", &members)
	w.must(w.org.UpdateUser(ids[0], map[string]any{"lastName": fmt.Sprint("Renamed ", round)}))
	w.must(w.org.UpdateUser(ids[1], map[string]any{"login": fmt.Sprintf("moved-%d@example.com", round)}))
	w.must(w.org.SetStatus(ids[2], oktatest.Deprovisioned))
	active := map[string]bool{}
	for _, id := range ids {
		active[id] = true
	}
	moved := 0
	for _, m := range members {
		if active[m.ID] && m.ID != ids[2] && moved < 2 {
			w.must(w.org.RemoveMember(from, m.ID))
			w.must(w.org.AddMember(to, m.ID))
			moved++
		}
	}
	id, err := w.org.CreateUser(oktatest.Person("", fmt.Sprintf("joins-%d@example.com", round), "Jo", "Ins"))
	w.must(err)
	w.must(w.org.AddMember(to, id))
	w.must(w.org.UpdateGroup(to, map[string]any{"name": fmt.Sprint("Renamed team ", round)}))
}
