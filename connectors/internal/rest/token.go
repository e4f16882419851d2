package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/scimsync/scimsync/connectors"
)

const (
	maxTokenBody = 1 << 20
	// defaultSkew is how long before its end a token is renewed.
	defaultSkew = 30 * time.Second
	// maxTypeName bounds a token type that is repeated: what is longer might be a
	// token in the wrong place.
	maxTypeName = 16
)

// NewTokenClient returns a client for one token endpoint: nothing goes anywhere
// else, no redirect is followed, and answers end in time and size. It does not
// retry: a token is fetched on behalf of a request that is retried.
func NewTokenClient(tokenURL *url.URL, h connectors.HTTP) (*http.Client, error) {
	if tokenURL == nil {
		return nil, errNoBase
	}
	endpoint := *tokenURL
	endpoint.RawQuery, endpoint.ForceQuery = "", false
	own, err := newOrigin(&endpoint)
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	if err := checkHeaders(h.Headers); err != nil {
		return nil, err
	}
	wire, err := newWire(own, h, 1)
	if err != nil {
		return nil, err
	}
	var rt http.RoundTripper = &bound{next: wire, timeout: timeoutOf(h), max: maxTokenBody, traffic: new(connectors.Traffic), large: newLock()}
	rt = &dress{next: rt, headers: h.Headers}
	rt = &tokenAnswer{next: rt}
	rt = &guard{next: rt, own: own}
	rt = &seal{next: rt, wire: wire, hide: newMask()}
	return &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// tokenAnswer refuses redirects, what is no token at all, and tokens that are not of
// type Bearer. It takes an unusable expires_in out of a token: some servers send
// text, zero or a negative number, and the token is good all the same (RFC 6749,
// section 5.1, makes it optional).
type tokenAnswer struct{ next http.RoundTripper }

func (t *tokenAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode >= 400 {
		return resp, err
	}
	if resp.StatusCode >= 300 {
		return nil, &fault{
			class: connectors.Rejected, final: true, sent: true, note: statusText(resp.StatusCode),
			text: "the token endpoint answered with a redirect, which is not followed: set the address that answers itself",
		}
	}
	data, _ := io.ReadAll(resp.Body) // in memory: it cannot fail
	var fields map[string]json.RawMessage
	err = decode(resp.Header, data, &fields)
	switch {
	case err == nil && fields == nil:
		err = errors.New("answered null where JSON was expected")
	case err == nil:
		err = checkType(r.URL, textOf(fields["token_type"]))
	case isForm(resp.Header):
		form, _ := url.ParseQuery(string(data)) // what is no form holds no token either
		err = checkType(r.URL, form.Get("token_type"))
	}
	if err != nil {
		return nil, &fault{class: connectors.Rejected, final: true, sent: true, text: err.Error()}
	}
	if fields != nil {
		seconds, err := strconv.ParseFloat(strings.Trim(string(fields["expires_in"]), `"`), 64)
		if err == nil && seconds >= 1 {
			fields["expires_in"] = json.RawMessage(strconv.FormatInt(int64(min(seconds, 1<<30)), 10))
		} else {
			delete(fields, "expires_in")
		}
		if mended, err := json.Marshal(fields); err == nil {
			data = mended
			// Whatever it was called, it is JSON.
			resp.Header.Set("Content-Type", "application/json")
		}
	}
	resp.Body, resp.ContentLength = bodyOf(data), int64(len(data))
	return resp, nil
}

// checkType refuses a token that is to be used in another way than as Bearer, which
// nobody here knows: sending it all the same would give it to the API in the open
// (RFC 6749, section 7.1). That section demands a type, but many servers leave it
// out and mean Bearer, which is what the token is taken for then.
func checkType(endpoint *url.URL, kind string) error {
	kind = strings.TrimSpace(kind)
	if kind == "" || strings.EqualFold(kind, "Bearer") {
		return nil
	}
	named := "another type"
	if len(kind) <= maxTypeName && !strings.ContainsFunc(kind, notInTypeName) {
		named = fmt.Sprintf("type %q", kind)
	}
	return fmt.Errorf("%s gives out access tokens of %s, and only Bearer tokens can be used: have this client registered for Bearer tokens",
		nameOrigin(endpoint), named)
}

// notInTypeName reports what stands in no name of a token type (RFC 6749, appendix
// A.13).
func notInTypeName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r))
}

// textOf returns a JSON string as it is meant, null as nothing, and any other value
// as it is written.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return string(value)
	}
	return text
}

// isForm reports whether the answer is a form, which old servers send in place of
// JSON and the oauth2 package reads.
func isForm(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded" || kind == "text/plain"
}

