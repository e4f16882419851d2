package entratest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/faulttest"
)

// DefaultToken is the access token a server accepts when Options name no other;
// it is good for everything the server can be asked.
const DefaultToken = "eyJzYW5kYm94IjoiZW50cmEifQ.SandboxTokenOfSyntheticPeople.0123456789"

// Options are the server's behaviour. The zero value is a healthy tenant.
type Options struct {
	// Token is the static access token accepted; default DefaultToken.
	Token string
	// PageSize is how many objects a page of a delta round holds; default 200.
	// Clients cannot choose it.
	PageSize int
	// MembersPerPage is how many members of one group a page of a delta round
	// holds; default 200.
	MembersPerPage int
	// Interleave tells the first members of every group before the rest of
	// any, so that a group comes again after others.
	Interleave bool
	// Duplicates repeats the last object of a page at the start of the next.
	Duplicates bool
	// Replay makes a delta round tell that many changes again that were told
	// before.
	Replay int64
	// EmptyPages starts every delta round with a page that holds nothing.
	EmptyPages bool
	// Tombstones makes a first round tell soft-deleted objects, as removed.
	Tombstones bool
	// Resync is the answer to a delta token that is no longer good.
	Resync Resync
	// TokenLife is how long delta tokens are good; default 7 days.
	TokenLife time.Duration
	// Links is how the links to the next page are written.
	Links LinkStyle
	// RateLimit bounds the requests per Window (default ten seconds); zero
	// enforces none.
	RateLimit int
	Window    time.Duration
	// Latency delays every answer.
	Latency time.Duration
	// Now is the server's clock; default time.Now.
	Now func() time.Time
}

// Resync is the form in which Graph says that a delta token has ended.
type Resync int

// The forms: 410 with a Location, as the delta query overview has it, and the
// 400 that the directory sends once a token is older than seven days.
const (
	ResyncGone Resync = iota
	ResyncBadRequest
)

// LinkStyle is how paging links are written. SelfLinks and OtherHost are what a
// broken or hostile middle box would do.
type LinkStyle int

// The styles.
const (
	PlainLinks LinkStyle = iota
	SelfLinks
	OtherHost
	NoLinks // pages end without any link
)

// Foreign is the host that OtherHost links to.
const Foreign = "attacker.example.com"

// The permissions a client may be granted (learn.microsoft.com, "Microsoft Graph
// permissions reference").
const (
	UserRead        = "User.Read.All"
	GroupMemberRead = "GroupMember.Read.All"
	ApplicationRead = "Application.Read.All"
)

// Server is the tenant. It is an http.Handler, safe for concurrent use, and may
// be served by Start, by StartTLS or by any other server.
type Server struct {
	faulttest.Schedule[Effect]

	mux  *http.ServeMux
	http *http.Server
	url  string

	mu         sync.RWMutex // guards what follows
	store      *store
	options    Options
	tenant     string
	clients    map[string]Client
	generation int // of delta tokens

	state  sync.Mutex // guards what follows
	counts map[string]int
	window window
	grants map[string]grant
	rounds map[string]*round
	serial int
}

type window struct {
	until time.Time
	used  int
}

// New returns a server over the world, which it refuses when it contradicts
// itself.
func New(w World) (*Server, error) {
	st, err := newStore(w)
	if err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	s := &Server{
		mux: http.NewServeMux(), store: st, tenant: cmp.Or(w.Tenant, DefaultTenant), clients: map[string]Client{},
		counts: map[string]int{}, grants: map[string]grant{}, rounds: map[string]*round{},
	}
	s.routes()
	return s, nil
}

// Tenant returns the tenant id.
func (s *Server) Tenant() string { return s.tenant }

// Configure changes the server's behaviour, also while it serves.
func (s *Server) Configure(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

// ExpireTokens ends every delta token handed out so far.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
}

// Start serves plain http on addr ("127.0.0.1:0" for any free port) until Close
// and returns the URL to put in place of https://graph.microsoft.com. The token
// endpoint needs https for Microsoft's own libraries: serve the Server with
// httptest.NewTLSServer for those.
func (s *Server) Start(addr string) (string, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("entratest: %w", err)
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
		return fmt.Errorf("entratest: %w", err)
	}
	return nil
}

