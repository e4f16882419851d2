package scimtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// resource is one user or group. Its attributes stay encoded, without id, meta,
// members and groups: a page is then assembled by copying bytes, and 100,000
// users stay lean.
type resource struct {
	kind              identity.Kind
	id                string
	seq               uint64 // order of creation
	attrs             json.RawMessage
	created, modified time.Time
	version           int
	suspended         bool // by SoftDelete

	// Read out of attrs.
	name       string // userName or displayName
	display    string
	externalID string
	active     bool

	members  memberSet   // of a group
	memberOf []*resource // the groups it is a direct member of
}

// record is one change of the store: what the journal holds and what apply
// performs, so that a restart repeats exactly what happened.
type record struct {
	Op        op              `json:"op"`
	Kind      identity.Kind   `json:"kind,omitempty"`
	ID        string          `json:"id,omitempty"`
	Attrs     json.RawMessage `json:"attrs,omitempty"`
	Created   time.Time       `json:"created,omitzero"`
	Modified  time.Time       `json:"modified,omitzero"`
	Version   int             `json:"version,omitempty"`
	Suspended bool            `json:"suspended,omitempty"`
	Clear     bool            `json:"clear,omitempty"`  // drop all members first
	Add       []string        `json:"add,omitempty"`    // member ids
	Remove    []string        `json:"remove,omitempty"` // member ids
	Leave     bool            `json:"leave,omitempty"`  // leave all groups
}

type op string

const (
	opPut    op = "put"
	opDelete op = "delete"
	opWipe   op = "wipe"
)

// store holds the resources and their indexes. Its callers hold the lock of the
// Server.
type store struct {
	byID    map[string]*resource
	shelves map[identity.Kind]*shelf
	nextSeq uint64
}

// shelf is all resources of one kind.
type shelf struct {
	order      []*resource // by seq
	byName     map[string][]*resource
	byExternal map[string][]*resource
}

func newStore() *store {
	s := &store{byID: map[string]*resource{}, shelves: map[identity.Kind]*shelf{}}
	for _, k := range identity.Kinds() {
		s.shelves[k] = &shelf{byName: map[string][]*resource{}, byExternal: map[string][]*resource{}}
	}
	return s
}

// apply performs a record. It cannot fail: whoever makes a record has checked
// it.
func (s *store) apply(rec record) {
	switch rec.Op {
	case opWipe:
		*s = *newStore()
	case opDelete:
		if r := s.byID[rec.ID]; r != nil {
			s.delete(r, rec.Modified)
		}
	case opPut:
		s.put(rec)
	}
}

func (s *store) put(rec record) {
	r := s.byID[rec.ID]
	if r == nil {
		shelf := s.shelves[rec.Kind]
		if shelf == nil {
			return
		}
		s.nextSeq++
		r = &resource{kind: rec.Kind, id: rec.ID, seq: s.nextSeq}
		s.byID[r.id] = r
		shelf.order = append(shelf.order, r)
	} else {
		s.unindex(r)
	}
	r.attrs, r.created, r.modified, r.version, r.suspended = rec.Attrs, rec.Created, rec.Modified, rec.Version, rec.Suspended
	r.readAttrs()
	s.index(r)

	if rec.Leave {
		s.leaveAll(r, rec.Modified)
	}
	if rec.Clear {
		for id := range r.members.all() {
			s.unlink(r, id)
		}
		r.members = memberSet{}
	}
	for _, id := range rec.Remove {
		r.members.remove(id)
		s.unlink(r, id)
	}
	for _, id := range rec.Add {
		r.members.add(id)
		if m := s.byID[id]; m != nil && !slices.Contains(m.memberOf, r) {
			m.memberOf = append(m.memberOf, r)
		}
	}
}

func (s *store) delete(r *resource, now time.Time) {
	s.leaveAll(r, now)
	for id := range r.members.all() {
		s.unlink(r, id)
	}
	s.unindex(r)
	delete(s.byID, r.id)
	shelf := s.shelves[r.kind]
	if i, ok := shelf.position(r); ok {
		shelf.order = slices.Delete(shelf.order, i, i+1)
	}
}

// leaveAll takes r out of its groups, so that no group holds a ghost.
func (s *store) leaveAll(r *resource, now time.Time) {
	for _, group := range r.memberOf {
		group.members.remove(r.id)
		group.version++
		group.modified = now
	}
	r.memberOf = nil
}

func (s *store) unlink(group *resource, member string) {
	if m := s.byID[member]; m != nil {
		if i := slices.Index(m.memberOf, group); i >= 0 {
			m.memberOf = slices.Delete(m.memberOf, i, i+1)
		}
	}
}

// position finds r in the order of creation.
func (h *shelf) position(r *resource) (int, bool) {
	return slices.BinarySearchFunc(h.order, r.seq, func(x *resource, seq uint64) int {
		switch {
		case x.seq < seq:
			return -1
		case x.seq > seq:
			return 1
		}
		return 0
	})
}

func (s *store) index(r *resource) {
	shelf := s.shelves[r.kind]
	key := fold(r.name)
	shelf.byName[key] = append(shelf.byName[key], r)
	if r.externalID != "" {
		shelf.byExternal[r.externalID] = append(shelf.byExternal[r.externalID], r)
	}
}

func (s *store) unindex(r *resource) {
	shelf := s.shelves[r.kind]
	drop(shelf.byName, fold(r.name), r)
	if r.externalID != "" {
		drop(shelf.byExternal, r.externalID, r)
	}
}

func drop(index map[string][]*resource, key string, r *resource) {
	list := slices.DeleteFunc(slices.Clone(index[key]), func(x *resource) bool { return x == r })
	if len(list) == 0 {
		delete(index, key)
		return
	}
	index[key] = list
}

// readAttrs fills what the store and its indexes need from the encoded
// attributes.
func (r *resource) readAttrs() {
	var a struct {
		UserName    string `json:"userName"`
		DisplayName string `json:"displayName"`
		ExternalID  string `json:"externalId"`
		Active      bool   `json:"active"`
	}
	// The store encoded them itself, or the journal was checked when read.
	_ = json.Unmarshal(r.attrs, &a)
	r.name, r.display, r.externalID, r.active = a.DisplayName, a.DisplayName, a.ExternalID, a.Active
	if r.kind == identity.User {
		r.name = a.UserName
		if r.display == "" {
			r.display = a.UserName
		}
	}
}

// attributes decodes the attributes into a map of the caller's own.
func (r *resource) attributes() map[string]any {
	var m map[string]any
	_ = json.Unmarshal(r.attrs, &m)
	return m
}

// named returns the resources of a kind with that name, in any case.
func (s *store) named(k identity.Kind, name string) []*resource {
	return s.shelves[k].byName[fold(name)]
}

// fold is how names that are not caseExact compare.
func fold(s string) string { return strings.ToLower(s) }

// newID returns a random UUID (RFC 9562, section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
