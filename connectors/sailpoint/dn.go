package sailpoint

import (
	"encoding/hex"
	"slices"
	"strings"
)

// canonical returns the form in which two spellings of one distinguished name
// are equal, and false for a value that is none. Directories write one name in
// several ways: other case, blanks around commas and equals signs, a character
// escaped as itself or by its code (RFC 4514, section 2.4), or quoted (RFC 2253,
// section 4). A name of one part only is not taken for one, because roles of
// other systems look like that and may differ in case.
func canonical(value string) (string, bool) {
	p := dnParser{rest: value}
	var names []string
	for {
		name, ok := p.relative()
		if !ok {
			return "", false
		}
		names = append(names, name)
		if p.rest == "" {
			break
		}
		p.rest = p.rest[1:] // the separator
	}
	if len(names) < 2 {
		return "", false
	}
	return strings.Join(names, "\x00"), true
}

// dnParser reads a distinguished name from left to right.
type dnParser struct{ rest string }

// relative reads one relative name, up to a comma, a semicolon or the end: one
// attribute, or several joined by plus signs, whose order has no meaning.
func (p *dnParser) relative() (string, bool) {
	var parts []string
	for {
		part, ok := p.attribute()
		if !ok {
			return "", false
		}
		parts = append(parts, part)
		if !strings.HasPrefix(p.rest, "+") {
			break
		}
		p.rest = p.rest[1:]
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x01"), true
}

func (p *dnParser) attribute() (string, bool) {
	name, rest, ok := strings.Cut(p.rest, "=")
	name = strings.ToLower(strings.Trim(name, " "))
	if !ok || name == "" || strings.ContainsFunc(name, notInName) {
		return "", false
	}
	p.rest = strings.TrimLeft(rest, " ")
	var value string
	if strings.HasPrefix(p.rest, `"`) {
		value, ok = p.quoted()
	} else {
		value, ok = p.plain()
	}
	if !ok || strings.ContainsAny(value, "\x00\x01") {
		return "", false
	}
	return name + "=" + fold(value), true
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// fold makes values that directories hold for equal equal: no case, and runs of
// blanks count as one (RFC 4518, sections 2.2 and 2.6.1).
func fold(value string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return r == ' ' }), " ")
}

// quoted reads a value in quotation marks and what follows up to a separator.
func (p *dnParser) quoted() (string, bool) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = strings.TrimLeft(p.rest[i+1:], " ")
			return b.String(), p.rest == "" || separator(p.rest[0])
		case '\\':
			decoded, size := escaped(p.rest[i:])
			if size == 0 {
				return "", false
			}
			b.WriteByte(decoded)
			i += size - 1
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// plain reads a value up to a separator.
func (p *dnParser) plain() (string, bool) {
	var b strings.Builder
	i := 0
	for ; i < len(p.rest) && !separator(p.rest[i]); i++ {
		c := p.rest[i]
		if c == '\\' {
			decoded, size := escaped(p.rest[i:])
			if size == 0 {
				return "", false
			}
			c, i = decoded, i+size-1
		}
		b.WriteByte(c)
	}
	p.rest = p.rest[i:]
	return b.String(), true
}

func separator(c byte) bool { return c == ',' || c == ';' || c == '+' }

// escaped decodes what a backslash begins, and says how long it is; zero where
// it is cut off.
func escaped(text string) (byte, int) {
	if len(text) >= 3 {
		if b, err := hex.DecodeString(text[1:3]); err == nil {
			return b[0], 3
		}
	}
	if len(text) < 2 {
		return 0, 0
	}
	return text[1], 2
}
