package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// number writes n with thousands separated.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted writes a number of things.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return number(n) + " " + noun
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// shortPath drops the long schema URN, which every reader knows.
func shortPath(path string) string {
	return clean(strings.TrimPrefix(path, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"))
}

// named is how a reader knows an object.
func named(name string, ref identity.Ref) string {
	name = clean(name)
	trimmed := strings.TrimSpace(name)
	switch {
	case trimmed == "":
		return strings.TrimSpace("(no name) " + clean(ref.ID))
	case trimmed != name || strings.Contains(name, "  "):
		// Spaces that nobody sees are why names differ, and two of them would
		// let a name look like a name and a remark.
		name = `"` + name + `"`
	}
	return fit(name, longValue)
}

// longValue bounds, in columns, what is shown of one name or attribute value.
const longValue = 240

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
	return fit(clean(strings.TrimSuffix(b.String(), "\n")), longValue)
}

// difference writes what becomes of a value. Of two lists it tells what comes
// and goes, since the rest is long and stays.
func difference(a identity.Attribute, arrow string) []string {
	before, ok := a.Before.([]string)
	after, also := a.After.([]string)
	var parts []string
	if ok && also && len(before) > 0 && len(after) > 0 {
		for _, v := range after {
			if !slices.Contains(before, v) {
				parts = append(parts, "+"+value(v))
			}
		}
		for _, v := range before {
			if !slices.Contains(after, v) {
				parts = append(parts, "-"+value(v))
			}
		}
	}
	if len(parts) > 0 {
		return parts
	}
	return []string{value(a.Before), arrow + " " + value(a.After)}
}

// members writes the names of members as a list, of which a reader sees at most
// most; 0 means all.
func members(list []identity.Member, most int) []string {
	out := make([]string, 0, len(list))
	for i, m := range list {
		if i == most && most > 0 {
			break
		}
		name := named(m.Name, m.Ref)
		if strings.Contains(name, ",") {
			name = `"` + name + `"`
		}
		if m.Ref.Kind == identity.Group {
			name = "group " + name
		}
		out = append(out, name)
	}
	if hidden := len(list) - len(out); hidden > 0 {
		out = append(out, fmt.Sprintf("and %s more", number(hidden)))
	}
	return listed(out)
}

// listed puts commas between parts, so that lines break between them only.
func listed(parts []string) []string {
	for i := range parts[:max(len(parts)-1, 0)] {
		parts[i] += ","
	}
	return parts
}

// outcome says what became of a step that was not simply applied.
func outcome(s plan.Step) string {
	why := clean(s.Error)
	said := ""
	switch s.Outcome {
	case plan.Applied, "":
		return why
	case plan.Unverified:
		said = "accepted, but cannot be verified"
	case plan.NotKept:
		said = "not kept"
		if why == "" {
			return "accepted, but not kept"
		}
	case plan.Failed:
		said = "failed"
	case plan.NotTried:
		said = "not tried"
	}
	if why == "" {
		return said
	}
	return said + ": " + why
}

// outcomeColor is the colour of an outcome.
func outcomeColor(o plan.Outcome) string {
	switch o {
	case plan.Failed, plan.NotKept:
		return red
	case plan.Unverified, plan.NotTried:
		return yellow
	case plan.Applied:
	}
	return dim
}

// ended says in words what became of the changes of a run.
func ended(o plan.Outcomes) []string {
	var parts []string
	for _, p := range [...]struct {
		n    int
		word string
	}{
		{o.Applied, "applied"},
		{o.Unverified, "accepted but not verifiable"},
		{o.NotKept, "accepted but not kept"},
		{o.Failed, "failed"},
		{o.NotTried, "not tried"},
	} {
		if p.n > 0 {
			parts = append(parts, number(p.n)+" "+p.word)
		}
	}
	if len(parts) == 0 {
		return []string{"nothing was to be done"}
	}
	return listed(parts)
}

// verb says an operation as an order, and done as a report.
func verb(op identity.Op) (order, done string) {
	switch op {
	case identity.AddMembers:
		return "Add", "Added"
	case identity.RemoveMembers:
		return "Remove", "Removed"
	case identity.Create, identity.Update, identity.Reactivate, identity.Deactivate, identity.Delete, identity.Release:
		return capital(string(op)), capital(string(op)) + "d"
	case identity.Adopt:
	}
	return capital(string(op)), capital(string(op)) + "ed"
}

// look is the sign and colour of an operation.
func look(op identity.Op) (sign, color string) {
	switch op {
	case identity.Create, identity.AddMembers:
		return "+", green
	case identity.Adopt:
		return "=", yellow
	case identity.Update:
		return "~", yellow
	case identity.Reactivate:
		return "^", green
	case identity.Deactivate, identity.Delete, identity.RemoveMembers:
		return "-", red
	case identity.Release:
	}
	return ".", dim
}
