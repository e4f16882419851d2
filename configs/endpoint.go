package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// laterSources are the source types that are designed and not built yet: naming
// one is not a spelling mistake.
func laterSources() []string { return []string{"entra", "sailpoint"} }

// source and target are an entry of sources and targets: a type and the settings
// that the type defines.
type source struct {
	kind     connectors.SourceType
	settings any // nil where the type is not known
}

type target struct {
	kind     connectors.TargetType
	settings any
}

func (s *source) decodeNode(d *decoder, n *node, path string) {
	kind, ok := d.typeOf(n, path, slices.Collect(maps.Keys(d.registry.Sources)), laterSources())
	if !ok {
		return
	}
	s.kind = d.registry.Sources[kind]
	s.settings = s.kind.Settings()
	d.decodeSettings(n, path, s.settings)
}

func (t *target) decodeNode(d *decoder, n *node, path string) {
	kind, ok := d.typeOf(n, path, slices.Collect(maps.Keys(d.registry.Targets)), nil)
	if !ok {
		return
	}
	t.kind = d.registry.Targets[kind]
	t.settings = t.kind.Settings()
	d.decodeSettings(n, path, t.settings)
}

// typeOf returns the type an entry names, one of known.
func (d *decoder) typeOf(n *node, path string, known, later []string) (string, bool) {
	if n.kind != mapNode {
		d.atValue(path, "expected a mapping, found "+n.kind.found(), "")
		return "", false
	}
	var kind string
	if t := n.find("type"); t != nil && t.kind == textNode {
		kind = t.text
	}
	if slices.Contains(known, kind) {
		return kind, true
	}
	if slices.Contains(later, kind) {
		key := join(path, "type")
		d.unique(n.entries, path)
		d.atValue(key, fmt.Sprintf("type %s is not available yet in this release", kind), "").Unavailable = true
		return "", false
	}
	d.typeProblem(n, path, kind, known)
	return "", false
}

// typeProblem reports a type that is missing, of the wrong form, or unknown.
func (d *decoder) typeProblem(n *node, path, kind string, known []string) {
	d.unique(n.entries, path)
	t := n.find("type")
	key := join(path, "type")
	switch {
	case t == nil:
		d.atKey(key, "is missing", suggest("", "types", known))
	case t.kind == textNode:
		d.atValue(key, "unknown type "+quoted(kind), suggest(kind, "types", known))
	default:
		d.atValue(key, "expected text, found "+t.kind.found(), suggest("", "types", known))
	}
}

func (d *decoder) decodeSettings(n *node, path string, settings any) {
	v := reflect.ValueOf(settings)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		d.atKey(path, "has a type without settings", "this is a mistake of the type, not of the configuration")
		return
	}
	own := slices.ContainsFunc(fieldsOf(v.Elem().Type()), func(f field) bool { return f.name == "type" })
	entries := n.entries
	if !own {
		d.unique(n.entries, path) // notes the place of type
		entries = slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.key == "type" })
	}
	d.decodeEntries(entries, path, v.Elem())
}

// validate runs the settings' own rules and places each mistake at its key. A
// key that already has a problem is not reported twice.
func (d *decoder) validate(path string, settings any) {
	validator, ok := settings.(connectors.Validator)
	if !ok {
		return
	}
	for _, mistake := range validator.Validate() {
		key := path
		if mistake.Key != "" {
			key = join(path, mistake.Key)
		}
		if key != path && !d.clean(key) && !mistake.Unavailable {
			continue
		}
		if d.troubled[key] {
			continue
		}
		p := d.atValue(key, strings.TrimSpace(mistake.Problem), "")
		p.Unavailable = mistake.Unavailable
	}
}
