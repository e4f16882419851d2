package scimtest

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

const htmlType = "text/html; charset=utf-8"

// preempt is the hazards that answer, or drop the connection, before any work
// is done.
func (s *Server) preempt(c *call) *answer {
	h := c.h
	if s.due("DropBefore", h.DropBefore, c) {
		s.count(c, &answer{})
		panic(http.ErrAbortHandler)
	}
	if h.RedirectTo != "" {
		s.fire("RedirectTo")
		return &answer{status: http.StatusTemporaryRedirect, location: h.RedirectTo + c.r.URL.RequestURI()}
	}
	if wait, ok := s.bucket.take(); !ok {
		a := s.refuse(h, &fault{http.StatusTooManyRequests, "", "too many requests"})
		a.retryAfter = seconds(wait)
		return a
	}
	switch {
	case s.due("Throttle", h.Throttle.When, c):
		a := s.refuse(h, &fault{http.StatusTooManyRequests, "", "too many requests"})
		switch h.Throttle.Form {
		case RetryAfterAbsent:
		case RetryAfterDate:
			a.retryAfter = time.Now().Add(max(time.Second, h.Throttle.RetryAfter)).UTC().Format(http.TimeFormat)
		default:
			a.retryAfter = seconds(h.Throttle.RetryAfter)
		}
		return a
	case s.due("Fail500", h.Fail500, c):
		return s.refuse(h, &fault{http.StatusInternalServerError, "", "something went wrong"})
	case s.due("Unauthorized", h.Unauthorized, c):
		a := s.refuse(h, &fault{http.StatusUnauthorized, "", "the credential has ended"})
		a.challenge = s.challenge()
		return a
	case h.NotImplemented:
		s.fire("NotImplemented")
		return s.refuse(h, &fault{http.StatusNotImplemented, "", "SCIM is not offered here"})
	case s.due("HTML200", h.HTML200, c):
		return &answer{
			status: http.StatusOK, contentType: htmlType,
			body: []byte("<!DOCTYPE html><html><body><form action=\"/login\">Please sign in</form></body></html>\n"),
		}
	}
	return nil
}

// seconds rounds up: a client that waits exactly that long is let through.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// send writes the answer, or what the hazards leave of it.
func (s *Server) send(w http.ResponseWriter, c *call, a *answer) {
	h := c.h
	if a.wrote && s.due("LoseAnswerAfter", h.LoseAnswerAfter, c) {
		panic(http.ErrAbortHandler)
	}
	if a.created && h.EmptyCreateAnswer {
		s.fire("EmptyCreateAnswer")
		a.body, a.location = nil, ""
	}
	if h.StringBooleans && c.holdsResources() && a.contentType == "" && a.status < 300 {
		if body, changed := stringBooleans(a.body); changed {
			s.fire("StringBooleans")
			a.body = body
		}
	}
	header := w.Header()
	set := func(name, value string) {
		if value != "" {
			header.Set(name, value)
		}
	}
	if len(a.body) > 0 {
		contentType := a.contentType
		if contentType == "" {
			contentType = mediaType
		}
		set("Content-Type", contentType)
	}
	set("Location", a.location)
	set("ETag", a.etag)
	set("Retry-After", a.retryAfter)
	set("WWW-Authenticate", a.challenge)
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		switch {
		case s.due("EndlessBody", h.EndlessBody, c):
			w.WriteHeader(a.status)
			s.sendEndless(w)
			return
		case s.due("HalfBody", h.HalfBody, c):
			header.Set("Content-Length", strconv.Itoa(len(a.body)))
			w.WriteHeader(a.status)
			_, _ = w.Write(a.body[:len(a.body)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case s.due("SlowBody", h.SlowBody, c):
			header.Set("Content-Length", strconv.Itoa(len(a.body)))
			w.WriteHeader(a.status)
			s.sendSlowly(w, c, a.body)
			return
		}
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may have left
}

// holdsResources is false for discovery.
func (c *call) holdsResources() bool {
	return len(c.parts) > 0 && (c.parts[0] == "Users" || c.parts[0] == "Groups" || c.parts[0] == ".search" || c.parts[0] == "")
}

const (
	slowPieces   = 16
	endlessLimit = 1 << 30
)

func (s *Server) sendSlowly(w http.ResponseWriter, c *call, body []byte) {
	pause := c.h.SlowBodyPause
	if pause <= 0 {
		pause = time.Second
	}
	flusher := http.NewResponseController(w)
	size := max(1, (len(body)+slowPieces-1)/slowPieces)
	for len(body) > 0 {
		n := min(size, len(body))
		_ = flusher.Flush() // the header too must not wait
		if !s.wait(c.r.Context(), pause) {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		body = body[n:]
	}
}

func (s *Server) sendEndless(w io.Writer) {
	blanks := bytes.Repeat([]byte(" "), 1<<16)
	for range endlessLimit / len(blanks) {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

// stringBooleans writes every boolean of a JSON text as a string.
func stringBooleans(body []byte) ([]byte, bool) {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return body, false
	}
	changed := false
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case bool:
			changed = true
			if v {
				return "True"
			}
			return "False"
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		}
		return v
	}
	v = walk(v)
	if !changed {
		return body, false
	}
	return encode(v), true
}
