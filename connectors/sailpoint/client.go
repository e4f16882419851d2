package sailpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// client sends requests over our transport and reads their answers.
type client struct {
	http *http.Client
	log  *slog.Logger

	mu         sync.Mutex
	deprecated map[string]struct{} // paths said to be
}

func newClient(transport *http.Client, log *slog.Logger) *client {
	return &client{http: transport, log: log, deprecated: map[string]struct{}{}}
}

// answer is one successful answer: a JSON value and the headers around it.
type answer struct {
	header http.Header
	body   json.RawMessage
}

// send sends a request and returns its answer. Errors carry a *connectors.Error.
func (c *client) send(ctx context.Context, method string, target *url.URL, kind string, body []byte) (answer, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return answer{}, rest.Wrap("", identity.Ref{}, err)
	}
	r.Header.Set("Accept", "application/json")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	// Calls move in and out of the experimental state between versions, and
	// those that are in refuse a request without it.
	r.Header.Set("X-Sailpoint-Experimental", "true")
	resp, err := rest.Do(c.http, r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if strings.EqualFold(resp.Header.Get("X-Deprecated"), "true") {
		c.warnDeprecated(ctx, method, target)
	}
	a := answer{header: resp.Header}
	if err := rest.ReadJSON(resp, &a.body); err != nil {
		return answer{}, err
	}
	return a, nil
}

// warnDeprecated says once for each path that it will go away.
func (c *client) warnDeprecated(ctx context.Context, method string, target *url.URL) {
	c.mu.Lock()
	_, said := c.deprecated[target.Path]
	c.deprecated[target.Path] = struct{}{}
	c.mu.Unlock()
	if !said {
		c.log.WarnContext(ctx, "SailPoint says that this call is deprecated: set api or paths to a newer version",
			"method", method, "path", target.EscapedPath())
	}
}

// object sends a GET for one object and decodes it into v.
func (c *client) object(ctx context.Context, target *url.URL, v any) error {
	a, err := c.send(ctx, http.MethodGet, target, "", nil)
	if err != nil {
		return err
	}
	if len(a.body) == 0 || a.body[0] != '{' {
		return connectors.Errorf(connectors.Incomplete, "GET %s: the answer is not an object", target.EscapedPath())
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return connectors.Errorf(connectors.Incomplete, "GET %s: the answer is not readable: %w", target.EscapedPath(), err)
	}
	return nil
}

// page is one page of a list, decoded into T.
type page[T any] struct {
	items []T
	total int // X-Total-Count; unknown where it was not asked for or not told
}

// unknown is a total that was not told.
const unknown = -1

// query is a list and how much of it is wanted.
type query struct {
	target  *url.URL
	filters string
	sorters string // "id" where empty
	limit   int
	offset  int
	count   bool
}

// list sends a GET for one page of a list.
func list[T any](ctx context.Context, c *client, q query) (page[T], error) {
	target := *q.target
	values := url.Values{
		"limit": {strconv.Itoa(q.limit)}, "offset": {strconv.Itoa(q.offset)}, "sorters": {cmp.Or(q.sorters, "id")},
	}
	if q.filters != "" {
		values.Set("filters", q.filters)
	}
	if q.count {
		values.Set("count", "true")
	}
	// A plus sign means a blank to some servers and itself to others.
	target.RawQuery = strings.ReplaceAll(values.Encode(), "+", "%20")
	a, err := c.send(ctx, http.MethodGet, &target, "", nil)
	if err != nil {
		return page[T]{}, err
	}
	broken := func(err error) error {
		return connectors.Errorf(connectors.Incomplete, "GET %s: %w", target.EscapedPath(), err)
	}
	p := page[T]{total: unknown}
	if q.count {
		if p.total, err = totalOf(a.header); err != nil {
			return page[T]{}, broken(err)
		}
	}
	if p.items, err = decodeList[T](a.body); err != nil {
		return page[T]{}, broken(err)
	}
	return p, nil
}

// totalOf reads X-Total-Count, which a proxy may have dropped.
func totalOf(h http.Header) (int, error) {
	text := strings.TrimSpace(h.Get("X-Total-Count"))
	if text == "" {
		return unknown, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return unknown, errors.New("X-Total-Count is not a number")
	}
	return n, nil
}

// decodeList decodes a JSON array. An element of the wrong type is left zero, so
// that one bad record does not take its page with it.
func decodeList[T any](body []byte) ([]T, error) {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '[' {
		return nil, errors.New("the answer is not a list")
	}
	var items []T
	err := json.Unmarshal(body, &items)
	if _, one := errors.AsType[*json.UnmarshalTypeError](err); one {
		return items, nil
	}
	if err != nil {
		return nil, errors.New("the answer is not readable JSON")
	}
	return items, nil
}

// equal writes the filter FIELD eq "VALUE" ("Standard Collection Parameters",
// filtering). It is the one place that quotes a value; url.Values encodes the
// whole.
func equal(field, value string) string {
	return field + ` eq "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// both joins two filters.
func both(a, b string) string { return a + " and " + b }
