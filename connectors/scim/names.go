package scim

import (
	"fmt"
	"slices"
	"strings"
)

func known(names []string, name string) bool { return slices.Contains(names, name) }

// unknownName says that a name is not known, which ones are, and which one was
// probably meant.
func unknownName(what, name string, names []string) string {
	text := fmt.Sprintf("%.40q is not a %s; known are %s", name, what, strings.Join(names, ", "))
	if near := nearest(name, names); near != "" {
		text += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return text
}

// nearest returns the name within a third of its length in edits, or "".
func nearest(name string, names []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", len(name)/3+2
	for _, candidate := range names {
		if d := distance(strings.ToLower(name), candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the insertions, deletions and substitutions between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
