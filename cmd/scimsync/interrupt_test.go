package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// barrier holds requests at a gate until it is lifted.
type barrier struct {
	held   chan struct{} // one for each request that came
	lifted chan struct{}
}

// hold makes every request that matches wait.
func (g *gate) hold(match func(*http.Request) bool, m moment) *barrier {
	b := &barrier{held: make(chan struct{}, 100), lifted: make(chan struct{})}
	g.arm(match, 0, m, func() {
		b.held <- struct{}{}
		<-b.lifted
	})
	return b
}

// TestSecondRun demands that a run while another is on ends at once with 11 and
// says who holds the lock, and that neither is harmed.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	barrier := w.target.hold(place{method: "POST"}.matches, performed)
	first := w.start(nil, "sync")
	<-barrier.held
	for _, verb := range []string{"sync", "plan"} {
		r := w.start(nil, verb).end()
		holder := fmt.Sprintf("process %d", first.cmd.Process.Pid)
		if r.code != exitLocked || !strings.Contains(r.err, holder) || !strings.Contains(r.err, "locked by") {
			t.Errorf("%s while another run is on: want exit %d and %q\n%s", verb, exitLocked, holder, r)
		}
	}
	if r := w.start(nil, "status").end(); r.code != exitDone || !strings.Contains(r.out, "running") {
		t.Errorf("status while a run is on:\n%s", r)
	}
	if r := w.start(nil, "check").end(); r.code != exitDone {
		t.Errorf("check while a run is on:\n%s", r)
	}
	close(barrier.lifted)
	if r := first.end(); r.code != exitDone {
		t.Errorf("the first run:\n%s", r)
	}
	w.target.disarm()
	w.unique()
	w.complete()
	w.settled()
}

// TestInterrupted asks a run to stop while writes are in flight: they are
// finished, written down and reported, no other is begun, and the next run goes
// on from there.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGINT": os.Interrupt, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newGated(t)
			barrier := w.target.hold(place{method: "POST"}.matches, arrived)
			p := w.start(nil, "sync", "-o", "json")
			for range 4 { // limits.concurrency
				<-barrier.held
			}
			p.signal(signal)
			p.says("Stopping after what is in flight")
			close(barrier.lifted)
			r := p.end()
			if r.code != exitInterrupted {
				t.Fatalf("want exit %d\n%s", exitInterrupted, r)
			}
			w.target.disarm()
			// Up to 16 changes are begun at once; those that wait for a
			// connection count as in flight.
			made, _, _ := w.application.Counts()
			if made < 4 || made > 16 {
				t.Errorf("%d users were created after the interrupt", made)
			}
			if n := strings.Count(r.out, `"outcome":"applied"`); n != made {
				t.Errorf("the report shows %d changes as applied, want %d\n%s", n, made, r)
			}
			if !strings.Contains(r.out, `"outcome":"not_tried"`) {
				t.Errorf("the report does not show what was not tried\n%s", r)
			}
			w.nothingOpen()
			owned := fmt.Sprintf("%d users", made)
			if r := w.command("status"); !strings.Contains(r.out, "interrupted") || !strings.Contains(r.out, owned) {
				t.Errorf("status after the interrupted run:\n%s", r)
			}
			all := len(w.activeIDs())
			if rest := w.sync(exitDone); rest.Summary.Users.Create != all-made {
				t.Errorf("the next run creates %d users, want %d", rest.Summary.Users.Create, all-made)
			}
			w.recovers()
		})
	}
}

// TestInterruptedWhileReading stops a command while both sides are read: it says
// so, whichever request was cut off, goes on with no other sync, and writes nothing
// at all.
func TestInterruptedWhileReading(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb   string
		signal os.Signal
		says   string
	}{
		{"sync", os.Interrupt, "main: interrupted"},
		{"sync", syscall.SIGTERM, "main: interrupted"},
		{"plan", os.Interrupt, "main: interrupted"},
		{"check", os.Interrupt, "source okta: interrupted"},
	} {
		t.Run(fmt.Sprintf("%s, %s", c.verb, c.signal), func(t *testing.T) {
			t.Parallel()
			w := newGated(t)
			one, err := os.ReadFile(w.config)
			w.must(err)
			_, sync, _ := strings.Cut(string(one), "syncs:\n")
			w.write("two.yaml", string(one)+strings.Replace(sync, "main", "other", 1))
			anything := func(*http.Request) bool { return true }
			source, target := w.source.hold(anything, arrived), w.target.hold(anything, arrived)
			p := start(t, w.dir, nil, c.verb, "-c", filepath.Join(w.dir, "two.yaml"))
			<-source.held
			if c.verb != "check" { // which asks one side after the other
				<-target.held
			}
			p.signal(c.signal)
			r := p.end()
			if r.code != exitInterrupted || !strings.Contains(r.err, c.says) || strings.Contains(r.err, "cancel") || strings.Contains(r.err, "other") || strings.Contains(r.out, "FAILED") {
				t.Errorf("want exit %d and %q\n%s", exitInterrupted, c.says, r)
			}
			close(source.lifted)
			close(target.lifted)
			w.source.disarm()
			w.target.disarm()
			if n := w.writes(); n != 0 {
				t.Errorf("%d writes", n)
			}
			w.recovers()
		})
	}
}

// TestInterruptedTwice demands that a second Ctrl-C ends the run while its
// writes are still without an answer.
func TestInterruptedTwice(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	barrier := w.target.hold(place{method: "POST"}.matches, performed)
	p := w.start(nil, "sync")
	for range 4 {
		<-barrier.held
	}
	p.signal(os.Interrupt)
	p.says("Press Ctrl-C again")
	p.signal(os.Interrupt)
	if r := p.end(); r.code != exitInterrupted {
		t.Errorf("want exit %d\n%s", exitInterrupted, r)
	}
	close(barrier.lifted)
	w.target.disarm()
	w.recovers()
}

// TestClosedPipe runs with nobody reading what is printed: the reader of a pipe
// may leave early, and the data at the target must not suffer.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	w := newGated(t)
	var posts atomic.Int32
	w.target.arm(place{method: "POST"}.matches, 0, answered, func() { posts.Add(1) })
	script := `scimsync plan -o json -c "$CONFIG" | true; scimsync sync --log-level debug -c "$CONFIG" 2>&1 | true`
	p := startCommand(t, w.dir, []string{"CONFIG=" + w.config}, nil, "sh", "-c", script)
	if r := p.end(); r.code != exitDone {
		t.Fatal(r)
	}
	w.target.disarm()
	w.recovers()
}
