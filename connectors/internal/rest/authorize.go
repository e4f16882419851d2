package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

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

	mu sync.Mutex
	// generation moves when the credential changed; renewals when it was
	// looked at. Both only while renewing is held.
	generation, renewals int
}

func (t *authorize) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.auth == nil {
		return t.next.RoundTrip(r)
	}
	generation, renewals := t.marks()
	resp, err := t.send(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	changed, err := t.renew(r.Context(), generation, renewals)
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
	return t.send(again)
}

// maxCredential bounds an access token: what a token endpoint says is not sent
// unseen.
const maxCredential = 64 << 10

func (t *authorize) marks() (int, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.generation, t.renewals
}

// send adds the credential and sends. Nothing is sent without one.
func (t *authorize) send(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	err := t.auth.Authorize(r.Context(), out)
	if err == nil && out.URL.String() != r.URL.String() {
		err = errors.New("the credential may not change the address")
	}
	if size := len(out.Header.Get("Authorization")); err == nil && size > maxCredential {
		err = connectors.Errorf(connectors.Unauthorized, "it is %d KiB long, which no token is: who gave it out?", size>>10)
	}
	if err != nil {
		closeBody(r)
		return nil, t.problem(r.Context(), err)
	}
	t.hide.learnRequest(out)
	return t.next.RoundTrip(out)
}

// renew refreshes the credential unless another request has done so since this
// one was sent.
func (t *authorize) renew(ctx context.Context, generation, renewals int) (bool, error) {
	if err := t.renewing.acquire(ctx); err != nil {
		return false, cancelled(ctx)
	}
	defer t.renewing.release()
	nowGeneration, nowRenewals := t.marks()
	if nowGeneration != generation {
		return true, nil
	}
	if nowRenewals != renewals {
		return false, nil
	}
	changed, err := t.auth.Refresh(ctx)
	if err != nil {
		return false, t.problem(ctx, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewals++
	if changed {
		t.generation++
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
