package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// letter is a mail as a server took it.
type letter struct {
	from string
	to   []string
	data string
	tls  bool
	user string
}

// mailbox is the store and the rules of a mail server.
type mailbox struct {
	mu       sync.Mutex
	letters  []letter
	sessions int

	user, password string                // required where set
	mechanisms     []string              // offered where a user is required; default PLAIN
	mail           func(try int) error   // what MAIL FROM is answered, by session
	rcpt           func(to string) error // what RCPT TO is answered
	data           func(*smtp.Conn) error
}

func (b *mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions++
	_, secure := c.TLSConnectionState()
	return &visit{box: b, conn: c, number: b.sessions, letter: letter{tls: secure}}, nil
}

func (b *mailbox) taken() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.letters)
}

func (b *mailbox) visits() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions
}

type visit struct {
	box    *mailbox
	conn   *smtp.Conn
	number int
	letter letter
}

func (v *visit) AuthMechanisms() []string {
	if v.box.user == "" {
		return nil
	}
	if v.box.mechanisms != nil {
		return v.box.mechanisms
	}
	return []string{sasl.Plain}
}

func (v *visit) Auth(mechanism string) (sasl.Server, error) {
	judge := func(user, password string) error {
		if user != v.box.user || password != v.box.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no, " + password + " is wrong"}
		}
		v.letter.user = user
		return nil
	}
	if mechanism == sasl.Login {
		return &login{judge: judge}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return judge(user, password) }), nil
}

// login is the server's side of AUTH LOGIN, which go-sasl leaves out.
type login struct {
	judge    func(user, password string) error
	username string
	asked    int
}

func (l *login) Next(response []byte) ([]byte, bool, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.username = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.judge(l.username, string(response))
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	if v.box.user != "" && v.letter.user == "" {
		return smtp.ErrAuthRequired
	}
	v.letter.from = from
	if v.box.mail != nil {
		return v.box.mail(v.number)
	}
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	if v.box.rcpt != nil {
		if err := v.box.rcpt(to); err != nil {
			return err
		}
	}
	v.letter.to = append(v.letter.to, to)
	return nil
}

func (v *visit) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if v.box.data != nil {
		if err := v.box.data(v.conn); err != nil {
			return err
		}
	}
	v.letter.data = string(data)
	v.box.mu.Lock()
	defer v.box.mu.Unlock()
	v.box.letters = append(v.box.letters, v.letter)
	return nil
}

func (v *visit) Reset()        { v.letter = letter{tls: v.letter.tls, user: v.letter.user} }
func (v *visit) Logout() error { return nil }

// serveMail starts a real mail server and returns its address. Cert is nil for a
// server without TLS.
func serveMail(t *testing.T, box *mailbox, mode TLSMode, cert *tls.Certificate) string {
	t.Helper()
	server := smtp.NewServer(box)
	server.Domain = "mail.example.com"
	server.AllowInsecureAuth = mode == TLSOff
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.MaxMessageBytes = 1 << 20
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cert != nil {
		cfg := tlsOf(cert)
		if mode == Implicit {
			listener = tls.NewListener(listener, cfg)
		} else {
			server.TLSConfig = cfg
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("mail server: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}

// authority makes a certificate for 127.0.0.1 and the file of its own CA.
func authority(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, file
}

// secretFile keeps a secret in a file.
func secretFile(t *testing.T, value string) connectors.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return connectors.Secret{File: file}
}

func tlsOf(cert *tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*cert}}
}
