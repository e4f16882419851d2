package render

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	gotext "github.com/jedib0t/go-pretty/v6/text"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// clean makes a value from a directory safe to show on one line: no control
// characters, and none that reorder or hide text (Unicode's Cc and Cf).
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func width(s string) int { return gotext.StringWidthWithoutEscSequences(s) }

// fit shortens s to n columns.
func fit(s string, n int) string {
	if n <= 1 || width(s) <= n {
		return s
	}
	return gotext.Trim(s, n-1) + "…"
}

// number writes n with thousands separated.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// shortPath drops the long schema URN, which every reader knows.
func shortPath(path string) string {
	return strings.TrimPrefix(path, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:")
}

// value writes an attribute value for people.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "(none)"
	case identity.Reference:
		return "account of " + clean(v.Ref.ID)
	}
	var b strings.Builder
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	if err := encode.Encode(v); err != nil {
		return "?"
	}
	return clean(strings.TrimSuffix(b.String(), "\n"))
}

func names(members []identity.Member) string {
	const most = 20
	parts := make([]string, 0, most+1)
	for i, m := range members {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %s more", number(len(members)-most)))
			break
		}
		parts = append(parts, clean(m.Name))
	}
	return strings.Join(parts, ", ")
}

func outcome(o plan.Outcome) string {
	switch o {
	case plan.Unverified:
		return "accepted, cannot be verified"
	case plan.NotKept:
		return "accepted but not kept"
	case plan.Failed:
		return "failed"
	case plan.NotTried:
		return "not tried"
	case plan.Applied:
	}
	return string(o)
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// counts writes the counts of a kind, leaving out what is zero.
func counts(c plan.Counts) string {
	var parts []string
	for _, p := range [...]struct {
		n    int
		word string
	}{
		{c.Create, "create"}, {c.Adopt, "adopt"}, {c.Update, "update"}, {c.Reactivate, "reactivate"},
		{c.Deactivate, "deactivate"}, {c.Delete, "delete"}, {c.Skipped, "left alone"},
	} {
		if p.n > 0 {
			parts = append(parts, number(p.n)+" "+p.word)
		}
	}
	return strings.Join(append(parts, number(c.Unchanged)+" unchanged"), ", ")
}

// ended says in words what became of the changes of a run.
func ended(o plan.Outcomes) string {
	if o == (plan.Outcomes{}) {
		return "nothing was to be done"
	}
	var parts []string
	for _, p := range [...]struct {
		n    int
		word string
	}{
		{o.Applied, "applied"}, {o.Unverified, "accepted but not verifiable"}, {o.NotKept, "accepted but not kept"},
		{o.Failed, "failed"}, {o.NotTried, "not tried"},
	} {
		if p.n > 0 {
			parts = append(parts, number(p.n)+" "+p.word)
		}
	}
	return strings.Join(parts, ", ")
}
