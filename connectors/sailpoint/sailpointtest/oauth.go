package sailpointtest

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Client is a credential: a personal access token acts as its owner, an API
// client as nobody (developer.sailpoint.com, "Authentication").
type Client struct {
	ID, Secret string
	// Owner is the user of a personal access token; empty for an API client.
	Owner string
	// Lifetime of an access token; default 749 seconds, as SailPoint's.
	Lifetime time.Duration
	// Denied are the calls answered 403, such as "GET /accounts".
	Denied []string
}

// DefaultClient is a personal access token of a source administrator.
func DefaultClient() Client {
	return Client{ID: "sandbox-personal-token", Secret: "sandbox-secret-of-synthetic-people-0123456789", Owner: "sandbox.admin"}
}

// ServiceClient is an API client without a user.
func ServiceClient() Client {
	return Client{ID: "sandbox-api-client", Secret: "sandbox-secret-of-an-api-client-0123456789"}
}

// grant is what an access token stands for.
type grant struct {
	client string
	until  time.Time
}

// Register adds a client, or replaces the one with its ID.
func (s *Server) Register(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// RevokeTokens ends every access token there is.
func (s *Server) RevokeTokens() {
	s.state.Lock()
	defer s.state.Unlock()
	clear(s.tokens)
}

// authorize checks the credential of a request and what it may do.
func (c *call) authorize(needs need) *failure {
	scheme, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	c.s.state.Lock()
	g, known := c.s.tokens[value]
	c.s.state.Unlock()
	if scheme != "Bearer" || !known || !c.now.Before(g.until) {
		return &failure{status: http.StatusUnauthorized, gateway: true, text: "JWT validation failed: JWT is expired"}
	}
	c.grant = g
	c.s.mu.RLock()
	client := c.s.clients[g.client]
	c.s.mu.RUnlock()
	e, _, _ := c.s.route(c.r)
	if needs == user && client.Owner == "" || slices.Contains(client.Denied, e.name) {
		f := forbidden()
		return &f
	}
	return nil
}

// token answers POST /oauth/token (RFC 6749, section 4.4), with id and secret in
// the form.
func (s *Server) token(c *call) {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 64<<10)
	refuse := func(status int, code, text string) {
		c.send(status, map[string]string{"error": code, "error_description": text})
	}
	if err := c.r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request", "The form is not readable")
		return
	}
	form := c.r.Form
	if form.Get("grant_type") != "client_credentials" {
		refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type")
		return
	}
	s.mu.RLock()
	client, known := s.clients[form.Get("client_id")]
	s.mu.RUnlock()
	if !known || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(form.Get("client_secret"))) != 1 {
		refuse(http.StatusUnauthorized, "invalid_client", "Bad client credentials")
		return
	}
	life := cmp.Or(client.Lifetime, 749*time.Second)
	value := s.issue(grant{client: client.ID, until: c.now.Add(life)})
	c.send(http.StatusOK, map[string]any{
		"access_token": value, "token_type": "bearer", "expires_in": int(life.Seconds()), "scope": "sp:scopes:all",
		"tenant_id": "5ec7c0de-0000-0000-0000-000000000000", "internal": true, "org": "sandbox",
	})
}

func (s *Server) issue(g grant) string {
	s.state.Lock()
	defer s.state.Unlock()
	s.issued++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", g.client, g.until.UnixNano(), s.issued))
	value := "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString(sum[:])
	s.tokens[value] = g
	return value
}

// oauthInfo answers where the endpoints of a tenant are.
func (s *Server) oauthInfo(c *call) {
	base := "http://" + c.r.Host
	c.send(http.StatusOK, map[string]string{"authorizeEndpoint": base + "/oauth/authorize", "tokenEndpoint": base + "/oauth/token"})
}
