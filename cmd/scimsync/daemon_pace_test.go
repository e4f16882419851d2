package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// narrow stands before an org that takes few requests for members at once. Like
// Okta, it says of one too many that both numbers are 0.
type narrow struct {
	next   http.Handler
	places int

	mu              sync.Mutex
	inside, most    int
	served, refused int
}

// ServeHTTP gives up the place before the answer is sent: whoever has it may come
// again at once.
func (n *narrow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/users") || !strings.Contains(r.URL.Path, "/groups/") {
		n.next.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	if n.enter() {
		<-time.After(latency) // in which others may come
		n.next.ServeHTTP(answer, r)
	} else {
		respond(http.StatusTooManyRequests, `{"errorCode":"E0000047"}`, "X-Rate-Limit-Limit", "0", "X-Rate-Limit-Remaining", "0")(nil)(answer, r)
	}
	n.leave()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// latency is how long a server of these tests takes.
const latency = 20 * time.Millisecond

func (n *narrow) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inside++
	n.most = max(n.most, n.inside)
	if n.inside > n.places {
		n.refused++
		return false
	}
	n.served++
	return true
}

func (n *narrow) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inside--
}

// since returns what came since it was last asked, and forgets it.
func (n *narrow) since() (served, refused, most int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	served, refused, most = n.served, n.refused, n.most
	n.served, n.refused, n.most = 0, 0, 0
	return served, refused, most
}

// TestDaemonReloadKeepsPace: after a reload, a side is asked no faster than it was
// found to bear before; unless its settings have changed, for then it may be
// another side.
func TestDaemonReloadKeepsPace(t *testing.T) {
	t.Parallel()
	const groups, places = 30, 2
	w := newWorld(t, withPeople(oktatest.Synthetic(40, groups, 120, 1)))
	front := &narrow{next: w.org, places: places}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	w.orgURL = server.URL
	w.resync(everyHour)
	w.withServer("")
	d := w.daemon(nil)

	contains(t, d.ran(1), "result=done")
	if served, refused, _ := front.since(); served < groups || refused == 0 {
		t.Fatalf("the first run: %d requests served, %d refused", served, refused)
	}

	d.signal(syscall.SIGHUP)
	d.says("configuration reloaded")
	w.touchGroups()
	contains(t, d.runs(2), "result=done")
	if served, refused, most := front.since(); served < groups || refused != 0 || most > places {
		t.Errorf("after a reload: %d requests served, %d refused, up to %d at once; want none refused", served, refused, most)
	}

	config, err := os.ReadFile(w.config)
	w.must(err)
	was := "    token: {file: okta.token}\n"
	w.write("scimsync.yaml", strings.Replace(string(config), was, was+"    limits: {concurrency: 12}\n", 1))
	d.says("the file changed")
	w.touchGroups()
	contains(t, d.runs(3), "result=done")
	if served, refused, most := front.since(); served < groups || refused == 0 || most <= places {
		t.Errorf("with other settings: %d requests served, %d refused, up to %d at once; want it to begin anew", served, refused, most)
	}
	d.stops()
}
