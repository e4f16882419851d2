// Command scimsync-bench measures a built scimsync against servers in a process of
// their own: how long a run takes, how far that is from what the wire allows, how
// many requests it makes and how much memory it takes.
//
// It is a tool for those who build scimsync (make bench) and no part of it. The
// figures that hold on every machine are ratios and counts; seconds are not
// comparable between machines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scimsync-bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == serveVerb {
		return serve(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == growthVerb {
		return runGrowth(ctx, args[1:])
	}
	o := options{}
	flags := flag.NewFlagSet("scimsync-bench", flag.ContinueOnError)
	flags.StringVar(&o.binary, "bin", "bin/scimsync", "the scimsync to measure")
	sizes := flags.String("users", "1000", "numbers of people, separated by commas; groups and memberships go with them")
	flags.DurationVar(&o.latency, "latency", 20*time.Millisecond, "time before each answer of both servers")
	flags.Float64Var(&o.rate, "rate", 0, "requests a second that the target allows; 0: no limit")
	told := flags.String("told", string(byConfiguration), "how scimsync learns of -rate: configuration, headers (of every answer), or refusal (429 with Retry-After)")
	from := flags.String("from", "okta", "the source: okta, entra or sailpoint")
	flags.IntVar(&o.runs, "runs", 5, "how often each world is measured; the median counts")
	flags.StringVar(&o.markdown, "o", "", "write the table as Markdown to `FILE`")
	flags.StringVar(&o.chart, "svg", "", "write a chart of time and memory against size to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.worlds, err = worldsOf(*sizes); err != nil {
		return err
	}
	if o.from, err = providerOf(*from); err != nil {
		return err
	}
	if o.told = telling(*told); !o.told.known() {
		return fmt.Errorf("-told is configuration, headers or refusal, not %q", *told)
	}
	if o.runs < 1 {
		return errors.New("-runs takes a number from 1 on")
	}
	return o.measure(ctx)
}

// worldsOf returns the worlds of a list of numbers of people.
func worldsOf(sizes string) ([]world, error) {
	var out []world
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 100 {
			return nil, fmt.Errorf("-users takes numbers from 100 on, not %q", text)
		}
		out = append(out, worldOf(n))
	}
	return out, nil
}

// options are what is measured and where it is written.
type options struct {
	binary   string
	worlds   []world
	latency  time.Duration
	rate     float64
	told     telling
	from     provider
	runs     int
	markdown string
	chart    string
}

// world is the size of a source.
type world struct{ users, groups, memberships int }

// worldOf returns the world that goes with a number of people: five memberships
// each, and groups that grow more slowly than people.
func worldOf(users int) world {
	groups := 50
	switch {
	case users >= 1_000_000:
		groups = 2000
	case users >= 100_000:
		groups = 500
	case users >= 10_000:
		groups = 100
	}
	return world{users: users, groups: groups, memberships: 5 * users}
}

func (w world) String() string {
	return fmt.Sprintf("%d users, %d groups, %d memberships", w.users, w.groups, w.memberships)
}
