package rest

import (
	"bytes"
	"net/http"
	"unicode/utf8"
)

// MaxValues is how many JSON values an answer may hold. A bound in bytes does not
// bound what decoding takes: {} is two bytes on the wire, nearly none in gzip, and
// dozens in memory. The largest honest pages hold some 300,000.
const MaxValues = 500_000

// CountValues counts the values of a JSON text, as far as reading it has to care:
// each {, [ and comma outside of strings, which is no fewer than there are values,
// less one.
func CountValues(text []byte) int {
	var c census
	c.add(text)
	return c.n
}

// census is CountValues of a text that comes in pieces.
type census struct {
	n       int
	quoted  bool // within a string
	escaped bool // behind the backslash of a string
}

func (c *census) add(piece []byte) {
	for len(piece) > 0 {
		at, n := 0, 0
		switch {
		case c.escaped:
			c.escaped = false
		case c.quoted:
			for at < len(piece) && piece[at] != '"' && piece[at] != '\\' {
				at++
			}
			if at < len(piece) {
				c.quoted = piece[at] == '\\'
				c.escaped = c.quoted
			}
		default:
			for ; at < len(piece) && piece[at] != '"'; at++ {
				switch piece[at] {
				case '{', '[', ',':
					n++
				}
			}
			c.quoted = at < len(piece)
		}
		c.n += n
		piece = piece[min(at+1, len(piece)):]
	}
}

// Crowded reports whether an answer, of which nothing was read yet, may hold more
// than MaxValues values. It is quick, and takes what looks like values in strings
// for some; of a body that did not come from this package's clients it knows
// nothing.
func Crowded(resp *http.Response) bool {
	b, ok := resp.Body.(*body)
	return !ok || b.begun || b.marks() > MaxValues
}

// marks counts what CountValues counts, in strings too, in a tenth of the time.
func (b *body) marks() int {
	n := 0
	for _, chunk := range b.chunks {
		for _, mark := range []string{"{", "[", ","} {
			n += bytes.Count(chunk, []byte(mark))
		}
	}
	return n
}

// crowded reports whether the body holds more than n values.
func (b *body) crowded(n int) bool {
	if b.marks() <= n {
		return false // as nearly every answer
	}
	var c census
	for _, chunk := range b.chunks {
		c.add(chunk)
	}
	return c.n > n
}

// isJSON reports whether the body begins as a JSON object or list does, which is
// all that can hold much. Some readers skip a byte order mark, or parts of one.
func (b *body) isJSON() bool {
	for _, chunk := range b.chunks {
		for _, first := range chunk {
			switch first {
			case ' ', '\t', '\r', '\n', 0xEF, 0xBB, 0xBF:
			default:
				return first == '{' || first == '['
			}
		}
	}
	return false
}

// isUTF8 reports whether the body is UTF-8.
func (b *body) isUTF8() bool {
	var split []byte // the beginning of a character that goes on in the next chunk
	for _, chunk := range b.chunks {
		for ; len(split) > 0 && len(chunk) > 0; chunk = chunk[1:] {
			if split = append(split, chunk[0]); !utf8.FullRune(split) {
				continue
			}
			if !utf8.Valid(split) {
				return false
			}
			split = split[:0]
		}
		whole := len(chunk) - cutRune(chunk)
		if !utf8.Valid(chunk[:whole]) {
			return false
		}
		split = append(split, chunk[whole:]...)
	}
	return len(split) == 0
}

// cutRune returns how many bytes at the end of the text begin a character that
// does not end there.
func cutRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}
