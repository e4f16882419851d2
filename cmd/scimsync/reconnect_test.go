package main

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// A cycle about few objects goes by what the application said of itself to an
// earlier one, and asks anew where that is of another day or another address.
func TestReconnect(t *testing.T) {
	t.Parallel()
	d := newTenancy(t, crew(), following)
	discovered := func() bool {
		found := slices.ContainsFunc(d.application.Log(), func(r scimtest.Request) bool { return r.Path == "/ServiceProviderConfig" })
		d.asked()
		return found
	}
	later := time.Duration(0)
	rename := func(name string, args ...string) {
		t.Helper()
		d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": name}))
		clock := func() time.Time { return time.Now().Add(later) }
		if r := d.commandAt(clock, append([]string{"sync"}, args...)...); r.code != exitDone {
			t.Fatal(r)
		}
		if got, _ := d.user("ada@example.com")["name"].(map[string]any); got["familyName"] != name {
			t.Errorf("%v, want the family name %s", got, name)
		}
	}
	d.sync(exitDone)
	if !discovered() {
		t.Error("a first cycle does not ask what the application can do")
	}
	rename("One")
	rename("Two", "--only", "user:"+entraID(1))
	if discovered() {
		t.Error("a cycle about one person asks what the application can do")
	}
	d.sync(exitDone, "--full")
	if !discovered() {
		t.Error("a full cycle does not ask what the application can do")
	}
	later = 25 * time.Hour
	rename("Three")
	if !discovered() {
		t.Error("a day later nobody asks what the application can do")
	}
	rename("Four")
	if discovered() {
		t.Error("the answer of the day is not kept")
	}
}

// Where nobody answers to what is remembered, that is what is said: neither that
// all is well nor that people cannot be found. Nothing is written.
func TestReconnectInVain(t *testing.T) {
	t.Parallel()
	refuse := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   int
		says   string
	}{
		"refused":        {refuse(http.StatusUnauthorized, `{"detail":"who are you"}`), exitUnauthorized, "who are you"},
		"not allowed":    {refuse(http.StatusForbidden, `{"detail":"no"}`), exitUnauthorized, "may not read users"},
		"nobody there":   {refuse(http.StatusNotFound, `{}`), exitIncomplete, "there is no SCIM service"},
		"a login page":   {refuse(http.StatusOK, "<html>Log in</html>"), exitIncomplete, "login page"},
		"not in edition": {refuse(http.StatusNotImplemented, `{}`), exitIncomplete, "does not implement SCIM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTenancy(t, crew(), following)
			var away atomic.Bool
			d.behind(func(w http.ResponseWriter, r *http.Request) {
				if away.Load() {
					c.answer(w, r)
					return
				}
				d.application.ServeHTTP(w, r)
			})
			d.follow(following)
			d.sync(exitDone)
			before := d.application.Users()
			away.Store(true)
			fails := func(args ...string) {
				t.Helper()
				r := d.command(append([]string{"sync"}, args...)...)
				if r.code != c.code || !strings.Contains(r.err, c.says) {
					t.Errorf("want exit %d and %q\n%s", c.code, c.says, r)
				}
			}
			fails() // with nothing to do
			d.must(d.tenant.UpdateUser(entraID(1), map[string]any{"surname": "Changed"}))
			fails()
			fails("--only", "user:"+entraID(1))
			for _, n := range []int{2, 3, 4} {
				d.must(d.tenant.UpdateUser(entraID(n), map[string]any{"surname": "Changed"}))
			}
			fails()
			d.same(before, d.application.Users())
			away.Store(false)
			d.sync(exitDone)
			d.agrees()
		})
	}
}
