package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/vm"

	"github.com/scimsync/scimsync/identity"
)

// rule is one compiled Rule.
type rule struct {
	path      string
	kind      attributeKind
	parsed    identity.Path
	value     *expression
	when      When
	empty     Empty
	fallback  any // converted Default; nil for none
	reference identity.Kind
	// required says that the attribute must not end up empty.
	required bool
}

// single reports whether the attribute takes one value rather than a list.
func (r *rule) single() bool {
	return r.kind != kindUnknown || r.parsed.Sub != "" || r.reference != ""
}

// compiler collects mistakes while it makes a Mapper.
type compiler struct {
	config  Config
	book    attributeBook
	grammar *grammar
	errors  Errors
	used    map[string]bool
}

func (c *compiler) fail(pos Pos, path, problem, hint string) {
	c.errors = append(c.errors, &Error{Pos: pos, Path: path, Problem: problem, Hint: hint})
}

// Compile makes a Mapper of what a sync says about one kind, of the fields the
// source describes for it, and of the source's default rules, by path. It needs
// no network. The error is an Errors with every mistake there is, in the order
// of the file; mistakes in the default rules have no place.
//
// Rules extend and override the defaults path by path. A rule without a value
// takes the value of the default for its path. Unless a rule says otherwise,
// externalId is the source's immutable id.
func Compile(cfg Config, fields []identity.Field, defaults map[string]string) (*Mapper, error) {
	c := &compiler{config: cfg, book: newAttributeBook(), grammar: newGrammar(newRecordType(fields)), used: map[string]bool{}}
	m := &Mapper{
		kind:    cfg.Kind,
		byPath:  map[string]*rule{},
		sources: map[string]string{},
	}
	if cfg.Kind != identity.User && cfg.Kind != identity.Group {
		c.fail(Pos{}, "", fmt.Sprintf("a mapping is for users or groups, not for %q", cfg.Kind), "")
		return nil, c.errors
	}
	c.rules(m, defaults)
	c.scope(m)
	c.include(m)
	if len(c.errors) > 0 {
		return nil, c.errors.sorted()
	}
	m.checks = c.grammar.record.checks(c.used)
	m.fields = slices.Sorted(maps.Keys(c.used))
	m.machines = &sync.Pool{New: func() any { return &vm.VM{MemoryBudget: maxVMMemory} }}
	return m, nil
}

// key is the form in which two paths are the same attribute.
func key(path string) string { return strings.ToLower(path) }

// rules compiles the configured rules and the defaults they leave.
func (c *compiler) rules(m *Mapper, defaults map[string]string) {
	standard := c.standard(defaults)
	seen := map[string]Rule{}
	broken := false // a path could not be read, so what is missing is not known
	off := false
	for _, configured := range c.config.Rules {
		r, ok := c.path(configured)
		if !ok {
			broken = true
			continue
		}
		if before, again := seen[key(r.path)]; again {
			c.fail(configured.Pos, r.path, "the attribute is mapped twice", firstMapped(before))
			continue
		}
		seen[key(r.path)] = configured
		base, inherited := standard[key(r.path)]
		delete(standard, key(r.path))
		if configured.Off {
			off = off || r.path == externalID
			c.off(configured, r, inherited, standard)
			continue
		}
		value := configured.Value
		if strings.TrimSpace(value.Source) == "" && inherited {
			value = base.Value
		}
		if strings.TrimSpace(value.Source) == "" {
			c.fail(configured.Pos, r.path, "the rule has no value", "write an expression, nil to clear the attribute, or off to leave it alone")
			continue
		}
		c.rule(m, r, configured, value)
	}
	for _, k := range slices.Sorted(maps.Keys(standard)) {
		base := standard[k]
		if r, ok := c.path(base); ok {
			c.rule(m, r, base, base.Value)
		}
	}
	m.externalID = !off && m.byPath[externalID] == nil && !mentions(seen, externalID)
	if m.externalID {
		m.sources[externalID] = "the source's id"
	}
	slices.SortFunc(m.rules, func(a, b *rule) int { return strings.Compare(a.path, b.path) })
	c.overlaps(m, seen)
	if name := nameOf(c.config.Kind); !broken && m.byPath[name] == nil && !mentions(seen, name) {
		c.fail(Pos{}, name, fmt.Sprintf("%s need a rule for it, and the source has none by default", c.config.Kind.Plural()), "")
	}
}

