package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// hostileTier says how much of the matrix is played: every trick on every side with
// SCIMSYNC_HOSTILE=all, otherwise what takes little and repeats nothing.
func hostileTier() bool { return os.Getenv("SCIMSYNC_HOSTILE") == "all" }

// enough leaves out, on an ordinary day, what one layer below does for all: each
// token endpoint is read by the same client.
func (k trick) enough(side, name string) bool {
	if hostileTier() || k.only != "" || !strings.Contains(side, " ") {
		return true
	}
	return slices.Contains([]string{"a gzip bomb", "HTML", "deep nesting", "an endless header", "204 with a body"}, name)
}

// TestHostile plays every trick to every side, each time with a change waiting at
// the source: the run ends in time and says what is wrong, changes nothing, keeps
// what it knows, and tells no stranger anything. The next one does what was
// waiting.
func TestHostile(t *testing.T) {
	t.Parallel()
	for side, besiege := range sides() {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			s := besiege(t)
			s.sync(exitDone)
			all, played, last := tricks(), 0, func() bool { return true }
			for _, name := range slices.Sorted(maps.Keys(all)) {
				k := all[name]
				if k.waits || !k.applies(side) || !k.enough(side, name) {
					continue
				}
				last = s.pending(played)
				s.play(t, name, k)
				if played++; hostileTier() || played%8 == 0 {
					s.arrives(t, name, last)
				}
			}
			s.arrives(t, "the last", last)
			t.Logf("%d tricks", played)
		})
	}
}

// play plays one trick to a whole run.
func (s *siege) play(t *testing.T, name string, k trick) {
	t.Helper()
	before := s.everybody()
	s.trap.arm(s.match, 0, k.act(s))
	began := time.Now()
	r := s.command("sync")
	took := time.Since(began)
	if s.trap.disarm() == 0 {
		t.Errorf("%s: never played\n%s", name, r)
	}
	if !refused(r.code) || !strings.Contains(r.err, k.says) {
		t.Errorf("%s: want exit %d or %d and %q\n%s", name, exitIncomplete, exitUnauthorized, k.says, r)
	}
	// A message that names neither a place nor a remedy helps nobody.
	if !strings.Contains(r.err, "main: ") || strings.Count(strings.TrimSpace(r.err), "\n") == 0 {
		t.Errorf("%s: the message does not say where and what to do:\n%s", name, r)
	}
	if took > patience {
		t.Errorf("%s: took %s", name, took)
	}
	s.unharmed(t, before, r)
}

// refused reports whether a code says that a side could not be read: the read was
// incomplete, or no credential was to be had.
func refused(code int) bool { return code == exitIncomplete || code == exitUnauthorized }

// TestHostileOracle shows that the checks above see what they look for.
func TestHostileOracle(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*siege, *ran){
		"a change at the application": func(s *siege, _ *ran) { s.must(s.application.Wipe()) },
		"a request to a stranger":     func(s *siege, _ *ran) { s.away.seen.Add(1) },
		"a secret in a message":       func(_ *siege, r *ran) { r.err += "token " + scimToken },
		"a control character":         func(_ *siege, r *ran) { r.err += "\x1b[2J" },
	} {
		s := besiegeOkta(t)
		s.sync(exitDone)
		before, r := s.everybody(), ran{exitIncomplete, "", ""}
		if problems := s.harm(before, r); len(problems) > 0 {
			t.Errorf("%s: seen before it was planted: %v", name, problems)
		}
		plant(s, &r)
		if len(s.harm(before, r)) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
}

// TestHostileWaits plays what has to be waited for, all at once.
func TestHostileWaits(t *testing.T) {
	t.Parallel()
	type waiting struct {
		name  string
		siege *siege
		trick trick
		there func() bool
		done  chan struct{}
	}
	var all []*waiting
	chosen := []string{"half a body", "a slow body", "interim answers"}
	for side, besiege := range sides() {
		for name, k := range tricks() {
			daily := !strings.Contains(side, " ") && slices.Contains(chosen, name)
			if !k.waits || !k.applies(side) || !daily && !hostileTier() {
				continue
			}
			s := besiege(t)
			s.sync(exitDone)
			all = append(all, &waiting{side + ": " + name, s, k, s.pending(1), make(chan struct{})})
		}
	}
	for _, w := range all {
		go func() { // the run waits more than it works
			defer close(w.done)
			usual, hasty := w.siege.patience[0], w.siege.patience[1]
			w.siege.edit(usual, hasty)
			w.siege.play(t, w.name, w.trick)
			w.siege.edit(hasty, usual)
		}()
	}
	for _, w := range all {
		<-w.done
		w.siege.arrives(t, w.name, w.there)
	}
	t.Logf("%d tricks", len(all))
}

// TestHostileWrites answers a write that was done with something else: it is
// looked up, not repeated, and whatever the run makes of it, the next one finds
// everything once.
func TestHostileWrites(t *testing.T) {
	t.Parallel()
	for method, change := range map[string]func(s *siege, n int) func() bool{
		http.MethodPost: func(s *siege, n int) func() bool {
			login := fmt.Sprintf("new%d@example.com", n)
			_, err := s.org.CreateUser(oktatest.Person("", login, "New", "Hand"))
			s.must(err)
			return s.named(login, "Hand")
		},
		http.MethodPatch: func(s *siege, n int) func() bool { return s.renameInOkta(n) },
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := besiegeSCIM(t)
			s.sync(exitDone)
			s.match = func(r *http.Request) bool { return r.Method == method }
			all, played := tricks(), 0
			for _, name := range slices.Sorted(maps.Keys(all)) {
				k := all[name]
				if k.waits || !k.applies("scim") {
					continue
				}
				there := change(s, played)
				act := k.act(s)
				s.trap.arm(s.match, 1, func(w http.ResponseWriter, r *http.Request) {
					s.application.ServeHTTP(httptest.NewRecorder(), r) // done, whatever is said
					act(w, r)
				})
				r := s.command("sync")
				if s.trap.disarm() == 0 {
					t.Errorf("%s: never played\n%s", name, r)
				}
				// Some servers answer a refused credential with 200.
				if envelope := name == "an envelope of success" && r.code == exitUnauthorized; r.code != exitDone && r.code != exitPartial && !envelope {
					t.Errorf("%s: want exit %d or %d\n%s", name, exitDone, exitPartial, r)
				}
				s.silent(t, r)
				if twice := s.duplicates(); len(twice) > 0 {
					t.Errorf("%s: %v stand twice at the application\n%s", name, twice, r)
				}
				if played++; r.code != exitDone || hostileTier() {
					s.arrives(t, name, there)
				}
				if !there() {
					t.Errorf("%s: the change is not there\n%s", name, r)
				}
			}
			s.settled()
			t.Logf("%d tricks", played)
		})
	}
}

// TestHostilePages lets a side serve one object a page, and pages without an end.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	people := 300
	if hostileTier() {
		people = 20_000
	}
	w := newWorld(t, withPeople(oktatest.Synthetic(people, 1, people, 1)),
		withApplication(func(o *scimtest.Options) { o.PageSize = 1 }), withSync("users: {}\n"))
	w.org.Configure(func(o *oktatest.Options) { o.PageSize = 1 })
	if r := w.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	w.settled()
}
