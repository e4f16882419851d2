package notify

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// mailer returns a notifier for a server that does not wait between tries.
func mailer(t *testing.T, s EmailSettings) *Email {
	t.Helper()
	if s.From == "" {
		s.From = `"Gruppen-Abgleich, Zürich" <scimsync@example.com>`
	}
	if s.To == nil {
		s.To = []string{"stewards@example.com"}
	}
	e, err := NewEmail("stewards", s, Options{UserAgent: "scimsync/test"})
	if err != nil {
		t.Fatal(err)
	}
	e.patience.first, e.patience.most = time.Millisecond, time.Millisecond
	return e
}

func oneGroup(name string) Message {
	e := Event{
		Kind: GroupExists, Severity: Info, Sync: "ad-groups", Run: "r1", Time: noon,
		Objects: []Object{{Ref: identity.Ref{Kind: identity.Group, ID: "g1"}, Name: name, Detail: "exists at the target as T1"}},
	}
	return compose([]news{{event: e, keys: []string{"k"}}}, noon)
}

// opened is a mail as a reader shows it.
type opened struct {
	header        mail.Header
	subject, body string
}

func open(t *testing.T, l letter) opened {
	t.Helper()
	for line := range strings.SplitSeq(l.data, "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes: RFC 5322, section 2.1.1 allows 998", len(line))
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(l.data))
	if err != nil {
		t.Fatal(err)
	}
	var decoder mime.WordDecoder
	subject, err := decoder.DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return opened{m.Header, subject, strings.ReplaceAll(string(body), "\r\n", "\n")}
}

func TestEmailKeepsNamesIntact(t *testing.T) {
	t.Parallel()
	box := &mailbox{}
	e := mailer(t, EmailSettings{SMTP: serveMail(t, box, TLSOff, nil), TLS: TLSOff})
	long := strings.Repeat("Abteilung für Übungen ", 400)
	tests := map[string]struct{ name, want string }{
		"plain":             {"Finance", "Finance"},
		"quotes":            {`O'Brien "The Team" \ & <b>`, `O'Brien "The Team" \ & <b>`},
		"umlauts":           {"Führungskräfte Straße", "Führungskräfte Straße"},
		"CJK":               {"財務部門・東京", "財務部門・東京"},
		"emoji":             {"👩‍💻 Engineers", "👩‍💻 Engineers"},
		"encoded word":      {"=?utf-8?q?Bcc:_x=40evil.example.com?=", "=?utf-8?q?Bcc:_x=40evil.example.com?="},
		"long encoded word": {"=?utf-8?q?x?= " + strings.Repeat("é", 80), "=?utf-8?q?x?= " + strings.Repeat("é", 80)},
		"header":            {"x\r\nBcc: eve@example.com\r\n\r\nowned", "x  Bcc: eve@example.com    owned"},
		"end of mail":       {"x\r\n.\r\nMAIL FROM:<eve@example.com>", "x  .  MAIL FROM:<eve@example.com>"},
		"bare CR":           {"a\rBcc: eve@example.com", "a Bcc: eve@example.com"},
		"separators":        {"a\u2028b\u2029c\u0085d\vx", "a b c d x"},
		"NUL and bidi":      {"a\x00b\u202eevil", "a\ufffdb\ufffdevil"},
		"broken UTF-8":      {"a\xff\xfeb", "a\ufffdb"},
		"leading dot":       {".hidden", ".hidden"},
		"very long":         {long, long[:len("Abteilung")]},
		"long, no gaps":     {strings.Repeat("x", 5000), strings.Repeat("x", 100)},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			before := len(box.taken())
			if err := e.Send(t.Context(), oneGroup(test.name)); err != nil {
				t.Fatal(err)
			}
			letters := box.taken()
			if len(letters) != before+1 {
				t.Fatalf("%d mails arrived, want one", len(letters)-before)
			}
			l := letters[before]
			if !slices.Equal(l.to, []string{"stewards@example.com"}) || l.from != "scimsync@example.com" {
				t.Errorf("the envelope is from %q to %q", l.from, l.to)
			}
			got := open(t, l)
			var names []string
			for name := range got.header {
				names = append(names, name)
			}
			slices.Sort(names)
			want := []string{
				"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id",
				"Mime-Version", "Subject", "To", "User-Agent",
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if !strings.Contains(got.subject, clip(test.want, 100)) || len([]rune(got.subject)) > longestSubject {
				t.Errorf("subject %q does not show %q", got.subject, test.want)
			}
			if count := strings.Count(got.body, "\n"); count != 4 {
				t.Errorf("the body has %d lines, want 4:\n%s", count, got.body)
			}
			if !strings.Contains(got.body, "  - group "+test.want) {
				t.Errorf("body does not show %q:\n%s", test.want, got.body)
			}
			from, err := mail.ParseAddress(got.header.Get("From"))
			if err != nil || from.Name != "Gruppen-Abgleich, Zürich" {
				t.Errorf("From is %v, %v", from, err)
			}
		})
	}
}

