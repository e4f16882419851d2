package scimtest

import "slices"

// members performs an operation on the members of a group. They are held apart
// from the other attributes, because groups grow large.
func (p *patcher) members(o operation, path patchPath) error {
	switch {
	case path.sub != nil, path.filter != nil && o.op != patchRemove:
		return badRequest("mutability", "a member is immutable: remove it and add another")
	case path.filter != nil:
		return p.removeMembers(o, path)
	case o.op == patchRemove:
		return p.removeAllMembers(o, path)
	}
	ids, err := p.memberValues(o, path)
	if err != nil {
		return err
	}
	if o.op == patchReplace {
		if p.h.ReplaceMembersMerges {
			for id := range p.edit.all() {
				if !slices.Contains(ids, id) {
					p.s.fire("ReplaceMembersMerges")
					break
				}
			}
		} else {
			p.edit.clear()
		}
	}
	for _, id := range ids {
		p.edit.add(id)
	}
	return nil
}

// memberValues reads a list of members, or a single one.
func (p *patcher) memberValues(o operation, path patchPath) ([]string, error) {
	list, ok := o.value.([]any)
	if !ok && o.value != nil {
		list = []any{o.value}
	}
	if o.value == nil && o.op == patchAdd {
		return nil, invalidValue("add needs a value other than null")
	}
	cleaned, err := p.k.value(path.attr, list, path.String())
	if err != nil {
		return nil, err
	}
	p.memberCount += len(list)
	return memberIDs(cleaned)
}

// removeMembers is remove of members[filter].
func (p *patcher) removeMembers(o operation, path patchPath) error {
	if o.hasValue && o.value != nil && !p.k.lenient {
		return invalidValue("remove takes no value: name what to remove in the path")
	}
	p.memberCount++
	if p.h.IgnoreMemberRemoveByFilter {
		p.s.fire("IgnoreMemberRemoveByFilter")
		return nil
	}
	chosen := p.chosenMembers(path.filter)
	if len(chosen) == 0 && !p.k.lenient {
		return badRequest("noTarget", "no member matches")
	}
	for _, id := range chosen {
		p.edit.remove(id)
	}
	return nil
}

// chosenMembers finds members by filter; value eq "id" without going through
// all of them.
func (p *patcher) chosenMembers(filter expression) []string {
	if c, ok := filter.(comparison); ok && c.op == "eq" && c.path.attr.name == "value" {
		id, _ := c.value.(string)
		if p.edit.has(id) {
			return []string{id}
		}
		return nil
	}
	var chosen []string
	for id := range p.edit.all() {
		doc := map[string]any{"value": id}
		if m := p.s.store.byID[id]; m != nil {
			t := p.s.typeOf(m.kind)
			doc["type"], doc["display"] = t.name, m.display
		}
		if filter.holds(doc) {
			chosen = append(chosen, id)
		}
	}
	return chosen
}

// removeAllMembers is remove of members without a filter. With a value list it
// means opposite things to different servers.
func (p *patcher) removeAllMembers(o operation, path patchPath) error {
	listed := o.hasValue && o.value != nil
	switch {
	case p.h.RefuseEmptyRemove:
		p.s.fire("RefuseEmptyRemove")
		return badRequest("invalidPath", "remove of members needs a filter")
	case !listed:
	case p.h.ValueListRemoveEmpties:
		p.s.fire("ValueListRemoveEmpties")
	case p.k.lenient:
		ids, err := p.memberValues(o, path)
		if err != nil {
			return err
		}
		for _, id := range ids {
			p.edit.remove(id)
		}
		return nil
	default:
		return invalidValue("remove takes no value: name the members in the path")
	}
	p.edit.clear()
	return nil
}
