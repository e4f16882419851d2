package scimtest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// route finds the operation a request asks for (RFC 7644, section 3.2, table
// 2).
func (s *Server) route(c *call) (*answer, error) {
	first := c.parts[0]
	if c.h.NoDiscovery && (first == "ServiceProviderConfig" || first == "ResourceTypes" || first == "Schemas") {
		s.fire("NoDiscovery")
		return nil, notFound(c.path)
	}
	if c.h.NoGroups && first == s.groups.plural {
		s.fire("NoGroups")
		return nil, notFound(c.path)
	}
	if c.r.Method == http.MethodPost || c.r.Method == http.MethodPut || c.r.Method == http.MethodPatch {
		if err := checkMediaType(c.r.Header.Get("Content-Type")); err != nil {
			return nil, err
		}
	}
	switch first {
	case "":
		return s.collection(c, s.types())
	case ".search":
		return s.search(c, s.types())
	case s.users.plural:
		return s.resources(c, s.users)
	case s.groups.plural:
		return s.resources(c, s.groups)
	case "ServiceProviderConfig", "ResourceTypes", "Schemas":
		return s.discover(c)
	case "Bulk", "Me":
		return nil, &fault{http.StatusNotImplemented, "", first + " is not offered"}
	}
	return nil, notFound(c.path)
}

func checkMediaType(header string) error {
	kind, _, err := mime.ParseMediaType(header)
	if err != nil || kind != mediaType && kind != "application/json" {
		return &fault{http.StatusUnsupportedMediaType, "", "Content-Type must be " + mediaType + " or application/json"}
	}
	return nil
}

func methodNotAllowed(c *call) error {
	return &fault{http.StatusMethodNotAllowed, "", c.r.Method + " is not offered for " + c.path}
}

// collection is the endpoint of a type, or the root for all of them.
func (s *Server) collection(c *call, types []*resourceType) (*answer, error) {
	switch {
	case c.r.Method == http.MethodGet:
		q, err := queryOf(c.query)
		if err != nil {
			return nil, err
		}
		return s.list(c, s.offered(c.h, types), q)
	case c.r.Method == http.MethodPost && len(types) == 1:
		return s.create(c, types[0])
	}
	return nil, methodNotAllowed(c)
}

func (s *Server) offered(h *Hazards, types []*resourceType) []*resourceType {
	if !h.NoGroups {
		return types
	}
	var out []*resourceType
	for _, t := range types {
		if t.kind != identity.Group {
			out = append(out, t)
		}
	}
	return out
}

func (s *Server) search(c *call, types []*resourceType) (*answer, error) {
	if c.r.Method != http.MethodPost {
		return nil, methodNotAllowed(c)
	}
	body, err := decodeBody(c.body)
	if err != nil {
		return nil, err
	}
	q, err := searchOf(body)
	if err != nil {
		return nil, err
	}
	return s.list(c, s.offered(c.h, types), q)
}

// resources is everything under /Users or /Groups.
func (s *Server) resources(c *call, t *resourceType) (*answer, error) {
	switch {
	case len(c.parts) == 1:
		return s.collection(c, []*resourceType{t})
	case len(c.parts) > 2:
		return nil, notFound(c.path)
	case c.parts[1] == ".search":
		return s.search(c, []*resourceType{t})
	}
	id := c.parts[1]
	switch c.r.Method {
	case http.MethodGet:
		return s.get(c, t, id)
	case http.MethodPut:
		return s.replace(c, t, id)
	case http.MethodPatch:
		return s.patch(c, t, id)
	case http.MethodDelete:
		return s.remove(c, t, id)
	}
	return nil, methodNotAllowed(c)
}

// get reads one resource (RFC 7644, section 3.4.1).
func (s *Server) get(c *call, t *resourceType, id string) (*answer, error) {
	v, err := s.newView(c, t, splitNames(c.query["attributes"]), splitNames(c.query["excludedAttributes"]))
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.lookUp(c.h, t, id)
	if err == nil && c.h.GroupsNotByID && t.kind == identity.Group {
		s.fire("GroupsNotByID")
		err = notFound(t.name + " " + id)
	}
	if err != nil {
		return nil, err
	}
	a := &answer{status: http.StatusOK, location: v.location(r)}
	if !s.options.NoETag {
		a.etag = r.etag()
		if tags := c.r.Header.Get("If-None-Match"); tags != "" && matchesTag(tags, a.etag) {
			a.status = http.StatusNotModified
			return a, nil
		}
	}
	a.body = v.appendTo(nil, r)
	return a, nil
}

// lookUp finds a resource by id. The caller holds the lock.
func (s *Server) lookUp(h *Hazards, t *resourceType, id string) (*resource, error) {
	r := s.store.byID[id]
	if r == nil || r.kind != t.kind || !s.visible(h, r) {
		return nil, notFound(t.name + " " + id)
	}
	return r, nil
}

// checkVersion is If-Match (RFC 7644, section 3.14).
func (s *Server) checkVersion(c *call, r *resource) error {
	tags := c.r.Header.Get("If-Match")
	if s.options.NoETag || tags == "" || matchesTag(tags, r.etag()) {
		return nil
	}
	return &fault{http.StatusPreconditionFailed, "", "the resource is at version " + r.etag()}
}

// matchesTag compares weakly: our tags are weak, and RFC 7644 uses them with
// If-Match all the same.
func matchesTag(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
