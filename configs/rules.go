package configs

import (
	"reflect"
	"strings"

	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// expression is an expression, or a glob, and where its text stands. Plain YAML
// booleans and numbers are expressions too: active: true.
type expression struct {
	text string
	pos  mapping.Pos
}

func (e *expression) isZero() bool { return e.text == "" }

func (e expression) compiled() mapping.Expr { return mapping.Expr{Source: e.text, Pos: e.pos} }

func (e *expression) decodeNode(d *decoder, n *node, path string) {
	switch {
	case !n.scalar():
		d.mismatch(n, path, "an expression", "")
		return
	case strings.TrimSpace(n.text) == "":
		d.atValue(path, "is empty", "write an expression or leave the key out")
		return
	case n.kind == intNode || n.kind == floatNode:
		if !d.number(n, path, decimal, "a number") {
			return
		}
	case n.plain && n.commented && !balanced(n.text):
		d.atValue(path, "is cut short: # after a blank begins a YAML comment", "put the whole expression in single quotes")
		return
	case n.plain && n.flow && !balanced(n.text):
		d.atValue(path, "is cut short: a comma or bracket within { } ends a value", "put the whole expression in single quotes")
		return
	}
	*e = expression{text: n.text, pos: mapping.Pos{File: d.file, Line: n.textLine, Column: n.textColumn}}
	if n.kind == boolNode {
		e.text = strings.ToLower(n.text)
	}
}

// rules are the entries of map, in the order of the file.
type rules []rule

// rule is one entry of map.
type rule struct {
	path string
	pos  mapping.Pos
	off  bool
	ruleDoc
}

// ruleDoc is the long form of a rule.
type ruleDoc struct {
	Value     expression    `yaml:"value,omitempty" jsonschema_description:"Expression over the record. Left out: the source's default for the attribute."`
	When      mapping.When  `yaml:"when,omitempty" jsonschema:"enum=always,enum=create" jsonschema_description:"create: set once, never touched afterwards. Default always."`
	Default   any           `yaml:"default,omitempty" jsonschema_description:"Takes the place of an empty result."`
	Empty     mapping.Empty `yaml:"empty,omitempty" jsonschema:"enum=keep,enum=clear" jsonschema_description:"An empty result keeps what the target holds, or clears it. Default clear."`
	Reference identity.Kind `yaml:"reference,omitempty" jsonschema:"enum=user,enum=group" jsonschema_description:"The value is the source id of another object of this kind; the target receives that object's id there."`
}

func (r *rules) decodeNode(d *decoder, n *node, path string) {
	if n.kind != mapNode {
		d.atValue(path, "expected SCIM paths and their expressions, found "+n.kind.found(), "")
		return
	}
	var out rules
	cut := false // the rest of an expression that lost its end at a comma
	for _, e := range d.unique(n.entries, path) {
		one := rule{path: e.key, pos: mapping.Pos{File: d.file, Line: e.line, Column: e.column}}
		if cut && e.value.kind == nullNode {
			continue
		}
		cut = n.flow && e.value.kind == textNode && e.value.plain && !balanced(e.value.text)
		d.decode(e.value, join(path, e.key), reflect.ValueOf(&one).Elem())
		if d.sound(join(path, e.key)) {
			out = append(out, one)
		}
	}
	*r = out
}

func (r *rule) decodeNode(d *decoder, n *node, path string) {
	r.When, r.Empty = mapping.Always, mapping.ClearEmpty
	switch {
	case n.kind == mapNode:
		d.decodeEntries(n.entries, path, reflect.ValueOf(&r.ruleDoc).Elem())
		r.checkDefault(d, path)
		if value := n.find("value"); value != nil && value.scalar() && value.isOff() && value.kind == textNode {
			d.atValue(join(path, "value"), "is off", "to drop the attribute write "+r.path+": off")
		}
	case n.scalar() && n.isOff():
		r.off = true
	case n.kind == listNode:
		d.mismatch(n, path, "an expression, off, or {value: …, when: …}", "a list as an expression goes in quotes")
	default:
		r.Value.decodeNode(d, n, path)
	}
}

// checkDefault admits the values an attribute can have.
func (r *rule) checkDefault(d *decoder, path string) {
	switch value := r.Default.(type) {
	case nil, string, bool, float64:
	case int64:
		r.Default = float64(value)
	case []any:
		texts := make([]string, 0, len(value))
		for _, item := range value {
			text, ok := item.(string)
			if !ok {
				d.atValue(join(path, "default"), "expected a list of texts", "")
				return
			}
			texts = append(texts, text)
		}
		r.Default = texts
	default:
		d.atValue(join(path, "default"), "expected text, a number, true or false, or a list of texts, found a mapping", "")
	}
}
