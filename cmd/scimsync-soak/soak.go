package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
)

// soaking is one source, its sandbox and its daemon.
type soaking struct {
	options

	asker
	dir, config         string
	source, application string // URLs
	daemon, token       string // of the daemon's endpoints
	say                 func(format string, args ...any)
	random              *rand.Rand

	before     int       // runs that were not the daemon's
	unmeasured sync.Once // why something could not be measured is said once
	seen       *evidence
}

// soak runs one source for the whole time and returns what was seen. Its error
// says that it could not be tried.
func soak(ctx context.Context, o options, from string, log io.Writer) (*evidence, error) {
	s := &soaking{
		options: o, asker: newAsker(), dir: filepath.Join(o.dir, from),
		random: rand.New(rand.NewPCG(o.seed, crc(from))), //nolint:gosec // a soak can be repeated
		seen:   &evidence{name: from, began: time.Now()},
	}
	s.say = func(format string, args ...any) {
		fmt.Fprintf(log, "%s %-9s %s\n", time.Now().Format("15:04:05"), from, fmt.Sprintf(format, args...))
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("-dir has to be a new folder: %w", err)
	}
	box, err := launch(o.binary, s.dir, "sandbox", "sandbox", "--from", from, "--dir", s.dir,
		"--users", fmt.Sprint(o.users), "--groups", fmt.Sprint(o.groups), "--seed", fmt.Sprint(o.seed))
	if err != nil {
		return nil, err
	}
	defer func() {
		if !box.over() {
			_, _ = box.end(syscall.SIGKILL) // only when something else went wrong
		}
	}()
	if err := s.meet(ctx, box); err != nil {
		return nil, err
	}
	// The first run, at leisure: the daemon then begins with a world in step.
	if code, err := finish(ctx, o.binary, s.dir, "first", "sync", "-c", s.config); err != nil || code != 0 {
		return nil, fmt.Errorf("%s: first sync: exit %d, %w\n%s", from, code, err, tail(filepath.Join(s.dir, "first.err")))
	}
	before, _, err := s.runs(ctx)
	if err != nil {
		return nil, err
	}
	s.before = len(before)
	if err := s.pace(ctx, o.churn); err != nil {
		return nil, err
	}
	if err := s.live(ctx); err != nil {
		return nil, err
	}
	if err := s.conclude(ctx, box); err != nil {
		return nil, err
	}
	return s.seen, nil
}

// crc tells the sources apart, so that they are not restarted in step.
func crc(name string) uint64 { return uint64(crc32.ChecksumIEEE([]byte(name))) }

