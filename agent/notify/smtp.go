package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	mostAnswered = 1 << 20         // bytes a mail server may say in one session
	goodbye      = 2 * time.Second // for QUIT
	authFailed   = 535             // RFC 4954, section 6
)

// deliver sends one mail in one session, until ctx ends.
func (e *Email) deliver(ctx context.Context, password string, text []byte) *trouble {
	s := &session{Email: e, ctx: ctx, password: password}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.server)
	if err != nil {
		return s.failed("connect", err)
	}
	defer conn.Close() //nolint:errcheck // after QUIT there is nothing to lose
	// A read or write that hangs ends with the context.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if t := s.open(&frugal{Conn: conn, left: mostAnswered}); t != nil {
		return t
	}
	if t := s.send(text); t != nil {
		return t
	}
	// The mail was taken; how the session ends does not matter.
	_ = conn.SetDeadline(time.Now().Add(goodbye))
	_ = s.client.Quit()
	return nil
}

// session is one conversation with a mail server.
type session struct {
	*Email
	ctx      context.Context
	password string
	client   *smtp.Client
}

// open greets, encrypts and signs in.
func (s *session) open(conn net.Conn) *trouble {
	if s.mode == Implicit {
		secure := tls.Client(conn, s.trust)
		if err := secure.HandshakeContext(s.ctx); err != nil {
			return s.failed("TLS handshake", err)
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return s.failed("greeting", err)
	}
	s.client = client
	if err := client.Hello(s.helo); err != nil {
		return s.failed("EHLO", err)
	}
	if s.mode == STARTTLS {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return s.final("STARTTLS", errors.New("the server does not offer it, so nothing was sent: "+
				"use its submission port (587), or tls: implicit where it has one (465)"))
		}
		if err := client.StartTLS(s.trust); err != nil {
			return s.failed("STARTTLS", err)
		}
	}
	if s.username == "" {
		return nil
	}
	auth, err := s.auth()
	if err != nil {
		return s.final("AUTH", err)
	}
	if err := client.Auth(auth); err != nil {
		return s.failed("AUTH", err)
	}
	return nil
}

// auth picks the mechanism: one that does not show the password, where there is
// one; PLAIN and LOGIN otherwise, which only ever go over TLS or loopback.
func (s *session) auth() (smtp.Auth, error) {
	_, list := s.client.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(list))
	open := s.mode == TLSOff
	switch {
	case slices.Contains(offered, "SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(s.username, s.password), nil
	case slices.Contains(offered, "SCRAM-SHA-1"):
		return smtp.ScramSHA1Auth(s.username, s.password), nil
	case slices.Contains(offered, "PLAIN"):
		return smtp.PlainAuth("", s.username, s.password, s.host, open), nil
	case slices.Contains(offered, "LOGIN"):
		return smtp.LoginAuth(s.username, s.password, s.host, open), nil
	case slices.Contains(offered, "CRAM-MD5"):
		return smtp.CRAMMD5Auth(s.username, s.password), nil
	case len(offered) == 0:
		return nil, errors.New("the server offers none: leave username and password out, or use its submission port (587)")
	}
	return nil, fmt.Errorf("the server offers %s; scimsync can use PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256",
		line(strings.Join(offered, " "), longestName))
}

// send hands the mail over.
func (s *session) send(text []byte) *trouble {
	if err := s.client.Mail(envelope(s.from)); err != nil {
		return s.failed("MAIL FROM", err)
	}
	var refused []string
	var refusal error
	for _, to := range s.to {
		err := s.client.Rcpt(envelope(to))
		if _, answered := errors.AsType[*textproto.Error](err); err != nil && !answered {
			return s.failed("RCPT TO", err)
		}
		if err != nil {
			refused, refusal = append(refused, to.Address), err
		}
	}
	if len(refused) == len(s.to) {
		return s.failed("RCPT TO "+refused[0], refusal)
	}
	body, err := s.client.Data()
	if err != nil {
		return s.failed("DATA", err)
	}
	if _, err := body.Write(text); err != nil {
		return s.failed("DATA", err)
	}
	if err := body.Close(); err != nil {
		if _, answered := errors.AsType[*textproto.Error](err); answered {
			return s.failed("DATA", err)
		}
		return s.final("DATA", fmt.Errorf("the mail was sent and no answer came, so it may have arrived: %w", s.cause(err)))
	}
	if len(refused) > 0 {
		s.log.Warn("mail server refused recipients", "notifier", s.name, "recipients", refused,
			"problem", line(s.hide(refusal.Error(), s.password), longestDetail))
	}
	return nil
}

func envelope(a *mail.Address) string { return "<" + a.Address + ">" }

// failed judges an error: a permanent answer (5yz) and a certificate that is not
// trusted will be the same next time.
func (s *session) failed(step string, err error) *trouble {
	t := s.final(step, err)
	t.again = true
	if answer, ok := errors.AsType[*textproto.Error](err); ok && answer.Code >= 500 {
		t.again = false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		t.again = false
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		t.again = false
	}
	return t
}

func (s *session) final(step string, err error) *trouble {
	cause := s.cause(err)
	text := cause.Error()
	answer, answered := errors.AsType[*textproto.Error](cause)
	if answered {
		// In its own words: net/textproto would quote them, and a password
		// that the server repeats would not be found in them.
		text = fmt.Sprintf("%d %s", answer.Code, answer.Msg)
	}
	text = line(s.hide(text, s.password), longestDetail)
	if answered && step == "AUTH" && answer.Code == authFailed {
		text += " (check username and password)"
	}
	// The cause is not wrapped: its text may hold what was taken out here.
	return &trouble{err: errors.New(step + ": " + text)}
}

// cause prefers the end of the context over the closed connection it led to.
func (s *session) cause(err error) error {
	if errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: %w", s.timeout, context.DeadlineExceeded)
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return err
}

// frugal is a connection that gives at most so many bytes.
type frugal struct {
	net.Conn
	left int64
}

var errTooMuch = errors.New("the server said more than 1 MiB")

func (f *frugal) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, errTooMuch
	}
	n, err := f.Conn.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, err
}
