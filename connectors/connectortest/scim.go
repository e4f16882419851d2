package connectortest

import (
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// FromSCIM turns a SCIM resource, as decoded from JSON, into an entry: a second
// opinion, written apart from any client's decoder. Simple values keep their
// names, complex ones become attribute.sub, elements of multi-valued attributes
// attribute[type eq "T"].sub, and extensions URN:attribute. It is for answers of
// a fake that keeps to RFC 7643, not for what servers really send.
func FromSCIM(resource map[string]any) identity.Entry {
	e := identity.Entry{Attrs: identity.Attrs{}}
	e.TargetID, _ = resource["id"].(string)
	for name, value := range resource {
		switch name {
		case "id", "schemas", "meta", "groups":
		case "members":
			e.Members.Known = true
			for _, m := range list(value) {
				if id, ok := m["value"].(string); ok {
					e.Members.TargetIDs = append(e.Members.TargetIDs, id)
				}
			}
		default:
			extension, ok := value.(map[string]any)
			if !ok || !strings.HasPrefix(name, "urn:") {
				flatten(e.Attrs, name, value)
				continue
			}
			for attribute, part := range extension {
				flatten(e.Attrs, name+":"+attribute, part)
			}
		}
	}
	if _, ok := resource["displayName"]; ok && resource["userName"] == nil {
		// A group without the attribute members has none (RFC 7643,
		// section 2.5).
		e.Members.Known = true
	}
	return e
}

func flatten(out identity.Attrs, name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for sub, element := range v {
			flatten(out, name+"."+sub, element)
		}
	case []any:
		if values, ok := plain(v); ok {
			if len(values) > 0 {
				out[name] = values
			}
			return
		}
		for _, element := range list(v) {
			kind, _ := element["type"].(string)
			for sub, part := range element {
				if sub == "value" || sub == "display" {
					out[fmt.Sprintf("%s[type eq %q].%s", name, kind, sub)] = part
				}
			}
		}
	case nil:
	default:
		out[name] = v
	}
}

func plain(values []any) ([]string, bool) {
	out := make([]string, 0, len(values))
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func list(value any) []map[string]any {
	var out []map[string]any
	elements, _ := value.([]any)
	for _, element := range elements {
		if object, ok := element.(map[string]any); ok {
			out = append(out, object)
		}
	}
	return out
}
