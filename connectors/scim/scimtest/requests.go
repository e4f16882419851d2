package scimtest

import (
	"maps"
	"net/http"
	"slices"
)

// Request is one request as it arrived, without its headers.
type Request struct {
	Method string
	Path   string // after the base path, escaped
	Query  string // raw
	Body   []byte
	Status int // of the answer, before any hazard cut it off
}

// Requests returns how many SCIM requests of each kind arrived, refused ones
// included: "GET /Users" for listings, "GET /Users/{id}" for a single user, and
// "POST /Users", "PUT /Users", "PATCH /Groups", "DELETE /Users" for writes.
func (s *Server) Requests() map[string]int {
	s.requestMu.Lock()
	defer s.requestMu.Unlock()
	return maps.Clone(s.counts)
}

// ResetRequests starts counting and logging anew.
func (s *Server) ResetRequests() {
	s.requestMu.Lock()
	defer s.requestMu.Unlock()
	clear(s.counts)
	s.log = nil
}

// Log returns the latest Options.LogRequests requests, oldest first.
func (s *Server) Log() []Request {
	s.requestMu.Lock()
	defer s.requestMu.Unlock()
	return slices.Clone(s.log)
}

func (s *Server) count(c *call, a *answer) {
	kind := c.r.Method + " /"
	if len(c.parts) > 0 {
		kind += c.parts[0]
	}
	if len(c.parts) > 1 {
		switch {
		case c.parts[1] == ".search":
			kind += "/.search"
		case c.r.Method == http.MethodGet:
			kind += "/{id}"
		}
	}
	s.requestMu.Lock()
	defer s.requestMu.Unlock()
	s.counts[kind]++
	if s.options.LogRequests <= 0 {
		return
	}
	if len(s.log) >= s.options.LogRequests {
		s.log = slices.Delete(s.log, 0, len(s.log)-s.options.LogRequests+1)
	}
	s.log = append(s.log, Request{c.r.Method, c.path, c.r.URL.RawQuery, c.body, a.status})
}
