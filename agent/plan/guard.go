package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// Rule names a guard rule.
type Rule string

// The rules.
const (
	RuleMax          Rule = "max"           // more removals than the limit
	RuleShare        Rule = "share"         // more removals than a share of what is owned
	RuleEmptied      Rule = "emptied"       // a read left nothing of a kind
	RuleEmptiedGroup Rule = "emptied_group" // a read left nobody in a group
	RuleVanished     Rule = "vanished"      // most owned objects are not at the target
	RuleWrongTarget  Rule = "wrong_target"  // the target is not the one the state belongs to
	RuleConfig       Rule = "configuration" // an edit of the configuration causes removals
	RuleCeiling      Rule = "max_changes"   // --max-changes
	RuleAllowance    Rule = "allowance"     // --allow-removals differs from the plan
	RuleDepends      Rule = "depends"       // depends on a change that is held
)

// Class is what a guard counts: objects of a kind, or memberships.
type Class string

// The classes.
const (
	Users       Class = "user"
	Groups      Class = "group"
	Memberships Class = "membership"
)

// ClassOf returns what the removal of a change counts as.
func ClassOf(c identity.Change) Class {
	switch {
	case c.Op == identity.RemoveMembers:
		return Memberships
	case c.Ref.Kind == identity.Group:
		return Groups
	}
	return Users
}

// Guard is what the guards say of a plan.
type Guard struct {
	Tripped bool   `json:"tripped"`
	Trips   []Trip `json:"trips"`
}

// Trip is one guard rule that tripped: Count of Of, against Limit.
type Trip struct {
	Rule  Rule    `json:"rule"`
	Kind  Class   `json:"kind"`
	Count int     `json:"count"`
	Of    int     `json:"of"`
	Limit float64 `json:"limit"`
	// Name is the group of an emptied_group trip.
	Name string `json:"name,omitempty"`
	// ref is that group's reference.
	ref identity.Ref
}

// String says the trip in a sentence.
func (t Trip) String() string {
	switch t.Rule {
	case RuleMax:
		return fmt.Sprintf("%s, the limit is %.0f", removals(t.Count, t.Kind), t.Limit)
	case RuleShare:
		return fmt.Sprintf("%s: %s of the %d owned, the limit is %s",
			removals(t.Count, t.Kind), percent(t.Count, t.Of), t.Of, fraction(t.Limit))
	case RuleEmptied:
		return fmt.Sprintf("the source shows no %ss at all, %d owned", t.Kind, t.Of)
	case RuleEmptiedGroup:
		return fmt.Sprintf("the source shows nobody in %q, which had %s", t.Name, counted(t.Of, "member"))
	case RuleVanished:
		return fmt.Sprintf("%d of %d owned %ss are not at the target: was it emptied, restored, or is it another one?",
			t.Count, t.Of, t.Kind)
	case RuleWrongTarget:
		return "the target has another address than the one this state belongs to: " + t.Name
	case RuleConfig:
		return removals(t.Count, t.Kind) + " by an edit of the configuration, not by the source"
	case RuleCeiling:
		return fmt.Sprintf("%s, --max-changes is %.0f", counted(t.Count, "change"), t.Limit)
	case RuleAllowance:
		return fmt.Sprintf("--allow-removals is %.0f, the plan holds %d", t.Limit, t.Count)
	case RuleDepends:
	}
	return string(t.Rule)
}

func removals(n int, class Class) string { return counted(n, string(class)+" removal") }

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func percent(n, of int) string {
	if of == 0 {
		return "more than all"
	}
	return fraction(float64(n) / float64(of))
}

func fraction(f float64) string { return fmt.Sprintf("%g%%", math.Round(f*1000)/10) }

// Limits bound removals.
type Limits struct {
	Max   map[Class]int
	Share map[Class]float64
	// Floor is the number of removals, and the size of a group, up to which
	// no rule trips but emptied, vanished, wrong_target and configuration.
	Floor int
}

// Tally is what the guards judge. Add every step, then Judge.
type Tally struct {
	// Owned counts what is owned by class, as of the last full cycle.
	Owned map[Class]int
	// Present counts the objects the source shows in this cycle, in scope or
	// not, by class; a kind that was not read is absent from the map.
	Present map[Class]int
	// Vanished counts owned objects that are not at the target.
	Vanished map[Class]int
	// WrongTarget is the address the state belongs to, when it is another.
	WrongTarget string

	removals map[Class]int
	byConfig map[Class]int
	emptied  []Trip
}

