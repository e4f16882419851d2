package identity

import (
	"errors"
	"fmt"
	"strings"
)

// Path is a parsed SCIM attribute path (RFC 7644, section 3.10, figure 7), in
// the subset that names one value:
//
//	[schema URN ":"] attribute ["[" filter attribute " eq " value "]"] ["." sub-attribute]
type Path struct {
	Schema    string // schema URN of an extension; empty for the core schema
	Attribute string
	Filter    Filter // zero where the path has none
	Sub       string // sub-attribute; empty where the path has none
}

// Filter selects the element of a multi-valued attribute: Attribute eq Value.
type Filter struct {
	Attribute string
	Value     string
}

// ParsePath reads a path as it is written in a configuration. Attribute names
// keep their spelling; comparison elsewhere is by the canonical String.
func ParsePath(text string) (Path, error) {
	var p Path
	rest := text
	if len(rest) >= 4 && strings.EqualFold(rest[:4], "urn:") {
		// The URN ends at the last colon before a filter, which may itself
		// hold colons.
		head, _, _ := strings.Cut(rest, "[")
		colon := strings.LastIndexByte(head, ':')
		if colon <= 4 || colon == len(head)-1 {
			return Path{}, fmt.Errorf("%q: an extension path is its schema URN, a colon and an attribute", text)
		}
		p.Schema, rest = rest[:colon], rest[colon+1:]
	}
	if open := strings.IndexByte(rest, '['); open >= 0 {
		end := closingBracket(rest, open)
		if end < 0 {
			return Path{}, fmt.Errorf("%q: the filter is not closed with ]", text)
		}
		filter, err := parseFilter(rest[open+1 : end])
		if err != nil {
			return Path{}, fmt.Errorf("%q: %w", text, err)
		}
		p.Attribute, p.Filter = rest[:open], filter
		rest = rest[end+1:]
		if rest == "" {
			return Path{}, fmt.Errorf("%q: name a sub-attribute after the filter, such as .value", text)
		}
		if rest[0] != '.' {
			return Path{}, fmt.Errorf("%q: expected .sub-attribute after the filter", text)
		}
		if p.Sub = rest[1:]; p.Sub == "" {
			return Path{}, fmt.Errorf("%q: nothing follows the dot", text)
		}
	} else {
		p.Attribute, p.Sub, _ = strings.Cut(rest, ".")
		if strings.HasSuffix(rest, ".") {
			return Path{}, fmt.Errorf("%q: nothing follows the dot", text)
		}
	}
	if !attributeName(p.Attribute) {
		return Path{}, fmt.Errorf("%q: %q is not a SCIM attribute name", text, p.Attribute)
	}
	if p.Sub != "" && !attributeName(p.Sub) {
		return Path{}, fmt.Errorf("%q: %q is not a SCIM attribute name", text, p.Sub)
	}
	return p, nil
}

// String returns the canonical spelling of the path.
func (p Path) String() string {
	var b strings.Builder
	if p.Schema != "" {
		b.WriteString(p.Schema)
		b.WriteByte(':')
	}
	b.WriteString(p.Attribute)
	if p.Filter != (Filter{}) {
		b.WriteString("[" + p.Filter.Attribute + " eq " + quote(p.Filter.Value) + "]")
	}
	if p.Sub != "" {
		b.WriteString("." + p.Sub)
	}
	return b.String()
}

func closingBracket(s string, open int) int {
	quoted := false
	for i := open + 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == ']':
			return i
		}
	}
	return -1
}

var errFilter = errors.New(`a path filter is written [attribute eq "value"]`)

func parseFilter(s string) (Filter, error) {
	attribute, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || !attributeName(attribute) {
		return Filter{}, errFilter
	}
	op, literal, ok := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok || !strings.EqualFold(op, "eq") {
		return Filter{}, errFilter
	}
	value, err := unquote(strings.TrimSpace(literal))
	if err != nil {
		return Filter{}, err
	}
	return Filter{Attribute: attribute, Value: value}, nil
}

// quote writes the plain JSON string of a path filter's value. Only a quote and
// a backslash can need an escape: unquote admits no control characters.
func quote(s string) string {
	if !strings.ContainsAny(s, `\"`) { // a Replacer costs ten times what it does here
		return `"` + s + `"`
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func unquote(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", errFilter
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		c := s[i]
		switch {
		case c == '\\':
			i++
			if i == len(s)-1 || s[i] != '"' && s[i] != '\\' {
				return "", errFilter
			}
			c = s[i]
		case c == '"' || c < ' ':
			return "", errFilter
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// attributeName follows ATTRNAME of RFC 7643, section 2.1, and admits the "$ref"
// sub-attribute of section 2.3.7 and the leading underscore some servers use.
func attributeName(s string) bool {
	if s == "" {
		return false
	}
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		switch {
		case letter:
		case i == 0 && (c == '$' || c == '_'):
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '_'):
		default:
			return false
		}
	}
	return true
}
