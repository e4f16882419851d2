package sailpointtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// condition is a parsed filter over the fields of a row.
type condition func(lookup func(string) any) bool

// grammar lists the fields of a list and the operators of each; the fields that
// may be sorted by stand apart.
type grammar struct {
	filters map[string]string // operators, separated by blanks
	sorters []string
	plus    plusSign
}

// plusSign is what a plus sign in a name does to a filter.
type plusSign int

const (
	plusFinds        plusSign = iota
	plusFindsNothing          // documented of access profiles and entitlements
)

// parseFilter reads filters ("Standard Collection Parameters"): comparisons in
// lower case joined by and, or, not and parentheses; and binds tighter than or.
func parseFilter(text string, g grammar) (condition, error) {
	p := &filterParser{rest: text, grammar: g}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q", p.rest)
	}
	return c, nil
}

type filterParser struct {
	rest string
	grammar
}

func (p *filterParser) skip() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *filterParser) word() string {
	p.skip()
	end := strings.IndexAny(p.rest, ` ()",`)
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

// next consumes the word when it is the next one, in this case only.
func (p *filterParser) next(want string) bool {
	before := p.rest
	if p.word() == want {
		return true
	}
	p.rest = before
	return false
}

func (p *filterParser) symbol(want string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, want)
	p.rest = rest
	return ok
}

func (p *filterParser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.next("or") {
		var right condition
		if right, err = p.and(); err == nil {
			a := left
			left = func(l func(string) any) bool { return a(l) || right(l) }
		}
	}
	return left, err
}

func (p *filterParser) and() (condition, error) {
	left, err := p.term()
	for err == nil && p.next("and") {
		var right condition
		if right, err = p.term(); err == nil {
			a := left
			left = func(l func(string) any) bool { return a(l) && right(l) }
		}
	}
	return left, err
}

func (p *filterParser) term() (condition, error) {
	if p.next("not") {
		inner, err := p.term()
		if err != nil {
			return nil, err
		}
		return func(l func(string) any) bool { return !inner(l) }, nil
	}
	if p.symbol("(") {
		c, err := p.or()
		if err == nil && !p.symbol(")") {
			err = errors.New("missing )")
		}
		return c, err
	}
	field, operator := p.word(), p.word()
	operators, ok := p.filters[field]
	if !ok {
		return nil, fmt.Errorf("filtering by %q is not supported", field)
	}
	if !slices.Contains(strings.Fields(operators), operator) {
		return nil, fmt.Errorf("operator %q is not supported for %s", operator, field)
	}
	if operator == "in" {
		return p.in(field)
	}
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	if name, ok := value.(string); ok && field == "name" && p.plus == plusFindsNothing && strings.Contains(name, "+") {
		return func(func(string) any) bool { return false }, nil
	}
	return compare(field, operator, value)
}

func (p *filterParser) in(field string) (condition, error) {
	if !p.symbol("(") {
		return nil, errors.New("in needs a list")
	}
	var values []any
	for {
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		if p.symbol(")") {
			return func(l func(string) any) bool { return slices.Contains(values, l(field)) }, nil
		}
		if !p.symbol(",") {
			return nil, errors.New("missing ) after a list")
		}
	}
}

// value reads a text in quotation marks, in which a backslash takes the next
// character for itself, or true or false.
func (p *filterParser) value() (any, error) {
	if p.next("true") {
		return true, nil
	}
	if p.next("false") {
		return false, nil
	}
	if !p.symbol(`"`) {
		return nil, fmt.Errorf("a value is expected at %q", p.rest)
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return nil, errors.New("a text does not end")
}

func compare(field, operator string, value any) (condition, error) {
	switch operator {
	case "eq":
		return func(l func(string) any) bool { return l(field) == value }, nil
	case "sw":
		prefix, ok := value.(string)
		if !ok {
			return nil, errors.New("sw needs a text")
		}
		return func(l func(string) any) bool {
			s, ok := l(field).(string)
			return ok && strings.HasPrefix(s, prefix)
		}, nil
	}
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("%s needs a time", field)
	}
	return func(l func(string) any) bool {
		t, ok := l(field).(time.Time)
		if !ok {
			return false
		}
		order := t.Compare(at)
		switch operator {
		case "gt":
			return order > 0
		case "ge":
			return order >= 0
		case "lt":
			return order < 0
		}
		return order <= 0
	}, nil
}
