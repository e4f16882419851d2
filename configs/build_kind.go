package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// kindDoc is what users and groups have in common.
type kindDoc struct {
	kind    identity.Kind
	path    string // of the section
	key     string // the attribute people know an object by
	scope   expression
	include []expression
	rules   rules
}

func (b *builder) users(syncPath string, doc *syncDoc, src *Source) *Users {
	if doc.Users.off {
		return nil
	}
	users := &doc.Users.usersDoc
	common := kindDoc{identity.User, join(syncPath, "users"), "userName", users.Scope, nil, users.Map}
	out := &Users{
		Matching: Matching{Existing: users.Matching.Existing, Rehire: users.Matching.Rehire},
		Create:   users.Create,
		Update:   users.Update,
		Leavers:  Leavers(users.Leavers),
		Grace:    users.Grace,
	}
	b.checkKind(&common, users.Grace < 0)
	out.Mapping, users.Matching.By = b.mapping(&common, src, users.Matching.By)
	out.Matching.By = users.Matching.By
	b.warnMatching(&common, out.Matching.By)
	if slices.Contains([]Leave{users.Leavers.Disabled, users.Leavers.Gone, users.Leavers.Unassigned, users.Leavers.OutOfScope}, LeaveDelete) {
		b.warn(join(common.path, "leavers"), "deletes accounts; deactivate can be undone")
	}
	return out
}

func (b *builder) groups(syncPath string, doc *syncDoc, src *Source) *Groups {
	if doc.Groups.off {
		return nil
	}
	groups := &doc.Groups.groupsDoc
	common := kindDoc{identity.Group, join(syncPath, "groups"), "displayName", groups.Scope, groups.Include, groups.Map}
	out := &Groups{
		Matching: Matching{Existing: groups.Matching.Existing},
		Create:   groups.Create,
		Update:   groups.Update,
		Members:  groups.Members,
		Nested:   groups.Nested,
		Leavers:  groups.Leavers,
		Grace:    groups.Grace,
	}
	b.checkKind(&common, groups.Grace < 0)
	out.Bundles = b.bundles(join(common.path, "bundles"), groups)
	if groups.Matching.Existing == NotifyExisting && !doc.Notify.tells("group_exists") {
		b.warn(join(common.path, "matching.existing"), "is notify, and notify tells nobody of group_exists; such groups stand in the report alone")
	}
	out.Mapping, groups.Matching.By = b.mapping(&common, src, groups.Matching.By)
	out.Matching.By = groups.Matching.By
	if groups.Leavers == LeaveDelete {
		b.warn(join(common.path, "leavers"), "deletes groups; keep leaves them")
	}
	return out
}

// bundles checks the groups whose members join others.
func (b *builder) bundles(path string, groups *groupsDoc) map[string][]string {
	if len(groups.Bundles) > 0 && groups.Members == MembersOff && b.clean(path) {
		b.atKey(path, "has no effect while members are off", "take out one of the two")
	}
	for name, list := range groups.Bundles {
		key := join(path, name)
		switch {
		case identity.Fold(name) == "":
			b.atKey(key, "has a group without a name on the left", "")
		case len(list) == 0 && b.clean(key):
			b.atValue(key, "names no group", "list those that the members join, or leave it out")
		}
		seen := map[string]bool{}
		for i, other := range list {
			at, folded := fmt.Sprintf("%s[%d]", key, i), identity.Fold(other)
			switch {
			case !b.clean(at):
			case folded == "":
				b.atValue(at, "is empty", "")
			case seen[folded]:
				b.atValue(at, quoted(other)+" is listed twice", "")
			}
			seen[folded] = true
		}
	}
	return groups.Bundles
}

// checkKind checks what needs no source.
func (b *builder) checkKind(common *kindDoc, negativeGrace bool) {
	if negativeGrace {
		b.atValue(join(common.path, "grace"), "must not be negative", "")
	}
	scope := join(common.path, "scope")
	// Nobody in scope means that everybody leaves.
	if text := strings.ToLower(common.scope.text); (text == "off" || text == "false") && b.clean(scope) {
		b.atValue(scope, "would leave out everyone", fmt.Sprintf("leave the key out for all, or write %s: off", common.kind.Plural()))
	}
	include := join(common.path, "include")
	if at, given := b.places[include]; given && len(common.include) == 0 && b.clean(include) {
		b.add(at.line, at.column, include, "is empty, which would leave out every group", "leave the key out for all, or write groups: off")
	}
}

// mapping compiles the rules of a kind and settles what to match on.
func (b *builder) mapping(common *kindDoc, src *Source, by []string) (*mapping.Mapper, []string) {
	if src == nil { // reported already
		return nil, b.matchBy(common, by, nil)
	}
	fields, ok := src.Type.Fields[common.kind]
	if !ok {
		b.atKey(common.path, fmt.Sprintf("source %s has no %s", src.Name, common.kind.Plural()), fmt.Sprintf("write %s: off", common.kind.Plural()))
		return nil, by
	}
	defaults := src.Type.DefaultMap[common.kind]
	config := mapping.Config{Kind: common.kind, Scope: common.scope.compiled(), Rules: b.compiledRules(common, defaults)}
	for _, glob := range common.include {
		config.Include = append(config.Include, glob.compiled())
	}
	mapper, err := mapping.Compile(config, fields, defaults)
	if err != nil {
		b.mappingProblems(common, err)
	}
	mapped := mappedPaths(common.rules, defaults)
	b.checkRequired(common, mapped)
	return mapper, b.matchBy(common, by, mapped)
}

