package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const hookToken = "canary-hook-token-0123456789"

// daemonProcess is a daemon over a world, with its endpoints on a free port.
type daemonProcess struct {
	*process
	url string
}

// withServer appends the endpoints, and more of the first level, to the
// configuration.
func (w *world) withServer(more string) {
	w.t.Helper()
	w.write("hook.token", hookToken)
	config, err := os.ReadFile(w.config)
	w.must(err)
	w.write("scimsync.yaml", string(config)+"server: {addr: \"127.0.0.1:0\", hooks: {token: {file: hook.token}}}\n"+more)
}

// daemon starts a daemon whose hooks run at once, and waits until it is ready.
func (w *world) daemon(environ []string, args ...string) *daemonProcess {
	w.t.Helper()
	p := w.start(environ, append([]string{"daemon", "--hook-delay", "0", "--hook-pause", "0"}, args...)...)
	d := listening(p)
	d.until("/readyz", http.StatusOK)
	return d
}

// listening waits until a daemon answers, whether it works or not.
func listening(p *process) *daemonProcess {
	p.t.Helper()
	p.says("msg=listening")
	addr := regexp.MustCompile(`msg=listening addr=(\S+)`).FindStringSubmatch(p.err.String())
	return &daemonProcess{process: p, url: "http://" + addr[1]}
}

// until asks for a page until it answers with the status.
func (d *daemonProcess) until(path string, status int) string {
	d.t.Helper()
	for late := time.Now().Add(patience); ; {
		code, body := d.ask("GET", path, "")
		if code == status {
			return body
		}
		if time.Now().After(late) {
			d.t.Fatalf("%s answers %d %s, want %d\n%s", path, code, body, status, d.err)
		}
	}
}

// ask sends one request; headers are pairs.
func (d *daemonProcess) ask(method, path, body string, headers ...string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatalf("%s %s: %v\n%s", method, path, err, d.err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// hook asks for a run of a sync.
func (d *daemonProcess) hook(sync string) (int, string) {
	d.t.Helper()
	return d.ask("POST", "/hooks/"+sync, "", "Authorization", "Bearer "+hookToken)
}

// ran waits for the n-th run of the daemon and returns its line in the log.
func (d *daemonProcess) ran(n int) string {
	d.t.Helper()
	for late := time.After(patience); ; {
		text, changed := d.err.look()
		var lines []string
		for line := range strings.Lines(text) {
			if strings.Contains(line, `msg="run ended"`) {
				lines = append(lines, line)
			}
		}
		if len(lines) >= n {
			return lines[n-1]
		}
		select {
		case <-changed:
		case <-late:
			d.t.Fatalf("run %d never ended\n%s", n, text)
		}
	}
}

// runs asks for a run by a hook and returns the line of the n-th run.
func (d *daemonProcess) runs(n int) string {
	d.t.Helper()
	if code, body := d.hook("main"); code != http.StatusAccepted {
		d.t.Fatalf("the hook answers %d %s\n%s", code, body, d.err)
	}
	return d.ran(n)
}

// stops asks the daemon to stop and demands a clean end.
func (d *daemonProcess) stops() {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	if r := d.end(); r.code != exitDone || !strings.Contains(r.err, "daemon stopped") {
		d.t.Errorf("the stopped daemon:\n%s", r)
	}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %s", part, text)
		}
	}
}

// sink is a webhook that keeps what it is told.
type sink struct {
	*httptest.Server
	told chan string
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{told: make(chan string, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.told <- string(body)
	}))
	t.Cleanup(s.Close)
	return s
}

// next waits for a message.
func (s *sink) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-s.told:
		return m
	case <-time.After(patience):
		t.Fatal("nothing was told")
		return ""
	}
}
