package scim

import (
	"context"
	"net/http"
	"slices"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// operation is one operation of a PATCH (RFC 7644, section 3.5.2). A nil Value
// is left out; false is not nil.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

type patchBody struct {
	Schemas    []string    `json:"schemas"`
	Operations []operation `json:"Operations"`
}

func (s *session) patch(ctx context.Context, k identity.Kind, id string, ops []operation) (answer, error) {
	return s.exchange(ctx, http.MethodPatch, s.object(k, id), patchBody{[]string{patchSchema}, ops}, "")
}

// activeOperation is the lifecycle request, always alone: a failing operation
// fails the whole PATCH, and a refused title must not keep a leaver active.
func (d dialect) activeOperation(active bool) operation {
	switch d.active {
	case activeByString:
		value := "False"
		if active {
			value = "True"
		}
		return operation{Op: d.op("replace"), Path: "active", Value: value}
	case activeInObject:
		return operation{Op: d.op("replace"), Value: map[string]any{"active": active}}
	case activeByPath:
	}
	return operation{Op: d.op("replace"), Path: "active", Value: active}
}

// operations writes the edits of one object in the dialect's form.
func (d dialect) operations(k identity.Kind, id string, edits []edit) []operation {
	form := d.attributes
	if k == identity.Group {
		form = d.rename
	}
	if form == byPath {
		return d.pathOperations(edits)
	}
	object := map[string]any{}
	var paths []edit
	for _, e := range edits {
		if unassigned(e.after) || e.path.Filter != (identity.Filter{}) {
			paths = append(paths, e)
			continue
		}
		object[e.path.String()] = plainValue(e)
	}
	ops := d.pathOperations(paths)
	if len(object) > 0 {
		if form == objectWithID {
			object["id"] = id
		}
		ops = append(ops, operation{Op: d.op("replace"), Value: object})
	}
	return ops
}

// pathOperations writes one operation per attribute. An element of a list that
// is not there yet is added as a whole: a replace whose filter matches nothing
// is refused with noTarget (RFC 7644, section 3.5.2.3).
func (d dialect) pathOperations(edits []edit) []operation {
	var ops []operation
	written := map[string]bool{}
	for i, e := range edits {
		switch element := elementOf(e.path); {
		case element == "":
			ops = append(ops, d.pathOperation(e))
		case written[element]:
		case newElement(edits[i:], element):
			written[element] = true
			ops = append(ops, d.addElement(edits[i:], element))
		case unassigned(e.after) && e.path.Sub == "value":
			// An element without its value is nothing: it goes as a whole.
			written[element] = true
			ops = append(ops, operation{Op: d.op("remove"), Path: element})
		default:
			ops = append(ops, d.pathOperation(e))
		}
	}
	return ops
}

func (d dialect) pathOperation(e edit) operation {
	path := e.path.String()
	switch {
	case unassigned(e.after):
		if e.path.Attribute == "manager" && e.path.Sub == "value" {
			e.path.Sub = ""
			path = e.path.String()
		}
		return operation{Op: d.op("remove"), Path: path}
	case unassigned(e.before):
		return operation{Op: d.op("add"), Path: path, Value: d.value(e)}
	}
	return operation{Op: d.op("replace"), Path: path, Value: d.value(e)}
}

// value is the value of an operation; Entra's classic form spells booleans.
func (d dialect) value(e edit) any {
	if b, ok := e.after.(bool); ok && d.active == activeByString {
		if b {
			return "True"
		}
		return "False"
	}
	return plainValue(e)
}

// elementOf names the list element a path points into: emails[type eq "work"];
// "" where it points elsewhere.
func elementOf(p identity.Path) string {
	if p.Filter == (identity.Filter{}) {
		return ""
	}
	p.Sub = ""
	return p.String()
}

// newElement reports whether the target holds nothing of the element, and the
// edits give it something.
func newElement(edits []edit, element string) bool {
	gives := false
	for _, e := range edits {
		if elementOf(e.path) != element {
			continue
		}
		if !unassigned(e.before) {
			return false
		}
		gives = gives || !unassigned(e.after)
	}
	return gives
}

func (d dialect) addElement(edits []edit, element string) operation {
	var value map[string]any
	var path identity.Path
	for _, e := range edits {
		if elementOf(e.path) != element || unassigned(e.after) {
			continue
		}
		if value == nil {
			path = e.path
			value = map[string]any{path.Filter.Attribute: filterValue(path.Filter)}
			if path.Attribute == "emails" && path.Filter.Value == "work" {
				value["primary"] = true
			}
		}
		value[e.path.Sub] = e.after
	}
	path.Filter, path.Sub = identity.Filter{}, ""
	return operation{Op: d.op("add"), Path: path.String(), Value: []any{value}}
}

// patchAttributes writes the edits by PATCH. Where the target does not find the
// element a filter names (it kept an address without a type, or does not know
// filters in paths), the lists concerned are read and replaced whole.
func (s *session) patchAttributes(ctx context.Context, k identity.Kind, id string, edits []edit) (answer, error) {
	got, err := s.patch(ctx, k, id, s.dialect.operations(k, id, edits))
	if err == nil || !isClass(err, connectors.Rejected) || !slices.ContainsFunc(edits, inElement) {
		return got, err
	}
	if code := codeOf(err); code != codeNoTarget && code != codeInvalidPath && code != "" {
		return got, err
	}
	whole, readErr := s.wholeLists(ctx, k, id, edits)
	if readErr != nil {
		return got, err
	}
	again, retryErr := s.patch(ctx, k, id, whole)
	if retryErr != nil {
		return got, err // the first refusal says more
	}
	return again, nil
}

func inElement(e edit) bool { return elementOf(e.path) != "" }

// wholeLists writes the edits with each list they point into as one value.
func (s *session) wholeLists(ctx context.Context, k identity.Kind, id string, edits []edit) ([]operation, error) {
	object, _, err := s.readRaw(ctx, k, id)
	if err != nil {
		return nil, err
	}
	spellBooleans(object)
	var others []edit
	var ops []operation
	done := map[string]bool{}
	for _, e := range edits {
		if !inElement(e) {
			others = append(others, e)
			continue
		}
		assign(object, e)
	}
	for _, e := range edits {
		list := e.path
		list.Filter, list.Sub = identity.Filter{}, ""
		if !inElement(e) || done[list.String()] {
			continue
		}
		done[list.String()] = true
		container := object
		if list.Schema != "" {
			container, _ = lookup(object, list.Schema).(map[string]any)
		}
		if value := lookup(container, list.Attribute); value != nil {
			ops = append(ops, operation{Op: s.dialect.op("replace"), Path: list.String(), Value: value})
		} else {
			ops = append(ops, operation{Op: s.dialect.op("remove"), Path: list.String()})
		}
	}
	return append(s.dialect.operations(k, id, others), ops...), nil
}
