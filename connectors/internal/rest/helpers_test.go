package rest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// wireFunc is a wire in this process, for tests in a synctest bubble.
type wireFunc func(*http.Request) (*http.Response, error)

func (f wireFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond makes an answer; headers are name, value pairs.
func respond(r *http.Request, status int, body string, headers ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &http.Response{
		StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: r,
	}
}

// notSent tells the trace that a connection was sought, and no more.
func notSent(r *http.Request) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GetConn != nil {
		trace.GetConn(r.URL.Host)
	}
}

// fake returns a client on top of wire.
func fake(t *testing.T, cfg Config, wire wireFunc) *http.Client {
	t.Helper()
	if cfg.Base == nil {
		cfg.Base = parse(t, "https://api.example.com/v1")
	}
	own, err := newOrigin(cfg.Base)
	if err != nil {
		t.Fatal(err)
	}
	return newStack(cfg, own, wire, patient())
}

// serve starts a server and returns a client for it.
func serve(t *testing.T, cfg Config, handler http.HandlerFunc) (*http.Client, *url.URL) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg.Base = parse(t, server.URL)
	return dial(t, cfg), cfg.Base
}

func dial(t *testing.T, cfg Config) *http.Client {
	t.Helper()
	client, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

//nolint:revive // t comes first in test helpers
func request(t *testing.T, ctx context.Context, method, address, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, reader)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// send does one request and returns its body.
func send(t *testing.T, client *http.Client, method, address, body string) (string, error) {
	t.Helper()
	resp, err := Do(client, request(t, t.Context(), method, address, body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), err
}

func wantClass(t *testing.T, err error, want connectors.Class) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want class %s", want)
	}
	if got := connectors.ClassOf(err); got != want {
		t.Fatalf("class %s, want %s: %v", got, want, err)
	}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the error: %v", part, err)
		}
	}
}

// logged is a runtime that logs everything to a buffer.
func logged() (connectors.Runtime, *logBuffer) {
	var b logBuffer
	return connectors.Runtime{
		Log:     slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Traffic: new(connectors.Traffic), UserAgent: "scimsync/test",
	}, &b
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func seconds(n float64) connectors.Duration {
	return connectors.Duration(n * float64(time.Second))
}
