package mapping

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Error is one mistake in a mapping, found by Compile.
type Error struct {
	Pos Pos
	// Path is the SCIM path of the rule, or "scope" or "include".
	Path    string
	Problem string
	// Hint says how to mend it; empty where the problem says it already.
	Hint string
}

// Error returns FILE:LINE:COLUMN: PATH: PROBLEM (HINT), without the place where
// the mistake is not in the configuration.
func (e *Error) Error() string {
	var b strings.Builder
	if place := e.Pos.String(); place != "" {
		b.WriteString(place + ": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Problem)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// String returns FILE:LINE:COLUMN, as far as they are known.
func (p Pos) String() string {
	parts := []string{}
	if p.File != "" {
		parts = append(parts, p.File)
	}
	if p.Line > 0 {
		parts = append(parts, strconv.Itoa(p.Line))
		if p.Column > 0 {
			parts = append(parts, strconv.Itoa(p.Column))
		}
	}
	return strings.Join(parts, ":")
}

// Errors are all mistakes of one mapping, in the order of their places.
type Errors []*Error

// Error returns the mistakes, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes for errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// sorted orders by place, then by path and text, so that the same mistakes are
// always told in the same order, and tells none twice.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Problem, b.Problem), cmp.Compare(a.Hint, b.Hint))
	})
	return slices.CompactFunc(e, func(a, b *Error) bool { return *a == *b })
}

// ValueError says why a record could not be mapped. It carries no attribute of
// the person but the names of those it speaks of.
type ValueError struct {
	// Path is the SCIM path of the rule, "scope", "include", or the name of
	// the record's field that is at fault.
	Path    string
	Problem string
}

// Error returns PATH: PROBLEM.
func (e *ValueError) Error() string { return e.Path + ": " + e.Problem }

// ValueErrors are all reasons why one record could not be mapped.
type ValueErrors []*ValueError

// Error returns the reasons in one line.
func (e ValueErrors) Error() string {
	parts := make([]string, len(e))
	for i, one := range e {
		parts[i] = one.Error()
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the reasons for errors.Is and errors.As.
func (e ValueErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// nearest returns the candidate that a misspelt name most likely means, or "".
func nearest(name string, candidates []string) string {
	if len(name) > 64 {
		return ""
	}
	best, limit := "", 1+max(1, len(name)/3)
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		d := distance(strings.ToLower(name), strings.ToLower(candidate))
		if d < limit && d < len(candidate) {
			best, limit = candidate, d
		}
	}
	return best
}

// distance is the number of inserted, dropped, changed or swapped letters
// between two words (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// meant returns a hint that names the nearest candidate, or "".
func meant(name string, candidates []string) string {
	if near := nearest(name, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}
