package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

const (
	serveVerb = "serve"
	token     = "bench-token-0123456789"
	basePath  = "/scim/v2"
)

// addresses are what a serving process prints when it is ready.
type addresses struct {
	Source  string `json:"source"`
	Target  string `json:"target"`
	Control string `json:"control"`
}

// tally is what arrived at one side since the last reset.
type tally struct {
	// Requests are counted by kind, such as "GET /Users".
	Requests map[string]int `json:"requests"`
	// Statuses are counted by status code.
	Statuses map[int]int `json:"statuses"`
}

func (t tally) total() int {
	n := 0
	for _, count := range t.Requests {
		n += count
	}
	return n
}

// stats is what the servers counted, and what the target holds.
type stats struct {
	Source      tally `json:"source"`
	Target      tally `json:"target"`
	Users       int   `json:"users"`
	Groups      int   `json:"groups"`
	Memberships int   `json:"memberships"`
	// Written are the requests that the target answered, other than with 429,
	// from the first write to the last, and Writing how long that took.
	Written int           `json:"written"`
	Writing time.Duration `json:"writing"`
}

// serve runs both servers and a control server until standard input ends.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	users := flags.Int("users", 1000, "people")
	latency := flags.Duration("latency", 0, "before each answer")
	rate := flags.Float64("rate", 0, "requests a second at the target")
	told := flags.String("told", string(byConfiguration), "how the rate is told")
	from := flags.String("from", "", "the source")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p, err := providerOf(*from)
	if err != nil {
		return err
	}
	source, err := p.serve(worldOf(*users))
	if err != nil {
		return err
	}
	o := scimtest.Options{Token: token, Latency: *latency}
	if *rate > 0 {
		o.RateLimit = scimtest.RateLimit{PerSecond: *rate, Burst: max(1, int(*rate/10))}
	}
	application, err := scimtest.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = application.Close() }() // it has no file
	b := &bench{source: source, application: application}
	target := counted(&b.targetStatus, application)
	if *rate > 0 && telling(*told) == byHeaders {
		target = tellingRate(*rate, target)
	}
	var at addresses
	for _, s := range []struct {
		url     *string
		handler http.Handler
	}{
		{&at.Source, delayed(*latency, counted(&b.sourceStatus, source))},
		{&at.Target, b.written.timed(target)},
		{&at.Control, b.control()},
	} {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = server.Serve(listener) }() // ends with the process
		*s.url = "http://" + listener.Addr().String()
	}
	at.Target += basePath
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // the parent holds the other end
	return err
}

// bench is what the control server acts on.
type bench struct {
	source                     *identities
	application                *scimtest.Server
	sourceStatus, targetStatus statuses
	written                    span
	changes                    int
	changed                    string // one of those changed last
}

func (b *bench) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		s := stats{
			Source: tally{b.source.requests(), b.sourceStatus.take()},
			Target: tally{b.application.Requests(), b.targetStatus.take()},
		}
		s.Written, s.Writing = b.written.take()
		s.Users, s.Groups, s.Memberships = b.application.Counts()
		b.source.reset()
		b.application.ResetRequests()
		_ = json.NewEncoder(w).Encode(s) // a reader that is gone wants no answer
	})
	mux.HandleFunc("GET /busy", func(w http.ResponseWriter, _ *http.Request) {
		n := tally{Requests: b.application.Requests()}.total()
		_, _ = fmt.Fprint(w, n)
	})
	mux.HandleFunc("GET /someone", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, b.changed)
	})
	mux.HandleFunc("POST /wipe", func(w http.ResponseWriter, _ *http.Request) { b.answer(w, b.application.Wipe()) })
	mux.HandleFunc("POST /change", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err == nil {
			err = b.change(n)
		}
		b.answer(w, err)
	})
	return mux
}

func (b *bench) answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// change gives n people a title they never had, spread over all of them.
func (b *bench) change(n int) error {
	b.changes++
	users, _, _ := b.application.Counts()
	if users == 0 || n < 1 || n > users {
		return fmt.Errorf("%d changes of %d people", n, users)
	}
	step := users / n
	for i, u := range b.application.Users() {
		if i%step != 0 || i/step >= n {
			continue
		}
		if u.ExternalID == "" {
			return errors.New("the target has people without externalId: run a first load before")
		}
		title := fmt.Sprintf("Title %d", b.changes)
		if err := b.source.retitle(u.ExternalID, title); err != nil {
			return err
		}
		b.changed = u.ExternalID
	}
	return nil
}

// delayed answers after a while.
func delayed(latency time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(latency):
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// statuses counts answers by status.
type statuses struct {
	mu sync.Mutex
	n  map[int]int
}

func (s *statuses) add(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == nil {
		s.n = map[int]int{}
	}
	s.n[status]++
}

// take returns the counts and begins anew.
func (s *statuses) take() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := maps.Clone(s.n)
	clear(s.n)
	return out
}

func counted(s *statuses, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counter{ResponseWriter: w}
		h.ServeHTTP(c, r)
		s.add(max(c.status, http.StatusOK))
	})
}

// counter notes the status of an answer.
type counter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (c *counter) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
