package configs

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// source, target and notifier are an entry of sources, targets and notifiers: a
// type and the settings that the type defines.
type source struct {
	kind     connectors.SourceType
	settings any // nil where the type is not known
}

type target struct {
	kind     connectors.TargetType
	settings any
}

type notifier struct {
	kind     NotifierType
	settings any
}

func (s *source) decodeNode(d *decoder, n *node, path string) {
	kind, ok := d.typeOf(n, path, slices.Collect(maps.Keys(d.registry.Sources)))
	if !ok {
		return
	}
	s.kind = d.registry.Sources[kind]
	s.settings = s.kind.Settings()
	d.decodeSettings(n, path, s.settings)
}

func (t *target) decodeNode(d *decoder, n *node, path string) {
	kind, ok := d.typeOf(n, path, slices.Collect(maps.Keys(d.registry.Targets)))
	if !ok {
		return
	}
	t.kind = d.registry.Targets[kind]
	t.settings = t.kind.Settings()
	d.decodeSettings(n, path, t.settings)
}

func (m *notifier) decodeNode(d *decoder, n *node, path string) {
	kind, ok := d.typeOf(n, path, slices.Collect(maps.Keys(d.registry.Notifiers)))
	if !ok {
		return
	}
	m.kind = d.registry.Notifiers[kind]
	m.settings = m.kind.Settings()
	d.decodeSettings(n, path, m.settings)
}

// typeOf returns the type an entry names, one of known.
func (d *decoder) typeOf(n *node, path string, known []string) (string, bool) {
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
