package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// What a run on demand writes while a full run has already listed the target is
// neither written again nor called a failure.
func TestOnlyMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(everything))
	var once sync.Once
	armed := false
	w.behind(func(answer http.ResponseWriter, r *http.Request) {
		seen := httptest.NewRecorder()
		w.application.ServeHTTP(seen, r)
		if armed && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Groups") {
			once.Do(func() {
				for _, selector := range []string{"user:ada@example.com", "user:eve@example.com", "group:Red"} {
					if r := w.command("sync", "--only", selector); r.code != exitDone {
						t.Errorf("--only %s: %s", selector, r)
					}
				}
			})
		}
		maps.Copy(answer.Header(), seen.Header())
		answer.WriteHeader(seen.Code)
		_, _ = answer.Write(seen.Body.Bytes()) // a client that is gone
	})
	w.resync(everything)
	w.sync(exitDone)
	w.must(w.org.UpdateUser("00uada", map[string]any{"lastName": "Lovelace"}))
	w.leave("00ueve")
	w.must(w.org.RemoveMember("00gred", "00ucid"))
	armed = true
	if got := w.sync(exitDone); len(got.Changes) != 0 {
		t.Errorf("the full run made %v, which others had made", listed(got.Changes))
	}
	w.settled()
	w.complete()
}
