package mapping

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/vm"

	"github.com/scimsync/scimsync/identity"
)

// Mapper is a compiled Config. It is immutable and may be used by several
// goroutines at once.
type Mapper struct {
	kind       identity.Kind
	checks     []check
	rules      []*rule // in order of path
	byPath     map[string]*rule
	externalID bool // externalId is the source's id
	scope      *expression
	include    Globs // nil for all
	nameField  string
	fields     []string
	sources    map[string]string
	machines   *sync.Pool // of *vm.VM
}

// Map turns a complete record into the entry the target should hold.
//
// A nil attribute of the entry clears it; one that is absent is left alone. The
// error is a *ValueError or ValueErrors and says, by path, why the record cannot
// be mapped or placed: it lacks a field the source always has, an expression
// stopped, a value is one that no attribute can hold, or active or scope came
// out as neither true nor false. The caller must then shield the object: a
// record that cannot be mapped is not one that is gone. Where the record is out
// of scope, a mapping that fails is no error.
func (m *Mapper) Map(rec identity.Record) (Mapped, error) {
	for i := range m.checks {
		if err := m.checks[i].on(rec.Fields); err != nil {
			return Mapped{}, err
		}
	}
	machine := m.machines.Get().(*vm.VM)
	defer m.machines.Put(machine)

	why, err := m.leaves(machine, rec.Fields)
	if err != nil {
		return Mapped{}, err
	}
	attrs, problems := m.attributes(machine, rec)
	switch {
	case len(problems) == 0:
		return Mapped{InScope: why == "", Why: why, Entry: identity.Entry{Ref: rec.Ref, Attrs: attrs}}, nil
	case why != "":
		return Mapped{Why: why}, nil
	case len(problems) == 1:
		return Mapped{}, problems[0]
	}
	return Mapped{}, problems
}

// leaves returns which rule leaves the record out, or "".
func (m *Mapper) leaves(machine *vm.VM, fields map[string]any) (string, *ValueError) {
	if m.include != nil {
		name, ok := fields[m.nameField].(string)
		if !ok {
			return "", &ValueError{"include", fmt.Sprintf("the record has no %s for a pattern to match", m.nameField)}
		}
		if !m.include.Match(name) {
			return "no pattern of include matches its name (" + m.include.String() + ")", nil
		}
	}
	if m.scope == nil {
		return "", nil
	}
	value, err := m.scope.run(machine, fields)
	if err != nil {
		return "", &ValueError{"scope", err.Error()}
	}
	in, ok := value.(bool)
	switch {
	case !ok:
		return "", &ValueError{"scope", "the result must be true or false and is " + describe(value)}
	case !in:
		return "scope is false: " + shorten(m.scope.source), nil
	}
	return "", nil
}

// attributes runs every rule.
func (m *Mapper) attributes(machine *vm.VM, rec identity.Record) (identity.Attrs, ValueErrors) {
	attrs := make(identity.Attrs, len(m.rules)+1)
	var problems ValueErrors
	if m.externalID {
		if rec.Ref.ID == "" {
			problems = append(problems, &ValueError{externalID, "the record has no id"})
		}
		attrs[externalID] = rec.Ref.ID
	}
	for _, r := range m.rules {
		value, err := r.value.run(machine, rec.Fields)
		if err == nil {
			value, err = convert(value, r)
		}
		if err != nil {
			problems = append(problems, &ValueError{r.path, err.Error()})
			continue
		}
		if value == nil {
			value = r.fallback
		}
		nameless := r.required && r.kind != kindBool && blank(value)
		switch {
		case value != nil && !nameless:
			attrs[r.path] = value
		case r.required && r.kind == kindBool:
			problems = append(problems, &ValueError{r.path, "the result must be true or false and is absent"})
		case r.required:
			problems = append(problems, &ValueError{r.path, fmt.Sprintf("the value is empty, and a %s cannot be without it", m.kind)})
		case r.empty == ClearEmpty:
			attrs[r.path] = nil
		}
	}
	return attrs, problems
}

// Kind returns the kind of record the mapper is for.
func (m *Mapper) Kind() identity.Kind { return m.kind }

// Fields returns the record's fields that the rules, the scope and the include
// patterns use, as dotted paths in order: what a source must be asked for,
// beside the fields it always has.
func (m *Mapper) Fields() []string { return slices.Clone(m.fields) }

// Paths returns the SCIM paths that are managed, in order. Each of them is in
// the entry Map returns, unless its value is empty and kept.
func (m *Mapper) Paths() []string {
	paths := make([]string, 0, len(m.rules)+1)
	for _, r := range m.rules {
		paths = append(paths, r.path)
	}
	if m.externalID {
		paths = append(paths, externalID)
		slices.Sort(paths)
	}
	return paths
}

// OnCreate reports whether the path is set on creation and never touched
// afterwards.
func (m *Mapper) OnCreate(path string) bool {
	r := m.rule(path)
	return r != nil && r.when == OnCreate
}

// Keeps reports whether an empty result leaves what the target holds.
func (m *Mapper) Keeps(path string) bool {
	r := m.rule(path)
	return r != nil && r.empty == KeepEmpty
}

// Reference returns the kind of object the path refers to, and whether it
// refers to one.
func (m *Mapper) Reference(path string) (identity.Kind, bool) {
	r := m.rule(path)
	if r == nil || r.reference == "" {
		return "", false
	}
	return r.reference, true
}

// Refers reports whether a path refers to objects of the kind.
func (m *Mapper) Refers(k identity.Kind) bool {
	return slices.ContainsFunc(m.rules, func(r *rule) bool { return r.reference == k })
}

// Source returns the expression a path's value comes from, as it is written,
// and "" for a path that is not managed.
func (m *Mapper) Source(path string) string {
	if r := m.rule(path); r != nil {
		return m.sources[r.path]
	}
	if m.externalID && strings.EqualFold(path, externalID) {
		return m.sources[externalID]
	}
	return ""
}

// rule finds a rule by its path in any case.
func (m *Mapper) rule(path string) *rule {
	if r := m.byPath[path]; r != nil {
		return r
	}
	for _, r := range m.rules {
		if strings.EqualFold(r.path, path) {
			return r
		}
	}
	return nil
}

// String lists the patterns as they are written.
func (g Globs) String() string {
	all := make([]string, len(g))
	for i := range g {
		all[i] = g[i].source
	}
	return shorten(strings.Join(all, ", "))
}

// shorten keeps a text fit for one line of a report.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return s
}
