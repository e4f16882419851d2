package render

import (
	"cmp"
	"io"
	"strings"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Text writes one plan, or with outcomes one run, for a terminal. It returns
// the first error of the writer or of the plan's steps.
func Text(w io.Writer, p *plan.Plan, style Style) error {
	t := newPage(w, style)
	o, err := survey(p)
	if err != nil {
		return err
	}
	t.flow(bold, "", "  ", fields(p.Sync+" to "+p.Target))
	if o.count(false) == 0 && !p.Guard.Tripped {
		t.heading(plain, "Nothing to do.")
	}
	for _, s := range o.sections {
		if s.held && p.Guard.Tripped {
			continue
		}
		if err := s.write(t, p); err != nil {
			return err
		}
	}
	if err := t.guard(p, o); err != nil {
		return err
	}
	t.skipped(p)
	t.summary(p, o)
	return t.w.Flush()
}

func fields(s string) []string { return strings.Fields(clean(s)) }

// skipped writes what is left alone: first, in full, what a person must look at.
func (p *page) skipped(of *plan.Plan) {
	for _, undecided := range [...]bool{true, false} {
		var list []plan.Skipped
		column := 0
		for _, s := range of.Skipped {
			if s.Undecided == undecided {
				list = append(list, s)
				column = min(max(column, width(subject(s))), widest)
			}
		}
		if len(list) == 0 {
			continue
		}
		sign, color, title, most := ".", dim, "Left alone by policy: ", shown
		if undecided {
			sign, color, title, most = "?", yellow, "Could not be decided, and is left as it is: ", len(list)
		}
		p.heading(bold, title+counted(len(list), "object"))
		for i, s := range list {
			if i == most {
				p.hidden(len(list) - most)
				break
			}
			p.item(sign, color, subject(s), column, clean(s.Why))
		}
	}
}

// subject names an object that is left alone so that it can be looked up.
func subject(s plan.Skipped) string {
	name, id := named(s.Name, s.Ref), clean(s.Ref.ID)
	if strings.HasSuffix(name, id) {
		return string(s.Ref.Kind) + " " + name
	}
	return string(s.Ref.Kind) + " " + name + " (" + id + ")"
}

// summary writes the counts: of a plan what is to be done, of a run what was.
func (p *page) summary(of *plan.Plan, o overview) {
	p.line()
	for _, k := range identity.Kinds() {
		if said := tally(of, o, k); len(said) > 0 {
			p.labelled(capital(k.Plural()), said)
		}
	}
	if said := memberships(of, o); len(said) > 0 {
		p.labelled("Memberships", said)
	}
	if of.Summary.Held > 0 {
		p.labelled("Held back", []string{number(of.Summary.Held)})
	}
	if of.Requests > 0 && of.Run == "" {
		p.labelled("Requests", fields("about "+number(of.Requests)+duration(of)))
	}
	if of.Run != "" {
		p.labelled("Run", append([]string{clean(of.Run) + ":"}, runEnded(of)...))
	}
	for _, note := range of.Notes {
		p.labelled("Note", fields(note))
	}
}

// runEnded says what became of the changes of a run.
func runEnded(p *plan.Plan) []string {
	if p.Outcomes == (plan.Outcomes{}) && p.Summary.Held > 0 {
		return []string{"nothing was written"}
	}
	return ended(p.Outcomes)
}

// duration says how long the requests of a plan take, and how that is known.
func duration(p *plan.Plan) string {
	if p.Seconds <= 0 {
		return ""
	}
	said := ", less than a second"
	if d := time.Duration(min(p.Seconds, 1e8) * float64(time.Second)).Round(time.Second); d >= time.Second {
		said = ", about " + d.String()
	}
	if p.Basis == plan.Latency {
		return said + " at the speed of its answers"
	}
	return said + " at the " + string(cmp.Or(p.Basis, plan.KnownRate))
}

// tally counts one kind, leaving out what is zero.
func tally(p *plan.Plan, o overview, k identity.Kind) []string {
	source := p.Summary
	if p.Run != "" {
		source = o.done
	}
	c, stays := *source.Of(k), *p.Summary.Of(k)
	var parts []string
	for _, item := range [...]struct {
		n  int
		op identity.Op
	}{
		{c.Create, identity.Create},
		{c.Adopt, identity.Adopt},
		{c.Update, identity.Update},
		{c.Reactivate, identity.Reactivate},
		{c.Deactivate, identity.Deactivate},
		{c.Delete, identity.Delete},
	} {
		if item.n == 0 {
			continue
		}
		order, done := verb(item.op)
		word := "to " + strings.ToLower(order)
		if p.Run != "" {
			word = strings.ToLower(done)
		}
		parts = append(parts, number(item.n)+" "+word)
	}
	if stays.Unchanged > 0 {
		parts = append(parts, number(stays.Unchanged)+" unchanged")
	}
	if stays.Skipped > 0 {
		parts = append(parts, number(stays.Skipped)+" left alone")
	}
	return listed(parts)
}

// memberships counts members that come and go.
func memberships(p *plan.Plan, o overview) []string {
	m, add, remove := p.Summary.Memberships, " to add", " to remove"
	if p.Run != "" {
		m, add, remove = o.done.Memberships, " added", " removed"
	}
	var parts []string
	if m.Add > 0 {
		parts = append(parts, number(m.Add)+add)
	}
	if m.Remove > 0 {
		parts = append(parts, number(m.Remove)+remove)
	}
	return listed(parts)
}
