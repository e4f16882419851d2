package scim

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// maxLookupPages bounds a look-up on a target that ignores the filter.
const maxLookupPages = 20

// Find returns the objects whose attribute equals the value. Each one is checked
// here: userName, displayName, e-mail addresses and other values without regard
// to case, externalId and id exactly. A filter the target does not know is class
// Unsupported; the caller lists instead.
func (s *session) Find(ctx context.Context, k identity.Kind, m connectors.Match, w connectors.Want) ([]identity.Entry, error) {
	op := "find " + string(k) + " by " + m.Path
	if k == identity.Group && !s.profile.Groups {
		return nil, rest.Wrap(op, identity.Ref{}, connectors.Errorf(connectors.Unsupported, "the target has no groups"))
	}
	if m.Value == "" {
		return nil, rest.Wrap(op, identity.Ref{}, connectors.Errorf(connectors.Rejected, "nothing to look up: the value is empty"))
	}
	found, err := s.find(ctx, k, m, w)
	return found, s.wrap(op, identity.Ref{}, err)
}

func (s *session) find(ctx context.Context, k identity.Kind, m connectors.Match, w connectors.Want) ([]identity.Entry, error) {
	if strings.EqualFold(m.Path, "id") {
		return s.findByID(ctx, k, m.Value, w)
	}
	path, err := identity.ParsePath(m.Path)
	if err != nil {
		return nil, connectors.Errorf(connectors.Rejected, "%w", err)
	}
	path.Attribute = canonicalName(path.Attribute)
	if allowed, ok := s.product.Filterable[k.Plural()]; ok && !containsFold(allowed, path.String()) {
		return nil, connectors.Errorf(connectors.Unsupported, "%s cannot be filtered by %s, only by %s",
			s.product.Name, m.Path, strings.Join(allowed, ", "))
	}
	found, err := s.findByFilter(ctx, k, path, m.Value, w)
	// Some targets compare userName with regard to case (SCIMMY, SSOReady).
	if lower := strings.ToLower(m.Value); err == nil && len(found) == 0 && lower != m.Value && !caseExact(path) {
		found, err = s.findByFilter(ctx, k, path, lower, w)
		found = matching(found, path, m.Value)
	}
	if unsure := err == nil || isClass(err, connectors.Unsupported); unsure && len(found) == 0 && escaped(m.Value) && s.profile.Listable {
		listed, listErr := s.findByListing(ctx, k, path, m.Value, w)
		if listErr == nil || isClass(listErr, connectors.Unauthorized) || ctx.Err() != nil {
			return listed, listErr
		}
	}
	return found, err
}

