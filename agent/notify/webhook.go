package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// The headers of a webhook. The signature is v1= and the hex HMAC-SHA256, under
// the notifier's secret, of TIMESTAMP.BODY: the bytes of the timestamp header
// (seconds since 1970), a full stop, and the bytes of the body. A receiver
// refuses a timestamp that is more than five minutes off and a delivery it has
// seen.
const (
	HeaderDelivery  = "Scimsync-Delivery"
	HeaderTimestamp = "Scimsync-Timestamp"
	HeaderSignature = "Scimsync-Signature"
)

const (
	largestAnswer  = 64 << 10
	largestHeaders = 64 << 10
	mostRedirects  = 3
	signatureV1    = "v1="
)

// Webhook posts messages to an address, as JSON or in the form of Slack's
// incoming webhooks.
//
// A 408, 429 or 5xx (but 501) and a connection that cannot be made or breaks are
// tried five times within two minutes, waiting as long as Retry-After asks; every
// try carries the same delivery id. Redirects are followed within the origin,
// and only those that keep the method (307, 308). The address may be a secret in
// itself, so errors show its origin only.
type Webhook struct {
	name     string
	url      *url.URL
	format   Format
	secret   connectors.Secret
	timeout  time.Duration
	patience patience
	forms    forms
	agent    string
	client   *http.Client
	now      func() time.Time
}

// NewWebhook returns a notifier for valid settings. It reads the CA file; it
// reads no secret and does not connect.
func NewWebhook(name string, s WebhookSettings, o Options) (*Webhook, error) {
	if m := s.Validate(); len(m) > 0 {
		return nil, joined(name, m)
	}
	u, err := parseURL(s.URL)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: url: %w", name, err)
	}
	f, err := newForms(s.Subject, s.Body)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: %w", name, err)
	}
	// The name to verify is that of each connection: no ServerName here.
	trusted, err := trust("", s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: %w", name, err)
	}
	return &Webhook{
		name: name, url: u, format: cmp.Or(s.Format, JSON), secret: s.Secret,
		timeout: orDefault(s.Timeout, webhookTimeout), forms: f, agent: cmp.Or(line(o.UserAgent, longestName), "scimsync"),
		patience: patience{first: time.Second, most: 30 * time.Second, budget: 2 * time.Minute, tries: 5},
		now:      time.Now,
		client: &http.Client{
			CheckRedirect: sameOrigin,
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: trusted, ForceAttemptHTTP2: true,
				MaxResponseHeaderBytes: largestHeaders,
				// Messages are rare: a connection kept would be closed unused.
				DisableKeepAlives: true,
			},
		},
	}, nil
}

// Send posts one message.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	body, err := w.encode(m)
	if err != nil {
		return fmt.Errorf("notifier %s: %w", w.name, err)
	}
	var secret string
	if !w.secret.IsZero() {
		if secret, err = w.secret.Resolve(ctx); err != nil {
			return fmt.Errorf("notifier %s: %w", w.name, err)
		}
	}
	err = persist(ctx, w.patience, func(ctx context.Context) *trouble {
		ctx, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		return w.post(ctx, m.ID, secret, body)
	})
	if err != nil {
		return fmt.Errorf("notifier %s: post to %s://%s: %w", w.name, w.url.Scheme, w.url.Host, err)
	}
	return nil
}

// encode makes the body in the notifier's format.
func (w *Webhook) encode(m Message) ([]byte, error) {
	title, err := w.forms.title(m)
	if err != nil {
		return nil, err
	}
	text, err := w.forms.text(m)
	if err != nil {
		return nil, err
	}
	if w.format == Slack {
		return marshal(slackOf(title, text))
	}
	m.Title = title
	return marshal(struct {
		Message
		Text string `json:"text"`
	}{m, text})
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// Sign returns the value of the signature header for a body sent at a time.
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(strconv.AppendInt(nil, at.Unix(), 10)) // a hash does not fail
	_, _ = mac.Write([]byte{'.'})
	_, _ = mac.Write(body)
	return signatureV1 + hex.EncodeToString(mac.Sum(nil))
}

// post makes one try.
func (w *Webhook) post(ctx context.Context, id, secret string, body []byte) *trouble {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return &trouble{err: errors.New("the address cannot be used")}
	}
	at := w.now()
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", w.agent)
	r.Header.Set(HeaderDelivery, id)
	r.Header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	if secret != "" {
		r.Header.Set(HeaderSignature, Sign(secret, at, body))
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return w.broken(ctx, secret, err)
	}
	defer resp.Body.Close()
	// The answer of a message that was taken does not matter.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil
	}
	text := "answered " + strconv.Itoa(resp.StatusCode)
	if said := line(w.hide(string(answer), secret), longestName); said != "" {
		text += ": " + said
	}
	return &trouble{err: errors.New(text), again: passing(resp.StatusCode), wait: retryAfter(resp.Header, at)}
}

// passing reports whether a status may change by waiting.
func passing(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return status >= 500
}

// retryAfter reads how long the receiver asks to wait (RFC 9110, section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// broken judges an error of net/http, which shows the whole address.
func (w *Webhook) broken(ctx context.Context, secret string, err error) *trouble {
	again := true
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		again = false
	}
	if errors.Is(err, errRedirect) {
		again = false
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %s: %w", w.timeout, context.DeadlineExceeded)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	// Not wrapped: its text holds the address.
	return &trouble{err: errors.New(line(w.hide(err.Error(), secret), longestDetail)), again: again}
}

// hide takes the secret and the address out of a text: as a whole, and each part
// that may be a secret by itself, as written and as decoded.
func (w *Webhook) hide(text, secret string) string {
	text = redact(text, secret, w.url.String())
	for _, part := range [...]string{w.url.RequestURI(), w.url.EscapedPath(), w.url.Path, w.url.RawQuery} {
		if len(part) > len("/") {
			text = redact(text, part)
		}
	}
	return redact(text, secretParts(w.url)...)
}

// shortestPart is what a part of an address needs to be taken for a secret: words
// such as "hooks" stay readable.
const shortestPart = 8

// secretParts returns the segments of the path and the values of the query that
// may be secrets, the longest first, since one may hold another.
func secretParts(u *url.URL) []string {
	parts := append(strings.Split(u.EscapedPath(), "/"), strings.Split(u.Path, "/")...)
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		parts = append(parts, value)
	}
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return len(p) < shortestPart })
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return parts
}

var errRedirect = errors.New("redirect not followed")

// sameOrigin follows few redirects, within the origin, that keep the method: a
// message and its signature go nowhere else.
func sameOrigin(r *http.Request, via []*http.Request) error {
	from := via[0].URL
	switch {
	case r.URL.Scheme != from.Scheme || !strings.EqualFold(r.URL.Host, from.Host):
		return fmt.Errorf("%w: it leads to another origin, %s://%s: write that address into url if it is meant", errRedirect, r.URL.Scheme, r.URL.Host)
	case r.Method != http.MethodPost:
		return fmt.Errorf("%w: it would turn the message into a %s", errRedirect, r.Method)
	case len(via) > mostRedirects:
		return fmt.Errorf("%w: more than %d in a row", errRedirect, mostRedirects)
	}
	return nil
}
