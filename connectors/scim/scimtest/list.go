package scimtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// selection is one resource type's part of a listing.
type selection struct {
	view   view
	filter expression // nil: everything
	found  []*resource
}

// list answers a listing over one type, or over all at the root.
func (s *Server) list(c *call, types []*resourceType, q query) (*answer, error) {
	usesCursor := q.cursor != nil && s.options.CursorPaging
	var cursor position
	if usesCursor {
		var err error
		if cursor, err = s.readCursor(c, q); err != nil {
			return nil, err
		}
	}
	parts := make([]*selection, 0, len(types))
	for _, t := range types {
		part, err := s.selectionOf(c, t, q, len(types) > 1)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}

	s.mu.RLock()
	defer s.mu.RUnlock()
	views := map[identity.Kind]view{}
	var found []*resource
	for i, part := range parts {
		part.found = s.find(c.h, types[i], part.filter)
		views[types[i].kind] = part.view
		if len(parts) == 1 {
			found = part.found // a shelf itself, possibly: read only
		} else {
			found = append(found, part.found...)
		}
	}
	if q.sortBy != "" {
		var err error
		if found, err = s.sorted(found, types, q); err != nil {
			return nil, err
		}
	}
	if usesCursor {
		return s.cursorPage(q, cursor, found, views), nil
	}
	return s.indexPage(c.h, q, found, views), nil
}

func (s *Server) selectionOf(c *call, t *resourceType, q query, root bool) (*selection, error) {
	v, err := s.newView(c, t, q.attributes, q.excluded)
	if err != nil {
		return nil, err
	}
	v.listing = true
	part := &selection{view: v}
	if q.filter == "" {
		return part, nil
	}
	g := grammar{typ: t, tolerant: s.options.Lenient || root, exactUserName: c.h.FilterUserNameCaseSensitive}
	if part.filter, err = g.filter(q.filter); err != nil {
		return nil, err
	}
	if g.exactUserName && mentions(part.filter, "userName") {
		s.fire("FilterUserNameCaseSensitive")
	}
	switch mentioned := mentions(part.filter, "externalId"); {
	case mentioned && c.h.ExternalIDNotFilterable:
		s.fire("ExternalIDNotFilterable")
		return nil, badRequest("invalidFilter", "externalId cannot be filtered on")
	case mentioned && c.h.ExternalIDFilterEmpty:
		s.fire("ExternalIDFilterEmpty")
		part.filter = nothing{}
	case c.h.IgnoreFilters:
		s.fire("IgnoreFilters")
		part.filter = nil
	}
	return part, nil
}

// find returns the resources a filter holds for, in order of creation. The
// result may be the shelf itself and must not be changed.
func (s *Server) find(h *Hazards, t *resourceType, filter expression) []*resource {
	candidates := s.store.shelves[t.kind].order
	if narrowed, ok := s.candidates(t, filter); ok {
		candidates = narrowed
	} else if filter == nil && (h.HideInactive == "" || t.kind != identity.User) {
		return candidates
	}
	var found []*resource
	document := s.documents(t, filter)
	for _, r := range candidates {
		if s.visible(h, r) && (filter == nil || filter.holds(document(r))) {
			found = append(found, r)
		}
	}
	return found
}

// visible is false for users the hazard HideInactive hides.
func (s *Server) visible(h *Hazards, r *resource) bool {
	if h.HideInactive == "" || r.kind != identity.User || r.active {
		return true
	}
	s.fire("HideInactive")
	return false
}

// candidates uses an index where the filter, or a side of its and, is an eq on
// an indexed attribute.
func (s *Server) candidates(t *resourceType, filter expression) ([]*resource, bool) {
	switch e := filter.(type) {
	case conjunction:
		if found, ok := s.candidates(t, e.left); ok {
			return found, true
		}
		return s.candidates(t, e.right)
	case elementFilter:
		if inner, ok := e.of.(comparison); ok && e.path.extension == nil {
			inner.path = attributePath{attr: e.path.attr, sub: inner.path.attr}
			return s.candidates(t, inner)
		}
	case comparison:
		text, ok := e.value.(string)
		if !ok || e.op != "eq" || e.path.extension != nil {
			return nil, false
		}
		shelf := s.store.shelves[t.kind]
		switch path := e.path.String(); path {
		case t.naming:
			return bySeq(shelf.byName[fold(text)]), true
		case "externalId":
			return bySeq(shelf.byExternal[text]), true
		case "id":
			return s.one(t, text), true
		case "members", "members.value":
			if m := s.store.byID[text]; m != nil {
				return bySeq(m.memberOf), true
			}
			return nil, true
		case "groups", "groups.value":
			return s.usersOf(text), true
		}
	}
	return nil, false
}

