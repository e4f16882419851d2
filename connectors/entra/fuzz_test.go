package entra_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

// parrot answers every request below a path with the same text, in which ORIGIN is
// its address, and all others with an empty round.
type parrot struct {
	path atomic.Pointer[string]
	text atomic.Pointer[[]byte]
}

func (p *parrot) says(path string, text []byte) {
	p.path.Store(&path)
	p.text.Store(&text)
}

const emptyRound = `{"value":[],"@odata.deltaLink":"ORIGIN/v1.0/users/delta?$deltatoken=1"}`

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text := []byte(emptyRound)
	if strings.Contains(r.URL.Path, "/groups/") {
		text = bytes.ReplaceAll(text, []byte("/users/"), []byte("/groups/"))
	}
	if strings.Contains(r.URL.Path, *p.path.Load()) {
		text = *p.text.Load()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(bytes.ReplaceAll(text, []byte("ORIGIN"), []byte("http://"+r.Host)))
}

// overheard is a source that hears the parrot.
func overheard(f *testing.F) (*parrot, *entra.Source) {
	f.Helper()
	p := &parrot{}
	p.says("nothing", nil)
	web := httptest.NewServer(p)
	f.Cleanup(web.Close)
	file := filepath.Join(f.TempDir(), "token")
	if err := os.WriteFile(file, []byte(entratest.DefaultToken), 0o600); err != nil {
		f.Fatal(err)
	}
	source, err := entra.Open(entra.Settings{
		Tenant: tenant, URL: web.URL, Credential: entra.Credential{Kind: entra.StaticToken, Token: connectors.Secret{File: file}},
	}, connectors.Runtime{Traffic: new(connectors.Traffic), UserAgent: "scimsync-test"})
	if err != nil {
		f.Fatal(err)
	}
	return p, source
}

// Whatever Graph answers a delta query, the round is an error or ends with the
// link that the page carried, and nothing in it is about nobody.
func FuzzDeltaPage(f *testing.F) {
	end := `,"@odata.deltaLink":"ORIGIN/v1.0/groups/delta?$deltatoken=2"}`
	for _, s := range []string{
		emptyRound,
		`{"value":[{"id":"1","displayName":"A","userPrincipalName":"a@example.com","accountEnabled":true}]` + end,
		`{"value":[{"id":"1","displayName":"A","members@delta":[{"@odata.type":"#microsoft.graph.user","id":"2"},{"@odata.type":"#microsoft.graph.group","id":"3","@removed":{"reason":"deleted"}}]}]` + end,
		`{"value":[{"id":"1","@removed":{"reason":"changed"}},{"id":"1","displayName":"again"}]` + end,
		`{"value":[{"id":"1","members@delta":"all"},{"id":"2","members@delta":[{"id":7},null,{}]},null,7,{"id":""}]` + end,
		`{"value":[{}],"@odata.nextLink":"ORIGIN/v1.0/groups/delta?$skiptoken=1"}`,
		`{"value":[],"@odata.deltaLink":"https://elsewhere.example.com/v1.0/groups/delta?$deltatoken=2"}`,
		`{"value":[],"@odata.nextLink":"ORIGIN/x"` + end, `{"value":null` + end, `{"value":{}` + end, `{}`, `[]`, ``, `{"value":[],"value":[]` + end,
		`{"error":{"code":"resyncRequired"}}`,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	p, source := overheard(f)
	f.Fuzz(func(t *testing.T, answer []byte, groups bool) {
		path := "/users"
		if groups {
			path = "/groups"
		}
		p.says("nothing", nil)
		before, _ := connectortest.Sound(t, entra.Type(), source, everything())
		if before == nil {
			t.Fatal("two empty rounds are no whole read")
		}
		p.says(path, answer)
		connectortest.Sound(t, entra.Type(), source, everything())
		q := everything()
		q.From = before.Cursor
		if after, _ := connectortest.Sound(t, entra.Type(), source, q); after != nil && (len(after.Full) != 0 || after.Cursor == "") {
			t.Fatalf("a delta read ended with %+v", after)
		}
	})
}

// A cursor that is not ours is expired, which a full read mends; none makes the
// source send its token elsewhere.
func FuzzCursor(f *testing.F) {
	p, source := overheard(f)
	query := everything()
	for event, err := range source.Read(f.Context(), query) {
		if err != nil {
			f.Fatal(err)
		}
		if c, ok := event.(connectors.Checkpoint); ok {
			data, err := base64.RawURLEncoding.DecodeString(string(c.Cursor))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			f.Add(bytes.Replace(data, []byte(`"link":"http`), []byte(`"link":"https`), 1))
			f.Add(bytes.Replace(data, []byte("127.0.0.1"), []byte("127.0.0.1@elsewhere.example.com"), 1))
		}
	}
	for _, s := range []string{"", "{}", "null", `{"v":1}`, `{"v":1,"users":{"link":"//elsewhere.example.com"}}`} {
		f.Add([]byte(s))
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the stranger was asked") }))
	f.Cleanup(stranger.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.ReplaceAll(data, []byte("elsewhere.example.com"), []byte(stranger.Listener.Addr().String()))
		p.says("nothing", nil)
		q := query
		if q.From = connectors.Cursor(base64.RawURLEncoding.EncodeToString(data)); q.From == "" {
			return // a full read
		}
		for event, err := range source.Read(t.Context(), q) {
			if class := connectors.ClassOf(err); err != nil && class != connectors.Expired && class != connectors.Incomplete && class != connectors.Missing {
				t.Fatalf("%s: %v", class, err)
			}
			if c, ok := event.(connectors.Checkpoint); ok && len(c.Full) != 0 {
				t.Fatalf("a delta read ended as %+v", c)
			}
		}
	})
}
