package mapping

import (
	"errors"
	"reflect"

	"github.com/expr-lang/expr/ast"
)

// The functions that lowering puts in; $ keeps them out of expressions.
const (
	conditionFunction = "$condition"
	addFunction       = "$add"
)

// lowering rewrites a checked expression before it becomes a program: IIF
// becomes a conditional, so that the value not chosen is not worked out; texts
// that a function prepares are prepared once; and + is bounded and says what
// it lacks.
type lowering struct{ functions map[string]function }

// Visit rewrites one node; expr calls it for every node, leaves first.
func (l *lowering) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		if n.Operator == "+" && (!numeric(n.Left) || !numeric(n.Right)) {
			ast.Patch(node, call(addFunction, n, n.Left, n.Right))
		}
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			return
		}
		f, ok := l.functions[callee.Value]
		if !ok {
			return
		}
		if f.name == "IIF" && len(n.Arguments) == 3 {
			ast.Patch(node, &ast.ConditionalNode{
				Ternary: true,
				Cond:    call(conditionFunction, n, n.Arguments[0]),
				Exp1:    n.Arguments[1],
				Exp2:    n.Arguments[2],
			})
			return
		}
		if f.literals == nil {
			return
		}
		literals := f.literals(len(n.Arguments))
		for i := range n.Arguments {
			literal, special := literals[i]
			if s, ok := n.Arguments[i].(*ast.StringNode); ok && special {
				// The inspector has told of texts that cannot be parsed.
				if value, err := literal.parse(s.Value); err == nil {
					ast.Patch(&n.Arguments[i], constant(value))
				}
			}
		}
	}
}

func constant(value any) ast.Node {
	if v := reflect.ValueOf(value); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return &ast.NilNode{}
	}
	return &ast.ConstantNode{Value: value}
}

func numeric(n ast.Node) bool {
	switch n.Type().Kind() {
	case reflect.Int, reflect.Float64:
		return true
	}
	return false
}

func invokeCondition(params ...any) (any, error) {
	yes, err := condition(params[0])
	if err != nil {
		return nil, &callError{"IIF", err}
	}
	return yes, nil
}

// invokeAdd adds two numbers or joins two texts.
func invokeAdd(params ...any) (any, error) {
	a, b := params[0], params[1]
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			joined, err := concat(s, t)
			if err != nil {
				return nil, &callError{"+", err}
			}
			return joined, nil
		}
	}
	x, ok := number(a)
	if y, also := number(b); ok && also {
		if i, whole := a.(int); whole {
			if j, whole := b.(int); whole {
				return i + j, nil
			}
		}
		return x + y, nil
	}
	if a == nil || b == nil {
		return nil, &callError{"+", errors.New("one side is absent; Join leaves out what is absent, and ?? \"\" makes it empty")}
	}
	return nil, &callError{"+", errors.New(describe(a) + " and " + describe(b) + " do not add up; string makes a text of a number")}
}

// call makes a call in the place of another node.
func call(name string, at ast.Node, args ...ast.Node) ast.Node {
	callee := &ast.IdentifierNode{Value: name}
	callee.SetLocation(at.Location())
	n := &ast.CallNode{Callee: callee, Arguments: args}
	n.SetLocation(at.Location())
	return n
}
