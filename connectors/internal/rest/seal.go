package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// seal is the outermost layer: what leaves it in error is a *connectors.Error
// that names method and path, and holds no query string and no credential.
type seal struct {
	next http.RoundTripper
	wire http.RoundTripper
	hide *mask
	gate *gate // of the layer below, for PaceOf
}

func (t *seal) RoundTrip(r *http.Request) (*http.Response, error) {
	// An SDK may have set a credential of its own.
	t.hide.learnRequest(r)
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, t.error(r, err)
	}
	return resp, nil
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *seal) CloseIdleConnections() {
	if closer, ok := t.wire.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

func (t *seal) error(r *http.Request, err error) *connectors.Error {
	f := asFault(err)
	out := &connectors.Error{
		Class: f.class,
		Code:  t.printable(f.code, maxCode),
		Err:   sealed{text: t.describe(r, f), cause: f.cause},
	}
	if f.slow || f.class == connectors.Throttled {
		out.RetryAfter = f.wait.Delay
	}
	return out
}

// describe returns METHOD PATH: what happened (note). The host is left out: the
// caller knows which source or target it speaks to.
func (t *seal) describe(r *http.Request, f *fault) string {
	head := method(r) + " " + t.printable(r.URL.EscapedPath(), maxPath)
	text := t.printable(f.text, maxText)
	switch {
	case text == "":
		return head + ": " + f.note
	case f.note == "":
		return head + ": " + text
	}
	return fmt.Sprintf("%s: %s (%s)", head, text, f.note)
}

// printable masks before it cleans and cuts, so that no half of a secret stays,
// and again afterwards.
func (t *seal) printable(text string, n int) string {
	return clip(t.hide.hide(clean(t.hide.hide(text))), n)
}

// Conceal takes out of a text the secrets that a client of NewClient has sent: what is
// made of the content of an answer may repeat them, also cut off by an ellipsis.
func Conceal(client *http.Client, text string) string {
	t, ok := client.Transport.(*seal)
	if !ok {
		return text
	}
	return t.hide.hideCut(t.hide.hide(text))
}

// ConcealError is Conceal for an error, whose class, code and RetryAfter stay.
func ConcealError(client *http.Client, err error) error {
	if err == nil || Conceal(client, err.Error()) == err.Error() {
		return err
	}
	out := &connectors.Error{Class: connectors.ClassOf(err), Err: sealed{text: Conceal(client, err.Error())}}
	if typed, ok := errors.AsType[*connectors.Error](err); ok {
		out.Code, out.RetryAfter = Conceal(client, typed.Code), typed.RetryAfter
	}
	return out
}

// sealed is text with, at most, the caller's own context error behind it.
type sealed struct {
	text  string
	cause error
}

func (e sealed) Error() string { return e.text }
func (e sealed) Unwrap() error { return e.cause }

func method(r *http.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// asFault returns the fault in the chain of err. Errors of other kinds come from
// a vendor's own Auth: they keep their class, and the request was not sent.
func asFault(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	f := &fault{class: connectors.Unauthorized, text: plain(err)}
	if typed, ok := errors.AsType[*connectors.Error](err); ok {
		f.class, f.code = typed.Class, typed.Code
		f.wait.Delay = typed.RetryAfter
		f.slow = typed.Class == connectors.Throttled
	}
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			f.class, f.cause = connectors.Transient, cause
		}
	}
	f.final = f.class != connectors.Transient && f.class != connectors.Throttled
	return f
}

// plain returns the text of err without the URL that net/http puts in front.
func plain(err error) string {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err.Error()
	}
	return err.Error()
}

// Do sends r through the client and returns what came back. Unlike client.Do,
// its error is a *connectors.Error without the query string in it.
func Do(client *http.Client, r *http.Request) (*http.Response, error) {
	resp, err := client.Do(r)
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close() // closed already, when a redirect was refused
		}
		return nil, Wrap("", identity.Ref{}, err)
	}
	return resp, nil
}

// Wrap returns err as *connectors.Error with what was being done and to which
// object, where err does not say so itself; nil stays nil. The class, code and
// RetryAfter the transport found are kept through any SDK. The *url.Error of
// net/http, which shows the query string, is left out together with all that an
// SDK wrapped around it. An error without a class becomes Unclassified, except
// that the end of the caller's context becomes Transient.
func Wrap(op string, ref identity.Ref, err error) error {
	if err == nil {
		return nil
	}
	outer, isURL := errors.AsType[*url.Error](err)
	typed, isTyped := errors.AsType[*connectors.Error](err)
	if !isTyped {
		typed = &connectors.Error{Class: connectors.Unclassified, Err: err}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			typed.Class = connectors.Transient
		}
		if isURL {
			typed.Err = outer.Err
		}
	}
	out := *typed
	if isTyped && !isURL && typed.Error() != err.Error() {
		// Words that a vendor put around it are worth keeping.
		out.Op, out.Ref, out.Err = "", identity.Ref{}, err
	}
	if out.Op == "" {
		out.Op = op
	}
	if out.Ref.IsZero() {
		out.Ref = ref
	}
	return &out
}
