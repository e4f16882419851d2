package configs

import (
	"fmt"
	"slices"
)

// The values of notify.batch.
const (
	BatchRun    = "run"    // one message a run
	BatchObject = "object" // one an object
)

// notifyDoc says who hears about what of a sync.
type notifyDoc struct {
	To     []string `yaml:"to" jsonschema:"required" jsonschema_description:"Names of notifiers."`
	Events []string `yaml:"events,omitempty" jsonschema:"enum=group_created,enum=group_exists,enum=failed,enum=held,enum=credential_expiring,enum=stale,enum=recovered" jsonschema_description:"What to tell. Left out: everything."`
	Batch  string   `yaml:"batch" jsonschema:"enum=run,enum=object" jsonschema_description:"One message a run, or one an object. Default run."`
}

func (doc *notifyDoc) setDefaults() { doc.Batch = BatchRun }

// tells reports whether anybody hears of an event.
func (doc *notifyDoc) tells(event string) bool {
	return doc != nil && (len(doc.Events) == 0 || slices.Contains(doc.Events, event))
}

func (b *builder) buildNotifiers() {
	b.notifiers = map[string]*Notifier{}
	for _, name := range b.doc.Notifiers.names {
		doc := b.doc.Notifiers.values[name]
		if doc.settings == nil {
			b.notifiers[name] = nil // known, and already reported
			continue
		}
		path := join("notifiers", name)
		resolvePaths(doc.settings, b.folder)
		b.validate(path, doc.settings)
		b.notifiers[name] = &Notifier{Name: name, Type: doc.kind, Settings: doc.settings}
	}
}

// notify checks who hears about a sync.
func (b *builder) notify(path string, doc *notifyDoc) *Notify {
	if doc == nil {
		return nil
	}
	known := b.doc.Notifiers.names
	to, events := join(path, "to"), join(path, "events")
	if at, given := b.places[to]; given && len(doc.To) == 0 && b.clean(to) {
		b.add(at.line, at.column, to, "names nobody", suggest("", "notifiers", known))
	}
	for i, name := range doc.To {
		key := fmt.Sprintf("%s[%d]", to, i)
		switch {
		case !b.clean(key):
		case !slices.Contains(known, name):
			b.atValue(key, quoted(name)+" is not among notifiers", suggest(name, "notifiers", known))
		case slices.Contains(doc.To[:i], name):
			b.atValue(key, name+" is listed twice", "")
		}
	}
	if at, given := b.places[events]; given && len(doc.Events) == 0 && b.clean(events) {
		b.add(at.line, at.column, events, "is empty, so nothing would be told", "leave the key out for everything")
	}
	return &Notify{To: doc.To, Events: doc.Events, Batch: doc.Batch}
}

// warnUnheard remarks on notifiers that no sync names.
func (b *builder) warnUnheard(syncs []*Sync) {
	for _, name := range b.doc.Notifiers.names {
		if !slices.ContainsFunc(syncs, func(s *Sync) bool { return s.Notify != nil && slices.Contains(s.Notify.To, name) }) {
			b.warn(join("notifiers", name), "no sync names it in notify.to, so it is told nothing")
		}
	}
}
