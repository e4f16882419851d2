package main

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"mime"
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

// postbox is a real mail server that keeps what it takes: STARTTLS and a login
// are required.
type postbox struct {
	addr           string // HOST:PORT
	user, password string

	mu      sync.Mutex
	letters []postLetter
}

// postLetter is a mail as it arrived.
type postLetter struct {
	from string
	to   []string
	data string
}

// newPostbox serves mail with the certificate of a web server, and writes the
// authority that it is to be trusted by into a file.
func (w *world) newPostbox(user, password, caFile string) *postbox {
	w.t.Helper()
	certificate := w.certificate(http.NotFoundHandler(), caFile)
	p := &postbox{user: user, password: password}
	server := smtp.NewServer(p)
	server.Domain = "mail.example.com"
	server.MaxMessageBytes = 1 << 20
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.TLSConfig = &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	p.addr = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != nil && !errors.Is(err, net.ErrClosed) {
			w.t.Errorf("mail server: %v", err)
		}
	}()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
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

// taken returns the letters that have arrived.
func (p *postbox) taken() []postLetter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.letters)
}

// parts returns subject and text of a letter.
func (l postLetter) parts(t *testing.T) (subject, text string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(l.data))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(message.Body)
	if err != nil {
		t.Fatal(err)
	}
	return subject, string(body)
}

// NewSession lets nobody in who has not begun with TLS: go-smtp offers a login
// on such connections alone.
func (p *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &postVisit{box: p}, nil }

type postVisit struct {
	box    *postbox
	known  bool
	letter postLetter
}

func (v *postVisit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *postVisit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if v.known = user == v.box.user && password == v.box.password; !v.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *postVisit) Mail(from string, _ *smtp.MailOptions) error {
	if !v.known {
		return smtp.ErrAuthRequired
	}
	v.letter.from = from
	return nil
}

func (v *postVisit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.letter.to = append(v.letter.to, to)
	return nil
}

func (v *postVisit) Data(r io.Reader) error {
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

func (v *postVisit) Reset()        { v.letter = postLetter{} }
func (v *postVisit) Logout() error { return nil }
