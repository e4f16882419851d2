package configs

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns a hint for an unknown name: the nearest known one, or all of
// them where none is near and they are few; kind is the plural of what they are.
func suggest(name, kind string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(known) == 0 || len(known) > 20 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(known))
	return fmt.Sprintf("%s: %s", kind, strings.Join(sorted, ", "))
}

// nearest returns the known name that is most likely meant by name, or "".
func nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	normal := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	best, distance := "", 1+max(1, len(name)/3)
	for _, candidate := range slices.Sorted(slices.Values(known)) {
		d := editDistance(normal(name), normal(candidate))
		if d < distance && d < len(candidate) {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that lead from a to b (optimal string alignment).
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