const externalID = "externalId"

// nameOf returns the attribute no entry of the kind can be without (RFC 7643,
// sections 4.1.1 and 4.2).
func nameOf(kind identity.Kind) string {
	if kind == identity.Group {
		return "displayName"
	}
	return "userName"
}

func mentions(seen map[string]Rule, path string) bool {
	_, ok := seen[key(path)]
	return ok
}

func firstMapped(before Rule) string {
	if place := before.Pos.String(); place != "" {
		return "first at " + place
	}
	return ""
}

// standard returns the default rules by key.
func (c *compiler) standard(defaults map[string]string) map[string]Rule {
	all := make(map[string]Rule, len(defaults))
	for _, path := range slices.Sorted(maps.Keys(defaults)) {
		base := Rule{Path: path, Value: Expr{Source: defaults[path]}}
		parsed, err := identity.ParsePath(path)
		if err != nil {
			_, problem, _ := strings.Cut(err.Error(), ": ")
			c.fail(Pos{}, path, problem, "in the source's default rules")
			continue
		}
		canonical, _ := c.book.canonical(c.config.Kind, parsed)
		all[key(canonical.String())] = base
	}
	return all
}

// path reads the path of a rule, and everything of it that needs no value.
func (c *compiler) path(configured Rule) (*rule, bool) {
	parsed, err := identity.ParsePath(configured.Path)
	if err != nil {
		_, problem, _ := strings.Cut(err.Error(), ": ")
		c.fail(configured.Pos, configured.Path, problem, `paths are written as in name.givenName or emails[type eq "work"].value`)
		return nil, false
	}
	canonical, kind := c.book.canonical(c.config.Kind, parsed)
	r := &rule{path: canonical.String(), parsed: canonical, kind: kind}
	switch {
	case kind == kindReadOnly && canonical.Attribute == "members":
		c.fail(configured.Pos, r.path, "members are provisioned from the source's groups, not by a rule", "see groups.members")
	case kind == kindReadOnly:
		c.fail(configured.Pos, r.path, "the attribute belongs to the target and cannot be written", "")
	case kind == kindComplex && !configured.Off:
		c.fail(configured.Pos, r.path, "the attribute has sub-attributes and takes no value itself", "name one, such as "+example(canonical))
	default:
		return r, true
	}
	return nil, false
}

// off checks a rule that drops a default.
func (c *compiler) off(configured Rule, r *rule, inherited bool, standard map[string]Rule) {
	if r.path == nameOf(c.config.Kind) {
		c.fail(configured.Pos, r.path, fmt.Sprintf("%s cannot be without it", c.config.Kind.Plural()), "")
		return
	}
	if inherited || r.path == externalID {
		return
	}
	// Nothing is dropped. That is harmless unless another path was meant.
	paths := []string{}
	for _, base := range standard {
		paths = append(paths, base.Path)
	}
	if near := nearest(r.path, paths); near != "" {
		c.fail(configured.Pos, r.path, "the source has no default rule of this path", "did you mean "+near+"?")
	}
}

// rule compiles one rule and adds it to the mapper.
func (c *compiler) rule(m *Mapper, r *rule, configured Rule, value Expr) {
	r.when, r.empty, r.reference = configured.When, configured.Empty, configured.Reference
	switch r.when {
	case "":
		r.when = Always
	case Always, OnCreate:
	default:
		c.fail(configured.Pos, r.path, fmt.Sprintf("when is always or create, not %q", r.when), "")
	}
	switch r.empty {
	case "":
		r.empty = ClearEmpty
	case ClearEmpty, KeepEmpty:
	default:
		c.fail(configured.Pos, r.path, fmt.Sprintf("empty is clear or keep, not %q", r.empty), "")
	}
	if r.reference != "" && r.reference != identity.User && r.reference != identity.Group {
		c.fail(configured.Pos, r.path, fmt.Sprintf("a reference is to a user or a group, not to %q", r.reference), "")
	}
	if r.reference != "" && (r.kind == kindBool || r.kind == kindLine) {
		c.fail(configured.Pos, r.path, "the attribute cannot refer to another object", "")
	}
	if r.path == "password" && r.when != OnCreate {
		// A password is never returned (RFC 7643, section 4.1.1), so it
		// would differ for ever.
		c.fail(configured.Pos, r.path, "a password can be set on creation only, since the target never shows it", "write when: create")
	}
	r.required = r.path == nameOf(c.config.Kind) || r.kind == kindBool && r.path == "active"
	if configured.Default != nil {
		fallback, err := convert(configured.Default, r)
		if err != nil {
			c.fail(configured.Pos, r.path, "default: "+err.Error(), "")
		}
		r.fallback = fallback
	}
	compiled, result := c.expression(r.path, value)
	if compiled == nil {
		return
	}
	if problem := r.refuses(result); problem != "" {
		c.fail(value.Pos, r.path, problem, "")
	}
	r.value = compiled
	m.rules = append(m.rules, r)
	m.byPath[r.path] = r
	m.sources[r.path] = value.Source
}

