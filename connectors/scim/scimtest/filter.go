package scimtest

import (
	"encoding/json"
	"strings"
	"time"
)

// maxFilter and maxNesting bound what a client can make the parser do.
const (
	maxFilter  = 8 << 10
	maxNesting = 32
)

// expression is a parsed filter (RFC 7644, section 3.4.2.2, figure 1).
type expression interface {
	// holds evaluates the filter against a resource, or an element of a
	// multi-valued attribute.
	holds(doc map[string]any) bool
}

type (
	conjunction struct{ left, right expression }
	disjunction struct{ left, right expression }
	negation    struct{ of expression }
	// elementFilter is emails[type eq "work"].
	elementFilter struct {
		path attributePath
		of   expression
	}
	// comparison is one attribute expression; value is nil, string, bool,
	// float64 or time.Time.
	comparison struct {
		path  attributePath
		op    string
		value any
		exact bool // compare strings with case
	}
	// nothing stands for an attribute this resource type does not have.
	nothing struct{}
)

// grammar is how a filter is read.
type grammar struct {
	typ *resourceType
	// tolerant reads an unknown attribute as one that is never there.
	tolerant bool
	// exactUserName is the hazard FilterUserNameCaseSensitive.
	exactUserName bool
}

// filter parses a whole filter.
func (g grammar) filter(text string) (expression, error) {
	p := &parser{grammar: g, text: text, scimType: "invalidFilter"}
	if len(text) > maxFilter {
		return nil, p.fail("the filter is longer than %d bytes", maxFilter)
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.pos < len(p.text) {
		return nil, p.fail("unexpected %.20q", p.text[p.pos:])
	}
	return e, nil
}

// parser reads the two grammars: filters and PATCH paths.
type parser struct {
	grammar
	text     string
	pos      int
	depth    int
	parent   *attribute // inside brackets: names are its sub-attributes
	scimType string
}

func (p *parser) fail(format string, args ...any) error {
	return badRequest(p.scimType, format+" (in %.80q)", append(args, p.text)...)
}

func (p *parser) skip() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// word reads an attribute path or keyword without taking it.
func (p *parser) word() string {
	end := p.pos
	for end < len(p.text) && isNameByte(p.text[end]) {
		end++
	}
	return p.text[p.pos:end]
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.:$", c) >= 0
}

// keyword takes a logical operator, which must stand between blanks or
// brackets.
func (p *parser) keyword(word string) bool {
	start := p.pos
	p.skip()
	if strings.EqualFold(p.word(), word) && p.pos > 0 && strings.IndexByte(" )]", p.text[p.pos-1]) >= 0 {
		p.pos += len(word)
		if c := p.peek(); c == ' ' || c == '(' {
			return true
		}
	}
	p.pos = start
	return false
}

func (p *parser) or() (expression, error) {
	left, err := p.and()
	for err == nil && p.keyword("or") {
		var right expression
		right, err = p.and()
		left = disjunction{left, right}
	}
	return left, err
}

func (p *parser) and() (expression, error) {
	left, err := p.term()
	for err == nil && p.keyword("and") {
		var right expression
		right, err = p.term()
		left = conjunction{left, right}
	}
	return left, err
}

func (p *parser) term() (expression, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("nested deeper than %d", maxNesting)
	}
	defer func() { p.depth-- }()
	p.skip()
	if p.peek() == '(' {
		return p.group()
	}
	word := p.word()
	if word == "" {
		return nil, p.fail("expected an attribute at position %d", p.pos)
	}
	p.pos += len(word)
	if strings.EqualFold(word, "not") {
		at := p.pos
		if p.skip(); p.peek() == '(' {
			of, err := p.group()
			return negation{of}, err
		}
		p.pos = at
	}
	path, known := p.resolve(word)
	if !known && !p.tolerant {
		return nil, p.fail("attribute %q is not in the schema", word)
	}
	if p.peek() == '[' && p.parent == nil {
		return p.element(path, known)
	}
	return p.compare(path, known)
}

func (p *parser) group() (expression, error) {
	p.pos++ // the parenthesis
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.peek() != ')' {
		return nil, p.fail("expected ) at position %d", p.pos)
	}
	p.pos++
	return e, nil
}

// resolve finds the attribute a word names.
func (p *parser) resolve(word string) (attributePath, bool) {
	if p.parent != nil {
		a := p.parent.subNamed(word)
		return attributePath{attr: a}, a != nil
	}
	path, ok := p.typ.resolve(word)
	return path, ok && path.attr != nil
}

