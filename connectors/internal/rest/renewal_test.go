package rest

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

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
