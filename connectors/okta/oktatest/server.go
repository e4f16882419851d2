package oktatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

// DefaultToken is the API token a server accepts when Options name no other.
const DefaultToken = "00SandboxTokenOfSyntheticPeople_0123456789"

// Options are the server's behaviour. The zero value is a healthy org.
type Options struct {
	// Token is the only SSWS token accepted; default DefaultToken.
	Token string
	// Owner is the login users/me answers; default the first user.
	Owner string
	// Links is how paging links are written.
	Links LinkStyle
	// TrailingPage makes every full page carry a next link, so that the last
	// one may lead to an empty page.
	TrailingPage bool
	// EmptyPages makes every page be preceded by an empty one with a link.
	EmptyPages bool
	// PageSize bounds the objects of a page, whatever was asked for; zero
	// leaves Okta's bounds.
	PageSize int
	// RateLimit bounds the requests per Window (default a minute) for each
	// kind of path; zero enforces none.
	RateLimit int
	Window    time.Duration
	// ConcurrentLimit bounds the requests in flight; zero enforces none.
	ConcurrentLimit int
	// Latency delays every answer.
	Latency time.Duration
	// LogLag keeps every second entry of the System Log that much later than it
	// was published; LogHidden shows it that much later than it was kept, as an
	// index does that lags. Entries come out of order by either.
	LogLag, LogHidden time.Duration
	// LogPage bounds the entries of a page of the System Log; default 1000.
	LogPage int
	// ListLag is how long after a change filter and search still answer from
	// before it: what changed within it is not found by its times.
	ListLag time.Duration
	// Now is the server's clock; default time.Now.
	Now func() time.Time
}

// LinkStyle is how paging links are written.
type LinkStyle int

// The styles. Okta writes a header line for each link; a proxy may join them.
// SelfLinks and OtherHost are what a broken or hostile middle box would do.
const (
	SeparateLines LinkStyle = iota
	JoinedLine
	SelfLinks
	OtherHost
)

// Foreign is the host that OtherHost links to.
const Foreign = "attacker.example.com"

// Server is the org. It is an http.Handler, safe for concurrent use, and may be
// served by Start or by any other server.
type Server struct {
	faulttest.Schedule[Effect]

	mux  *http.ServeMux
	http *http.Server
	url  string

	mu      sync.RWMutex // guards store and options
	store   *store
	options Options
	clients map[string]Client

	state   sync.Mutex // guards what follows
	counts  map[string]int
	windows map[string]*window
	flying  int
	tokens  map[string]grant
	spent   map[string]bool // jti seen
	leaked  int
}

type window struct {
	until time.Time
	used  int
}

// New returns a server over the world, which it refuses when it contradicts
// itself. The profiles of w are kept, not copied.
func New(w World) (*Server, error) {
	st, err := newStore(w)
	if err != nil {
		return nil, fmt.Errorf("oktatest: %w", err)
	}
	s := &Server{
		mux: http.NewServeMux(), store: st, clients: map[string]Client{},
		counts: map[string]int{}, windows: map[string]*window{},
		tokens: map[string]grant{}, spent: map[string]bool{},
	}
	s.routes()
	return s, nil
}

// Configure changes the server's behaviour, also while it serves.
func (s *Server) Configure(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

// Start serves on addr ("127.0.0.1:0" for any free port) until Close and
// returns the org's URL.
func (s *Server) Start(addr string) (string, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("oktatest: %w", err)
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.url = "http://" + listener.Addr().String()
	go func() {
		// Serve ends when Close is called, with an error that says so.
		_ = s.http.Serve(listener)
	}()
	return s.url, nil
}

// URL returns the address Start serves on.
func (s *Server) URL() string { return s.url }

// Close ends what Start began, and every connection.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	if err := s.http.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("oktatest: %w", err)
	}
	return nil
}

// Requests returns how many requests came for each method and path pattern,
// such as "GET /api/v1/groups/{id}/users", whatever became of them. Those below
// /sandbox/ are not counted.
func (s *Server) Requests() map[string]int {
	s.state.Lock()
	defer s.state.Unlock()
	return maps.Clone(s.counts)
}

// Total returns the sum of Requests.
func (s *Server) Total() int {
	total := 0
	for _, n := range s.Requests() {
		total += n
	}
	return total
}

// ResetRequests sets the counters to zero.
func (s *Server) ResetRequests() {
	s.state.Lock()
	defer s.state.Unlock()
	clear(s.counts)
}

