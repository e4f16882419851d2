package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// resource is a user or group as it came: the members apart, since a group may
// have a million of them and only their ids matter.
type resource struct {
	object map[string]any
	// members are distinct, in the order of the answer; hasMembers says that
	// the attribute was there at all.
	members    []string
	hasMembers bool
	// problem says why the members could not be read; empty: they could.
	problem string
}

// maxID bounds an id in bytes: it goes into addresses and the ledger.
const maxID = 1 << 10

// id returns the target's id; "" where there is none that can be used.
func (r *resource) id() string {
	if r == nil {
		return ""
	}
	if _, list := lookup(r.object, "id").([]any); list {
		return ""
	}
	id := text(r.object, "id")
	if len(id) > maxID || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return id
}

// decodeResource reads a resource off the stream, members one at a time.
func decodeResource(s *stream) (resource, error) {
	r := resource{object: map[string]any{}}
	token, err := s.Token()
	if err != nil {
		return r, err
	}
	if token != json.Delim('{') {
		return r, fmt.Errorf("a resource is an object, not %v", token)
	}
	return r, r.decodeFields(s)
}

// decodeFields reads the members of an object to its closing brace.
func (r *resource) decodeFields(s *stream) error {
	for s.More() {
		token, err := s.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // the decoder admits strings only as names
		if strings.EqualFold(key, "members") {
			if err := r.decodeMembers(s); err != nil {
				return err
			}
			continue
		}
		if r.object[key], err = s.value(); err != nil {
			return err
		}
	}
	_, err := s.Token()
	return err
}

func (r *resource) decodeMembers(s *stream) error {
	token, err := s.Token()
	if err != nil {
		return err
	}
	switch token {
	case nil:
		return nil
	case json.Delim('['):
	default:
		r.problem = "members is not a list"
		if token == json.Delim('{') {
			return skipRest(s)
		}
		return nil
	}
	r.hasMembers = true
	for s.More() {
		var member struct{ Value string }
		if err := s.Decode(&member); err != nil {
			if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
				return err
			}
			r.problem = "a member is not an object with a value"
			continue
		}
		if member.Value == "" {
			r.problem = "a member has no value"
			continue
		}
		r.members = append(r.members, member.Value)
	}
	r.members = distinct(r.members)
	_, err = s.Token()
	return err
}

// maxDepth is the depth encoding/json refuses to go beyond in one value; its
// stream of tokens has no bound of its own.
const maxDepth = 10_000

