package oktatest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// condition is a parsed filter or search expression. A lookup returns the values
// of a property, none where the object lacks it; one that fits is enough.
type condition func(lookup) bool

type lookup func(property string) []string

// grammar says what an endpoint's expressions may hold.
type grammar struct {
	property  func(string) bool
	operators func(property string) []string
}

// parseFilter reads the SCIM-like expressions of filter and search: comparisons
// joined by "and" and "or", with parentheses; "and" binds tighter (management
// API, "Filter").
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
	end := strings.IndexAny(p.rest, " ()\"")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

// keyword consumes the word when it is the next one, in any case.
func (p *filterParser) keyword(want string) bool {
	before := p.rest
	if strings.EqualFold(p.word(), want) {
		return true
	}
	p.rest = before
	return false
}

func (p *filterParser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.keyword("or") {
		var right condition
		if right, err = p.and(); err == nil {
			a := left
			left = func(l lookup) bool { return a(l) || right(l) }
		}
	}
	return left, err
}

func (p *filterParser) and() (condition, error) {
	left, err := p.term()
	for err == nil && p.keyword("and") {
		var right condition
		if right, err = p.term(); err == nil {
			a := left
			left = func(l lookup) bool { return a(l) && right(l) }
		}
	}
	return left, err
}

func (p *filterParser) term() (condition, error) {
	p.skip()
	if inner, ok := strings.CutPrefix(p.rest, "("); ok {
		p.rest = inner
		c, err := p.or()
		if err != nil {
			return nil, err
		}
		p.skip()
		if !strings.HasPrefix(p.rest, ")") {
			return nil, errors.New("missing )")
		}
		p.rest = p.rest[1:]
		return c, nil
	}
	property, operator := p.word(), strings.ToLower(p.word())
	if !p.property(property) {
		return nil, fmt.Errorf("property %q is not supported", property)
	}
	supported := false
	for _, o := range p.operators(property) {
		supported = supported || o == operator
	}
	if !supported {
		return nil, fmt.Errorf("operator %q is not supported for %s", operator, property)
	}
	if operator == "pr" {
		return func(l lookup) bool { return len(l(property)) > 0 }, nil
	}
	value, err := p.quoted()
	if err != nil {
		return nil, err
	}
	return compare(property, operator, value)
}

func (p *filterParser) quoted() (string, error) {
	p.skip()
	if !strings.HasPrefix(p.rest, `"`) {
		return "", errors.New("expected a quoted value")
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("the value is not closed")
}

func compare(property, operator, value string) (condition, error) {
	var test func(string) bool
	switch operator {
	case "eq":
		test = func(v string) bool { return v == value }
	case "sw":
		test = func(v string) bool { return strings.HasPrefix(strings.ToLower(v), strings.ToLower(value)) }
	case "co":
		test = func(v string) bool { return strings.Contains(strings.ToLower(v), strings.ToLower(value)) }
	default:
		limit, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return nil, fmt.Errorf("%q is not a time", value)
		}
		test = func(v string) bool {
			at, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return false
			}
			order := at.Compare(limit)
			switch operator {
			case "gt":
				return order > 0
			case "ge":
				return order >= 0
			case "lt":
				return order < 0
			}
			return order <= 0
		}
	}
	return func(l lookup) bool { return slices.ContainsFunc(l(property), test) }, nil
}

// isTime names the properties that compare as times.
func isTime(property string) bool {
	switch property {
	case "created", "lastUpdated", "lastMembershipUpdated", "statusChanged":
		return true
	}
	return false
}

// filterGrammar admits the listed properties: eq only, except for times.
func filterGrammar(properties ...string) grammar {
	return grammar{
		property: func(p string) bool {
			return slices.Contains(properties, p)
		},
		operators: func(p string) []string {
			if isTime(p) {
				return []string{"gt", "ge", "lt", "le", "eq"}
			}
			return []string{"eq"}
		},
	}
}

// searchGrammar admits the listed properties and everything in the profile.
func searchGrammar(properties ...string) grammar {
	g := filterGrammar(properties...)
	return grammar{
		property: func(p string) bool { return strings.HasPrefix(p, "profile.") || g.property(p) },
		operators: func(p string) []string {
			if isTime(p) {
				return g.operators(p)
			}
			return []string{"eq", "sw", "co", "pr"}
		},
	}
}
