package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

func newSandbox(a *app) *cobra.Command {
	box := sandbox{app: a}
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a local Okta and SCIM application with synthetic people",
		Long: `sandbox serves an Okta org and a SCIM 2.0 application on loopback, filled with
synthetic people, and writes a configuration for them. It changes nothing
outside its own folder and ends with Ctrl-C. Change its source with the requests
that http://ADDR/sandbox/ lists, and watch a sync follow.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return box.run(cmd.Context()) },
	}
	c.Flags().IntVar(&box.users, "users", 100, "number of people at the source")
	c.Flags().IntVar(&box.groups, "groups", 10, "number of groups at the source")
	c.Flags().StringVar(&box.addr, "addr", "127.0.0.1:0", "loopback `ADDRESS:PORT` of the Okta org; the application takes a free port")
	c.Flags().StringVar(&box.dir, "dir", "", "`FOLDER` for the configuration, its secrets and the application's data (default: a temporary one, removed at the end)")
	return c
}

// sandbox is a running sandbox.
type sandbox struct {
	app           *app
	users, groups int
	addr, dir     string
}

const (
	// sandboxMemberships is how many groups a person is in on average.
	sandboxMemberships = 5
	// sandboxSeed makes every sandbox of one size the same.
	sandboxSeed = 1
	// sandboxPassword is what the local application accepts. It protects
	// nothing but shows how a real one is kept.
	sandboxPassword = "sandbox-scim-token-0123456789"
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
	memberships := min(b.users*sandboxMemberships, b.users*b.groups)
	org, err := oktatest.New(oktatest.Synthetic(b.users, b.groups, memberships, sandboxSeed))
	if err != nil {
		return err
	}
	orgURL, err := org.Start(b.addr)
	if err != nil {
		return err
	}
	defer func() { _ = org.Close() }() // it holds nothing but connections
	application, err := scimtest.New(scimtest.Options{
		Token: sandboxPassword, File: filepath.Join(b.dir, "application.jsonl"), LogRequests: 50,
	})
	if err != nil {
		return err
	}
	defer func() { _ = application.Close() }() // every write was kept before its answer
	applicationURL, stop, err := serve(ctx, application)
	if err != nil {
		return err
	}
	defer stop()
	config, err := b.write(orgURL, applicationURL+"/scim/v2")
	if err != nil {
		return err
	}
	if err := b.welcome(config, orgURL, applicationURL); err != nil {
		return err
	}
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
	host, _, err := net.SplitHostPort(b.addr)
	if err != nil {
		return usage("--addr takes ADDRESS:PORT, such as 127.0.0.1:8080: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return usage("--addr must be a loopback address: the sandbox has no protection")
	}
	return nil
}

// serve serves a handler on a free loopback port.
func serve(ctx context.Context, h http.Handler) (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// write makes the configuration and the files its secrets are in.
func (b *sandbox) write(orgURL, applicationURL string) (string, error) {
	config := filepath.Join(b.dir, "scimsync.yaml")
	text := fmt.Sprintf(`# The sandbox: an Okta org and a SCIM application, both on this machine.
version: 1
state: scimsync.db

sources:
  okta:
    type: okta
    url: %s
    token: {file: okta.token}

targets:
  application:
    type: scim
    url: %s
    auth:
      bearer: {file: application.token}

syncs:
  sandbox:
    from: okta
    to: application
    users:
      map:
        title: profile.title
        urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: profile.department
        urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: profile.employeeNumber
    groups:
      scope: type == "OKTA_GROUP"
`, orgURL, applicationURL)
	for name, data := range map[string]string{
		config:                             text,
		filepath.Join(b.dir, "okta.token"): oktatest.DefaultToken + "\n",
		filepath.Join(b.dir, "application.token"): sandboxPassword + "\n",
	} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			return "", err
		}
	}
	return config, nil
}

func (b *sandbox) welcome(config, orgURL, applicationURL string) error {
	_, err := fmt.Fprintf(b.app.out, `config: %[1]s
source:      %[2]s (Okta), change it at %[2]s/sandbox/
application: %[3]s/scim/v2 (SCIM), tamper with it at %[3]s/sandbox/

Try, in another terminal:
  scimsync plan -c %[1]s
  scimsync sync -c %[1]s
Ctrl-C ends the sandbox.
`, config, orgURL, applicationURL)
	if err != nil {
		return errors.Join(err, errors.New("nobody can read where the sandbox is"))
	}
	return nil
}
