package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const (
	// bodySize bounds what a caller may send.
	bodySize = 1 << 20
	// unknownCallers is how many bodies are read at a time before it is known
	// whose they are.
	unknownCallers = 8
	// secretTime bounds the reading of the token; Okta gives up after 3 s and
	// Graph after 10.
	secretTime = 8 * time.Second
	// busyAfter is when a caller may come again who found every place taken.
	busyAfter = time.Second
)

// Hooks is what POST /hooks/SYNC answers to.
type Hooks struct {
	// Token is what callers show: Authorization: Bearer TOKEN (RFC 6750).
	Token connectors.Secret
	// Syncs are the syncs that may be asked for, and how the vendor of each one's
	// source calls.
	Syncs map[string]connectors.Hook
}

// ErrUnknown says that there is no such sync.
var ErrUnknown = errors.New("there is no such sync")

// RefusedError says that a run cannot be asked for now.
type RefusedError struct {
	// Why is shown to the caller: no names but those of the configuration.
	Why string
	// After is when asking again makes sense; 0: nobody knows.
	After time.Duration
}

// Error returns why.
func (e *RefusedError) Error() string { return e.Why }

// The outcomes of a call, as the metric counts them.
const (
	hookQueued       = "queued"
	hookIgnored      = "ignored"
	hookChallenge    = "challenge"
	hookUnauthorized = "unauthorized"
	hookRefused      = "refused"
	hookBad          = "bad_request"
)

type queued struct {
	Sync   string `json:"sync"`
	Queued bool   `json:"queued"`
	Reason string `json:"reason,omitempty"`
}

type problem struct {
	Error string `json:"error"`
}

// call is one request to a hook.
type call struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	hooks *Hooks
	sync  string
	hook  connectors.Hook
	known bool // the sync exists
	body  []byte
}

func (s *Server) hook(w http.ResponseWriter, r *http.Request) {
	c := &call{Server: s, w: w, r: r, hooks: s.hooks.Load(), sync: r.PathValue("sync")}
	if c.hooks == nil {
		answer(w, http.StatusNotFound, problem{"no hooks are configured: server.hooks"})
		return
	}
	c.hook, c.known = c.hooks.Syncs[c.sync]
	if outcome := c.serve(); outcome != "" {
		label := c.sync
		if !c.known { // anybody may write anything there
			label = ""
		}
		s.o.Metrics.Hooked(label, outcome)
	}
}

// serve answers the call and returns how it ended.
func (c *call) serve() string {
	bearer, shown := bearerOf(c.r)
	if shown && c.r.Method == http.MethodPost {
		// Known by the header: nothing has been read yet.
		if outcome := c.admit(bearer); outcome != "" {
			return outcome
		}
		if outcome := c.readBody(); outcome != "" {
			return outcome
		}
		if c.challenged() {
			return hookChallenge
		}
		return c.trigger()
	}
	if c.known && (c.hook.Challenge != nil || c.hook.Secret != nil) {
		select {
		case c.reading <- struct{}{}:
			defer func() { <-c.reading }()
		default:
			c.retryAfter(busyAfter)
			answer(c.w, http.StatusServiceUnavailable, problem{"too many calls at a time"})
			return hookRefused
		}
		if outcome := c.readBody(); outcome != "" {
			return outcome
		}
		if c.challenged() {
			return hookChallenge
		}
	}
	if c.r.Method != http.MethodPost {
		c.w.Header().Set("Allow", http.MethodPost)
		answer(c.w, http.StatusMethodNotAllowed, problem{"POST asks for a run"})
		return hookBad
	}
	if c.hook.Secret != nil {
		if secret, ok := c.hook.Secret(c.body); ok {
			if outcome := c.admit(secret); outcome != "" {
				return outcome
			}
			return c.trigger()
		}
	}
	return c.unauthorized("")
}

// bearerOf returns the token of the Authorization header (RFC 6750, section 2.1),
// and whether there is such a header at all.
func bearerOf(r *http.Request) (string, bool) {
	value := r.Header.Get("Authorization")
	if value == "" {
		return "", false
	}
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}

// admit lets the call in, or answers it and returns how.
func (c *call) admit(token string) string {
	// Whether the caller stays is nothing to the reading, which serves others too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), secretTime)
	defer cancel()
	known, err := c.doorman.knows(ctx, c.hooks.Token, token)
	switch {
	case err != nil:
		c.o.Log.ErrorContext(ctx, "the token of the hooks cannot be read", "err", err)
		c.retryAfter(time.Minute)
		answer(c.w, http.StatusServiceUnavailable, problem{"the token cannot be checked now"})
		return hookRefused
	case known: // however many were wrong: behind a proxy all have one address
		return ""
	}
	caller := callerOf(c.r.RemoteAddr)
	if wait := c.doorman.waits(caller); wait > 0 {
		c.retryAfter(wait)
		answer(c.w, http.StatusTooManyRequests, problem{"too many wrong tokens from this address"})
		return hookUnauthorized
	}
	c.doorman.failed(caller)
	c.o.Log.WarnContext(ctx, "hook called with a wrong token", "caller", caller)
	return c.unauthorized(`, error="invalid_token"`)
}

func (c *call) unauthorized(detail string) string {
	c.w.Header().Set("WWW-Authenticate", `Bearer realm="scimsync"`+detail)
	answer(c.w, http.StatusUnauthorized, problem{"send Authorization: Bearer with the token of server.hooks"})
	return hookUnauthorized
}

// readBody reads the body once.
func (c *call) readBody() string {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, bodySize))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		answer(c.w, http.StatusRequestEntityTooLarge, problem{fmt.Sprintf("the body is larger than %d MiB", bodySize>>20)})
		return hookBad
	}
	if err != nil {
		answer(c.w, http.StatusBadRequest, problem{"the body broke off"})
		return hookBad
	}
	c.body = body
	return ""
}

// challenged answers the vendor's proof of the address, where the call is one.
func (c *call) challenged() bool {
	return c.hook.Challenge != nil && c.hook.Challenge(c.w, c.r, c.body)
}

// trigger asks for the run of a caller who may.
func (c *call) trigger() string {
	if !c.known {
		answer(c.w, http.StatusNotFound, problem{"there is no such sync"})
		return hookBad
	}
	if c.hook.Ignore != nil {
		if why := c.hook.Ignore(c.body); why != "" {
			c.o.Log.InfoContext(c.r.Context(), "hook ignored", "sync", c.sync, "why", why)
			answer(c.w, http.StatusOK, queued{Sync: c.sync, Reason: why})
			return hookIgnored
		}
	}
	err := c.o.Trigger(c.sync)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		if refused.After > 0 {
			c.retryAfter(refused.After)
		}
		answer(c.w, http.StatusServiceUnavailable, problem{refused.Why})
		return hookRefused
	}
	switch {
	case errors.Is(err, ErrUnknown): // removed by a reload this moment
		answer(c.w, http.StatusNotFound, problem{"there is no such sync"})
		return hookBad
	case err != nil:
		c.o.Log.ErrorContext(c.r.Context(), "hook", "sync", c.sync, "err", err)
		answer(c.w, http.StatusServiceUnavailable, problem{"the run cannot be asked for now; the log says why"})
		return hookRefused
	}
	answer(c.w, http.StatusAccepted, queued{Sync: c.sync, Queued: true})
	return hookQueued
}

// retryAfter says when to come again, in seconds and at least one.
func (c *call) retryAfter(d time.Duration) {
	seconds := int64(max(1, (d+time.Second-1)/time.Second))
	c.w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
}
