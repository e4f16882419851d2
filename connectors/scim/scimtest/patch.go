package scimtest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// operation is one step of a PATCH (RFC 7644, section 3.5.2).
type operation struct {
	op       string // add, replace, remove
	path     string
	hasPath  bool
	value    any
	hasValue bool
}

const (
	patchAdd     = "add"
	patchReplace = "replace"
	patchRemove  = "remove"
)

// patch is PATCH: all operations or none.
func (s *Server) patch(c *call, t *resourceType, id string) (*answer, error) {
	switch {
	case c.h.PutReplaceOnly:
		s.fire("PutReplaceOnly")
		return nil, methodNotAllowed(c)
	case c.h.PatchUnsupported:
		s.fire("PatchUnsupported")
		return nil, &fault{http.StatusNotImplemented, "", "PATCH is not implemented"}
	}
	operations, err := s.readOperations(c)
	if err != nil {
		return nil, err
	}
	v, err := s.newView(c, t, splitNames(c.query["attributes"]), splitNames(c.query["excludedAttributes"]))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.lookUp(c.h, t, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkVersion(c, r); err != nil {
		return nil, err
	}
	if r, err = s.patched(c.h, t, r, operations); err != nil {
		return nil, err
	}
	a := s.show(http.StatusOK, v, r)
	if s.options.PatchNoContent {
		a.status, a.body = http.StatusNoContent, nil
	}
	return a, nil
}

// patched performs the operations. The caller holds the lock.
func (s *Server) patched(h *Hazards, t *resourceType, r *resource, operations []operation) (*resource, error) {
	p := &patcher{
		s: s, h: h, t: t, r: r, k: s.cleaner(t), doc: r.attributes(),
		edit: &memberEdit{base: &r.members, keepDuplicates: h.DuplicateMembersKept},
	}
	for i := range operations {
		if err := p.perform(operations[i]); err != nil {
			return nil, err
		}
	}
	if h.MaxMembersPerPatch > 0 && p.memberCount > h.MaxMembersPerPatch {
		s.fire("MaxMembersPerPatch")
		status := h.MaxMembersStatus
		if status == 0 {
			status = http.StatusRequestEntityTooLarge
		}
		return nil, &fault{status, "", "too many members in one request"}
	}
	attrs, err := p.result()
	if err != nil {
		return nil, err
	}
	w := &write{attrs: attrs}
	if t.kind == identity.Group {
		w.members = p.edit
	}
	return s.settle(h, t, r, w)
}

// readOperations reads a PatchOp.
func (s *Server) readOperations(c *call) ([]operation, error) {
	body, err := decodeBody(c.body)
	if err != nil {
		return nil, err
	}
	if err := message(body, urnPatch); err != nil {
		return nil, err
	}
	list, _ := field(body, "Operations")
	raw := asList(list)
	if len(raw) == 0 {
		return nil, invalidSyntax("Operations must be a list of at least one operation")
	}
	out := make([]operation, 0, len(raw))
	for _, one := range raw {
		m, ok := one.(map[string]any)
		if !ok {
			return nil, invalidSyntax("an operation must be an object")
		}
		o, skip, err := s.readOperation(c.h, m)
		if err != nil {
			return nil, err
		}
		if !skip {
			out = append(out, o)
		}
	}
	return out, nil
}

// readOperation reads one operation; true says that a hazard ignores it.
func (s *Server) readOperation(h *Hazards, m map[string]any) (operation, bool, error) {
	var o operation
	var path any
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch strings.ToLower(name) {
		case "op":
			o.op, _ = m[name].(string)
		case "path":
			path, o.hasPath = m[name], true
		case "value":
			o.value, o.hasValue = m[name], true
		default:
			if !s.options.Lenient {
				return o, false, invalidSyntax("an operation has no attribute %q", name)
			}
		}
	}
	if o.hasPath {
		text, ok := path.(string)
		if !ok || text == "" {
			return o, false, badRequest("invalidPath", "path must be a string that is not empty")
		}
		o.path = text
	}
	lower := strings.ToLower(o.op)
	if lower != patchAdd && lower != patchReplace && lower != patchRemove {
		return o, false, invalidSyntax("op must be add, replace or remove, not %q", o.op)
	}
	if o.op != lower {
		if h.CapitalOpsIgnored {
			s.fire("CapitalOpsIgnored")
			return o, true, nil
		}
		if !s.options.Lenient {
			return o, false, invalidSyntax("op must be %q, not %q", lower, o.op)
		}
		o.op = lower
	}
	if o.op != patchRemove && !o.hasValue {
		return o, false, invalidValue("%s needs a value", o.op)
	}
	return o, false, nil
}

