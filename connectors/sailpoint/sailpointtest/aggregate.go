package sailpointtest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// aggregation is one that was started.
type aggregation struct {
	source string
	asked  int
	done   bool
}

// Aggregations returns how many account aggregations were started.
func (s *Server) Aggregations() int {
	s.state.Lock()
	defer s.state.Unlock()
	return len(s.aggregations)
}

// loadAccounts starts an account aggregation (API v2025, importAccounts). A file
// is refused: the sources here are asked themselves.
func (s *Server) loadAccounts(c *call) {
	s.mu.RLock()
	_, ok := s.store.sources.get(c.id)
	s.mu.RUnlock()
	if !ok {
		c.fail(missing(c.id))
		return
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 1<<20)
	media, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if media != "multipart/form-data" {
		c.fail(failure{status: http.StatusUnsupportedMediaType, code: "415 Unsupported Media Type", text: "multipart/form-data is expected"})
		return
	}
	if problem := readForm(multipart.NewReader(c.r.Body, params["boundary"])); problem != "" {
		c.fail(invalid(problem))
		return
	}
	s.state.Lock()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", c.id, len(s.aggregations)))
	id := hex.EncodeToString(sum[:16])
	s.aggregations[id] = &aggregation{source: c.id}
	s.state.Unlock()
	c.send(http.StatusAccepted, map[string]any{"success": true, "task": map[string]any{
		"id": id, "type": "QUARTZ", "name": "Cloud Account Aggregation", "description": "Aggregates from the specified application.",
		"launcher": "System", "created": stamp(c.now), "launched": stamp(c.now), "completed": nil, "completionStatus": nil,
		"messages": []any{}, "returns": []any{},
	}})
}

func readForm(form *multipart.Reader) string {
	for parts := 0; ; parts++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			if parts == 0 {
				return "the form is empty"
			}
			return ""
		}
		if err != nil {
			return "the form is not readable"
		}
		value, err := io.ReadAll(part)
		switch name := part.FormName(); {
		case err != nil:
			return "the form is not readable"
		case name == "file":
			return "the source is not a delimited file"
		case name == "disableOptimization" && (string(value) == "true" || string(value) == "false"):
		default:
			return "the form holds " + name
		}
	}
}

// aggregationStatus answers how far an aggregation has got. Every question moves
// it on by one state.
func (s *Server) aggregationStatus(c *call) {
	states := c.options.Aggregation
	if len(states) == 0 {
		states = []string{"STARTED", "ACCOUNTS_COLLECTED", "COMPLETED"}
	}
	s.state.Lock()
	a, ok := s.aggregations[c.id]
	state, finished := "", false
	if ok {
		state = states[min(a.asked, len(states)-1)]
		a.asked++
		finished = state == "COMPLETED" && !a.done
		a.done = a.done || finished
	}
	s.state.Unlock()
	if !ok || strings.EqualFold(state, "NOT_FOUND") {
		c.fail(missing(cmp.Or(c.id, "aggregation")))
		return
	}
	if finished && c.options.Aggregated != nil {
		c.options.Aggregated()
	}
	c.send(http.StatusOK, map[string]any{"start": stamp(c.now), "status": state, "totalAccounts": 0, "processedAccounts": 0})
}
