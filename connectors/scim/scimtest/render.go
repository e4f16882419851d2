package scimtest

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// view says how resources are shown: what of them, and under which address.
type view struct {
	s       *Server
	h       *Hazards
	baseURL string
	listing bool
	only    []attributePath // attributes=
	without []attributePath // excludedAttributes=
	chosen  bool            // attributes= was given
	// noMembers: members and groups are not wanted, so are not assembled.
	noMembers bool
}

// newView reads attributes and excludedAttributes (RFC 7644, section 3.9).
func (s *Server) newView(c *call, t *resourceType, attributes, excluded []string) (view, error) {
	v := view{s: s, h: c.h, baseURL: c.baseURL}
	if len(attributes) > 0 && len(excluded) > 0 {
		return v, invalidValue("attributes and excludedAttributes exclude each other")
	}
	if len(excluded) > 0 && c.h.IgnoreExcludedAttributes {
		s.fire("IgnoreExcludedAttributes")
		excluded = nil
	}
	v.chosen = len(attributes) > 0
	v.only, v.without = paths(t, attributes), paths(t, excluded)
	bulky := "members"
	if t.kind == identity.User {
		bulky = "groups"
	}
	names := func(p attributePath) bool { return p.attr != nil && p.extension == nil && p.attr.name == bulky }
	if v.chosen {
		v.noMembers = !slices.ContainsFunc(v.only, names)
	}
	// Leaving out just the bulky attribute is the common case, and costs no
	// decoding.
	if len(v.without) == 1 && names(v.without[0]) && v.without[0].sub == nil {
		v.noMembers, v.without = true, nil
	}
	return v, nil
}

// paths resolves names; those the schema does not know select nothing.
func paths(t *resourceType, names []string) []attributePath {
	var out []attributePath
	for _, name := range names {
		if p, ok := t.resolve(strings.TrimSpace(name)); ok {
			out = append(out, p)
		}
	}
	return out
}

// splitNames reads a comma-separated query parameter.
func splitNames(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, slices.DeleteFunc(strings.Split(v, ","), func(s string) bool { return strings.TrimSpace(s) == "" })...)
	}
	return out
}

// appendTo writes one resource. The caller holds the lock for reading.
func (v view) appendTo(b []byte, r *resource) []byte {
	if !v.chosen && len(v.without) == 0 {
		return v.whole(b, r)
	}
	return append(b, encode(v.project(v.s.typeOf(r.kind), v.document(r)))...)
}

// whole writes the resource with everything it has.
func (v view) whole(b []byte, r *resource) []byte {
	b = append(b, r.attrs[:len(r.attrs)-1]...) // without the closing brace
	b = append(b, `,"id":`...)
	b = quote(b, r.id)
	if !v.noMembers {
		if r.kind == identity.Group {
			b = v.appendMembers(b, r)
		} else {
			b = v.appendGroups(b, r)
		}
	}
	t := v.s.typeOf(r.kind)
	b = append(b, `,"meta":{"resourceType":"`...)
	b = append(b, t.name...)
	b = append(b, `","created":"`...)
	b = r.created.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","lastModified":"`...)
	b = r.modified.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","location":`...)
	b = quote(b, v.location(r))
	if !v.s.options.NoETag {
		b = append(b, `,"version":`...)
		b = quote(b, r.etag())
	}
	return append(b, "}}"...)
}

func (v view) location(r *resource) string {
	if v.h.LocationElsewhere != "" {
		v.s.fire("LocationElsewhere")
	}
	return v.baseURL + "/" + v.s.typeOf(r.kind).plural + "/" + url.PathEscape(r.id)
}

// etag is a weak tag: the bytes differ with the address they are asked at.
func (r *resource) etag() string { return `W/"` + strconv.Itoa(r.version) + `"` }

