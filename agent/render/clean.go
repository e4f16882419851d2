package render

import (
	"strings"
	"unicode"

	gotext "github.com/jedib0t/go-pretty/v6/text"
)

// marks is how many combining marks may follow one another. No script stacks
// more; without a bound a name could grow over the lines around it.
const marks = 4

// clean makes a value from a directory safe to show on one line: no control
// characters, and none that reorder or hide text (Unicode's Cc and Cf), nor
// private ones. What ends a line becomes a space; the rest shows that it was
// there.
func clean(s string) string {
	run := 0
	return strings.Map(func(r rune) rune {
		if !unicode.In(r, unicode.Mn, unicode.Me) {
			run = 0
		}
		switch {
		case r < 0x7f && r >= ' ':
			return r
		case r == '\n' || r == '\r' || r == '\t' || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return unicode.ReplacementChar
		case r == 0xFE0E || r == 0xFE0F:
			return -1 // asks for a text or emoji form, which changes the width
		}
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if run++; run > marks {
				return -1
			}
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// width is the number of columns s takes.
func width(s string) int { return gotext.StringWidthWithoutEscSequences(s) }

const ellipsis = "…"

// fit shortens s to n columns.
func fit(s string, n int) string {
	if width(s) <= n {
		return s
	}
	return gotext.Trim(s, max(n-width(ellipsis), 1)) + ellipsis
}

// cut splits s so that its head takes at most n columns, and at least one rune.
func cut(s string, n int) (head, tail string) {
	used := 0
	for i, r := range s {
		w := gotext.RuneWidth(r)
		if used += w; used > n && i > 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
