package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

func newSandbox(a *app) *cobra.Command {
	box := sandbox{app: a}
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a local identity provider and SCIM application",
		Long: `sandbox serves an identity provider (Okta, or with --from Entra ID or SailPoint)
and a SCIM 2.0 application on loopback, filled with synthetic people, and writes
a configuration for them. It changes nothing outside its own folder and ends
with Ctrl-C. Change its source with the requests it lists, or let --churn do so,
and watch a sync or the daemon follow.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return box.run(cmd.Context()) },
	}
	c.Flags().StringVar(&box.from, "from", "okta", "`SOURCE` to serve: okta, entra or sailpoint")
	c.Flags().IntVar(&box.users, "users", 100, "number of people at the source")
	c.Flags().IntVar(&box.groups, "groups", 10, "number of groups at the source")
	c.Flags().StringVar(&box.addr, "addr", "127.0.0.1:0", "loopback `ADDRESS:PORT` of the source; the application takes a free port")
	c.Flags().StringVar(&box.dir, "dir", "", "`FOLDER` for the configuration, its secrets and the application's data (default: a temporary one, removed at the end)")
	c.Flags().DurationVar(&box.churn, "churn", 0, "make a change at the source every `DURATION`, such as 2s, and say it")
	c.Flags().Uint64Var(&box.seed, "seed", 1, "`NUMBER` that decides who lives here and what --churn does")
	return c
}

// sandbox is a running sandbox.
type sandbox struct {
	app           *app
	from          string
	users, groups int
	addr, dir     string
	churn         time.Duration
	seed          uint64
}

const (
	// sandboxMemberships is how many groups a person is in on average.
	sandboxMemberships = 5
	// sandboxPassword is what the local application accepts. It protects
	// nothing but shows how a real one is kept. So do the other two: what the
	// daemon's hooks ask for, and what signs its notifications.
	sandboxPassword     = "sandbox-scim-token-0123456789"
	sandboxHookToken    = "sandbox-hook-token-0123456789"
	sandboxNotifySecret = "sandbox-notify-secret-0123456789"
)

func (b *sandbox) run(ctx context.Context) error {
	if err := b.validate(); err != nil {
		return err
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "scimsync-sandbox-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // what stays is the system's to clear
		b.dir = dir
	} else if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	source, err := b.source()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var busy sync.WaitGroup
	defer busy.Wait()
	defer cancel()
	rhythm := newRhythm(newChurn(source, b.seed), b.app.streams)
	if err := rhythm.set(b.churn); err != nil {
		return err
	}
	notes := &notifications{secret: sandboxNotifySecret, now: time.Now}
	mux := http.NewServeMux()
	mux.Handle("/", source.handler)
	mux.Handle("/sandbox/churn", own(rhythm))
	mux.Handle("/sandbox/notifications", own(notes))
	sourceURL, stopSource, err := serve(ctx, b.addr, mux)
	if err != nil {
		return err
	}
	defer stopSource()
	application, err := scimtest.New(scimtest.Options{
		Token: sandboxPassword, File: filepath.Join(b.dir, "application.jsonl"), LogRequests: 50,
	})
	if err != nil {
		return err
	}
	defer func() { _ = application.Close() }() // every write was kept before its answer
	applicationURL, stopApplication, err := serve(ctx, "127.0.0.1:0", application)
	if err != nil {
		return err
	}
	defer stopApplication()
	w := whereabouts{source: sourceURL, application: applicationURL}
	if w.daemon, err = freePort(ctx); err != nil {
		return err
	}
	if w.config, err = b.write(source, w); err != nil {
		return err
	}
	if err := b.welcome(source, w); err != nil {
		return err
	}
	busy.Go(func() { rhythm.run(ctx) })
	select {
	case <-b.app.stop:
	case <-ctx.Done():
	}
	return nil
}

func (b *sandbox) validate() error {
	const most = 1_000_000
	switch {
	case b.users < 1 || b.users > most:
		return usage("--users takes 1 to %d", most)
	case b.groups < 0 || b.groups > most:
		return usage("--groups takes 0 to %d", most)
	}
	if problem := paceProblem(b.churn); problem != "" {
		return usage("--churn takes %s", problem)
	}
	host, _, err := net.SplitHostPort(b.addr)
	if err != nil {
		return usage("--addr takes ADDRESS:PORT, such as 127.0.0.1:8080: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return usage("--addr must be a loopback address: the sandbox has no protection")
	}
	return nil
}

// source makes the source that was asked for.
func (b *sandbox) source() (*fakeSource, error) {
	memberships := min(b.users*sandboxMemberships, b.users*b.groups)
	switch b.from {
	case "okta":
		return fakeOkta(b.users, b.groups, memberships, b.seed)
	case "entra":
		return fakeEntra(b.users, b.groups, memberships, b.seed)
	case "sailpoint":
		return fakeSailPoint(b.users, b.groups, memberships, b.seed)
	}
	return nil, usage("--from takes okta, entra or sailpoint, not %q", b.from)
}

// serve serves a handler until stop is called.
func serve(ctx context.Context, addr string, h http.Handler) (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// freePort returns a loopback address that is free now, for the daemon to listen
// on. Another program may take it before the daemon does, which then says so.
func freePort(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// own restricts a handler to people and programs on this machine: no web page
// may make a browser send it anything.
func own(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		ip := net.ParseIP(host)
		local := host == "localhost" || ip != nil && ip.IsLoopback()
		if !local || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" && r.Method != http.MethodGet {
			http.Error(w, "the sandbox is for this machine only, and not for web pages: use curl", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// whereabouts are the addresses of a sandbox.
type whereabouts struct {
	config              string
	source, application string // URLs
	daemon              string // HOST:PORT
}

func (b *sandbox) welcome(source *fakeSource, w whereabouts) error {
	var text strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	say("config: %s", w.config)
	say("source:      %s (%s)", w.source, source.title)
	say("application: %s/scim/v2 (SCIM)", w.application)
	say("             %s/sandbox/ says how to tamper with it", w.application)
	say("")
	say("Try, in another terminal:")
	say("  scimsync plan -c %s", w.config)
	say("  scimsync sync -c %s", w.config)
	say("  scimsync daemon -c %s", w.config)
	say("Change the source, and watch a sync follow:")
	say("  S=%s/sandbox", w.source)
	say("  curl $S/")
	for _, line := range source.changes {
		say("  %s", line)
	}
	say("  curl -X PUT '%s/sandbox/churn?every=2s'", w.source)
	say("With the daemon running, run a sync now, and see what it told:")
	say("  curl -X POST -H 'Authorization: Bearer %s' \\\n    http://%s/hooks/sandbox", sandboxHookToken, w.daemon)
	say("  curl $S/notifications")
	say("Ctrl-C ends the sandbox.")
	if _, err := fmt.Fprint(b.app.out, text.String()); err != nil {
		return errors.Join(err, errors.New("nobody can read where the sandbox is"))
	}
	return nil
}

// write makes the configuration and the files its secrets are in.
func (b *sandbox) write(source *fakeSource, w whereabouts) (string, error) {
	config := filepath.Join(b.dir, "scimsync.yaml")
	files := map[string]string{
		config: source.config(w),
		filepath.Join(b.dir, "application.token"): sandboxPassword + "\n",
		filepath.Join(b.dir, "hook.token"):        sandboxHookToken + "\n",
		filepath.Join(b.dir, "notify.secret"):     sandboxNotifySecret + "\n",
		filepath.Join(b.dir, source.secretFile):   source.secret + "\n",
	}
	for name, data := range files {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			return "", err
		}
	}
	return config, nil
}
