package configs

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// nodeKind is what a node of the file is.
type nodeKind int

const (
	textNode nodeKind = iota
	boolNode
	intNode
	floatNode
	nullNode
	listNode
	mapNode
)

// found names the kind for a person: "found a list".
func (k nodeKind) found() string {
	switch k {
	case textNode:
		return "text"
	case boolNode:
		return "true or false"
	case intNode, floatNode:
		return "a number"
	case nullNode:
		return "nothing"
	case listNode:
		return "a list"
	case mapNode:
		return "a mapping"
	}
	return "something else"
}

// node is a value of the file with its place. It keeps the text of numbers as
// it was written, so that 010 is not silently 8.
type node struct {
	kind         nodeKind
	text         string
	line, column int
	// textLine and textColumn are where the text itself begins, behind a
	// quote or on the first line of a block.
	textLine, textColumn int
	plain                bool // neither quoted nor a block
	flow                 bool // in brackets, or in a mapping in brackets
	// commented says that a comment follows plain text on its line, which may
	// have been meant to belong to it.
	commented bool
	items     []*node
	entries   []entry
	// problem was found while reading the syntax; whoever visits the node
	// knows its key. Unless it is readable all the same, nothing else is
	// reported about it.
	problem  *Problem
	readable bool
}

// entry is one key of a mapping and its value.
type entry struct {
	key          string
	line, column int
	problem      *Problem
	value        *node
}

// scalar reports whether the node is a single value.
func (n *node) scalar() bool { return n.kind <= floatNode }

// find returns the value of a key, nil where the mapping lacks it.
func (n *node) find(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// isOff reports whether the value is off, or false, which mean the same.
func (n *node) isOff() bool {
	return n.kind == boolNode && strings.EqualFold(n.text, "false") ||
		n.kind == textNode && strings.EqualFold(n.text, "off")
}

// isOn reports whether the value is on, or true, which mean the same.
func (n *node) isOn() bool {
	return n.kind == boolNode && strings.EqualFold(n.text, "true") ||
		n.kind == textNode && strings.EqualFold(n.text, "on")
}

// converter turns the parser's tree into ours.
type converter struct {
	lines [][]rune
	// marked are the problems the syntax had, by the place they were found at.
	marked map[[2]int]mark
	report func(line, column int, text, hint string) *Problem
}

func (c *converter) node(n ast.Node) *node {
	if n == nil {
		return &node{kind: nullNode}
	}
	tk := n.GetToken()
	out := &node{plain: true}
	if tk != nil && tk.Position != nil {
		out.line, out.column = tk.Position.Line, tk.Position.Column
	}
	out.textLine, out.textColumn = out.line, out.column
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind, out.flow = mapNode, n.IsFlowStyle
		for _, value := range n.Values {
			e := c.entry(value)
			e.value.flow = e.value.flow || n.IsFlowStyle
			out.entries = append(out.entries, e)
		}
		c.startAtFirstKey(out)
	case *ast.MappingValueNode:
		out.kind, out.flow = mapNode, n.IsFlowStyle
		out.entries = []entry{c.entry(n)}
		c.startAtFirstKey(out)
	case *ast.SequenceNode:
		out.kind, out.flow = listNode, n.IsFlowStyle
		for _, item := range n.Values {
			out.items = append(out.items, c.node(item))
		}
	case *ast.StringNode:
		c.text(out, tk)
	case *ast.LiteralNode:
		out.plain = false
		if n.Value != nil {
			// Blank lines around it count for nothing in an expression, and
			// textLine is that of the first line with text.
			out.text = strings.Trim(n.Value.Value, "\n")
		}
		c.block(out)
	case *ast.BoolNode:
		out.kind, out.text = boolNode, tk.Value
	case *ast.IntegerNode:
		out.kind, out.text = intNode, tk.Value
	case *ast.FloatNode:
		out.kind, out.text = floatNode, tk.Value
	case *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = floatNode, tk.Value
	case *ast.NullNode:
		out.kind = nullNode
	default:
		out.problem = c.report(out.line, out.column, "YAML tags, anchors and aliases are not used here", "write the value out")
	}
	// A block mapping stands where its first key does; a mark there is the key's.
	if m := c.marked[[2]int{out.line, out.column}]; m.problem != nil && (out.kind != mapNode || out.flow) {
		out.problem, out.readable = m.problem, m.readable
	}
	return out
}

// startAtFirstKey places a block mapping at its first key instead of at the
// colon behind it.
func (c *converter) startAtFirstKey(n *node) {
	if !n.flow && len(n.entries) > 0 {
		n.line, n.column = n.entries[0].line, n.entries[0].column
	}
}

func (c *converter) entry(n *ast.MappingValueNode) entry {
	e := entry{value: c.node(n.Value)}
	key := n.Key.GetToken()
	if key == nil || key.Position == nil {
		e.problem = c.report(e.value.line, e.value.column, "a key must be plain text", "")
		return e
	}
	e.key, e.line, e.column = key.Value, key.Position.Line, key.Position.Column
	if m := c.marked[[2]int{e.line, e.column}]; m.problem != nil {
		e.problem = m.problem
	}
	return e
}

func (c *converter) text(n *node, tk *token.Token) {
	n.kind, n.text = textNode, tk.Value
	switch tk.Type {
	case token.SingleQuoteType, token.DoubleQuoteType:
		n.plain = false
		n.textColumn++
		return
	}
	next := tk.Next
	n.commented = next != nil && next.Type == token.CommentType && next.Position.Line == n.line
}

// block finds where the text of a block scalar begins: the first line below
// the header that is not blank.
func (c *converter) block(n *node) {
	for line := n.line; line < len(c.lines); line++ {
		for i, r := range c.lines[line] {
			if r != ' ' {
				n.textLine, n.textColumn = line+1, i+1
				return
			}
		}
	}
}
