package mapping

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a function may build. An attribute takes far less; the bounds keep an
// expression that grows its own results from growing without end.
const (
	maxText     = 64 << 10 // bytes
	maxElements = 10_000
)

var (
	errGrown = errors.New("the result is longer than 64 KiB")
	errInput = errors.New("the text is longer than 64 KiB")
	errWide  = errors.New("the list has more than 10,000 elements")
)

// function is one function of the expression language. Functions are named and
// ordered as Microsoft Entra documents them for attribute mappings
// (learn.microsoft.com/entra/identity/app-provisioning/functions-for-customizing-application-data);
// what differs is said in docs/expressions.md. An absent argument counts as an
// empty one.
type function struct {
	name  string
	usage string
	// min and max bound the number of arguments; a max of -1 is no bound.
	min, max int
	// even says that the arguments come in pairs.
	even bool
	// lists says which arguments may be lists.
	lists func(index int) bool
	// literals says which arguments, given how many there are, are made from
	// a text that is written out, once, when the mapping is compiled.
	literals func(count int) map[int]literal
	// result is a pointer to a func type whose result the checker assumes.
	result any
	call   func(args []any) (any, error)
}

// literal makes an argument of a text in the expression.
type literal struct {
	parse func(string) (any, error)
	// required refuses anything but a text that is written out.
	required bool
}

// functions returns every function of the language, in order of name.
func functions() []function {
	all := slices.Concat(textFunctions(), listFunctions(), choiceFunctions(), dateFunctions(), []function{replaceFunction()}, plainFunctions())
	slices.SortFunc(all, func(a, b function) int { return strings.Compare(a.name, b.name) })
	return all
}

// callError is a function's refusal of its arguments. Its text is ours and
// shows no value, so that it may reach a log.
type callError struct {
	name string
	err  error
}

func (e *callError) Error() string { return e.name + ": " + e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// invoke adapts the function to expr.
func (f function) invoke(params ...any) (any, error) {
	result, err := f.call(params)
	if err != nil {
		return nil, &callError{f.name, err}
	}
	return result, nil
}

// arity returns what is wrong with a number of arguments, or "".
func (f function) arity(n int) string {
	switch {
	case n >= f.min && (f.max < 0 || n <= f.max) && (!f.even || n%2 == 0):
		return ""
	case f.even && n%2 != 0:
		return fmt.Sprintf("%s takes its arguments in pairs and was given %d", f.name, n)
	case f.min == f.max:
		return fmt.Sprintf("%s takes %s and was given %d", f.name, plural(f.min), n)
	case f.max < 0:
		return fmt.Sprintf("%s takes at least %s and was given %d", f.name, plural(f.min), n)
	}
	return fmt.Sprintf("%s takes %d to %d arguments and was given %d", f.name, f.min, f.max, n)
}

func plural(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// argument reads args[i] as text, naming its place when it is none.
func argument(args []any, i int) (string, error) {
	if s, ok := args[i].(string); ok {
		return s, nil
	}
	s, err := text(args[i])
	if err != nil {
		return "", fmt.Errorf("argument %d: %w", i+1, err)
	}
	return s, nil
}

// integer reads args[i] as a whole number.
func integer(args []any, i int) (int, error) {
	switch v := args[i].(type) {
	case int:
		return v, nil
	case float64:
		// The bound keeps the conversion exact.
		if v == math.Trunc(v) && math.Abs(v) <= 1<<52 {
			return int(v), nil
		}
		return 0, fmt.Errorf("argument %d must be a whole number", i+1)
	}
	return 0, fmt.Errorf("argument %d must be a whole number and is %s", i+1, describe(args[i]))
}

// list reads args[i] as a list of texts; a single text is a list of one, and
// what is absent or empty a list of none.
func list(args []any, i int) ([]string, error) {
	switch v := args[i].(type) {
	case []string:
		return v, nil
	case []any:
		if len(v) > maxElements {
			return nil, errWide
		}
		out := make([]string, len(v))
		for j, element := range v {
			s, err := text(element)
			if err != nil {
				return nil, fmt.Errorf("argument %d: element %d: %w", i+1, j+1, err)
			}
			out[j] = s
		}
		return out, nil
	}
	s, err := argument(args, i)
	if err != nil || s == "" {
		return nil, err
	}
	return []string{s}, nil
}

// missing reports whether a value is absent or empty.
func missing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case []string:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// bounded returns s unless it has grown out of proportion.
func bounded(s string) (any, error) {
	if len(s) > maxText {
		return nil, errGrown
	}
	return s, nil
}

// runeOffset returns the byte offset of the n-th character of s, counted from
// 0, or len(s) where s is shorter.
func runeOffset(s string, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

type (
	returnsText  = func(...any) string
	returnsBool  = func(...any) bool
	returnsInt   = func(...any) int
	returnsFloat = func(...any) float64
	returnsList  = func(...any) []string
	returnsAny   = func(...any) any
)
