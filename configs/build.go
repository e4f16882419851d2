package configs

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// builder makes a Config of a document, checking what concerns more than one
// key. It works on a document with problems too, to find the others.
type builder struct {
	*decoder
	doc    *document
	tree   *node
	folder string

	sources   map[string]*Source
	targets   map[string]*Target
	notifiers map[string]*Notifier
	warnings  []*Problem
}

func (b *builder) config(path string) *Config {
	cfg := &Config{Path: path, State: b.doc.State, effective: b.doc}
	if b.doc.Version != 1 && b.clean("version") {
		b.atValue("version", fmt.Sprintf("version %d is not one this release reads", b.doc.Version), "write version: 1")
	}
	if b.doc.State == "" {
		b.atValue("state", "is empty", "name a file")
	} else if !filepath.IsAbs(cfg.State) {
		cfg.State = filepath.Join(b.folder, cfg.State)
	}
	if b.doc.History.Keep <= 0 && b.clean("history.keep") {
		b.atValue("history.keep", "must be more than 0", "90d keeps three months")
	}
	cfg.History = History{Keep: b.doc.History.Keep}
	b.buildSources()
	b.buildTargets()
	b.buildNotifiers()
	cfg.Sources, cfg.Targets, cfg.Notifiers = b.sources, b.targets, b.notifiers
	cfg.Server = b.server()
	for _, name := range b.doc.Syncs.names {
		cfg.Syncs = append(cfg.Syncs, b.sync(name, b.doc.Syncs.values[name]))
	}
	b.warnUnheard(cfg.Syncs)
	if len(cfg.Syncs) == 0 && b.clean("syncs") {
		b.warn("syncs", "there are none, so nothing is provisioned")
	}
	cfg.Warnings = sorted(b.warnings)
	return cfg
}

func (b *builder) warn(path, text string) {
	at := b.placeOf(path)
	b.warnings = append(b.warnings, &Problem{File: b.file, Line: at.keyLine, Column: at.keyColumn, Key: path, Text: text})
}

func (b *builder) buildSources() {
	b.sources = map[string]*Source{}
	for _, name := range b.doc.Sources.names {
		s := b.doc.Sources.values[name]
		if s.settings == nil {
			b.sources[name] = nil // known, and already reported
			continue
		}
		path := join("sources", name)
		built := &Source{Name: name, Type: s.kind, Settings: s.settings, Selection: selection(s.kind.Name, s.settings)}
		resolvePaths(s.settings, b.folder)
		b.validate(path, s.settings)
		b.sources[name] = built
	}
}

func (b *builder) buildTargets() {
	b.targets = map[string]*Target{}
	for _, name := range b.doc.Targets.names {
		t := b.doc.Targets.values[name]
		if t.settings == nil {
			b.targets[name] = nil
			continue
		}
		path := join("targets", name)
		resolvePaths(t.settings, b.folder)
		b.validate(path, t.settings)
		built := &Target{Name: name, Type: t.kind, Settings: t.settings}
		if t.kind.URL != nil && b.clean(path) {
			built.URL = t.kind.URL(t.settings)
		}
		b.targets[name] = built
	}
}

func (b *builder) sync(name string, doc *syncDoc) *Sync {
	path := join("syncs", name)
	out := &Sync{Name: name, Guards: doc.guards(), Protect: doc.protect()}
	out.Source = reference(b.decoder, join(path, "from"), doc.From, "sources", b.sources)
	out.Target = reference(b.decoder, join(path, "to"), doc.To, "targets", b.targets)
	b.schedules(out, path, doc)
	out.Notify = b.notify(join(path, "notify"), doc.Notify)
	b.checkProtect(path, doc)
	b.usersDefault(out, path, doc)
	if doc.Users.off && doc.Groups.off && b.clean(join(path, "users")) && b.clean(join(path, "groups")) {
		b.atKey(path, "has neither users nor groups, so there is nothing to provision", "switch one on: users: on, or groups: {}")
	}
	out.Users = b.users(path, doc, out.Source)
	out.Groups = b.groups(path, doc, out.Source)
	b.warnGuards(path, doc)
	if out.Users == nil && out.Groups != nil && out.Groups.Members != MembersOff {
		b.warn(join(path, "groups"), "users are off, so this sync owns none and writes no membership; members: off says so")
	}
	out.Hash = hash(doc, out)
	return out
}

// reference returns what a name stands for; nil where it is missing, unknown or
// itself broken.
func reference[T any](d *decoder, path, name, section string, known map[string]*T) *T {
	found, ok := known[name]
	if !ok && d.clean(path) {
		hint := suggest(name, section, slices.Collect(maps.Keys(known)))
		d.atValue(path, fmt.Sprintf("%s is not among %s", quoted(name), section), hint)
	}
	return found
}

// usersDefault switches users off where they were left out and the source has
// none.
func (b *builder) usersDefault(out *Sync, path string, doc *syncDoc) {
	_, given := b.places[join(path, "users")]
	if !given && out.Source != nil && out.Source.Type.Fields[identity.User] == nil {
		doc.Users.off = true
	}
}

func (b *builder) checkProtect(path string, doc *syncDoc) {
	for _, kind := range identity.Kinds() {
		for i, name := range doc.protect()[kind] {
			key := fmt.Sprintf("%s.protect.%s[%d]", path, kind.Plural(), i)
			if identity.Fold(name) == "" && b.clean(key) {
				b.atValue(key, "is empty", "name what to protect or leave it out")
			}
		}
	}
}

func (doc *syncDoc) protect() map[identity.Kind][]string {
	out := map[identity.Kind][]string{}
	if len(doc.Protect.Users) > 0 {
		out[identity.User] = doc.Protect.Users
	}
	if len(doc.Protect.Groups) > 0 {
		out[identity.Group] = doc.Protect.Groups
	}
	return out
}

func (doc *syncDoc) guards() Guards {
	limit := func(l limitDoc) Limit { return Limit{Max: l.Max, Share: float64(l.Share)} }
	return Guards{
		Users:       limit(doc.Guards.Users),
		Groups:      limit(doc.Guards.Groups),
		Memberships: limit(doc.Guards.Memberships),
		Floor:       doc.Guards.Floor,
		OnTrip:      doc.Guards.OnTrip,
	}
}
