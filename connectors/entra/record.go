package entra

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// object is one user as Graph sends it.
type object map[string]any

// groupObject is one group as Graph sends it, with what is told of its members.
type groupObject struct {
	object  object
	members []member
	broken  bool // members came in a form that is not understood
}

// member is one entry of members@delta, or of a list of directory objects.
type member struct {
	Type    any `json:"@odata.type"`
	ID      any `json:"id"`
	Removed any `json:"@removed"`
}

// UnmarshalJSON keeps members apart: a page may hold thousands, of which two
// fields are wanted. What is not an object is left empty, so that one bad record
// does not take its page with it.
func (g *groupObject) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil {
		raw = nil
	}
	g.object = make(object, len(raw))
	for name, value := range raw {
		if name == "members@delta" {
			g.broken = json.Unmarshal(value, &g.members) != nil
			continue
		}
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		g.object[name] = v
	}
	return nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func (o object) id() string { return text(o["id"]) }

// removed reports whether the object is told to be gone. Both reasons mean it:
// a soft-deleted object cannot sign in, and comes again when it is restored.
func (o object) removed() bool {
	_, gone := o["@removed"]
	return gone
}

func markObject(o object, h *maphash.Hash) { _, _ = h.WriteString(o.id() + "\n") }

func markGroup(g groupObject, h *maphash.Hash) {
	markObject(g.object, h)
	for _, m := range g.members {
		markMember(m, h)
	}
}

func markMember(m member, h *maphash.Hash) { _, _ = h.WriteString(text(m.ID) + " ") }

// kind returns what a member is: a kind, or the name of a type that is not read.
func (m member) kind() (identity.Kind, string) {
	name := text(m.Type)
	switch short := name[strings.LastIndexByte(name, '.')+1:]; short {
	case "user":
		return identity.User, ""
	case "group":
		return identity.Group, ""
	default:
		return "", short
	}
}

// projection says which fields of a kind are kept.
type projection struct {
	kind   identity.Kind
	fields map[string]bool // of a record, at its top level
	ext    map[string]bool // directory extensions
	Select []string        // properties to ask Graph for
}

// project returns the projection of the query: the fields wanted and those that
// are always present. A query that names no fields wants all that are described.
func project(q connectors.Query, kind identity.Kind) projection {
	declared := userFields()
	if kind == identity.Group {
		declared = groupFields()
	}
	p := projection{kind: kind, fields: map[string]bool{}, ext: map[string]bool{}}
	described := map[string]bool{}
	wanted, named := q.Fields[kind]
	for _, f := range declared {
		top, _, _ := strings.Cut(f.Path, ".")
		described[top] = true
		if f.Always || !named {
			p.fields[top] = true
		}
	}
	for _, path := range wanted {
		top, rest, _ := strings.Cut(path, ".")
		if described[top] {
			p.fields[top] = true
		}
		if name, _, _ := strings.Cut(rest, "."); top == extensions && strings.HasPrefix(name, extensionPrefix) {
			p.ext[name] = true
		}
	}
	for name := range p.fields {
		switch name {
		case extensions:
			for ext := range p.ext {
				p.Select = append(p.Select, ext)
			}
		case original:
		default:
			p.Select = append(p.Select, name)
		}
	}
	slices.Sort(p.Select)
	return p
}

// told says how much a record tells.
type told int

const (
	everything told = iota // what is missing has no value
	changes                // what is missing is as it was
)

// event returns the Upsert of an object, or the Unreadable that shields it.
func (p projection) event(o object, how told) connectors.Event {
	ref := identity.Ref{Kind: p.kind, ID: o.id()}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: fmt.Sprintf("a %s without an id", p.kind)}
	}
	fields := make(map[string]any, len(p.fields))
	for name, value := range o {
		switch {
		case value == nil && how == everything:
		case p.fields[name]:
			fields[name] = value
		case p.ext[name] && p.fields[extensions]:
			below, _ := fields[extensions].(map[string]any)
			if below == nil {
				below = map[string]any{}
				fields[extensions] = below
			}
			below[name] = value
		}
	}
	if name, ok := fields["userPrincipalName"]; ok && p.fields[original] && p.kind == identity.User {
		fields[original] = name
	}
	problem, missing := p.check(fields)
	if problem != "" {
		return connectors.Unreadable{Ref: ref, Why: problem}
	}
	if missing != "" && how == everything {
		return connectors.Unreadable{Ref: ref, Why: "it has no " + missing}
	}
	return connectors.Upsert{Record: identity.Record{Ref: ref, Fields: fields, Partial: how == changes}}
}

// check looks at the fields that are always present. It returns what is wrong
// with one, and which of them is missing.
func (p projection) check(fields map[string]any) (string, string) {
	missing := ""
	names := []string{"userPrincipalName"}
	if p.kind == identity.Group {
		names = []string{"displayName"}
	}
	for _, name := range names {
		value, ok := fields[name]
		switch s, isText := value.(string); {
		case !ok:
			missing = name
		case !isText || s == "":
			return fmt.Sprintf("its %s is not a text or is empty", name), ""
		}
	}
	if p.kind == identity.User {
		value, ok := fields["accountEnabled"]
		if _, isBool := value.(bool); ok && !isBool {
			return "its accountEnabled is not true or false", ""
		}
		if !ok {
			missing = "accountEnabled (permission User.Read.All shows it, User.ReadBasic.All does not)"
		}
	}
	return "", missing
}

// lacks reports whether a record of a first round tells less than a whole one:
// Graph may tell an object again with no more than what changed meanwhile.
func (p projection) lacks(o object) bool {
	if _, ok := o["displayName"]; !ok && p.kind == identity.Group {
		return true
	}
	_, named := o["userPrincipalName"]
	_, enabled := o["accountEnabled"]
	return p.kind == identity.User && !named && !enabled
}
