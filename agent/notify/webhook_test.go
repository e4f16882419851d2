package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
)

// wire is an http.RoundTripper in this process, for tests in a bubble.
type wire func(*http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("")), Request: r}
}

func hook(t *testing.T, s WebhookSettings) *Webhook {
	t.Helper()
	w, err := NewWebhook("chat", s, Options{UserAgent: "scimsync/test"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhookSigns(t *testing.T) {
	t.Parallel()
	type request struct {
		header http.Header
		body   []byte
	}
	got := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		got <- request{r.Header, body}
	}))
	t.Cleanup(server.Close)
	const secret = "a key of some length"
	w := hook(t, WebhookSettings{URL: server.URL + "/in?x=1", Secret: secretFile(t, secret)})
	m := oneGroup(`"Führung" <!channel> & 財務`)
	if err := w.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r := <-got
	// Written again from the documentation, not by calling Sign.
	stamp := r.header.Get("Scimsync-Timestamp")
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", stamp, r.body)
	if want := "v1=" + hex.EncodeToString(mac.Sum(nil)); r.header.Get("Scimsync-Signature") != want {
		t.Errorf("signature %q, want %q", r.header.Get("Scimsync-Signature"), want)
	}
	if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %q", stamp)
	}
	if r.header.Get("Scimsync-Delivery") != m.ID || r.header.Get("Content-Type") != "application/json; charset=utf-8" || r.header.Get("User-Agent") != "scimsync/test" {
		t.Errorf("headers: %v", r.header)
	}
	var back struct {
		Message
		Text string
	}
	if err := json.Unmarshal(r.body, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, back.Message); diff != "" {
		t.Errorf("message (-sent +received):\n%s", diff)
	}
	if !strings.Contains(back.Text, `"Führung" <!channel> & 財務`) {
		t.Errorf("text: %s", back.Text)
	}
}

func TestWebhookUnsigned(t *testing.T) {
	t.Parallel()
	w := hook(t, WebhookSettings{URL: "https://chat.example.com/in"})
	w.client.Transport = wire(func(r *http.Request) (*http.Response, error) {
		if _, ok := r.Header["Scimsync-Signature"]; ok {
			t.Error("a signature without a secret")
		}
		return answer(r, 204), nil
	})
	if err := w.Send(t.Context(), oneGroup("x")); err != nil {
		t.Fatal(err)
	}
}

// step is what the other side does to one try.
type step struct {
	status int
	after  string // Retry-After
	err    error
	hangs  bool
}

func TestWebhookRetries(t *testing.T) {
	t.Parallel()
	ok, busy, slow := step{status: 200}, step{status: 503}, step{status: 429, after: "40"}
	lost := step{err: io.ErrUnexpectedEOF}
	tests := map[string]struct {
		steps    []step // the last repeats
		tries    int
		from, to time.Duration
		problem  string
	}{
		"taken":               {[]step{ok}, 1, 0, 0, ""},
		"5xx, then taken":     {[]step{busy, busy, ok}, 3, 1500 * time.Millisecond, 4500 * time.Millisecond, ""},
		"broken, then taken":  {[]step{lost, ok}, 2, 500 * time.Millisecond, 1500 * time.Millisecond, ""},
		"Retry-After":         {[]step{slow, ok}, 2, 40 * time.Second, 40 * time.Second, ""},
		"Retry-After, a date": {[]step{{status: 503, after: "Sat, 01 Jan 2000 00:00:30 GMT"}, ok}, 2, 30 * time.Second, 30 * time.Second, ""},
		"asks for too long":   {[]step{{status: 429, after: "3600"}}, 1, 0, 0, "answered 429"},
		"adds up to too long": {[]step{slow}, 4, 2 * time.Minute, 2 * time.Minute, "answered 429 (4 tries)"},
		"5xx for ever":        {[]step{busy}, 5, 7500 * time.Millisecond, 22500 * time.Millisecond, "answered 503 (5 tries)"},
		"refused":             {[]step{{status: 400}}, 1, 0, 0, "answered 400"},
		"not implemented":     {[]step{{status: 501}}, 1, 0, 0, "answered 501"},
		"hangs":               {[]step{{hangs: true}}, 5, 57500 * time.Millisecond, 72500 * time.Millisecond, "no answer within 10s: context deadline exceeded (5 tries)"},
		"hangs, then taken":   {[]step{{hangs: true}, ok}, 2, 10500 * time.Millisecond, 11500 * time.Millisecond, ""},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := hook(t, WebhookSettings{URL: "https://chat.example.com/services/T0/B0/token", Secret: secretFile(t, "key")})
				tries := 0
				ids, signatures := map[string]bool{}, map[string]bool{}
				w.client.Transport = wire(func(r *http.Request) (*http.Response, error) {
					s := test.steps[min(tries, len(test.steps)-1)]
					tries++
					body, err := io.ReadAll(r.Body)
					if err != nil || len(body) == 0 {
						t.Errorf("try %d: body %q, %v", tries, body, err)
					}
					ids[r.Header.Get(HeaderDelivery)], signatures[r.Header.Get(HeaderSignature)] = true, true
					switch {
					case s.hangs:
						<-r.Context().Done()
						return nil, r.Context().Err()
					case s.err != nil:
						return nil, s.err
					case s.after != "":
						return answer(r, s.status, "Retry-After", s.after), nil
					}
					return answer(r, s.status), nil
				})
				began := time.Now()
				err := w.Send(t.Context(), oneGroup("x"))
				took := time.Since(began)
				if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.HasSuffix(err.Error(), test.problem)) {
					t.Errorf("error %v, want %q", err, test.problem)
				}
				if tries != test.tries || took < test.from || took > test.to {
					t.Errorf("%d tries in %s, want %d in %s to %s", tries, took, test.tries, test.from, test.to)
				}
				if len(ids) != 1 {
					t.Errorf("delivery ids differ between tries: %v", ids)
				}
				if took > 2*time.Second && tries > 1 && len(signatures) < 2 {
					t.Error("a later try has the signature of an earlier time")
				}
			})
		})
	}
}

func TestWebhookStopsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := hook(t, WebhookSettings{URL: "https://chat.example.com/in"})
		w.client.Transport = wire(func(r *http.Request) (*http.Response, error) { return answer(r, 429, "Retry-After", "60"), nil })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := w.Send(ctx, oneGroup("x"))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "answered 429") || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestWebhookRedirects(t *testing.T) {
	t.Parallel()
	strayed := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed = true }))
	t.Cleanup(other.Close)
	arrived, loops := 0, 0
	mux := http.NewServeMux()
	mux.HandleFunc("/307", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/in", http.StatusTemporaryRedirect) })
	mux.HandleFunc("/302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/in", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		loops++
		http.Redirect(w, r, "/loop", http.StatusPermanentRedirect)
	})
	mux.HandleFunc("/in", func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 && r.Method == http.MethodPost {
			arrived++
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for path, problem := range map[string]string{
		"/307": "", "/302": "would turn the message into a GET", "/away": "leads to another origin", "/loop": "more than 3 in a row",
	} {
		err := hook(t, WebhookSettings{URL: server.URL + path}).Send(t.Context(), oneGroup("x"))
		if problem == "" && err != nil || problem != "" && (err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "tries")) {
			t.Errorf("%s: error %v, want %q", path, err, problem)
		}
	}
	if arrived != 1 || strayed || loops != 4 {
		t.Errorf("%d arrived, strayed %t, %d rounds", arrived, strayed, loops)
	}
}

func TestWebhookKeepsSecrets(t *testing.T) {
	t.Parallel()
	const token, secret = "T00000000/B00000000/XXXXXXXX", "hmac-key-that-stays-here"
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "no \x1b[31m service at %s with %s", r.URL.RequestURI(), secret)
	}))
	t.Cleanup(echo.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, base := range []string{echo.URL, gone.URL} {
		w := hook(t, WebhookSettings{URL: base + "/services/" + token + "?key=" + token, Secret: secretFile(t, secret)})
		w.patience.tries = 1
		err := w.Send(t.Context(), oneGroup("x"))
		if err == nil || !strings.Contains(err.Error(), "notifier chat: post to "+base+": ") {
			t.Errorf("error %v does not name %s", err, base)
		}
		if strings.Contains(err.Error(), "B00000000") || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("the error shows what it must not: %v", err)
		}
	}
}

func TestWebhookTrustsItsCA(t *testing.T) {
	t.Parallel()
	cert, ca := authority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = tlsOf(cert)
	server.StartTLS()
	t.Cleanup(server.Close)
	if err := hook(t, WebhookSettings{URL: server.URL, CAFile: ca}).Send(t.Context(), oneGroup("x")); err != nil {
		t.Error(err)
	}
	err := hook(t, WebhookSettings{URL: server.URL}).Send(t.Context(), oneGroup("x"))
	if err == nil || !strings.Contains(err.Error(), "failed to verify certificate") || strings.Contains(err.Error(), "tries") {
		t.Errorf("error %v", err)
	}
}

func TestWebhookBoundsAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		for range 1 << 10 {
			if _, err := w.Write([]byte(strings.Repeat("x", 64<<10))); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	err := hook(t, WebhookSettings{URL: server.URL, Timeout: connectors.Duration(5 * time.Second)}).Send(t.Context(), oneGroup("x"))
	if err == nil || len(err.Error()) > 2*longestName+200 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

// TestWebhookHidesPartsOfItsAddress has the receiver answer with single parts of
// an address that is a secret, as written and as decoded.
func TestWebhookHidesPartsOfItsAddress(t *testing.T) {
	t.Parallel()
	w := hook(t, WebhookSettings{URL: "https://chat.example.com/hooks/T00000000/longer-T00000000/se%20cret-path/SECRETPATH?v=1&sig=signa%2Bture-x"})
	for part, hidden := range map[string]bool{
		"T00000000": true, "longer-T00000000": true, "se%20cret-path": true, "se cret-path": true, "SECRETPATH": true,
		"signa%2Bture-x": true, "signa+ture-x": true, "v=1&sig=signa%2Bture-x": true, "hooks": false, "no such channel": false,
	} {
		w.client.Transport = wire(func(r *http.Request) (*http.Response, error) {
			resp := answer(r, 400)
			resp.Body = io.NopCloser(strings.NewReader("nope (" + part + ")"))
			return resp, nil
		})
		want := "answered 400: nope (" + part + ")"
		if hidden {
			want = "answered 400: nope (***)"
		}
		if err := w.Send(t.Context(), oneGroup("x")); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", part, err, want)
		}
	}
}
