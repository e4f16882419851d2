package entra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azcloud "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// identityAuth gets access tokens from Entra through azidentity, which keeps
// each until shortly before its end. Secrets are read when the credential is
// made: at first, and again after a refusal.
type identityAuth struct {
	settings Credential
	tenant   string
	at       endpoints
	wire     *wire

	// holding guards what follows: one fetch at a time. The wire's last
	// answer belongs to it.
	holding    chan struct{}
	credential azcore.TokenCredential
	token      string
	// made identifies the secrets the credential was made from.
	made [sha256.Size]byte
}

var _ rest.Auth = (*identityAuth)(nil)

func newAuth(s Settings, at endpoints) (rest.Auth, error) {
	if s.Credential.Kind == StaticToken {
		return rest.Header("Bearer", s.Credential.Token), nil
	}
	strict, err := rest.NewTokenClient(at.authority, s.HTTP)
	if err != nil {
		return nil, err
	}
	w := &wire{authority: at.authority, strict: strict}
	if s.Credential.Kind == ManagedIdentity || s.Credential.Kind == DefaultChain {
		w.local = localClient()
	}
	return &identityAuth{settings: s.Credential, tenant: s.Tenant, at: at, wire: w, holding: make(chan struct{}, 1)}, nil
}

// Authorize sets the access token, which it fetches where there is none. After a
// refusal the secret is read anew, for it may have been replaced since; one that
// has not changed is not tried again.
func (a *identityAuth) Authorize(ctx context.Context, r *http.Request) error {
	if err := a.hold(ctx); err != nil {
		return err
	}
	defer a.release()
	fresh := a.credential == nil
	err := a.fetch(ctx)
	if err != nil && !fresh && connectors.ClassOf(err) == connectors.Unauthorized {
		before := a.made
		a.credential = nil
		if failed := a.make(ctx); failed != nil {
			return failed
		}
		// What azidentity reads by itself has no mark, and may have changed.
		if a.made != before || before == [sha256.Size]byte{} {
			err = a.ask(ctx)
		}
	}
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	return nil
}

// Refresh fetches a token with a credential that knows none.
func (a *identityAuth) Refresh(ctx context.Context) (bool, error) {
	if err := a.hold(ctx); err != nil {
		return false, err
	}
	defer a.release()
	before := a.token
	a.credential = nil
	if err := a.fetch(ctx); err != nil {
		return false, err
	}
	return a.token != before, nil
}

func (a *identityAuth) hold(ctx context.Context) error {
	select {
	case a.holding <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *identityAuth) release() { <-a.holding }

// fetch gets a token, from memory where azidentity holds a good one.
func (a *identityAuth) fetch(ctx context.Context) error {
	if err := a.make(ctx); err != nil {
		return err
	}
	return a.ask(ctx)
}

// make makes the credential where there is none.
func (a *identityAuth) make(ctx context.Context) error {
	if a.credential != nil {
		return nil
	}
	credential, err := a.build(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &connectors.Error{Class: connectors.Unauthorized, Err: err}
	}
	a.credential = credential
	return nil
}

// ask gets a token with the credential there is.
func (a *identityAuth) ask(ctx context.Context) error {
	a.wire.forget()
	token, err := a.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{a.at.scope}})
	if err != nil {
		return a.problem(ctx, err)
	}
	if strings.ContainsFunc(token.Token, func(c rune) bool { return c <= ' ' || c > '~' }) || token.Token == "" {
		return connectors.Errorf(connectors.Unauthorized, "the token endpoint answered with an unusable access token")
	}
	a.token = token.Token
	return nil
}

// build makes the credential from the settings, reading its secrets.
func (a *identityAuth) build(ctx context.Context) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Cloud:     azcloud.Configuration{ActiveDirectoryAuthorityHost: a.at.authority.String()},
		Transport: a.wire,
		// One layer retries, and it is the one below Graph's client.
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
	c := a.settings
	// Instance discovery would ask login.microsoft.com whether the authority
	// is one of Microsoft's; the settings name it.
	switch c.Kind {
	case ClientSecret:
		secret, err := c.Secret.Resolve(ctx)
		if err != nil {
			return nil, err
		}
		a.made = sha256.Sum256([]byte(secret))
		return azidentity.NewClientSecretCredential(a.tenant, c.ClientID, secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	case ClientCertificate:
		certificates, key, err := c.certificate(ctx)
		if err != nil {
			return nil, err
		}
		a.made = sha256.Sum256(slices.Concat(raws(certificates)...))
		return azidentity.NewClientCertificateCredential(a.tenant, c.ClientID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	case WorkloadIdentity:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, ClientID: c.ClientID, TenantID: a.tenant, TokenFilePath: c.TokenFile, DisableInstanceDiscovery: true,
		})
	case ManagedIdentity:
		options.Transport = a.wire.local
		// The instance metadata service is known to be away for moments.
		options.Retry = policy.RetryOptions{}
		managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if c.ClientID != "" {
			managed.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(managed)
	case DefaultChain:
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options, TenantID: a.tenant, DisableInstanceDiscovery: true,
		})
	case StaticToken: // is sent as it is
	}
	return nil, fmt.Errorf("credential.kind %q fetches no token", c.Kind)
}

