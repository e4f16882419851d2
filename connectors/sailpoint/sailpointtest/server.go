package sailpointtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

// Options are the server's behaviour. The zero value is a healthy tenant.
type Options struct {
	// RateLimit bounds the requests of a client to one version of the API in
	// each Window (default 10 s); zero enforces none. SailPoint's is RateLimit.
	RateLimit int
	Window    time.Duration
	// Latency delays every answer.
	Latency time.Duration
	// PageCap lowers the number of rows of a page without saying so.
	PageCap int
	// HideTotal leaves X-Total-Count out.
	HideTotal bool
	// RequireExperimental refuses calls without X-SailPoint-Experimental.
	RequireExperimental bool
	// Deprecated marks every answer with X-Deprecated: true.
	Deprecated bool
	// Aggregation are the states that an aggregation is asked for in turn, the
	// last for ever; default STARTED, ACCOUNTS_COLLECTED, COMPLETED. NOT_FOUND
	// is answered 404.
	Aggregation []string
	// Aggregated is called when an aggregation is first told to be COMPLETED:
	// what it changes is what the aggregation brought.
	Aggregated func()
	// Now is the server's clock; default time.Now.
	Now func() time.Time
}

// RateLimit is what SailPoint allows in 10 seconds (developer.sailpoint.com,
// "Rate Limits").
const RateLimit = 100

// Server is the tenant. It is an http.Handler, safe for concurrent use, and may
// be served by Start or by any other server.
type Server struct {
	faulttest.Schedule[Effect]

	sandbox *http.ServeMux
	http    *http.Server
	url     string

	mu      sync.RWMutex // guards store, options and clients
	store   *store
	options Options
	clients map[string]Client

	state        sync.Mutex // guards what follows
	counts       map[string]int
	windows      map[string]*window
	tokens       map[string]grant
	issued       int
	aggregations map[string]*aggregation
}

// window holds the times of the requests that were let in, no older than the
// window is long.
type window struct {
	times []time.Time
	most  int // at any time
}

// New returns a server over the world, which it refuses when it contradicts
// itself. It knows the clients DefaultClient and ServiceClient.
func New(w World) (*Server, error) {
	st, err := newStore(w)
	if err != nil {
		return nil, fmt.Errorf("sailpointtest: %w", err)
	}
	s := &Server{
		sandbox: http.NewServeMux(), store: st, clients: map[string]Client{},
		counts: map[string]int{}, windows: map[string]*window{}, tokens: map[string]grant{},
		aggregations: map[string]*aggregation{},
	}
	s.Register(DefaultClient())
	s.Register(ServiceClient())
	s.sandboxRoutes()
	return s, nil
}

// Configure changes the server's behaviour, also while it serves.
func (s *Server) Configure(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

// now is the server's clock. The caller holds mu.
func (s *Server) now() time.Time {
	if s.options.Now != nil {
		return s.options.Now()
	}
	return time.Now()
}

// Start serves on addr ("127.0.0.1:0" for any free port) until Close and returns
// the tenant's URL.
func (s *Server) Start(addr string) (string, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("sailpointtest: %w", err)
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
		return fmt.Errorf("sailpointtest: %w", err)
	}
	return nil
}

// Requests returns how many requests came for each method and call, whatever the
// version ("GET /accounts", "POST /sources/{id}/load-accounts") and whatever
// became of them. Those below /sandbox/ are not counted.
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

// call is one request on its way through a handler.
type call struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	options Options
	version string // v2025, or v1 in the new style
	id      string // of the object in the path
	grant   grant
	now     time.Time
}

// endpoint is one call of the API.
type endpoint struct {
	name   string
	needs  need
	answer func(*call)
}

// need is whom a call wants.
type need int

const (
	anybody need = iota // the token endpoint
	either              // a user or an API client
	user                // a user only
)

var (
	version  = regexp.MustCompile(`^(v3|beta|v20\d\d)$`)
	resource = regexp.MustCompile(`^v\d+$`)
)

