package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/scimsync/scimsync/connectors"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]connectors.Class{
		200: "", 201: "", 202: "", 204: "",
		400: connectors.Rejected, 402: connectors.Rejected, 406: connectors.Rejected, 413: connectors.Rejected,
		415: connectors.Rejected, 422: connectors.Rejected, 431: connectors.Rejected,
		401: connectors.Unauthorized, 403: connectors.Forbidden, 404: connectors.Missing, 410: connectors.Missing,
		409: connectors.Conflict, 412: connectors.Conflict, 405: connectors.Unsupported, 501: connectors.Unsupported,
		429: connectors.Throttled, 408: connectors.Transient, 500: connectors.Transient, 503: connectors.Transient,
		520: connectors.Transient, 599: connectors.Transient,
		300: connectors.Rejected, 302: connectors.Rejected, 304: connectors.Rejected,
	} {
		synctest.Test(t, func(t *testing.T) {
			client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) { return respond(r, status, ""), nil })
			_, err := send(t, client, "GET", "https://api.example.com/v1/x", "")
			if want == "" {
				if err != nil {
					t.Errorf("%d: %v", status, err)
				}
				return
			}
			if got := connectors.ClassOf(err); got != want {
				t.Errorf("%d is %s, want %s", status, got, want)
			}
		})
	}
}

// What net/http does not follow is no answer, wherever it says to go.
func TestRedirectsNobodyFollows(t *testing.T) {
	t.Parallel()
	for _, status := range []int{300, 304, 305, 306, 309, 399} {
		synctest.Test(t, func(t *testing.T) {
			client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
				resp := respond(r, status, "[]")
				resp.Header.Set("Location", r.URL.String())
				return resp, nil
			})
			_, err := send(t, client, "GET", "https://api.example.com/v1/x", "")
			wantClass(t, err, connectors.Rejected)
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	decode := func(status int, h http.Header, body []byte) Failure {
		var told struct{ Detail, Code, Class string }
		_ = json.Unmarshal(body, &told)
		return Failure{Class: connectors.Class(told.Class), Code: told.Code, Message: told.Detail}
	}
	for _, c := range []struct {
		name, kind, body string
		status           int
		want, code       string
		class            connectors.Class
	}{
		{
			"vendor's words", "application/json", `{"detail":"userName is taken","code":"uniqueness"}`, 409,
			"POST /v1/Users: userName is taken (409 Conflict)", "uniqueness", connectors.Conflict,
		},
		{
			"vendor's class", "application/json", `{"detail":"too old","class":"expired"}`, 400,
			"POST /v1/Users: too old (400 Bad Request)", "", connectors.Expired,
		},
		{
			"a 500 the vendor explains", "application/json", `{"detail":"exists","class":"conflict"}`, 500,
			"POST /v1/Users: exists (500 Internal Server Error)", "", connectors.Conflict,
		},
		{"nothing", "", "", 403, "POST /v1/Users: 403 Forbidden", "", connectors.Forbidden},
		{
			"a page", "text/html", "<html><head><title>\n  Sign in &ndash; ACME </title>" + strings.Repeat("x", 5000), 403,
			`POST /v1/Users: an HTML page titled "Sign in – ACME" (403 Forbidden)`, "", connectors.Forbidden,
		},
		{"a page without a title", "", "  <!DOCTYPE html><body>x", 404, "POST /v1/Users: an HTML page (404 Not Found)", "", connectors.Missing},
		{"text", "text/plain", "no\r\nsuch\x1b[31m \u202euser\x00\xff", 404, "POST /v1/Users: no such [31m user (404 Not Found)", "", connectors.Missing},
		{"too large", "", "", 413, "POST /v1/Users: 413 Request Entity Too Large", "tooLarge", connectors.Rejected},
		{"too large, vendor's code", "", `{"code":"E1"}`, 413, `POST /v1/Users: {"code":"E1"} (413 Request Entity Too Large)`, "E1", connectors.Rejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := fake(t, Config{Decode: decode}, func(r *http.Request) (*http.Response, error) {
				return respond(r, c.status, c.body, "Content-Type", c.kind), nil
			})
			_, err := send(t, client, "POST", "https://api.example.com/v1/Users?filter=secret", "{}")
			wantClass(t, err, c.class)
			if err.Error() != c.want {
				t.Errorf("%q, want %q", err, c.want)
			}
			if typed, ok := errors.AsType[*connectors.Error](err); !ok || typed.Code != c.code {
				t.Errorf("code of %#v, want %q", err, c.code)
			}
		})
	}
	t.Run("long", func(t *testing.T) {
		t.Parallel()
		client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
			return respond(r, 400, strings.Repeat("ü", 10000)), nil
		})
		_, err := send(t, client, "GET", "https://api.example.com/v1/"+strings.Repeat("y", 1000), "")
		if n := len([]rune(err.Error())); n > maxText+maxPath+50 {
			t.Errorf("%d characters", n)
		}
		wantText(t, err, "400 Bad Request")
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		client := fake(t, Config{Reset: func(h http.Header) Wait { return Wait{Delay: -1} }},
			func(r *http.Request) (*http.Response, error) {
				if tries++; tries == 1 {
					return respond(r, 429, ""), nil
				}
				return respond(r, 200, ""), nil
			})
		if _, err := send(t, client, "GET", "https://api.example.com/v1/x", ""); err != nil {
			t.Error(err)
		}
	})
}

// FuzzErrorAnswer shows that no error answer can make unprintable or endless text.
func FuzzErrorAnswer(f *testing.F) {
	f.Add("text/html", []byte("<title>İ</title"), 404)
	f.Add("", []byte("<html><TITLE"), 500)
	f.Add("application/json", []byte(`{"detail":"x"}`), 409)
	f.Fuzz(func(t *testing.T, kind string, body []byte, status int) {
		h := http.Header{"Content-Type": {kind}}
		s := seal{hide: newMask()}
		text := s.printable(describe(h, body), maxText)
		if len([]rune(text)) > maxText || strings.ContainsFunc(text, isControl) {
			t.Fatalf("%q", text)
		}
		_ = classOf(status)
	})
}
