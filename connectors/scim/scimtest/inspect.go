package scimtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Resource is a user or group as the server holds it. It is a copy.
type Resource struct {
	ID         string
	Name       string // userName or displayName
	ExternalID string
	// Active of a user; a group has none.
	Active bool
	// Suspended says that the hazard SoftDelete turned a DELETE into this.
	Suspended bool
	// Attributes are everything else as a client reads it: without id, meta,
	// members and groups, and with schemas.
	Attributes map[string]any
	// Members are the member ids of a group in the order they were added.
	Members []string
	// Version counts the changes of the resource, from 1.
	Version int
	// Modified is the time of the last change.
	Modified time.Time
}

// Users returns every user, hidden ones included, in order of creation.
func (s *Server) Users() []Resource { return s.snapshot(identity.User) }

// Groups returns every group, in order of creation.
func (s *Server) Groups() []Resource { return s.snapshot(identity.Group) }

func (s *Server) snapshot(k identity.Kind) []Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	shelf := s.store.shelves[k]
	out := make([]Resource, 0, len(shelf.order))
	for _, r := range shelf.order {
		out = append(out, r.copy())
	}
	return out
}

// Find returns the resource of a kind by its id, or by its name in any case.
func (s *Server) Find(k identity.Kind, idOrName string) (Resource, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.locate(k, idOrName)
	if r == nil {
		return Resource{}, false
	}
	return r.copy(), true
}

func (s *Server) locate(k identity.Kind, idOrName string) *resource {
	if r := s.store.byID[idOrName]; r != nil && r.kind == k {
		return r
	}
	if list := s.store.named(k, idOrName); len(list) > 0 {
		return list[0]
	}
	return nil
}

func (r *resource) copy() Resource {
	return Resource{
		ID: r.id, Name: r.name, ExternalID: r.externalID, Active: r.active, Suspended: r.suspended,
		Attributes: r.attributes(), Members: slices.Collect(r.members.all()), Version: r.version, Modified: r.modified,
	}
}

// The methods below tamper with the target as somebody else would: no request
// is counted, no hazard fires, but the rules of the schema hold.

// Put creates the resource, or replaces the one of that name, and returns its
// id. The attributes are those of a POST; schemas may be left out.
func (s *Server) Put(k identity.Kind, attributes map[string]any) (string, error) {
	t := s.typeOf(k)
	in := map[string]any{"schemas": s.urns(t)}
	maps.Copy(in, attributes)
	w, err := s.newWrite(t, normalise(in))
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &Hazards{}
	name, _ := w.attrs[t.naming].(string)
	r := s.locate(k, name)
	if r != nil {
		w.members = replaceMembers(h, r, w.members)
	}
	if r, err = s.settle(h, t, r, w); err != nil {
		return "", err
	}
	return r.id, nil
}

// normalise brings a map written in Go, with []string and typed maps, into the
// form decoded JSON has.
func normalise(in map[string]any) map[string]any {
	out, err := decodeBody(encode(in))
	if err != nil {
		panic(fmt.Sprintf("scimtest: %v", err))
	}
	return out
}

func (s *Server) urns(t *resourceType) []string {
	urns := []string{t.core.urn}
	for _, e := range t.extensions {
		urns = append(urns, e.urn)
	}
	return urns
}

// Edit sets one attribute by SCIM path, as a PATCH replace does; nil removes
// it.
func (s *Server) Edit(k identity.Kind, idOrName, path string, value any) error {
	op := patchReplace
	if value == nil {
		op = patchRemove
	}
	return s.tamper(k, idOrName, operation{op: op, path: path, hasPath: true, value: value, hasValue: value != nil})
}

// AddMember makes a user or group a member of a group; all are named by id or
// name.
func (s *Server) AddMember(group, member string) error {
	return s.changeMember(group, member, func(id string) operation {
		value := []any{map[string]any{"value": id}}
		return operation{op: patchAdd, path: "members", hasPath: true, value: value, hasValue: true}
	})
}

// RemoveMember ends a membership.
func (s *Server) RemoveMember(group, member string) error {
	return s.changeMember(group, member, func(id string) operation {
		return operation{op: patchRemove, path: `members[value eq ` + string(encode(id)) + `]`, hasPath: true}
	})
}

func (s *Server) changeMember(group, member string, build func(id string) operation) error {
	s.mu.RLock()
	m := s.locate(identity.User, member)
	if m == nil {
		m = s.locate(identity.Group, member)
	}
	s.mu.RUnlock()
	if m == nil {
		return fmt.Errorf("no user or group %q", member)
	}
	return s.tamper(identity.Group, group, build(m.id))
}

func (s *Server) tamper(k identity.Kind, idOrName string, o operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.locate(k, idOrName)
	if r == nil {
		return fmt.Errorf("no %s %q", k, idOrName)
	}
	_, err := s.patched(&Hazards{}, s.typeOf(k), r, []operation{o})
	return err
}

// Delete removes a resource for good, by id or name.
func (s *Server) Delete(k identity.Kind, idOrName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.locate(k, idOrName)
	if r == nil {
		return fmt.Errorf("no %s %q", k, idOrName)
	}
	return s.commit(record{Op: opDelete, ID: r.id, Modified: time.Now()})
}

// Wipe removes everything.
func (s *Server) Wipe() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(record{Op: opWipe})
}

// Counts returns how many users, groups and memberships there are.
func (s *Server) Counts() (int, int, int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	memberships := 0
	for _, g := range s.store.shelves[identity.Group].order {
		memberships += g.members.len()
	}
	return len(s.store.shelves[identity.User].order), len(s.store.shelves[identity.Group].order), memberships
}