// meet waits until the sandbox has said where it is.
func (s *soaking) meet(ctx context.Context, box *child) error {
	patterns := map[*string]*regexp.Regexp{
		&s.config:      regexp.MustCompile(`(?m)^config: (.*)$`),
		&s.source:      regexp.MustCompile(`(?m)^source: +(\S+)`),
		&s.application: regexp.MustCompile(`(?m)^application: +(\S+)/scim/v2`),
		&s.daemon:      regexp.MustCompile(`(http://[0-9.]+:[0-9]+)/hooks/sandbox`),
	}
	err := s.until(ctx, func() (bool, error) {
		text, err := os.ReadFile(box.out)
		if err != nil || box.over() {
			return false, errors.Join(err, fmt.Errorf("the sandbox does not serve: %s", tail(box.err)))
		}
		for into, pattern := range patterns {
			found := pattern.FindSubmatch(text)
			if found == nil {
				return false, nil
			}
			*into = string(found[1])
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(s.dir, "hook.token"))
	s.token = strings.TrimSpace(string(token))
	return err
}

// until asks again and again, for as long as patience lasts.
func (s *soaking) until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		if err != nil && !errors.Is(err, errNotYet) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// errNotYet marks an error that may pass.
var errNotYet = errors.New("not yet")

// pace sets the churn; zero ends it.
func (s *soaking) pace(ctx context.Context, every time.Duration) error {
	var answer struct{ Changes int }
	err := s.decode(ctx, http.MethodPut, s.source+"/sandbox/churn?every="+every.String(), &answer)
	s.seen.changes = answer.Changes
	return err
}

// live lets the daemon live its lives.
func (s *soaking) live(ctx context.Context) error {
	end := time.Now().Add(s.length)
	last := time.Now().Add(time.Duration(restarting * float64(s.length)))
	for n := 0; ; n++ {
		// From half of the usual length to one and a half.
		long := oneLife/2 + time.Duration(s.random.Int64N(int64(oneLife)))
		until, ending := time.Now().Add(min(long, s.length/4)), terminated
		if s.random.IntN(3) == 0 {
			ending = killed
		}
		final := until.After(last)
		if final {
			until, ending = end, terminated
		}
		// Every other life has hooks; the others show the bare schedule.
		if err := s.oneLife(ctx, n, until, ending, final, n%2 == 0 || final); err != nil {
			return err
		}
		if final {
			return nil
		}
		if rest := time.Duration(s.random.IntN(5000)) * time.Millisecond; !pause(ctx, rest) {
			return ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// oneLife runs the daemon until a time and ends it.
func (s *soaking) oneLife(ctx context.Context, n int, until time.Time, ending ending, final, hooks bool) error {
	name := fmt.Sprintf("daemon-%02d", n+1)
	c, err := launch(s.binary, s.dir, name, "daemon", "--log-format", "json", "-c", s.config)
	if err != nil {
		return err
	}
	defer func() {
		if !c.over() {
			_, _ = c.end(syscall.SIGKILL) // only when something else went wrong
		}
	}()
	err = s.until(ctx, func() (bool, error) {
		if c.over() {
			return false, fmt.Errorf("the daemon ended: %s", tail(c.err))
		}
		status, _, err := s.ask(ctx, http.MethodGet, s.daemon+"/healthz", "")
		if err != nil || status != http.StatusOK {
			return false, fmt.Errorf("%w: /healthz: status %d, %w", errNotYet, status, err)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	l := life{up: time.Now(), ending: ending}
	s.say("life %d: up, pid %d, until %s", n+1, c.cmd.Process.Pid, until.Format("15:04:05"))
	s.watch(ctx, c, &l, until, hooks)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if final && !c.over() {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	signal := syscall.SIGTERM
	if ending == killed {
		signal = syscall.SIGKILL
	}
	if c.over() {
		l.ending = byItself
	}
	if l.code, err = c.end(signal); err != nil {
		return err
	}
	l.down = time.Now()
	s.say("life %d: %s, exit %d", n+1, l.ending, l.code)
	l.starts, err = startsIn(c.err)
	s.seen.lives = append(s.seen.lives, l)
	return err
}

// watch calls hooks and takes samples until a time, or until the daemon ends.
func (s *soaking) watch(ctx context.Context, c *child, l *life, until time.Time, hooks bool) {
	over := time.After(time.Until(until))
	measure := time.NewTicker(5 * time.Second)
	defer measure.Stop()
	call := time.NewTimer(s.nextHook(hooks))
	defer call.Stop()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-c.ended:
			return
		case <-measure.C:
			l.samples = append(l.samples, s.measure(ctx, c))
		case <-call.C:
			_ = s.hook(ctx) // one that is refused counts for nothing
			call.Reset(s.nextHook(hooks))
		}
	}
}

func (s *soaking) nextHook(hooks bool) time.Duration {
	if !hooks {
		return 24 * time.Hour
	}
	return 2*time.Second + time.Duration(s.random.IntN(20_000))*time.Millisecond
}

// hook asks for a run and reports whether that was accepted.
func (s *soaking) hook(ctx context.Context) bool {
	status, _, err := s.ask(ctx, http.MethodPost, s.daemon+"/hooks/sandbox", s.token)
	switch {
	case err != nil:
		s.seen.unheard = append(s.seen.unheard, time.Now())
		return false
	case status != http.StatusAccepted:
		return false
	}
	s.seen.hooks = append(s.seen.hooks, time.Now())
	return true
}

// measure takes a sample; what could not be measured is zero.
func (s *soaking) measure(ctx context.Context, c *child) sample {
	out := sample{at: time.Now()}
	rss, memoryErr := memory(ctx, c.cmd.Process.Pid)
	_, metrics, metricsErr := s.ask(ctx, http.MethodGet, s.daemon+"/metrics", "")
	goroutines := 0.0
	if metricsErr == nil {
		goroutines, metricsErr = gauge(metrics, "go_goroutines")
	}
	if err := errors.Join(memoryErr, metricsErr); err != nil && !c.over() {
		s.unmeasured.Do(func() { s.say("not measured, said once: %v", err) })
	}
	out.rss, out.goroutines = rss, int(goroutines)
	return out
}

// settle ends the churn and waits for the run that follows its last change.
func (s *soaking) settle(ctx context.Context) error {
	if err := s.pace(ctx, 0); err != nil {
		return err
	}
	s.say("churn ended after %d changes", s.seen.changes)
	after := time.Now()
	if !s.hook(ctx) {
		return errors.New("the last hook was not accepted")
	}
	return s.until(ctx, func() (bool, error) {
		runs, _, err := s.runs(ctx)
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(runs, func(r run) bool { return r.began.After(after) && !r.finished.IsZero() }), nil
	})
}

// conclude looks at both sides when the daemon has ended.
func (s *soaking) conclude(ctx context.Context, box *child) error {
	var err error
	s.seen.ended = s.seen.lives[len(s.seen.lives)-1].down
	runs, quarantined, err := s.runs(ctx)
	if err != nil {
		return err
	}
	s.seen.quarantined = quarantined
	s.seen.runs = runs[min(s.before, len(runs)):]
	if s.seen.secondPlan, err = finish(ctx, s.binary, s.dir, "plan", "plan", "--full", "--exit-code", "-c", s.config); err != nil {
		return err
	}
	if err := s.count(ctx); err != nil {
		return err
	}
	s.seen.sandboxCode, err = box.end(syscall.SIGINT)
	return err
}

// count asks both sides how many people are active.
func (s *soaking) count(ctx context.Context) error {
	var source struct {
		Users              map[string]int
		Accounts, Disabled int
	}
	if err := s.decode(ctx, http.MethodGet, s.source+"/sandbox/", &source); err != nil {
		return err
	}
	s.seen.source = source.Accounts - source.Disabled
	if s.seen.name == "sailpoint" {
		s.seen.source -= 3 // that are nobody's: uncorrelated, of a system, of a machine
	}
	for _, status := range []string{"ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT", "enabled"} {
		s.seen.source += source.Users[status]
	}
	var application struct {
		Users []struct{ Active bool }
	}
	if err := s.decode(ctx, http.MethodGet, s.application+"/sandbox/dump", &application); err != nil {
		return err
	}
	for _, u := range application.Users {
		if u.Active {
			s.seen.application++
		}
	}
	return nil
}

// mostRuns is more than a day of them.
const mostRuns = 10_000

// runs reads the state file: the runs in the order in which they began, and
// whether the sync is doing badly.
func (s *soaking) runs(ctx context.Context) ([]run, bool, error) {
	l, err := ledger.OpenReadOnly(ctx, filepath.Join(s.dir, "scimsync.db"))
	if err != nil {
		return nil, false, err
	}
	defer l.Close() //nolint:errcheck // it was only read
	rows, err := l.Runs(ctx, "sandbox", mostRuns)
	if err != nil {
		return nil, false, err
	}
	var out []run
	for _, r := range slices.Backward(rows) {
		out = append(out, run{id: r.ID, began: r.Started, finished: r.Finished, result: r.Result})
	}
	agendas, err := l.Agendas(ctx)
	return out, agendas["sandbox"].Failures > 0 || agendas["sandbox"].Quarantined(time.Now()), err
}

// startsIn reads from a daemon's log which runs it began, and how they ended.
func startsIn(path string) ([]start, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []start
	for text := range strings.Lines(string(data)) {
		var line struct {
			Time    time.Time
			Msg     string
			Trigger string
			Fire    time.Time
			Result  string
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			continue // words of a person's, such as those about an interrupt
		}
		switch {
		case line.Msg == "job started":
			out = append(out, start{at: line.Time, trigger: line.Trigger, fire: line.Fire})
		case line.Msg == "job ended" && len(out) > 0:
			out[len(out)-1].result = line.Result
		}
	}
	return out, nil
}
