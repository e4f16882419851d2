package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent"
)

// mirage is a source in files, and a target that is in step with it and holds
// nothing: it makes its answers up as it goes, so that what grows is the agent.
type mirage struct {
	users int
	// empty says that the target has nobody yet.
	empty bool
	// kept is what a planted defect keeps: every answer, decoded.
	mu    sync.Mutex
	kept  []any
	keeps bool
	gauge *gauge
}

// Of every hundred people each is in five groups of a hundred.
func (d *mirage) groups() int { return d.users / 20 }

func (d *mirage) member(group, n int) int { return (group*20 + n) % d.users }

// write makes the files of the source.
func (d *mirage) write(t *testing.T, dir string) {
	t.Helper()
	var users, groups bytes.Buffer
	for i := range d.users {
		fmt.Fprintf(&users, `{"id":"u%06d","userName":"u%06d@example.com","active":true,"givenName":"Given","familyName":"Family %d",`+
			`"displayName":"Given Family %d","email":"u%06d@example.com"}`+"\n", i, i, i, i, i)
	}
	for g := range d.groups() {
		fmt.Fprintf(&groups, `{"id":"g%06d","name":"Group %d","members":[`, g, g)
		for n := range 100 {
			if n > 0 {
				groups.WriteByte(',')
			}
			fmt.Fprintf(&groups, `"u%06d"`, d.member(g, n))
		}
		groups.WriteString("]}\n")
	}
	for name, data := range map[string][]byte{"users.jsonl": users.Bytes(), "groups.jsonl": groups.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// ServeHTTP answers as a SCIM target does.
func (d *mirage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
	count, _ := strconv.Atoi(r.URL.Query().Get("count"))
	w.Header().Set("Content-Type", "application/scim+json")
	switch r.URL.Path {
	case "/Users":
		d.list(w, start, count, d.users, func(w io.Writer, i int) {
			fmt.Fprintf(w, `{"id":"t%06d","externalId":"u%06d","userName":"u%06d@example.com","active":true,`+
				`"name":{"givenName":"Given","familyName":"Family %d"},"displayName":"Given Family %d",`+
				`"emails":[{"type":"work","value":"u%06d@example.com","primary":true}]}`, i, i, i, i, i, i)
		})
	case "/Groups":
		d.list(w, start, count, d.groups(), func(w io.Writer, g int) {
			fmt.Fprintf(w, `{"id":"tg%06d","externalId":"g%06d","displayName":"Group %d","members":[`, g, g, g)
			for n := range 100 {
				if n > 0 {
					_, _ = io.WriteString(w, ",")
				}
				fmt.Fprintf(w, `{"value":"t%06d"}`, d.member(g, n))
			}
			_, _ = io.WriteString(w, "]}")
		})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (d *mirage) list(w http.ResponseWriter, start, count, total int, one func(io.Writer, int)) {
	if d.empty {
		total = 0
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":%d,"startIndex":%d,"Resources":[`, total, start)
	for i := start - 1; i >= 0 && i < min(total, start-1+count); i++ {
		if i >= start {
			b.WriteByte(',')
		}
		one(&b, i)
	}
	b.WriteString("]}")
	if start%200 == 1 {
		d.gauge.see()
	}
	if d.keeps {
		var page any
		if json.Unmarshal(b.Bytes(), &page) == nil {
			d.mu.Lock()
			d.kept = append(d.kept, page)
			d.mu.Unlock()
		}
	}
	_, _ = w.Write(b.Bytes())
}

// peak plans once and returns the most memory that was live on the heap, in bytes.
func (d *mirage) peak(t *testing.T) uint64 {
	t.Helper()
	d.gauge = &gauge{}
	d.plan(t, d.gauge)
	if want := 2 * d.users; d.gauge.advanced < want {
		t.Fatalf("%d objects were seen, want %d at least", d.gauge.advanced, want)
	}
	return d.gauge.most
}

// plan plans once, tells progress of what is done and of every step, and returns
// what was allocated meanwhile.
func (d *mirage) plan(t *testing.T, progress agent.Progress) allocated {
	t.Helper()
	server := httptest.NewServer(d)
	defer server.Close()
	dir := t.TempDir()
	d.write(t, dir)
	config := fmt.Sprintf(`version: 1
sources:
  export: {type: file, path: .}
targets:
  app: {type: scim, url: %s, auth: {bearer: {file: app.token}}, limits: {concurrency: 2, page_size: 20}}
syncs:
  main: {from: export, to: app, users: {}, groups: {include: ["*"]}}
`, server.URL)
	for name, text := range map[string]string{"scimsync.yaml": config, "app.token": scimToken} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{
		streams: streams{out: io.Discard, err: io.Discard}, now: time.Now,
		configPath: filepath.Join(dir, "scimsync.yaml"), logLevel: "error", logFormat: "text",
	}
	if err := a.startLog(); err != nil {
		t.Fatal(err)
	}
	s, err := a.session(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	opened, err := s.conns.open(s.syncs[0], s.ledger)
	if err != nil {
		t.Fatal(err)
	}
	opened.Progress = progress
	before := allocations()
	cycle, err := opened.Prepare(t.Context(), agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.cycles = append(s.cycles, cycle)
	for _, err := range cycle.Plan.Steps {
		if err != nil {
			t.Fatal(err)
		}
		progress.Advance(1)
	}
	after := allocations()
	return allocated{after.count - before.count, after.bytes - before.bytes}
}

// gauge is a Progress that stops the run now and then to see what is live.
type gauge struct {
	advanced int

	mu   sync.Mutex
	most uint64
}

// Phase does nothing.
func (g *gauge) Phase(string, int) {}

// Advance measures after every so many objects.
func (g *gauge) Advance(n int) {
	const step = 500
	if before := g.advanced; (before+n)/step > before/step {
		defer g.see()
	}
	g.advanced += n
}

// see measures; without a gauge it does nothing.
func (g *gauge) see() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// The other side works on meanwhile, and what is allocated beside a collection
	// counts as live in it: the lower of two is nearer.
	least := uint64(math.MaxUint64)
	for range 2 {
		runtime.GC()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		least = min(least, live[0].Value.Uint64())
	}
	g.most = max(g.most, least)
}

// What is live on the heap does not grow with the directory: neither records, nor
// entries, nor steps, nor members are ever held all at once. What may grow are
// digests of ids, some bytes each.
func TestMemoryIsFlat(t *testing.T) { //nolint:paralleltest // what others have on the heap would count
	const (
		few, many = 2_000, 10_000
		// bound is well below what 8,000 more people with 40,000 memberships
		// take when they are held, and above what was seen without: 2 MB of
		// digests and marks, and what is in flight, which varies with the load
		// of the machine.
		bound = 3_600 << 10
	)
	growth := func(t *testing.T, of func(users int) *mirage) int64 {
		t.Helper()
		before, after := of(few).peak(t), of(many).peak(t)
		t.Logf("%d users: %d KiB, %d users: %d KiB", few, before>>10, many, after>>10)
		return int64(after) - int64(before)
	}
	for name, of := range map[string]func(users int) *mirage{
		"in step":    func(users int) *mirage { return &mirage{users: users} },
		"first load": func(users int) *mirage { return &mirage{users: users, empty: true} },
	} {
		t.Run(name, func(t *testing.T) {
			if n := growth(t, of); n > bound {
				t.Errorf("%d KiB more for %d more users, the bound is %d KiB", n>>10, many-few, bound>>10)
			}
		})
	}
	t.Run("a defect is found", func(t *testing.T) {
		if n := growth(t, func(users int) *mirage { return &mirage{users: users, keeps: true} }); n <= bound {
			t.Errorf("%d KiB more where every answer is kept, which the bound of %d KiB should catch", n>>10, bound>>10)
		}
	})
}