// route finds the call of a path: /v2025/accounts/{id} or /accounts/v1/{id}.
func (s *Server) route(r *http.Request) (endpoint, string, string) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.URL.Path == "/oauth/token" && r.Method == http.MethodPost {
		return endpoint{"POST /oauth/token", anybody, s.token}, "", ""
	}
	if r.URL.Path == "/oauth/info" && r.Method == http.MethodGet {
		return endpoint{"GET /oauth/info", anybody, s.oauthInfo}, "", ""
	}
	unknown := endpoint{r.Method + " " + r.URL.Path, either, func(c *call) { c.fail(missing("path " + c.r.URL.Path)) }}
	var api string
	switch {
	case len(segments) >= 2 && version.MatchString(segments[0]):
		api, segments = segments[0], segments[1:]
	case len(segments) >= 2 && resource.MatchString(segments[1]):
		api = segments[1]
		segments = append([]string{segments[0]}, segments[2:]...)
	default:
		return unknown, "", ""
	}
	name, id := segments[0], ""
	if len(segments) > 1 {
		id = segments[1]
		segments[1] = "{id}"
	}
	pattern := r.Method + " /" + strings.Join(segments, "/")
	e, ok := s.endpoints()[pattern]
	// These are not part of v3 (API versions, "v3").
	if !ok || api == "v3" && (name == "entitlements" || strings.HasSuffix(pattern, "/load-accounts") || name == "account-aggregations") {
		return unknown, api, id
	}
	e.name = pattern
	return e, api, id
}

func (s *Server) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"GET /sources":                          {needs: either, answer: s.listSources},
		"GET /sources/{id}":                     {needs: either, answer: s.getSource},
		"GET /entitlements":                     {needs: either, answer: s.listEntitlements},
		"GET /entitlements/{id}":                {needs: either, answer: s.getEntitlement},
		"GET /accounts":                         {needs: either, answer: s.listAccounts},
		"GET /accounts/{id}":                    {needs: either, answer: s.getAccount},
		"GET /access-profiles":                  {needs: user, answer: s.listProfiles},
		"GET /access-profiles/{id}":             {needs: user, answer: s.getProfile},
		"POST /sources/{id}/load-accounts":      {needs: either, answer: s.loadAccounts},
		"GET /account-aggregations/{id}/status": {needs: user, answer: s.aggregationStatus},
	}
}

// ServeHTTP answers the API, the token endpoint and /sandbox/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sandbox/") {
		s.sandbox.ServeHTTP(w, r)
		return
	}
	s.mu.RLock()
	options, now := s.options, s.now()
	s.mu.RUnlock()
	e, api, id := s.route(r)
	s.state.Lock()
	s.counts[e.name]++
	s.state.Unlock()
	c := &call{s: s, w: w, r: r, options: options, version: api, id: id, now: now}
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if options.Deprecated {
		w.Header().Set("X-Deprecated", "true")
	}
	if s.strike(c) || !faulttest.Wait(r.Context(), options.Latency) {
		return
	}
	if e.needs != anybody {
		if problem := c.authorize(e.needs); problem != nil {
			c.fail(*problem)
			return
		}
		if after, over := s.admit(c); over {
			c.throttle(after)
			return
		}
		if options.RequireExperimental && r.Header.Get("X-SailPoint-Experimental") != "true" {
			c.fail(failure{status: http.StatusForbidden, code: "403 Forbidden", text: "This API is experimental. Set the header X-SailPoint-Experimental to true."})
			return
		}
	}
	e.answer(c)
}

// admit counts the request against the limit of its client and version.
// The window slides: no stretch of its length holds more.
func (s *Server) admit(c *call) (time.Duration, bool) {
	s.state.Lock()
	defer s.state.Unlock()
	key := c.grant.client + " " + c.version
	win := s.windows[key]
	if win == nil {
		win = &window{}
		s.windows[key] = win
	}
	length := cmp.Or(c.options.Window, 10*time.Second)
	win.times = slices.DeleteFunc(win.times, func(t time.Time) bool { return c.now.Sub(t) >= length })
	if limit := c.options.RateLimit; limit > 0 && len(win.times) >= limit {
		return win.times[0].Add(length).Sub(c.now), true
	}
	win.times = append(win.times, c.now)
	win.most = max(win.most, len(win.times))
	return 0, false
}

// Busiest returns the most requests of one client to one version of the API that
// were let in within any Window, the token endpoint aside.
func (s *Server) Busiest() int {
	s.state.Lock()
	defer s.state.Unlock()
	most := 0
	for _, win := range s.windows {
		most = max(most, win.most)
	}
	return most
}

// throttle answers 429. Retry-After is in seconds, and zero leaves it out.
func (c *call) throttle(after time.Duration) {
	if after > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	c.fail(failure{status: http.StatusTooManyRequests, code: "429.0 Too Many Requests", text: " Rate Limit Exceeded. "})
}
