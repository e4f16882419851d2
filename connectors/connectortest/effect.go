package connectortest

import (
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Effect answers a request in place of next, or with its help.
type Effect func(w http.ResponseWriter, r *http.Request, next http.Handler)

// hangBound ends a hanging answer even when the client never goes away, so that
// a fake server can be closed.
const hangBound = 6 * time.Second

// Status answers with a status, headers and body, before the call reaches the
// server. header may be nil.
func Status(code int, header http.Header, body string) Effect {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		drain(r)
		maps.Copy(w.Header(), header)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// Throttle answers 429. With a positive retryAfter it says, in whole seconds,
// when to come back (RFC 9110, section 10.2.3).
func Throttle(retryAfter time.Duration) Effect {
	header := http.Header{"Content-Type": {"application/json"}}
	if retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	}
	return Status(http.StatusTooManyRequests, header, `{"status":"429","detail":"too many requests"}`)
}

// HTML answers 200 with a page for people, as proxies and sign-in walls do.
func HTML() Effect {
	return Status(http.StatusOK, http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>")
}

// Reset breaks the connection before the call reaches the server.
func Reset() Effect {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		drain(r)
		reset(w)
	}
}

// LoseAnswer lets the call happen and breaks the connection instead of
// answering.
func LoseAnswer() Effect {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		reset(w)
	}
}

// Truncate lets the call happen, promises the whole answer and breaks the
// connection after half of it.
func Truncate() Effect {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Length", strconv.Itoa(max(len(body), 2)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Cut lets the call happen and answers half of it as if it were the whole.
func Cut() Effect {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		maps.Copy(w.Header(), answer.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2])
	}
}

// ContentType lets the call happen and names its answer another media type.
func ContentType(mediaType string) Effect {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(answer.Code)
		_, _ = io.Copy(w, answer.Body)
	}
}

// Delay lets the call happen after d, or not at all when the client goes away
// before.
func Delay(d time.Duration) Effect {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		// Only a server that has read the body notices that the client is
		// gone.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Hang never answers: it waits until the client goes away, at most some
// seconds, longer than a cancelled read may take.
func Hang() Effect {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		drain(r)
		timer := time.NewTimer(hangBound)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
}

// Do calls f, then lets the call happen: the world changes between two pages.
func Do(f func()) Effect {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		f()
		next.ServeHTTP(w, r)
	}
}

// drain reads what the client sends, bounded, so that it gets to see the answer.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)) }

// reset ends the connection with a TCP reset where it can, else without one.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Discarding unsent data makes the kernel send RST instead of FIN.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
