package render

import (
	"cmp"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// section is the steps that stand under one heading.
type section struct {
	op   identity.Op
	kind identity.Kind
	held bool
	// steps and members count what the section holds.
	steps, members int
	// column is how wide its names are.
	column   int
	outcomes plan.Outcomes
}

// overview is what one look at all steps tells.
type overview struct {
	// sections are in the order they are shown: what is added and changed,
	// users first, and at the end, where a reader stops, what is taken away.
	sections []*section
	// done counts what a run has changed.
	done plan.Summary
}

// widest is the widest column of names; it leaves room for the reasons.
const widest = 36

// survey looks at every step once.
func survey(p *plan.Plan) (overview, error) {
	var o overview
	for s, err := range p.Steps {
		if err != nil {
			return o, err
		}
		of := o.section(s)
		of.steps++
		of.members += len(s.Members)
		of.column = min(max(of.column, width(named(s.Name, s.Ref))), widest)
		if of.held || p.Run == "" {
			continue
		}
		switch s.Outcome {
		case plan.Applied, plan.Unverified:
			o.done.Add(s.Change)
			of.outcomes.Count(s.Outcome)
		case "":
			of.outcomes.Count(plan.NotTried)
		default:
			of.outcomes.Count(s.Outcome)
		}
	}
	slices.SortStableFunc(o.sections, func(a, b *section) int {
		switch {
		case a.op.Removes() != b.op.Removes():
			if a.op.Removes() {
				return 1
			}
			return -1
		case a.op.Removes():
			return cmp.Or(cmp.Compare(rank(a.op), rank(b.op)), cmp.Compare(a.kind, b.kind))
		}
		return cmp.Or(cmp.Compare(b.kind, a.kind), cmp.Compare(rank(a.op), rank(b.op)))
	})
	return o, nil
}

// rank is the place of an operation among the headings.
func rank(op identity.Op) int {
	return slices.Index([]identity.Op{
		identity.Create, identity.Adopt, identity.Reactivate, identity.Update, identity.AddMembers, identity.Release,
		identity.Deactivate, identity.RemoveMembers, identity.Delete,
	}, op)
}

// section returns the section a step belongs to.
func (o *overview) section(s plan.Step) *section {
	for _, of := range o.sections {
		if of.has(s) {
			return of
		}
	}
	of := &section{op: s.Op, kind: s.Ref.Kind, held: s.Held != ""}
	o.sections = append(o.sections, of)
	return of
}

func (of *section) has(s plan.Step) bool {
	return of.op == s.Op && of.kind == s.Ref.Kind && of.held == (s.Held != "")
}

// count returns how many steps are held, or are not.
func (o *overview) count(held bool) int {
	n := 0
	for _, of := range o.sections {
		if of.held == held {
			n += of.steps
		}
	}
	return n
}

// title says what the section does or, after a run, has done.
func (of *section) title(p *plan.Plan) string {
	order, done := verb(of.op)
	object := counted(of.steps, string(of.kind))
	switch of.op {
	case identity.AddMembers:
		object = counted(of.members, "member") + " to " + object
	case identity.RemoveMembers:
		object = counted(of.members, "member") + " from " + object
	case identity.Create, identity.Adopt, identity.Update, identity.Reactivate, identity.Deactivate, identity.Delete, identity.Release:
	}
	switch {
	case of.held:
		return order + " " + object + ", held back"
	case p.Run == "":
		return order + " " + object
	case of.outcomes.Applied == of.steps:
		return done + " " + object
	}
	return order + " " + object + ": " + strings.Join(ended(of.outcomes), " ")
}

// shown is how many steps of a section a reader sees before the rest is only
// counted, and troubled how many more because they went wrong. Removals are
// always shown in full.
const (
	shown    = 25
	troubled = 100
)

// write shows the steps of the section.
func (of *section) write(w *page, p *plan.Plan) error {
	color := bold
	if of.op.Removes() {
		color = boldRed
	}
	w.heading(color, of.title(p))
	seen, extra, trouble := 0, 0, of.outcomes.Failed+of.outcomes.NotKept
	for s, err := range p.Steps {
		if err != nil {
			return err
		}
		if !of.has(s) {
			continue
		}
		wrong := s.Outcome == plan.Failed || s.Outcome == plan.NotKept
		if wrong {
			trouble--
		}
		switch {
		case of.op.Removes() || seen < shown:
			seen++
		case wrong && extra < troubled:
			extra++
		case trouble == 0 || extra == troubled:
			// Nothing behind this one is shown.
			w.hidden(of.steps - seen - extra)
			return nil
		default:
			continue
		}
		w.step(s, of.column)
	}
	w.hidden(of.steps - seen - extra)
	return nil
}

// hidden says that more is not shown.
func (p *page) hidden(n int) {
	if n > 0 {
		p.line(itemIndent, "… and ", number(n), " more (-o json shows all)")
	}
}

func (p *page) step(s plan.Step, column int) {
	sign, color := look(s.Op)
	p.item(sign, color, named(s.Name, s.Ref), column, remark(s))
	switch s.Op {
	case identity.Adopt:
		if s.TargetID != "" {
			p.detail(dim, "is "+clean(s.TargetID)+" at the target")
		}
		p.attributes(s.Attributes)
	case identity.Update:
		p.attributes(s.Attributes)
	case identity.AddMembers:
		const few = 6
		p.flow(plain, detailIndent, detailIndent, members(s.Members, few))
	case identity.RemoveMembers:
		p.flow(plain, detailIndent, detailIndent, members(s.Members, 0))
	case identity.Create, identity.Reactivate, identity.Deactivate, identity.Delete, identity.Release:
	}
	if s.Held == plan.RuleDepends {
		p.detail(yellow, "waits for what is held back")
	}
	if said := outcome(s); said != "" {
		p.detail(outcomeColor(s.Outcome), said)
	}
}

// remark is what a reader wants to know beside the name.
func remark(s plan.Step) string {
	var parts []string
	ordinary := s.Op == identity.Create && s.Cause == identity.CauseNew ||
		s.Op == identity.Update && s.Cause == identity.CauseChanged ||
		s.Op == identity.AddMembers || s.Op == identity.RemoveMembers
	if !ordinary {
		parts = append(parts, clean(s.Reason))
	}
	if len(s.Members) > 0 {
		parts = append(parts, counted(len(s.Members), "member"))
	}
	return strings.Join(parts, "; ")
}

// attributes writes what becomes of each attribute, paths in a column.
func (p *page) attributes(list []identity.Attribute) {
	most, column := min(30, p.style.Width/2-len(detailIndent)), 0
	for _, a := range list {
		column = min(max(column, width(shortPath(a.Path))), most)
	}
	hang := detailIndent + strings.Repeat(" ", column+2)
	for _, a := range list {
		path := fit(shortPath(a.Path), p.style.Width/2)
		head := detailIndent + path + strings.Repeat(" ", max(column-width(path), 0)+2)
		p.flow(plain, head, hang, difference(a, "->"))
	}
}
