package configs

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

var (
	wholeNumber = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	leadingZero = regexp.MustCompile(`^[-+]?0[0-9]+$`)
	decimal     = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// decodeScalar fills a string, bool or number.
func (d *decoder) decodeScalar(n *node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		d.decodeString(n, path, v)
	case reflect.Bool:
		switch {
		case n.kind == boolNode || n.isOff() || n.isOn():
			v.SetBool(n.isOn())
		default:
			d.mismatch(n, path, "true or false", "")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if !d.number(n, path, wholeNumber, "a whole number") {
			return
		}
		i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		if err != nil {
			d.atValue(path, "is out of range", "")
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if !d.number(n, path, wholeNumber, "a whole number") {
			return
		}
		u, err := strconv.ParseUint(strings.TrimPrefix(n.text, "+"), 10, v.Type().Bits())
		if err != nil {
			d.atValue(path, "is out of range", "it must not be negative")
			return
		}
		v.SetUint(u)
	case reflect.Float32, reflect.Float64:
		if !d.number(n, path, decimal, "a number") {
			return
		}
		f, err := strconv.ParseFloat(n.text, v.Type().Bits())
		if err != nil {
			d.atValue(path, "is out of range", "")
			return
		}
		v.SetFloat(f)
	default:
		d.atValue(path, "cannot be decoded", "this is a mistake of the settings type "+v.Type().String())
	}
}

func (d *decoder) decodeString(n *node, path string, v reflect.Value) {
	switch n.kind {
	case textNode:
		v.SetString(n.text)
	case boolNode, intNode, floatNode:
		d.mismatch(n, path, "text", "put it in quotes if it is text")
	default:
		d.mismatch(n, path, "text", "")
	}
}

// number reports whether n is a plain number of the form, and what is wrong
// with it otherwise.
func (d *decoder) number(n *node, path string, form *regexp.Regexp, expected string) bool {
	switch {
	case n.scalar() && n.plain && leadingZero.MatchString(n.text):
		d.atValue(path, "has a leading zero, which YAML reads as octal", "write it without")
	case n.scalar() && n.plain && form.MatchString(n.text):
		return true
	case n.scalar() && !n.plain && form.MatchString(n.text):
		d.mismatch(n, path, expected, "remove the quotes")
	case n.kind == intNode || n.kind == floatNode:
		d.atValue(path, "expected "+expected+" in plain decimal digits", "")
	default:
		d.mismatch(n, path, expected, "")
	}
	return false
}

// mismatch reports a value of the wrong type. It does not repeat the value.
func (d *decoder) mismatch(n *node, path, expected, hint string) {
	found := n.kind.found()
	if n.kind == textNode && !n.plain {
		found = "text in quotes"
	}
	d.atValue(path, "expected "+expected+", found "+found, hint)
}

const secretForms = "write {env: NAME}, {file: PATH} or {command: [prog, arg]}"

// decodeSecret reads a reference to a secret. No value, and no key that might be
// a value, appears in a problem: somebody may have put the secret itself there.
func (d *decoder) decodeSecret(n *node, path string, secret *connectors.Secret) {
	if n.scalar() {
		d.atValue(path, "a secret is never written in the configuration", secretForms)
		return
	}
	if n.kind != mapNode {
		d.atValue(path, "expected a reference to a secret, found "+n.kind.found(), secretForms)
		return
	}
	var out connectors.Secret
	seen := map[string]bool{}
	for _, e := range n.entries {
		d.secretEntry(e, path, seen, &out)
	}
	if !d.sound(path) {
		return
	}
	if err := out.Validate(); err != nil {
		d.atValue(path, err.Error(), "")
		return
	}
	*secret = out
}

func (d *decoder) secretEntry(e entry, path string, seen map[string]bool, out *connectors.Secret) {
	if e.problem != nil || e.key != "env" && e.key != "file" && e.key != "command" {
		d.add(e.line, e.column, path, "unknown key in a reference to a secret", secretForms)
		return
	}
	key := join(path, e.key)
	d.places[key] = place{e.line, e.column, e.value.line, e.value.column}
	if seen[e.key] {
		d.add(e.line, e.column, key, "duplicate key", "")
		return
	}
	seen[e.key] = true
	switch e.key {
	case "env":
		d.decode(e.value, key, reflect.ValueOf(&out.Env).Elem())
		if d.sound(key) && !variable.MatchString(out.Env) {
			d.atValue(key, "is not the name of an environment variable", "letters, digits and _; the value itself never stands here")
		}
	case "file":
		d.decode(e.value, key, reflect.ValueOf(&out.File).Elem())
		if d.sound(key) && out.File == "" {
			d.atValue(key, "is empty", "")
		}
	case "command":
		d.decode(e.value, key, reflect.ValueOf(&out.Command).Elem())
		if d.sound(key) && (len(out.Command) == 0 || out.Command[0] == "") {
			d.atValue(key, "is empty", "give a program and its arguments")
		}
	}
}

// share is a part of a whole: 10%, or 0.1.
type share float64

// UnmarshalText reads 10% or 0.1. A bare 1 could mean 1% as well as all, and is
// refused.
func (s *share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	number = strings.TrimSpace(number)
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !decimal.MatchString(number) {
		return errors.New("expected a share such as 10% or 0.1")
	}
	if percent {
		value /= 100
	} else if value >= 1 {
		return errors.New("expected a share such as 10% or 0.1; write the percent sign")
	}
	if value < 0 || value > 1 {
		return errors.New("a share lies between 0% and 100%")
	}
	*s = share(value)
	return nil
}

// MarshalText writes the percent form.
func (s share) MarshalText() ([]byte, error) {
	// Rounded, because 0.07*100 is 7.000000000000001.
	percent := math.Round(float64(s)*1e8) / 1e6
	return append(strconv.AppendFloat(nil, percent, 'f', -1, 64), '%'), nil
}