// ClientCredentials returns an Auth that fetches an access token with client id
// and secret (RFC 6749, section 4.4) and sends it as Bearer. The token is kept
// until shortly before its end and fetched anew once after a 401; the secret is
// read for every fetch. Credentials go in the form, or in the header where the
// server refuses them there. Client comes from NewTokenClient.
//
// A refused client is class Unauthorized; an endpoint that fails for now is
// Transient, and the request it was for was not sent.
func ClientCredentials(tokenURL, clientID string, secret connectors.Secret, scopes []string, client *http.Client) Auth {
	return &clientCredentials{
		url: tokenURL, id: clientID, secret: secret, scopes: scopes, client: client,
		style: oauth2.AuthStyleInParams, fetching: newLock(),
	}
}

type clientCredentials struct {
	url, id string
	secret  connectors.Secret
	scopes  []string
	client  *http.Client

	// fetching guards what follows: one fetch at a time.
	fetching lock
	style    oauth2.AuthStyle
	token    string
	until    time.Time // zero: until refused
}

func (a *clientCredentials) Authorize(ctx context.Context, r *http.Request) error {
	if err := a.fetching.acquire(ctx); err != nil {
		return err
	}
	defer a.fetching.release()
	if a.token == "" || !a.until.IsZero() && !time.Now().Before(a.until) {
		if err := a.fetch(ctx); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	return nil
}

func (a *clientCredentials) Refresh(ctx context.Context) (bool, error) {
	if err := a.fetching.acquire(ctx); err != nil {
		return false, err
	}
	defer a.fetching.release()
	before := a.token
	a.token = "" // refused: not to be sent again, also when the fetch fails
	if err := a.fetch(ctx); err != nil {
		return false, err
	}
	return a.token != before, nil
}

// fetch gets a token. The lock is held.
func (a *clientCredentials) fetch(ctx context.Context) error {
	secret, err := resolve(ctx, a.secret)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(secret, isControl) {
		return connectors.Errorf(connectors.Unauthorized, "secret from %s: %w", a.secret, errControl)
	}
	began := time.Now()
	token, err := a.ask(ctx, secret, a.style)
	if a.style == oauth2.AuthStyleInParams && refusedClient(err) {
		// RFC 6749, section 2.3.1: the header is what every server must take.
		second, other := a.ask(ctx, secret, oauth2.AuthStyleInHeader)
		if other == nil {
			a.style = oauth2.AuthStyleInHeader
			token, err = second, nil
		}
	}
	if err != nil {
		return a.problem(ctx, err, secret)
	}
	if err := checkToken("Bearer", token.AccessToken); err != nil {
		return connectors.Errorf(connectors.Unauthorized, "the token endpoint answered with an unusable access token: %w", err)
	}
	a.token, a.until = token.AccessToken, time.Time{}
	if life := token.Expiry.Sub(began); !token.Expiry.IsZero() && life > 0 {
		a.until = token.Expiry.Add(-min(defaultSkew, life/10))
	}
	return nil
}

func (a *clientCredentials) ask(ctx context.Context, secret string, style oauth2.AuthStyle) (*oauth2.Token, error) {
	cfg := &clientcredentials.Config{ClientID: a.id, ClientSecret: secret, TokenURL: a.url, Scopes: a.scopes, AuthStyle: style}
	// The library takes its client from the context and in no other way.
	return cfg.Token(context.WithValue(ctx, oauth2.HTTPClient, a.client))
}

// refusedClient reports whether the server did not accept id and secret where
// they were put.
func refusedClient(err error) bool {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && (refused.ErrorCode == "invalid_client" || refused.Response.StatusCode == http.StatusUnauthorized)
}

// problem says why there is no token. The library's own text holds the whole
// body and is not used.
func (a *clientCredentials) problem(ctx context.Context, err error, secret string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	say := Redact(secret)
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return NoToken(refused.Response, refused.Body, "client "+say(a.id), say)
	}
	if typed, ok := errors.AsType[*connectors.Error](err); ok {
		// The token endpoint was or was not reached; either way the request
		// this was for was not sent, and fetching again does no harm.
		out := &connectors.Error{
			Class: typed.Class, Code: typed.Code, RetryAfter: typed.RetryAfter,
			Err: fmt.Errorf("token endpoint: %s", say(typed.Err.Error())),
		}
		if out.Class != connectors.Transient && out.Class != connectors.Throttled {
			out.Class = connectors.Unauthorized // no request can be made without a token
		}
		return out
	}
	return connectors.Errorf(connectors.Unauthorized, "the answer of the token endpoint holds no access token: %s", say(plain(err)))
}
