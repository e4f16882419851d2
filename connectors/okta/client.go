package okta

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/okta/okta-sdk-golang/v2/okta"
	"github.com/okta/okta-sdk-golang/v2/okta/cache"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

const (
	// maxBody bounds one page: five hundred users of an app with their
	// profiles come to about a megabyte.
	maxBody = 32 << 20
	// callTimeout ends a call whatever the SDK does; the transport's own
	// deadlines and retries end long before.
	callTimeout = 10 * time.Minute
	// lean asks Okta to leave out what is never read here (management API,
	// "Content-Type header fields" of the user list).
	lean = "application/json; okta-response=omitCredentials,omitCredentialsLinks"
)

// client sends requests through Okta's SDK over our transport.
type client struct {
	base     *url.URL
	executor *sdk.RequestExecutor
}

// newClient returns a client for the org at base. The transport below adds the
// credential, paces and retries; the SDK builds the requests.
func newClient(base *url.URL, transport *http.Client, agent string) *client {
	own := *transport
	own.Transport = undecoded{transport.Transport}
	// The SDK's NewClient would read ~/.okta/okta.yaml, a file beside its own
	// source and every OKTA_ variable, and print to standard output when one
	// does not parse. The executor below it takes a configuration that starts
	// empty, so that nothing outside this function has a say.
	config := empty((&sdk.Client{}).GetConfig())
	for _, set := range []sdk.ConfigSetter{
		sdk.WithOrgUrl(strings.TrimRight(base.String(), "/")),
		sdk.WithAuthorizationMode("SSWS"),
		sdk.WithToken("added-by-the-transport"),
		// On by default elsewhere, the cache would answer a second poll from
		// memory and keep every page.
		sdk.WithCache(false),
		sdk.WithConnectionTimeout(int64(callTimeout / time.Second)),
		sdk.WithRequestTimeout(int64(callTimeout / time.Second)),
		sdk.WithRateLimitMaxRetries(0),
		sdk.WithRateLimitMaxBackOff(0),
		sdk.WithUserAgentExtra(agent),
		// Validate and the transport admit plain http to loopback only.
		sdk.WithTestingDisableHttpsCheck(base.Scheme == "http"),
		sdk.WithHttpClientPtr(&own),
	} {
		set(config)
	}
	return &client{base: base, executor: sdk.NewRequestExecutor(&own, cache.NewNoOpCache(), config)}
}

// empty returns a new zero value of a type that has no name outside its package.
func empty[T any](*T) *T { return new(T) }

// answer is one successful answer.
type answer struct {
	body  []byte
	date  time.Time // by Okta's clock, or by ours where it does not say
	dated bool      // date is Okta's
	next  string    // path and query of the next page; empty on the last one
}

// get sends one GET. Target is path and query. Errors carry a *connectors.Error.
func (c *client) get(ctx context.Context, target string) (answer, error) {
	// The executor writes to its own fields; a copy is what the SDK's
	// CloneRequestExecutor hands out too.
	executor := *c.executor
	req, err := executor.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return answer{}, rest.Wrap("", identity.Ref{}, err)
	}
	req.Header.Del("Authorization")
	req.Header.Set("Content-Type", lean)
	resp, err := executor.Do(ctx, req, nil)
	if err != nil {
		return answer{}, rest.Wrap("", identity.Ref{}, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, connectors.Errorf(connectors.Incomplete, "GET %s: %w", pathOf(target), err)
	}
	next, err := c.next(resp.Header)
	if err != nil {
		return answer{}, fmt.Errorf("GET %s: %w", pathOf(target), err)
	}
	at, dated := dateOf(resp.Header)
	return answer{body: body, date: at, dated: dated, next: next}, nil
}

// next returns path and query of the link to the next page. It reads the header
// itself because the SDK takes only the first link of each line (and so follows
// a joined header in circles).
func (c *client) next(h http.Header) (string, error) {
	links, err := rest.NextLinks(http.Header{"Link": h[linkHeader]})
	if err != nil || links["next"] == "" {
		return "", err
	}
	target, err := rest.ResolveLink(c.base, links["next"])
	if err != nil {
		return "", connectors.Errorf(connectors.Incomplete, "link to the next page: %w", err)
	}
	return target.RequestURI(), nil
}

// object sends a GET for one object and decodes it into v.
func (c *client) object(ctx context.Context, target string, v any) (answer, error) {
	a, err := c.get(ctx, target)
	if err != nil {
		return answer{}, err
	}
	if trimmed := bytes.TrimSpace(a.body); len(trimmed) == 0 || trimmed[0] != '{' {
		return answer{}, connectors.Errorf(connectors.Incomplete, "GET %s: the answer is not an object", pathOf(target))
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return answer{}, connectors.Errorf(connectors.Incomplete, "GET %s: the answer is not readable: %w", pathOf(target), err)
	}
	return a, nil
}

// dateOf returns the time of the answer by Okta's clock, or by ours and false
// where the header is missing.
func dateOf(h http.Header) (time.Time, bool) {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at, true
	}
	return time.Now(), false
}

// pathOf drops the query, which may hold a name.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// segment escapes an id or login for use in a path. The transport refuses what
// would climb.
func segment(id string) string { return url.PathEscape(id) }

// linkHeader is where undecoded puts the Link headers of an answer, in the form
// http.Header keys have.
const linkHeader = "X-Scimsync-Link"

// undecoded keeps the SDK from decoding answers into its own generic values: it
// leaves alone only what is called an octet stream. And it keeps it from reading
// links.
type undecoded struct{ next http.RoundTripper }

func (t undecoded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return resp, nil // the client follows it, within the org: the transport lets no other through
	}
	kind := resp.Header.Get("Content-Type")
	if media, _, _ := mime.ParseMediaType(kind); media != "application/json" && !strings.HasSuffix(media, "+json") {
		_ = resp.Body.Close() // nothing of it is wanted
		return nil, connectors.Errorf(connectors.Incomplete,
			"GET %s answered %.60q instead of JSON: is url the address of an Okta org?", r.URL.Path, kind)
	}
	resp.Header.Set("Content-Type", "application/octet-stream")
	// The SDK panics on a link that is no URL. It has no need of any.
	resp.Header[linkHeader] = resp.Header.Values("Link")
	resp.Header.Del("Link")
	return resp, nil
}