func (s *Server) one(t *resourceType, id string) []*resource {
	if r := s.store.byID[id]; r != nil && r.kind == t.kind {
		return []*resource{r}
	}
	return nil
}

func (s *Server) usersOf(group string) []*resource {
	g := s.store.byID[group]
	if g == nil {
		return nil
	}
	var users []*resource
	for id := range g.members.all() {
		if m := s.store.byID[id]; m != nil && m.kind == identity.User && !slices.Contains(users, m) {
			users = append(users, m)
		}
	}
	return bySeq(users)
}

func bySeq(list []*resource) []*resource {
	return slices.SortedFunc(slices.Values(list), func(a, b *resource) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
}

// documents returns a function that decodes as much of a resource as the filter
// looks at.
func (s *Server) documents(t *resourceType, filter expression) func(*resource) map[string]any {
	if filter == nil {
		return nil
	}
	whole := mentions(filter, "meta") || mentions(filter, "members") || mentions(filter, "groups")
	plain := view{s: s, h: &Hazards{}, baseURL: s.options.BasePath}
	return func(r *resource) map[string]any {
		if whole {
			return plain.document(r)
		}
		doc := r.attributes()
		doc["id"] = r.id
		return doc
	}
}

// sorted orders by an attribute (RFC 7644, section 3.4.2.3): resources without
// it come last when ascending and first when descending.
func (s *Server) sorted(found []*resource, types []*resourceType, q query) ([]*resource, error) {
	descending := strings.EqualFold(q.sortOrder, "descending")
	if !descending && q.sortOrder != "" && !strings.EqualFold(q.sortOrder, "ascending") {
		return nil, invalidValue("sortOrder must be ascending or descending")
	}
	by := map[identity.Kind]comparison{}
	for _, t := range types {
		p, ok := t.resolve(q.sortBy)
		if !ok || p.attr == nil || p.leaf() == nil {
			continue
		}
		by[t.kind] = comparison{path: p, exact: p.leaf().caseExact}
	}
	if len(by) == 0 {
		return nil, invalidValue("sortBy %q is no attribute to sort by", q.sortBy)
	}
	type keyed struct {
		r   *resource
		key string
	}
	plain := view{s: s, h: &Hazards{}, baseURL: s.options.BasePath}
	keys := make([]keyed, 0, len(found))
	for _, r := range found {
		k := keyed{r: r}
		if c, ok := by[r.kind]; ok {
			k.key = c.sortKey(plain.document(r))
		}
		keys = append(keys, k)
	}
	slices.SortStableFunc(keys, func(a, b keyed) int {
		order := strings.Compare(a.key, b.key)
		if a.key == "" || b.key == "" {
			order = -order
		}
		if descending {
			return -order
		}
		return order
	})
	out := make([]*resource, len(keys))
	for i, k := range keys {
		out[i] = k.r
	}
	return out, nil
}

// sortKey is the primary value of a multi-valued attribute, else the first.
func (e comparison) sortKey(doc map[string]any) string {
	elements := e.path.elements(doc)
	i := slices.IndexFunc(elements, func(v any) bool {
		m, ok := v.(map[string]any)
		return ok && m["primary"] == true
	})
	if i >= 0 {
		elements = elements[i : i+1]
	}
	for _, v := range elements {
		if m, ok := v.(map[string]any); ok {
			v = m[e.path.leaf().name]
		}
		switch v := v.(type) {
		case string:
			if e.exact {
				return v
			}
			return fold(v)
		case bool:
			return strconv.FormatBool(v)
		}
	}
	return ""
}

func (s *Server) listAnswer(head []byte, page []*resource, views map[identity.Kind]view, name string) *answer {
	const overhead = 512 // of id and meta, roughly
	size := len(head) + overhead
	for _, r := range page {
		size += len(r.attrs) + overhead
	}
	b := append(append(make([]byte, 0, size), head...), `,"`+name+`":[`...)
	for i, r := range page {
		if i > 0 {
			b = append(b, ',')
		}
		b = views[r.kind].appendTo(b, r)
	}
	return &answer{status: http.StatusOK, body: append(b, "]}"...)}
}
