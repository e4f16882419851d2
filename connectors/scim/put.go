package scim

import (
	"context"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// maxReplaced is how many values a group may hold that is written back whole, and so
// decoded whole: a million members of four attributes each.
const maxReplaced = 6_000_000

// readRaw reads an object as it is, to be written back, with its version where
// the target has declared that it checks one (RFC 7644, section 3.14): an ETag
// header alone proves nothing.
func (s *session) readRaw(ctx context.Context, k identity.Kind, id string) (map[string]any, string, error) {
	u := s.object(k, id)
	resp, err := s.send(ctx, http.MethodGet, u, nil, "")
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	object, err := readObject(resp, objectBytes, maxReplaced)
	if err != nil {
		return nil, "", err
	}
	if got := text(object, "id"); got != id {
		return nil, "", connectors.Errorf(connectors.Rejected, "the target answered the id %q when asked for %q", sentence(got), sentence(id))
	}
	version := ""
	if s.facts.ETag == yes {
		version = resp.Header.Get("ETag")
		if meta, ok := lookup(object, "meta").(map[string]any); ok && version == "" {
			version = text(meta, "version")
		}
	}
	return object, version, nil
}

// replace reads an object, changes it and writes it back whole. PUT clears what
// is left out (RFC 7644, section 3.5.1), so everything the agent does not know
// goes back as it came; only what the server alone may write stays behind.
func (s *session) replace(ctx context.Context, k identity.Kind, id string, edits []edit, change func(map[string]any)) (answer, error) {
	if k == identity.Group && !s.membersReadable() {
		return answer{}, connectors.Errorf(connectors.Unsupported,
			"the target has no PATCH for groups and its members cannot be read: replacing the group would empty it")
	}
	for attempt := 1; ; attempt++ {
		object, version, err := s.readRaw(ctx, k, id)
		if err != nil {
			return answer{}, err
		}
		if k == identity.Group {
			if err := s.mayReplace(id, object); err != nil {
				return answer{}, err
			}
		}
		for _, e := range edits {
			assign(object, e)
		}
		if change != nil {
			change(object)
		}
		delete(object, keyOf(object, "meta"))
		if k == identity.User {
			delete(object, keyOf(object, "groups"))
		}
		spellBooleans(object)
		object[keyOf(object, "schemas")] = withExtensions(schemasOf(object, k), edits)
		got, err := s.exchange(ctx, http.MethodPut, s.object(k, id), object, version)
		if version != "" && attempt == 1 && isClass(err, connectors.Conflict) {
			// Somebody wrote in between, or our own PUT was repeated after its
			// answer was lost: what is there now decides.
			continue
		}
		return got, err
	}
}

// schemasOf returns the schemas an object names, or its kind's own.
func schemasOf(object map[string]any, k identity.Kind) []string {
	var out []string
	list, _ := lookup(object, "schemas").([]any)
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	if len(out) > 0 {
		return out
	}
	if k == identity.Group {
		return []string{groupSchema}
	}
	return []string{userSchema}
}

// mayReplace refuses to write back a group that shows no members where nothing
// proves that the target shows members at all: the write would remove them.
func (s *session) mayReplace(id string, object map[string]any) error {
	if list, _ := lookup(object, "members").([]any); len(list) > 0 {
		s.learned.membersShown.Store(true)
		return nil
	}
	_, ours := s.learned.newGroups.Load(id)
	if ours || s.learned.membersShown.Load() || s.product.Members.Access == connectors.MembersReadable {
		return nil
	}
	return connectors.Errorf(connectors.Unsupported,
		"the target has no PATCH for groups, and no group of it shows any members: replacing this one could empty it; "+
			"put one member into any group by hand and run again")
}

// spellBooleans writes booleans that the target answered as the strings "True"
// and "False" as booleans (RFC 7643, section 2.3.2).
func spellBooleans(object map[string]any) {
	fix := func(object map[string]any, name string) {
		key := keyOf(object, name)
		if text, ok := object[key].(string); ok {
			if b, ok := boolean(text); ok {
				object[key] = b
			}
		}
	}
	fix(object, "active")
	for _, value := range object {
		list, _ := value.([]any)
		for _, item := range list {
			if element, ok := item.(map[string]any); ok {
				fix(element, "primary")
			}
		}
	}
}
