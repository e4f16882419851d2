package configs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestSchemaHasEveryKey walks the types of the configuration and the schema side
// by side.
func TestSchemaHasEveryKey(t *testing.T) {
	t.Parallel()
	root := schemaOf(t)
	if root["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema = %v", root["$schema"])
	}
	for path, t2 := range map[string]reflect.Type{
		"":                          reflect.TypeFor[document](),
		"syncs/*":                   reflect.TypeFor[syncDoc](),
		"syncs/*/users":             reflect.TypeFor[usersDoc](),
		"syncs/*/users/matching":    reflect.TypeFor[userMatchingDoc](),
		"syncs/*/users/leavers":     reflect.TypeFor[leaversDoc](),
		"syncs/*/users/map/*":       reflect.TypeFor[ruleDoc](),
		"syncs/*/groups":            reflect.TypeFor[groupsDoc](),
		"syncs/*/groups/matching":   reflect.TypeFor[groupMatchingDoc](),
		"syncs/*/guards":            reflect.TypeFor[guardsDoc](),
		"syncs/*/guards/users":      reflect.TypeFor[limitDoc](),
		"syncs/*/protect":           reflect.TypeFor[protectDoc](),
		"syncs/*/notify":            reflect.TypeFor[notifyDoc](),
		"server":                    reflect.TypeFor[serverDoc](),
		"server/hooks":              reflect.TypeFor[hooksDoc](),
		"history":                   reflect.TypeFor[historyDoc](),
		"notifiers/*?type=email":    reflect.TypeFor[emailSettings](),
		"notifiers/*?type=webhook":  reflect.TypeFor[webhookSettings](),
		"sources/*?type=okta":       reflect.TypeFor[oktaSettings](),
		"sources/*?type=okta/http":  reflect.TypeFor[oktaSettings]().Field(6).Type,
		"sources/*?type=file":       reflect.TypeFor[fileSettings](),
		"targets/*?type=scim":       reflect.TypeFor[scimSettings](),
		"targets/*?type=scim/auth":  reflect.TypeFor[auth](),
		"sources/*?type=okta/token": reflect.TypeFor[struct{ Env, File, Command string }](),
	} {
		at, err := descend(root, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, f := range fieldsOf(t2) {
			if _, err := descend(at, f.name); err != nil {
				t.Errorf("%s lacks %s", path, f.name)
			}
		}
		if strings.HasSuffix(path, "token") {
			continue // one form a key
		}
		object, _ := objectForm(at)
		properties, _ := object["properties"].(map[string]any)
		extra := len(properties) - len(fieldsOf(t2))
		if _, typed := properties["type"]; typed {
			extra--
		}
		if extra != 0 {
			t.Errorf("%s has %d keys more than the type", path, extra)
		}
		if object["additionalProperties"] != false {
			t.Errorf("%s lets unknown keys pass", path)
		}
	}
}

func TestSchemaForms(t *testing.T) {
	t.Parallel()
	root := schemaOf(t)
	for path, want := range map[string]string{
		"version":                              `"enum":[1]`,
		"syncs/*/users":                        `"enum":["off",false,"on",true]`,
		"syncs/*/groups/members":               `"enum":["exact","additive","off",false]`,
		"syncs/*/users/leavers":                `"enum":["deactivate","delete","keep"]`,
		"syncs/*/guards/users/share":           `%$`,
		"syncs/*/users/map/*":                  `{"type":"boolean"}`,
		"syncs/*/users/create":                 `"enum":[true,false,"on","off"]`,
		"syncs/*/guards/users/max":             `"minimum":0`,
		"targets/*?type=scim/profile":          `"enum":["generic","alation","collate"]`,
		"syncs/*/notify/events":                `"enum":["group_created"`,
		"syncs/*/notify/batch":                 `"enum":["run","object"]`,
		"syncs/*/schedule":                     `{"const":false}`,
		"syncs/*/missed":                       `"enum":["run","skip"]`,
		"notifiers/*?type=email/tls":           `"enum":["starttls","implicit","off",false]`,
		"notifiers/*?type=email/to":            `"type":"array"`,
		"notifiers/*?type=webhook/secret":      `"required":["file"]`,
		"server/hooks/token":                   `"required":["env"]`,
		"syncs":                                `"propertyNames":{"pattern":"^[a-zA-Z0-9_-]+$"}`,
		"sources/*?type=okta/http/timeout":     `"const":0`,
		"targets/*?type=scim/auth/bearer":      `"required":["env"]`,
		"sources/*?type=okta/private_key/key":  `"required":["command"]`,
		"sources/*?type=okta/limits/page_size": `"type":"integer"`,
	} {
		at, err := descend(root, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		data, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is %s, want %s in it", path, data, want)
		}
	}
	for path, want := range map[string][]any{
		"":                    {"version"},
		"syncs/*":             {"from", "to"},
		"sources/*?type=file": {"path", "type"},
		"server":              {"addr"},
		"server/hooks":        {"token"},
		"syncs/*/notify":      {"to"},
	} {
		at, err := descend(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(at["required"], want) {
			t.Errorf("%s requires %v, want %v", path, at["required"], want)
		}
	}
	data, err := Schema(registry())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), `"$schema"`); n != 1 {
		t.Errorf("$schema appears %d times", n)
	}
	for _, leak := range []string{`"$ref"`, `"$defs"`} {
		if strings.Contains(string(data), leak) {
			t.Errorf("schema holds %s, which nothing resolves", leak)
		}
	}
}

func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	data, err := Schema(registry())
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// descend follows keys through properties and either/or forms; * is any key, and
// ?type=X chooses the form of a type.
func descend(at map[string]any, path string) (map[string]any, error) {
	if path == "" {
		return at, nil
	}
	for step := range strings.SplitSeq(path, "/") {
		key, kind, _ := strings.Cut(step, "?type=")
		next := child(at, key)
		if next == nil {
			return nil, fmt.Errorf("no %s", key)
		}
		if kind != "" {
			if next = formOf(next, kind); next == nil {
				return nil, fmt.Errorf("no form for type %s", kind)
			}
		}
		at = next
	}
	return at, nil
}

func child(at map[string]any, key string) map[string]any {
	if properties, ok := at["properties"].(map[string]any); ok {
		if found, ok := properties[key].(map[string]any); ok {
			return found
		}
	}
	if additional, ok := at["additionalProperties"].(map[string]any); ok && key == "*" {
		return additional
	}
	for _, form := range forms(at) {
		if found := child(form, key); found != nil {
			return found
		}
	}
	return nil
}

func forms(at map[string]any) []map[string]any {
	var out []map[string]any
	list, _ := at["oneOf"].([]any)
	for _, form := range list {
		if m, ok := form.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func formOf(at map[string]any, kind string) map[string]any {
	for _, form := range forms(at) {
		discriminator := child(form, "type")
		if discriminator["const"] == kind || reflect.DeepEqual(discriminator["enum"], []any{kind}) {
			return form
		}
	}
	return nil
}

// objectForm returns the form of a schema that is a mapping with keys.
func objectForm(at map[string]any) (map[string]any, bool) {
	if _, ok := at["properties"]; ok {
		return at, true
	}
	for _, form := range forms(at) {
		if found, ok := objectForm(form); ok {
			return found, true
		}
	}
	return nil, false
}
