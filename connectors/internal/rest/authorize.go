package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// authorize puts the credential on each try. After a 401 the credential is
// renewed once, however many requests were refused together; those sent with the
// old one are sent again with the new one, once.
type authorize struct {
	next     http.RoundTripper
	auth     Auth
	hide     *mask
	traffic  *connectors.Traffic
	renewing lock

	// now is under renewing.
	now age
}

// age tells one credential from the next: generation moves when it changed,
// renewals when it was looked at.
type age struct{ generation, renewals int }

func (t *authorize) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.auth == nil {
		return t.next.RoundTrip(r)
	}
	resp, sent, err := t.send(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	changed, err := t.renew(r.Context(), sent)
	if err != nil {
		return nil, err
	}
	if !changed {
		return resp, nil
	}
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return resp, nil //nolint:nilerr // it cannot be sent again: the refusal stands
		}
	}
	t.traffic.Retries.Add(1)
	resp, _, err = t.send(again)
	return resp, err
}

// maxCredential bounds an access token: what a token endpoint says is not sent
// unseen.
const maxCredential = 64 << 10

// send adds the credential and sends, and returns which credential it was. Nothing
// is sent without one.
func (t *authorize) send(r *http.Request) (*http.Response, age, error) {
	out := r.Clone(r.Context())
	sent, err := t.add(out)
	if err == nil && out.URL.String() != r.URL.String() {
		err = errors.New("the credential may not change the address")
	}
	if size := len(out.Header.Get("Authorization")); err == nil && size > maxCredential {
		err = connectors.Errorf(connectors.Unauthorized, "it is %d KiB long, which no token is: who gave it out?", size>>10)
	}
	if err != nil {
		closeBody(r)
		return nil, sent, t.problem(r.Context(), err)
	}
	t.hide.learnRequest(out)
	resp, err := t.next.RoundTrip(out)
	return resp, sent, err
}

// add puts the credential on a request. While one is being renewed it waits: a
// request must not be taken for one with the old credential when it carries the new
// one, or its refusal would renew nothing.
func (t *authorize) add(r *http.Request) (age, error) {
	if err := t.renewing.acquire(r.Context()); err != nil {
		return age{}, err
	}
	defer t.renewing.release()
	return t.now, t.auth.Authorize(r.Context(), r)
}

// renew refreshes the credential unless another request has done so since this
// one was sent.
func (t *authorize) renew(ctx context.Context, sent age) (bool, error) {
	if err := t.renewing.acquire(ctx); err != nil {
		return false, cancelled(ctx)
	}
	defer t.renewing.release()
	if t.now.generation != sent.generation {
		return true, nil
	}
	if t.now.renewals != sent.renewals {
		return false, nil
	}
	changed, err := t.auth.Refresh(ctx)
	if err != nil {
		return false, t.problem(ctx, err)
	}
	t.now.renewals++
	if changed {
		t.now.generation++
	}
	return changed, nil
}

// problem makes a fault of a credential that could not be had. Nothing was sent.
func (t *authorize) problem(ctx context.Context, err error) *fault {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	f := *asFault(err)
	f.sent = false
	f.text = "no credential: " + strings.TrimPrefix(f.text, "no credential: ")
	return &f
}