// refuses says why the attribute cannot take what the expression gives, as far
// as that is known beforehand, or "".
func (r *rule) refuses(result shape) string {
	switch {
	case r.kind == kindBool && result != shapeBool && result != shapeAny,
		result == shapeNil && r.required && r.fallback == nil:
		takes := "a text"
		if r.kind == kindBool {
			takes = "true or false"
		}
		return fmt.Sprintf("the attribute takes %s and the expression gives %s", takes, result)
	case result == shapeOther:
		return "the expression gives an object, which no attribute takes"
	case result == shapeBool && (r.kind == kindText || r.kind == kindLine || r.reference != ""):
		return "the attribute takes a text and the expression gives true or false"
	case result == shapeList && r.single():
		return "the attribute takes one value and the expression gives a list"
	}
	return ""
}

// expression compiles one expression and tells its mistakes.
func (c *compiler) expression(path string, e Expr) (*expression, shape) {
	compiled, result, used, findings := c.grammar.compile(e.Source)
	for _, f := range findings {
		c.fail(e.Pos.at(e.Source, f.offset), path, f.problem, f.hint)
	}
	for name := range used {
		c.used[name] = true
	}
	return compiled, result
}

// overlaps refuses two rules of which one's attribute holds the other's.
func (c *compiler) overlaps(m *Mapper, configured map[string]Rule) {
	for _, whole := range m.rules {
		if whole.parsed.Sub != "" || whole.parsed.Filter != (identity.Filter{}) {
			continue
		}
		for _, part := range m.rules {
			if part != whole && part.parsed.Schema == whole.parsed.Schema && strings.EqualFold(part.parsed.Attribute, whole.parsed.Attribute) {
				c.fail(configured[key(part.path)].Pos, part.path, fmt.Sprintf("the attribute is part of %s, which is mapped as well", whole.path), "")
			}
		}
	}
}

// scope compiles the scope.
func (c *compiler) scope(m *Mapper) {
	scope := c.config.Scope
	if scope == (Expr{}) {
		return
	}
	compiled, result := c.expression("scope", scope)
	if compiled != nil && result != shapeBool && result != shapeAny {
		c.fail(scope.Pos, "scope", fmt.Sprintf("a scope must be true or false and the expression gives %s", result), "")
	}
	m.scope = compiled
}

// include compiles the globs and finds the field they look at.
func (c *compiler) include(m *Mapper) {
	if c.config.Include == nil {
		return
	}
	m.include = Globs{}
	for _, pattern := range c.config.Include {
		g, err := parseGlob(pattern.Source)
		if err != nil {
			c.fail(pattern.Pos, "include", err.Error(), "")
			continue
		}
		m.include = append(m.include, g)
	}
	record := c.grammar.record
	for _, candidate := range []string{"name", "displayName"} {
		if f, ok := record.children[candidate]; ok && (f.typ == identity.String || f.typ == identity.Any) {
			m.nameField = candidate
			break
		}
	}
	if m.nameField == "" {
		if !record.open {
			pos := Pos{}
			if len(c.config.Include) > 0 {
				pos = c.config.Include[0].Pos
			}
			c.fail(pos, "include", "the source's records have no name that a pattern could match", "write a scope instead")
			return
		}
		m.nameField = "name"
	}
	c.used[m.nameField] = true
}
