package scimtest

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

func (e conjunction) holds(doc map[string]any) bool { return e.left.holds(doc) && e.right.holds(doc) }

func (e disjunction) holds(doc map[string]any) bool { return e.left.holds(doc) || e.right.holds(doc) }

func (e negation) holds(doc map[string]any) bool { return !e.of.holds(doc) }

func (nothing) holds(map[string]any) bool { return false }

func (e elementFilter) holds(doc map[string]any) bool {
	for _, v := range e.path.elements(doc) {
		if m, ok := v.(map[string]any); ok && e.of.holds(m) {
			return true
		}
	}
	return false
}

// holds compares. A multi-valued attribute matches when one of its values does
// (RFC 7644, section 3.4.2.2); ne is the opposite of eq, so that it holds for
// an attribute without a value.
func (e comparison) holds(doc map[string]any) bool {
	switch {
	case e.op == "pr":
		return len(e.values(doc)) > 0
	case e.op == "ne":
		e.op = "eq"
		return !e.holds(doc)
	case e.value == nil:
		return len(e.values(doc)) == 0
	}
	return slices.ContainsFunc(e.values(doc), e.compare)
}

func (e comparison) compare(v any) bool {
	switch want := e.value.(type) {
	case bool:
		return v == want
	case time.Time:
		text, _ := v.(string)
		have, err := time.Parse(time.RFC3339, text)
		return err == nil && ordered(e.op, have.Compare(want))
	case string:
		have, ok := v.(string)
		if !ok {
			return false
		}
		if !e.exact {
			have, want = fold(have), fold(want)
		}
		switch e.op {
		case "co":
			return strings.Contains(have, want)
		case "sw":
			return strings.HasPrefix(have, want)
		case "ew":
			return strings.HasSuffix(have, want)
		}
		return ordered(e.op, cmp.Compare(have, want))
	}
	return false
}

func ordered(op string, c int) bool {
	switch op {
	case "eq":
		return c == 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	case "le":
		return c <= 0
	}
	return false
}

// elements are the values of the attribute itself, one or many.
func (p attributePath) elements(doc map[string]any) []any {
	if p.extension != nil {
		doc, _ = doc[p.extension.urn].(map[string]any)
	}
	switch v := doc[p.attr.name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// values are what the comparison looks at; those of a complex attribute without
// a sub-attribute to compare are the objects themselves, for pr.
func (e comparison) values(doc map[string]any) []any {
	leaf := e.path.leaf()
	var out []any
	for _, v := range e.path.elements(doc) {
		if m, ok := v.(map[string]any); ok && leaf != nil {
			v = m[leaf.name]
		}
		if v != nil && v != "" {
			out = append(out, v)
		}
	}
	return out
}

// mentions reports whether a filter looks at a core attribute.
func mentions(e expression, name string) bool {
	switch e := e.(type) {
	case conjunction:
		return mentions(e.left, name) || mentions(e.right, name)
	case disjunction:
		return mentions(e.left, name) || mentions(e.right, name)
	case negation:
		return mentions(e.of, name)
	case elementFilter:
		return e.path.attr.name == name
	case comparison:
		return e.path.attr.name == name
	}
	return false
}
