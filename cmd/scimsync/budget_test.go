package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// budget is what a run may cost at most, in requests.
type budget struct {
	source, reads, writes int
	// commitsAWrite bounds how often the disk is waited for; 0 does not ask.
	commitsAWrite float64
}

// crowd follows how many requests are with the application at a time.
type crowd struct {
	mu        sync.Mutex
	now, most int
}

func (c *crowd) of(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.change(1)
		defer c.change(-1)
		next.ServeHTTP(w, r)
	}
}

func (c *crowd) change(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

// peak returns the most there were.
func (c *crowd) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

var commits = regexp.MustCompile(`msg="closing the state file" commits=(\d+)`)

// A thousand people, fifty groups and five thousand memberships cost no more
// requests than there are things to read and to write. Seconds differ from machine
// to machine, and are measured by make bench.
func TestBudget(t *testing.T) {
	t.Parallel()
	const users, groups, memberships = 1000, 50, 5000
	var at crowd
	w := newWorld(t, withPeople(oktatest.Synthetic(users, groups, memberships, 1)),
		withApplication(func(o *scimtest.Options) { o.Latency = 5 * time.Millisecond }))
	w.behind(at.of(w.application))
	w.configure(worldSettings{sync: everything + nightly})
	spend := func(name string, b budget, args ...string) {
		t.Helper()
		w.org.ResetRequests()
		w.application.ResetRequests()
		r := w.command(append(append([]string{"sync"}, args...), "--log-level", "debug")...)
		if r.code != exitDone {
			t.Fatalf("%s: want exit %d\n%s", name, exitDone, r)
		}
		reads, writes := 0, 0
		for kind, n := range w.application.Requests() {
			if strings.HasPrefix(kind, "GET ") {
				reads += n
			} else {
				writes += n
			}
		}
		said := commits.FindStringSubmatch(r.err)
		if said == nil {
			t.Fatalf("%s: the number of commits is not said\n%s", name, r.err)
		}
		n, err := strconv.Atoi(said[1])
		w.must(err)
		got := fmt.Sprintf("%s: %d requests to the source, %d reads and %d writes at the target, %d commits",
			name, w.org.Total(), reads, writes, n)
		t.Log(got)
		if w.org.Total() > b.source || reads > b.reads || writes > b.writes || b.commitsAWrite > 0 && float64(n) > b.commitsAWrite*float64(writes) {
			t.Errorf("%s; at most %+v", got, b)
		}
	}

	// What has to be written is known only afterwards: one request a person, one
	// a group, and one for each further hundred members.
	spend("first load", budget{source: 60, reads: 5, writes: 1120, commitsAWrite: 0.1})
	people, teams, members := w.application.Counts()
	least := people + teams
	for _, g := range w.application.Groups() {
		least += max(0, (len(g.Members)-1)/100)
	}
	wrote := 0
	for kind, n := range w.application.Requests() {
		if !strings.HasPrefix(kind, "GET ") {
			wrote += n
		}
	}
	if people < 900 || teams != groups || members < 4500 || float64(wrote) > 1.05*float64(least) {
		t.Errorf("%d people, %d groups and %d memberships took %d writes, %d would do", people, teams, members, wrote, least)
	}
	if most := at.peak(); most < 16 || most > 64 {
		t.Errorf("%d requests were with the application at a time, want 16 to 64", most)
	}
	spend("no change, full", budget{source: 8, reads: 30}, "--full")
	spend("no change, delta", budget{source: 4, reads: 1})
	change := func(n int, title string) {
		for _, id := range w.activeIDs()[:n] {
			w.must(w.org.UpdateUser(id, map[string]any{"lastName": title}))
		}
	}
	change(10, "A")
	spend("1% change, full", budget{source: 8, reads: 30, writes: 10}, "--full")
	change(100, "B")
	spend("delta of 100", budget{source: 4, reads: 100, writes: 100, commitsAWrite: 0.3})
	change(1, "C")
	spend("one object", budget{source: 5, reads: 10, writes: 1}, "--only", "user:"+w.activeIDs()[0])
	w.settled()
}

// What a target is said to take at a time is never exceeded.
func TestConcurrencyIsKept(t *testing.T) {
	t.Parallel()
	var at crowd
	w := newWorld(t, withPeople(oktatest.Synthetic(200, 10, 600, 1)),
		withApplication(func(o *scimtest.Options) { o.Latency = time.Millisecond }))
	w.behind(at.of(w.application))
	w.configure(worldSettings{sync: everything, target: "limits: {concurrency: 3}\n"})
	w.sync(exitDone)
	w.settled()
	if most := at.peak(); most != 3 {
		t.Errorf("%d requests at a time, want the 3 that are allowed", most)
	}
}
