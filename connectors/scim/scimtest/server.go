package scimtest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Server is a SCIM service provider. It is an http.Handler and safe for
// concurrent use.
type Server struct {
	options Options
	users   *resourceType
	groups  *resourceType

	mu      sync.RWMutex // guards store, journal and closed
	store   *store
	journal *journal
	closed  bool

	token   atomic.Pointer[string]
	hazards atomic.Pointer[Hazards]
	bucket  *bucket

	hazardMu sync.Mutex
	matched  map[string]int
	fired    map[string]int

	requestMu sync.Mutex
	counts    map[string]int
	log       []Request
}

// New returns a server, with what Options.File holds from before.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		options: o, users: userType(), groups: groupType(), store: newStore(), bucket: newBucket(o.RateLimit),
		matched: map[string]int{}, fired: map[string]int{}, counts: map[string]int{},
	}
	s.token.Store(&o.Token)
	s.SetHazards(o.Hazards)
	if o.File != "" {
		if s.journal, err = openJournal(o.File, s.store); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close closes the file; writes fail from then on. What was answered is already
// in it.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil || s.closed {
		return nil
	}
	s.closed = true
	return s.journal.file.Close()
}

// Start serves on a free loopback port. It returns the URL, base path
// included, and a function that ends the listener and every connection; Close
// is still to be called where a file is used.
func (s *Server) Start() (string, func()) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic("scimtest: no loopback port to listen on: " + err.Error())
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with ErrServerClosed
	}()
	return "http://" + listener.Addr().String() + s.options.BasePath, func() {
		_ = server.Close()
		<-done
	}
}

// SetToken replaces the bearer token: the old one is refused from now on.
func (s *Server) SetToken(token string) { s.token.Store(&token) }

// call is one SCIM request on its way.
type call struct {
	r       *http.Request
	h       *Hazards
	body    []byte
	path    string   // after the base path, escaped: /Users/2819c223
	parts   []string // of path, unescaped
	query   url.Values
	baseURL string // how meta.location begins
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sandbox") {
		s.serveSandbox(w, r)
		return
	}
	c := &call{r: r, h: s.hazards.Load()}
	fault := s.open(c, w)
	if !s.wait(r.Context(), s.options.Latency) {
		panic(http.ErrAbortHandler)
	}
	var a *answer
	if fault != nil {
		a = s.refuse(c.h, fault)
	} else {
		a = s.answer(c)
	}
	s.count(c, a)
	s.send(w, c, a)
}

// open reads the request, within bounds.
func (s *Server) open(c *call, w http.ResponseWriter) *fault {
	escaped := c.r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(escaped, s.options.BasePath)
	if !ok || rest != "" && rest[0] != '/' {
		return notFound("no SCIM service at this path; it begins at " + s.options.BasePath + ":")
	}
	c.path = strings.TrimSuffix(rest, "/")
	for part := range strings.SplitSeq(strings.TrimPrefix(c.path, "/"), "/") {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return invalidSyntax("path: %v", err)
		}
		c.parts = append(c.parts, plain)
	}
	origin := "http://" + c.r.Host
	if c.r.TLS != nil {
		origin = "https://" + c.r.Host
	}
	if c.h.LocationElsewhere != "" {
		origin = strings.TrimSuffix(c.h.LocationElsewhere, "/")
	}
	c.baseURL = origin + s.options.BasePath

	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return invalidSyntax("query: %v", err)
	}
	c.body, err = io.ReadAll(http.MaxBytesReader(w, c.r.Body, s.options.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		c.body = nil
		return &fault{http.StatusRequestEntityTooLarge, "", "the body is larger than the server takes"}
	case err != nil:
		return invalidSyntax("body: %v", err)
	}
	return nil
}

// answer lets the hazards that come before any work have their turn, checks the
// credential, and does the work.
func (s *Server) answer(c *call) *answer {
	if a := s.preempt(c); a != nil {
		return a
	}
	if !s.authorized(c.r) {
		a := s.refuse(c.h, &fault{http.StatusUnauthorized, "", "the credential is missing or not valid"})
		a.challenge = s.challenge()
		return a
	}
	a, err := s.route(c)
	if err == nil {
		return a
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{http.StatusInternalServerError, "", err.Error()}
	}
	return s.refuse(c.h, f)
}

func (s *Server) challenge() string {
	if s.options.Token != "" {
		return `Bearer realm="scim"`
	}
	return `Basic realm="scim"`
}

func (s *Server) authorized(r *http.Request) bool {
	if user, password, ok := r.BasicAuth(); ok {
		return s.options.Username != "" && same(user, s.options.Username) && same(password, s.options.Password)
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want := *s.token.Load()
	return strings.EqualFold(scheme, "Bearer") && want != "" && same(token, want)
}

// same compares credentials in constant time.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// wait returns false when the client left first.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) typeOf(k identity.Kind) *resourceType {
	if k == identity.User {
		return s.users
	}
	return s.groups
}

func (s *Server) types() []*resourceType { return []*resourceType{s.users, s.groups} }