// escaped reports whether a filter holds the value in another form than its own.
// Parsers are known to refuse an escaped quote (SCIMMY), or to read it wrongly
// and find nothing (SCIM-SDK), so that only a listing tells.
func escaped(value string) bool { return strings.ContainsAny(value, `"\`) }

// findByListing looks through all objects of the kind.
func (s *session) findByListing(ctx context.Context, k identity.Kind, path identity.Path, value string, w connectors.Want) ([]identity.Entry, error) {
	var found []identity.Entry
	walk := s.newWalk(k, s.leaveOutMembers(k, connectors.Want{}))
	err := walk.run(ctx, func(entries []identity.Entry) error {
		for _, listed := range matching(entries, path, value) {
			e, err := s.read(ctx, k, listed.TargetID, w)
			if isClass(err, connectors.Missing) {
				// It was listed: see fillIn.read.
				e, err = listed, nil
				e.Members = identity.Members{}
			}
			if err != nil {
				return err
			}
			found = append(found, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *session) findByID(ctx context.Context, k identity.Kind, id string, w connectors.Want) ([]identity.Entry, error) {
	e, err := s.read(ctx, k, id, w)
	if isClass(err, connectors.Missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []identity.Entry{e}, nil
}

func (s *session) findByFilter(ctx context.Context, k identity.Kind, path identity.Path, value string, w connectors.Want) ([]identity.Entry, error) {
	filter, err := s.dialect.filterFor(path, value)
	if err != nil {
		return nil, err
	}
	walk := s.newWalk(k, append(s.leaveOutMembers(k, w), [2]string{"filter", filter}))
	walk.lookup, walk.maxPages = true, maxLookupPages
	var found []identity.Entry
	err = walk.run(ctx, func(entries []identity.Entry) error {
		held := matching(entries, path, value)
		if len(held) < len(entries) {
			// The filter is ignored: this is a listing, and a short page is
			// not its end.
			walk.lookup = false
		}
		entries, err := s.completeMembers(ctx, k, w, held, walk)
		found = append(found, entries...)
		return err
	})
	switch connectors.ClassOf(err) {
	case connectors.Rejected:
		// The filter is all that such a request can be refused for.
		return nil, connectors.Errorf(connectors.Unsupported, "the target refuses the filter: %w", err)
	case connectors.Missing:
		// Okta's reference accepts 404 from a look-up that finds nothing.
		return nil, nil
	case connectors.Transient:
		// Servers are known to drop the connection on a filter they do not
		// know; one that answers without a filter is not down.
		if s.answersUnfiltered(ctx, k) {
			return nil, connectors.Errorf(connectors.Unsupported, "the target fails on the filter: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *session) answersUnfiltered(ctx context.Context, k identity.Kind) bool {
	walk := s.newWalk(k, nil)
	walk.size = 1
	var err error
	if s.pagingMethod() == cursorPaging {
		_, err = walk.request(ctx, http.MethodGet, query{{"count", "1"}, {"cursor", ""}}, nil)
	} else {
		_, err = walk.get(ctx, 1)
	}
	return err == nil
}

// read gets one object by id. A group's members are known as far as the target
// shows members at all.
func (s *session) read(ctx context.Context, k identity.Kind, id string, w connectors.Want) (identity.Entry, error) {
	u := withQuery(s.object(k, id), s.leaveOutMembers(k, w))
	got, err := s.exchange(ctx, http.MethodGet, u, nil, "")
	if codeOf(err) == codeNotJSON {
		// A login page or a proxy said that: it tells nothing of this object.
		err = connectors.Errorf(connectors.Incomplete, "%w", err)
	}
	if err != nil {
		return identity.Entry{}, err
	}
	if got.resource == nil {
		return identity.Entry{}, connectors.Errorf(connectors.Rejected, "%s answered nothing instead of a %s", u.Path, k)
	}
	e, err := got.resource.entry(k)
	if err != nil {
		return identity.Entry{}, err
	}
	if e.TargetID != id {
		return identity.Entry{}, connectors.Errorf(connectors.Rejected,
			"the target answered %s %s when asked for %s", k, sentence(e.TargetID), sentence(id))
	}
	s.learned.answered.Store(true)
	e.Members = s.members(k, w, e.Members)
	return e, nil
}

// members settles what the members of an object read by itself mean: RFC 7643,
// section 2.5, lets a server leave out an attribute without a value.
func (s *session) members(k identity.Kind, w connectors.Want, m identity.Members) identity.Members {
	if k != identity.Group || !w.Members || !s.membersReadable() {
		return identity.Members{}
	}
	if len(m.TargetIDs) > 0 {
		s.learned.membersShown.Store(true)
	}
	m.Known = true
	return m
}

// matching keeps the entries that really hold the value: servers ignore filters.
func matching(entries []identity.Entry, path identity.Path, value string) []identity.Entry {
	var out []identity.Entry
	for _, e := range entries {
		if holds(e.Attrs, path, value) {
			out = append(out, e)
		}
	}
	return out
}

func holds(attrs identity.Attrs, path identity.Path, value string) bool {
	same := func(s string) bool { return identity.Fold(s) == identity.Fold(value) }
	if caseExact(path) {
		same = func(s string) bool { return s == value }
	}
	for name, v := range attrs {
		if !strings.EqualFold(name, path.String()) {
			continue
		}
		switch v := v.(type) {
		case string:
			return same(v)
		case []string:
			return slices.ContainsFunc(v, same)
		}
	}
	return false
}

// caseExact reports the attributes RFC 7643 compares with regard to case.
func caseExact(p identity.Path) bool { return p.Schema == "" && p.Attribute == "externalId" }

func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}
