package configs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxSize     = 1 << 20
	maxNesting  = 64
	maxKeys     = 10_000 // the parser's time grows with the square of them
	maxAttempts = 8
	maxListed   = 20 // of one kind of encoding mistake
)

// syntax reads the text of a file into a tree. YAML has readings that silently
// change what a person meant (a tag, an anchor, a merge); each is a problem, is
// neutralised at its place, and the rest is read on, so that one mistake does
// not hide the others.
type syntax struct {
	file     string
	lines    [][]rune
	problems []*Problem
	marked   map[[2]int]mark
}

// mark is a problem at a place. A readable value was freed of it and can still be
// decoded; any other holds nothing worth reading.
type mark struct {
	problem  *Problem
	readable bool
}

// parse returns the tree of a file, nil where there is none, and what is wrong
// with its syntax.
func parse(file string, data []byte) (*node, []*Problem) {
	s := &syntax{file: file, marked: map[[2]int]mark{}}
	text, ok := s.decode(data)
	if !ok {
		return nil, s.problems
	}
	for line := range strings.SplitSeq(text, "\n") {
		s.lines = append(s.lines, []rune(line))
	}
	if s.indentation(); len(s.problems) > 0 {
		return nil, s.problems
	}
	tokens, ok := s.tokens()
	if !ok || !s.inspect(tokens) {
		return nil, s.problems
	}
	parsed := s.tree()
	switch {
	case parsed == nil:
		return nil, s.problems
	case len(parsed.Docs) == 0:
		return &node{kind: nullNode}, s.problems
	}
	c := converter{lines: s.lines, marked: s.marked, report: s.add}
	root := c.node(parsed.Docs[0].Body)
	return root, s.problems
}

func (s *syntax) add(line, column int, text, hint string) *Problem {
	p := &Problem{File: s.file, Line: line, Column: column, Text: text, Hint: hint}
	s.problems = append(s.problems, p)
	return p
}

// decode checks encoding and control characters and unifies line breaks.
func (s *syntax) decode(data []byte) (string, bool) {
	if len(data) > maxSize {
		s.add(0, 0, fmt.Sprintf("is larger than %d MiB", maxSize>>20), "is it a configuration?")
		return "", false
	}
	text := string(data)
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		s.add(1, 1, "is encoded as UTF-16", "save it as UTF-8")
		return "", false
	}
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	line, column := 1, 1
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			s.add(line, column, "is not UTF-8", "save it as UTF-8")
			return "", false
		case r == '\n':
			line, column = line+1, 0
		case r != '\t' && unicode.IsControl(r), r == '\ufeff', r == '\u2028', r == '\u2029':
			if len(s.problems) < maxListed {
				s.add(line, column, fmt.Sprintf("holds the invisible character %U", r), "delete it")
			}
		}
		column++
	}
	return text, len(s.problems) == 0
}

// indentation reports tabs that would have to indent: YAML takes spaces only.
func (s *syntax) indentation() {
	for i, line := range s.lines {
		for j, r := range line {
			if r == '\t' && strings.TrimSpace(string(line)) != "" && len(s.problems) < maxListed {
				s.add(i+1, j+1, "a tab where YAML wants spaces", "indent with spaces")
			}
			if r != ' ' {
				break
			}
		}
	}
}

func (s *syntax) text() string {
	var b strings.Builder
	for i, line := range s.lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(string(line))
	}
	return b.String()
}

// guarded runs a step of the YAML library. A panic there on odd input is an
// error of the file here, not of the program.
func (s *syntax) guarded(step func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("cannot be read as YAML")
		}
	}()
	return step()
}

func (s *syntax) tokens() (token.Tokens, bool) {
	var tokens token.Tokens
	if err := s.guarded(func() error { tokens = lexer.Tokenize(s.text()); return nil }); err != nil {
		s.add(0, 0, err.Error(), "")
		return nil, false
	}
	return tokens, true
}

// inspect reports tags, anchors, aliases, merges, directives, complex keys and
// further documents, and bounds the nesting before the parser recurses into it.
// It returns false where the file cannot be read on.
func (s *syntax) inspect(tokens token.Tokens) bool {
	depth, dashes, keys, begun := 0, 0, 0, false
	for _, tk := range tokens {
		line, column := tk.Position.Line, tk.Position.Column
		dashes++
		switch tk.Type {
		case token.SequenceEntryType:
		case token.MappingStartType, token.SequenceStartType:
			depth++
			dashes = 0
		case token.MappingEndType, token.SequenceEndType:
			depth--
			dashes = 0
		case token.TagType:
			s.neutralise(line, column, '!', "a value that starts with ! is a YAML tag", "put the whole value in single quotes")
		case token.AnchorType:
			s.neutralise(line, column, '&', "a value that starts with & is a YAML anchor", "write the value out; put text that starts with & in quotes")
		case token.AliasType:
			s.neutralise(line, column, '*', "a value that starts with * is a YAML alias", `put text that starts with * in quotes, such as "*"`)
		case token.MergeKeyType:
			s.neutralise(line, column, '<', "<< merges YAML mappings", "write the keys out")
		case token.DirectiveType:
			s.add(line, column, "YAML directives are not used here", "delete the line")
			return false
		case token.MappingKeyType:
			s.add(line, column, "a value that starts with ? is a complex YAML key", "put text that starts with ? in quotes")
			return false
		case token.DocumentHeaderType:
			if begun {
				s.add(line, column, "a second document begins", "keep one document per file")
				s.lines = s.lines[:line-1]
				return true
			}
			continue
		case token.CommentType:
			continue
		case token.MappingValueType:
			keys++
			dashes = 0
		default:
			dashes = 0
		}
		begun = true
		if depth > maxNesting || dashes > maxNesting {
			s.add(line, column, fmt.Sprintf("is nested more than %d deep", maxNesting), "")
			return false
		}
		if keys > maxKeys {
			s.add(line, column, fmt.Sprintf("has more than %d keys", maxKeys), "split the syncs over several files")
			return false
		}
	}
	return true
}

