package oktatest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// event is one entry of the System Log.
type event struct {
	at              int64
	kind            string
	target, context string // ids: what it happened to, and the group or app it concerns
}

// maxEvents bounds the log; Okta keeps ninety days of it.
const maxEvents = 100_000

func (s *store) log(now int64, kind, target, context string) {
	if len(s.events) == maxEvents {
		s.events = append([]event(nil), s.events[maxEvents/2:]...)
	}
	s.events = append(s.events, event{now, kind, target, context})
}

// listLogs answers the System Log (management API, listLogEvents). Without
// until it is a polling request, which always has a next link; with until it is
// bounded and ends.
func (s *Server) listLogs(c *call) {
	q := c.r.URL.Query()
	l, ok := c.listing(100, 1000)
	if !ok {
		return
	}
	since, err := logTime(q.Get("since"), c.now.Add(-7*24*time.Hour))
	if err != nil {
		c.fail(invalid("since"))
		return
	}
	until, err := logTime(q.Get("until"), time.Time{})
	if err != nil {
		c.fail(invalid("until"))
		return
	}
	cond, ok := c.selection(filterGrammar("eventType"), filterGrammar("eventType"))
	if !ok {
		return
	}
	start := 0
	if l.after != "" {
		if start, err = strconv.Atoi(l.after); err != nil || start < 0 {
			c.fail(invalid("after"))
			return
		}
	}
	var b pageBuffer
	at := start
	func() {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for events := s.store.events; at < len(events) && b.items < l.limit; at++ {
			e := events[at]
			if l.after == "" && e.at < since.Unix() || !until.IsZero() && e.at >= until.Unix() {
				continue
			}
			if cond != nil && !cond(func(string) (string, bool) { return e.kind, true }) {
				continue
			}
			b.item()
			b.event(at, e)
		}
	}()
	next := ""
	if until.IsZero() || b.items == l.limit {
		next = fmt.Sprint(at)
	}
	c.page(&b, next)
}

func logTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	return time.Parse(time.RFC3339, text)
}

func (b *pageBuffer) event(number int, e event) {
	b.WriteString(`{"uuid":"` + fmt.Sprintf("00000000-0000-4000-8000-%012d", number) + `","published":`)
	b.stamp(e.at)
	b.WriteString(`,"eventType":"` + e.kind + `","severity":"INFO","outcome":{"result":"SUCCESS"},"target":[{"id":`)
	b.text(e.target)
	b.WriteString(`,"type":"` + targetType(e.target) + `"}`)
	if e.context != "" {
		b.WriteString(`,{"id":`)
		b.text(e.context)
		b.WriteString(`,"type":"` + targetType(e.context) + `"}`)
	}
	b.WriteString(`]}`)
}

func targetType(id string) string {
	switch {
	case strings.HasPrefix(id, "00g"):
		return "UserGroup"
	case strings.HasPrefix(id, "0oa"):
		return "AppInstance"
	}
	return "User"
}
