package scimtest

import (
	"maps"
	"reflect"
	"slices"
)

// box returns the object an attribute lives in: the resource or its extension.
// Without create it may be nil.
func (p *patcher) box(path attributePath, create bool) map[string]any {
	if path.extension == nil {
		return p.doc
	}
	m, _ := p.doc[path.extension.urn].(map[string]any)
	if m == nil && create {
		m = map[string]any{}
		p.doc[path.extension.urn] = m
	}
	return m
}

// unassign removes what a path without filter names. Removing what is not there
// is no error (RFC 7644, section 3.5.2.2).
func (p *patcher) unassign(path patchPath) error {
	switch {
	case path.attr == nil:
		delete(p.doc, path.extension.urn)
	case path.attr.required && path.sub == nil:
		return badRequest("mutability", "%s is required", path)
	case path.sub == nil:
		delete(p.box(path.attributePath, false), path.attr.name)
	default:
		for _, v := range path.elements(p.doc) {
			if m, ok := v.(map[string]any); ok {
				delete(m, path.sub.name)
			}
		}
		p.tidy(path)
	}
	return nil
}

// tidy takes out elements that hold nothing any more.
func (p *patcher) tidy(path patchPath) {
	box := p.box(path.attributePath, false)
	if list, ok := box[path.attr.name].([]any); ok {
		box[path.attr.name] = slices.DeleteFunc(list, func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && len(m) == 0
		})
	}
}

// assign adds or replaces at a path without filter (RFC 7644, sections 3.5.2.1
// and 3.5.2.3).
func (p *patcher) assign(o operation, path patchPath) error {
	if path.attr == nil {
		return p.assignExtension(o, path)
	}
	box := p.box(path.attributePath, true)
	a := path.attr
	switch {
	case path.sub != nil && a.multi:
		return p.assignEach(o, path)
	case path.sub != nil:
		v, err := p.k.value(path.sub, o.value, path.String())
		if err != nil {
			return err
		}
		m, _ := box[a.name].(map[string]any)
		if m == nil {
			m = map[string]any{}
			box[a.name] = m
		}
		m[path.sub.name] = v
	case a.multi:
		return p.assignList(o, path, box)
	case a.kind == typeComplex:
		return p.assignComplex(o, path, box)
	default:
		v, err := p.k.value(a, o.value, path.String())
		if err != nil {
			return err
		}
		box[a.name] = v
	}
	return nil
}

func (p *patcher) assignExtension(o operation, path patchPath) error {
	value, ok := o.value.(map[string]any)
	if !ok {
		return invalidValue("%s must be an object", path)
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		a := named(path.extension.attributes, name)
		if a == nil {
			if p.k.lenient {
				continue
			}
			return invalidSyntax("%s has no attribute %q", path, name)
		}
		inner := patchPath{attributePath: attributePath{extension: path.extension, attr: a}}
		if err := p.at(operation{op: o.op, hasPath: true, value: value[name], hasValue: true}, inner); err != nil {
			return err
		}
	}
	return nil
}

// assignComplex merges: sub-attributes the value leaves out stay, null removes
// one.
func (p *patcher) assignComplex(o operation, path patchPath, box map[string]any) error {
	fresh, err := p.k.complex(path.attr.sub, o.value, path.String())
	if err != nil {
		return err
	}
	m, _ := box[path.attr.name].(map[string]any)
	if m == nil {
		m = map[string]any{}
		box[path.attr.name] = m
	}
	raw, _ := o.value.(map[string]any)
	for name, v := range raw {
		if a := path.attr.subNamed(name); a != nil && v == nil && a.mutability != readOnly {
			delete(m, a.name)
		}
	}
	maps.Copy(m, fresh)
	return nil
}

// assignList adds values that are not there yet, or replaces all of them. One
// value may stand for a list of one.
func (p *patcher) assignList(o operation, path patchPath, box map[string]any) error {
	list, ok := o.value.([]any)
	if !ok {
		list = []any{o.value}
	}
	cleaned, err := p.k.value(path.attr, list, path.String())
	if err != nil {
		return err
	}
	fresh := asList(cleaned)
	if o.op == patchReplace {
		box[path.attr.name] = fresh
		return nil
	}
	have := asList(box[path.attr.name])
	for _, v := range fresh {
		if !slices.ContainsFunc(have, func(x any) bool { return reflect.DeepEqual(x, v) }) {
			have = append(have, v)
			onePrimary(have, len(have)-1)
		}
	}
	box[path.attr.name] = have
	return nil
}

// assignEach sets a sub-attribute of every element.
func (p *patcher) assignEach(o operation, path patchPath) error {
	elements := path.elements(p.doc)
	if len(elements) == 0 {
		return badRequest("noTarget", "%s has no values", path)
	}
	v, err := p.k.value(path.sub, o.value, path.String())
	if err != nil {
		return err
	}
	for _, one := range elements {
		if m, ok := one.(map[string]any); ok {
			m[path.sub.name] = v
		}
	}
	return nil
}

// onePrimary makes the element at i the only primary one, if it says it is.
func onePrimary(list []any, i int) {
	if m, ok := list[i].(map[string]any); !ok || m["primary"] != true {
		return
	}
	for j := range list {
		if m, ok := list[j].(map[string]any); ok && j != i && m["primary"] == true {
			m["primary"] = false
		}
	}
}

// filtered performs an operation on the elements a filter chooses.
func (p *patcher) filtered(o operation, path patchPath) error {
	box := p.box(path.attributePath, true)
	list := asList(box[path.attr.name])
	var chosen []int
	for i, v := range list {
		if m, ok := v.(map[string]any); ok && path.filter.holds(m) {
			chosen = append(chosen, i)
		}
	}
	switch {
	case len(chosen) == 0 && o.op == patchAdd:
		if demanded, ok := equalities(path.filter); ok {
			list = append(list, demanded)
			chosen = append(chosen, len(list)-1)
			break
		}
		fallthrough
	case len(chosen) == 0:
		if o.op == patchRemove && p.k.lenient {
			return nil
		}
		return badRequest("noTarget", "nothing matches %s[...]", path.attributePath)
	}
	if o.op == patchRemove || o.value == nil {
		if o.op == patchAdd {
			return invalidValue("add needs a value other than null")
		}
		box[path.attr.name] = removeChosen(list, chosen, path)
		return nil
	}
	for _, i := range chosen {
		m, _ := list[i].(map[string]any)
		if err := p.assignElement(o, path, list, i, m); err != nil {
			return err
		}
		onePrimary(list, i)
	}
	box[path.attr.name] = list
	return nil
}

func (p *patcher) assignElement(o operation, path patchPath, list []any, i int, m map[string]any) error {
	if path.sub != nil {
		v, err := p.k.value(path.sub, o.value, path.String())
		if err != nil {
			return err
		}
		m[path.sub.name] = v
		return nil
	}
	fresh, err := p.k.complex(path.attr.sub, o.value, path.String())
	if err != nil {
		return err
	}
	if o.op == patchReplace {
		list[i] = fresh
		return nil
	}
	maps.Copy(m, fresh)
	return nil
}

func removeChosen(list []any, chosen []int, path patchPath) []any {
	var out []any
	for i, v := range list {
		if slices.Contains(chosen, i) {
			m, ok := v.(map[string]any)
			if path.sub == nil || !ok {
				continue
			}
			if delete(m, path.sub.name); len(m) == 0 {
				continue
			}
		}
		out = append(out, v)
	}
	return out
}
