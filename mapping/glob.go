package mapping

import (
	"errors"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxGlob bounds one pattern, maxName the name it is matched with; together
// they bound the work of a match.
const (
	maxGlob = 1_000
	maxName = 10_000
)

// Globs matches names against patterns of which one must fit: * stands for any
// characters, ? for one, and a backslash takes the next character as it is.
// Case does not count, nor how an accented letter is encoded.
type Globs []glob

type glob struct {
	source string
	tokens []globToken
}

type globToken struct {
	kind globKind
	r    rune // folded; for literals
}

type globKind byte

const (
	globLiteral globKind = iota
	globOne
	globAny
)

var (
	errGlobEmpty  = errors.New("the pattern is empty")
	errGlobEscape = errors.New(`the pattern ends in a lone backslash`)
	errGlobLong   = errors.New("the pattern is longer than 1,000 characters")
	errGlobUTF8   = errors.New("the pattern is not valid UTF-8")
)

// CompileGlobs reads patterns. Without any, nothing matches.
func CompileGlobs(patterns ...string) (Globs, error) {
	globs := make(Globs, 0, len(patterns))
	for _, pattern := range patterns {
		g, err := parseGlob(pattern)
		if err != nil {
			return nil, err
		}
		globs = append(globs, g)
	}
	return globs, nil
}

// Match reports whether one of the patterns fits the whole name.
func (g Globs) Match(name string) bool {
	if len(name) > maxName {
		return false
	}
	runes := foldRunes(name)
	for i := range g {
		if g[i].match(runes) {
			return true
		}
	}
	return false
}

func parseGlob(pattern string) (glob, error) {
	switch {
	case pattern == "":
		return glob{}, errGlobEmpty
	case len(pattern) > maxGlob:
		return glob{}, errGlobLong
	case !utf8.ValidString(pattern):
		return glob{}, errGlobUTF8
	}
	g := glob{source: pattern}
	escaped := false
	for _, r := range norm.NFC.String(pattern) {
		switch {
		case escaped:
			g.tokens, escaped = append(g.tokens, globToken{globLiteral, foldRune(r)}), false
		case r == '\\':
			escaped = true
		case r == '?':
			g.tokens = append(g.tokens, globToken{kind: globOne})
		case r == '*':
			if n := len(g.tokens); n == 0 || g.tokens[n-1].kind != globAny {
				g.tokens = append(g.tokens, globToken{kind: globAny})
			}
		default:
			g.tokens = append(g.tokens, globToken{globLiteral, foldRune(r)})
		}
	}
	if escaped {
		return glob{}, errGlobEscape
	}
	return g, nil
}

// match goes through the name once and returns to the last star only, so the
// work is at most the product of both lengths.
func (g *glob) match(name []rune) bool {
	t, n, star, resume := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case t < len(g.tokens) && g.tokens[t].kind == globAny:
			star, resume = t, n
			t++
		case t < len(g.tokens) && (g.tokens[t].kind == globOne || g.tokens[t].r == name[n]):
			t++
			n++
		case star >= 0:
			resume++
			t, n = star+1, resume
		default:
			return false
		}
	}
	for t < len(g.tokens) && g.tokens[t].kind == globAny {
		t++
	}
	return t == len(g.tokens)
}

func foldRunes(s string) []rune {
	runes := []rune(norm.NFC.String(s))
	for i, r := range runes {
		runes[i] = foldRune(r)
	}
	return runes
}

// foldRune returns one letter for all letters that differ in case only: the
// least of those that Unicode's simple folding connects.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
