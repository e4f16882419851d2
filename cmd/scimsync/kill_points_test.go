package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A run can be killed at two sorts of places: at a request, where the gate before
// a server acts (process_test.go), and at a write to the state file, where the
// process kills itself. The second is told to it by environment variables that
// only the test binary reads.
const (
	// killVariable is a write and which one of them: "journal intents, inside#2".
	killVariable = "SCIMSYNC_TEST_KILL"
	// pointsVariable is a file to which the name of each write is appended.
	pointsVariable = "SCIMSYNC_TEST_POINTS"
	// aheadVariable is how many nanoseconds the agent's clock is ahead.
	aheadVariable = "SCIMSYNC_TEST_AHEAD"
)

// failpointOf returns what the environment asks for; nil is nothing.
func failpointOf(env func(string) string) func(string) {
	name, number, _ := strings.Cut(env(killVariable), "#")
	path := env(pointsVariable)
	if name == "" && path == "" {
		return nil
	}
	at, _ := strconv.Atoi(number)
	var mu sync.Mutex
	seen := 0
	return func(point string) {
		mu.Lock()
		defer mu.Unlock()
		point = pointName(point)
		if path != "" {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err == nil {
				fmt.Fprintln(file, point)
				err = file.Close()
			}
			if err != nil {
				panic(err)
			}
		}
		if point != name {
			return
		}
		if seen++; seen == at {
			dieHere()
		}
	}
}

// clockOf returns the clock that the environment asks for.
func clockOf(env func(string) string) func() time.Time {
	ahead, _ := strconv.ParseInt(env(aheadVariable), 10, 64)
	return func() time.Time { return time.Now().Add(time.Duration(ahead)) }
}

// dieHere ends the process as kill -9 does: nothing is deferred, flushed or said.
func dieHere() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// pointName is the name of a failpoint of the ledger without what differs from
// run to run.
func pointName(point string) string {
	operation, where, _ := strings.Cut(point, ", ")
	for _, prefix := range []string{
		"start run", "finish run", "bind sync", "commit the read", "keep the schedule", "classify absentees", "pause", "resume",
	} {
		if strings.HasPrefix(operation, prefix) {
			operation = prefix
		}
	}
	return operation + ", " + where
}

// side is where a request goes.
type side string

const (
	toSource  side = "source"
	toTarget  side = "target"
	toWebhook side = "webhook"
	toLedger  side = "ledger" // a failpoint of it, which is the path
)

// place is a place of a run to kill it at: the n-th request of a method to a
// path of one side, or the n-th time that a failpoint of the ledger is passed.
type place struct {
	side   side
	method string // empty is any
	path   string // what the path holds
	n      int
	moment moment
}

func (p place) String() string { return fmt.Sprintf("%s %d", p.name(), p.n) }

// name is what the place is called in the table.
func (p place) name() string {
	if p.side == toLedger {
		return p.path
	}
	return strings.Join(slices.DeleteFunc([]string{string(p.side), p.method, strings.ReplaceAll(p.path, "/", ""), string(p.moment)},
		func(s string) bool { return s == "" }), " ")
}

func (p place) matches(r *http.Request) bool {
	return (p.method == "" || r.Method == p.method) && strings.Contains(r.URL.Path, p.path)
}

// gated is a world whose servers stand behind gates.
type gated struct {
	*world
	source, target *gate
	webhook        *gate // nil: nobody is told anything
	// environ are further variables of the processes that are to die.
	environ []string
}

func (w *gated) gate(s side) *gate {
	switch s {
	case toSource:
		return w.source
	case toWebhook:
		return w.webhook
	default:
		return w.target
	}
}

func (w *gated) gates() []*gate {
	return slices.DeleteFunc([]*gate{w.source, w.target, w.webhook}, func(g *gate) bool { return g == nil })
}

// killAt runs a command line and demands that it dies at the place.
func (w *gated) killAt(at place, args ...string) {
	w.t.Helper()
	if p := w.dieAt(at, args...); p != nil {
		w.t.Fatalf("the process ended by itself before it was killed at %s\n%s", at, ran{p.cmd.ProcessState.ExitCode(), p.out.String(), p.err.String()})
	}
}

// dieAt runs a command line that is to die at a place. It returns the process
// when that ended without having come there.
func (w *gated) dieAt(at place, args ...string) *process {
	w.t.Helper()
	for _, g := range w.gates() {
		g.arm(nil, 0, "", nil)
	}
	environ := slices.Clone(w.environ)
	began := make(chan *process, 1)
	if at.side == toLedger {
		environ = append(environ, fmt.Sprintf("%s=%s#%d", killVariable, at.path, at.n))
	} else {
		w.gate(at.side).arm(at.matches, at.n, at.moment, func() {
			(<-began).kill()
			panic(http.ErrAbortHandler) // there is nobody to answer
		})
	}
	p := w.start(environ, args...)
	began <- p
	p.once()
	p.end()
	for _, g := range w.gates() {
		g.disarm()
		g.quiet(w.t)
	}
	if p.cmd.ProcessState.ExitCode() == -1 {
		return nil
	}
	return p
}

// once lets a daemon end after its first run.
func (p *process) once() {
	if !slices.Contains(p.cmd.Args, "daemon") {
		return
	}
	for late := time.After(patience); ; {
		text, changed := p.err.look()
		if strings.Contains(text, `msg="run ended"`) {
			// It may be dying already, and then takes no signal.
			_ = p.cmd.Process.Signal(os.Interrupt)
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			return
		case <-late:
			p.t.Fatalf("the daemon's run never ends\n%s", text)
		}
	}
}

// passed runs a command line that is not killed and returns the failpoints it
// passed, and how often.
func (w *gated) passed(args ...string) map[string]int {
	w.t.Helper()
	name := w.t.TempDir() + "/points"
	p := w.start([]string{pointsVariable + "=" + name}, args...)
	p.once()
	if r := p.end(); r.code != exitDone {
		w.t.Fatalf("a run that nobody kills:\n%s", r)
	}
	data, err := os.ReadFile(name)
	w.must(err)
	out := map[string]int{}
	for line := range strings.Lines(string(data)) {
		out[strings.TrimSpace(line)]++
	}
	return out
}

func TestFailpoint(t *testing.T) {
	t.Parallel()
	if failpointOf(func(string) string { return "" }) != nil {
		t.Error("a failpoint without being asked for one")
	}
	path := t.TempDir() + "/points"
	point := failpointOf(func(name string) string { return map[string]string{pointsVariable: path}[name] })
	point("start run 01ABC, before")
	point("journal intents, inside")
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "start run, before\njournal intents, inside\n" {
		t.Errorf("%q, %v", data, err)
	}
}