// patcher performs operations on a copy of a resource.
type patcher struct {
	s           *Server
	h           *Hazards
	t           *resourceType
	r           *resource
	k           cleaner
	doc         map[string]any
	edit        *memberEdit
	memberCount int // members the request names
}

// result is the patched resource, checked as a whole.
func (p *patcher) result() (map[string]any, error) {
	urns := []any{p.t.core.urn}
	for _, e := range p.t.extensions {
		urns = append(urns, e.urn)
	}
	p.doc["schemas"] = urns
	return p.k.resource(p.doc)
}

func (p *patcher) perform(o operation) error {
	if !o.hasPath {
		return p.pathless(o)
	}
	path, err := grammar{typ: p.t}.path(o.path)
	if err != nil {
		if _, _, known := p.t.splitURN(o.path); p.k.lenient && !known {
			return nil // an extension we do not have
		}
		return err
	}
	return p.at(o, path)
}

// at performs an operation at a path.
func (p *patcher) at(o operation, path patchPath) error {
	if p.ignores(path) {
		p.s.fire("PatchIgnored")
		return nil
	}
	switch {
	case path.attr != nil && path.attr.mutability == readOnly, path.sub != nil && path.sub.mutability == readOnly:
		return badRequest("mutability", "%s is read-only", path)
	case path.attr != nil && path.attr.name == "schemas":
		return badRequest("mutability", "schemas follows from the attributes")
	case path.extension == nil && path.attr.name == "members":
		return p.members(o, path)
	case o.op == patchRemove && o.hasValue && o.value != nil && !p.k.lenient:
		return invalidValue("remove takes no value: name what to remove in the path")
	}
	if path.filter != nil {
		return p.filtered(o, path)
	}
	if o.op == patchRemove || o.value == nil {
		if o.op == patchAdd {
			return invalidValue("add needs a value other than null")
		}
		return p.unassign(path)
	}
	return p.assign(o, path)
}

func (p *patcher) ignores(path patchPath) bool {
	for _, name := range p.h.PatchIgnored {
		if name == "*" || strings.EqualFold(name, path.attributePath.String()) ||
			path.attr != nil && path.extension == nil && strings.EqualFold(name, path.attr.name) {
			return true
		}
	}
	return false
}

// pathless is an add or replace whose value is a part of the resource.
func (p *patcher) pathless(o operation) error {
	if o.op == patchRemove {
		return badRequest("noTarget", "remove needs a path")
	}
	value, ok := o.value.(map[string]any)
	if !ok {
		return invalidValue("without a path, value must be an object")
	}
	if p.h.PathlessReplaceWipes && o.op == patchReplace {
		p.s.fire("PathlessReplaceWipes")
		p.doc = map[string]any{p.t.naming: p.doc[p.t.naming]}
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		if strings.EqualFold(name, "schemas") || strings.EqualFold(name, "id") && value[name] == p.r.id {
			continue
		}
		path, err := p.key(name)
		if err != nil {
			if p.k.lenient {
				continue
			}
			return err
		}
		if path.attr != nil && path.attr.mutability == readOnly && p.k.lenient {
			continue
		}
		if err := p.at(operation{op: o.op, path: name, hasPath: true, value: value[name], hasValue: true}, path); err != nil {
			return err
		}
	}
	return nil
}

// key resolves a key of a value without path: the name of an attribute or the
// URN of an extension. Lenient servers take any path.
func (p *patcher) key(name string) (patchPath, error) {
	if p.k.lenient {
		return grammar{typ: p.t}.path(name)
	}
	if e := p.t.extension(name); e != nil {
		return patchPath{attributePath: attributePath{extension: e}}, nil
	}
	if a := p.t.coreNamed(name); a != nil {
		return patchPath{attributePath: attributePath{attr: a}}, nil
	}
	return patchPath{}, invalidSyntax("attribute %q is not in the schema of %s", name, p.t.name)
}