// element reads [filter] after the attribute it belongs to.
func (p *parser) element(path attributePath, known bool) (expression, error) {
	if known && (path.sub != nil || path.attr.kind != typeComplex) {
		return nil, p.fail("%s takes no filter: it has no sub-attributes", path)
	}
	of, err := p.bracketed(path.attr)
	if err != nil {
		return nil, err
	}
	if !known {
		return nothing{}, nil
	}
	return elementFilter{path, of}, nil
}

func (p *parser) bracketed(parent *attribute) (expression, error) {
	if parent == nil {
		parent = &attribute{} // unknown and tolerated: so are its sub-attributes
	}
	p.pos++ // the bracket
	p.parent = parent
	of, err := p.or()
	p.parent = nil
	if err != nil {
		return nil, err
	}
	if p.skip(); p.peek() != ']' {
		return nil, p.fail("expected ] at position %d", p.pos)
	}
	p.pos++
	return of, nil
}

func (p *parser) compare(path attributePath, known bool) (expression, error) {
	if p.peek() != ' ' {
		return nil, p.fail("expected an operator at position %d", p.pos)
	}
	p.skip()
	word := p.word()
	op := strings.ToLower(word)
	p.pos += len(word)
	switch op {
	case "pr":
		if !known {
			return nothing{}, nil
		}
		return comparison{path: path, op: op}, nil
	case "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le":
	default:
		return nil, p.fail("%q is no operator", word)
	}
	if p.peek() != ' ' {
		return nil, p.fail("expected a value at position %d", p.pos)
	}
	p.skip()
	value, err := p.literal()
	if err != nil {
		return nil, err
	}
	if !known {
		return nothing{}, nil
	}
	return p.typed(comparison{path: path, op: op, value: value})
}

// literal reads a JSON string, number, true, false or null.
func (p *parser) literal() (any, error) {
	end := p.pos
	if p.peek() == '"' {
		for end++; end < len(p.text) && p.text[end] != '"'; end++ {
			if p.text[end] == '\\' {
				end++
			}
		}
		end++
	} else {
		for end < len(p.text) && strings.IndexByte(" )]", p.text[end]) < 0 {
			end++
		}
	}
	if end > len(p.text) {
		return nil, p.fail("the string is not closed")
	}
	var v any
	if err := json.Unmarshal([]byte(p.text[p.pos:end]), &v); err != nil {
		return nil, p.fail("%.40q is no JSON value; a string needs quotes", p.text[p.pos:end])
	}
	switch v.(type) {
	case map[string]any, []any:
		return nil, p.fail("a list or object cannot be compared")
	}
	p.pos = end
	return v, nil
}

// typed checks a comparison against the type of its attribute.
func (p *parser) typed(c comparison) (expression, error) {
	a := c.path.leaf()
	if a == nil {
		return nil, p.fail("%s is complex: name one of its sub-attributes", c.path)
	}
	c.exact = a.caseExact || a.kind == typeBinary || p.exactUserName && p.parent == nil && a.name == "userName"
	ordered := c.op != "eq" && c.op != "ne"
	if c.value == nil {
		if ordered {
			return nil, p.fail("null has no order")
		}
		return c, nil
	}
	text, isText := c.value.(string)
	switch a.kind {
	case typeBoolean:
		if _, ok := c.value.(bool); !ok || ordered {
			return nil, p.fail("%s is boolean: compare it with eq or ne to true or false", c.path)
		}
	case typeDateTime:
		t, err := time.Parse(time.RFC3339, text)
		if !isText || err != nil {
			return nil, p.fail("%s is a date and time: write \"2008-01-23T04:56:22Z\"", c.path)
		}
		if c.op != "co" && c.op != "sw" && c.op != "ew" {
			c.value = t
		}
	case typeBinary:
		if !isText || ordered {
			return nil, p.fail("%s is binary: compare it with eq or ne", c.path)
		}
	default:
		if !isText {
			return nil, p.fail("%s is a string: put the value in quotes", c.path)
		}
	}
	return c, nil
}

// leaf is the attribute whose values a comparison looks at: for a multi-valued
// complex attribute without sub-attribute its value (RFC 7643, section 2.4).
// nil where there is none.
func (p attributePath) leaf() *attribute {
	switch {
	case p.sub != nil:
		return p.sub
	case p.attr.kind != typeComplex:
		return p.attr
	case p.attr.multi:
		return p.attr.subNamed("value")
	}
	return nil
}
