package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// flatten names the values of a resource by SCIM path. Values nested deeper
// than a path can say, and what the protocol itself keeps (id, meta, schemas,
// members, groups of a user, password), are left out. An attribute that decides
// who the object is, or whether it is active, is an error when it has the wrong
// JSON type; any other is left out.
func flatten(object map[string]any) (identity.Attrs, error) {
	attrs := make(identity.Attrs, len(object)+4)
	for key, value := range object {
		if value == nil || isProtocol(key) {
			continue
		}
		if len(key) > 4 && strings.EqualFold(key[:4], "urn:") {
			extension, ok := value.(map[string]any)
			if !ok {
				continue
			}
			urn := canonicalURN(key)
			for name, v := range extension {
				if err := flattenAttribute(attrs, urn+":", canonicalName(name), v); err != nil {
					return nil, err
				}
			}
			continue
		}
		if err := flattenAttribute(attrs, "", canonicalName(key), value); err != nil {
			return nil, err
		}
	}
	return attrs, nil
}

func flattenAttribute(attrs identity.Attrs, prefix, name string, value any) error {
	if value == nil || strings.ContainsAny(name, `.[]:"`) {
		return nil
	}
	path := prefix + name
	switch v := value.(type) {
	case map[string]any:
		if identifies(path) {
			return fmt.Errorf("%s is an object, not a string", path)
		}
		for sub, inner := range v {
			sub = canonicalName(sub)
			if sub == "$ref" || inner == nil || strings.ContainsAny(sub, `.[]:"`) {
				continue
			}
			if s, ok := scalar(inner); ok {
				attrs[path+"."+sub] = s
			}
		}
	case []any:
		if identifies(path) || path == "active" {
			return fmt.Errorf("%s is a list, not a single value", path)
		}
		flattenList(attrs, prefix, name, v)
	default:
		s, ok := scalar(v)
		if !ok {
			return nil
		}
		switch {
		case path == "active":
			b, ok := boolean(s)
			if !ok {
				return fmt.Errorf("%s is %s, neither true nor false", path, typeName(value))
			}
			attrs[path] = b
		case name == "manager":
			// Entra's classic shape, which lenient servers give back: the id alone.
			attrs[path+".value"] = s
		case identifies(path):
			if _, ok := s.(string); !ok {
				return fmt.Errorf("%s is %s, not a string", path, typeName(value))
			}
			attrs[path] = s
		default:
			attrs[path] = s
		}
	}
	return nil
}

// flattenList reads a multi-valued attribute (RFC 7643, section 2.4): elements
// with a type become attr[type eq "T"].sub, of which the primary one wins;
// plain values, or elements without any type, become a list of strings. A lone
// e-mail address, phone number or address without a type counts as work.
func flattenList(attrs identity.Attrs, prefix, name string, list []any) {
	var untyped []map[string]any
	var values []string
	chosen := map[string]bool{} // type: the chosen element is primary
	for _, item := range list {
		switch item := item.(type) {
		case string:
			values = append(values, item)
		case map[string]any:
			// A type that is no string says nothing.
			kind := canonicalType(text(item, "type"))
			if kind == "" {
				untyped = append(untyped, item)
				continue
			}
			primary, _ := boolean(lookup(item, "primary"))
			if before, ok := chosen[kind]; ok && (before || !primary) {
				continue
			}
			if _, ok := chosen[kind]; ok {
				clearElement(attrs, prefix, name, kind)
			}
			chosen[kind] = primary
			setElement(attrs, prefix, name, kind, item)
		default:
			// RFC 7643, section 2.3, allows numbers and booleans too.
			if v, ok := scalar(item); ok {
				values = append(values, fmt.Sprint(v))
			}
		}
	}
	if len(untyped) > 0 && len(chosen) == 0 {
		if hasWork(name) {
			if lone := loneElement(untyped); lone != nil {
				setElement(attrs, prefix, name, "work", lone)
				return
			}
		}
		for _, item := range untyped {
			if v, ok := lookup(item, "value").(string); ok {
				values = append(values, v)
			}
		}
	}
	if len(values) > 0 {
		attrs[prefix+name] = values
	}
}

// loneElement returns the only element, or the only primary one.
func loneElement(items []map[string]any) map[string]any {
	if len(items) == 1 {
		return items[0]
	}
	var found map[string]any
	for _, item := range items {
		if primary, _ := boolean(lookup(item, "primary")); primary {
			if found != nil {
				return nil
			}
			found = item
		}
	}
	return found
}

// elementBase returns attr[type eq "T"]. for a sub-attribute to follow.
func elementBase(prefix, name, kind string) string {
	p := identity.Path{Attribute: name, Filter: identity.Filter{Attribute: "type", Value: kind}}
	return prefix + p.String() + "."
}

func setElement(attrs identity.Attrs, prefix, name, kind string, item map[string]any) {
	base := elementBase(prefix, name, kind)
	for sub, v := range item {
		sub = canonicalName(sub)
		if sub == "type" || sub == "$ref" || v == nil || strings.ContainsAny(sub, `.[]:"`) {
			continue
		}
		s, ok := scalar(v)
		if !ok {
			continue
		}
		switch sub {
		case "primary":
			if b, ok := boolean(s); ok {
				s = b
			}
		case "value":
			if _, ok := s.(string); !ok {
				continue
			}
		}
		attrs[base+sub] = s
	}
}

// identifies reports whether an attribute decides who an object is: of the wrong
// JSON type it makes the object unreadable. Anything else is compared where it is
// mapped, and is nobody's business where it is not.
func identifies(path string) bool {
	return path == "userName" || path == "displayName" || path == "externalId"
}

// clearElement drops an element that its primary sibling replaces.
func clearElement(attrs identity.Attrs, prefix, name, kind string) {
	base := elementBase(prefix, name, kind)
	maps.DeleteFunc(attrs, func(path string, _ any) bool { return strings.HasPrefix(path, base) })
}

// scalar returns a string, bool or float64.
func scalar(v any) (any, bool) {
	switch v := v.(type) {
	case string, bool, float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return nil, false
}

// boolean reads a boolean, also from the strings "True" and "False" that Entra
// writes and lenient servers give back.
func boolean(v any) (value, ok bool) { //nolint:nonamedreturns // two booleans need their names
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch {
		case strings.EqualFold(v, "true"):
			return true, true
		case strings.EqualFold(v, "false"):
			return false, true
		}
	}
	return false, false
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case float64, json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}
