package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// expression is one compiled expression. It is immutable.
type expression struct {
	source  string
	program *vm.Program
}

// shape is what the checker knows about the result of an expression.
type shape int

const (
	shapeAny shape = iota
	shapeNil
	shapeText
	shapeBool
	shapeNumber
	shapeList
	shapeOther
)

func (s shape) String() string {
	return [...]string{"anything", "nil", "a text", "true or false", "a number", "a list", "an object"}[s]
}

// compile reads an expression and checks all that can be known before a record
// is at hand. It returns the fields used, and either an expression or findings.
func (l *grammar) compile(source string) (*expression, shape, map[string]bool, []finding) {
	fail := func(offset int, problem, hint string) (*expression, shape, map[string]bool, []finding) {
		return nil, shapeAny, nil, []finding{{offset, problem, hint}}
	}
	switch {
	case strings.TrimSpace(source) == "":
		return fail(0, "the expression is empty", "")
	case !utf8.ValidString(source):
		return fail(0, "the expression is not valid UTF-8", "")
	case utf8.RuneCountInString(source) > maxSource:
		return fail(0, fmt.Sprintf("the expression is longer than %d characters", maxSource), "")
	case nestedDeep(source):
		return fail(0, "the expression is nested too deeply", "")
	}
	config := l.checked()
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		offset, problem, hint := syntaxMistake(err)
		return fail(offset, problem, hint)
	}
	in := &inspector{grammar: l, used: map[string]bool{}}
	in.visit(tree.Node)
	if len(in.findings) > 0 {
		return nil, shapeAny, nil, in.findings
	}
	if _, err := checker.Check(tree, config); err != nil {
		offset, problem := typeMistake(err)
		return fail(offset, problem, "")
	}
	program, err := expr.Compile(source, l.options()...)
	if err != nil {
		offset, problem := typeMistake(err)
		return fail(offset, problem, "")
	}
	return &expression{source: source, program: program}, shapeOf(tree.Node), in.used, nil
}

// nestedDeep reports whether brackets are open beyond what the parser, which
// descends once for each, should be given. Brackets in texts count as well:
// the bound is far above what a person writes.
func nestedDeep(source string) bool {
	depth := 0
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '(', '[', '{':
			if depth++; depth > 200 {
				return true
			}
		case ')', ']', '}':
			depth--
		}
	}
	return false
}

func shapeOf(n ast.Node) shape {
	if n.Nature().Nil {
		return shapeNil
	}
	switch n.Type().Kind() {
	case reflect.Interface:
		return shapeAny
	case reflect.String:
		return shapeText
	case reflect.Bool:
		return shapeBool
	case reflect.Int, reflect.Float64:
		return shapeNumber
	case reflect.Slice:
		return shapeList
	}
	return shapeOther
}

// syntaxMistake says what the parser found in words of the configuration.
func syntaxMistake(err error) (int, string, string) {
	fileError, ok := errors.AsType[*file.Error](err)
	if !ok {
		return 0, "the expression cannot be read", ""
	}
	message := fileError.Message
	token, unexpected := strings.CutPrefix(message, "unexpected token ")
	switch {
	case strings.Contains(message, "maximum allowed nodes"):
		return fileError.From, fmt.Sprintf("the expression has more than %d parts", maxNodes), ""
	case message == `unexpected token Operator("=")` || message == `unexpected token Operator("=") `:
		return fileError.From, "= does not compare", "write =="
	case message == `unexpected token Operator(",")`:
		return fileError.From, "an argument is left out", "write nil for it"
	case unexpected && strings.HasPrefix(token, "EOF"), strings.HasPrefix(message, "unexpected end"):
		return fileError.From, "the expression ends too early", ""
	case strings.HasPrefix(message, "unrecognized character"):
		return fileError.From, message, ""
	case unexpected:
		if _, quoted, ok := strings.Cut(strings.TrimSuffix(token, ")"), "("); ok {
			token = quoted
		}
		return fileError.From, "unexpected " + token, ""
	}
	return fileError.From, message, ""
}

// typeMistake says what the checker found.
func typeMistake(err error) (int, string) {
	fileError, ok := errors.AsType[*file.Error](err)
	if !ok {
		// Only a bug of ours or of the library comes here; its text has no
		// value in it, as no record is at hand.
		return 0, strings.SplitN(err.Error(), "\n", 2)[0]
	}
	return fileError.From, strings.TrimSpace(strings.NewReplacer(
		"map[string]interface {}", "object", "[]interface {}", "list", "[]string", "list", "interface {}", "anything",
		"float64", "number", "mismatched type", "mismatched type").Replace(fileError.Message))
}

// run evaluates the expression over a record's fields. Errors show no value.
func (e *expression) run(machine *vm.VM, fields map[string]any) (any, error) {
	value, err := machine.Run(e.program, fields)
	if err != nil {
		return nil, runtimeMistake(err)
	}
	return value, nil
}

// runtimeMistake says why an expression stopped. What functions of ours say is
// safe to repeat; the library's own messages may show a value and are put in
// other words.
func runtimeMistake(err error) error {
	if own, ok := errors.AsType[*callError](err); ok {
		return own
	}
	place, message := "", err.Error()
	if fileError, ok := errors.AsType[*file.Error](err); ok {
		message = fileError.Message
		place = fmt.Sprintf(" at character %d of the expression", fileError.From+1)
	}
	problem := "the expression cannot be worked out for this record"
	switch {
	case strings.Contains(message, "is nil, not"), strings.Contains(message, "<nil>"), strings.Contains(message, "nil pointer"):
		problem = "something is absent that is needed"
	case strings.Contains(message, "interface conversion"), strings.Contains(message, "invalid operation"), strings.Contains(message, "invalid argument"):
		problem = "a value is of a type that does not fit"
	case strings.Contains(message, "index out of range"):
		problem = "a list has no such element"
	case strings.Contains(message, "memory budget"):
		problem = "the expression needs too much memory for this record"
	}
	return errors.New(problem + place)
}

// at returns the place of a character of an expression. Its further lines
// begin in the column of the first, as those of a YAML block do.
func (p Pos) at(source string, offset int) Pos {
	if p == (Pos{}) || p.Line == 0 {
		return p
	}
	column := 0
	for _, r := range source {
		if offset == 0 {
			break
		}
		offset--
		if column++; r == '\n' {
			p.Line++
			column = 0
		}
	}
	p.Column += column
	return p
}