func (s *Server) routes() {
	api := func(pattern, scope string, answer func(*call)) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.serve(w, r, pattern, scope, answer)
		})
	}
	api("GET /api/v1/users", "okta.users.read", s.listUsers)
	api("GET /api/v1/users/me", "okta.users.read.self", s.getMe)
	api("GET /api/v1/users/{id}", "okta.users.read", s.getUser)
	api("GET /api/v1/groups", "okta.groups.read", s.listGroups)
	api("GET /api/v1/groups/{id}", "okta.groups.read", s.getGroup)
	api("GET /api/v1/groups/{id}/users", "okta.groups.read", s.listMembers)
	api("GET /api/v1/apps/{id}", "okta.apps.read", s.getApp)
	api("GET /api/v1/apps/{id}/users", "okta.apps.read", s.listAppUsers)
	api("GET /api/v1/apps/{id}/users/{user}", "okta.apps.read", s.getAppUser)
	api("GET /api/v1/apps/{id}/groups", "okta.apps.read", s.listAppGroups)
	api("GET /api/v1/apps/{id}/groups/{group}", "okta.apps.read", s.getAppGroup)
	api("GET /api/v1/org", "okta.orgs.read", s.getOrg)
	api("GET /api/v1/logs", "okta.logs.read", s.listLogs)
	api("POST /oauth2/v1/token", "", s.token)
	api("/", "", func(c *call) { c.fail(notFound("Resource not found: " + c.r.URL.Path)) })
	s.sandboxRoutes()
}

// ServeHTTP answers the API, the token endpoint and /sandbox/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// call is one request on its way through a handler.
type call struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	options Options
	base    string // scheme and host as the client wrote them
	lean    bool
	grant   grant
	now     time.Time
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, pattern, scope string, answer func(*call)) {
	s.mu.RLock()
	options := s.options
	s.mu.RUnlock()
	if options.Now == nil {
		options.Now = time.Now
	}
	c := &call{s: s, w: w, r: r, options: options, base: baseURL(r), now: options.Now(), lean: wantsLean(r)}
	w.Header().Set("Date", c.now.UTC().Format(http.TimeFormat))
	limit, remaining, reset, over := s.admit(c, pattern)
	defer s.leave()
	setRate(w.Header(), limit, remaining, reset)
	w.Header().Set("X-Okta-Request-Id", "req"+strconv.FormatInt(c.now.UnixNano(), 36))
	if s.strike(c) {
		return
	}
	if !faulttest.Wait(r.Context(), options.Latency) {
		return
	}
	if over {
		c.fail(failure{status: http.StatusTooManyRequests, code: "E0000047", summary: "API call exceeded rate limit due to too many requests."})
		return
	}
	if pattern != "POST /oauth2/v1/token" {
		if problem := c.authorize(scope); problem != nil {
			c.fail(*problem)
			return
		}
	}
	answer(c)
}

// admit counts the request and says where it stands in the limits.
func (s *Server) admit(c *call, pattern string) (limit, remaining int, reset time.Time, over bool) {
	s.state.Lock()
	defer s.state.Unlock()
	if pattern == "/" {
		pattern = c.r.Method + " " + c.r.URL.Path
	}
	s.counts[pattern]++
	s.flying++
	span := c.options.Window
	if span <= 0 {
		span = time.Minute
	}
	win := s.windows[pattern]
	if win == nil || !c.now.Before(win.until) {
		win = &window{until: c.now.Add(span)}
		s.windows[pattern] = win
	}
	if c.options.ConcurrentLimit > 0 && s.flying > c.options.ConcurrentLimit {
		// Both zero is how Okta marks the limit on requests in flight; the
		// reset is an estimate only (reference/rl-best-practices).
		return 0, 0, c.now.Add(span), true
	}
	if c.options.RateLimit <= 0 {
		return 10_000, 9_999, win.until, false
	}
	if win.used >= c.options.RateLimit {
		return c.options.RateLimit, 0, win.until, true
	}
	win.used++
	return c.options.RateLimit, c.options.RateLimit - win.used, win.until, false
}

func (s *Server) leave() {
	s.state.Lock()
	defer s.state.Unlock()
	s.flying--
}

func setRate(h http.Header, limit, remaining int, reset time.Time) {
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(remaining))
	// Whole seconds, rounded up: a client that waits until then is let in.
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10))
}

func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
