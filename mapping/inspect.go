package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"

	"github.com/scimsync/scimsync/identity"
)

// finding is one mistake in an expression, at a character of it.
type finding struct {
	offset  int
	problem string
	hint    string
}

// inspector walks an expression, collects the fields of the record it uses and
// tells what the checker of expr cannot know or would tell one at a time.
type inspector struct {
	grammar  *grammar
	findings []finding
	used     map[string]bool
	lets     []string // variables in scope
	nesting  int      // of predicates
}

func (in *inspector) report(n ast.Node, problem, hint string) {
	in.findings = append(in.findings, finding{n.Location().From, problem, hint})
}

// reference is what a chain of names means.
type reference struct {
	// field is set where the source describes it; path is its dotted name,
	// and written the same as it stands in the expression.
	field   *field
	path    string
	written string
	// record says that the chain begins in the record and can be followed.
	record bool
	// absent says that the value may be missing.
	absent bool
}

// visit inspects a node wherever a value is used.
func (in *inspector) visit(node ast.Node) {
	switch n := node.(type) {
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		in.use(node)
	case *ast.UnaryNode:
		in.visit(n.Node)
		if n.Operator == "!" || n.Operator == "not" {
			in.truth(n.Node, n.Operator)
		}
	case *ast.BinaryNode:
		in.binary(n)
	case *ast.ConditionalNode:
		in.visit(n.Cond)
		in.truth(n.Cond, "a condition")
		in.visit(n.Exp1)
		in.visit(n.Exp2)
	case *ast.SliceNode:
		in.visit(n.Node)
		if r, ok := in.present(n.Node); !ok {
			in.report(n.Node, fmt.Sprintf("%s may be absent, and nothing can be cut from what is absent", r.path), "Left and Mid take what is absent")
		}
		in.visit(n.From)
		in.visit(n.To)
	case *ast.CallNode:
		in.call(n)
	case *ast.BuiltinNode:
		if !borrowed(n.Name) {
			in.unknownFunction(n, n.Name)
		}
		in.visitAll(n.Arguments)
	case *ast.PredicateNode:
		if in.nesting++; in.nesting > maxNesting {
			in.report(n, "predicates are nested more than two deep", "")
		}
		in.visit(n.Node)
		in.nesting--
	case *ast.VariableDeclaratorNode:
		in.visit(n.Value)
		in.lets = append(in.lets, n.Name)
		in.visit(n.Expr)
		in.lets = in.lets[:len(in.lets)-1]
	case *ast.SequenceNode:
		in.visitAll(n.Nodes)
	case *ast.ArrayNode:
		in.visitAll(n.Nodes)
	case *ast.MapNode:
		in.visitAll(n.Pairs)
	case *ast.PairNode:
		in.visit(n.Key)
		in.visit(n.Value)
	}
}

func (in *inspector) visitAll(nodes []ast.Node) {
	for _, n := range nodes {
		in.visit(n)
	}
}

// use inspects a chain of names whose value is used as it is.
func (in *inspector) use(node ast.Node) {
	r, ok := in.follow(node)
	if !ok || !r.record {
		return
	}
	if r.field != nil && r.field.typ == identity.Object {
		in.report(node, fmt.Sprintf("%s is a whole object", r.path), "name the field of it that is meant, such as "+r.path+"."+sample(r.field))
		return
	}
	in.used[r.path] = true
}

func sample(f *field) string {
	if names := f.names(); len(names) > 0 {
		return names[0]
	}
	return "id"
}

// follow resolves a chain of names; false means that a mistake was told.
func (in *inspector) follow(node ast.Node) (reference, bool) {
	switch n := node.(type) {
	case *ast.ChainNode:
		r, ok := in.follow(n.Node)
		return r, ok
	case *ast.IdentifierNode:
		return in.identifier(n)
	case *ast.MemberNode:
		return in.member(n)
	}
	in.visit(node)
	return reference{}, true
}

