package scimtest

import "maps"

// patchPath is the path of a PATCH operation (RFC 7644, section 3.5.2, figure
// 7): an attribute, a sub-attribute, or elements chosen by a filter.
type patchPath struct {
	attributePath
	filter expression // nil where there is none
}

// path parses the path of a PATCH operation.
func (g grammar) path(text string) (patchPath, error) {
	p := &parser{grammar: g, text: text, scimType: "invalidPath"}
	if len(text) > maxFilter {
		return patchPath{}, p.fail("the path is longer than %d bytes", maxFilter)
	}
	word := p.word()
	found, ok := g.typ.resolve(word)
	if !ok {
		return patchPath{}, p.fail("attribute %q is not in the schema", word)
	}
	p.pos += len(word)
	out := patchPath{attributePath: found}
	if p.peek() == '[' {
		if found.attr == nil || found.sub != nil || !found.attr.multi || found.attr.kind != typeComplex {
			return patchPath{}, p.fail("%s takes no filter", found)
		}
		var err error
		if out.filter, err = p.bracketed(found.attr); err != nil {
			return patchPath{}, err
		}
		if p.peek() == '.' {
			p.pos++
			sub := p.word()
			if out.sub = found.attr.subNamed(sub); out.sub == nil {
				return patchPath{}, p.fail("%s has no sub-attribute %q", found, sub)
			}
			p.pos += len(sub)
		}
	}
	if p.pos < len(p.text) {
		return patchPath{}, p.fail("unexpected %.20q", p.text[p.pos:])
	}
	return out, nil
}

// equalities returns the values a filter demands by eq, when it is nothing but
// such demands: what an element must hold to be created for the path.
func equalities(e expression) (map[string]any, bool) {
	switch e := e.(type) {
	case comparison:
		if e.op == "eq" && e.value != nil {
			return map[string]any{e.path.attr.name: e.value}, true
		}
	case conjunction:
		left, ok1 := equalities(e.left)
		right, ok2 := equalities(e.right)
		if ok1 && ok2 {
			maps.Copy(left, right)
			return left, true
		}
	}
	return nil, false
}