func (v view) appendMembers(b []byte, r *resource) []byte {
	if r.members.len() == 0 {
		return b
	}
	switch {
	case v.h.EmptyMembers:
		v.s.fire("EmptyMembers")
		return append(b, `,"members":[]`...)
	case v.h.MembersMissingFromLists && v.listing:
		v.s.fire("MembersMissingFromLists")
		return b
	}
	b = append(b, `,"members":[`...)
	n := 0
	for id := range r.members.all() {
		if v.h.MembersCap > 0 && n == v.h.MembersCap {
			v.s.fire("MembersCap")
			break
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		if m := v.s.store.byID[id]; m != nil {
			b = v.appendReference(b, m, v.s.typeOf(m.kind).name)
		}
	}
	return append(b, ']')
}

func (v view) appendGroups(b []byte, r *resource) []byte {
	if len(r.memberOf) == 0 || v.h.NoGroups {
		return b
	}
	if v.h.EmptyMembers {
		v.s.fire("EmptyMembers")
		return b
	}
	b = append(b, `,"groups":[`...)
	for i, g := range r.memberOf {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.appendReference(b, g, "direct")
	}
	return append(b, ']')
}

func (v view) appendReference(b []byte, r *resource, kind string) []byte {
	b = append(b, `{"value":`...)
	b = quote(b, r.id)
	b = append(b, `,"$ref":`...)
	b = quote(b, v.location(r))
	b = append(b, `,"type":"`...)
	b = append(b, kind...)
	b = append(b, `","display":`...)
	b = quote(b, r.display)
	return append(b, '}')
}

// quote appends a JSON string.
func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return append(b, encode(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// project keeps what was asked for; id and schemas are always returned.
func (v view) project(t *resourceType, doc map[string]any) map[string]any {
	if !v.chosen {
		for _, p := range v.without {
			if p.attr == nil || !p.attr.always {
				remove(doc, p)
			}
		}
		return doc
	}
	out := map[string]any{}
	for _, a := range t.common {
		if a.always && doc[a.name] != nil {
			out[a.name] = doc[a.name]
		}
	}
	for _, p := range v.only {
		keep(out, doc, p)
	}
	return out
}

func remove(doc map[string]any, p attributePath) {
	container := doc
	if p.extension != nil {
		if p.attr == nil {
			delete(doc, p.extension.urn)
			return
		}
		container, _ = doc[p.extension.urn].(map[string]any)
	}
	if p.sub == nil {
		delete(container, p.attr.name)
		return
	}
	for _, v := range p.elements(doc) {
		if m, ok := v.(map[string]any); ok {
			delete(m, p.sub.name)
		}
	}
}

// keep copies what p names from doc to out, beside what is there already.
func keep(out, doc map[string]any, p attributePath) {
	if p.extension != nil {
		from, ok := doc[p.extension.urn].(map[string]any)
		if !ok {
			return
		}
		to, _ := out[p.extension.urn].(map[string]any)
		if to == nil {
			to = map[string]any{}
			out[p.extension.urn] = to
		}
		if p.attr == nil {
			maps.Copy(to, from)
			return
		}
		p.extension = nil
		keep(to, from, p)
		return
	}
	v := doc[p.attr.name]
	if v == nil {
		return
	}
	if p.sub == nil {
		out[p.attr.name] = v
		return
	}
	switch v := v.(type) {
	case map[string]any:
		to, _ := out[p.attr.name].(map[string]any)
		if to == nil {
			to = map[string]any{}
			out[p.attr.name] = to
		}
		if v[p.sub.name] != nil {
			to[p.sub.name] = v[p.sub.name]
		}
	case []any:
		to, _ := out[p.attr.name].([]any)
		if to == nil {
			to = make([]any, len(v))
			for i := range to {
				to[i] = map[string]any{}
			}
			out[p.attr.name] = to
		}
		for i := range v {
			from, _ := v[i].(map[string]any)
			element, _ := to[i].(map[string]any)
			if from[p.sub.name] != nil {
				element[p.sub.name] = from[p.sub.name]
			}
		}
	}
}

// document decodes a resource as it is shown.
func (v view) document(r *resource) map[string]any {
	var doc map[string]any
	_ = json.Unmarshal(v.whole(nil, r), &doc)
	return doc
}
