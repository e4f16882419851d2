package oktatest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// failure is an error answer (developer.okta.com, "Okta API error codes").
type failure struct {
	status        int
	code, summary string
	header        map[string]string
}

func notFound(summary string) failure {
	return failure{status: http.StatusNotFound, code: "E0000007", summary: "Not found: " + summary}
}

func invalid(summary string) failure {
	return failure{status: http.StatusBadRequest, code: "E0000001", summary: "Api validation failed: " + summary}
}

func forbidden() failure {
	return failure{status: http.StatusForbidden, code: "E0000006", summary: "You do not have permission to perform the requested action"}
}

func (c *call) fail(f failure) {
	code := cmp.Or(f.code, "E0000009")
	body, err := json.Marshal(map[string]any{
		"errorCode": code, "errorSummary": cmp.Or(f.summary, "Internal Server Error"), "errorLink": code,
		"errorId": "oae" + c.w.Header().Get("X-Okta-Request-Id"), "errorCauses": []any{},
	})
	if err != nil {
		body = []byte(`{}`)
	}
	for name, value := range f.header {
		c.w.Header().Set(name, value)
	}
	c.write(f.status, body)
}

func (c *call) send(body []byte) { c.write(http.StatusOK, body) }

func (c *call) write(status int, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	// A client that has gone away is its own business.
	_, _ = c.w.Write(body)
}

// listing is a page of a list: where it starts and how long it may be.
type listing struct {
	limit int
	after string
	empty bool // an empty page that leads to the real one
}

const gap = "gap."

// listing reads limit and after. A limit beyond highest is
// lowered to it.
func (c *call) listing(usual, highest int) (listing, bool) {
	q := c.r.URL.Query()
	l := listing{limit: usual, after: q.Get("after")}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			c.fail(invalid("limit"))
			return listing{}, false
		}
		l.limit = min(n, highest)
	}
	if most := c.options.PageSize; most > 0 {
		l.limit = min(l.limit, most)
	}
	if rest, ok := strings.CutPrefix(l.after, gap); ok {
		l.after = rest
	} else if c.options.EmptyPages {
		l.empty = true
	}
	return l, true
}

// page sends the items; next is the cursor of the following page, empty after
// the last one.
func (c *call) page(b *pageBuffer, next string) {
	self := c.base + c.r.URL.RequestURI()
	links := []string{"<" + self + `>; rel="self"`}
	if next != "" {
		q := c.r.URL.Query()
		q.Set("after", next)
		target := url.URL{Path: c.r.URL.Path, RawPath: c.r.URL.RawPath, RawQuery: q.Encode()}
		link := c.base + target.RequestURI()
		switch c.options.Links {
		case SeparateLines, JoinedLine:
		case SelfLinks:
			link = self
		case OtherHost:
			link = "https://" + Foreign + target.RequestURI()
		}
		links = append(links, "<"+link+`>; rel="next"`)
	}
	if c.options.Links == JoinedLine {
		links = []string{strings.Join(links, ", ")}
	}
	c.w.Header()["Link"] = links
	body := make([]byte, 0, b.Len()+2)
	body = append(body, '[')
	body = append(body, b.Bytes()...)
	c.send(append(body, ']'))
}

// rows is what a list is made of: places from start to end, of which keep says
// which belong, id what their cursor is and write how they look.
type rows struct {
	start, end int
	keep       func(int) bool
	id         func(int) string
	write      func(*pageBuffer, int)
}

// list renders one page under the read lock and sends it after, so that a slow
// client does not hold up a change.
func (c *call) list(l listing, of func(st *store) (rows, *failure)) {
	b, next, problem := c.render(l, of)
	if problem != nil {
		c.fail(*problem)
		return
	}
	c.page(b, next)
}

func (c *call) render(l listing, of func(st *store) (rows, *failure)) (*pageBuffer, string, *failure) {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	var b pageBuffer
	r, problem := of(c.s.store)
	if problem != nil {
		return nil, "", problem
	}
	if l.empty {
		return &b, gap + l.after, nil
	}
	last := ""
	for at := r.start; at < r.end; at++ {
		if !r.keep(at) {
			continue
		}
		if b.items == l.limit {
			return &b, last, nil
		}
		b.item()
		r.write(&b, at)
		last = r.id(at)
	}
	if c.options.TrailingPage && b.items == l.limit {
		return &b, last, nil
	}
	return &b, "", nil
}

// one renders one object under the read lock and sends it.
func (c *call) one(write func(st *store, b *pageBuffer) *failure) {
	var b pageBuffer
	problem := func() *failure {
		c.s.mu.RLock()
		defer c.s.mu.RUnlock()
		return write(c.s.store, &b)
	}()
	if problem != nil {
		c.fail(*problem)
		return
	}
	c.send(b.Bytes())
}

// wantsLean reports whether the client asks for users without credentials
// (management API, "Content-Type header fields" of the user list).
func wantsLean(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Content-Type"), "omitCredentials")
}
