package oktatest

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Client is a service app that may fetch access tokens with private_key_jwt.
type Client struct {
	ID    string
	KeyID string
	Key   *rsa.PublicKey
	// Scopes are those an administrator has granted to the app.
	Scopes []string
	// Lifetime of an access token; default an hour.
	Lifetime time.Duration
}

// grant is what an access token stands for.
type grant struct {
	client string
	scopes []string
	until  time.Time
}

// Register adds a service app, or replaces the one with its ID.
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

// AssertionsInURL returns how many token requests carried their client
// assertion in the URL, where logs and proxies see it.
func (s *Server) AssertionsInURL() int {
	s.state.Lock()
	defer s.state.Unlock()
	return s.leaked
}

// authorize checks the credential of a request and what it may do.
func (c *call) authorize(scope string) *failure {
	kind, secret, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	bad := &failure{status: http.StatusUnauthorized, code: "E0000011", summary: "Invalid token provided"}
	switch kind {
	case "SSWS":
		want := cmp.Or(c.options.Token, DefaultToken)
		if subtle.ConstantTimeCompare([]byte(secret), []byte(want)) != 1 {
			return bad
		}
		return nil
	case "Bearer":
		c.s.state.Lock()
		g, ok := c.s.tokens[secret]
		c.s.state.Unlock()
		if !ok || !c.now.Before(g.until) {
			bad.header = map[string]string{"WWW-Authenticate": `Bearer authorization_uri="` + c.base + `/oauth2/v1/authorize", realm="` + c.base + `", error="invalid_token", error_description="The token has expired."`}
			return bad
		}
		c.grant = g
		// users/me is open to whoever may read users.
		if scope != "" && !slices.Contains(g.scopes, scope) && !slices.Contains(g.scopes, strings.TrimSuffix(scope, ".self")) {
			f := forbidden()
			f.header = map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope", error_description="The access token provided does not contain the required scopes."`}
			return &f
		}
		return nil
	}
	return bad
}

// token answers POST /oauth2/v1/token (RFC 6749, section 4.4, with the client
// authentication of RFC 7523, section 2.2).
func (s *Server) token(c *call) {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 64<<10)
	if err := c.r.ParseForm(); err != nil {
		c.oauthError(http.StatusBadRequest, "invalid_request", "The form is not readable.")
		return
	}
	if c.r.URL.Query().Has("client_assertion") {
		s.state.Lock()
		s.leaked++
		s.state.Unlock()
	}
	form := c.r.Form
	if form.Get("grant_type") != "client_credentials" {
		c.oauthError(http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported.")
		return
	}
	client, err := s.verify(c, form)
	if err != nil {
		c.oauthError(http.StatusUnauthorized, "invalid_client", "The client_assertion is not valid: "+err.Error())
		return
	}
	scopes := strings.Fields(form.Get("scope"))
	for _, scope := range scopes {
		if !slices.Contains(client.Scopes, scope) {
			c.oauthError(http.StatusBadRequest, "invalid_scope", "The scope "+scope+" is not granted to this app.")
			return
		}
	}
	if len(scopes) == 0 {
		c.oauthError(http.StatusBadRequest, "invalid_scope", "The authorization server resource does not have any configured default scopes, 'scope' must be provided.")
		return
	}
	life := cmp.Or(client.Lifetime, time.Hour)
	value := s.issue(grant{client: client.ID, scopes: scopes, until: c.now.Add(life)})
	body, err := json.Marshal(map[string]any{
		"token_type": "Bearer", "expires_in": int(life.Seconds()), "access_token": value, "scope": strings.Join(scopes, " "),
	})
	if err != nil {
		c.oauthError(http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.send(body)
}

func (s *Server) issue(g grant) string {
	s.state.Lock()
	defer s.state.Unlock()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", g.client, g.until.UnixNano(), len(s.spent)))
	value := "eyJraWQiOiJzYW5kYm94In0." + base64.RawURLEncoding.EncodeToString(sum[:])
	s.tokens[value] = g
	return value
}

func (c *call) oauthError(status int, code, description string) {
	body, err := json.Marshal(map[string]string{"error": code, "error_description": description})
	if err != nil {
		body = []byte(`{"error":"server_error"}`)
	}
	c.write(status, body)
}

const bearerAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// verify checks the client assertion: signature, issuer, subject, audience,
// times, and that its jti was not used before (RFC 7523, section 3).
func (s *Server) verify(c *call, form url.Values) (Client, error) {
	if form.Get("client_assertion_type") != bearerAssertion {
		return Client{}, errors.New("client_assertion_type")
	}
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 {
		return Client{}, errors.New("not a JWT")
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Sub, Aud, Jti string
		Exp, Iat           int64
	}
	if err := decodePart(parts[0], &header); err != nil {
		return Client{}, err
	}
	if err := decodePart(parts[1], &claims); err != nil {
		return Client{}, err
	}
	s.mu.RLock()
	client, known := s.clients[claims.Iss]
	s.mu.RUnlock()
	now := c.now.Unix()
	switch {
	case !known:
		return Client{}, errors.New("unknown iss")
	case claims.Sub != claims.Iss:
		return Client{}, errors.New("sub differs from iss")
	case claims.Aud != c.base+"/oauth2/v1/token":
		return Client{}, errors.New("wrong aud")
	case claims.Exp <= now:
		return Client{}, errors.New("expired")
	case claims.Exp > now+3600:
		return Client{}, errors.New("exp is more than an hour away")
	case claims.Iat > now+60:
		return Client{}, errors.New("iat is in the future")
	case header.Alg != "RS256":
		return Client{}, errors.New("alg is not RS256")
	case header.Kid != client.KeyID:
		return Client{}, errors.New("unknown kid")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return Client{}, errors.New("signature is not base64url")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(client.Key, crypto.SHA256, sum[:], signature); err != nil {
		return Client{}, errors.New("signature")
	}
	return client, s.spend(claims.Jti)
}

func (s *Server) spend(jti string) error {
	s.state.Lock()
	defer s.state.Unlock()
	if jti == "" {
		// Optional at Okta; the counter still makes tokens differ.
		jti = fmt.Sprint("none ", len(s.spent))
	}
	if s.spent[jti] {
		return errors.New("jti was used before")
	}
	s.spent[jti] = true
	return nil
}

func decodePart(part string, v any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return errors.New("not base64url")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errors.New("not JSON")
	}
	return nil
}
