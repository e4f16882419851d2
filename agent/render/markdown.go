package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Markdown writes one plan, or with outcomes one run, for a review.
func Markdown(w io.Writer, p *plan.Plan) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "## %s to %s\n\n", mark(p.Sync), mark(p.Target))
	fmt.Fprintf(b, "| | create | adopt | update | reactivate | deactivate | delete | unchanged | left alone |\n")
	fmt.Fprintf(b, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, k := range identity.Kinds() {
		c := *p.Summary.Of(k)
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", k.Plural(),
			c.Create, c.Adopt, c.Update, c.Reactivate, c.Deactivate, c.Delete, c.Unchanged, c.Skipped)
	}
	m := p.Summary.Memberships
	fmt.Fprintf(b, "\nMemberships: %d to add, %d to remove. Held: %d.\n", m.Add, m.Remove, p.Summary.Held)
	if p.Guard.Tripped {
		fmt.Fprintf(b, "\n**Held by a guard**\n\n")
		for _, trip := range p.Guard.Trips {
			fmt.Fprintf(b, "- %s\n", mark(trip.String()))
		}
	}
	for _, part := range [...]struct {
		title string
		want  func(plan.Step) bool
	}{
		{"Changes", func(s plan.Step) bool { return s.Held == "" }},
		{"Held back", func(s plan.Step) bool { return s.Held != "" }},
	} {
		if err := markdownSteps(b, p, part.title, part.want); err != nil {
			return err
		}
	}
	if len(p.Skipped) > 0 {
		fmt.Fprintf(b, "\n### Left alone\n\n| object | why |\n| --- | --- |\n")
		for _, s := range p.Skipped {
			fmt.Fprintf(b, "| %s %s | %s |\n", s.Ref.Kind, mark(s.Name), mark(s.Why))
		}
	}
	for _, note := range p.Notes {
		fmt.Fprintf(b, "\n> %s\n", mark(note))
	}
	fmt.Fprintf(b, "\nPlan `%s`, digest `%s`\n", mark(p.ID), p.Digest)
	return b.Flush()
}

func markdownSteps(b *bufio.Writer, p *plan.Plan, title string, want func(plan.Step) bool) error {
	any := false
	for s, err := range p.Steps {
		if err != nil {
			return err
		}
		if !want(s) {
			continue
		}
		if !any {
			fmt.Fprintf(b, "\n### %s\n\n| change | object | what | why |\n| --- | --- | --- | --- |\n", title)
			any = true
		}
		why := mark(s.Reason)
		if s.Outcome != "" && s.Outcome != plan.Applied {
			why += "<br>**" + outcome(s.Outcome) + "**" + colon(mark(s.Error))
		}
		fmt.Fprintf(b, "| %s | %s %s | %s | %s |\n", s.Op, s.Ref.Kind, mark(s.Name), what(s), why)
	}
	return nil
}

// what says what a step changes in the object.
func what(s plan.Step) string {
	var parts []string
	for _, a := range s.Attributes {
		if s.Op == identity.Create || s.Op == identity.Delete {
			break
		}
		parts = append(parts, fmt.Sprintf("%s: %s → %s", mark(shortPath(a.Path)), mark(value(a.Before)), mark(value(a.After))))
	}
	if len(s.Members) > 0 {
		parts = append(parts, fmt.Sprintf("%d %s: %s", len(s.Members), plural(len(s.Members), "member"), mark(names(s.Members))))
	}
	return strings.Join(parts, "<br>")
}

// mark makes a value from a directory plain text in a Markdown table.
func mark(s string) string {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "<", "&lt;", "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "!", `\!`, "#", `\#`,
	).Replace(clean(s))
}
