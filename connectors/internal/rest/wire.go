package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const (
	maxPEM          = 4 << 20
	maxHeaderBytes  = 1 << 20
	dialTimeout     = 30 * time.Second
	keepAlive       = 30 * time.Second
	idleTimeout     = 60 * time.Second
	handshakeWithin = 15 * time.Second
)

// newWire returns the connection pool below all layers.
func newWire(own origin, h connectors.HTTP, pool int) (*http.Transport, error) {
	proxy, err := proxyOf(own, h.Proxy)
	if err != nil {
		return nil, err
	}
	trust, err := tlsConfig(h)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        trust,
		TLSHandshakeTimeout:    handshakeWithin,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           pool,
		MaxIdleConnsPerHost:    pool,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}, nil
}

// poolSize keeps as many connections as requests may be open at once.
func poolSize(l connectors.Limits) int {
	if l.Concurrency > 0 {
		return l.Concurrency
	}
	return mostWorkers
}

// proxyOf returns the proxy rule. A plain http address is loopback: it needs no
// proxy, and over one its credential would leave this machine in the clear.
func proxyOf(own origin, text string) (func(*http.Request) (*url.URL, error), error) {
	if text == "" {
		if own.scheme == "http" {
			return nil, nil
		}
		return http.ProxyFromEnvironment, nil
	}
	proxy, err := parseProxy(text)
	if err != nil {
		return nil, err
	}
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("http.proxy: scheme %q is not known: use http, https or socks5", clip(clean(proxy.Scheme), maxCode))
	}
	if own.scheme == "http" && !isLoopback(proxy.Hostname()) {
		return nil, fmt.Errorf("http.proxy: %s is plain http, and its credential would reach the proxy in the clear", own)
	}
	return http.ProxyURL(proxy), nil
}

// parseProxy never repeats the text in an error: it may hold a password.
func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("http.proxy is not a URL like http://proxy.example.com:3128")
	}
	return u, nil
}

// tlsConfig trusts ca_file in addition to the system's authorities.
func tlsConfig(h connectors.HTTP) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if h.CAFile != "" {
		bundle, err := readPEM(h.CAFile)
		if err != nil {
			return nil, fmt.Errorf("http.ca_file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(bundle) {
			return nil, fmt.Errorf("http.ca_file: %s holds no certificate in PEM form", h.CAFile)
		}
		cfg.RootCAs = pool
	}
	if h.ClientCert != "" {
		bundle, err := readPEM(h.ClientCert)
		if err != nil {
			return nil, fmt.Errorf("http.client_cert: %w", err)
		}
		pair, err := tls.X509KeyPair(bundle, bundle)
		if err != nil {
			return nil, fmt.Errorf("http.client_cert: %s must hold certificate and key in PEM form: %w", h.ClientCert, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func readPEM(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	data, err := io.ReadAll(io.LimitReader(file, maxPEM+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxPEM>>20)
	}
	return data, nil
}

// dress adds the user's headers and the user agent.
type dress struct {
	next    http.RoundTripper
	headers map[string]string
	agent   string
}

func (t *dress) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	// The transport asks for gzip itself and undoes it, within bounds, as
	// long as nobody else asks for a coding.
	out.Header.Del("Accept-Encoding")
	if t.agent != "" {
		out.Header.Set("User-Agent", t.agent)
	}
	for name, value := range t.headers {
		out.Header.Set(name, value)
	}
	return t.next.RoundTrip(out)
}

// checkHeaders refuses headers that hold a credential in the open or belong to
// the transport.
func checkHeaders(headers map[string]string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		switch canonical := http.CanonicalHeaderKey(name); {
		case name == "" || strings.ContainsFunc(name, notToken):
			problems = append(problems, fmt.Errorf("http.headers: %q is not a header name", clip(name, maxCode)))
		case strings.ContainsFunc(value, isControl):
			problems = append(problems, fmt.Errorf("http.headers.%s: the value holds a line break or control character", canonical))
		case canonical == "Authorization" || canonical == "Proxy-Authorization" || canonical == "Cookie":
			problems = append(problems, fmt.Errorf("http.headers.%s: credentials belong into auth, as a reference", canonical))
		case transportHeader(canonical):
			problems = append(problems, fmt.Errorf("http.headers.%s: this header is set by the transport", canonical))
		}
	}
	return errors.Join(problems...)
}

func transportHeader(canonical string) bool {
	switch canonical {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Accept-Encoding", "Expect":
		return true
	}
	return false
}

// notToken reports whether r may not occur in a header name (RFC 9110, section
// 5.6.2).
func notToken(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
