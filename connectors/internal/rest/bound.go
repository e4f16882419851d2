package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const (
	// maxErrorBody is how much of an error answer is read.
	maxErrorBody = 64 << 10
	// firstBuffer bounds what is set aside on the word of Content-Length.
	firstBuffer = 4 << 20
)

// bound sends one try and reads its answer whole, so that a body that breaks off
// is a failed try like any other, and so that no answer can take longer or grow
// larger than allowed. It counts what is sent.
type bound struct {
	next    http.RoundTripper
	timeout time.Duration
	max     int64
	traffic *connectors.Traffic
}

func (t *bound) RoundTrip(r *http.Request) (*http.Response, error) {
	caller := r.Context()
	if err := caller.Err(); err != nil {
		closeBody(r)
		return nil, cancelled(caller)
	}
	ctx, cancel := context.WithTimeout(caller, t.timeout)
	defer cancel()
	var seen progress
	t.traffic.Requests.Add(1)
	resp, err := t.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, seen.trace())))
	if err != nil {
		f := t.broken(caller, ctx, err)
		f.sent = seen.sent() && !f.stale
		return nil, f
	}
	body, err := t.read(resp)
	_ = resp.Body.Close() // all that is wanted has been read
	if f, ok := errors.AsType[*fault](err); ok {
		return nil, f
	}
	// An error answer is known by its status, however little of it arrived.
	if err != nil && resp.StatusCode < 400 {
		f := t.broken(caller, ctx, err)
		f.sent = true
		if f.cause == nil && !timedOut(ctx) {
			f.text = fmt.Sprintf("the answer broke off after %d bytes", len(body))
		}
		return nil, f
	}
	resp.Body = &answer{Reader: bytes.NewReader(body), all: body}
	resp.ContentLength = int64(len(body))
	resp.Request = r
	return resp, nil
}

// read returns the body. Decompression has happened below, so that the bound is
// on what memory has to hold.
func (t *bound) read(resp *http.Response) ([]byte, error) {
	if resp.Body == http.NoBody {
		return nil, nil
	}
	limit := t.max
	if resp.StatusCode >= 400 {
		limit = maxErrorBody
	}
	refused := func(format string, args ...any) *fault {
		return &fault{class: connectors.Incomplete, sent: true, final: true, text: fmt.Sprintf(format, args...)}
	}
	if resp.StatusCode < 200 {
		return nil, refused("answered %s, which was not asked for", statusText(resp.StatusCode))
	}
	if resp.StatusCode < 400 {
		// The transport takes off the gzip it asked for itself.
		if coding := strings.ToLower(resp.Header.Get("Content-Encoding")); coding != "" && coding != "identity" {
			return nil, refused("answered with Content-Encoding %s, which was not asked for", clip(clean(coding), maxCode))
		}
		if resp.ContentLength > limit {
			return nil, refused("an answer of %d bytes is larger than the %d that are read", resp.ContentLength, limit)
		}
	}
	size := min(max(resp.ContentLength, 0), limit, firstBuffer)
	buffer := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := buffer.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if int64(buffer.Len()) > limit {
		if resp.StatusCode >= 400 {
			return buffer.Bytes()[:limit], nil
		}
		return nil, refused("the answer is larger than the %d bytes that are read", limit)
	}
	return buffer.Bytes(), err
}

// broken makes a fault of what net/http reports when no whole answer came.
func (t *bound) broken(caller, try context.Context, err error) *fault {
	if caller.Err() != nil {
		return cancelled(caller)
	}
	f := &fault{class: connectors.Transient}
	var untrusted *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case timedOut(try):
		f.text = fmt.Sprintf("no whole answer within %s", t.timeout)
	case errors.As(err, &untrusted):
		f.final = true
		f.text = fmt.Sprintf("the server's certificate is not trusted: %s: if it is right, name its authority in http.ca_file", plain(untrusted.Err))
	case errors.As(err, &alert):
		f.text = fmt.Sprintf("TLS handshake refused: %s (is http.client_cert needed?)", alert.Error())
	case strings.HasSuffix(err.Error(), "server closed idle connection"):
		// net/http says so only of a connection that was closed before
		// anything was asked on it.
		f.text, f.stale = "the server had closed the idle connection", true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.text = "the connection was closed without an answer"
	default:
		f.text = plain(err)
	}
	return f
}

// cancelled is the end of the caller's own context, before anything was sent.
func cancelled(ctx context.Context) *fault {
	return &fault{class: connectors.Transient, final: true, text: context.Cause(ctx).Error(), cause: ctx.Err()}
}

func timedOut(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }

// progress notes how far a try came. Transports that report nothing are taken to
// have sent the request.
type progress struct{ asked, wrote atomic.Bool }

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		// net/http starts anew only when nothing was processed.
		GetConn:          func(string) { p.asked.Store(true); p.wrote.Store(false) },
		WroteHeaderField: func(string, []string) { p.wrote.Store(true) },
		WroteHeaders:     func() { p.wrote.Store(true) },
	}
}

// sent reports whether the request may have reached the other side: a server
// cannot act on a request whose header has not been written.
func (p *progress) sent() bool { return p.wrote.Load() || !p.asked.Load() }

// answer is a body in memory. It needs no closing, and ReadJSON reads it in
// place.
type answer struct {
	*bytes.Reader
	all []byte
}

func (a *answer) Close() error { return nil }
