package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for another process: a test that waits longer has
// found a hang.
const patience = 30 * time.Second

// screen is what a process has written so far, and lets a test wait for a text.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newScreen() *screen { return &screen{changed: make(chan struct{})} }

// Write takes what the process writes.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(p)
	close(s.changed)
	s.changed = make(chan struct{})
	return n, err
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) look() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.changed
}

// process is scimsync running as a process of its own: the test binary, which
// TestMain lets act as the program.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *screen
	ended    chan struct{}
	wait     error // once ended is closed
}

// start runs a command line against the world's configuration, with further
// environment variables NAME=VALUE.
func (w *world) start(environ []string, args ...string) *process {
	w.t.Helper()
	return start(w.t, w.dir, environ, append(slices.Clone(args), "-c", w.config)...)
}

// start runs a command line in a folder.
func start(t *testing.T, dir string, environ []string, args ...string) *process {
	t.Helper()
	return startCommand(t, dir, environ, nil, "scimsync", args...)
}

// startCommand runs any program; change may alter how it is started.
func startCommand(t *testing.T, dir string, environ []string, change func(*exec.Cmd), name string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	p := &process{
		t: t, cmd: exec.CommandContext(ctx, name, args...),
		out: newScreen(), err: newScreen(), ended: make(chan struct{}),
	}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	p.cmd.WaitDelay = time.Second
	if change != nil {
		change(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		p.wait = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a power cut would, and returns when it is dead.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // already dead is as good
	<-p.ended
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the process.
func (p *process) end() ran {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end\n%s", strings.Join(p.cmd.Args, " "), p.err)
	}
	code := p.cmd.ProcessState.ExitCode()
	if _, exited := errors.AsType[*exec.ExitError](p.wait); p.wait != nil && !exited {
		p.t.Errorf("%s: %v", strings.Join(p.cmd.Args, " "), p.wait)
	}
	return ran{code, p.out.String(), p.err.String()}
}

// says waits until the process has written the text to standard error.
func (p *process) says(text string) {
	p.t.Helper()
	late := time.After(patience)
	for {
		have, changed := p.err.look()
		if strings.Contains(have, text) {
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			if !strings.Contains(p.err.String(), text) {
				p.t.Fatalf("the process ended without saying %q\n%s", text, ran{p.cmd.ProcessState.ExitCode(), p.out.String(), p.err.String()})
			}
			return
		case <-late:
			p.t.Fatalf("the process never said %q\n%s", text, have)
		}
	}
}

// moment is a place in the life of a request.
type moment string

const (
	arrived   moment = "arrived"   // nothing was done
	performed moment = "performed" // done, and no answer sent
	halfway   moment = "halfway"   // done, and half of the answer sent
	answered  moment = "answered"  // done, and the answer sent
)

// gate stands before a server and lets a test act at a chosen request.
type gate struct {
	next   http.Handler
	server *httptest.Server

	mu     sync.Mutex
	match  func(*http.Request) bool
	at     int // the request of those that match; 0 is every one
	moment moment
	act    func()
	seen   int
	counts map[string]int
	open   map[net.Conn]bool // connections; true: from before it was armed
	closed chan struct{}
}

// newGate serves next behind a gate.
func newGate(t *testing.T, next http.Handler) *gate {
	t.Helper()
	g := &gate{next: next, counts: map[string]int{}, open: map[net.Conn]bool{}, closed: make(chan struct{})}
	g.server = httptest.NewUnstartedServer(g)
	g.server.Config.ConnState = g.connection
	g.server.Start()
	t.Cleanup(g.server.Close)
	return g
}

// arm lets act run at the n-th request that matches, counted from now; 0 is
// every one.
func (g *gate) arm(match func(*http.Request) bool, n int, m moment, act func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.match, g.at, g.moment, g.act, g.seen = match, n, m, act, 0
	for conn := range g.open {
		g.open[conn] = true
	}
}

// disarm lets everything pass.
func (g *gate) disarm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.match = nil
}

// forget sets the counts back.
func (g *gate) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.counts)
}

// count returns how many requests of a method came below a path.
func (g *gate) count(match func(*http.Request) bool) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	total := 0
	for request, n := range g.counts {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, path, http.NoBody)
		if match(r) {
			total += n
		}
	}
	return total
}

func (g *gate) due(r *http.Request) (moment, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts[r.Method+" "+r.URL.EscapedPath()]++
	if g.match == nil || !g.match(r) {
		return "", nil
	}
	if g.seen++; g.at != 0 && g.seen != g.at {
		return "", nil
	}
	return g.moment, g.act
}

// ServeHTTP lets the request through, or acts.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, act := g.due(r)
	switch m {
	case arrived:
		act()
		g.next.ServeHTTP(w, r)
	case performed, halfway:
		recorded := httptest.NewRecorder()
		g.next.ServeHTTP(recorded, r)
		if m == performed {
			act()
		}
		maps.Copy(w.Header(), recorded.Header())
		w.WriteHeader(recorded.Code)
		whole := recorded.Body.Bytes()
		_, _ = w.Write(whole[:len(whole)/2])
		if m == halfway {
			_ = http.NewResponseController(w).Flush()
			act()
		}
		_, _ = w.Write(whole[len(whole)/2:])
	case answered:
		g.next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		act()
	default:
		g.next.ServeHTTP(w, r)
	}
}

// connection keeps account of the connections.
func (g *gate) connection(conn net.Conn, state http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateNew:
		g.open[conn] = false
	case http.StateClosed, http.StateHijacked:
		delete(g.open, conn)
	default:
		return
	}
	close(g.closed)
	g.closed = make(chan struct{})
}

// quiet waits until nothing that a dead client has sent since the gate was armed
// is still being worked on: its connections are closed only after that.
func (g *gate) quiet(t *testing.T) {
	t.Helper()
	// Connections are accepted in order: once this one is answered, none of
	// the dead client's waits to be accepted.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.server.URL+"/quiet", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	late := time.After(patience)
	for {
		g.mu.Lock()
		open, changed := 0, g.closed
		for _, before := range g.open {
			if !before {
				open++
			}
		}
		g.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%d connections stay open", open)
		}
	}
}
