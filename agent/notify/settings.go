package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// TLSMode says how a connection to a mail server is encrypted.
type TLSMode string

// The modes. Off is for loopback only.
const (
	STARTTLS TLSMode = "starttls" // RFC 3207, required: a server that does not offer it gets nothing
	Implicit TLSMode = "implicit" // TLS from the first byte (RFC 8314), usually port 465
	TLSOff   TLSMode = "off"
)

// Format is the form of a webhook's body.
type Format string

// The formats.
const (
	JSON  Format = "json"
	Slack Format = "slack"
)

// EmailSettings are the keys of a notifier of type email.
type EmailSettings struct {
	SMTP     string              `yaml:"smtp" jsonschema:"required" jsonschema_description:"HOST:PORT of the mail server, such as smtp.example.com:587."`
	TLS      TLSMode             `yaml:"tls,omitempty" jsonschema:"enum=starttls,enum=implicit,enum=off" jsonschema_description:"starttls, implicit (usually port 465), or off, which is for this machine alone. Default starttls."`
	Username string              `yaml:"username,omitempty" jsonschema_description:"Of the mail server, with password; left out: no log-in."`
	Password connectors.Secret   `yaml:"password,omitempty"` // read anew for every message
	From     string              `yaml:"from" jsonschema:"required" jsonschema_description:"Address the mail comes from."`
	To       []string            `yaml:"to" jsonschema:"required" jsonschema_description:"Addresses it goes to."`
	CAFile   string              `yaml:"ca_file,omitempty" path:"true" jsonschema_description:"PEM file of authorities to trust besides the system's."`
	Timeout  connectors.Duration `yaml:"timeout,omitempty" jsonschema_description:"Of one try. Default 30s."`
	Subject  string              `yaml:"subject,omitempty" jsonschema_description:"Go template over the message. Default {{.Title}}."`
	Body     string              `yaml:"body,omitempty" jsonschema_description:"Go template over the message. Default {{.Text}}."`
}

// WebhookSettings are the keys of a notifier of type webhook.
type WebhookSettings struct {
	// URL may hold a secret in its path, as Slack's addresses do.
	URL     string              `yaml:"url" mask:"path" jsonschema:"required" jsonschema_description:"Address to POST to."`
	Format  Format              `yaml:"format,omitempty" jsonschema:"enum=json,enum=slack" jsonschema_description:"json, or the form that Slack takes. Default json."`
	Secret  connectors.Secret   `yaml:"secret,omitempty"` // key of the HMAC, read anew for every message
	CAFile  string              `yaml:"ca_file,omitempty" path:"true" jsonschema_description:"PEM file of authorities to trust besides the system's."`
	Timeout connectors.Duration `yaml:"timeout,omitempty" jsonschema_description:"Of one try. Default 10s."`
	Subject string              `yaml:"subject,omitempty" jsonschema_description:"Go template over the message. Default {{.Title}}."`
	Body    string              `yaml:"body,omitempty" jsonschema_description:"Go template over the message. Default {{.Text}}."`
}

