package main

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// mirage is a SCIM application (RFC 7644) that makes up its pages as they are
// asked for: in step with a world under /step, and without anybody under /empty.
// It takes no memory and no writes, so that what is measured beside it is the
// agent alone.
type mirage struct {
	world world
	// served counts the requests, refused those it has no answer to.
	served, refused atomic.Int64
}

// serve answers on a free port of loopback until ctx ends, and returns the
// address that the paths begin with.
func (m *mirage) serve(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: m.handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nobody waits for an answer any more
	go func() { _ = server.Serve(listener) }()            // ends with the context
	return "http://" + listener.Addr().String(), nil
}

func (m *mirage) handler() http.Handler {
	mux := http.NewServeMux()
	for prefix, w := range map[string]world{"/empty": {}, "/step": m.world} {
		mux.HandleFunc("GET "+prefix+"/ServiceProviderConfig", m.answer(func(b []byte, _ *http.Request) []byte {
			return append(b, providerConfig...)
		}))
		mux.HandleFunc("GET "+prefix+"/Users", m.answer(func(b []byte, r *http.Request) []byte {
			return appendPage(b, r, w.users, w.liveUser)
		}))
		mux.HandleFunc("GET "+prefix+"/Groups", m.answer(func(b []byte, r *http.Request) []byte {
			return appendPage(b, r, w.groups, w.liveGroup)
		}))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		m.served.Add(1)
		if r.Method != http.MethodGet {
			m.refused.Add(1)
		}
		http.NotFound(w, r)
	})
	return mux
}

func (m *mirage) answer(body func(b []byte, r *http.Request) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m.served.Add(1)
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = w.Write(body(nil, r)) // a reader that is gone wants no answer
	}
}

// providerConfig says that nothing optional is offered (RFC 7643, section 5).
const providerConfig = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],` +
	`"patch":{"supported":true},"bulk":{"supported":false},"filter":{"supported":true,"maxResults":200},` +
	`"changePassword":{"supported":false},"sort":{"supported":false},"etag":{"supported":false},"authenticationSchemes":[]}`

// appendPage appends one page of n resources (RFC 7644, section 3.4.2.4).
func appendPage(b []byte, r *http.Request, n int, resource func(b []byte, i int) []byte) []byte {
	query := r.URL.Query()
	start, err := strconv.Atoi(query.Get("startIndex"))
	if err != nil || start < 1 {
		start = 1
	}
	count, err := strconv.Atoi(query.Get("count"))
	if err != nil {
		count = targetPage
	}
	first := min(start-1, n)
	last := min(first+max(count, 0), n)
	b = append(b, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = strconv.AppendInt(append(b, `,"startIndex":`...), int64(start), 10)
	b = strconv.AppendInt(append(b, `,"itemsPerPage":`...), int64(last-first), 10)
	b = append(b, `,"Resources":[`...)
	for i := first; i < last; i++ {
		if i > first {
			b = append(b, ',')
		}
		b = resource(b, i)
	}
	return append(b, "]}"...)
}

// liveUser appends the account of the i-th person: what the default mapping of a
// source of type file asks for.
func (w world) liveUser(b []byte, i int) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User",`+
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"`...)
	b = appendTargetID(b, i)
	b = appendUserID(append(b, `","externalId":"`...), i)
	b = appendAddress(append(b, `","userName":"`...), i)
	b = appendGiven(append(b, `","active":true,"name":{"givenName":"`...), i)
	b = appendFamily(append(b, `","familyName":"`...), i)
	b = appendGiven(append(b, `"},"displayName":"`...), i)
	b = appendFamily(append(b, ' '), i)
	b = appendAddress(append(b, `","emails":[{"type":"work","primary":true,"value":"`...), i)
	b = append(b, `"}],"meta":{"resourceType":"User","created":"2026-01-01T00:00:00Z","lastModified":"2026-01-01T00:00:00Z","location":"/Users/`...)
	return append(appendTargetID(b, i), `"}}`...)
}

// liveGroup appends the group of group g at the target, with its members.
func (w world) liveGroup(b []byte, g int) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"`...)
	b = appendGroupID(append(b, 't'), g)
	b = appendGroupID(append(b, `","externalId":"`...), g)
	b = appendGroupName(append(b, `","displayName":"`...), g)
	b = append(b, `","members":[`...)
	for j := range w.crew() {
		if j > 0 {
			b = append(b, ',')
		}
		member := w.member(g, j)
		b = appendTargetID(append(b, `{"value":"`...), member)
		b = appendTargetID(append(b, `","type":"User","$ref":"/Users/`...), member)
		b = append(b, `"}`...)
	}
	return append(b, `],"meta":{"resourceType":"Group","created":"2026-01-01T00:00:00Z","lastModified":"2026-01-01T00:00:00Z"}}`...)
}
