package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Style says how text is laid out.
type Style struct {
	// Width is the number of columns; 0 means 80.
	Width int
	// Color uses ANSI colours.
	Color bool
}

// shown is how many changes of one operation and kind a reader sees before the
// rest is only counted. Removals are always shown in full.
const shown = 25

// text writes lines and keeps the first error.
type text struct {
	w     *bufio.Writer
	style Style
}

func newText(w io.Writer, style Style) *text {
	if style.Width <= 0 {
		style.Width = 80
	}
	return &text{bufio.NewWriter(w), style}
}

func (t *text) line(format string, args ...any) {
	fmt.Fprintf(t.w, format+"\n", args...)
}

func (t *text) paint(color, s string) string {
	if !t.style.Color || color == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

const (
	green  = "32"
	yellow = "33"
	red    = "31"
	bold   = "1"
	dim    = "2"
)

// look is the sign and colour of an operation.
func look(op identity.Op) (sign, color string) {
	switch op {
	case identity.Create:
		return "+", green
	case identity.AddMembers:
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

// Text writes one plan, or with outcomes one run, for a terminal.
func Text(w io.Writer, p *plan.Plan, style Style) error {
	t := newText(w, style)
	t.line("%s", t.paint(bold, clean(p.Sync))+" to "+clean(p.Target))
	if err := t.steps(p, "", func(s plan.Step) bool { return s.Held == "" }); err != nil {
		return err
	}
	if p.Guard.Tripped {
		t.guard(p)
		if err := t.steps(p, "Held back:", func(s plan.Step) bool { return s.Held != "" }); err != nil {
			return err
		}
	}
	t.skipped(p)
	t.summary(p)
	return t.w.Flush()
}

// group is a run of steps that are shown together.
type group struct {
	op   identity.Op
	kind identity.Kind
}

func (t *text) steps(p *plan.Plan, title string, want func(plan.Step) bool) error {
	counts := map[group]int{}
	if title != "" {
		t.line("\n%s", t.paint(bold, title))
	} else {
		t.line("")
	}
	any := false
	for s, err := range p.Steps {
		if err != nil {
			return err
		}
		if !want(s) {
			continue
		}
		any = true
		g := group{s.Op, s.Ref.Kind}
		counts[g]++
		if counts[g] > shown && !s.Op.Removes() && ok(s) {
			continue
		}
		t.step(s)
	}
	for _, g := range groups {
		if hidden := counts[g] - shown; hidden > 0 && !g.op.Removes() {
			t.line("    and %s more of %s (-o json shows all)", number(hidden), phrase(g))
		}
	}
	if !any && title == "" {
		t.line("  Nothing to do.")
	}
	return nil
}

// ok reports whether a step needs no attention.
func ok(s plan.Step) bool {
	return s.Outcome == "" || s.Outcome == plan.Applied || s.Outcome == plan.Unverified
}

// groups lists what can be shown in the order of the plan.
var groups = [...]group{
	{identity.Create, identity.User}, {identity.Adopt, identity.User}, {identity.Reactivate, identity.User},
	{identity.Update, identity.User}, {identity.Create, identity.Group}, {identity.Adopt, identity.Group},
	{identity.Update, identity.Group}, {identity.AddMembers, identity.Group}, {identity.Release, identity.User},
}

func phrase(g group) string {
	if g.op == identity.AddMembers {
		return "groups that get members"
	}
	return fmt.Sprintf("%s %s", g.op, g.kind.Plural())
}

func (t *text) step(s plan.Step) {
	sign, color := look(s.Op)
	label := fmt.Sprintf("%-10s %-5s", s.Op, s.Ref.Kind)
	if s.Op == identity.AddMembers || s.Op == identity.RemoveMembers {
		label = fmt.Sprintf("%-16s", map[identity.Op]string{identity.AddMembers: "add members", identity.RemoveMembers: "remove members"}[s.Op])
	}
	head := fmt.Sprintf("%s %s ", sign, label)
	tail := ""
	switch {
	case len(s.Members) > 0:
		tail = fmt.Sprintf("%s %s", number(len(s.Members)), plural(len(s.Members), "member"))
	case s.Op == identity.Create || s.Op == identity.Update:
	default:
		tail = clean(s.Reason)
	}
	t.line("  %s", t.paint(color, head)+t.row(len(head)+2, clean(s.Name), tail))
	switch {
	case s.Op == identity.Update, s.Op == identity.Adopt:
		t.details(s)
	case s.Cause == identity.CauseVanished:
		t.wrap("      ", clean(s.Reason))
	}
	if s.Op == identity.RemoveMembers {
		t.wrap("      ", names(s.Members))
	}
	if s.Outcome != "" && s.Outcome != plan.Applied {
		color := red
		if s.Outcome == plan.Unverified {
			color = yellow
		}
		t.wrap("      ", t.paint(color, outcome(s.Outcome))+colon(clean(s.Error)))
	} else if s.Error != "" {
		t.wrap("      ", clean(s.Error))
	}
}

func (t *text) details(s plan.Step) {
	if s.Op != identity.Update {
		t.wrap("      ", clean(s.Reason))
	}
	for _, a := range s.Attributes {
		t.wrap("      ", fmt.Sprintf("%s: %s -> %s", shortPath(a.Path), value(a.Before), value(a.After)))
	}
}

// row puts a name and a remark into what is left of the line.
func (t *text) row(used int, name, remark string) string {
	room := t.style.Width - used
	if remark == "" {
		return fit(name, room)
	}
	nameRoom := max(room-width(remark)-2, room/2)
	name = fit(name, nameRoom)
	return name + "  " + t.paint(dim, fit(remark, room-width(name)-2))
}

// wrap writes text in lines of the style's width, each behind the indent.
func (t *text) wrap(indent, s string) {
	line := indent
	for _, word := range strings.Fields(s) {
		if line != indent && width(line)+1+width(word) > t.style.Width {
			t.line("%s", line)
			line = indent + "  "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	t.line("%s", line)
}

func (t *text) guard(p *plan.Plan) {
	t.line("\n%s", t.paint(red, "Held by a guard:"))
	for _, trip := range p.Guard.Trips {
		t.wrap("  ", clean(trip.String()))
	}
	switch {
	case p.Guard.Has(plan.RuleCeiling), p.Guard.Has(plan.RuleAllowance):
		t.wrap("  ", "Nothing is written.")
	case p.Guard.Has(plan.RuleWrongTarget):
		t.wrap("  ", "If the move is meant: scimsync sync "+p.Sync+fmt.Sprintf(" --allow-removals %d", p.Summary.Held)+
			". If not, point the configuration back, or give this target a state file of its own.")
	default:
		t.wrap("  ", fmt.Sprintf("Look at the source first. If this is meant: scimsync sync %s --allow-removals %d", p.Sync, p.Summary.Held))
	}
}

func (t *text) skipped(p *plan.Plan) {
	if len(p.Skipped) == 0 {
		return
	}
	for _, undecided := range [...]bool{true, false} {
		title, n := "Left alone by policy:", 0
		if undecided {
			title = "Could not be decided (nothing is done about them):"
		}
		for _, s := range p.Skipped {
			if s.Undecided != undecided {
				continue
			}
			if n++; n == 1 {
				t.line("\n%s", t.paint(bold, title))
			}
			if n > shown && !undecided {
				continue
			}
			t.wrap("  ", fmt.Sprintf("%s %s (%s): %s", s.Ref.Kind, clean(s.Name), clean(s.Ref.ID), clean(s.Why)))
		}
		if n > shown && !undecided {
			t.line("  and %s more (-o json shows all)", number(n-shown))
		}
	}
}

func (t *text) summary(p *plan.Plan) {
	t.line("")
	for _, k := range identity.Kinds() {
		c := *p.Summary.Of(k)
		t.wrap("", fmt.Sprintf("%-8s %s", title(k.Plural())+":", counts(c)))
	}
	m := p.Summary.Memberships
	t.wrap("", fmt.Sprintf("Members: %s add, %s remove", number(m.Add), number(m.Remove)))
	if p.Summary.Held > 0 {
		t.wrap("", fmt.Sprintf("Held:    %s", number(p.Summary.Held)))
	}
	if p.Requests > 0 && p.Run == "" {
		estimate := fmt.Sprintf("About %s write %s", number(p.Requests), plural(p.Requests, "request"))
		if p.Seconds > 0 {
			estimate += ", about " + (time.Duration(p.Seconds * float64(time.Second))).Round(time.Second).String() + " at the known rate"
		}
		t.wrap("", estimate+".")
	}
	if p.Run != "" {
		t.wrap("", "Run "+p.Run+": "+ended(p.Outcomes))
	}
	for _, note := range p.Notes {
		t.wrap("", "Note: "+clean(note))
	}
}
