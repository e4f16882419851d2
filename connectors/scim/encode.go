package scim

import (
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// edit is one attribute to write: After nil clears.
type edit struct {
	path          identity.Path
	name          string // the path as the plan spells it
	before, after any
}

// editsOf parses the attributes of a change. Paths come from a compiled mapping,
// values must be plain: a reference to an object that is not there yet cannot be
// sent.
func editsOf(c identity.Change) ([]edit, error) {
	edits := make([]edit, 0, len(c.Attributes))
	for _, a := range c.Attributes {
		path, err := identity.ParsePath(a.Path)
		if err != nil {
			return nil, connectors.Errorf(connectors.Rejected, "%w", err)
		}
		if isCoreSchema(path.Schema) {
			path.Schema = ""
		}
		switch a.After.(type) {
		case nil, string, bool, float64, []string:
		default:
			return nil, connectors.Errorf(connectors.Rejected, "%s: a %T cannot be sent; references are filled in before", a.Path, a.After)
		}
		if path.Schema == "" && path.Filter == (identity.Filter{}) && isProtocol(path.Attribute) {
			return nil, connectors.Errorf(connectors.Rejected, "%s belongs to the protocol and cannot be written as an attribute", a.Path)
		}
		edits = append(edits, edit{path: path, name: a.Path, before: a.Before, after: a.After})
	}
	return edits, nil
}

func isCoreSchema(urn string) bool {
	return strings.EqualFold(urn, userSchema) || strings.EqualFold(urn, groupSchema)
}

func unassigned(v any) bool { return identity.Equal(v, nil) }

// createBody is the resource a create posts.
func (s *session) createBody(k identity.Kind, edits []edit) map[string]any {
	body := map[string]any{}
	schemas, extra := []string{userSchema}, s.dialect.userExtra
	if k == identity.Group {
		schemas, extra = []string{groupSchema}, s.dialect.groupExtra
	}
	for _, name := range extra.empty {
		body[name] = []any{}
	}
	for _, e := range edits {
		if !unassigned(e.after) {
			assign(body, e)
		}
	}
	markPrimary(body)
	body["schemas"] = withExtensions(append(schemas, extra.schemas...), edits)
	return body
}

// withExtensions adds the schemas of extension attributes (RFC 7643, section 3.3).
func withExtensions(schemas []string, edits []edit) []string {
	for _, e := range edits {
		if urn := e.path.Schema; urn != "" && !unassigned(e.after) && !containsFold(schemas, urn) {
			schemas = append(schemas, urn)
		}
	}
	return schemas
}

// markPrimary makes the work address, or the only one, the primary one: identity
// providers do, and targets that keep one address keep that.
func markPrimary(body map[string]any) {
	list, _ := body["emails"].([]any)
	var work map[string]any
	for _, item := range list {
		element, ok := item.(map[string]any)
		if !ok {
			return
		}
		if _, ok := element["primary"]; ok {
			return
		}
		if len(list) == 1 || element["type"] == "work" && work == nil {
			work = element
		}
	}
	if work != nil {
		work["primary"] = true
	}
}

// assign writes one attribute into a resource, or clears it there. What the edit
// does not name stays.
func assign(body map[string]any, e edit) {
	container := body
	if e.path.Schema != "" {
		key := keyOf(body, e.path.Schema)
		inner, ok := body[key].(map[string]any)
		if !ok {
			if unassigned(e.after) {
				return
			}
			inner = map[string]any{}
			body[key] = inner
		}
		container = inner
	}
	key := keyOf(container, e.path.Attribute)
	switch {
	case e.path.Filter != (identity.Filter{}):
		assignElement(container, key, e)
	case e.path.Sub != "" && (isComplexList(e.path.Attribute) || e.path.Attribute == "addresses"):
		list, _ := container[key].([]any)
		if len(list) == 0 && !unassigned(e.after) {
			list = []any{map[string]any{}}
		}
		if len(list) > 0 {
			if element, ok := list[0].(map[string]any); ok {
				setOrDelete(element, keyOf(element, e.path.Sub), e.after)
			}
			container[key] = list
		}
	case e.path.Sub != "":
		inner, ok := container[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
		}
		setOrDelete(inner, keyOf(inner, e.path.Sub), e.after)
		if len(inner) == 0 || e.path.Attribute == "manager" && unassigned(e.after) {
			delete(container, key)
			return
		}
		container[key] = inner
	default:
		setOrDelete(container, key, plainValue(e))
	}
}

// plainValue is the JSON value of an edit: plain values of a list of objects are
// written as such objects.
func plainValue(e edit) any {
	if e.path.Sub != "" {
		return e.after
	}
	switch v := e.after.(type) {
	case []string:
		if !isComplexList(e.path.Attribute) || len(v) == 0 {
			return v
		}
		list := make([]any, 0, len(v))
		for _, s := range v {
			list = append(list, map[string]any{"value": s})
		}
		return list
	case string:
		if v != "" && isComplexList(e.path.Attribute) {
			return []any{map[string]any{"value": v}}
		}
		if v != "" && e.path.Schema != "" && e.path.Attribute == "manager" {
			return map[string]any{"value": v}
		}
	}
	return e.after
}

func setOrDelete(object map[string]any, key string, value any) {
	if unassigned(value) {
		delete(object, key)
		return
	}
	object[key] = value
}

// assignElement writes into the element of a list that the filter selects, or
// into a lone element without a type, which counts as work.
func assignElement(container map[string]any, key string, e edit) {
	list, _ := container[key].([]any)
	at := elementAt(list, e.path)
	if unassigned(e.after) {
		if at < 0 {
			return
		}
		if e.path.Sub == "value" {
			list = slices.DeleteFunc(list, func(item any) bool { return selects(e.path, item) })
			if len(list) > 0 && elementAt(list, e.path) >= 0 {
				list = slices.Delete(list, 0, 1)
			}
		} else if element, ok := list[at].(map[string]any); ok {
			delete(element, keyOf(element, e.path.Sub))
		}
		container[key] = list
		if len(list) == 0 {
			delete(container, key)
		}
		return
	}
	if at < 0 {
		list = append(list, map[string]any{e.path.Filter.Attribute: filterValue(e.path.Filter)})
		at = len(list) - 1
	}
	if element, ok := list[at].(map[string]any); ok {
		element[keyOf(element, e.path.Sub)] = e.after
	}
	container[key] = list
}

// elementAt returns the place of the element the path selects: the primary one
// of several, or a lone untyped one where work is asked for; -1 is none. It is
// the element that flatten names.
func elementAt(list []any, p identity.Path) int {
	found, untyped, typed := -1, -1, false
	for i, item := range list {
		element, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if lookup(element, "type") != nil {
			typed = true
		} else {
			untyped = i
		}
		if selects(p, item) {
			if primary, _ := boolean(lookup(element, "primary")); found < 0 || primary {
				found = i
			}
		}
	}
	if found < 0 && !typed && len(list) == 1 && hasWork(p.Attribute) &&
		p.Filter.Attribute == "type" && p.Filter.Value == "work" {
		return untyped
	}
	return found
}

// selects reports whether the filter of a path selects an element.
func selects(p identity.Path, item any) bool {
	element, ok := item.(map[string]any)
	if !ok {
		return false
	}
	v := lookup(element, p.Filter.Attribute)
	if b, ok := v.(bool); ok {
		want, isBool := boolean(p.Filter.Value)
		return isBool && b == want
	}
	s, ok := v.(string)
	return ok && strings.EqualFold(s, p.Filter.Value)
}

func filterValue(f identity.Filter) any {
	if strings.EqualFold(f.Attribute, "primary") {
		if b, ok := boolean(f.Value); ok {
			return b
		}
	}
	return f.Value
}

// keyOf returns the name as the object spells it, or the given spelling where
// the object has none.
func keyOf(object map[string]any, name string) string {
	if _, ok := object[name]; ok {
		return name
	}
	for key := range object {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return name
}
