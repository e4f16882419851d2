package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// place is where a key and its value stand.
type place struct{ keyLine, keyColumn, line, column int }

// decoder fills Go values from the tree by their yaml tags. It is strict and it
// does not stop: every mistake becomes a problem with a place and a key, and
// what is right is decoded all the same. A field may carry
//
//	yaml:"name,omitempty"     as in goccy/go-yaml; also "-" and inline
//	jsonschema:"required,enum=a,enum=b,minimum=0,maximum=9"   checked here too
//	path:"true"               a file path, relative to the configuration
//	mask:"path"               an address whose path is a secret, so Show masks it
//
// Where off is one of the values of an enum, false is that value too.
//
// Values are anything these tags compose of, connectors.Secret, types with
// UnmarshalText or UnmarshalYAML(func(any) error), and our own nodeDecoders.
type decoder struct {
	file     string
	registry Registry
	problems []*Problem
	places   map[string]place
	troubled map[string]bool
}

// nodeDecoder is implemented by types of this package that take more than one
// form.
type nodeDecoder interface {
	decodeNode(d *decoder, n *node, path string)
}

// defaulter is implemented by types whose keys have defaults.
type defaulter interface{ setDefaults() }

func newDecoder(file string, registry Registry) *decoder {
	return &decoder{file: file, registry: registry, places: map[string]place{}, troubled: map[string]bool{}}
}

func (d *decoder) add(line, column int, path, text, hint string) *Problem {
	p := &Problem{File: d.file, Line: line, Column: column, Key: path, Text: text, Hint: hint}
	d.problems = append(d.problems, p)
	d.troubled[path] = true
	return p
}

// atValue reports a problem of the value at path; atKey of the key. Where the
// path was never seen the key of its nearest ancestor gives the place.
func (d *decoder) atValue(path, text, hint string) *Problem {
	at, ok := d.places[path]
	if !ok {
		return d.atKey(path, text, hint)
	}
	return d.add(at.line, at.column, path, text, hint)
}

func (d *decoder) atKey(path, text, hint string) *Problem {
	at := d.placeOf(path)
	return d.add(at.keyLine, at.keyColumn, path, text, hint)
}

// atProblem reports an error at the value of path, with the hint it has.
func (d *decoder) atProblem(path string, err error) {
	if e, ok := errors.AsType[*ScheduleError](err); ok {
		d.atValue(path, e.Text, e.Hint)
		return
	}
	d.atValue(path, err.Error(), "")
}

func (d *decoder) placeOf(path string) place {
	for path != "" {
		if at, ok := d.places[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		path = path[:max(i, 0)]
	}
	return place{1, 1, 1, 1}
}

// clean reports whether nothing is wrong at path, below it or above it.
func (d *decoder) clean(path string) bool {
	for other, bad := range d.troubled {
		if bad && (other == path || within(other, path) || within(path, other)) {
			return false
		}
	}
	return true
}

// sound reports whether nothing is wrong at path or below it.
func (d *decoder) sound(path string) bool {
	for other, bad := range d.troubled {
		if bad && (other == path || within(other, path)) {
			return false
		}
	}
	return true
}

// within reports whether path lies below parent.
func within(path, parent string) bool {
	return len(path) > len(parent) && strings.HasPrefix(path, parent) &&
		(path[len(parent)] == '.' || path[len(parent)] == '[')
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// decode fills v from n. A nil pointer is allocated and given its defaults.
func (d *decoder) decode(n *node, path string, v reflect.Value) {
	if !d.visit(n, path) {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			if target, ok := reflect.TypeAssert[defaulter](v); ok {
				target.setDefaults()
			}
		}
		d.decode(n, path, v.Elem())
		return
	}
	if secret, ok := reflect.TypeAssert[*connectors.Secret](v.Addr()); ok {
		d.decodeSecret(n, path, secret)
		return
	}
	switch target := v.Addr().Interface().(type) {
	case nodeDecoder:
		target.decodeNode(d, n, path)
		return
	case interface{ UnmarshalYAML(func(any) error) error }:
		d.decodeHook(n, path, target.UnmarshalYAML)
		return
	case encoding.TextUnmarshaler:
		if !n.scalar() {
			d.atValue(path, "expected text, found "+n.kind.found(), "")
		} else if err := target.UnmarshalText([]byte(n.text)); err != nil {
			d.atValue(path, err.Error(), "")
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, path, v)
	case reflect.Map:
		d.decodeMap(n, path, v)
	case reflect.Slice:
		d.decodeSlice(n, path, v)
	case reflect.Interface:
		if value := d.decodeAny(n, path); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		d.decodeScalar(n, path, v)
	}
}

// visit notes what the syntax found at this value and reports whether there is
// a value to decode.
func (d *decoder) visit(n *node, path string) bool {
	if n.problem != nil {
		if n.problem.Key == "" {
			n.problem.Key = path
		}
		if !n.readable {
			d.troubled[path] = true
			return false
		}
	}
	if n.kind == nullNode {
		d.atKey(path, "has no value", "give one or leave the key out")
		return false
	}
	return true
}

// errTrial is what a hook's unmarshal function returns when the form it tried
// does not fit.
var errTrial = errors.New("does not fit")

// decodeHook runs a type's own UnmarshalYAML. The problems of a form it tried
// count only when it gives up.
func (d *decoder) decodeHook(n *node, path string, hook func(func(any) error) error) {
	before := len(d.problems)
	var tried []*Problem
	err := hook(func(target any) error {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("cannot decode into %T", target)
		}
		d.decode(n, path, v.Elem())
		if len(d.problems) == before {
			return nil
		}
		tried = slices.Clone(d.problems[before:])
		d.problems = d.problems[:before]
		for _, p := range tried {
			delete(d.troubled, p.Key)
		}
		return errTrial
	})
	switch {
	case err == nil:
	case errors.Is(err, errTrial) && tried != nil:
		for _, p := range tried {
			d.problems = append(d.problems, p)
			d.troubled[p.Key] = true
		}
	default:
		d.atValue(path, err.Error(), "")
	}
}

