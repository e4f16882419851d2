package scim

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// filterFor writes the filter that looks path up, or an error where the value
// cannot be asked for.
//
// The answer is checked again in any case, so a filter may find too much: the
// element of a multi-valued attribute is asked for by its value only
// (emails.value eq "x"), which every grammar knows, except where the target was
// told to expect Entra's spelling.
func (d dialect) filterFor(path identity.Path, value string) (string, error) {
	literal, err := quote(value)
	if err != nil {
		return "", err
	}
	name := path.Attribute
	if path.Schema != "" {
		name = path.Schema + ":" + path.Attribute
	}
	if path.Filter != (identity.Filter{}) {
		if d.lookup == lookupEntra {
			name = path.String()
			return name + " eq " + literal, nil
		}
	}
	if path.Sub != "" {
		name += "." + path.Sub
	}
	return name + " eq " + literal, nil
}

// quote is the one function that writes a filter value: a JSON string (RFC 7644,
// section 3.4.2.2) in which only a quote, a backslash and control characters are
// escaped. Everything else stays as it is, since servers that parse filters by a
// regular expression do not read \u escapes.
func quote(value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", connectors.Errorf(connectors.Rejected, "the value to look up is not valid UTF-8")
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(value) + 2)
	b.WriteByte('"')
	for i := range len(value) {
		c := value[i]
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			b.WriteString(`\u00`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xF])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// query is the query of a request. Values are percent-encoded with %20 for a
// blank and %2B for a plus: servers disagree on what a bare plus means.
type query [][2]string

// with returns the query and one more parameter.
func (q query) with(name, value string) query {
	return append(slices.Clip(q), [2]string{name, value})
}

// String returns the encoded query.
func (q query) String() string {
	var b strings.Builder
	for i, pair := range q {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(pair[0]))
		b.WriteByte('=')
		b.WriteString(escape(pair[1]))
	}
	return b.String()
}

// escape percent-encodes all but the unreserved characters of RFC 3986.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xF])
		}
	}
	return b.String()
}
