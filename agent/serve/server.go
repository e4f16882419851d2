package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// headerTime, requestTime and answerTime bound one exchange, idleTime a
	// connection without one.
	headerTime  = 5 * time.Second
	requestTime = 15 * time.Second
	answerTime  = 30 * time.Second
	idleTime    = time.Minute
	headerSize  = 16 << 10
	// healthTime bounds the questions behind /healthz.
	healthTime = 2 * time.Second
)

// Options are what a server answers from.
type Options struct {
	// Addr is HOST:PORT to listen on; port 0 takes a free one.
	Addr string
	Log  *slog.Logger
	// Health returns what is wrong with the process, or nil. Its context ends
	// after some seconds.
	Health func(ctx context.Context) error
	// Ready says why the daemon will not do its work now, or "".
	Ready func() string
	// Trigger asks for a run of a sync now. A *RefusedError is answered with
	// 503, ErrUnknown with 404.
	Trigger func(sync string) error
	Metrics *Metrics
	// Now is the clock.
	Now func() time.Time
}

// Server serves the endpoints. It is safe for concurrent use.
type Server struct {
	o        Options
	listener net.Listener
	http     *http.Server
	hooks    atomic.Pointer[Hooks]
	doorman  *doorman
	// reading bounds the bodies of callers that are not known yet.
	reading chan struct{}
}

// Listen binds the address, so that a mistake in it is known at once; Serve then
// answers. Hooks answer 404 until SetHooks.
func Listen(ctx context.Context, o Options) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("server.addr %s: %w", o.Addr, err)
	}
	s := &Server{o: o, listener: listener, doorman: newDoorman(o.Now), reading: make(chan struct{}, unknownCallers)}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime,
		IdleTimeout: idleTime, MaxHeaderBytes: headerSize,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// SetHooks replaces what POST /hooks/SYNC answers; nil: 404.
func (s *Server) SetHooks(h *Hooks) { s.hooks.Store(h) }

// Serve answers until Shutdown.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	return nil
}

// Shutdown lets the answers on their way end, until ctx does, and closes the rest.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.o.Metrics.handler(s.o.Log))
	mux.HandleFunc("/hooks/{sync}", s.hook)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// state is the answer of /healthz and /readyz.
type state struct {
	Status string `json:"status"` // ok or unavailable
	Reason string `json:"reason,omitempty"`
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTime)
	defer cancel()
	if err := s.o.Health(ctx); err != nil {
		// The error may name paths of this machine: they go to the log.
		s.o.Log.WarnContext(ctx, "not healthy", "err", err)
		answer(w, http.StatusServiceUnavailable, state{"unavailable", "the state file does not answer; the log says why"})
		return
	}
	answer(w, http.StatusOK, state{Status: "ok"})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if why := s.o.Ready(); why != "" {
		answer(w, http.StatusServiceUnavailable, state{"unavailable", why})
		return
	}
	answer(w, http.StatusOK, state{Status: "ok"})
}

// answer writes one JSON object and a line break.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone: nobody is left to tell
}
