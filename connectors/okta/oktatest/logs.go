package oktatest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// event is one entry of the System Log.
type event struct {
	at      int64 // unix seconds: when it was published
	number  int   // in order of happening, for good
	kind    string
	subject string // the user or group it happened to
	context string // the group or app it concerns; may be empty
}

const (
	// maxEvents bounds the log; Okta keeps ninety days of it, and answers no
	// query that reaches back twice as far (reference/system-log-query).
	maxEvents  = 100_000
	logKept    = 90 * 24 * time.Hour
	logReach   = 180 * 24 * time.Hour
	logDefault = 7 * 24 * time.Hour
)

func (s *store) log(now int64, kind, subject string, context ...string) {
	if len(s.events) == maxEvents {
		s.events = append([]event(nil), s.events[maxEvents/2:]...)
	}
	s.events = append(s.events, event{at: now, number: s.logged, kind: kind, subject: subject, context: strings.Join(context, "")})
	s.logged++
}

// kept returns when the entry was kept, which LogLag delays for every second one.
func (e event) kept(o Options) time.Time {
	at := time.Unix(e.at, 0)
	if e.number%2 == 1 {
		at = at.Add(o.LogLag)
	}
	return at
}

// shown returns when the entry can be read, which LogHidden delays for every
// second one.
func (e event) shown(o Options) time.Time {
	at := e.kept(o)
	if e.number%2 == 1 {
		at = at.Add(o.LogHidden)
	}
	return at
}

// logQuery is a question to the System Log.
type logQuery struct {
	polling      bool
	descending   bool
	since, until time.Time
	after        logPlace
	cond         condition
}

// logPlace is where an entry stands: its time, published or kept, and number.
type logPlace struct {
	at     int64
	number int
}

func (p logPlace) compare(q logPlace) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.number, q.number))
}

// listLogs answers the System Log (management API, listLogEvents). Without until
// and in ascending order it is a polling request: by the time entries were kept,
// and always with a next link. Otherwise it is bounded: by the time they were
// published, and it ends.
func (s *Server) listLogs(c *call) {
	limit, ok := c.logLimit()
	if !ok {
		return
	}
	q, ok := c.logQuery()
	if !ok {
		return
	}
	s.mu.RLock()
	found := s.store.matching(c, q)
	s.mu.RUnlock()
	more := len(found) > limit
	found = found[:min(limit, len(found))]
	var b pageBuffer
	last := q.after
	for _, e := range found {
		b.item()
		b.event(e)
		last = q.place(c.options, e)
	}
	next := ""
	if q.polling || more {
		next = fmt.Sprintf("%d.%d", last.at, last.number)
	}
	c.page(&b, next)
}

// logLimit reads limit, which may be 0.
func (c *call) logLimit() (int, bool) {
	text := cmp.Or(c.r.URL.Query().Get("limit"), "100")
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 0 || limit > 1000 {
		c.fail(invalid("'limit': must be between 0 and 1000"))
		return 0, false
	}
	if most := c.options.LogPage; most > 0 {
		limit = min(limit, most)
	}
	return limit, true
}

func (c *call) logQuery() (logQuery, bool) {
	values := c.r.URL.Query()
	order := strings.ToUpper(values.Get("sortOrder"))
	q := logQuery{descending: order == "DESCENDING", polling: values.Get("until") == "" && order != "DESCENDING"}
	var err error
	if q.until, err = logTime(values.Get("until"), c.now); err != nil {
		c.fail(invalid("'until': must be a valid date-time or empty."))
		return q, false
	}
	if q.since, err = logTime(values.Get("since"), q.until.Add(-logDefault)); err != nil {
		c.fail(invalid("'since': must be a valid date-time or empty."))
		return q, false
	}
	if c.now.Sub(q.since) > logReach {
		c.fail(failure{status: 400, code: "E0000053", summary: "Invalid parameter: The since parameter is over 180 days prior to the current day."})
		return q, false
	}
	if text := values.Get("after"); text != "" {
		if q.after, err = parsePlace(text); err != nil {
			c.fail(invalid("'after': unknown cursor"))
			return q, false
		}
	} else {
		q.after = logPlace{number: -1}
	}
	var ok bool
	q.cond, ok = c.selection(logGrammar(), logGrammar())
	return q, ok
}

