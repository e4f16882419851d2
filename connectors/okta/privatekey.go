package okta

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

const (
	tokenPath       = "/oauth2/v1/token"
	assertionType   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife   = 5 * time.Minute
	earlyRenewal    = 30 * time.Second
	smallestKeyBits = 2048
)

// defaultScopes are what reading users, groups and assignments takes.
func defaultScopes() []string {
	return []string{"okta.users.read", "okta.groups.read", "okta.apps.read"}
}

// serviceApp is the credential of a service app: it signs an assertion, trades
// it for an access token and sends that (developer.okta.com, "Implement OAuth
// for Okta with a service app"). The SDK could, but it puts the assertion into
// the URL, takes PKCS#1 keys only, and keeps a token that was refused.
type serviceApp struct {
	settings PrivateKey
	tokenURL string
	client   *http.Client

	// fetching guards what follows, one fetch at a time.
	fetching chan struct{}
	token    string
	until    time.Time // renew at; zero: when refused
}

var _ rest.Auth = (*serviceApp)(nil)

// newServiceApp returns the credential for the org at base. Client comes from
// rest.NewTokenClient and is pinned to the token endpoint.
func newServiceApp(base *url.URL, key PrivateKey, client *http.Client) *serviceApp {
	if len(key.Scopes) == 0 {
		key.Scopes = defaultScopes()
	}
	return &serviceApp{
		settings: key, client: client, fetching: make(chan struct{}, 1),
		tokenURL: strings.TrimRight(base.String(), "/") + tokenPath,
	}
}

// Authorize sends the access token, fetching one where there is none or its end
// is near.
func (a *serviceApp) Authorize(ctx context.Context, r *http.Request) error {
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock()
	if a.token == "" || !a.until.IsZero() && !time.Now().Before(a.until) {
		if err := a.fetch(ctx); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	return nil
}

// Refresh fetches a fresh token after a 401.
func (a *serviceApp) Refresh(ctx context.Context) (bool, error) {
	if err := a.lock(ctx); err != nil {
		return false, err
	}
	defer a.unlock()
	refused := a.token
	a.token = ""
	if err := a.fetch(ctx); err != nil {
		return false, err
	}
	return a.token != refused, nil
}

func (a *serviceApp) lock(ctx context.Context) error {
	select {
	case a.fetching <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *serviceApp) unlock() { <-a.fetching }

// fetch gets an access token. The key is read for every fetch, so that a new one
// is taken up without a restart.
func (a *serviceApp) fetch(ctx context.Context) error {
	text, err := a.settings.Key.Resolve(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return connectors.Errorf(connectors.Unauthorized, "private_key.key: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return connectors.Errorf(connectors.Unauthorized, "private_key.key: secret from %s: %w", a.settings.Key, err)
	}
	began := time.Now()
	assertion, err := assert(key, a.settings.ClientID, a.settings.KeyID, a.tokenURL, began)
	if err != nil {
		return connectors.Errorf(connectors.Unauthorized, "private_key.key: %w", err)
	}
	config := clientcredentials.Config{
		TokenURL: a.tokenURL, Scopes: a.settings.Scopes, AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{
			"client_assertion_type": {assertionType},
			"client_assertion":      {assertion},
		},
	}
	// The library takes its client from the context and in no other way.
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, a.client))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return a.problem(err, assertion)
	}
	if strings.ContainsFunc(token.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return connectors.Errorf(connectors.Unauthorized, "%s answered with an unusable access token", tokenPath)
	}
	a.token, a.until = token.AccessToken, time.Time{}
	if life := token.Expiry.Sub(began); !token.Expiry.IsZero() && life > 0 {
		a.until = token.Expiry.Add(-min(earlyRenewal, life/10))
	}
	return nil
}

// problem says why there is no token, in Okta's words and what to do about it.
// The library's own text repeats whole bodies and is not used.
func (a *serviceApp) problem(err error, assertion string) error {
	say := func(text string) string {
		text = strings.ReplaceAll(text, assertion, "[hidden]")
		text = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, text)
		return text[:min(len(text), 300)]
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		if typed, ok := errors.AsType[*connectors.Error](err); ok {
			out := &connectors.Error{Class: typed.Class, Code: typed.Code, RetryAfter: typed.RetryAfter, Err: fmt.Errorf("token endpoint: %w", typed.Err)}
			if out.Class != connectors.Transient && out.Class != connectors.Throttled {
				out.Class = connectors.Unauthorized // no request can be made without a token
			}
			return out
		}
		return connectors.Errorf(connectors.Unauthorized, "the answer of %s holds no access token", tokenPath)
	}
	if refused.ErrorCode == "" {
		// No OAuth error: the endpoint did not get as far as judging us.
		f := decodeFailure(0, nil, refused.Body)
		class := connectors.Transient
		if f.Code == codeRateLimit {
			class = connectors.Throttled
		}
		return &connectors.Error{Class: class, Code: say(f.Code), Err: fmt.Errorf("%s answered without a token: %s", tokenPath, say(f.Message))}
	}
	hint := ""
	switch refused.ErrorCode {
	case "invalid_scope":
		hint = fmt.Sprintf(" (asked for %s: grant them to the app in the admin console, tab Okta API Scopes)", strings.Join(a.settings.Scopes, ", "))
	case "invalid_client":
		hint = " (check client_id, key_id and key, and this machine's clock)"
	}
	return &connectors.Error{
		Class: connectors.Unauthorized, Code: say(refused.ErrorCode),
		Err: fmt.Errorf("%s refused service app %s: %s: %s%s", tokenPath, a.settings.ClientID, say(refused.ErrorCode), say(refused.ErrorDescription), hint),
	}
}

// parseKey reads an RSA private key as PEM, PKCS#1 or PKCS#8. A key that came
// through an environment variable may have its line breaks written as \n.
func parseKey(text string) (*rsa.PrivateKey, error) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			return nil, errors.New("it is a JWK: save the key as PEM (the console offers both)")
		}
		return nil, errors.New("it is not a PEM file: it starts with -----BEGIN PRIVATE KEY-----")
	}
	var key any
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return nil, errors.New("it is encrypted: decrypt it with openssl pkcs8 -in FILE, and protect it by the file's mode")
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		return nil, errNotRSA
	default:
		return nil, fmt.Errorf("it holds a %q, not a private key", block.Type)
	}
	if err != nil {
		return nil, errors.New("it is damaged: the PEM block holds no readable key")
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errNotRSA
	}
	if private.N.BitLen() < smallestKeyBits {
		return nil, fmt.Errorf("the RSA key has %d bits: Okta takes %d or more", private.N.BitLen(), smallestKeyBits)
	}
	return private, nil
}

var errNotRSA = errors.New("it is not an RSA key: make an RSA key for the service app, which signs with RS256")

// assert signs a client assertion (RFC 7523, section 3; RS256, RFC 7518, section
// 3.3).
func assert(key *rsa.PrivateKey, clientID, keyID, audience string, now time.Time) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
