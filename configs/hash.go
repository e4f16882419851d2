package configs

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// digest returns the hash of a value's JSON, in which keys are sorted.
func digest(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		// Only plain values get here; anything else is told apart by its text.
		data = fmt.Appendf(nil, "%#v", value)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// selection hashes the settings of a source that decide what is read. Settings
// may say so themselves with Selection() any; otherwise it is all of them but
// secrets, transport, pace and expiry, and blocks that hold a secret, which are
// credentials.
func selection(kind string, settings any) string {
	if own, ok := settings.(interface{ Selection() any }); ok {
		return digest([]any{kind, own.Selection()})
	}
	return digest([]any{kind, selected(reflect.ValueOf(settings))})
}

func selected(v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if text, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		if data, err := text.MarshalText(); err == nil {
			return string(data)
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return selectedFields(v)
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = selected(v.Index(i))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[key.String()] = selected(v.MapIndex(key))
		}
		return out
	}
	return v.Interface()
}

func selectedFields(v reflect.Value) map[string]any {
	out := map[string]any{}
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if f.name == "http" || f.name == "limits" || f.name == "expiry" || value.IsZero() || credential(value.Type()) {
			continue
		}
		out[f.name] = selected(value)
	}
	return out
}

// credential reports whether a type is a secret or a block that holds one.
func credential(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[connectors.Secret](), reflect.TypeFor[connectors.HTTP](),
		reflect.TypeFor[connectors.Expiry](), reflect.TypeFor[connectors.Limits]():
		return true
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for _, f := range fieldsOf(t) {
		if credential(t.FieldByIndex(f.index).Type) {
			return true
		}
	}
	return false
}

// hash covers what decides what a sync desires, and what becomes of those it
// desires no longer: a change of it is an edit that may cause removals.
func hash(doc *syncDoc, out *Sync) string {
	if out.Source == nil || out.Target == nil {
		return ""
	}
	content := map[string]any{
		"source": out.Source.Name, "selection": out.Source.Selection, "target": out.Target.Name,
	}
	if !doc.Users.off {
		users := doc.Users.usersDoc
		content["users"] = map[string]any{
			"scope": users.Scope.text, "map": hashRules(users.Map, out.Source, identity.User),
			"by": users.Matching.By, "existing": users.Matching.Existing, "rehire": users.Matching.Rehire,
			"leavers": users.Leavers, "grace": users.Grace,
		}
	}
	if !doc.Groups.off {
		groups := doc.Groups.groupsDoc
		var include []string
		for _, glob := range groups.Include {
			include = append(include, glob.text)
		}
		of := map[string]any{
			"scope": groups.Scope.text, "include": include, "map": hashRules(groups.Map, out.Source, identity.Group),
			"by": groups.Matching.By, "existing": groups.Matching.Existing,
			"members": groups.Members, "nested": groups.Nested, "leavers": groups.Leavers, "grace": groups.Grace,
		}
		// Left out where there are none, so that the hashes of those who never
		// had any stay as they are.
		if len(groups.Bundles) > 0 {
			of["bundles"] = groups.Bundles
		}
		content["groups"] = of
	}
	return digest(content)
}

// hashRules returns the rules in force: the source's defaults under the sync's
// own.
func hashRules(own rules, src *Source, kind identity.Kind) map[string]any {
	type inForce struct {
		Value     string
		When      mapping.When
		Default   any
		Empty     mapping.Empty
		Reference identity.Kind
	}
	out := map[string]any{}
	defaults := map[string]string{}
	for path, source := range src.Type.DefaultMap[kind] {
		defaults[foldPath(path)] = source
		out[foldPath(path)] = inForce{source, mapping.Always, nil, mapping.ClearEmpty, ""}
	}
	for _, r := range own {
		path := foldPath(r.path)
		if r.off {
			delete(out, path)
			if path == "externalid" {
				out[path] = "off"
			}
			continue
		}
		value := r.Value.text
		if value == "" {
			value = defaults[path]
		}
		out[path] = inForce{value, r.When, r.Default, r.Empty, r.Reference}
	}
	return out
}