// compiledRules hands the rules to mapping. A rule without a value extends the
// source's default for its path.
func (b *builder) compiledRules(common *kindDoc, defaults map[string]string) []mapping.Rule {
	known := map[string]string{}
	for path, source := range defaults {
		known[foldPath(path)] = source
	}
	var out []mapping.Rule
	for _, r := range common.rules {
		value := r.Value.compiled()
		if source, ok := known[foldPath(r.path)]; value.Source == "" && ok && !r.off {
			value = mapping.Expr{Source: source}
		}
		if key := join(common.path, "map."+r.path); value.Source == "" && !r.off && b.clean(key) {
			b.atKey(join(key, "value"), "is missing", "the source has no default for this attribute")
			continue
		}
		out = append(out, mapping.Rule{
			Path: r.path, Pos: r.pos, Off: r.off, Value: value, When: r.When, Empty: r.Empty,
			Default: r.Default, Reference: r.Reference,
		})
	}
	return out
}

// mappingProblems files the mistakes that mapping found.
func (b *builder) mappingProblems(common *kindDoc, err error) {
	var list interface{ Unwrap() []error }
	mistakes := []error{err}
	if errors.As(err, &list) {
		mistakes = list.Unwrap()
	}
	for _, mistake := range mistakes {
		e, ok := errors.AsType[*mapping.Error](mistake)
		if !ok {
			b.atKey(common.path, mistake.Error(), "")
			continue
		}
		key := common.path
		switch {
		case e.Path == "scope" || strings.HasPrefix(e.Path, "include"):
			key = join(common.path, e.Path)
		case e.Path != "":
			key = join(common.path, "map."+e.Path)
		}
		if e.Pos.Line == 0 {
			b.atKey(key, e.Problem, e.Hint)
			continue
		}
		b.add(e.Pos.Line, e.Pos.Column, key, e.Problem, e.Hint)
	}
}

// mappedPaths returns the paths that the rules and the source's defaults manage,
// by their folded spelling.
func mappedPaths(own rules, defaults map[string]string) map[string]string {
	out := map[string]string{"externalid": "externalId"}
	for path := range defaults {
		out[foldPath(path)] = canonical(path)
	}
	for _, r := range own {
		if r.off {
			delete(out, foldPath(r.path))
		} else {
			out[foldPath(r.path)] = canonical(r.path)
		}
	}
	return out
}

// checkRequired refuses a mapping without the one attribute that a resource
// cannot do without: userName (RFC 7643, section 4.1.1), displayName of a group
// (section 4.2).
func (b *builder) checkRequired(common *kindDoc, mapped map[string]string) {
	path := join(common.path, "map."+common.key)
	if _, ok := mapped[foldPath(common.key)]; !ok && b.clean(join(common.path, "map")) {
		b.atKey(path, "is not mapped, and the target requires it", "give it an expression")
	}
	if common.kind == identity.User {
		if _, ok := mapped["active"]; !ok {
			b.warn(join(common.path, "map.active"), "is not mapped, so somebody disabled at the source stays active at the target")
		}
	}
}

// matchBy checks the paths to match on; without any it returns the default.
func (b *builder) matchBy(common *kindDoc, by []string, mapped map[string]string) []string {
	path := join(common.path, "matching.by")
	if _, given := b.places[path]; !given {
		return slices.DeleteFunc([]string{"externalId", common.key}, func(p string) bool {
			_, ok := mapped[foldPath(p)]
			return !ok
		})
	}
	if len(by) == 0 && b.clean(path) {
		b.atValue(path, "is empty, so no existing object would ever be found", "leave the key out for the default")
	}
	out := make([]string, 0, len(by))
	for i, p := range by {
		key := fmt.Sprintf("%s[%d]", path, i)
		if !b.clean(key) {
			continue
		}
		if _, err := identity.ParsePath(p); err != nil {
			b.atValue(key, err.Error(), "")
			continue
		}
		managed, ok := mapped[foldPath(p)]
		switch {
		case mapped == nil: // without a source nobody knows what is mapped
		case !ok:
			b.atValue(key, quoted(p)+" is not mapped, so there is nothing to match with", b.suggestPath(p, mapped))
		case slices.Contains(out, managed):
			b.atValue(key, managed+" is listed twice", "")
		default:
			out = append(out, managed)
		}
	}
	return out
}

func (b *builder) suggestPath(path string, mapped map[string]string) string {
	var known []string
	for _, p := range mapped {
		known = append(known, p)
	}
	return suggest(path, "mapped", known)
}

// canonical returns the canonical spelling of a SCIM path, or the text itself
// where it is none.
func canonical(path string) string {
	if p, err := identity.ParsePath(path); err == nil {
		return p.String()
	}
	return path
}

func foldPath(path string) string { return strings.ToLower(canonical(path)) }