// skipRest reads to the end of the object or list the stream is in.
func skipRest(s *stream) error {
	for depth := 1; depth > 0; {
		token, err := s.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return connectors.Errorf(connectors.Incomplete, "the answer is nested more than %d deep", maxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// distinct drops repetitions, which some servers keep, and leaves the order.
func distinct(ids []string) []string {
	if len(ids) < 2 {
		return ids
	}
	seen := make(map[string]struct{}, len(ids))
	return slices.DeleteFunc(ids, func(id string) bool {
		if _, ok := seen[id]; ok {
			return true
		}
		seen[id] = struct{}{}
		return false
	})
}

// entry turns the resource into a live entry. Members are known where the
// answer had them; whether their absence means none is the session's business.
func (r *resource) entry(kind identity.Kind) (identity.Entry, error) {
	e := identity.Entry{TargetID: r.id()}
	if e.TargetID == "" {
		return e, connectors.Errorf(connectors.Rejected, "the target answered a %s without an id that can be used: a text of at most %d bytes without control characters", kind, maxID)
	}
	attrs, err := flatten(r.object)
	if err != nil {
		return e, connectors.Errorf(connectors.Rejected, "%s %s cannot be read: %w", kind, sentence(e.TargetID), err)
	}
	if r.problem != "" {
		return e, connectors.Errorf(connectors.Rejected, "%s %s cannot be read: %s", kind, sentence(e.TargetID), r.problem)
	}
	e.Attrs = attrs
	if kind == identity.Group {
		e.Members = identity.Members{Known: r.hasMembers, TargetIDs: r.members}
	}
	return e, nil
}

// listPage is one page of a listing (RFC 7644, section 3.4.2; RFC 9865).
type listPage struct {
	entries []identity.Entry
	// unreadable says which resources could not be understood, and why; of many,
	// unnamed counts the rest.
	unreadable []string
	unnamed    int
	// count is how many resources the page held, readable or not.
	count int
	// total is totalResults; -1 where it is missing or no number.
	total int64
	// next is nextCursor; empty on the last page and in index paging.
	next string
	// members is how many members the page's groups had together.
	members int
}

// readPage reads one page off the wire without holding its raw form.
func readPage(resp *http.Response, kind identity.Kind, limit int64) (listPage, error) {
	s, err := openObject(resp, limit)
	if err != nil {
		return listPage{}, err
	}
	if s == nil {
		return listPage{}, connectors.Errorf(connectors.Rejected, "%s answered nothing instead of a list", resp.Request.URL.Path)
	}
	if kind == identity.User {
		s.left, s.most = maxListed, maxListed
	}
	p, err := decodePage(s, kind)
	if err != nil {
		return listPage{}, readError(err)
	}
	return p, nil
}

// decodePage reads a ListResponse. The name Resources is taken in any case:
// SSOReady among others writes it in lower case.
func decodePage(s *stream, kind identity.Kind) (listPage, error) {
	p := listPage{total: -1}
	if _, err := s.Token(); err != nil {
		return p, err
	}
	others := map[string]any{}
	listed := false
	for s.More() {
		token, err := s.Token()
		if err != nil {
			return p, err
		}
		key, _ := token.(string)
		if strings.EqualFold(key, "Resources") {
			if listed {
				// Which of them counts would be a guess (RFC 8259, section 4).
				return p, connectors.Errorf(connectors.Incomplete, "the answer holds Resources twice")
			}
			listed = true
			if err := p.decodeResources(s, kind); err != nil {
				return p, err
			}
			continue
		}
		if others[key], err = s.value(); err != nil {
			return p, err
		}
	}
	if _, err := s.Token(); err != nil {
		return p, err
	}
	if err := envelope(others); err != nil {
		return p, err
	}
	p.total = wholeNumber(lookup(others, "totalResults"))
	p.next = text(others, "nextCursor")
	if !listed && p.total != 0 {
		// RFC 7644, section 3.4.2: Resources may be left out of an empty list.
		return p, connectors.Errorf(connectors.Rejected, "the answer is no SCIM list: it has no Resources")
	}
	return p, nil
}

func (p *listPage) decodeResources(s *stream, kind identity.Kind) error {
	token, err := s.Token()
	if err != nil {
		return err
	}
	switch token {
	case nil:
		return nil
	case json.Delim('['):
	default:
		return connectors.Errorf(connectors.Rejected, "the answer is no SCIM list: Resources is not a list")
	}
	for s.More() {
		if err := s.spend(1); err != nil {
			return err
		}
		r, err := decodeElement(s, kind)
		if err != nil {
			return err
		}
		p.count++
		if r == nil {
			p.refuse(fmt.Sprintf("a %s is not an object", kind))
			continue
		}
		e, err := r.entry(kind)
		if err != nil {
			p.refuse(err.Error())
			continue
		}
		p.members += len(e.Members.TargetIDs)
		p.entries = append(p.entries, e)
	}
	_, err = s.Token()
	return err
}

// maxUnreadable is how many texts a page keeps of what could not be read.
const maxUnreadable = 1000

// refuse notes a resource that could not be understood.
func (p *listPage) refuse(why string) {
	if len(p.unreadable) == maxUnreadable {
		p.unnamed++
		return
	}
	p.unreadable = append(p.unreadable, why)
}

// decodeElement reads one element of Resources; nil where it is no object.
func decodeElement(s *stream, kind identity.Kind) (*resource, error) {
	if kind == identity.User {
		// Decoding a user in one step takes half the time of the stream.
		value, err := s.value()
		if err != nil {
			return nil, err
		}
		object, ok := value.(map[string]any)
		if !ok {
			return nil, nil
		}
		return &resource{object: object}, nil
	}
	token, err := s.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
	case json.Delim('['):
		return nil, skipRest(s)
	default:
		return nil, nil
	}
	r := resource{object: map[string]any{}}
	if err := r.decodeFields(s); err != nil {
		return nil, err
	}
	return &r, nil
}

// wholeNumber reads totalResults, which some servers write as a string; -1 is
// unknown.
func wholeNumber(v any) int64 {
	var digits string
	switch v := v.(type) {
	case json.Number:
		digits = v.String()
	case string:
		digits = strings.TrimSpace(v)
	default:
		return -1
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