func TestEmailEncrypts(t *testing.T) {
	t.Parallel()
	cert, ca := authority(t)
	_, foreign := authority(t)
	tests := map[string]struct {
		serve, use TLSMode
		cert       *tls.Certificate
		ca         string
		problem    string
	}{
		"starttls":                 {STARTTLS, STARTTLS, cert, ca, ""},
		"starttls by default":      {STARTTLS, "", cert, ca, ""},
		"implicit":                 {Implicit, Implicit, cert, ca, ""},
		"starttls, foreign CA":     {STARTTLS, STARTTLS, cert, foreign, "STARTTLS: tls: failed to verify certificate"},
		"starttls, system CAs":     {STARTTLS, STARTTLS, cert, "", "STARTTLS: tls: failed to verify certificate"},
		"implicit, foreign CA":     {Implicit, Implicit, cert, foreign, "TLS handshake: tls: failed to verify certificate"},
		"starttls is not offered":  {TLSOff, STARTTLS, nil, ca, "STARTTLS: the server does not offer it, so nothing was sent"},
		"implicit on a plain port": {STARTTLS, Implicit, cert, ca, "TLS handshake: "},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			box := &mailbox{user: "alice", password: "correct horse"}
			addr := serveMail(t, box, test.serve, test.cert)
			e := mailer(t, EmailSettings{
				SMTP: addr, TLS: test.use, CAFile: test.ca, Username: "alice", Password: secretFile(t, "correct horse\n"),
			})
			err := e.Send(t.Context(), oneGroup("Finance"))
			if test.problem == "" {
				if err != nil {
					t.Fatal(err)
				}
				if l := box.taken(); len(l) != 1 || !l[0].tls || l[0].user != "alice" {
					t.Errorf("arrived: %+v", l)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.problem) || !strings.Contains(err.Error(), addr) {
				t.Errorf("error %v does not say %q and %s", err, test.problem, addr)
			}
			if len(box.taken()) > 0 {
				t.Error("the mail was sent all the same")
			}
			if strings.Contains(err.Error(), "tries") {
				t.Errorf("tried again in vain: %v", err)
			}
		})
	}
}

func TestEmailReadsThePasswordAnew(t *testing.T) {
	t.Parallel()
	box := &mailbox{user: "alice", password: "new and longer"}
	password := secretFile(t, "old and stale")
	e := mailer(t, EmailSettings{SMTP: serveMail(t, box, TLSOff, nil), TLS: TLSOff, Username: "alice", Password: password})
	err := e.Send(t.Context(), oneGroup("Finance"))
	if err == nil || !strings.Contains(err.Error(), "AUTH: 535") || !strings.Contains(err.Error(), "check username and password") {
		t.Errorf("error %v does not name the step and the fix", err)
	}
	if strings.Contains(err.Error(), "stale") {
		t.Errorf("the server repeated the password, and the error shows it: %v", err)
	}
	if n := box.visits(); n != 1 {
		t.Errorf("%d sessions: a refused password must not be tried again", n)
	}
	if err := os.WriteFile(password.File, []byte("new and longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Send(t.Context(), oneGroup("Finance")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(password.File); err != nil {
		t.Fatal(err)
	}
	if err := e.Send(t.Context(), oneGroup("Finance")); err == nil || !strings.Contains(err.Error(), "secret from file") {
		t.Errorf("error %v does not name the missing secret", err)
	}
}

func TestEmailAnswers(t *testing.T) {
	t.Parallel()
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}
	never := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody here\x1b[31m"}
	tests := map[string]struct {
		box      *mailbox
		sessions int
		arrived  int
		problem  string
	}{
		"busy, then not": {&mailbox{mail: func(try int) error {
			if try < 3 {
				return busy
			}
			return nil
		}}, 3, 1, ""},
		"busy for ever":      {&mailbox{mail: func(int) error { return busy }}, 3, 0, "MAIL FROM: 451 4.7.1 greylisted (3 tries)"},
		"sender refused":     {&mailbox{mail: func(int) error { return never }}, 1, 0, "MAIL FROM: 550"},
		"recipients refused": {&mailbox{rcpt: func(string) error { return never }}, 1, 0, "RCPT TO a@example.com: 550"},
		"a recipient refused": {&mailbox{rcpt: func(to string) error {
			if strings.HasPrefix(to, "a@") {
				return never
			}
			return nil
		}}, 1, 1, ""},
		"answer lost": {&mailbox{data: func(c *smtp.Conn) error {
			_ = c.Conn().Close()
			return nil
		}}, 1, 1, "DATA: the mail was sent and no answer came, so it may have arrived"},
		"text refused": {&mailbox{data: func(*smtp.Conn) error { return never }}, 1, 0, "DATA: 550"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			e := mailer(t, EmailSettings{
				SMTP: serveMail(t, test.box, TLSOff, nil), TLS: TLSOff, To: []string{"a@example.com", "B <b@example.com>"},
			})
			err := e.Send(t.Context(), oneGroup("Finance"))
			if test.problem == "" && err != nil {
				t.Fatal(err)
			}
			if test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), "\x1b")) {
				t.Errorf("error %v, want %q", err, test.problem)
			}
			if n := test.box.visits(); n != test.sessions {
				t.Errorf("%d sessions, want %d", n, test.sessions)
			}
			if n := len(test.box.taken()); n != test.arrived {
				t.Errorf("%d mails arrived, want %d", n, test.arrived)
			}
		})
	}
}

