package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is one key of a settings struct, as its tags describe it.
type field struct {
	name      string
	index     []int
	omitEmpty bool
	path      bool // a file path
	masked    bool // an address whose path is a secret
	required  bool
	enum      []string
	minimum   *float64
	maximum   *float64
}

// fieldsOf returns the keys of a struct in their order, those of inlined structs
// included. A field without a yaml tag has its name in lower case, as in
// goccy/go-yaml.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		inline := slices.Contains(strings.Split(options, ","), "inline")
		if inline && f.Type.Kind() == reflect.Struct {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		parsed := field{
			name: name, index: []int{i},
			omitEmpty: slices.Contains(strings.Split(options, ","), "omitempty"),
			path:      f.Tag.Get("path") == "true",
			masked:    f.Tag.Get("mask") == "path",
		}
		parsed.readSchemaTag(f.Tag.Get("jsonschema"))
		out = append(out, parsed)
	}
	return out
}

// readSchemaTag reads the constraints of a jsonschema tag that the decoder
// checks too, so that editor and loader agree.
func (f *field) readSchemaTag(tag string) {
	for part := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "required":
			f.required = true
		case "enum":
			f.enum = append(f.enum, value)
		case "minimum", "maximum":
			bound, err := strconv.ParseFloat(value, 64)
			if err != nil {
				continue
			}
			if name == "minimum" {
				f.minimum = &bound
			} else {
				f.maximum = &bound
			}
		}
	}
}

// check holds a decoded value against the constraints of its field.
func (f *field) check(d *decoder, path string, v reflect.Value) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		f.checkEnum(d, path, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			for i := range v.Len() {
				f.checkEnum(d, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.checkBounds(d, path, float64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.checkBounds(d, path, float64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		f.checkBounds(d, path, v.Float())
	}
}

func (f *field) checkEnum(d *decoder, path string, v reflect.Value) {
	if len(f.enum) == 0 || slices.Contains(f.enum, v.String()) {
		return
	}
	text := fmt.Sprintf("expected one of %s, found %s", strings.Join(f.enum, ", "), quoted(v.String()))
	hint := ""
	if near := nearest(v.String(), f.enum); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	d.atValue(path, text, hint)
}

func (f *field) checkBounds(d *decoder, path string, value float64) {
	switch {
	case f.minimum != nil && value < *f.minimum:
		d.atValue(path, fmt.Sprintf("must be %v or more", *f.minimum), "")
	case f.maximum != nil && value > *f.maximum:
		d.atValue(path, fmt.Sprintf("must be %v or less", *f.maximum), "")
	}
}

// quoted shows a short value; a long one may be a secret that went astray.
func quoted(text string) string {
	if len(text) > 24 {
		return "a longer text"
	}
	return strconv.Quote(text)
}