// certificate reads certificate and key. The text of azidentity's errors holds
// neither.
func (c Credential) certificate(ctx context.Context) ([]*x509.Certificate, any, error) {
	data, err := c.Certificate.Resolve(ctx)
	if err != nil {
		return nil, nil, err
	}
	var password []byte
	if !c.Password.IsZero() {
		text, err := c.Password.Resolve(ctx)
		if err != nil {
			return nil, nil, err
		}
		password = []byte(text)
	}
	certificates, key, err := azidentity.ParseCertificates([]byte(data), password)
	if err != nil || len(certificates) == 0 {
		return nil, nil, fmt.Errorf("credential.certificate from %s: it must hold certificate and private key as PEM, or as PKCS#12 with its password in credential.password: %w",
			c.Certificate, errors.Join(err, noneOf(certificates)))
	}
	return certificates, key, nil
}

func raws(certificates []*x509.Certificate) [][]byte {
	out := make([][]byte, len(certificates))
	for i, c := range certificates {
		out[i] = c.Raw
	}
	return out
}

func noneOf(certificates []*x509.Certificate) error {
	if len(certificates) == 0 {
		return errors.New("no certificate found")
	}
	return nil
}

// problem says why there is no token. The texts of azidentity hold whole answers
// and are used only where nothing came over the wire.
func (a *identityAuth) problem(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	redact := rest.Redact(a.wire.sent...)
	say := func(text string) string {
		reason, _, _ := strings.Cut(text, " Trace ID:")
		return redact(reason)
	}
	if failed := a.wire.failed; failed != nil {
		out := &connectors.Error{Class: connectors.Transient, Err: errors.New("the token endpoint could not be reached")}
		if typed := asError(failed); typed != nil {
			out.Class, out.RetryAfter, out.Err = typed.Class, typed.RetryAfter, fmt.Errorf("token endpoint: %s", say(typed.Err.Error()))
		}
		if out.Class != connectors.Transient && out.Class != connectors.Throttled {
			out.Class = connectors.Unauthorized // no request can be made without a token
		}
		return out
	}
	if a.wire.answer == nil {
		return connectors.Errorf(connectors.Unauthorized, "%s: %s", a.settings.name(), say(err.Error()))
	}
	out := rest.NoToken(a.wire.answer, a.wire.body, a.settings.name(), say)
	if out.Class == connectors.Unauthorized && out.Code == "" {
		out.Err = fmt.Errorf("%w: is authority %s the address of one?", out.Err, a.at.authority.Host)
	}
	return out
}

// name names the credential without its secret.
func (c Credential) name() string {
	if c.ClientID == "" {
		return string(c.Kind)
	}
	return "app " + c.ClientID + " (" + string(c.Kind) + ")"
}

// wire is the transport below azidentity: the token authority through our own
// client, and the machine's own identity endpoints where the kind needs them.
// It remembers the last answer, because azidentity's errors drop its cause.
type wire struct {
	authority *url.URL
	strict    *http.Client
	local     *http.Client // nil: not allowed

	// sent are the secrets of the requests for one token.
	sent []string

	answer *http.Response // its body was read
	body   []byte
	failed error
}

const maxTokenAnswer = 1 << 20

// Do sends one request of azidentity.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.answer, w.body, w.failed = nil, nil, nil
	if w.failed = w.learn(r); w.failed != nil {
		return nil, w.failed
	}
	client := w.strict
	if !strings.EqualFold(r.URL.Host, w.authority.Host) {
		if w.local == nil || !machineAddress(r.URL) {
			// The library takes the address from a document of the authority.
			w.failed = connectors.Errorf(connectors.Unauthorized,
				"the authority %s sends us to %s for a token: nothing was sent there; set authority to the address that answers itself", w.authority.Host, r.URL.Host)
			return nil, w.failed
		}
		client = w.local
	}
	resp, err := client.Do(r)
	if err != nil {
		w.failed = err
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // all that is wanted is read below
	if w.body, err = io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer)); err != nil {
		w.failed = err
		return nil, err
	}
	w.answer = resp
	resp.Body = io.NopCloser(bytes.NewReader(w.body))
	return resp, nil
}

// learn remembers what must not be repeated of a request: who answers it may do so.
func (w *wire) learn(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close() // in memory
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // what can be read is
	w.sent = slices.Concat(w.sent, form["client_secret"], form["client_assertion"])
	return nil
}

// forget prepares for another token.
func (w *wire) forget() { w.sent, w.answer, w.body, w.failed = nil, nil, nil, nil }

// localClient reaches the identity endpoint of the machine: never through a
// proxy, and never redirected.
func localClient() *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// machineAddress reports whether the address is on this machine or its link:
// 169.254.169.254 is the instance metadata service.
func machineAddress(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return loopback(u.Hostname()) || ip != nil && ip.IsLinkLocalUnicast()
}

// rolesOf are the application permissions a token names, as far as they can be
// read: access tokens are opaque by contract, and this is for notes only.
func rolesOf(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	data, err := decodeSegment(parts[1])
	if err != nil {
		return nil
	}
	var claims struct {
		Roles []string `json:"roles"`
	}
	if json.Unmarshal(data, &claims) != nil {
		return nil
	}
	slices.Sort(claims.Roles)
	return claims.Roles
}