func (in *inspector) identifier(n *ast.IdentifierNode) (reference, bool) {
	name := n.Value
	if slices.Contains(in.lets, name) {
		return reference{}, true
	}
	if strings.HasPrefix(name, "$") {
		in.report(n, name+" stands for the whole record and is not available", "name the fields that are meant")
		return reference{}, false
	}
	root := in.grammar.record
	if f, ok := root.children[name]; ok {
		return reference{field: f, path: name, written: name, record: true, absent: !f.always}, true
	}
	if _, ok := in.grammar.functions[name]; ok || borrowed(name) {
		in.report(n, name+" is a function", "call it, as in "+name+"(…)")
		return reference{}, false
	}
	if root.open {
		return reference{path: name, written: name, record: true, absent: true}, true
	}
	in.report(n, "unknown field "+name, in.meantField(name))
	return reference{}, false
}

// meantField finds the field a name may mean: the nearest one beside it, or one
// of that name in an object.
func (in *inspector) meantField(name string) string {
	root := in.grammar.record
	for _, object := range root.names() {
		if _, ok := root.children[object].children[name]; ok {
			return "did you mean " + object + "." + name + "?"
		}
	}
	if hint := meant(name, root.names()); hint != "" {
		return hint
	}
	if names := root.names(); len(names) > 0 && len(names) <= 12 {
		return "fields: " + strings.Join(names, ", ")
	}
	return ""
}

func (in *inspector) member(n *ast.MemberNode) (reference, bool) {
	base, ok := in.follow(n.Node)
	if !ok {
		return reference{}, false
	}
	name, named := n.Property.(*ast.StringNode)
	if !named {
		if _, index := n.Property.(*ast.IntegerNode); !index {
			in.visit(n.Property)
		}
	}
	if !base.record {
		return reference{}, true
	}
	object := base.field != nil && base.field.typ == identity.Object
	switch {
	case !named && object:
		in.report(n, fmt.Sprintf("a field of %s is chosen by its value, so it is not known which fields to read", base.path),
			"name it, as in "+base.path+"."+sample(base.field))
		return reference{}, false
	case base.absent && !n.Optional:
		in.report(n.Property, fmt.Sprintf("%s may be absent, and nothing can be read from what is absent", base.path), "write "+optional(base.written, n))
		return reference{}, false
	case !named, strings.Contains(name.Value, "."):
		// An element of a list, or a name the dotted form cannot say: the
		// whole below is needed.
		if object {
			in.report(n, fmt.Sprintf("a field name with a dot in it cannot be read from %s", base.path), "")
			return reference{}, false
		}
		in.used[base.path] = true
		return reference{}, true
	}
	path, written := base.path+"."+name.Value, base.written+"."+name.Value
	if n.Optional {
		written = base.written + "?." + name.Value
	}
	if object {
		f, ok := base.field.children[name.Value]
		switch {
		case ok:
			return reference{field: f, path: path, written: written, record: true, absent: !f.always}, true
		case !base.field.open:
			in.report(n.Property, fmt.Sprintf("%s has no field %s", base.path, name.Value), meant(name.Value, base.field.names()))
			return reference{}, false
		}
	} else if base.field != nil && base.field.typ != identity.Any {
		in.report(n.Property, fmt.Sprintf("%s is %s and has no field %s", base.path, typeName(base.field.typ), name.Value),
			methodHint(in.grammar, base.path, name.Value))
		return reference{}, false
	}
	return reference{path: path, written: written, record: true, absent: true}, true
}

// methodHint helps those who write a function behind the value.
func methodHint(l *grammar, path, name string) string {
	for _, known := range l.names() {
		if strings.EqualFold(known, name) {
			return "write " + known + "(" + path + ")"
		}
	}
	return ""
}

// optional writes the access so that it ends where something is absent.
func optional(base string, n *ast.MemberNode) string {
	switch property := n.Property.(type) {
	case *ast.StringNode:
		return base + "?." + property.Value
	case *ast.IntegerNode:
		if property.Value >= 0 {
			return fmt.Sprintf("Item(%s, %d), which counts from 1", base, property.Value+1)
		}
	}
	return base + "?.[…]"
}