func parsePlace(text string) (logPlace, error) {
	at, number, _ := strings.Cut(text, ".")
	var p logPlace
	var err error
	if p.at, err = strconv.ParseInt(at, 10, 64); err != nil {
		return p, err
	}
	p.number, err = strconv.Atoi(number)
	return p, err
}

// place returns where the entry stands in the order of the question.
func (q logQuery) place(o Options, e event) logPlace {
	at := e.at
	if q.polling {
		at = e.kept(o).Unix()
	}
	return logPlace{at, e.number}
}

// behind reports whether a place comes after the one the page before ended at.
func (q logQuery) behind(p logPlace) bool {
	if q.descending {
		return p.compare(q.after) < 0
	}
	return p.compare(q.after) > 0
}

// matching returns the entries of the question that can be read now, in its order.
func (s *store) matching(c *call, q logQuery) []event {
	var out []event
	for _, e := range s.events {
		p := q.place(c.options, e)
		at := time.Unix(p.at, 0)
		switch {
		case e.shown(c.options).After(c.now), c.now.Sub(time.Unix(e.at, 0)) > logKept:
			continue
		case at.Before(q.since), !q.polling && !at.Before(q.until):
			continue
		case q.after.number >= 0 && !q.behind(p):
			continue
		case q.cond != nil && !q.cond(e.lookup):
			continue
		}
		out = append(out, e)
	}
	order := func(a, b event) int {
		n := q.place(c.options, a).compare(q.place(c.options, b))
		if q.descending {
			n = -n
		}
		return n
	}
	if !slices.IsSortedFunc(out, order) {
		slices.SortFunc(out, order)
	}
	return out
}

func logTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	return time.Parse(time.RFC3339, text)
}

// logGrammar is what filter takes here. Okta takes nearly every property of an
// entry; these are the ones with which objects are found.
func logGrammar() grammar {
	return grammar{
		property: func(p string) bool { return p == "eventType" || p == "target.id" },
		operators: func(p string) []string {
			if p == "eventType" {
				return []string{"eq", "sw", "co"}
			}
			return []string{"eq"}
		},
	}
}

func (e event) lookup(property string) []string {
	if property == "eventType" {
		return []string{e.kind}
	}
	var ids []string
	for _, t := range e.targets() {
		ids = append(ids, t.id)
	}
	return ids
}

// event writes a LogEvent (management API, schema LogEvent), without what is the
// same for all: an administrator did it, and succeeded.
func (b *pageBuffer) event(e event) {
	b.WriteString(`{"uuid":"` + fmt.Sprintf("00000000-0000-4000-8000-%012d", e.number) + `","published":`)
	b.stamp(e.at)
	b.WriteString(`,"eventType":"` + e.kind + `","version":"0","severity":"INFO","outcome":{"result":"SUCCESS","reason":null},` +
		`"actor":{"id":"00uadmin000000000000","type":"User","alternateId":"admin@example.com"},"target":[`)
	for i, t := range e.targets() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"id":`)
		b.text(t.id)
		b.WriteString(`,"type":"` + t.kind + `"}`)
	}
	b.WriteString(`]}`)
}

type logTarget struct{ id, kind string }

// targets returns what an entry names, in Okta's order: an assignment comes first
// where there is one, which has an id of its own.
func (e event) targets() []logTarget {
	family, _, _ := strings.Cut(e.kind, ".")
	switch {
	case family == "application":
		return []logTarget{{"0ua" + strings.TrimPrefix(e.subject, "00u"), "AppUser"}, {e.context, "AppInstance"}, {e.subject, "User"}}
	case strings.HasPrefix(e.kind, "group.user_membership."):
		return []logTarget{{e.subject, "User"}, {e.context, "UserGroup"}}
	case strings.HasPrefix(e.kind, "group.application_assignment."):
		return []logTarget{{e.subject, "UserGroup"}, {e.context, "AppInstance"}}
	case family == "group":
		return []logTarget{{e.subject, "UserGroup"}}
	}
	return []logTarget{{e.subject, "User"}}
}