// Requests returns how many requests came for each method and path pattern,
// such as "GET /v1.0/groups/{id}/members", whatever became of them. The three
// spellings of delta count as one. Those below /sandbox/ are not counted.
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
	api := func(pattern, permission string, answer func(*call)) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, pattern, permission, answer) })
	}
	v := "GET /v1.0/"
	api(v+"users", UserRead, func(c *call) { c.list(TypeUser) })
	api(v+"users/{id}", UserRead, func(c *call) { c.object(TypeUser) })
	api(v+"users/{id}/memberOf", UserRead, func(c *call) { c.memberOf(false) })
	api(v+"users/{id}/transitiveMemberOf", UserRead, func(c *call) { c.memberOf(true) })
	api(v+"groups", GroupMemberRead, func(c *call) { c.list(TypeGroup) })
	api(v+"groups/{id}", GroupMemberRead, func(c *call) { c.object(TypeGroup) })
	for _, name := range []string{"members", "transitiveMembers"} {
		transitive := name == "transitiveMembers"
		path := v + "groups/{id}/" + name
		api(path, GroupMemberRead, func(c *call) { c.members(transitive, "") })
		for _, namespace := range []string{"microsoft.graph.", "graph."} {
			api(path+"/"+namespace+"user", GroupMemberRead, func(c *call) { c.members(transitive, TypeUser) })
			api(path+"/"+namespace+"group", GroupMemberRead, func(c *call) { c.members(transitive, TypeGroup) })
		}
	}
	// The shortcut, and the names that Microsoft's SDKs write.
	for _, spelling := range []string{"delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"} {
		for kind, permission := range map[string]string{TypeUser: UserRead, TypeGroup: GroupMemberRead} {
			pattern := v + kind + "s/" + spelling
			s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				s.serve(w, r, v+kind+"s/delta", permission, func(c *call) { c.delta(kind) })
			})
		}
	}
	api(v+"servicePrincipals/{id}/appRoleAssignedTo", ApplicationRead, func(c *call) { c.assignedTo() })
	api("GET /{tenant}/v2.0/.well-known/openid-configuration", "", s.discovery)
	api("POST /{tenant}/oauth2/v2.0/token", "", s.token)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// A pattern cannot hold a name within a segment.
		if appID, ok := alternateKey(r.URL.Path, "servicePrincipals"); ok && r.Method == http.MethodGet {
			s.serve(w, r, v+"servicePrincipals(appId)", ApplicationRead, func(c *call) { c.servicePrincipal(appID) })
			return
		}
		if appID, ok := alternateKey(r.URL.Path, "applications"); ok && r.Method == http.MethodGet {
			s.serve(w, r, v+"applications(appId)", ApplicationRead, func(c *call) { c.application(appID) })
			return
		}
		s.serve(w, r, r.Method+" "+r.URL.Path, "", func(c *call) {
			c.fail(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '"+lastSegment(r.URL.Path)+"'.")
		})
	})
	s.sandboxRoutes()
}

// alternateKey reads COLLECTION(appId='ID').
func alternateKey(path, collection string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/v1.0/"+collection+"(appId='")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "')")
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// ServeHTTP answers Graph, the token endpoint and /sandbox/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// call is one request on its way through a handler.
type call struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	options Options
	base    string // scheme and host as the client wrote them
	now     time.Time
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, pattern, permission string, answer func(*call)) {
	s.mu.RLock()
	options := s.options
	s.mu.RUnlock()
	if options.Now == nil {
		options.Now = time.Now
	}
	c := &call{s: s, w: w, r: r, options: options, base: baseURL(r), now: options.Now()}
	over := s.admit(c, pattern)
	h := w.Header()
	h.Set("Date", c.now.UTC().Format(http.TimeFormat))
	h.Set("request-id", newID("4e900000", s.next()))
	if s.strike(c) || !faulttest.Wait(r.Context(), options.Latency) {
		return
	}
	if over > 0 {
		h.Set("Retry-After", strconv.Itoa(int(over.Seconds())+1))
		c.fail(http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v1.0/") && !c.authorize(permission) {
		return
	}
	answer(c)
}

func (s *Server) next() int {
	s.state.Lock()
	defer s.state.Unlock()
	s.serial++
	return s.serial
}

// admit counts the request and returns for how long it is too early.
func (s *Server) admit(c *call, pattern string) time.Duration {
	s.state.Lock()
	defer s.state.Unlock()
	s.counts[pattern]++
	if c.options.RateLimit <= 0 {
		return 0
	}
	if !c.now.Before(s.window.until) {
		s.window = window{until: c.now.Add(cmp.Or(c.options.Window, 10*time.Second))}
	}
	s.window.used++
	if s.window.used > c.options.RateLimit {
		return s.window.until.Sub(c.now)
	}
	return 0
}

func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
