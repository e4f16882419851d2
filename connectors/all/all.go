// Package all lists every source and target that this program contains. It is
// the only package that imports the implementations; registration is this map
// and nothing else.
package all

import (
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/file"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/scim"
)

// Sources returns the source types by name.
func Sources() map[string]connectors.SourceType {
	return byName(func(t connectors.SourceType) string { return t.Name },
		okta.Type(), entra.Type(), sailpoint.Type(), file.Type())
}

// Targets returns the target types by name.
func Targets() map[string]connectors.TargetType {
	return byName(func(t connectors.TargetType) string { return t.Name }, scim.Type())
}

func byName[T any](name func(T) string, types ...T) map[string]T {
	out := make(map[string]T, len(types))
	for _, t := range types {
		out[name(t)] = t
	}
	return out
}
