package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/scimsync/scimsync/connectors"
)

// Email sends messages as plain-text mail over SMTP (RFC 5321).
//
// A temporary refusal (RFC 5321, section 4.2.1: 4yz) and a connection that
// cannot be made or breaks before the text was sent are tried three times. When
// the text was sent and no answer came, the mail may have arrived: that is an
// error without another try, and a later mail about the same has the same
// Message-ID.
type Email struct {
	name     string
	server   string // HOST:PORT
	host     string
	mode     TLSMode
	username string
	password connectors.Secret
	from     *mail.Address
	to       []*mail.Address
	trust    *tls.Config
	timeout  time.Duration
	patience patience
	forms    forms
	helo     string
	agent    string
	log      *slog.Logger
}

// NewEmail returns a notifier for valid settings. It reads the CA file; it
// reads no secret and does not connect.
func NewEmail(name string, s EmailSettings, o Options) (*Email, error) {
	if m := s.Validate(); len(m) > 0 {
		return nil, joined(name, m)
	}
	host, _, err := net.SplitHostPort(s.SMTP)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: smtp: %w", name, err)
	}
	trusted, err := trust(host, s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: %w", name, err)
	}
	f, err := newForms(s.Subject, s.Body)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: %w", name, err)
	}
	from, err := parseAddress(s.From)
	if err != nil {
		return nil, fmt.Errorf("notifier %s: from: %w", name, err)
	}
	e := &Email{
		name: name, server: s.SMTP, host: host, mode: cmp.Or(s.TLS, STARTTLS),
		username: s.Username, password: s.Password, from: from, trust: trusted,
		timeout: orDefault(s.Timeout, mailTimeout), forms: f, helo: greeting(),
		agent: cmp.Or(line(o.UserAgent, longestName), "scimsync"), log: o.log(),
		patience: patience{first: time.Second, most: 10 * time.Second, budget: time.Minute, tries: 3},
	}
	for i, text := range s.To {
		to, err := parseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("notifier %s: to[%d]: %w", name, i, err)
		}
		e.to = append(e.to, to)
	}
	return e, nil
}

// greeting is the name for EHLO: the host's, where it is one a server takes.
func greeting() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-'
	}) {
		return "localhost"
	}
	return name
}

// Send sends one mail to all recipients. Recipients that the server refuses are
// logged, as long as it takes one.
func (e *Email) Send(ctx context.Context, m Message) error {
	text, err := e.encode(m)
	if err != nil {
		return fmt.Errorf("notifier %s: %w", e.name, err)
	}
	var password string
	if e.username != "" {
		if password, err = e.password.Resolve(ctx); err != nil {
			return fmt.Errorf("notifier %s: %w", e.name, err)
		}
	}
	err = persist(ctx, e.patience, func(ctx context.Context) *trouble {
		ctx, cancel := context.WithTimeout(ctx, e.timeout)
		defer cancel()
		return e.deliver(ctx, password, text)
	})
	if err != nil {
		return fmt.Errorf("notifier %s: mail server %s: %w", e.name, e.server, err)
	}
	return nil
}

// encode makes the mail. Its size is bounded by those of subject and body.
func (e *Email) encode(m Message) ([]byte, error) {
	subject, err := e.forms.title(m)
	if err != nil {
		return nil, err
	}
	body, err := e.forms.text(m)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(e.from)
	msg.ToMailAddress(e.to...)
	if strings.Contains(subject, "=?") {
		msg.SetGenHeaderPreformatted(gomail.HeaderSubject, encodedWords(subject))
	} else {
		msg.Subject(subject)
	}
	msg.SetDate()
	_, domain, _ := strings.Cut(e.from.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetGenHeader(gomail.HeaderUserAgent, e.agent)
	// RFC 3834, section 5: no vacation answers, please.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Severity == Grave {
		msg.SetImportance(gomail.ImportanceHigh)
	}
	msg.SetBodyString(gomail.TypeTextPlain, body)
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	return out.Bytes(), nil
}

// encodedWords writes a header text as encoded words (RFC 2047). The libraries
// leave ASCII as it is, and a reader would decode a name that looks like one.
func encodedWords(text string) string {
	const most = 39 // bytes in a word, so that the first fits behind the header's name
	var words []string
	for len(text) > 0 {
		n := min(most, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}
		words = append(words, "=?UTF-8?B?"+base64.StdEncoding.EncodeToString([]byte(text[:n]))+"?=")
		text = text[n:]
	}
	return strings.Join(words, "\r\n ")
}

// hide takes the password out of what a server said, in the forms it was sent.
func (e *Email) hide(text, password string) string {
	if password == "" {
		return text
	}
	base := base64.StdEncoding
	return redact(text,
		base.EncodeToString([]byte("\x00"+e.username+"\x00"+password)), base.EncodeToString([]byte(password)), password)
}