// Add counts a step.
func (t *Tally) Add(s Step) {
	if !s.Op.Removes() {
		return
	}
	if t.removals == nil {
		t.removals, t.byConfig = map[Class]int{}, map[Class]int{}
	}
	class, n := ClassOf(s.Change), s.Weight()
	t.removals[class] += n
	if s.Evidence.ByConfiguration {
		t.byConfig[class] += n
	}
}

// AddHeld counts a removal, a membership by itself, that an earlier cycle held
// back and this one has not looked at.
func (t *Tally) AddHeld(class Class) {
	if t.removals == nil {
		t.removals, t.byConfig = map[Class]int{}, map[Class]int{}
	}
	t.removals[class]++
}

// AddEmptied records that a group of size members has nobody left at the source.
func (t *Tally) AddEmptied(group identity.Ref, name string, size int) {
	t.emptied = append(t.emptied, Trip{
		Rule: RuleEmptiedGroup, Kind: Memberships,
		Count: size, Of: size, Name: name, ref: group,
	})
}

// vanishedShare is the share of owned objects whose absence from the target
// means that the target itself is not what it was.
const vanishedShare = 0.5

// Judge returns the rules that trip.
func (t *Tally) Judge(l Limits) Guard {
	var trips []Trip
	if t.WrongTarget != "" {
		owned := t.Owned[Users] + t.Owned[Groups]
		trips = append(trips, Trip{Rule: RuleWrongTarget, Kind: Users, Count: owned, Of: owned, Name: t.WrongTarget})
	}
	for _, class := range [...]Class{Users, Groups} {
		owned, gone := t.Owned[class], t.Vanished[class]
		if gone > l.Floor && float64(gone) > vanishedShare*float64(owned) || gone > 0 && gone == owned && gone > 1 {
			trips = append(trips, Trip{Rule: RuleVanished, Kind: class, Count: gone, Of: owned, Limit: vanishedShare})
		}
	}
	for _, class := range [...]Class{Users, Groups, Memberships} {
		n, owned := t.removals[class], t.Owned[class]
		if n > 0 && t.byConfig[class] > 0 {
			trips = append(trips, Trip{Rule: RuleConfig, Kind: class, Count: t.byConfig[class], Of: owned})
		}
		if present, read := t.Present[class]; read && present == 0 && n > 0 {
			trips = append(trips, Trip{Rule: RuleEmptied, Kind: class, Count: n, Of: owned})
		}
		if n <= l.Floor {
			continue
		}
		if limit, ok := l.Max[class]; ok && n > limit {
			trips = append(trips, Trip{Rule: RuleMax, Kind: class, Count: n, Of: owned, Limit: float64(limit)})
		}
		if share, ok := l.Share[class]; ok && exceeds(n, owned, share) {
			trips = append(trips, Trip{Rule: RuleShare, Kind: class, Count: n, Of: owned, Limit: share})
		}
	}
	slices.SortFunc(t.emptied, func(a, b Trip) int { return strings.Compare(a.ref.ID, b.ref.ID) })
	for _, e := range t.emptied {
		if e.Count > l.Floor {
			e.Limit = float64(l.Floor)
			trips = append(trips, e)
		}
	}
	return Guard{Tripped: len(trips) > 0, Trips: trips}
}

// exceeds reports whether n is a larger part of owned than share. The quotient
// is the float nearest to the true part, as the configured share is, so that
// exactly 29 of 100 do not exceed 29%; 0.29*100 is below 29.
func exceeds(n, owned int, share float64) bool {
	if owned <= 0 {
		return n > 0
	}
	return float64(n)/float64(owned) > share
}

// Has reports whether a rule has tripped.
func (g Guard) Has(rule Rule) bool {
	for _, t := range g.Trips {
		if t.Rule == rule {
			return true
		}
	}
	return false
}

// Holds returns the rule that keeps a step back, and "" where none does.
func (g Guard) Holds(s Step) Rule {
	for _, t := range g.Trips {
		switch t.Rule {
		case RuleWrongTarget, RuleCeiling, RuleAllowance:
			return t.Rule
		case RuleVanished:
			if s.Cause == identity.CauseVanished && ClassOf(s.Change) == t.Kind {
				return t.Rule
			}
		case RuleMax, RuleShare, RuleEmptied:
			if s.Op.Removes() && ClassOf(s.Change) == t.Kind {
				return t.Rule
			}
		case RuleConfig:
			if s.Op.Removes() && s.Evidence.ByConfiguration && ClassOf(s.Change) == t.Kind {
				return t.Rule
			}
		case RuleEmptiedGroup:
			if s.Op == identity.RemoveMembers && s.Ref == t.ref {
				return t.Rule
			}
		case RuleDepends:
		}
	}
	return ""
}