func (d *decoder) decodeStruct(n *node, path string, v reflect.Value) {
	if n.kind != mapNode {
		d.atValue(path, "expected a mapping, found "+n.kind.found(), keysHint(v.Type()))
		return
	}
	d.decodeEntries(n.entries, path, v)
}

// keysHint lists the keys of a small struct.
func keysHint(t reflect.Type) string {
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	if len(names) == 0 || len(names) > 20 {
		return ""
	}
	return "keys: " + strings.Join(names, ", ")
}

// decodeEntries fills a struct from the entries of a mapping.
func (d *decoder) decodeEntries(entries []entry, path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	given := d.unique(entries, path)
	for _, e := range given {
		key := join(path, e.key)
		i := slices.Index(names, e.key)
		if i < 0 {
			d.add(e.line, e.column, key, "unknown key", suggest(e.key, "keys", names))
			// What was meant is not missing as well.
			near := nearest(e.key, names)
			if near != "" && !slices.ContainsFunc(given, func(other entry) bool { return other.key == near }) {
				d.troubled[join(path, near)] = true
			}
			continue
		}
		d.decodeField(e, key, fields[i], v)
	}
	for _, f := range fields {
		key := join(path, f.name)
		if f.required && !d.troubled[key] && !slices.ContainsFunc(given, func(e entry) bool { return e.key == f.name }) {
			d.atKey(key, "is missing", "")
		}
	}
}

func (d *decoder) decodeField(e entry, key string, f field, v reflect.Value) {
	target := v.FieldByIndex(f.index)
	if target.Kind() == reflect.String && slices.Contains(f.enum, "off") && e.value.kind == boolNode && e.value.isOff() {
		target.SetString("off")
		return
	}
	d.decode(e.value, key, target)
	if d.sound(key) {
		f.check(d, key, target)
	}
}

// unique returns the entries without those that repeat a key or whose key is no
// key, which are reported, and notes their places.
func (d *decoder) unique(entries []entry, path string) []entry {
	var out []entry
	lines := map[string]int{}
	for _, e := range entries {
		key := join(path, e.key)
		if e.problem != nil {
			if e.problem.Key == "" {
				e.problem.Key = path
			}
			if e.value.problem != nil && e.value.problem.Key == "" {
				e.value.problem.Key = path
			}
			d.troubled[path] = true
			continue
		}
		if line, ok := lines[e.key]; ok {
			// The first one counts for what else there is to check.
			troubled := d.troubled[key]
			d.add(e.line, e.column, key, "duplicate key", fmt.Sprintf("first on line %d", line))
			d.troubled[key] = troubled
			continue
		}
		lines[e.key] = e.line
		at := place{e.line, e.column, e.value.line, e.value.column}
		if e.value.kind == nullNode {
			at.line, at.column = e.line, e.column
		}
		d.places[key] = at
		out = append(out, e)
	}
	return out
}

func (d *decoder) decodeMap(n *node, path string, v reflect.Value) {
	if n.kind != mapNode {
		d.atValue(path, "expected a mapping, found "+n.kind.found(), "")
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		d.atValue(path, "has keys that cannot be decoded", "this is a mistake of the settings type "+v.Type().String())
		return
	}
	out := reflect.MakeMap(v.Type())
	for _, e := range d.unique(n.entries, path) {
		value := reflect.New(v.Type().Elem()).Elem()
		if target, ok := reflect.TypeAssert[defaulter](value.Addr()); ok {
			target.setDefaults()
		}
		d.decode(e.value, join(path, e.key), value)
		out.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

func (d *decoder) decodeSlice(n *node, path string, v reflect.Value) {
	if n.kind != listNode {
		d.atValue(path, "expected a list, found "+n.kind.found(), "write [a, b], or one entry a line after a dash")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		line, column := item.line, item.column
		if item.kind == nullNode {
			line, column = n.line, n.column
		}
		d.places[at] = place{line, column, line, column}
		d.decode(item, at, out.Index(i))
	}
	v.Set(out)
}

// decodeAny returns the plain value of a node: string, bool, int64, float64,
// []any or map[string]any.
func (d *decoder) decodeAny(n *node, path string) any {
	if !d.visit(n, path) {
		return nil
	}
	switch n.kind {
	case mapNode:
		out := map[string]any{}
		d.decodeMap(n, path, reflect.ValueOf(&out).Elem())
		return out
	case listNode:
		var out []any
		d.decodeSlice(n, path, reflect.ValueOf(&out).Elem())
		return out
	case boolNode:
		return strings.EqualFold(n.text, "true")
	case intNode:
		var out int64
		d.decodeScalar(n, path, reflect.ValueOf(&out).Elem())
		return out
	case floatNode:
		var out float64
		d.decodeScalar(n, path, reflect.ValueOf(&out).Elem())
		return out
	case textNode, nullNode:
	}
	return n.text
}
