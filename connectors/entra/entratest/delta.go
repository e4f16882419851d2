package entratest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// round is one round of delta requests: a snapshot of what is to be told, taken
// when it began.
type round struct {
	kind     string
	selected []string
	first    bool
	upTo     int64
	units    []unit
}

// unit is one object on one page: a row, and some of the members of a group.
type unit struct {
	index   int
	members []memberChange
}

// deltaToken is what a deltaLink holds. Clients treat it as opaque.
type deltaToken struct {
	Kind       string   `json:"k"`
	Since      int64    `json:"s"`
	Selected   []string `json:"f"`
	Generation int      `json:"g"`
	Issued     int64    `json:"t"`
}

const (
	defaultPage   = 200
	defaultLife   = 7 * 24 * time.Hour
	maxRounds     = 1000
	tokenOverhead = "entra." // marks tokens of this server
)

func (c *call) delta(kind string) {
	q := c.r.URL.Query()
	for _, name := range []string{"$top", "$orderby", "$expand", "$filter", "$search", "$count"} {
		if q.Has(name) {
			c.fail(http.StatusBadRequest, "Request_UnsupportedQuery", "The query parameter '"+name+"' is not supported for delta here.")
			return
		}
	}
	token, hasToken := parameter(q, "$deltatoken")
	skip, hasSkip := parameter(q, "$skiptoken")
	switch {
	case hasSkip:
		c.resume(kind, skip)
	case hasToken && token == "latest":
		if selected, ok := c.selection(kind); ok {
			out := c.envelope(kind, nil)
			c.link(out, "deltaLink", c.deltaLink(kind, selected, c.seq()))
			c.send(http.StatusOK, out)
		}
	case hasToken && token != "":
		c.since(kind, token)
	default:
		if selected, ok := c.selection(kind); ok {
			c.begin(&round{kind: kind, selected: selected, first: true}, 0)
		}
	}
}

// parameter finds a query option; Graph reads their names without regard to case.
func parameter(q url.Values, name string) (string, bool) {
	for key, values := range q {
		if strings.EqualFold(key, name) {
			return values[0], true
		}
	}
	return "", false
}

func (c *call) seq() int64 {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	return c.s.store.seq
}

// since begins a round of what changed after the token.
func (c *call) since(kind, text string) {
	var t deltaToken
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, tokenOverhead))
	if err != nil || json.Unmarshal(data, &t) != nil || t.Kind != kind {
		c.fail(http.StatusBadRequest, "Directory_UnsupportedQuery", "The delta token is not valid for this resource.")
		return
	}
	c.s.mu.RLock()
	current := c.s.generation
	c.s.mu.RUnlock()
	life := cmp.Or(c.options.TokenLife, defaultLife)
	if t.Generation != current || c.now.Sub(time.Unix(t.Issued, 0)) > life {
		c.resync(kind)
		return
	}
	c.begin(&round{kind: kind, selected: t.Selected}, max(0, t.Since-c.options.Replay))
}

func (c *call) resync(kind string) {
	if c.options.Resync == ResyncBadRequest {
		c.fail(http.StatusBadRequest, "syncStateNotFound", "The sync state generation is not found; please perform a full sync.")
		return
	}
	c.w.Header().Set("Location", c.base+"/v1.0/"+kind+"s/delta?$deltatoken=")
	c.fail(http.StatusGone, "syncStateNotFound", "The delta token is no longer valid; restart from the Location.")
}

// begin takes the snapshot and sends the first page.
func (c *call) begin(r *round, since int64) {
	c.s.mu.RLock()
	r.upTo = c.s.store.seq
	r.units = c.s.store.units(r, since, c.options)
	c.s.mu.RUnlock()
	c.page(r, 0, c.options.EmptyPages)
}

