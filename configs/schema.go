package configs

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/scimsync/scimsync/connectors"
)

// schemaProvider is implemented by types whose YAML form is not that of their
// Go type.
type schemaProvider interface {
	schema(s *schemer) *jsonschema.Schema
}

// schemer makes schemas of types, by the same tags the decoder goes by.
type schemer struct {
	registry  Registry
	reflector *jsonschema.Reflector
}

// Schema returns the JSON Schema (draft 2020-12) of the configuration with the
// settings of every type in the registry, for editors and linters. It says what
// shape the file has; that names refer to something and expressions compile is
// for Load to say.
func Schema(reg Registry) ([]byte, error) {
	s := &schemer{registry: reg}
	s.reflector = &jsonschema.Reflector{
		Anonymous:                  true,
		DoNotReference:             true,
		RequiredFromJSONSchemaTags: true,
		FieldNameTag:               "yaml",
		Mapper:                     s.mapper,
	}
	root := s.of(reflect.TypeFor[document]())
	root.Version = jsonschema.Version
	root.Title = "scimsync configuration"
	// invopop has enums of text only in tags; a version is a number.
	if version, ok := root.Properties.Get("version"); ok {
		version.Enum = []any{1}
	}
	allowFalse(root)
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("JSON Schema: %w", err)
	}
	return append(data, '\n'), nil
}

// of returns the schema of a type, without the $schema of a whole document.
func (s *schemer) of(t reflect.Type) *jsonschema.Schema {
	out := s.reflector.ReflectFromType(t)
	out.Version = ""
	out.Definitions = nil
	return out
}

// mapper gives the types their YAML form where reflection would give their Go
// form.
func (s *schemer) mapper(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[connectors.Secret]():
		return secretSchema()
	case reflect.TypeFor[connectors.Duration]():
		return durationSchema()
	}
	pointer := reflect.New(t).Interface()
	if provider, ok := pointer.(schemaProvider); ok {
		return provider.schema(s)
	}
	if _, ok := pointer.(encoding.TextUnmarshaler); ok {
		return &jsonschema.Schema{Type: "string"}
	}
	if t.Kind() == reflect.Bool {
		return &jsonschema.Schema{Enum: []any{true, false, "on", "off"}}
	}
	return nil
}

func secretSchema() *jsonschema.Schema {
	one := uint64(1)
	text := &jsonschema.Schema{Type: "string", MinLength: &one}
	form := func(key string, value *jsonschema.Schema) *jsonschema.Schema {
		properties := jsonschema.NewProperties()
		properties.Set(key, value)
		return &jsonschema.Schema{
			Type: "object", Properties: properties, Required: []string{key},
			AdditionalProperties: jsonschema.FalseSchema,
		}
	}
	return &jsonschema.Schema{
		Description: "Where a secret is kept; never the secret itself.",
		OneOf: []*jsonschema.Schema{
			form("env", &jsonschema.Schema{Type: "string", Pattern: variable.String()}),
			form("file", text),
			form("command", &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: &one}),
		},
	}
}

func durationSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^-?([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`},
			{Const: 0},
		},
		Examples: []any{"90s", "40m", "12h", "15d"},
	}
}

// allowFalse admits false wherever off is one of the values, as the decoder
// does.
func allowFalse(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if s.Type == "string" && slices.Contains(s.Enum, any("off")) {
		s.Type, s.Enum = "", append(slices.Clone(s.Enum), false)
	}
	if s.Properties != nil {
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			allowFalse(p.Value)
		}
	}
	allowFalse(s.AdditionalProperties)
	allowFalse(s.Items)
	for _, form := range s.OneOf {
		allowFalse(form)
	}
}

func (m *named[T]) schema(s *schemer) *jsonschema.Schema {
	return &jsonschema.Schema{
		Type:                 "object",
		PropertyNames:        &jsonschema.Schema{Pattern: nameForm},
		AdditionalProperties: s.of(reflect.TypeFor[T]()),
	}
}

func (*source) schema(s *schemer) *jsonschema.Schema {
	settings := map[string]any{}
	summaries := map[string]string{}
	for name, kind := range s.registry.Sources {
		settings[name], summaries[name] = kind.Settings(), kind.Summary
	}
	return s.byType(settings, summaries)
}

func (*target) schema(s *schemer) *jsonschema.Schema {
	settings := map[string]any{}
	summaries := map[string]string{}
	for name, kind := range s.registry.Targets {
		settings[name], summaries[name] = kind.Settings(), kind.Summary
	}
	return s.byType(settings, summaries)
}

func (*notifier) schema(s *schemer) *jsonschema.Schema {
	settings := map[string]any{}
	summaries := map[string]string{}
	for name, kind := range s.registry.Notifiers {
		settings[name], summaries[name] = kind.Settings(), kind.Summary
	}
	return s.byType(settings, summaries)
}

// byType is one form per type, told apart by the key type.
func (s *schemer) byType(settings map[string]any, summaries map[string]string) *jsonschema.Schema {
	out := &jsonschema.Schema{Type: "object", Required: []string{"type"}}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		one := s.of(reflect.TypeOf(settings[name]))
		one.Title = name
		one.Description = summaries[name]
		one.Properties.Set("type", &jsonschema.Schema{Const: name})
		if !slices.Contains(one.Required, "type") {
			one.Required = append(one.Required, "type")
		}
		out.OneOf = append(out.OneOf, one)
	}
	return out
}

// sectionSchema is off, on, or a mapping.
func (s *schemer) sectionSchema(t reflect.Type) *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		s.of(t), {Enum: []any{"off", false, "on", true}},
	}}
}

func (*usersSection) schema(s *schemer) *jsonschema.Schema {
	return s.sectionSchema(reflect.TypeFor[usersDoc]())
}

func (*groupsSection) schema(s *schemer) *jsonschema.Schema {
	return s.sectionSchema(reflect.TypeFor[groupsDoc]())
}

func (*leaversDoc) schema(s *schemer) *jsonschema.Schema {
	// The alias has the fields without this method.
	type byCause leaversDoc
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Enum: []any{LeaveDeactivate, LeaveDelete, LeaveKeep}}, s.of(reflect.TypeFor[byCause]()),
	}}
}

func (*expression) schema(*schemer) *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "boolean"}, {Type: "number"}}}
}

func (*rules) schema(s *schemer) *jsonschema.Schema {
	value := s.of(reflect.TypeFor[ruleDoc]())
	return &jsonschema.Schema{
		Type: "object",
		AdditionalProperties: &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string"}, {Type: "boolean"}, {Type: "number"}, value,
		}},
	}
}

func (*share) schema(*schemer) *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Pattern: `^[0-9]+(\.[0-9]+)?%$`},
		{Type: "number", Minimum: "0", ExclusiveMaximum: "1"},
	}}
}

func (*scheduleDoc) schema(*schemer) *jsonschema.Schema {
	return &jsonschema.Schema{
		OneOf:    []*jsonschema.Schema{{Type: "string"}, {Const: false}},
		Examples: []any{"@every 40m", "0 3 * * *", "*/15 8-18 * * mon-fri", "@daily"},
	}
}
