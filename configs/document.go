package configs

import (
	"reflect"
	"regexp"

	"github.com/scimsync/scimsync/connectors"
)

// document is the shape of the file. Its tags are the one description of the
// keys: the decoder, the JSON Schema and Show all go by them.
type document struct {
	Version   int             `yaml:"version" jsonschema:"required" jsonschema_description:"Version of this format: 1."`
	State     string          `yaml:"state" jsonschema_description:"SQLite file with what scimsync remembers, created on first use. Relative to this file."`
	Sources   named[source]   `yaml:"sources,omitempty" jsonschema_description:"Where people and groups come from, by a name of your own."`
	Targets   named[target]   `yaml:"targets,omitempty" jsonschema_description:"Where they go, by a name of your own."`
	Syncs     named[syncDoc]  `yaml:"syncs,omitempty" jsonschema_description:"What goes from where to where, by a name of your own."`
	Notifiers named[notifier] `yaml:"notifiers,omitempty" jsonschema_description:"Who hears about runs, by a name of your own."`
	Server    *serverDoc      `yaml:"server,omitempty" jsonschema_description:"HTTP endpoints of the daemon: /healthz, /readyz, /metrics and POST /hooks/SYNC. Left out: none."`
	History   historyDoc      `yaml:"history" jsonschema_description:"How long past runs are kept."`
}

func (doc *document) setDefaults() {
	doc.State = "scimsync.db"
	doc.History.Keep = connectors.Duration(90 * day)
}

type historyDoc struct {
	Keep connectors.Duration `yaml:"keep" jsonschema_description:"Age after which runs and their changes are forgotten. Default 90d."`
}

// nameForm is the form of the names of sources, targets, syncs and notifiers.
const nameForm = `^[a-zA-Z0-9_-]+$`

var validName = regexp.MustCompile(nameForm)

// named is a mapping from names to values that keeps the order of the file.
type named[T any] struct {
	names  []string
	values map[string]*T
}

func (m *named[T]) decodeNode(d *decoder, n *node, path string) {
	if n.kind != mapNode {
		d.atValue(path, "expected names and what they stand for, found "+n.kind.found(), "")
		return
	}
	m.values = map[string]*T{}
	for _, e := range d.unique(n.entries, path) {
		key := join(path, e.key)
		value := new(T)
		if target, ok := any(value).(defaulter); ok {
			target.setDefaults()
		}
		d.decode(e.value, key, reflect.ValueOf(value).Elem())
		if !validName.MatchString(e.key) {
			d.atKey(key, "is not a name", "use letters, digits, _ and -")
			continue
		}
		m.names = append(m.names, e.key)
		m.values[e.key] = value
	}
}
