package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one mistake in a configuration, or one remark about it, with its
// place.
type Problem struct {
	// File is the path the configuration was loaded from.
	File string
	// Line and Column count from 1; columns count characters. Zero where the
	// problem has no place, such as a file that does not exist.
	Line, Column int
	// Key is the dotted path of the key concerned, "sources.okta.token".
	Key string
	// Text says what is wrong and Hint how to mend it. Neither ever repeats
	// a value that may be a secret.
	Text, Hint string
	// Unavailable says that the configuration is right and this release
	// cannot do it yet.
	Unavailable bool
}

// String returns FILE:LINE:COLUMN: KEY: TEXT (HINT), leaving out what is empty.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Text)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Error are all mistakes of a configuration, in the order of the file.
type Error struct{ Problems []Problem }

// Error returns one line per problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// oneLine keeps a key or message, parts of which come from the file, from
// spilling over its line or steering a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// maxProblems bounds what is listed: nobody mends more in one go.
const maxProblems = 200

// sorted returns the problems by place, without repetitions.
func sorted(problems []*Problem) []Problem {
	out := make([]Problem, len(problems))
	for i, p := range problems {
		out[i] = *p
		out[i].Key, out[i].Text, out[i].Hint = oneLine(p.Key), oneLine(p.Text), oneLine(p.Hint)
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Text, b.Text))
	})
	out = slices.Compact(out)
	if more := len(out) - maxProblems; more > 0 {
		last := out[maxProblems-1]
		out = append(out[:maxProblems], Problem{
			File: last.File, Line: last.Line, Column: last.Column, Text: fmt.Sprintf("and %d problems more below", more),
		})
	}
	return out
}
