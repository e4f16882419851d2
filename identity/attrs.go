package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Attrs are attribute values by SCIM path. A value is a string, bool, float64,
// []string, or a Reference to another object; nil in a desired entry clears the
// attribute. A path that is absent from a desired entry is not managed.
type Attrs map[string]any

// Paths returns the paths in order.
func (a Attrs) Paths() []string { return slices.Sorted(maps.Keys(a)) }

// String returns the value at path when it is a string, and "" otherwise.
func (a Attrs) String(path string) string {
	s, _ := a[path].(string)
	return s
}

// Active returns the value of active, and whether the entry has one. SCIM
// leaves the attribute optional: an entry without it is neither.
func (a Attrs) Active() (active, known bool) {
	active, known = a["active"].(bool)
	return active, known
}

// Reference is an attribute value that names another object of the same source,
// such as the manager of a user. It becomes the target id of that object once
// it is known.
type Reference struct {
	Ref Ref
}

type referenceJSON struct {
	Reference *Ref `json:"$reference"`
}

// MarshalJSON writes {"$reference":{"kind":…,"id":…}}, which no plain attribute
// value can be.
func (r Reference) MarshalJSON() ([]byte, error) {
	return json.Marshal(referenceJSON{&r.Ref})
}

// UnmarshalJSON reads attribute values back to the types Attrs promises.
func (a *Attrs) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if raw == nil {
		*a = nil
		return nil
	}
	out := make(Attrs, len(raw))
	for path, message := range raw {
		value, err := decodeValue(message)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		out[path] = value
	}
	*a = out
	return nil
}

// UnmarshalJSON reads both values back to the types Attrs promises.
func (a *Attribute) UnmarshalJSON(data []byte) error {
	var raw struct {
		Path          string
		Before, After json.RawMessage
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	before, err := decodeValue(raw.Before)
	if err != nil {
		return fmt.Errorf("%s: before: %w", raw.Path, err)
	}
	after, err := decodeValue(raw.After)
	if err != nil {
		return fmt.Errorf("%s: after: %w", raw.Path, err)
	}
	*a = Attribute{Path: raw.Path, Before: before, After: after}
	return nil
}

func decodeValue(data json.RawMessage) (any, error) {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return nil, nil
	}
	switch trimmed[0] {
	case '{':
		var r referenceJSON
		decoder := json.NewDecoder(bytes.NewReader(trimmed))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil || r.Reference == nil {
			return nil, fmt.Errorf("an object is no attribute value: %.40s", trimmed)
		}
		return Reference{*r.Reference}, nil
	case '[':
		values := []string{}
		if err := json.Unmarshal(trimmed, &values); err != nil {
			return nil, fmt.Errorf("a list holds strings only: %w", err)
		}
		return values, nil
	}
	var v any
	err := json.Unmarshal(trimmed, &v)
	return v, err
}

// Equal reports whether two attribute values say the same: lists compare
// without order, since SCIM gives multi-valued attributes none (RFC 7643,
// section 2.4); absent, nil, "" and the empty list are all "unassigned"
// (RFC 7643, section 2.5).
func Equal(a, b any) bool {
	if empty(a) || empty(b) {
		return empty(a) && empty(b)
	}
	if x, ok := a.([]string); ok {
		y, ok := b.([]string)
		return ok && slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	}
	if _, ok := b.([]string); ok {
		return false
	}
	return a == b
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	}
	return false
}

// Fold returns the form in which case-insensitive SCIM values such as userName
// and displayName compare (RFC 7643, section 4.1.1: userName is not caseExact).
func Fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
