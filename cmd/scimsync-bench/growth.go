package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// growthVerb measures what an object costs at growing sizes, from a file to an
// application that is made up as it is read: what is left is the agent's own work.
const growthVerb = "growth"

// growth is what is measured and where it is written.
type growth struct {
	binary          string
	worlds          []world
	markdown, chart string
}

func runGrowth(ctx context.Context, args []string) error {
	g := growth{}
	flags := flag.NewFlagSet("scimsync-bench growth", flag.ContinueOnError)
	flags.StringVar(&g.binary, "bin", "bin/scimsync", "the scimsync to measure")
	sizes := flags.String("users", "10000,100000", "numbers of people, separated by commas; the first is what the others are compared with")
	flags.StringVar(&g.markdown, "o", "", "write the table as Markdown to `FILE`")
	flags.StringVar(&g.chart, "svg", "", "write a chart of cost and memory against size to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if g.worlds, err = worldsOf(*sizes); err != nil {
		return err
	}
	if g.binary, err = filepath.Abs(g.binary); err != nil {
		return err
	}
	if _, err := os.Stat(g.binary); err != nil {
		return fmt.Errorf("%w: build it first (make build)", err)
	}
	return g.measure(ctx)
}

// cost is what one stage took at one size.
type cost struct {
	world     world
	stage     string
	wall, cpu time.Duration
	rss       int64 // bytes, at its peak
	disk      footprint
	state     int64 // bytes of the state file at the end
	requests  int64
	ratio     float64 // of the cost of an object to that at the first size
}

// objects are what a cost is divided by: users, groups and memberships.
func (w world) objects() int { return w.users + w.groups + w.memberships }

// each returns the processor time that an object cost.
func (c cost) each() time.Duration { return c.cpu / time.Duration(c.world.objects()) }

// stage is one measured run of the agent. Each is checked by what it plans.
type stage struct {
	name   string
	config string // file name; each has a state file of its own
	args   []string
	// creates says that everything is to be created; else nothing is.
	creates bool
}

// stages are in the order they are run at one size.
func stages() []stage {
	plan, full := []string{"plan", "-o", "json"}, []string{"sync", "--full", "-o", "json"}
	return []stage{
		{"first plan, all to create", "empty", plan, true},
		{"plan again, source unchanged", "empty", plan, true},
		{"first sync, all there already", "step", full, false},
		{"sync, nothing changed", "step", full, false},
	}
}

func (g *growth) measure(ctx context.Context) error {
	var costs []cost
	for _, w := range g.worlds {
		got, err := g.measureWorld(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
		for i, c := range got {
			got[i].ratio = 1
			if len(costs) > 0 {
				got[i].ratio = float64(c.each()) / float64(costs[i].each())
			}
		}
		costs = append(costs, got...)
		fmt.Fprint(os.Stdout, growthTable(w, got, text))
	}
	return errors.Join(g.writeMarkdown(costs), g.writeChart(costs))
}

func (g *growth) measureWorld(ctx context.Context, w world) (costs []cost, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "scimsync-growth-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as /proc shows it
		return nil, err
	}
	m := &mirage{world: w}
	url, err := m.serve(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepareGrowth(dir, url, w); err != nil {
		return nil, err
	}
	for _, s := range stages() {
		fmt.Fprintf(os.Stderr, "%s: %s\n", w, s.name)
		m.served.Store(0)
		c, err := g.run(ctx, dir, w, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if n := m.refused.Load(); n > 0 {
			return nil, fmt.Errorf("%s: %d requests to write, where nothing was to be written", s.name, n)
		}
		c.requests = m.served.Load()
		costs = append(costs, c)
	}
	return costs, nil
}

// prepareGrowth writes the source and a configuration for each target.
func prepareGrowth(dir, url string, w world) error {
	if err := w.export(filepath.Join(dir, "export")); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "target.token"), []byte(token), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"empty", "step"} {
		text := fmt.Sprintf(`version: 1
state: %s.db
sources:
  export: {type: file, path: export}
targets:
  application: {type: scim, url: "%s/%[1]s", auth: {bearer: {file: target.token}}}
syncs:
  growth: {from: export, to: application, users: {}, groups: {include: ["*"]}}
`, name, url)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// run runs one stage and checks that it planned what it had to.
func (g *growth) run(ctx context.Context, dir string, w world, s stage) (cost, error) {
	c := cost{world: w, stage: s.name}
	temporary, state := filepath.Join(dir, "tmp"), filepath.Join(dir, s.config+".db")
	var said strings.Builder
	plan := &tail{}
	cmd := exec.CommandContext(ctx, g.binary, append(s.args, "-c", filepath.Join(dir, s.config+".yaml"), "--log-level", "warn")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, plan, &said
	// https://sqlite.org/tempfiles.html, section 5
	cmd.Env = append(os.Environ(), "SQLITE_TMPDIR="+temporary)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return c, err
	}
	done := make(chan struct{})
	watched := watch(cmd.Process.Pid, temporary, state, done)
	err := cmd.Wait()
	close(done)
	c.wall, c.disk = time.Since(began), <-watched
	if err != nil {
		return c, fmt.Errorf("scimsync %s: %w\n%s", strings.Join(s.args, " "), err, said.String())
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	c.rss, c.state = peak(cmd.ProcessState), size(state)
	return c, planned(plan.last, w, s)
}

// tail keeps the end of what is written to it.
type tail struct{ last []byte }

// kept is enough for what follows the changes in a plan.
const kept = 16 << 10

// Write keeps the end; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p[max(0, len(p)-kept):]...)
	if len(t.last) > kept {
		t.last = append(t.last[:0], t.last[len(t.last)-kept:]...)
	}
	return len(p), nil
}

// planned fails unless the plan that ends with last is the one of the stage.
func planned(last []byte, w world, s stage) error {
	type counts struct{ Create, Unchanged int }
	var summary struct {
		Users, Groups counts
		Memberships   struct{ Add int }
	}
	_, rest, found := bytes.Cut(last, []byte(`"summary":`))
	if !found {
		return errors.New("the plan has no summary")
	}
	if err := json.NewDecoder(bytes.NewReader(rest)).Decode(&summary); err != nil {
		return fmt.Errorf("the summary of the plan: %w", err)
	}
	want := summary
	want.Users, want.Groups, want.Memberships.Add = counts{0, w.users}, counts{0, w.groups}, 0
	if s.creates {
		want.Users, want.Groups, want.Memberships.Add = counts{w.users, 0}, counts{w.groups, 0}, w.memberships
	}
	if summary != want {
		return fmt.Errorf("planned %+v, want %+v", summary, want)
	}
	return nil
}
