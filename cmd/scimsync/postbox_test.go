package main

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// postbox is a real mail server that keeps what it takes.
type postbox struct {
	addr string // HOST:PORT
	// user has to log in with password; empty: nobody has to.
	user, password string

	mu      sync.Mutex
	letters []letter
}

// letter is a mail as it arrived.
type letter struct {
	from string
	to   []string
	data string
}

// postcard is a mail as a reader shows it.
type postcard struct {
	from          string // of the envelope, as to is
	to            []string
	header        mail.Header
	subject, body string
}

// newPostbox takes mail from anybody.
func newPostbox(t *testing.T) *postbox {
	t.Helper()
	p := &postbox{}
	p.serve(t, nil)
	return p
}

// newLockedPostbox takes mail after STARTTLS and a login. It has the certificate of a web
// server, and writes the authority that it is to be trusted by into a file.
func (w *world) newLockedPostbox(user, password, caFile string) *postbox {
	w.t.Helper()
	certificate := w.certificate(http.NotFoundHandler(), caFile)
	p := &postbox{user: user, password: password}
	p.serve(w.t, &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12})
	return p
}

// certificate starts a web server with TLS and writes its certificate, as that
// of an authority, into a file of the world.
func (w *world) certificate(h http.Handler, caFile string) *httptest.Server {
	w.t.Helper()
	server := httptest.NewTLSServer(h)
	w.t.Cleanup(server.Close)
	w.write(caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return server
}

func (p *postbox) serve(t *testing.T, secure *tls.Config) {
	t.Helper()
	server := smtp.NewServer(p)
	server.Domain = "mail.example.com"
	server.MaxMessageBytes = 1 << 20
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.TLSConfig = secure
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("mail server: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = listener.Close() // where Serve had not come to know it yet
		<-done
	})
}

// mails returns what arrived so far, read as a mail program does.
func (p *postbox) mails(t *testing.T) []postcard {
	t.Helper()
	p.mu.Lock()
	letters := slices.Clone(p.letters)
	p.mu.Unlock()
	out := make([]postcard, len(letters))
	for i, l := range letters {
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
		out[i] = postcard{l.from, l.to, m.Header, subject, strings.ReplaceAll(string(body), "\r\n", "\n")}
	}
	return out
}

// one returns the only mail since the first so many.
func (p *postbox) one(t *testing.T, after int) postcard {
	t.Helper()
	all := p.mails(t)
	if len(all) != after+1 {
		t.Fatalf("%d mails arrived, want one", len(all)-after)
	}
	return all[after]
}

// NewSession begins a visit. Where a login is required, that lets nobody in who has
// not begun with TLS: go-smtp offers it on such connections alone.
func (p *postbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &visit{box: p, known: p.user == ""}, nil
}

type visit struct {
	box    *postbox
	known  bool
	letter letter
}

func (v *visit) AuthMechanisms() []string {
	if v.box.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if v.known = user == v.box.user && password == v.box.password; !v.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	if !v.known {
		return smtp.ErrAuthRequired
	}
	v.letter.from = from
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.letter.to = append(v.letter.to, to)
	return nil
}

func (v *visit) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v.letter.data = string(data)
	v.box.mu.Lock()
	defer v.box.mu.Unlock()
	v.box.letters = append(v.box.letters, v.letter)
	return nil
}

func (v *visit) Reset()        { v.letter = letter{} }
func (v *visit) Logout() error { return nil }
