// Command scimsync keeps SCIM 2.0 applications in step with an identity
// provider: it shows what would change, applies it under guards, and can say why.
//
// This package wires the rooms together, one file per verb. It decides nothing
// about directories; what an exit code means stands in exit.go.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func main() {
	// net/http prints what a server sends unasked, a repeated credential
	// included, to the standard library's logger. Nothing else uses it.
	log.SetOutput(io.Discard)
	ballast := thrifty()
	code := run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// run executes one command line and returns its exit code. The first interrupt
// asks to stop after what is in flight; the second stops at once.
func run(args []string, s streams) int { return runAt(time.Now, args, s) }

// runAt is run by another clock: the agent's, which dates runs and says when
// something is due. Changes, of tests, alter what the verbs share before anything
// is done.
func runAt(now func() time.Time, args []string, s streams, changes ...func(*app)) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go interrupts(ctx, signals, stop, cancel, s)
	app := &app{streams: s, stop: stop, now: now}
	for _, change := range changes {
		change(app)
	}
	root := newRoot(app)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return app.exit(err)
}

func interrupts(ctx context.Context, signals <-chan os.Signal, stop chan<- struct{}, cancel context.CancelFunc, s streams) {
	select {
	case <-signals:
	case <-ctx.Done():
		return
	}
	close(stop)
	s.say("\nStopping after what is in flight. Press Ctrl-C again to stop at once.")
	select {
	case <-signals:
		cancel()
	case <-ctx.Done():
	}
}