// units lists what the round tells, in order.
func (s *store) units(r *round, since int64, o Options) []unit {
	wantMembers := r.kind == TypeGroup && slices.Contains(r.selected, "members")
	per := cmp.Or(o.MembersPerPage, defaultPage)
	var units, rest []unit
	rows := s.rows(r.kind)
	for i := range rows {
		at := &rows[i]
		var members []memberChange
		switch {
		case r.first && at.state != live:
			if o.Tombstones && at.state == soft {
				units = append(units, unit{index: i})
			}
			continue
		case r.first && wantMembers:
			for _, id := range at.members {
				members = append(members, memberChange{id: id, added: true})
			}
		case !r.first && wantMembers && at.state == live:
			members = lastOf(at.log, since)
		}
		if !r.first && at.changed <= since && len(members) == 0 {
			continue
		}
		for chunk := range slices.Chunk(members, per) {
			u := unit{i, chunk}
			if o.Interleave && len(units) > 0 && units[len(units)-1].index == i {
				rest = append(rest, u)
				continue
			}
			units = append(units, u)
		}
		if len(members) == 0 {
			units = append(units, unit{index: i})
		}
	}
	return append(units, rest...)
}

// lastOf returns what became of each member after since.
func lastOf(log []memberChange, since int64) []memberChange {
	var out []memberChange
	at := map[string]int{}
	for _, change := range log {
		if change.seq <= since {
			continue
		}
		if i, ok := at[change.id]; ok {
			out[i] = change
			continue
		}
		at[change.id] = len(out)
		out = append(out, change)
	}
	return out
}

// resume sends a later page. Skip tokens are the name of a round and a position.
func (c *call) resume(kind, token string) {
	name, position, _ := strings.Cut(token, ".")
	index, err := strconv.Atoi(position)
	c.s.state.Lock()
	r := c.s.rounds[name]
	c.s.state.Unlock()
	if r == nil || err != nil || r.kind != kind || index > len(r.units) {
		c.resync(kind)
		return
	}
	c.page(r, index, false)
}

// page sends the units from index on, with the link that follows.
func (c *call) page(r *round, index int, empty bool) {
	size := cmp.Or(c.options.PageSize, defaultPage)
	start, end := index, min(index+size, len(r.units))
	if empty {
		start, end = index, index
	}
	if c.options.Duplicates && start > 0 && !empty {
		start--
	}
	c.s.mu.RLock()
	values := make([]map[string]any, 0, end-start)
	for _, u := range r.units[start:end] {
		values = append(values, c.s.store.tell(r, u))
	}
	c.s.mu.RUnlock()
	out := c.envelope(r.kind, values)
	if empty || end < len(r.units) {
		c.link(out, "nextLink", fmt.Sprintf("%s/v1.0/%ss/delta?$skiptoken=%s.%d", c.base, r.kind, c.s.keep(r), end))
	} else {
		c.link(out, "deltaLink", c.deltaLink(r.kind, r.selected, r.upTo))
	}
	c.send(http.StatusOK, out)
}

// keep remembers a round and returns its name.
func (s *Server) keep(r *round) string {
	s.state.Lock()
	defer s.state.Unlock()
	for name, have := range s.rounds {
		if have == r {
			return name
		}
	}
	if len(s.rounds) >= maxRounds {
		clear(s.rounds)
	}
	s.serial++
	name := "r" + strconv.Itoa(s.serial)
	s.rounds[name] = r
	return name
}

// tell renders one unit as the row is now.
func (s *store) tell(r *round, u unit) map[string]any {
	at := &s.rows(r.kind)[u.index]
	if at.state != live {
		return map[string]any{"id": at.id, "@removed": map[string]string{"reason": string(at.state)}}
	}
	out := view(at, r.selected, true)
	if len(u.members) == 0 {
		return out
	}
	members := make([]map[string]any, len(u.members))
	for i, m := range u.members {
		members[i] = map[string]any{"@odata.type": "#microsoft.graph." + s.at[m.id].kind, "id": m.id}
		if !m.added {
			members[i]["@removed"] = map[string]string{"reason": "deleted"}
		}
	}
	out["members@delta"] = members
	return out
}

func (c *call) envelope(kind string, values []map[string]any) map[string]any {
	if values == nil {
		values = []map[string]any{}
	}
	return map[string]any{"@odata.context": c.base + "/v1.0/$metadata#" + kind + "s", "value": values}
}

func (c *call) deltaLink(kind string, selected []string, since int64) string {
	c.s.mu.RLock()
	generation := c.s.generation
	c.s.mu.RUnlock()
	data, err := json.Marshal(deltaToken{Kind: kind, Since: since, Selected: selected, Generation: generation, Issued: c.now.Unix()})
	if err != nil {
		return ""
	}
	return c.base + "/v1.0/" + kind + "s/delta?$deltatoken=" + tokenOverhead + base64.RawURLEncoding.EncodeToString(data)
}
