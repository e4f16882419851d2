package connectors

import (
	"maps"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// Normalize returns a desired entry in the form this target keeps it: without
// the attributes it drops, and in lower case where it stores lower case. Both
// sides of a comparison must pass through here once, or a difference that no
// write can remove comes back in every plan. The entry given is not changed.
func (p Profile) Normalize(e identity.Entry) identity.Entry {
	dropped, lower := p.Dropped[e.Ref.Kind], p.LowerCase[e.Ref.Kind]
	if len(dropped) == 0 && len(lower) == 0 || len(e.Attrs) == 0 {
		return e
	}
	e.Attrs = maps.Clone(e.Attrs)
	for path, value := range e.Attrs {
		switch {
		case covers(dropped, path):
			delete(e.Attrs, path)
		case covers(lower, path):
			e.Attrs[path] = lowered(value)
		}
	}
	return e
}

// Same reports whether a desired and a live value of one attribute say the same
// to this target: identity.Equal, without regard to case where the target may
// change the case or stores lower case.
func (p Profile) Same(k identity.Kind, path string, desired, live any) bool {
	if identity.Equal(desired, live) {
		return true
	}
	if !covers(p.CaseInsensitive[k], path) && !covers(p.LowerCase[k], path) {
		return false
	}
	return identity.Equal(lowered(desired), lowered(live))
}

// covers reports whether one of the listed paths is path itself, the attribute
// it is part of ("name" covers name.givenName, "emails" every e-mail), or the
// schema of its extension. Attribute names compare without case (RFC 7643,
// section 2.1).
func covers(listed []string, path string) bool {
	return slices.ContainsFunc(listed, func(whole string) bool {
		n := len(whole)
		if len(path) < n || !strings.EqualFold(path[:n], whole) {
			return false
		}
		return len(path) == n || strings.IndexByte(".[:", path[n]) >= 0
	})
}

func lowered(value any) any {
	switch v := value.(type) {
	case string:
		return strings.ToLower(v)
	case []string:
		out := make([]string, len(v))
		for i, s := range v {
			out[i] = strings.ToLower(s)
		}
		return out
	}
	return value
}
