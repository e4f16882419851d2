package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestLostAndUnknown loses the answer to a create at a target that cannot be asked
// either, and on which nothing marks what is ours: the run says that it failed and
// leaves it open, and the next one finds what was made and takes it for ours, neither
// making it again nor leaving it to others.
func TestLostAndUnknown(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"/Users", "/Groups"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withPeople(office()), withSync(unmarked),
				withApplication(func(o *scimtest.Options) { o.SharedGroupNames = true }))
			front := &trap{next: w.application}
			w.behind(front.ServeHTTP)
			w.resync(unmarked)
			lost := false
			front.arm(func(r *http.Request) bool {
				made := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, kind)
				asked := lost && r.Method == http.MethodGet && r.URL.Query().Has("filter")
				lost = lost || made
				return made || asked
			}, 0, func(answer http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					mishaps()["a lost answer"](w.application)(answer, r)
					return
				}
				mishaps()["a reset connection"](nil)(answer, r)
			})
			r := w.command("sync")
			if front.disarm() < 2 || r.code != exitPartial {
				t.Errorf("want exit %d\n%s", exitPartial, r)
			}
			if len(w.leftOpen()) == 0 {
				t.Errorf("nothing is open, though nobody knows what was made\n%s", r)
			}
			w.sync(exitDone)
			w.complete()
			w.unique()
			w.nothingOpen()
			w.settled()
		})
	}
}