func typeName(t identity.FieldType) string {
	switch t {
	case identity.String:
		return "a text"
	case identity.Bool:
		return "true or false"
	case identity.Number:
		return "a number"
	case identity.Strings:
		return "a list of texts"
	case identity.Any, identity.Object:
	}
	return "an object"
}

// present reports whether the value of a chain of names is always there, as
// far as is known.
func (in *inspector) present(node ast.Node) (reference, bool) {
	switch node.(type) {
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
	default:
		return reference{}, true
	}
	quiet := inspector{grammar: in.grammar, used: map[string]bool{}, lets: in.lets}
	r, ok := quiet.follow(node)
	return r, !ok || !r.record || !r.absent || r.field != nil && r.field.typ == identity.Object
}

// truth tells where a value that may be absent is used as true or false: the
// program would stop there.
func (in *inspector) truth(node ast.Node, where string) {
	if r, ok := in.present(node); !ok {
		in.report(node, fmt.Sprintf("%s may be absent, and %s needs true or false", r.path, where), "write ("+r.written+" ?? false)")
	}
}

func (in *inspector) binary(n *ast.BinaryNode) {
	in.visit(n.Left)
	in.visit(n.Right)
	switch n.Operator {
	case "and", "or", "&&", "||":
		in.truth(n.Left, n.Operator)
		in.truth(n.Right, n.Operator)
	case "..":
		in.report(n, "ranges are not available", "")
	case "matches":
		if _, ok := n.Right.(*ast.StringNode); !ok {
			in.report(n.Right, "the pattern of matches must be written out", "")
		}
	}
}

func (in *inspector) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		in.visit(n.Callee)
		if m, ok := n.Callee.(*ast.MemberNode); ok && len(in.findings) == 0 {
			hint := ""
			if name, ok := m.Property.(*ast.StringNode); ok {
				hint = methodHint(in.grammar, m.Node.String(), name.Value)
			}
			in.report(n, "values have no methods", hint)
		}
		in.visitAll(n.Arguments)
		return
	}
	f, ok := in.grammar.functions[callee.Value]
	if !ok {
		in.unknownFunction(n, callee.Value)
		in.visitAll(n.Arguments)
		return
	}
	if problem := f.arity(len(n.Arguments)); problem != "" {
		in.report(n, problem, f.usage)
		in.visitAll(n.Arguments)
		return
	}
	literals := map[int]literal{}
	if f.literals != nil {
		literals = f.literals(len(n.Arguments))
	}
	for i, arg := range n.Arguments {
		in.visit(arg)
		if array, ok := arg.(*ast.ArrayNode); ok && (f.lists == nil || !f.lists(i)) {
			hint := "leave the square brackets out"
			if len(array.Nodes) != 1 {
				hint = f.usage
			}
			in.report(arg, fmt.Sprintf("argument %d of %s is a list where one value is needed", i+1, f.name), hint)
		}
		l, special := literals[i]
		if !special {
			continue
		}
		switch arg := arg.(type) {
		case *ast.StringNode:
			if _, err := l.parse(arg.Value); err != nil {
				in.report(arg, f.name+": "+err.Error(), "")
			}
		case *ast.NilNode:
		default:
			if l.required {
				in.report(arg, fmt.Sprintf("argument %d of %s must be written out", i+1, f.name), "")
			}
		}
	}
}

func (in *inspector) unknownFunction(n ast.Node, name string) {
	hint := instead(name)
	if hint == "" {
		hint = meant(name, in.grammar.names())
	}
	if _, field := in.grammar.record.children[name]; field {
		in.report(n, name+" is a field, not a function", "")
		return
	}
	if _, ours := builtin.Index[name]; ours && !borrowed(name) {
		if hint = instead(name); hint == "" {
			hint = "docs/expressions.md lists what there is"
		}
		in.report(n, name+" of expr-lang is not available in a mapping", hint)
		return
	}
	in.report(n, "unknown function "+name, hint)
}
