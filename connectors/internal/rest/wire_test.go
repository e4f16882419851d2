package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

func writeFile(t *testing.T, name string, blocks ...*pem.Block) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var data []byte
	for _, block := range blocks {
		data = append(data, pem.EncodeToMemory(block)...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// clientCert makes a self-signed certificate with its key in one file.
func clientCert(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scimsync"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return writeFile(t, "client.pem", &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: private}), pool
}

func TestTLS(t *testing.T) {
	t.Parallel()
	bundle, clients := clientCert(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := writeFile(t, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})

	client := dial(t, Config{Base: parse(t, server.URL), HTTP: connectors.HTTP{CAFile: authority, ClientCert: bundle}})
	if got, err := send(t, client, "POST", server.URL+"/x", "{}"); err != nil || got != "HTTP/2.0 scimsync" {
		t.Errorf("%q, %v", got, err)
	}

	client = dial(t, Config{Base: parse(t, server.URL), HTTP: connectors.HTTP{ClientCert: bundle}})
	began := time.Now()
	_, err := send(t, client, "POST", server.URL+"/x", "{}")
	wantClass(t, err, connectors.Transient) // not sent, so not lost
	wantText(t, err, "not trusted", "http.ca_file")
	if took := time.Since(began); took > time.Second {
		t.Errorf("a certificate was tried again, for %s", took)
	}

	for _, h := range []connectors.HTTP{
		{CAFile: filepath.Join(t.TempDir(), "absent")},
		{CAFile: writeFile(t, "empty.pem")},
		{ClientCert: authority},
		{ClientCert: filepath.Join(t.TempDir(), "absent")},
		{Proxy: "://user:canary@proxy"},
		{Proxy: "proxy.example.com:3128"},
		{Proxy: "gopher://proxy.example.com"},
	} {
		_, err := NewClient(Config{Base: parse(t, "https://api.example.com"), HTTP: h})
		wantText(t, err, "http.")
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
	_, err = NewClient(Config{Base: parse(t, "http://127.0.0.1:1"), HTTP: connectors.HTTP{Proxy: "http://proxy.example.com:3128"}})
	wantText(t, err, "in the clear")
}

func TestProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "direct") }))
	t.Cleanup(server.Close)
	authority := writeFile(t, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	var tunnels atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Authorization") != "" {
			t.Errorf("the proxy saw %s with %v", r.Method, r.Header)
		}
		tunnels.Add(1)
		out, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, in) }()
		_, _ = io.Copy(in, out)
	}))
	t.Cleanup(proxy.Close)
	secret, _ := tokenFile(t, "canary-token")
	client := dial(t, Config{
		Base: parse(t, server.URL), Auth: Header("Bearer", secret),
		HTTP: connectors.HTTP{CAFile: authority, Proxy: strings.Replace(proxy.URL, "//", "//user:canary@", 1)},
	})
	if got, err := send(t, client, "GET", server.URL+"/x", ""); err != nil || got != "direct" || tunnels.Load() != 1 {
		t.Errorf("%q, %v, %d tunnels", got, err, tunnels.Load())
	}
	client.CloseIdleConnections()
	proxy.CloseClientConnections()
	proxy.Close()
	_, err := send(t, client, "POST", server.URL+"/x", "{}")
	wantClass(t, err, connectors.Transient)
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	rt, _ := logged()
	client, base := serve(t, Config{Runtime: rt, HTTP: connectors.HTTP{Headers: map[string]string{"x-tenant": "acme"}}},
		func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Tenant") != "acme" || r.UserAgent() != "scimsync/test" || r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("%v", r.Header)
			}
		})
	r := request(t, t.Context(), "GET", base.String()+"/x", "")
	r.Header.Set("Accept-Encoding", "br, deflate") // as an SDK might
	r.Header.Set("User-Agent", "sdk")
	if _, err := Do(client, r); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("X-Tenant") != "" {
		t.Error("the caller's request was changed")
	}
	for name, value := range map[string]string{
		"authorization": "Bearer canary", "Cookie": "canary", "Host": "x", "Content-Length": "1", "a b": "x", "": "x", "X-A": "a\r\nX-B: canary",
	} {
		_, err := NewClient(Config{Base: base, HTTP: connectors.HTTP{Headers: map[string]string{name: value}}})
		wantText(t, err, "http.headers")
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
}
