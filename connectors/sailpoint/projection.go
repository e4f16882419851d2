package sailpoint

import (
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// projection drops the fields of one kind that no sync asked for: the attributes
// of an account list every group it is in, which no mirror needs twice. Nil keeps
// everything.
type projection map[string]projection

// project returns the projection for a kind: the fields wanted and those that
// are always present.
func project(q connectors.Query, kind identity.Kind, declared []identity.Field) projection {
	wanted, ok := q.Fields[kind]
	if !ok {
		return nil
	}
	p := projection{}
	for _, f := range declared {
		switch {
		case !f.Always:
		case f.Type == identity.Object:
			// It is there, with as much in it as is wanted.
			p[f.Path] = projection{}
		default:
			p.want(f.Path)
		}
	}
	for _, path := range wanted {
		p.want(path)
	}
	return p
}

// want keeps path and everything below it.
func (p projection) want(path string) {
	name, rest, deeper := strings.Cut(path, ".")
	inner, known := p[name]
	switch {
	case known && inner == nil:
	case !deeper:
		p[name] = nil
	default:
		if !known {
			inner = projection{}
			p[name] = inner
		}
		inner.want(rest)
	}
}

// apply drops from fields what is not wanted, in place.
func (p projection) apply(fields map[string]any) {
	if p == nil {
		return
	}
	for name, value := range fields {
		inner, wanted := p[name]
		if !wanted {
			delete(fields, name)
			continue
		}
		if object, ok := value.(map[string]any); ok {
			inner.apply(object)
		}
	}
}
