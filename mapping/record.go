package mapping

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/types"

	"github.com/scimsync/scimsync/identity"
)

// field is what a source promises about one field of its records, with the
// fields below it. The root stands for the record itself.
type field struct {
	name     string
	typ      identity.FieldType
	always   bool
	open     bool
	children map[string]*field
}

// newRecordType arranges the fields a source describes as a tree. A field
// below another makes that one an object; one that is always present makes its
// parents so. A Field without a path describes the record itself.
func newRecordType(fields []identity.Field) *field {
	root := &field{typ: identity.Object, always: true}
	for _, f := range fields {
		if f.Path == "" {
			root.open = root.open || f.Open
			continue
		}
		at := root
		segments := strings.Split(f.Path, ".")
		for i, name := range segments {
			child := at.children[name]
			if child == nil {
				child = &field{name: name, typ: identity.Any}
				if at.children == nil {
					at.children = map[string]*field{}
				}
				at.children[name] = child
			}
			child.always = child.always || f.Always
			if i < len(segments)-1 {
				child.typ = identity.Object
			}
			at = child
		}
		if at.children == nil {
			at.typ = cmp.Or(f.Type, identity.Any)
		}
		at.open = at.open || f.Open
	}
	return root
}

// names returns the names of the fields below f, in order.
func (f *field) names() []string { return slices.Sorted(maps.Keys(f.children)) }

// environment returns the type the checker of expr works with. With loose,
// only what is always present keeps its type: code compiled for a text
// comparison would panic on an absent one instead of finding it unequal.
func (f *field) environment(loose bool) types.Map {
	env := types.Map{}
	if f.open {
		env[types.Extra] = types.Any
	}
	for name, child := range f.children {
		env[name] = child.exprType(loose)
	}
	return env
}

func (f *field) exprType(loose bool) types.Type {
	if loose && !f.always {
		return types.Any
	}
	switch f.typ {
	case identity.String:
		return types.String
	case identity.Bool:
		return types.Bool
	case identity.Number:
		return types.Float64
	case identity.Strings:
		return types.Array(types.String)
	case identity.Object:
		return f.environment(loose)
	case identity.Any:
	}
	return types.Any
}

// check is what Map verifies of one field before any rule runs.
type check struct {
	path     string
	segments []string
	typ      identity.FieldType
	always   bool
}

// checks returns what a record must satisfy: every field that is always there
// is there, and every field the rules use is of the type the source promises.
func (f *field) checks(used map[string]bool) []check {
	var all []check
	var walk func(at *field, segments []string)
	walk = func(at *field, segments []string) {
		for _, name := range at.names() {
			child := at.children[name]
			below := append(slices.Clone(segments), name)
			path := strings.Join(below, ".")
			if child.always || used[path] && child.typ != identity.Any {
				all = append(all, check{path: path, segments: below, typ: child.typ, always: child.always})
			}
			walk(child, below)
		}
	}
	walk(f, nil)
	return all
}

// on verifies the check against a record's fields.
func (c *check) on(fields map[string]any) *ValueError {
	var value any = fields
	for i, name := range c.segments {
		m, ok := value.(map[string]any)
		if !ok {
			// A parent is absent or no object: its own check tells.
			if c.always && value == nil {
				return &ValueError{c.path, "the record lacks a field that the source always has"}
			}
			if value != nil {
				return &ValueError{strings.Join(c.segments[:i], "."), "the source promises an object and gave " + describe(value)}
			}
			return nil
		}
		value = m[name]
	}
	if value == nil {
		if c.always {
			return &ValueError{c.path, "the record lacks a field that the source always has"}
		}
		return nil
	}
	if promised := promise(c.typ, value); promised != "" {
		return &ValueError{c.path, "the source promises " + promised + " and gave " + describe(value)}
	}
	return nil
}

// promise returns what the type promises where the value is something else.
func promise(typ identity.FieldType, value any) string {
	switch typ {
	case identity.String:
		if _, ok := value.(string); !ok {
			return "a text"
		}
	case identity.Bool:
		if _, ok := value.(bool); !ok {
			return "true or false"
		}
	case identity.Number:
		if _, ok := number(value); !ok {
			return "a number"
		}
	case identity.Strings:
		switch list := value.(type) {
		case []string:
		case []any:
			for _, element := range list {
				if _, ok := element.(string); !ok {
					return "a list of texts"
				}
			}
		default:
			return "a list of texts"
		}
	case identity.Object:
		if _, ok := value.(map[string]any); !ok {
			return "an object"
		}
	case identity.Any: // it promises nothing
	}
	return ""
}

// describe names the kind of a value, never the value.
func describe(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case []any, []string:
		return "a list"
	case map[string]any:
		return "an object"
	}
	if _, ok := number(value); ok {
		return "a number"
	}
	return "something else"
}
