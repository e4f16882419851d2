package scimtest

import (
	"bytes"
	"net/http"
	"slices"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// write is the outcome of a write: the resource as it will be.
type write struct {
	attrs   map[string]any
	members *memberEdit // nil: unchanged
	// suspended and leave are what SoftDelete does instead of deleting.
	suspended bool
	leave     bool
}

// create is POST (RFC 7644, section 3.3).
func (s *Server) create(c *call, t *resourceType) (*answer, error) {
	w, err := s.readResource(c, t)
	if err != nil {
		return nil, err
	}
	v, err := s.newView(c, t, splitNames(c.query["attributes"]), splitNames(c.query["excludedAttributes"]))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.takenBy(c.h, t, w)
	if err != nil {
		return nil, err
	}
	if r != nil {
		w.members = replaceMembers(c.h, r, w.members)
	}
	if r, err = s.settle(c.h, t, r, w); err != nil {
		return nil, err
	}
	a := s.show(http.StatusCreated, v, r)
	a.created = true
	return a, nil
}

// takenBy finds the resource a create must take over, under the hazards that
// let it, and refuses a name that is taken otherwise.
func (s *Server) takenBy(h *Hazards, t *resourceType, w *write) (*resource, error) {
	name, _ := w.attrs[t.naming].(string)
	taken := s.store.named(t.kind, name)
	if len(taken) == 0 {
		return nil, nil
	}
	r := taken[0]
	switch {
	case h.UpsertOnPost:
		s.fire("UpsertOnPost")
		return r, nil
	case h.SoftDelete && r.suspended:
		return r, nil
	case h.HideInactive == HiddenRevives && r.kind == identity.User && !r.active:
		s.fire("HideInactive")
		return r, nil
	}
	if h.HideInactive == HiddenConflicts && r.kind == identity.User && !r.active {
		s.fire("HideInactive")
	}
	return nil, s.checkName(t, nil, w.attrs)
}

// replace is PUT (RFC 7644, section 3.5.1): what is left out is cleared.
func (s *Server) replace(c *call, t *resourceType, id string) (*answer, error) {
	v, err := s.newView(c, t, splitNames(c.query["attributes"]), splitNames(c.query["excludedAttributes"]))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.lookUp(c.h, t, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkVersion(c, r); err != nil {
		return nil, err
	}
	w, err := s.readResource(c, t)
	if err != nil {
		return nil, err
	}
	w.members = replaceMembers(c.h, r, w.members)
	if r, err = s.settle(c.h, t, r, w); err != nil {
		return nil, err
	}
	return s.show(http.StatusOK, v, r), nil
}

// remove is DELETE (RFC 7644, section 3.6).
func (s *Server) remove(c *call, t *resourceType, id string) (*answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.lookUp(c.h, t, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkVersion(c, r); err != nil {
		return nil, err
	}
	if c.h.SoftDelete && t.kind == identity.User {
		s.fire("SoftDelete")
		attrs := r.attributes()
		attrs["active"] = false
		_, err = s.keep(t, r, &write{attrs: attrs, suspended: true, leave: true})
	} else {
		err = s.commit(record{Op: opDelete, ID: r.id, Modified: time.Now()})
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent, wrote: true}, nil
}

func (s *Server) show(status int, v view, r *resource) *answer {
	a := &answer{status: status, location: v.location(r), body: v.appendTo(nil, r), wrote: true}
	if !s.options.NoETag {
		a.etag = r.etag()
	}
	return a
}

func (s *Server) cleaner(t *resourceType) cleaner { return cleaner{t, s.options.Lenient} }

// readResource reads the body of a POST or PUT.
func (s *Server) readResource(c *call, t *resourceType) (*write, error) {
	body, err := decodeBody(c.body)
	if err != nil {
		return nil, err
	}
	return s.newWrite(t, body)
}

func (s *Server) newWrite(t *resourceType, body map[string]any) (*write, error) {
	attrs, err := s.cleaner(t).resource(body)
	if err != nil {
		return nil, err
	}
	w := &write{attrs: attrs}
	if t.kind == identity.Group {
		w.members = &memberEdit{base: &memberSet{}}
		ids, err := memberIDs(attrs["members"])
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			w.members.add(id)
		}
		delete(attrs, "members")
	}
	return w, nil
}

// memberIDs takes the ids out of a cleaned list of members.
func memberIDs(v any) ([]string, error) {
	var ids []string
	for _, one := range asList(v) {
		m, _ := one.(map[string]any)
		id, _ := m["value"].(string)
		if id == "" {
			return nil, invalidValue("a member needs a value")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// replaceMembers lays new members over those the group has.
func replaceMembers(h *Hazards, r *resource, fresh *memberEdit) *memberEdit {
	if fresh == nil {
		return nil
	}
	edit := &memberEdit{base: &r.members, keepDuplicates: h.DuplicateMembersKept}
	edit.clear()
	edit.added, edit.isAdded = fresh.added, fresh.isAdded
	return edit
}

// settle checks a write against the other resources and the hazards, and keeps
// it. r is nil for a new resource. The caller holds the lock.
func (s *Server) settle(h *Hazards, t *resourceType, r *resource, w *write) (*resource, error) {
	if t.kind == identity.User && w.attrs["active"] == nil {
		w.attrs["active"] = true // our default; RFC 7643, section 4.1.1, leaves it to us
	}
	if h.ExternalIDNotStored && w.attrs["externalId"] != nil {
		s.fire("ExternalIDNotStored")
		delete(w.attrs, "externalId")
	}
	if active, _ := w.attrs["active"].(bool); r != nil {
		w.suspended = r.suspended && !active
		if r.suspended && !w.suspended {
			s.fire("SoftDelete")
		}
	}
	name, _ := w.attrs[t.naming].(string)
	if h.LowerCaseUserNames && t.kind == identity.User && name != fold(name) {
		s.fire("LowerCaseUserNames")
		name = fold(name)
		w.attrs[t.naming] = name
	}
	if h.RenameRefused && r != nil && fold(name) != fold(r.name) {
		s.fire("RenameRefused")
		return nil, badRequest("mutability", "%s cannot be changed", t.naming)
	}
	if err := s.checkName(t, r, w.attrs); err != nil {
		return nil, err
	}
	if w.members != nil {
		if err := s.checkMembers(h, r, w.members); err != nil {
			return nil, err
		}
		if w.members.duplicates > 0 {
			s.fire("DuplicateMembersKept")
		}
	}
	return s.keep(t, r, w)
}

// checkName refuses a name another resource has.
func (s *Server) checkName(t *resourceType, r *resource, attrs map[string]any) error {
	name, _ := attrs[t.naming].(string)
	if t.kind == identity.Group && s.options.SharedGroupNames {
		return nil
	}
	for _, other := range s.store.named(t.kind, name) {
		if other != r {
			return &fault{http.StatusConflict, "uniqueness", t.naming + " " + name + " is taken"}
		}
	}
	return nil
}

// checkMembers refuses members that do not exist.
func (s *Server) checkMembers(h *Hazards, group *resource, edit *memberEdit) error {
	for _, id := range edit.added {
		switch m := s.store.byID[id]; {
		case slices.Contains(h.RejectMembers, id):
			s.fire("RejectMembers")
			return invalidValue("member %s is refused", id)
		case m == nil || !s.visible(h, m):
			return invalidValue("member %s does not exist", id)
		case m == group:
			return invalidValue("a group cannot be a member of itself")
		}
	}
	return nil
}

// keep commits a write, unless it changes nothing: then version and
// lastModified stay as well (RFC 7644, section 3.5.2.1).
func (s *Server) keep(t *resourceType, r *resource, w *write) (*resource, error) {
	now := time.Now()
	rec := record{
		Op: opPut, Kind: t.kind, ID: newID(), Attrs: encode(w.attrs), Created: now, Modified: now, Version: 1,
		Suspended: w.suspended, Leave: w.leave,
	}
	changed := true
	if r != nil {
		rec.ID, rec.Created, rec.Version = r.id, r.created, r.version+1
		changed = !bytes.Equal(rec.Attrs, r.attrs) || w.suspended != r.suspended || w.leave && len(r.memberOf) > 0
	}
	if w.members != nil && w.members.into(&rec) {
		changed = true
	}
	if !changed {
		return r, nil
	}
	if err := s.commit(rec); err != nil {
		return nil, err
	}
	return s.store.byID[rec.ID], nil
}