// Options are what notifiers and the Dispatcher are given from outside.
type Options struct {
	// Log receives what an operator may want to see; nil discards it.
	Log *slog.Logger
	// UserAgent names scimsync and its version to the other side.
	UserAgent string
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

const (
	mailTimeout    = 30 * time.Second
	webhookTimeout = 10 * time.Second
	longestTimeout = 5 * time.Minute
	mostRecipients = 100
	largestPEM     = 4 << 20
)

// mistakes collects the problems of one validation.
type mistakes []connectors.SettingError

func (m *mistakes) add(key, format string, args ...any) {
	*m = append(*m, connectors.SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
}

// Validate returns every mistake. It reads no secret and opens no connection.
func (s *EmailSettings) Validate() []connectors.SettingError {
	var m mistakes
	host := s.server(&m)
	switch s.TLS {
	case "", STARTTLS, Implicit:
	case TLSOff:
		if host != "" && !loopback(host) {
			m.add("tls", "off would send mail and password in the clear to %s: use starttls or implicit (off is for loopback only)", host)
		}
	default:
		m.add("tls", "is %q: write starttls, implicit or off", s.TLS)
	}
	switch {
	case s.Username == "" && !s.Password.IsZero():
		m.add("username", "is missing beside password")
	case s.Username != "" && s.Password.IsZero():
		m.add("password", "is missing beside username: write {env: NAME}, {file: PATH} or {command: [prog, arg]}")
	case !s.Password.IsZero():
		m.secret("password", s.Password)
	}
	m.address("from", s.From)
	if len(s.To) == 0 {
		m.add("to", "names nobody: list at least one address")
	}
	if len(s.To) > mostRecipients {
		m.add("to", "lists %d addresses, the most is %d: use a distribution list", len(s.To), mostRecipients)
	}
	for i, to := range s.To {
		m.address(fmt.Sprintf("to[%d]", i), to)
	}
	m.common(s.Timeout, s.Subject, s.Body)
	return m
}

// server checks smtp and returns its host.
func (s *EmailSettings) server(m *mistakes) string {
	host, port, err := net.SplitHostPort(s.SMTP)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' }) {
		m.add("smtp", "is %q: write HOST:PORT, such as smtp.example.com:587", line(s.SMTP, longestName))
		return ""
	}
	return host
}

// Validate returns every mistake. It reads no secret and opens no connection.
func (s *WebhookSettings) Validate() []connectors.SettingError {
	var m mistakes
	if _, err := parseURL(s.URL); err != nil {
		m.add("url", "%v", err)
	}
	if !slices.Contains([]Format{"", JSON, Slack}, s.Format) {
		m.add("format", "is %q: write json or slack", s.Format)
	}
	if !s.Secret.IsZero() {
		m.secret("secret", s.Secret)
	}
	m.common(s.Timeout, s.Subject, s.Body)
	return m
}

// parseURL reads the address of a webhook. It may hold a secret, so no error
// repeats more of it than its host.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("is not an address: write https://HOST/PATH")
	case u.User != nil:
		return nil, errors.New("holds a user name or password: take them out, and use secret to sign messages")
	case u.Fragment != "":
		return nil, errors.New("holds a fragment (#…): take it out")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("would send http in the clear to %s: use https (plain http is for loopback only)", u.Host)
	}
	return nil, fmt.Errorf("has the scheme %q: use https", u.Scheme)
}

func (m *mistakes) secret(key string, s connectors.Secret) {
	if err := s.Validate(); err != nil {
		m.add(key, "%v", err)
	}
}

func (m *mistakes) address(key, text string) {
	if _, err := parseAddress(text); err != nil {
		m.add(key, "is %q: write an address such as scimsync@example.com", line(text, longestName))
	}
}

// parseAddress reads one address, with or without a display name. Net/mail
// takes quoted local parts with anything in them; SMTP commands do not.
func parseAddress(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' }) {
		return nil, errors.New("blanks and brackets are no part of an address")
	}
	a.Name = line(a.Name, longestName)
	return a, nil
}

func (m *mistakes) common(timeout connectors.Duration, subject, body string) {
	if timeout < 0 || time.Duration(timeout) > longestTimeout {
		m.add("timeout", "is %s: write a duration up to %s", timeout, longestTimeout)
	}
	if _, err := parse("subject", subject, "{{.Title}}"); err != nil {
		m.add("subject", "%v", err)
	}
	if _, err := parse("body", body, "{{.Text}}"); err != nil {
		m.add("body", "%v", err)
	}
}

// joined returns mistakes as one error, for a constructor.
func joined(name string, m []connectors.SettingError) error {
	errs := make([]error, len(m))
	for i, e := range m {
		errs[i] = fmt.Errorf("notifier %s: %w", name, e)
	}
	return errors.Join(errs...)
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// trust returns the TLS settings for a host: the system's authorities and those
// of the file.
func trust(host, caFile string) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return cfg, nil
	}
	f, err := os.Open(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	pem, err := io.ReadAll(io.LimitReader(f, largestPEM+1))
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	if len(pem) > largestPEM {
		return nil, fmt.Errorf("ca_file %s is larger than %d MiB", caFile, largestPEM>>20)
	}
	// Where the system has no authorities, those of the file are all.
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate: give a PEM bundle", caFile)
	}
	cfg.RootCAs = pool
	return cfg, nil
}

func orDefault(d connectors.Duration, def time.Duration) time.Duration {
	if d > 0 {
		return time.Duration(d)
	}
	return def
}
