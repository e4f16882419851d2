package render

import (
	"fmt"

	"github.com/scimsync/scimsync/agent/plan"
)

// advice says what a held plan means and what to do about it: sentences, and
// the command that lets the changes through when they are meant.
func advice(p *plan.Plan, o overview) (say, command string) {
	allow := func(n int) string { return fmt.Sprintf("scimsync sync %s --allow-removals %d", clean(p.Sync), n) }
	nothing, rest := "Nothing is written until this is settled. ", "The other changes go ahead. "
	if p.Run != "" {
		rest = "The other changes were tried, as shown above. "
	}
	if o.count(false) == 0 {
		rest = nothing
	}
	for _, trip := range p.Guard.Trips {
		switch trip.Rule {
		case plan.RuleCeiling:
			return nothing + "If so many changes are meant:",
				fmt.Sprintf("scimsync sync %s --max-changes %d", clean(p.Sync), trip.Count)
		case plan.RuleAllowance:
			if trip.Count == 0 {
				return nothing + "The guards hold nothing now:", "scimsync sync " + clean(p.Sync)
			}
			return nothing + "Look at what is held now. If that is meant:", allow(trip.Count)
		case plan.RuleWrongTarget:
			return nothing + "If this is a mistake, point the configuration back; if it is a target of its own, " +
				"give it a state file of its own. If the target has moved with everything in it:", allow(p.Summary.Held)
		case plan.RuleMax, plan.RuleShare, plan.RuleEmptied, plan.RuleEmptiedGroup, plan.RuleVanished, plan.RuleConfig, plan.RuleDepends:
		}
	}
	switch {
	case p.Guard.Has(plan.RuleVanished):
		return rest + "Look at the target first. If what is missing there shall be made again:", allow(p.Summary.Held)
	case p.Guard.Has(plan.RuleConfig) && len(p.Guard.Trips) == 1:
		return rest + "Look at the edit first. If these removals are meant:", allow(p.Summary.Held)
	}
	return rest + "Look at the source first. If this is meant:", allow(p.Summary.Held)
}

// guardTitle says that something is held back or, when a number on the command
// line does not fit the plan, that all of it is refused.
func guardTitle(p *plan.Plan) string {
	title := "Held by a guard: "
	if p.Guard.Has(plan.RuleCeiling) || p.Guard.Has(plan.RuleAllowance) {
		title = "Refused: "
	}
	return title + counted(p.Summary.Held, "change")
}

// guard writes what the guards hold back, why, and how to let it go.
func (p *page) guard(of *plan.Plan, o overview) error {
	if !of.Guard.Tripped {
		return nil
	}
	p.heading(boldRed, guardTitle(of))
	for i, trip := range of.Guard.Trips {
		if i == shown {
			p.hidden(len(of.Guard.Trips) - shown)
			break
		}
		p.flow(red, itemIndent+"! ", itemIndent+"  ", fields(trip.String()))
	}
	for _, s := range o.sections {
		if !s.held {
			continue
		}
		if err := s.write(p, of); err != nil {
			return err
		}
	}
	say, command := advice(of, o)
	p.line()
	p.flow(bold, "", "", fields(say))
	// A command is never broken, so that it can be copied.
	p.line(itemIndent, command)
	return nil
}
