package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const goodToken = "a-token-of-the-hooks-0123456789"

// rig is a server on loopback with what it answers from in the hands of the test.
type rig struct {
	*Server
	t      *testing.T
	url    string
	log    *safeBuffer
	tokens string // the file the token is in

	mu        sync.Mutex
	now       time.Time
	healthErr error
	unready   string
	refuse    error
	asked     []string
}

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, log: &safeBuffer{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), tokens: filepath.Join(t.TempDir(), "token")}
	r.keep(goodToken)
	var err error
	r.Server, err = Listen(t.Context(), Options{
		Addr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: NewMetrics("v1.2.3"),
		Now: func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now },
		Health: func(context.Context) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.healthErr
		},
		Ready: func() string { r.mu.Lock(); defer r.mu.Unlock(); return r.unready },
		Trigger: func(name string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.refuse == nil {
				r.asked = append(r.asked, name)
			}
			return r.refuse
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(r.Shutdown(context.WithoutCancel(t.Context())), <-served); err != nil {
			t.Error(err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	r.url = "http://" + r.Addr()
	r.SetHooks(r.hooks(connectors.Hook{}))
	return r
}

func (r *rig) keep(token string) {
	r.t.Helper()
	if err := os.WriteFile(r.tokens, []byte(token+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) hooks(h connectors.Hook) *Hooks {
	return &Hooks{Token: connectors.Secret{File: r.tokens}, Syncs: map[string]connectors.Hook{"main": h}}
}

func (r *rig) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *rig) triggered() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// ask sends one request; headers are pairs.
func (r *rig) ask(method, path, body string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		r.t.Errorf("%s %s: X-Content-Type-Options is %q", method, path, got)
	}
	return resp, string(data)
}
