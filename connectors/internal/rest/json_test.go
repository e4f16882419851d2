package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
)

func TestReadJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, kind, body string
		class                    connectors.Class
		text                     string
	}{
		{"an object", "GET", "application/scim+json; charset=utf-8", `{"id":"1"}`, "", ""},
		{"under another name", "GET", "text/plain", ` {"id":"1"} `, "", ""},
		{"with a byte order mark", "GET", "application/json", "\xef\xbb\xbf{\"id\":\"1\"}", "", ""},
		{"a page", "GET", "text/html", `<html><title>Login</title>`, connectors.Incomplete, `GET /v1/Users/1: answered with an HTML page titled "Login" instead of JSON`},
		{"a page under another name", "GET", "application/json", `<!doctype html>`, connectors.Incomplete, "an HTML page"},
		{"text", "GET", "text/plain", `it works`, connectors.Incomplete, "text/plain instead of JSON"},
		{"nothing", "GET", "application/json", ` `, connectors.Incomplete, "answered nothing"},
		{"half", "GET", "application/json", `{"id":`, connectors.Incomplete, "not JSON"},
		{"two values", "GET", "application/json", `{"id":"1"}{"id":"2"}`, connectors.Incomplete, "not JSON"},
		{"wrong type", "GET", "application/json", `{"id":["secret"]}`, connectors.Incomplete, "id in the answer is a JSON array"},
		{"after a write", "POST", "text/html", `<html>`, connectors.Lost, "POST /v1/Users/1: answered with an HTML page"},
		{"nothing after a write", "PATCH", "", ``, connectors.Lost, "answered nothing"},
		{"deep", "GET", "application/json", strings.Repeat("[", 100000), connectors.Incomplete, "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := fake(t, Config{}, func(r *http.Request) (*http.Response, error) {
				return respond(r, 200, c.body, "Content-Type", c.kind), nil
			})
			resp, err := Do(client, request(t, t.Context(), c.method, "https://api.example.com/v1/Users/1?canary", "{}"))
			if err != nil {
				t.Fatal(err)
			}
			var v struct {
				ID string `json:"id"`
			}
			err = ReadJSON(resp, &v)
			if c.class == "" {
				if err != nil || v.ID != "1" {
					t.Errorf("%+v, %v", v, err)
				}
				return
			}
			wantClass(t, err, c.class)
			wantText(t, err, c.text)
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
		})
	}
	// A body from elsewhere is read all the same.
	resp := respond(nil, 200, `{"id":"1"}`)
	var v struct{ ID string }
	if err := ReadJSON(resp, &v); err != nil || v.ID != "1" {
		t.Errorf("%+v, %v", v, err)
	}
	resp = &http.Response{Header: http.Header{}, Body: http.NoBody}
	wantClass(t, ReadJSON(resp, &v), connectors.Incomplete)
}
