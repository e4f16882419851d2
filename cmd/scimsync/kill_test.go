package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// kills is how many runs TestKilled kills: $SCIMSYNC_KILLS, or few enough for
// every day. A nightly run takes some hundreds.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SCIMSYNC_KILLS")
	if text == "" {
		return 25
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SCIMSYNC_KILLS takes a number, not %q", text)
	}
	return n
}

// gated is a world whose servers stand behind gates.
type gated struct {
	*world
	source, target *gate
}

// newGated puts gates before both servers of a world. Members go in small
// PATCHes, so that there are many places to die at.
func newGated(t *testing.T, settings ...setting) *gated {
	t.Helper()
	// A target that takes two groups of one name is where a repeated create
	// would show.
	shared := withApplication(func(o *scimtest.Options) { o.SharedGroupNames = true })
	w := &gated{world: newWorld(t, append(settings, shared)...)}
	w.source, w.target = newGate(t, w.org), newGate(t, w.application)
	w.orgURL, w.url = w.source.server.URL, w.target.server.URL+"/scim/v2"
	w.configure(worldSettings{sync: everything, target: "limits: {concurrency: 4, members_per_patch: 7}\n"})
	return w
}

// side is where a request goes.
type side string

const (
	toSource side = "source"
	toTarget side = "target"
)

func (w *gated) gate(s side) *gate {
	if s == toSource {
		return w.source
	}
	return w.target
}

// place is a place of a run to kill it at: the n-th request of a method to a
// path of one side.
type place struct {
	side   side
	method string // empty is any
	path   string // what the path holds
	n      int
	moment moment
}

func (p place) String() string {
	return fmt.Sprintf("%s %s %s %d %s", p.side, p.method, strings.ReplaceAll(p.path, "/", ""), p.n, p.moment)
}

func (p place) matches(r *http.Request) bool {
	return (p.method == "" || r.Method == p.method) && strings.Contains(r.URL.Path, p.path)
}

// killAt runs a command line and kills it at the place.
func (w *gated) killAt(at place, args ...string) {
	w.t.Helper()
	gate := w.gate(at.side)
	began, killed := make(chan *process, 1), make(chan struct{})
	w.source.arm(nil, 0, "", nil)
	w.target.arm(nil, 0, "", nil)
	gate.arm(at.matches, at.n, at.moment, func() {
		(<-began).kill()
		close(killed)
		panic(http.ErrAbortHandler) // there is nobody to answer
	})
	p := w.start(nil, args...)
	began <- p
	p.died()
	<-killed
	gate.disarm()
	w.source.quiet(w.t)
	w.target.quiet(w.t)
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
	l, err := ledger.OpenReadOnly(w.t.Context(), w.dir+"/scimsync.db")
	w.must(err)
	defer l.Close()
	for intent, err := range l.OpenIntents(w.t.Context(), "main") {
		w.must(err)
		w.t.Errorf("the journal does not know what became of %s %s", intent.Change.Op, intent.Change.Name)
	}
}

// TestKilled kills the first sync of a world at named places, and at others by
// chance, and demands that the next run completes it without a duplicate.
func TestKilled(t *testing.T) {
	t.Parallel()
	reference := newGated(t)
	if r := reference.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	count := func(s side, method, path string) int {
		n := reference.gate(s).count(place{side: s, method: method, path: path}.matches)
		if n == 0 {
			t.Fatalf("the first sync sends no %s %s to the %s", method, path, s)
		}
		return n
	}
	users, groups, patches := count(toTarget, "POST", "/Users"), count(toTarget, "POST", "/Groups"), count(toTarget, "PATCH", "/Groups")
	places := []place{
		{toTarget, "GET", "", 1, arrived},                            // connecting
		{toSource, "GET", "/users", 1, performed},                    // before anything was read
		{toSource, "GET", "/groups/", 2, answered},                   // among the memberships
		{toSource, "GET", "", count(toSource, "GET", ""), answered},  // the read is about to be kept
		{toTarget, "GET", "", count(toTarget, "GET", ""), answered},  // before the last look
		{toTarget, "POST", "/Users", 1, arrived},                     // intents without a call
		{toTarget, "POST", "/Users", 1, performed},                   // made, and nobody knows
		{toTarget, "POST", "/Users", 1, answered},                    // known, not written down
		{toTarget, "POST", "/Users", users - 1, performed},           // after a batch of outcomes
		{toTarget, "POST", "/Users", users, answered},                // between users and groups
		{toTarget, "POST", "/Groups", 1, performed},                  // a group made without its name known
		{toTarget, "POST", "/Groups", groups, answered},              // the last group
		{toTarget, "PATCH", "/Groups", 1, arrived},                   // between two chunks of members
		{toTarget, "PATCH", "/Groups", (patches + 1) / 2, performed}, // half of the members
		{toTarget, "PATCH", "/Groups", patches, answered},            // all done, and nothing said
	}
	chance := rand.New(rand.NewPCG(20, 26)) // the same every time
	for len(places) < kills(t) {
		writes := []place{
			{toTarget, "POST", "/Users", 1 + chance.IntN(users), ""},
			{toTarget, "POST", "/Users", 1 + chance.IntN(users), ""},
			{toTarget, "POST", "/Groups", 1 + chance.IntN(groups), ""},
			{toTarget, "PATCH", "/Groups", 1 + chance.IntN(patches), ""},
			{toSource, "GET", "", 1 + chance.IntN(count(toSource, "GET", "")), ""},
		}
		p := writes[chance.IntN(len(writes))]
		p.moment = []moment{arrived, performed, answered}[chance.IntN(3)]
		places = append(places, p)
	}
	for i, at := range places[:min(len(places), kills(t))] {
		t.Run(fmt.Sprint(i, " ", at), func(t *testing.T) {
			t.Parallel()
			w := newGated(t)
			w.killAt(at, "sync")
			w.recovers()
		})
	}
}

// TestKilledWithoutExternalID kills runs of a sync that has no mark of its own on
// what it makes and may not adopt what it finds: the journal alone tells that an
// account whose answer nobody saw is ours.
func TestKilledWithoutExternalID(t *testing.T) {
	t.Parallel()
	for _, at := range []place{
		{toTarget, "POST", "/Users", 1, performed},
		{toTarget, "POST", "/Users", 20, performed},
		{toTarget, "POST", "/Users", 39, answered},
		{toTarget, "POST", "/Groups", 1, performed},
	} {
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			w := newGated(t)
			w.configure(worldSettings{
				sync: `users: {map: {externalId: off}, matching: {by: [userName], existing: report}}
groups: {scope: type == "OKTA_GROUP", map: {externalId: off}, matching: {by: [displayName], existing: report}}
`,
				target: "limits: {concurrency: 4, members_per_patch: 7}\n",
			})
			w.killAt(at, "sync")
			w.recovers()
			if r := w.command("status"); !strings.Contains(r.out, "39 users, 5 groups") {
				t.Errorf("not everything that was made is owned:\n%s", r)
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
		at := place{toTarget, "POST", "/Users", 6, performed}
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

// TestKilledWhileFollowing kills runs that follow changes of the source.
func TestKilledWhileFollowing(t *testing.T) {
	t.Parallel()
	for _, m := range []moment{arrived, performed, answered} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			w := newGated(t, withPeople(oktatest.Synthetic(24, 4, 60, 1)))
			if r := w.command("sync"); r.code != exitDone {
				t.Fatal(r)
			}
			for round := range min(6, 1+kills(t)/8) {
				w.churn(round)
				w.killAt(place{toTarget, "PATCH", "", 1 + round, m}, "sync")
				w.recovers()
			}
		})
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
