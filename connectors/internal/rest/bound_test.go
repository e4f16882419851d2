package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const hugeBody = 1 << 20

func TestBoundedAnswers(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 64<<10)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		class   connectors.Class
		text    string
	}{
		{"bomb", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("Accept-Encoding %q", r.Header.Get("Accept-Encoding"))
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 1 << 14 { // 1 GiB
				if _, err := z.Write(zeros); err != nil {
					return
				}
			}
			_ = z.Close()
		}, connectors.Incomplete, "larger than"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(zeros); err != nil {
					return
				}
			}
		}, connectors.Incomplete, "larger than"},
		{"declared too large", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<40))
		}, connectors.Incomplete, "1099511627776 bytes"},
		{"a coding nobody asked for", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("x"))
		}, connectors.Incomplete, "Content-Encoding br"},
		{"endless error answer", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			for {
				if _, err := w.Write(zeros); err != nil {
					return
				}
			}
		}, connectors.Missing, "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, base := serve(t, Config{MaxBody: hugeBody}, c.handler)
			_, err := send(t, client, "GET", base.String()+"/x", "")
			wantClass(t, err, c.class)
			wantText(t, err, c.text)
		})
	}
}

func TestWholeAnswers(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", hugeBody)
	client, base := serve(t, Config{MaxBody: hugeBody}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			_, _ = io.WriteString(w, body)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, body)
			_ = z.Close()
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		}
	})
	for path, want := range map[string]string{"/exact": body, "/gzip": body, "/none": "", "/empty": ""} {
		if got, err := send(t, client, "GET", base.String()+path, ""); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if _, err := send(t, client, "HEAD", base.String()+"/exact", ""); err != nil {
		t.Error(err)
	}
}

// cut writes an answer by hand and closes the connection, so that its body does
// not keep what its header promises.
func cut(t *testing.T, w http.ResponseWriter, raw string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, raw)
}

func TestAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"short":            "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"id\":1",
		"chunk":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"id\":1\r\n",
		"half a header":    "HTTP/1.1 200 OK\r\nContent-",
		"no header":        "",
		"no HTTP":          "SSH-2.0-OpenSSH\r\n\r\n",
		"half a gzip":      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
		"negative length":  "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"other protocol":   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
		"broken chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"two lengths":      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"status of letter": "HTTP/1.1 2xx OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var gets, posts atomic.Int64
			client, base := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.Method == "GET" && gets.Add(1) > 1 {
					_, _ = w.Write([]byte("whole"))
					return
				}
				if r.Method == "POST" {
					posts.Add(1)
				}
				cut(t, w, raw)
			})
			got, err := send(t, client, "GET", base.String()+"/x", "")
			if name == "other protocol" {
				wantClass(t, err, connectors.Incomplete)
			} else if err != nil || got != "whole" {
				t.Errorf("%q, %v", got, err)
			}
			_, err = send(t, client, "POST", base.String()+"/x", "{}")
			wantClass(t, err, connectors.Lost)
			if posts.Load() != 1 {
				t.Errorf("the POST was sent %d times", posts.Load())
			}
		})
	}
}

// An error answer whose body is cut off is still known by its status.
func TestErrorAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	client, base := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		cut(t, w, "HTTP/1.1 409 Conflict\r\nContent-Length: 50\r\n\r\nname is taken")
	})
	_, err := send(t, client, "POST", base.String()+"/x", "{}")
	wantClass(t, err, connectors.Conflict)
	wantText(t, err, "name is taken", "409")
}

// One timeout covers connecting, sending, the header and the last byte.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no header": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow body": func(w http.ResponseWriter, r *http.Request) {
			flush := http.NewResponseController(w)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := w.Write([]byte("x")); err != nil || flush.Flush() != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, base := serve(t, Config{HTTP: connectors.HTTP{Timeout: seconds(0.15)}}, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				handler(w, r)
			})
			began := time.Now()
			_, err := send(t, client, "POST", base.String()+"/x", "{}")
			wantClass(t, err, connectors.Lost)
			wantText(t, err, "no whole answer within 150ms")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// Nobody has to close a body for its connection to be used again.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	var dialled atomic.Int64
	client, base := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("{}")) })
	client.Transport.(*seal).wire.(*http.Transport).DialContext = countDials(&dialled)
	for range 20 {
		resp, err := Do(client, request(t, t.Context(), "GET", base.String()+"/x", ""))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp // not closed, as careless SDKs do
	}
	if n := dialled.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests", n)
	}
}

func countDials(n *atomic.Int64) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		n.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// Each request has a bound of its own beside that of the client, and what is too
// large is told apart from what broke off.
func TestBoundOfOneRequest(t *testing.T) {
	t.Parallel()
	client, base := serve(t, Config{
		MaxBody:   1000,
		MaxBodyOf: func(r *http.Request) int64 { return map[string]int64{"/small": 10, "/large": 5000}[r.URL.Path] },
	}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", map[string]int{"/small": 11, "/other": 1000, "/large": 1001}[r.URL.Path]))
	})
	for path, large := range map[string]bool{"/small": true, "/other": false, "/large": true} {
		for method, class := range map[string]connectors.Class{"GET": connectors.Incomplete, "POST": connectors.Lost} {
			_, err := send(t, client, method, base.String()+path, "")
			if !large {
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				continue
			}
			wantClass(t, err, class)
			if typed, _ := errors.AsType[*connectors.Error](err); typed.Code != CodeAnswerTooLarge {
				t.Errorf("%s %s: code %q", method, path, typed.Code)
			}
		}
	}
}

// A header without measure is not read a second time.
func TestHeaderTooLarge(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	client, base := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		for i := range 200 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 10_000))
		}
	})
	_, err := send(t, client, "GET", base.String()+"/x", "")
	wantClass(t, err, connectors.Incomplete)
	wantText(t, err, "header of the answer is larger")
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// A body comes out as it went in, whatever its size, and in one piece where it is.
func TestBody(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, 513, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3*chunkBytes + 7} {
		want := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		for _, told := range []int64{0, int64(min(size, firstBuffer))} {
			b := newBody(told)
			if err := b.readFrom(bytes.NewReader(want), int64(size)+1); !errors.Is(err, io.EOF) || b.size != int64(size) {
				t.Fatalf("%d bytes: %d, %v", size, b.size, err)
			}
			whole, one := b.whole()
			if one != (size <= chunkBytes) || one && !bytes.Equal(whole, want) {
				t.Errorf("%d bytes: in one piece %t, %d bytes", size, one, len(whole))
			}
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: %d read, %v", size, len(got), err)
			}
			if _, again := b.whole(); again {
				t.Errorf("%d bytes: whole after it was read", size)
			}
		}
	}
	b := newBody(0)
	if err := b.readFrom(strings.NewReader(strings.Repeat("x", 2*chunkBytes)), chunkBytes+5); err != nil || b.size != chunkBytes+5 {
		t.Errorf("%d bytes, %v; want to stop at the limit", b.size, err)
	}
	if b.cut(3); b.size != 3 {
		t.Errorf("cut to %d bytes", b.size)
	}
	if got, _ := io.ReadAll(b); string(got) != "xxx" {
		t.Errorf("cut to %q", got)
	}
}