// neutralise reports a problem at a place and makes the place plain text of the
// same width. A tag or anchor before a value that stands by itself (in brackets
// or quotes, or a block) becomes blanks, and the value is read.
func (s *syntax) neutralise(line, column int, sign rune, text, hint string) {
	p := s.add(line, column, text, hint)
	if line < 1 || line > len(s.lines) {
		return
	}
	content := s.lines[line-1]
	if column < 1 || column > len(content) || content[column-1] != sign {
		return
	}
	end := column - 1
	for end < len(content) && !strings.ContainsRune(" ,]}", content[end]) {
		end++
	}
	next := end
	for next < len(content) && content[next] == ' ' {
		next++
	}
	if sign == '!' || sign == '&' {
		alone := next == len(content) && s.indentedBelow(line)
		if alone || next < len(content) && strings.ContainsRune(`[{"'|>`, content[next]) {
			for i := column - 1; i < end; i++ {
				content[i] = ' '
			}
			s.marked[[2]int{line, next + 1}] = mark{p, true}
			return
		}
	}
	s.marked[[2]int{line, column}] = mark{problem: p}
	for i := column - 1; i < len(content) && content[i] == sign; i++ {
		content[i] = 'x'
	}
}

// indentedBelow reports whether the next line that is not blank is indented
// further than line.
func (s *syntax) indentedBelow(line int) bool {
	indent := func(l []rune) int {
		return len(l) - len([]rune(strings.TrimLeft(string(l), " ")))
	}
	for _, below := range s.lines[line:] {
		if strings.TrimSpace(string(below)) != "" {
			return indent(below) > indent(s.lines[line-1])
		}
	}
	return false
}

// tree parses, and where the parser stumbles over one value, replaces that value
// and goes on.
func (s *syntax) tree() *ast.File {
	failed := map[int]bool{}
	for range maxAttempts {
		var file *ast.File
		err := s.guarded(func() error {
			var err error
			file, err = parser.ParseBytes([]byte(s.text()), 0, parser.AllowDuplicateMapKey())
			return err
		})
		if err == nil {
			return file
		}
		var at yaml.Error
		if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
			s.add(0, 0, "cannot be read as YAML", "")
			return nil
		}
		line, column := at.GetToken().Position.Line, at.GetToken().Position.Column
		if failed[line] {
			return nil
		}
		failed[line] = true
		text, hint := explainSyntax(at.GetMessage())
		p := s.add(line, column, text, hint)
		if !s.replaceValue(line, p) {
			return nil
		}
	}
	return nil
}

// explainSyntax words the parser's message for somebody who writes expressions
// in YAML.
func explainSyntax(message string) (text, hint string) {
	switch {
	case strings.HasPrefix(message, "mapping value is not allowed"):
		return `a colon and a blank inside a value that is not in quotes`, "put the whole value in single quotes, or check the indentation"
	case strings.Contains(message, "map key-value is pre-defined"):
		return "text after the end of a value", "put the whole value in single quotes, or check the indentation"
	case strings.Contains(message, "is a reserved character"):
		return "a value must not start with @ or a backtick", "put it in quotes"
	case strings.HasPrefix(message, "non-map value"):
		return "expected KEY: VALUE", ""
	}
	return "is not YAML: " + message, "put an expression in single quotes, or check the indentation"
}

// keyed matches a line KEY: VALUE, perhaps as the first of a list entry.
var keyed = regexp.MustCompile(`^( *(?:- +)*(?:"[^"]*"|'[^']*'|[^\s#"'].*?): +)(\S.*)$`)

// replaceValue makes the value on a line plain text, so that the parser gets
// past it, and reports whether that is possible.
func (s *syntax) replaceValue(line int, p *Problem) bool {
	if line < 1 || line > len(s.lines) {
		return false
	}
	parts := keyed.FindStringSubmatch(string(s.lines[line-1]))
	if parts == nil || !balanced(parts[2]) || strings.ContainsAny(parts[2][:1], "|>") {
		return false
	}
	start := utf8.RuneCountInString(parts[1])
	for i := start; i < len(s.lines[line-1]); i++ {
		s.lines[line-1][i] = 'x'
	}
	s.marked[[2]int{line, start + 1}] = mark{problem: p}
	return true
}

// balanced reports whether quotes and brackets of an expression are closed.
func balanced(text string) bool {
	var quote rune
	depth := 0
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			escaped = false
		case quote != 0:
			escaped = r == '\\'
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return quote == 0 && depth == 0
}
