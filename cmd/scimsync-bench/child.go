package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// servers is a serving process.
type servers struct {
	addresses
	cmd   *exec.Cmd
	stdin io.Closer
}

// startServers starts this program as the servers of a world.
func startServers(ctx context.Context, o *options, w world) (*servers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, serveVerb, fmt.Sprintf("-users=%d", w.users),
		"-latency="+o.latency.String(), fmt.Sprintf("-rate=%g", o.rate),
		"-told="+string(o.told), "-from="+o.from.name)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &servers{cmd: cmd, stdin: stdin}
	if err := json.NewDecoder(stdout).Decode(&s.addresses); err != nil {
		return nil, errors.Join(fmt.Errorf("the servers did not start: %w", err), s.stop())
	}
	return s, nil
}

func (s *servers) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

// control asks the servers to do something, or what they know.
func (s *servers) control(ctx context.Context, method, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.Control+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, bytes.TrimSpace(body))
	}
	return body, err
}

// stats returns what was counted since the last call.
func (s *servers) stats(ctx context.Context) (stats, error) {
	var out stats
	body, err := s.control(ctx, http.MethodGet, "/stats")
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(body, &out)
}

// agent runs the measured program in a folder of its own.
type agent struct{ binary, dir, config string }

func newAgent(o *options, s *servers) (*agent, error) {
	dir, err := os.MkdirTemp("", "scimsync-bench-")
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	a := &agent{binary: binary, dir: dir, config: filepath.Join(dir, "scimsync.yaml")}
	limits := ""
	if o.rate > 0 && o.told == byConfiguration {
		limits = fmt.Sprintf("    limits: {requests_per_second: %g}\n", o.rate)
	}
	text := fmt.Sprintf(`version: 1
sources:
  source:
    type: %s
    %s
targets:
  application:
    type: scim
    url: %s
    auth: {bearer: {file: target.token}}
%ssyncs:
  bench:
    from: source
    to: application
    full: "0 3 1 1 *"
    users:
      map: {title: %s}
    groups: {%s}
`, o.from.name, strings.ReplaceAll(o.from.settings, "URL", s.Source), s.Target, limits, o.from.title, o.from.scope)
	for name, data := range map[string]string{"scimsync.yaml": text, "source.secret": o.from.secret, "target.token": token} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *agent) close() error { return os.RemoveAll(a.dir) }

// usage is what one run of the program took.
type usage struct {
	wall time.Duration
	cpu  time.Duration
	rss  int64 // bytes, at its peak
	// commits of the state file, each a wait for the disk.
	commits int
}

var committed = regexp.MustCompile(`commits=(\d+)`)

// run runs one command to its end; the exit code must be 0.
func (a *agent) run(ctx context.Context, args ...string) (usage, error) {
	var said strings.Builder
	cmd := exec.CommandContext(ctx, a.binary, append(args, "-c", a.config, "--log-level", "debug")...)
	cmd.Dir, cmd.Stderr = a.dir, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	done := make(chan struct{})
	most := resident(cmd.Process.Pid, done)
	err := cmd.Wait()
	u := usage{wall: time.Since(began)}
	close(done)
	if err != nil {
		return u, fmt.Errorf("scimsync %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u.rss = <-most; u.rss == 0 {
		u.rss = peak(cmd.ProcessState)
	}
	if found := committed.FindStringSubmatch(said.String()); found != nil {
		u.commits, err = strconv.Atoi(found[1])
	}
	return u, err
}
