package rest

import (
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
	firstBuffer = 1 << 20
	// largeBody is how much of an answer may be read beside others; what is
	// larger is read one at a time, so that a server that answers everything
	// with as much as it can fills the memory once and not once per request.
	largeBody = 8 << 20
)

// bound sends one try and reads its answer whole, so that a body that breaks off
// is a failed try like any other, and so that no answer can take longer or grow
// larger than allowed. It counts what is sent.
type bound struct {
	next     http.RoundTripper
	timeout  time.Duration
	max      int64
	maxOf    func(*http.Request) int64
	streamed func(*http.Request) bool
	utf8     bool
	traffic  *connectors.Traffic
	large    lock // held while an answer beyond largeBody is read
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
	got, err := t.read(ctx, resp, t.limit(r, resp))
	_ = resp.Body.Close() // all that is wanted has been read
	if f, ok := errors.AsType[*fault](err); ok {
		return nil, f
	}
	// An error answer is known by its status, however little of it arrived.
	if err != nil && resp.StatusCode < 400 {
		f := t.broken(caller, ctx, err)
		f.sent = true
		if f.cause == nil && !timedOut(ctx) {
			f.text = fmt.Sprintf("the answer broke off after %d bytes", got.size)
		}
		return nil, f
	}
	if err := t.check(r, resp, got); err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = got, got.size
	resp.Request = r
	return resp, nil
}

// limit is how many bytes of an answer are read.
func (t *bound) limit(r *http.Request, resp *http.Response) int64 {
	if resp.StatusCode >= 400 {
		return maxErrorBody
	}
	if t.maxOf != nil {
		if own := t.maxOf(r); own > 0 {
			return min(own, t.max)
		}
	}
	return t.max
}

// read returns the body. Decompression has happened below, so that the bound is
// on what memory has to hold.
func (t *bound) read(ctx context.Context, resp *http.Response, limit int64) (*body, error) {
	if resp.Body == http.NoBody {
		return &body{}, nil
	}
	if resp.StatusCode < 200 || resp.StatusCode == http.StatusPartialContent {
		// No range is ever asked for (RFC 9110, section 15.3.7).
		return &body{}, refused("answered %s, which was not asked for", statusText(resp.StatusCode))
	}
	if resp.StatusCode < 400 {
		// The transport takes off the gzip it asked for itself.
		if coding := strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ", ")); coding != "" && coding != "identity" {
			return &body{}, refused("answered with Content-Encoding %s, which was not asked for: a proxy may add it", clip(clean(coding), maxCode))
		}
		if resp.ContentLength > limit {
			return &body{}, large("an answer of %d bytes is larger than the %d that are read", resp.ContentLength, limit)
		}
	}
	got := newBody(min(max(resp.ContentLength, 0), limit, firstBuffer))
	err := got.readFrom(resp.Body, min(limit+1, largeBody))
	if err == nil && got.size >= largeBody {
		if err := t.large.acquire(ctx); err != nil {
			return got, err
		}
		defer t.large.release()
		err = got.readFrom(resp.Body, limit+1)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if got.size > limit {
		if resp.StatusCode >= 400 {
			got.cut(limit)
			return got, nil
		}
		return got, large("the answer is larger than the %d bytes that are read", limit)
	}
	return got, err
}

// check refuses an answer that was read and is not to be decoded.
func (t *bound) check(r *http.Request, resp *http.Response, got *body) error {
	if resp.StatusCode >= 300 || !got.isJSON() {
		return nil
	}
	if (t.streamed == nil || !t.streamed(r)) && got.crowded(MaxValues) {
		return large("the answer holds more than %d values", MaxValues)
	}
	if t.utf8 && !got.isUTF8() {
		return refused("the answer is not UTF-8, as JSON is: some text of it cannot be read as it was meant")
	}
	return nil
}

// refused is an answer that is not taken, and would not be a second time.
func refused(format string, args ...any) *fault {
	return &fault{class: connectors.Incomplete, sent: true, final: true, text: fmt.Sprintf(format, args...)}
}

// large is an answer that is larger than is read.
func large(format string, args ...any) *fault {
	f := refused(format, args...)
	f.code = CodeAnswerTooLarge
	return f
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
	case strings.Contains(err.Error(), "server response headers exceeded"), strings.Contains(err.Error(), "response header list larger than"):
		// net/http has no type for it. It is read no better a second time.
		f.class, f.final = connectors.Incomplete, true
		f.text = fmt.Sprintf("the header of the answer is larger than the %d bytes that are read", maxHeaderBytes)
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
