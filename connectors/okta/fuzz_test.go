package okta_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// parrot answers every request below a path with the same text, and all others
// with an empty list.
type parrot struct {
	path atomic.Pointer[string]
	text atomic.Pointer[[]byte]
}

func (p *parrot) says(path string, text []byte) {
	p.path.Store(&path)
	p.text.Store(&text)
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	text := []byte("[]")
	if strings.HasSuffix(r.URL.Path, *p.path.Load()) {
		text = *p.text.Load()
	}
	_, _ = w.Write(text)
}

// overheard is a source that hears the parrot.
func overheard(f *testing.F) (*parrot, *okta.Source) {
	f.Helper()
	p := &parrot{}
	p.says("/nothing", nil)
	web := httptest.NewServer(p)
	f.Cleanup(web.Close)
	file := filepath.Join(f.TempDir(), "token")
	if err := os.WriteFile(file, []byte(oktatest.DefaultToken), 0o600); err != nil {
		f.Fatal(err)
	}
	source, err := okta.Open(okta.Settings{URL: web.URL, Token: connectors.Secret{File: file}},
		connectors.Runtime{UserAgent: "scimsync-test", Traffic: new(connectors.Traffic)})
	if err != nil {
		f.Fatal(err)
	}
	return p, source
}

// Whatever Okta answers, a page is an error or a list of records with ids, and
// what it holds beside them shields somebody.
func FuzzUsers(f *testing.F) {
	for _, s := range []string{
		`[{"id":"00u1","status":"ACTIVE","created":"2026-01-02T03:04:05.000Z","profile":{"login":"a@example.com","email":"a@example.com","firstName":"A","lastName":"B"}}]`,
		`[{"id":"00u1","status":"ACTIVE","profile":{}},{"id":"00u1","status":"ACTIVE","profile":{}}]`,
		`[{"id":1},{"id":""},null,7,[],{"id":"../../groups"},{"id":"00u1","status":5,"profile":[]}]`, `[]`, `{}`, `null`, `[`, `[{"id":"00u1"}] x`,
		`[{"id":"00u1","id":"00u2","status":"ACTIVE","profile":{"login":"\ud800","n":1e999}}]`, `<html>`, ``,
	} {
		f.Add([]byte(s))
	}
	p, source := overheard(f)
	f.Fuzz(func(t *testing.T, answer []byte) {
		p.says("/users", answer)
		last, records := connectortest.Sound(t, okta.Type(), source, connectors.Query{Kinds: []identity.Kind{identity.User}})
		var list []json.RawMessage
		if err := json.Unmarshal(answer, &list); last != nil && (err != nil || records > len(list)) {
			t.Fatalf("%q was read as %d records", answer, records)
		}
	})
}

// The System Log decides what is looked at; nothing in it may pass for a whole
// read, lose its end or name an object by what is no id.
func FuzzLog(f *testing.F) {
	entry := func(kind, target string) string {
		return fmt.Sprintf(`[{"uuid":"1","eventType":%q,"published":"2026-01-02T03:04:05.000Z","actor":{"id":"00u9","type":"User"},"target":%s}]`, kind, target)
	}
	for _, s := range []string{
		`[]`, `null`, `{}`, `[{}]`, `[null]`,
		entry("user.lifecycle.create", `[{"id":"00u1","type":"User"}]`),
		entry("user.lifecycle.delete.completed", `null`),
		entry("group.user_membership.add", `[{"id":"00u1","type":"User"},{"id":"00g1","type":"UserGroup"}]`),
		entry("group.lifecycle.delete", `[]`),
		entry("user.account.lock", `[{"id":"../x","type":"User"},{"id":7,"type":{}}]`),
		`[{"uuid":"1","eventType":"user.account.lock","published":"yesterday"}]`,
	} {
		f.Add([]byte(s))
	}
	p, source := overheard(f)
	query := connectors.Query{Kinds: identity.Kinds(), Links: true}
	for event, err := range source.Read(f.Context(), query) {
		if err != nil {
			f.Fatal(err)
		}
		if c, ok := event.(connectors.Checkpoint); ok {
			query.From = c.Cursor
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		p.says("/logs", answer)
		last, _ := connectortest.Sound(t, okta.Type(), source, query)
		if last != nil && (len(last.Full) != 0 || last.Cursor == "") {
			t.Fatalf("a delta read ended with %+v", last)
		}
	})
}

// A cursor that is not ours is expired, which a full read mends, and never a
// reason to stop or to ask for another time than it says.
func FuzzCursor(f *testing.F) {
	p, source := overheard(f)
	p.says("/logs", []byte("[]"))
	query := connectors.Query{Kinds: identity.Kinds(), Links: true}
	for event, err := range source.Read(f.Context(), query) {
		if err != nil {
			f.Fatal(err)
		}
		if c, ok := event.(connectors.Checkpoint); ok {
			f.Add(string(c.Cursor))
			f.Add(strings.Replace(string(c.Cursor), `"since":`, `"since":9`, 1))
		}
	}
	for _, s := range []string{"x", "{}", `{"v":1}`, `{"v":1,"since":-1,"full":1}`, "null", "[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, from string) {
		if from == "" {
			return // a full read
		}
		query := query
		query.From = connectors.Cursor(from)
		began := time.Now()
		for event, err := range source.Read(t.Context(), query) {
			if class := connectors.ClassOf(err); err != nil && class != connectors.Expired && class != connectors.Incomplete {
				t.Fatalf("%s: %v", class, err)
			}
			if c, ok := event.(connectors.Checkpoint); ok && len(c.Full) != 0 {
				t.Fatalf("a delta read ended as %+v", c)
			}
		}
		if spent := time.Since(began); spent > 10*time.Second {
			t.Fatalf("it took %s", spent)
		}
	})
}
