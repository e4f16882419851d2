package scimtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// decodeBody reads one JSON object and nothing after it.
func decodeBody(body []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, invalidSyntax("the body is not JSON: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, invalidSyntax("the body holds more than one JSON value")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, invalidSyntax("the body is not a JSON object")
	}
	return m, nil
}

// field finds a member of an object; names compare case-insensitively.
func field(m map[string]any, name string) (any, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.EqualFold(k, name) {
			return m[k], true
		}
	}
	return nil, false
}

// message checks that a protocol message names its schema.
func message(m map[string]any, urn string) error {
	list, _ := field(m, "schemas")
	for _, v := range asList(list) {
		if text, ok := v.(string); ok && strings.EqualFold(text, urn) {
			return nil
		}
	}
	return invalidSyntax("schemas must hold %s", urn)
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// cleaner checks what a client sent against the schema and brings it into
// canonical form: names in the schema's spelling, unassigned attributes absent
// (RFC 7643, section 2.5), read-only ones dropped.
type cleaner struct {
	typ     *resourceType
	lenient bool
}

// resource cleans a whole resource. Members stay in the result under "members".
func (k cleaner) resource(in map[string]any) (map[string]any, error) {
	listed, err := k.schemas(in)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		lower := strings.ToLower(name)
		if seen[lower] {
			return nil, invalidSyntax("attribute %q is there twice", name)
		}
		seen[lower] = true
		if strings.EqualFold(name, "schemas") {
			continue
		}
		if e := k.typ.extension(name); e != nil {
			if !listed[e.urn] && in[name] != nil && !k.lenient {
				return nil, invalidSyntax("schemas does not list %s", e.urn)
			}
			v, err := k.complex(e.attributes, in[name], e.urn)
			if err != nil {
				return nil, err
			}
			if len(v) > 0 {
				out[e.urn] = v
			}
			continue
		}
		a := k.typ.coreNamed(name)
		if a == nil {
			if k.lenient {
				continue
			}
			return nil, invalidSyntax("attribute %q is not in the schema of %s", name, k.typ.name)
		}
		v, err := k.value(a, in[name], a.name)
		if err != nil {
			return nil, err
		}
		if v != nil && a.mutability != readOnly {
			out[a.name] = v
		}
	}
	delete(out, "password") // accepted, never shown (RFC 7643, section 4.1.1), so not kept
	return out, k.finish(out)
}

// finish checks what must hold of a whole resource and sets its schemas.
func (k cleaner) finish(out map[string]any) error {
	for _, a := range k.typ.core.attributes {
		if a.required && out[a.name] == nil {
			return invalidValue("%s is required", a.name)
		}
	}
	if name, _ := out[k.typ.naming].(string); strings.TrimSpace(name) == "" {
		return invalidValue("%s is blank", k.typ.naming)
	}
	schemas := []any{k.typ.core.urn}
	for _, e := range k.typ.extensions {
		if out[e.urn] != nil {
			schemas = append(schemas, e.urn)
		}
	}
	out["schemas"] = schemas
	return nil
}

// schemas checks the schemas attribute and returns the extensions it lists.
func (k cleaner) schemas(in map[string]any) (map[string]bool, error) {
	v, _ := field(in, "schemas")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, invalidSyntax("schemas is required and must be a list of URNs")
	}
	core := false
	listed := map[string]bool{}
	for _, v := range list {
		urn, ok := v.(string)
		if !ok {
			return nil, invalidSyntax("schemas must be a list of URNs")
		}
		e := k.typ.extension(urn)
		switch {
		case strings.EqualFold(urn, k.typ.core.urn):
			core = true
		case e != nil:
			listed[e.urn] = true
		case !k.lenient:
			return nil, invalidSyntax("schema %q is not one of %s", urn, k.typ.name)
		}
	}
	if !core {
		return nil, invalidSyntax("schemas must hold %s", k.typ.core.urn)
	}
	return listed, nil
}

// value cleans one attribute; nil means unassigned.
func (k cleaner) value(a *attribute, v any, path string) (any, error) {
	if v == nil || a.mutability == readOnly {
		return nil, nil
	}
	if !a.multi {
		return k.single(a, v, path)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, invalidValue("%s must be a list", path)
	}
	var out []any
	primary := 0
	for _, element := range list {
		one, err := k.single(a, element, path)
		if err != nil {
			return nil, err
		}
		if one == nil {
			return nil, invalidValue("%s holds an empty value", path)
		}
		if m, ok := one.(map[string]any); ok && m["primary"] == true {
			primary++
		}
		out = append(out, one)
	}
	if primary > 1 {
		return nil, invalidValue("%s has more than one primary value", path)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// single cleans one value, or one element of a multi-valued attribute.
func (k cleaner) single(a *attribute, v any, path string) (any, error) {
	if a.kind == typeComplex {
		m, err := k.complex(a.sub, v, path)
		if err != nil || len(m) == 0 {
			return nil, err
		}
		return m, nil
	}
	return k.simple(a, v, path)
}

func (k cleaner) simple(a *attribute, v any, path string) (any, error) {
	if a.kind == typeBoolean {
		switch b := v.(type) {
		case bool:
			return b, nil
		case string:
			if k.lenient && (strings.EqualFold(b, "true") || strings.EqualFold(b, "false")) {
				return strings.EqualFold(b, "true"), nil
			}
		}
		return nil, invalidValue("%s must be true or false, without quotes", path)
	}
	s, ok := v.(string)
	if !ok {
		return nil, invalidValue("%s must be a string", path)
	}
	switch a.kind {
	case typeDateTime:
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return nil, invalidValue("%s must be a date and time such as 2008-01-23T04:56:22Z", path)
		}
	case typeBinary:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return nil, invalidValue("%s must be base64", path)
		}
	case typeString, typeReference:
	case typeBoolean, typeComplex: // decided before
	}
	return s, nil
}

func (k cleaner) complex(sub []*attribute, v any, path string) (map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, invalidValue("%s must be an object", path)
	}
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		a := named(sub, name)
		if a == nil {
			if k.lenient {
				continue
			}
			return nil, invalidSyntax("%s has no sub-attribute %q", path, name)
		}
		if _, twice := out[a.name]; twice {
			return nil, invalidSyntax("%s.%s is there twice", path, a.name)
		}
		one, err := k.value(a, m[name], path+"."+a.name)
		if err != nil {
			return nil, err
		}
		if one != nil {
			out[a.name] = one
		}
	}
	return out, nil
}
