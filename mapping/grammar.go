package mapping

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// Bounds of one expression. Together with the limits of the functions and the
// refusal of everything that grows without them, they bound its work.
const (
	maxSource   = 10_000 // characters, the limit of Entra
	maxNodes    = 2_000
	maxNesting  = 2 // a predicate in a predicate walks lists of lists
	maxVMMemory = 100_000
)

// grammar is what an expression over one kind of record may say.
type grammar struct {
	record    *field
	functions map[string]function
}

func newGrammar(record *field) *grammar {
	l := &grammar{record: record, functions: map[string]function{}}
	for _, f := range functions() {
		l.functions[f.name] = f
	}
	return l
}

// borrowed reports whether a function of expr itself is part of the language.
// Left out are those that know the clock or the local time zone, that take a
// whole record, that build more than they are given, or that have an
// equivalent above which takes an absent value.
func borrowed(name string) bool {
	switch name {
	case "all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count",
		"len", "abs", "ceil", "floor", "round", "trimPrefix", "trimSuffix", "split", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix",
		"first", "last", "take", "reverse", "bitand", "bitor", "bitxor", "bitnand", "bitnot", "bitshl", "bitshr", "bitushr":
		return true
	}
	return false
}

// names returns all functions there are, for the nearest name.
func (l *grammar) names() []string {
	all := []string{}
	for name := range l.functions {
		all = append(all, name)
	}
	for _, b := range builtin.Builtins {
		if borrowed(b.Name) && !slices.Contains(all, b.Name) {
			all = append(all, b.Name)
		}
	}
	slices.Sort(all)
	return all
}

// instead says what to write for functions that Entra or expr have and we do
// not, and "" for any other name.
func instead(name string) string {
	switch strings.ToLower(name) {
	case "now", "guid", "randomstring", "selectuniquevalue":
		return "a mapping knows no clock, no chance and no target, so that the same record always gives the same entry"
	case "cdate", "date", "timezone", "duration":
		return "dates are texts here; the date functions read them as they are"
	case "not":
		return "write !"
	case "cstr":
		return "write string"
	case "cbool":
		return `compare, as in profile.flag == "1"`
	case "isnull":
		return "compare with nil, or write IsNullOrEmpty"
	case "ignoreflowifnullorempty":
		return "leave it out and write empty: keep beside the value"
	case "singleapproleassignment", "approleassignmentscomplex":
		return "role assignments are not read"
	case "join", "replace":
		return "write " + strings.ToUpper(name[:1]) + strings.ToLower(name[1:])
	case "concat":
		return "write Join"
	case "uniq":
		return "write RemoveDuplicates"
	case "get", "keys", "values", "tojson", "topairs", "frompairs", "fromjson":
		return "name the fields that are meant"
	case "bitand":
		return "write bitand"
	}
	return ""
}

// checked returns the configuration of the first pass, which knows the type of
// every field.
func (l *grammar) checked() *conf.Config {
	c := conf.New(l.record.environment(false))
	c.MaxNodes = maxNodes
	for _, f := range l.functions {
		expr.Function(f.name, f.invoke, f.result)(c)
	}
	for name := range c.Builtins {
		if !borrowed(name) {
			c.Disabled[name] = true
			delete(c.Builtins, name)
		}
	}
	return c
}

// options returns the options of the second pass, which makes the program.
func (l *grammar) options() []expr.Option {
	options := []expr.Option{
		expr.Env(l.record.environment(true)),
		expr.MaxNodes(2 * maxNodes), // lowering adds some
		expr.Patch(&lowering{functions: l.functions}),
		expr.Function(conditionFunction, invokeCondition, new(returnsBool)),
		expr.Function(addFunction, invokeAdd, new(returnsAny)),
	}
	for _, f := range l.functions {
		// An absent date or choice may be nil, whatever the checker was told.
		options = append(options, expr.Function(f.name, f.invoke, f.result))
	}
	for _, b := range builtin.Builtins {
		if !borrowed(b.Name) {
			options = append(options, expr.DisableBuiltin(b.Name))
		}
	}
	return options
}
