package rest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// A client secret that was replaced on disk is used without a restart; one that
// is refused and has not changed is sent once for each request, and no more.
func TestClientSecretReplacedOnDisk(t *testing.T) {
	t.Parallel()
	secret, write := tokenFile(t, "old-secret")
	var accepted atomic.Value
	accepted.Store("old-secret")
	sent := map[string]int{}
	auth, _ := oauth(t, &issuer{answer: func(w http.ResponseWriter, r *http.Request, n int) {
		given := r.FormValue("client_secret")
		if _, password, ok := r.BasicAuth(); ok {
			given = password
		}
		sent[given]++
		if given != accepted.Load() {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"unauthorized_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":3600}`, n)
	}}, secret)
	door := &doorman{token: "token-1"}
	client, base := serve(t, Config{Auth: auth}, door.ServeHTTP)
	if _, err := send(t, client, "GET", base.String()+"/x", ""); err != nil {
		t.Fatal(err)
	}

	accepted.Store("new-secret")
	door.accept("none")
	_, err := send(t, client, "GET", base.String()+"/x", "")
	wantClass(t, err, connectors.Unauthorized)
	_, err = send(t, client, "GET", base.String()+"/x", "")
	wantClass(t, err, connectors.Unauthorized)
	if sent["old-secret"] != 3 {
		t.Errorf("the old secret was sent %d times for one good and two refused requests", sent["old-secret"])
	}

	write("new-secret")
	door.accept("token-4")
	if _, err := send(t, client, "GET", base.String()+"/x", ""); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
}

// slowAuth gives out token-0, token-1, …; renewing takes a second.
type slowAuth struct {
	busy lock
	n    int
}

func (a *slowAuth) Authorize(_ context.Context, r *http.Request) error {
	if err := a.busy.acquire(r.Context()); err != nil {
		return err
	}
	defer a.busy.release()
	r.Header.Set("Authorization", fmt.Sprint("Bearer token-", a.n))
	return nil
}

func (a *slowAuth) Refresh(ctx context.Context) (bool, error) {
	if err := a.busy.acquire(ctx); err != nil {
		return false, err
	}
	defer a.busy.release()
	time.Sleep(time.Second)
	a.n++
	return true, nil
}

// A request that begins while another one renews the token carries the new one. If
// that has ended too, the request has its own renewal to come.
func TestTokenEndsAgainAfterRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		accepted := map[string]string{"/v1/first": "Bearer token-1", "/v1/second": "Bearer token-2"}
		client := fake(t, Config{Auth: &slowAuth{busy: newLock()}}, func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") != accepted[r.URL.Path] {
				return respond(r, http.StatusUnauthorized, ""), nil
			}
			return respond(r, http.StatusOK, "[]"), nil
		})
		var both sync.WaitGroup
		for delay, path := range []string{"first", "second"} {
			both.Go(func() {
				time.Sleep(time.Duration(delay) * time.Second / 2)
				if _, err := send(t, client, "GET", "https://api.example.com/v1/"+path, ""); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			})
		}
		both.Wait()
	})
}
