package entra_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

// What is small on the wire and millions of values is refused before it is decoded,
// and so is text that is not UTF-8.
func TestUnfitAnswers(t *testing.T) { //nolint:paralleltest // measures the memory of the whole process
	const size = 31 << 20
	const values, text = "more than 500000 values", "not UTF-8"
	for name, c := range map[string]struct {
		path string
		act  http.HandlerFunc
		says string
	}{
		"users":   {"/users/delta", connectortest.Packed(`{"value":[0`, ",0", "]}", size), values},
		"groups":  {"/groups/delta", connectortest.Packed(`{"value":[{}`, ",{}", "]}", size), values},
		"members": {"/groups/delta", connectortest.Packed(`{"value":[{"id":"1","displayName":"A","members@delta":[{}`, ",{}", "]}]}", size), values},
		"beside":  {"/users/delta", connectortest.Packed(`{"value":[],"x":[{}`, ",{}", "]}", size), values},
		"a name":  {"/users/delta", connectortest.Packed(`{"value":[{"id":"1","displayName":"Jos`, "\xe9", `"}]}`, 1), text},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, entratest.Synthetic(3, 2, 3, 1))
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, c.path) {
					c.act(w, r)
					return
				}
				server.ServeHTTP(w, r)
			}))
			t.Cleanup(web.Close)
			source := open(t, settings(t, web.URL, 0))
			connectortest.Allocates(t, 200<<20, func() {
				got := full(t, source, everything())
				if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), c.says) {
					t.Errorf("%v", got.err)
				}
			})
		})
	}
}
