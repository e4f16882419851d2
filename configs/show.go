package configs

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// mask stands for a value that is not shown.
const mask = "***"

// Show returns the configuration in force as YAML: defaults filled in, the
// mapping a sync ends up with, paths absolute. References to secrets are shown;
// values of HTTP headers, credentials in addresses, and the path of an address
// that is itself a secret are masked. Unless something was masked it loads again
// and means the same.
func Show(cfg *Config) ([]byte, error) {
	if cfg.effective == nil {
		return nil, errors.New("show a configuration that Load returned")
	}
	doc := *cfg.effective
	doc.State = cfg.State
	out := shownFields(reflect.ValueOf(doc))
	for i, item := range out {
		if item.Key == "syncs" {
			out[i].Value = shownSyncs(cfg)
		}
	}
	data, err := yaml.MarshalWithOptions(out, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("effective configuration: %w", err)
	}
	return data, nil
}

// shower is implemented by types whose YAML form is not that of their Go type.
type shower interface{ show() any }

// shown returns the value as goccy/go-yaml encodes it.
func shown(v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case connectors.Secret:
		return shownFields(v)
	case connectors.HTTP:
		masked := make(map[string]string, len(value.Headers))
		for name := range value.Headers {
			masked[name] = mask
		}
		value.Headers = masked
		return shownFields(reflect.ValueOf(value))
	case shower:
		return value.show()
	case encoding.TextMarshaler:
		if text, err := value.MarshalText(); err == nil {
			return string(text)
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return shownFields(v)
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = shown(v.Index(i))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[key.String()] = shown(v.MapIndex(key))
		}
		return sortedMap(out)
	case reflect.String:
		return withoutUserinfo(v.String())
	case reflect.Bool:
		return v.Bool()
	}
	return v.Interface()
}

func sortedMap[T any](values map[string]T) yaml.MapSlice {
	out := yaml.MapSlice{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out = append(out, yaml.MapItem{Key: key, Value: values[key]})
	}
	return out
}

func shownFields(v reflect.Value) yaml.MapSlice {
	out := yaml.MapSlice{}
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if f.omitEmpty && empty(value) || value.Kind() == reflect.Pointer && value.IsNil() {
			continue
		}
		one := shown(value)
		if f.masked {
			one = originOnly(value.String())
		}
		out = append(out, yaml.MapItem{Key: f.name, Value: one})
	}
	return out
}

// originOnly masks all of an address but scheme and host.
func originOnly(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return mask
	}
	return u.Scheme + "://" + u.Host + "/" + mask
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

var userinfo = regexp.MustCompile(`(://)[^/@\s]+@`)

// withoutUserinfo masks a credential within an address.
func withoutUserinfo(text string) string {
	return userinfo.ReplaceAllString(text, "${1}"+mask+"@")
}

func (m named[T]) show() any {
	out := yaml.MapSlice{}
	for _, name := range m.names {
		out = append(out, yaml.MapItem{Key: name, Value: shown(reflect.ValueOf(m.values[name]))})
	}
	return out
}

func (s source) show() any { return withType(s.kind.Name, s.settings) }

func (t target) show() any { return withType(t.kind.Name, t.settings) }

func (m notifier) show() any { return withType(m.kind.Name, m.settings) }

func withType(kind string, settings any) yaml.MapSlice {
	out := yaml.MapSlice{{Key: "type", Value: kind}}
	if settings == nil {
		return out
	}
	for _, item := range shownFields(reflect.ValueOf(settings).Elem()) {
		if item.Key != "type" {
			out = append(out, item)
		}
	}
	return out
}

func (s share) show() any {
	text, _ := s.MarshalText()
	return string(text)
}

func (e expression) show() any { return e.text }

func (s usersSection) show() any {
	if s.off {
		return "off"
	}
	return shownFields(reflect.ValueOf(s.usersDoc))
}

func (s groupsSection) show() any {
	if s.off {
		return "off"
	}
	return shownFields(reflect.ValueOf(s.groupsDoc))
}

// shownSyncs shows the syncs with the mapping that results from the source's
// defaults and their own rules.
func shownSyncs(cfg *Config) yaml.MapSlice {
	out := yaml.MapSlice{}
	for _, sync := range cfg.Syncs {
		doc := *cfg.effective.Syncs.values[sync.Name]
		doc.Users.Map = withDefaults(doc.Users.Map, sync.Source.Type.DefaultMap[identity.User])
		doc.Groups.Map = withDefaults(doc.Groups.Map, sync.Source.Type.DefaultMap[identity.Group])
		out = append(out, yaml.MapItem{Key: sync.Name, Value: shownFields(reflect.ValueOf(doc))})
	}
	return out
}

// withDefaults returns the source's rules that are not overridden, in the order
// of their paths, before the sync's own.
func withDefaults(own rules, defaults map[string]string) rules {
	overridden := map[string]bool{}
	for _, r := range own {
		overridden[foldPath(r.path)] = true
	}
	var out rules
	for _, path := range slices.Sorted(maps.Keys(defaults)) {
		if !overridden[foldPath(path)] {
			out = append(out, rule{path: path, ruleDoc: ruleDoc{
				Value: expression{text: defaults[path]}, When: mapping.Always, Empty: mapping.ClearEmpty,
			}})
		}
	}
	return append(out, own...)
}

func (r rules) show() any {
	out := yaml.MapSlice{}
	for _, one := range r {
		out = append(out, yaml.MapItem{Key: one.path, Value: one.show()})
	}
	return out
}

func (r rule) show() any {
	switch {
	case r.off:
		return "off"
	case r.When == mapping.Always && r.Empty == mapping.ClearEmpty && r.Default == nil && r.Reference == "" && !r.Value.isZero():
		return r.Value.text
	}
	return shownFields(reflect.ValueOf(r.ruleDoc))
}