// listen serves each connection with talk, and stops with the test.
func listen(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talk(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestEmailBounds(t *testing.T) {
	t.Parallel()
	const short, long = 150 * time.Millisecond, time.Minute
	tests := map[string]struct {
		timeout time.Duration
		talk    func(net.Conn)
		problem string
	}{
		"a server that says nothing": {short, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "greeting: no answer within 150ms"},
		"a server that stops": {short, func(c net.Conn) {
			_, _ = fmt.Fprint(c, "220 hello\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, "EHLO: no answer within 150ms"},
		"a server that never stops": {long, func(c net.Conn) {
			w := bufio.NewWriter(c)
			for {
				if _, err := w.WriteString("220-welcome to the endless greeting of this server\r\n"); err != nil {
					return
				}
			}
		}, "greeting: the server said more than 1 MiB"},
		"a server that hangs up": {long, func(net.Conn) {}, "greeting: "},
		"no mail server":         {long, func(c net.Conn) { _, _ = fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "greeting: "},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			e := mailer(t, EmailSettings{
				SMTP: listen(t, test.talk), TLS: TLSOff, Timeout: connectors.Duration(test.timeout),
			})
			e.patience.tries = 1
			err := e.Send(t.Context(), oneGroup("Finance"))
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error %v, want %q", err, test.problem)
			}
		})
	}
	t.Run("a server that is down", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		_ = l.Close()
		err = mailer(t, EmailSettings{SMTP: addr, TLS: TLSOff}).Send(t.Context(), oneGroup("Finance"))
		if err == nil || !strings.Contains(err.Error(), "mail server "+addr+": connect: ") || !strings.Contains(err.Error(), "3 tries") {
			t.Errorf("error %v", err)
		}
	})
}

func TestEmailSignsIn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mechanisms []string
		problem    string
	}{
		"PLAIN":         {[]string{sasl.Plain}, ""},
		"LOGIN":         {[]string{sasl.Login}, ""},
		"both":          {[]string{sasl.Login, sasl.Plain}, ""},
		"OAUTHBEARER":   {[]string{sasl.OAuthBearer}, "AUTH: the server offers OAUTHBEARER; scimsync can use PLAIN, LOGIN"},
		"none":          {[]string{}, "AUTH: the server offers none: leave username and password out"},
		"not mandatory": {nil, ""},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			box := &mailbox{}
			s := EmailSettings{TLS: TLSOff}
			if test.mechanisms != nil {
				box.user, box.password, box.mechanisms = "alice", `pass "word"`, test.mechanisms
				s.Username, s.Password = "alice", secretFile(t, box.password)
			}
			s.SMTP = serveMail(t, box, TLSOff, nil)
			err := mailer(t, s).Send(t.Context(), oneGroup("Finance"))
			if test.problem == "" && (err != nil || len(box.taken()) != 1 || box.taken()[0].user != box.user) {
				t.Errorf("%v, arrived: %+v", err, box.taken())
			}
			if test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("error %v, want %q", err, test.problem)
			}
		})
	}
}
