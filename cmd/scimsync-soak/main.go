package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the command line.
type options struct {
	binary        string
	length        time.Duration
	from          []string
	users, groups int
	churn         time.Duration
	seed          uint64
	dir           string
	plant         string
}

// The parts of the time: at first the daemon is restarted every life, then one
// life lasts to the end, long enough to see memory grow.
const (
	restarting = 0.6 // of the whole
	oneLife    = 4 * time.Minute
	leastTime  = time.Minute
)

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("scimsync-soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.binary, "binary", "bin/scimsync", "the program to test")
	flags.DurationVar(&o.length, "time", time.Hour, "how long to change the source")
	from := flags.String("from", "okta,entra", "sources, each with a daemon of its own")
	flags.IntVar(&o.users, "users", 300, "people at each source")
	flags.IntVar(&o.groups, "groups", 15, "groups at each source")
	flags.DurationVar(&o.churn, "churn", 2*time.Second, "between two changes")
	flags.Uint64Var(&o.seed, "seed", 1, "decides the changes, the hooks and the kills")
	flags.StringVar(&o.dir, "dir", "", "folder for everything, kept; default: a temporary one, kept when something is wrong")
	flags.StringVar(&o.plant, "plant", "", "put one violation in, which must be found: "+plantNames())
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.from = strings.Split(*from, ",")
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%s: flags only", flags.Arg(0))
	case o.length < leastTime:
		return o, fmt.Errorf("-time takes at least %s", leastTime)
	}
	if o.plant != "" {
		if _, known := plants()[o.plant]; !known {
			return o, fmt.Errorf("-plant takes one of %s", plantNames())
		}
	}
	binary, err := filepath.Abs(o.binary)
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		return o, fmt.Errorf("-binary: %w: build it with make build", err)
	}
	o.binary = binary
	return o, nil
}

// command returns 0 when all holds, 1 when something does not, 2 when it could not be
// tried, and 130 when it was interrupted.
func command(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, err)
		}
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	keep := o.dir != ""
	if keep {
		err = os.MkdirAll(o.dir, 0o700)
	} else {
		o.dir, err = os.MkdirTemp("", "scimsync-soak-")
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprintf(stdout, "Soaking %s for %s; everything is in %s\n", strings.Join(o.from, " and "), o.length, o.dir)

	seen := make([]*evidence, len(o.from))
	errs := make([]error, len(o.from))
	var all sync.WaitGroup
	for i, from := range o.from {
		all.Go(func() { seen[i], errs[i] = soak(ctx, o, from, stderr) })
	}
	all.Wait()
	switch err := errors.Join(errs...); {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "interrupted: nothing is judged")
		return 130
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 2
	}
	if o.plant != "" {
		if err := plant(o.plant, seen[0]); err != nil {
			fmt.Fprintln(stderr, err)
			return 2
		}
	}
	table(stdout, seen)
	var violations []string
	for _, e := range seen {
		violations = append(violations, judge(e)...)
	}
	if len(violations) > 0 {
		fmt.Fprintf(stdout, "\n%d violations; see %s\n", len(violations), o.dir)
		for _, v := range violations {
			fmt.Fprintln(stdout, "  "+v)
		}
		return 1
	}
	fmt.Fprintln(stdout, "\nNo violation.")
	if !keep {
		if err := os.RemoveAll(o.dir); err != nil {
			fmt.Fprintln(stderr, err)
			return 2
		}
	}
	return 0
}
