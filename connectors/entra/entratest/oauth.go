package entratest

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Client is an app registration that may fetch tokens.
type Client struct {
	ID string
	// Secret, Key and Federated are the credentials it may use: a client
	// secret, the public key of its certificate, and the token of another
	// issuer it trusts (workload identity federation).
	Secret    string
	Key       *rsa.PublicKey
	Federated string
	// Permissions are the application permissions with admin consent; nil
	// grants all that this server knows.
	Permissions []string
	// Life is how long its tokens are good; default one hour.
	Life time.Duration
	// Passwords are the client secrets as the registration shows them.
	Passwords []Password
}

// Password is a client secret of an app registration as the directory shows it.
type Password struct {
	Hint string    // the first three characters
	End  time.Time // zero: null
}

type grant struct {
	permissions []string // nil: all
	until       time.Time
}

// Register adds or replaces an app registration.
func (s *Server) Register(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// RevokeTokens ends every access token fetched so far.
func (s *Server) RevokeTokens() {
	s.state.Lock()
	defer s.state.Unlock()
	clear(s.grants)
}

// authorize checks the access token and its permissions, and answers where they
// do not do.
func (c *call) authorize(permission string) bool {
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`)
		c.fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
		return false
	}
	if token == cmp.Or(c.options.Token, DefaultToken) {
		return true
	}
	c.s.state.Lock()
	g, known := c.s.grants[token]
	c.s.state.Unlock()
	switch {
	case !known:
		c.fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid signature.")
		return false
	case !c.now.Before(g.until):
		c.fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
		return false
	case permission != "" && g.permissions != nil && !slices.Contains(g.permissions, permission):
		c.fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
		return false
	}
	return true
}

// discovery answers the metadata document that Microsoft's libraries read first.
func (s *Server) discovery(c *call) {
	tenant := c.base + "/" + c.r.PathValue("tenant")
	c.send(http.StatusOK, map[string]any{
		"issuer":                                tenant + "/v2.0",
		"authorization_endpoint":                tenant + "/oauth2/v2.0/authorize",
		"token_endpoint":                        tenant + "/oauth2/v2.0/token",
		"device_authorization_endpoint":         tenant + "/oauth2/v2.0/devicecode",
		"jwks_uri":                              tenant + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
	})
}

// token answers the client credentials grant.
func (s *Server) token(c *call) {
	refuse := func(code, message string, number int) {
		c.send(http.StatusBadRequest, map[string]any{
			"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: 0 Timestamp: 0", number, message), "error_codes": []int{number},
		})
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 1<<20)
	if err := c.r.ParseForm(); err != nil {
		refuse("invalid_request", "The request body is malformed.", 900144)
		return
	}
	form := c.r.PostForm
	if c.r.PathValue("tenant") != s.Tenant() {
		refuse("invalid_request", "Tenant '"+c.r.PathValue("tenant")+"' not found.", 90002)
		return
	}
	if form.Get("grant_type") != "client_credentials" {
		refuse("unsupported_grant_type", "The app requested an unsupported grant type.", 70003)
		return
	}
	s.mu.RLock()
	client, ok := s.clients[form.Get("client_id")]
	s.mu.RUnlock()
	if !ok {
		refuse("unauthorized_client", "Application with identifier '"+form.Get("client_id")+"' was not found in the directory.", 700016)
		return
	}
	if problem := client.proves(form.Get("client_secret"), form.Get("client_assertion"), c); problem != "" {
		c.w.Header().Set("Content-Type", "application/json")
		c.send(http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": problem, "error_codes": []int{7000215}})
		return
	}
	if !strings.Contains(" "+form.Get("scope")+" ", "/.default ") {
		refuse("invalid_scope", "The provided value for the input parameter 'scope' is not valid: it must be RESOURCE/.default.", 70011)
		return
	}
	life := cmp.Or(client.Life, time.Hour)
	token := fmt.Sprintf("eyJlbnRyYSI6InRlc3QifQ.%s.%08d", base64.RawURLEncoding.EncodeToString([]byte(client.ID)), s.next())
	s.state.Lock()
	s.grants[token] = grant{client.Permissions, c.now.Add(life)}
	s.state.Unlock()
	c.send(http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds()), "access_token": token,
	})
}

// proves returns what is wrong with the credential, or nothing.
func (cl Client) proves(secret, assertion string, c *call) string {
	switch {
	case assertion == "":
		if cl.Secret != "" && secret == cl.Secret {
			return ""
		}
		return "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value."
	case cl.Federated != "" && assertion == cl.Federated:
		return ""
	case cl.Key != nil && signed(assertion, cl.Key, cl.ID, c.now):
		return ""
	}
	return "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application."
}

// signed verifies a client assertion (RFC 7523, section 3).
func signed(assertion string, key *rsa.PublicKey, clientID string, now time.Time) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Issuer  string  `json:"iss"`
		Subject string  `json:"sub"`
		Until   float64 `json:"exp"`
	}
	for i, into := range []any{&header, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(data, into) != nil {
			return false
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || claims.Issuer != clientID || claims.Subject != clientID || now.Unix() > int64(claims.Until) {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if header.Alg == "PS256" {
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, nil) == nil
	}
	return header.Alg == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
}
