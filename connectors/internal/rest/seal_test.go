package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// The server repeats everything it is sent; no canary may come out again, in an
// error or in the log at debug level.
func TestNoCanaryComesOut(t *testing.T) {
	t.Parallel()
	const token = `canary"tok/en+1`
	secret, _ := tokenFile(t, token)
	echo := func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "%s %s %q %s %s %s %s", r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Authorization"),
			url.QueryEscape(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), password,
			r.URL.Query().Get("client_assertion"), r.Header.Get("X-Api-Key"))
	}
	for name, auth := range map[string]Auth{"bearer": Header("Bearer", secret), "basic": Basic("me", secret), "sdk": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt, log := logged()
			client, base := serve(t, Config{Auth: auth, Runtime: rt, HTTP: connectors.HTTP{Headers: map[string]string{"X-Api-Key": "canary-key"}}}, echo)
			address := base.String() + "/x?filter=canary-filter&client_assertion=canary-assertion"
			r := request(t, t.Context(), "POST", address, "{}")
			if auth == nil {
				r.Header.Set("Authorization", "SSWS "+token)
			}
			_, err := client.Do(r)
			err = Wrap("create user", identity.Ref{Kind: identity.User, ID: "7"}, fmt.Errorf("sdk: %w", err))
			wantClass(t, err, connectors.Rejected)
			wantText(t, err, "create user: user:7: POST /x: ", "***")
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Y2FuYXJ5") {
				t.Errorf("%v", err)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, "canary") {
					t.Errorf("in the chain: %s", text)
				}
			}
			if !strings.Contains(log.String(), "did not succeed") || strings.Contains(log.String(), "canary") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestNetworkErrorsHideTheQuery(t *testing.T) {
	t.Parallel()
	client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "proxyconnect", URL: "https://canary@proxy.example.com", Err: errors.New("refused")}
	})
	_, err := client.Do(request(t, t.Context(), "POST", "https://api.example.com/v1/x?canary", ""))
	err = Wrap("", identity.Ref{}, err)
	wantClass(t, err, connectors.Lost)
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	m := newMask()
	m.learn("abc", "long-secret-one", "secret")
	if got := m.hide("abc long-secret-one secret"); got != "abc *** ***" {
		t.Errorf("%q", got)
	}
	// Half a secret must not stay where text is cut.
	s := seal{hide: m}
	text := s.printable(strings.Repeat("x", maxText-5)+"long-secret-one"+strings.Repeat("y", 50), maxText)
	if strings.Contains(text, "long") {
		t.Errorf("%q", text)
	}
	for i := range 1000 {
		m.learn(fmt.Sprintf("token-%d", i))
	}
	if n := len(m.values); n > maxSecrets {
		t.Errorf("%d secrets are kept", n)
	}
	if got := m.hide("token-999"); got != masked {
		t.Errorf("%q", got)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	ref := identity.Ref{Kind: identity.Group, ID: "g1"}
	typed := &connectors.Error{Class: connectors.Conflict, Code: "uniqueness", RetryAfter: 5, Err: errors.New("taken")}
	if Wrap("x", ref, nil) != nil {
		t.Error("nil became an error")
	}
	for _, c := range []struct {
		err   error
		class connectors.Class
		text  string
	}{
		{typed, connectors.Conflict, "create group: group:g1: taken"},
		{fmt.Errorf("page 3: %w", typed), connectors.Conflict, "create group: group:g1: page 3: taken"},
		{fmt.Errorf("sdk: %w", &url.Error{Op: "Post", URL: "https://x/?canary", Err: typed}), connectors.Conflict, "create group: group:g1: taken"},
		{&url.Error{Op: "Post", URL: "https://x/?canary", Err: errors.New("odd")}, connectors.Unclassified, "create group: group:g1: odd"},
		{errors.New("plain"), connectors.Unclassified, "create group: group:g1: plain"},
		{context.Canceled, connectors.Transient, "create group: group:g1: context canceled"},
		{&connectors.Error{Op: "find group", Ref: ref, Class: connectors.Missing, Err: errors.New("no")}, connectors.Missing, "find group: group:g1: no"},
	} {
		err := Wrap("create group", ref, c.err)
		wantClass(t, err, c.class)
		if err.Error() != c.text {
			t.Errorf("%q, want %q", err, c.text)
		}
	}
	out, ok := errors.AsType[*connectors.Error](Wrap("create group", ref, typed))
	if !ok || out.Code != "uniqueness" || out.RetryAfter != 5 || typed.Op != "" {
		t.Errorf("%+v from %+v", out, typed)
	}
	if !errors.Is(Wrap("x", ref, context.Canceled), context.Canceled) {
		t.Error("the end of the context is lost")
	}
}

// An SDK that formats with %w and one that keeps the *url.Error both let the
// class through, and EOF does not come through at all.
func TestTypedErrorSurvives(t *testing.T) {
	t.Parallel()
	client, base := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cut(t, w, "")
	})
	_, err := client.Do(request(t, t.Context(), "POST", base.String()+"/x", "{}"))
	err = fmt.Errorf("sdk: %w", err)
	if _, ok := errors.AsType[*connectors.Error](err); !ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%#v", err)
	}
}
