package scim

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// An id that cannot be kept or put into an address is none.
func TestUnusableIDs(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id": "2819c223"}`:      "2819c223",
		`{"id": 42}`:              "42",
		`{"id": "a/../b?c#d"}`:    "a/../b?c#d", // escaped where it is used
		`{"id": ""}`:              "",
		`{"id": null}`:            "",
		`{"id": ["a", "b"]}`:      "",
		`{"id": {"value": "a"}}`:  "",
		`{"id": "a\u0000b"}`:      "",
		`{"id": "a\r\nSet-B: c"}`: "",
		`{"id": "` + strings.Repeat("x", maxID) + `"}`:   strings.Repeat("x", maxID),
		`{"id": "` + strings.Repeat("x", maxID+1) + `"}`: "",
	} {
		r, err := decodeResource(newStream(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.id(); got != want {
			t.Errorf("%.40s: id %.40q, want %.40q", body, got, want)
		}
		_, err = r.entry(identity.User)
		if refused := connectors.ClassOf(err) == connectors.Rejected; refused != (want == "") {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}
