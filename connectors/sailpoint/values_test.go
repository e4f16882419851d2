package sailpoint_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
)

// What is small on the wire and millions of values is refused before it is decoded,
// and so is text that is not UTF-8.
func TestUnfitAnswers(t *testing.T) { //nolint:paralleltest // measures the memory of the whole process
	const size = 60 << 20
	const values, text = "more than 500000 values", "not UTF-8"
	for name, c := range map[string]struct {
		path string
		act  http.HandlerFunc
		says string
	}{
		"accounts":     {"/accounts", connectortest.Packed("[0", ",0", "]", size), values},
		"entitlements": {"/entitlements", connectortest.Packed("[{}", ",{}", "]", size), values},
		"attributes":   {"/accounts", connectortest.Packed(`[{"id":"a1","attributes":{"x":[{}`, ",{}", "]}}]", size), values},
		"a name":       {"/entitlements", connectortest.Packed(`[{"id":"e1","name":"Caf`, "\xe9", `"}]`, 1), text},
	} {
		t.Run(name, func(t *testing.T) {
			server, settings := tenant(t, sailpointtest.Synthetic(3, 2, 3, 1))
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, c.path) {
					c.act(w, r)
					return
				}
				server.ServeHTTP(w, r)
			}))
			t.Cleanup(web.Close)
			settings.URL = web.URL
			source := open(t, settings)
			// Two lists are read at a time.
			connectortest.Allocates(t, 200<<20, func() {
				got := read(t, source, everything())
				if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), c.says) {
					t.Errorf("%v", got.err)
				}
			})
		})
	}
}
