package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Markdown writes one plan, or with outcomes one run, for a review: all of it,
// removals before the other changes. It returns the first error of the writer
// or of the plan's steps.
func Markdown(w io.Writer, p *plan.Plan) error {
	b := bufio.NewWriter(w)
	o, err := survey(p)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "## %s to %s\n\n", mark(p.Sync), mark(p.Target))
	markdownCounts(b, p, o)
	if p.Guard.Tripped {
		fmt.Fprintf(b, "\n### %s\n\n", guardTitle(p))
		for _, trip := range p.Guard.Trips {
			fmt.Fprintf(b, "- %s\n", mark(trip.String()))
		}
		say, command := advice(p, o)
		fmt.Fprintf(b, "\n%s\n\n```sh\n%s\n```\n", say, command)
	}
	for _, part := range [...]struct {
		title string
		want  func(plan.Step) bool
	}{
		{"Held back", func(s plan.Step) bool { return s.Held != "" }},
		{"Removals", func(s plan.Step) bool { return s.Held == "" && s.Op.Removes() }},
		{"Changes", func(s plan.Step) bool { return s.Held == "" && !s.Op.Removes() }},
	} {
		if err := markdownSteps(b, p, part.title, part.want); err != nil {
			return err
		}
	}
	markdownSkipped(b, p)
	for _, note := range p.Notes {
		fmt.Fprintf(b, "\n> %s\n", mark(note))
	}
	fmt.Fprintf(b, "\nPlan %s, digest %s\n", code(p.ID), code(p.Digest))
	return b.Flush()
}

// markdownCounts writes the summary: what is to be done or, after a run, what
// was.
func markdownCounts(b *bufio.Writer, p *plan.Plan, o overview) {
	source := p.Summary
	heads := "create | adopt | update | reactivate | deactivate | delete"
	add, remove := "to add", "to remove"
	if p.Run != "" {
		source = o.done
		heads = "created | adopted | updated | reactivated | deactivated | deleted"
		add, remove = "added", "removed"
	}
	fmt.Fprintf(b, "| | %s | unchanged | left alone |\n", heads)
	fmt.Fprintf(b, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, k := range identity.Kinds() {
		c, stays := *source.Of(k), *p.Summary.Of(k)
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", k.Plural(),
			c.Create, c.Adopt, c.Update, c.Reactivate, c.Deactivate, c.Delete, stays.Unchanged, stays.Skipped)
	}
	m := source.Memberships
	fmt.Fprintf(b, "\nMemberships: %d %s, %d %s. Held back: %d.\n", m.Add, add, m.Remove, remove, p.Summary.Held)
	if p.Run != "" {
		fmt.Fprintf(b, "\nRun %s: **%s**\n", code(p.Run), strings.Join(runEnded(p), " "))
	}
}

func markdownSteps(b *bufio.Writer, p *plan.Plan, title string, want func(plan.Step) bool) error {
	begun := false
	for s, err := range p.Steps {
		if err != nil {
			return err
		}
		if !want(s) {
			continue
		}
		if !begun {
			fmt.Fprintf(b, "\n### %s\n\n| change | object | what | why |\n| --- | --- | --- | --- |\n", title)
			begun = true
		}
		why := mark(s.Reason)
		if said := outcome(s); said != "" {
			why += "<br>**" + mark(said) + "**"
		}
		fmt.Fprintf(b, "| %s | %s %s | %s | %s |\n", s.Op, s.Ref.Kind, code(named(s.Name, s.Ref)), what(s), why)
	}
	return nil
}

func markdownSkipped(b *bufio.Writer, p *plan.Plan) {
	for _, undecided := range [...]bool{true, false} {
		title, begun := "Left alone by policy", false
		if undecided {
			title = "Could not be decided, and is left as it is"
		}
		for _, s := range p.Skipped {
			if s.Undecided != undecided {
				continue
			}
			if !begun {
				fmt.Fprintf(b, "\n### %s\n\n| object | id | why |\n| --- | --- | --- |\n", title)
				begun = true
			}
			fmt.Fprintf(b, "| %s %s | %s | %s |\n", s.Ref.Kind, code(named(s.Name, s.Ref)), code(s.Ref.ID), mark(s.Why))
		}
	}
}

// what says what a step changes in the object.
func what(s plan.Step) string {
	var parts []string
	for _, a := range s.Attributes {
		if s.Op == identity.Create || s.Op == identity.Delete {
			break // the whole object
		}
		parts = append(parts, code(shortPath(a.Path))+" "+code(strings.Join(difference(a, "→"), " ")))
	}
	if len(s.Members) > 0 {
		most := 20
		if s.Op.Removes() {
			most = 0
		}
		parts = append(parts, counted(len(s.Members), "member")+": "+code(strings.Join(members(s.Members, most), " ")))
	}
	return strings.Join(parts, "<br>")
}

// mark makes prose plain text in a Markdown table.
func mark(s string) string {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", `\*`, "_", `\_`,
		"[", `\[`, "]", `\]`, "!", `\!`, "#", `\#`, "~", `\~`, "$", `\$`,
	).Replace(clean(s))
}

// code makes a value from a directory a code span, in which nothing is markup,
// a link or a mention of somebody. The fence is longer than any run of
// backticks inside (CommonMark, section 6.1), and a pipe is escaped because a
// table is split into cells first (GFM, section 4.10).
func code(s string) string {
	s = clean(s)
	if strings.TrimSpace(s) == "" {
		return "(none)"
	}
	longest, run := 0, 0
	for _, r := range s {
		if run++; r != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 {
		s = " " + s + " "
	}
	var b strings.Builder
	slashes := 0
	for _, r := range s {
		if r == '|' {
			// A pipe is part of its cell behind an odd number of backslashes.
			b.WriteByte('\\')
			if slashes%2 == 1 {
				b.WriteByte('\\')
			}
		}
		if slashes++; r != '\\' {
			slashes = 0
		}
		b.WriteRune(r)
	}
	return fence + b.String() + fence
}
