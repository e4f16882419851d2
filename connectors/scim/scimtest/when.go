package scimtest

import (
	"bytes"
	"strings"
)

// When says which requests a hazard hits. The zero When hits none.
type When struct {
	// Every hits each nth request of those that match; 1 hits all of them.
	Every int `json:",omitempty"`
	// Skip lets that many matching requests pass first.
	Skip int `json:",omitempty"`
	// Times ends the hazard after it fired that often; 0 never does.
	Times int `json:",omitempty"`
	// Method, such as POST; empty is any.
	Method string `json:",omitempty"`
	// Path is how the path after the base path begins: "/Users".
	Path string `json:",omitempty"`
	// Match is a text the body or the raw query must contain.
	Match string `json:",omitempty"`
}

// Every hits each nth request.
func Every(n int) When { return When{Every: n} }

func (w When) matches(c *call) bool {
	if w.Every <= 0 || w.Method != "" && w.Method != c.r.Method || !strings.HasPrefix(c.path, w.Path) {
		return false
	}
	return w.Match == "" || bytes.Contains(c.body, []byte(w.Match)) || strings.Contains(c.r.URL.RawQuery, w.Match)
}

// due counts a request against the schedule of the hazard and reports whether
// it hits.
func (s *Server) due(name string, w When, c *call) bool {
	if !w.matches(c) {
		return false
	}
	s.hazardMu.Lock()
	defer s.hazardMu.Unlock()
	s.matched[name]++
	n := s.matched[name] - w.Skip
	if n <= 0 || n%w.Every != 0 || w.Times > 0 && n/w.Every > w.Times {
		return false
	}
	s.fired[name]++
	return true
}

func (s *Server) fire(name string) {
	s.hazardMu.Lock()
	s.fired[name]++
	s.hazardMu.Unlock()
}
