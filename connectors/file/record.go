package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/scimsync/scimsync/identity"
)

// object is one line understood.
type object struct {
	record identity.Record
	// members of a group; known is false where the line has no members.
	members []identity.Ref
	known   bool
}

// parse reads a line. With an error, the object's record has the id when it
// could be told for sure, and no id otherwise.
func parse(kind identity.Kind, declared []identity.Field, text []byte) (object, error) {
	o := object{record: identity.Record{Ref: identity.Ref{Kind: kind}}}
	if !utf8.Valid(text) {
		return o, errors.New("is not UTF-8")
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		if twoValues(text) {
			// Which of them is meant is anybody's guess.
			return o, errors.New("holds more than one object: put each on a line of its own")
		}
		o.record.Ref.ID = sureID(text)
		return o, fmt.Errorf("is not a JSON object: %w", err)
	}
	if fields == nil {
		return o, errors.New("is null, not an object")
	}
	id, ok := fields["id"].(string)
	if !ok || strings.TrimSpace(id) == "" {
		return o, errors.New(`has no id: give "id" as a string`)
	}
	o.record.Ref.ID = id
	o.record.Fields = fields
	digest := sha256.Sum256(text)
	o.record.Version = hex.EncodeToString(digest[:16])
	if err := check(declared, fields); err != nil {
		return o, err
	}
	if kind == identity.Group {
		return o, o.takeMembers()
	}
	return o, nil
}

// twoValues reports whether a JSON value is followed by something else.
func twoValues(text []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var first json.RawMessage
	if err := decoder.Decode(&first); err != nil {
		return false
	}
	_, err := decoder.Token()
	return !errors.Is(err, io.EOF)
}

// check fails for a declared field that is absent or of another type.
func check(declared []identity.Field, fields map[string]any) error {
	for _, f := range declared {
		value, ok := fields[f.Path]
		if !ok || value == nil {
			if f.Always {
				return fmt.Errorf("has no %s: give %q as a %s", f.Path, f.Path, f.Type)
			}
			continue
		}
		switch f.Type {
		case identity.String:
			_, ok = value.(string)
		case identity.Bool:
			_, ok = value.(bool)
		case identity.Object:
			_, ok = value.(map[string]any)
		case identity.Any, identity.Number, identity.Strings: // none is declared with a type to hold
		}
		if !ok {
			return fmt.Errorf("needs %s to be a %s", f.Path, f.Type)
		}
		if s, _ := value.(string); f.Always && f.Type == identity.String && strings.TrimSpace(s) == "" {
			return fmt.Errorf("has an empty %s", f.Path)
		}
	}
	return nil
}

// takeMembers moves the members out of the fields.
func (o *object) takeMembers() error {
	value, ok := o.record.Fields["members"]
	delete(o.record.Fields, "members")
	if !ok {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		return errors.New(`has members that are not a list: leave the key out where they are not known`)
	}
	seen := make(map[identity.Ref]bool, len(list))
	o.members = make([]identity.Ref, 0, len(list))
	for i, element := range list {
		ref, err := member(element)
		if err != nil {
			return fmt.Errorf("member %d %w", i+1, err)
		}
		if !seen[ref] {
			seen[ref] = true
			o.members = append(o.members, ref)
		}
	}
	o.known = true
	return nil
}

var errMember = errors.New(`is neither the id of a user nor {"group": ID}`)

func member(element any) (identity.Ref, error) {
	ref := identity.Ref{Kind: identity.User}
	switch m := element.(type) {
	case string:
		ref.ID = m
	case map[string]any:
		ref.Kind = identity.Group
		ref.ID, _ = m["group"].(string)
		if len(m) != 1 {
			return identity.Ref{}, errMember
		}
	}
	if strings.TrimSpace(ref.ID) == "" {
		return identity.Ref{}, errMember
	}
	return ref, nil
}

// sureID returns the id of a broken line, when the line begins as an object
// whose own key id is whole, and nothing else on it could be another object's
// id: two lines may have run into one.
func sureID(text []byte) string {
	if bytes.Count(text, []byte(`"id"`)) != 1 {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return ""
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return ""
		}
		if key == "id" {
			value, err := decoder.Token()
			id, ok := value.(string)
			if err != nil || !ok || strings.TrimSpace(id) == "" {
				return ""
			}
			return id
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return ""
		}
	}
	return ""
}

// project returns the record with the wanted fields and those always present.
// Paths below a field want all of it.
func project(r identity.Record, declared []identity.Field, wanted map[identity.Kind][]string) identity.Record {
	if wanted == nil {
		return r
	}
	keep := map[string]bool{}
	for _, path := range wanted[r.Ref.Kind] {
		name, _, _ := strings.Cut(path, ".")
		keep[name] = true
	}
	for _, f := range declared {
		keep[f.Path] = keep[f.Path] || f.Always
	}
	fields := make(map[string]any, len(keep))
	for name, value := range r.Fields {
		if keep[name] {
			fields[name] = value
		}
	}
	r.Fields = fields
	return r
}
