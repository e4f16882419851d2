package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of texts in a message, in characters.
const (
	longestName    = 256
	longestDetail  = 500
	longestSubject = 200
)

const (
	zwnj = '\u200c' // shapes Persian and Indic names
	zwj  = '\u200d' // joins emoji
)

// line makes a text from outside safe to stand within one line: what ends a line
// or is a blank of another kind becomes a space; control characters, private
// ones and those that hide or reorder text (Unicode's Cc, Co and Cf) become a
// replacement character. Quotes, letters of every script and emoji stay.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == zwnj || r == zwj:
			return r
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(clipBytes(s, most*utf8.UTFMax), "\uFFFD"))
	return clip(strings.TrimSpace(s), most)
}

// lines does the same for a text of several lines, which it keeps.
func lines(s string) string {
	out := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range out {
		indent := l[:len(l)-len(strings.TrimLeft(l, " "))]
		out[i] = strings.TrimRight(indent+line(l, len(l)), " ")
	}
	return strings.Join(out, "\n")
}

// clip shortens s to at most n characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count++; count > n {
			return shorten(s[:i], n)
		}
	}
	return s
}

// shorten puts an ellipsis in the place of the last of n characters.
func shorten(s string, n int) string {
	if n < 1 {
		return ""
	}
	_, size := utf8.DecodeLastRuneInString(s)
	return s[:len(s)-size] + "…"
}

// clipBytes cuts what cannot be part of the result, so that a huge text costs
// little; the cut may split a character, which ToValidUTF8 mends.
func clipBytes(s string, n int) string {
	if len(s) > n {
		return s[:min(len(s), n+utf8.UTFMax)]
	}
	return s
}

// redact takes secrets out of a text, however short.
func redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
