package plan

import (
	"cmp"
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// Wave is a stage of the write order. Waves follow one another; within a wave,
// levels do; within a level, steps of different objects run side by side.
type Wave int

// The waves. Access is taken away first and accounts are deleted last, so that
// a run that is cut short has erred towards safety and lost nothing.
const (
	WaveDeactivate    Wave = iota + 1
	WaveUsers              // create, adopt, reactivate, update
	WaveReferences         // attributes that name users made in the wave before
	WaveGroups             // create, adopt, update
	WaveAddMembers         //
	WaveRemoveMembers      //
	WaveDeleteGroups       //
	WaveDeleteUsers        //
)

// Place is where a step stands in the write order.
type Place struct {
	Wave  Wave
	Level int
}

// Compare orders places.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Wave, q.Wave), cmp.Compare(p.Level, q.Level))
}

// WaveOf returns the wave a change belongs to when no name stands in its way.
func WaveOf(c identity.Change) Wave {
	user := c.Ref.Kind == identity.User
	switch c.Op {
	case identity.Deactivate:
		return WaveDeactivate
	case identity.AddMembers:
		return WaveAddMembers
	case identity.RemoveMembers:
		return WaveRemoveMembers
	case identity.Delete:
		if user {
			return WaveDeleteUsers
		}
		return WaveDeleteGroups
	case identity.Update:
		if user && c.Cause == identity.CauseReference {
			return WaveReferences
		}
	case identity.Create, identity.Adopt, identity.Reactivate, identity.Release:
	}
	if user {
		return WaveUsers
	}
	return WaveGroups
}

// NameMove is a step that wants a name which another target object holds now.
type NameMove struct {
	// Step wants the name that the object of Holder gives up. Holder is also
	// a step: the rename or the delete that frees the name.
	Step, Holder int64
}

// Order is where name moves put their steps.
type Order struct {
	// Level of each step concerned; a holder that is a delete moves into the
	// wave of the step that waits for it.
	Level map[int64]int
	// Parked are steps of which each closes a circle of renames: its object
	// gives its name up first, under a name nobody wants, and takes the new
	// one last.
	Parked []int64
}

// Arrange orders name moves: whoever holds a name gives it up before the next
// takes it. Every step waits for at most one other, so the moves form chains
// and circles; a circle is cut at its lowest step.
func Arrange(moves []NameMove) Order {
	waits := make(map[int64]int64, len(moves))
	for _, m := range moves {
		waits[m.Step] = m.Holder
	}
	order := Order{Level: map[int64]int{}}
	parked := map[int64]bool{}
	steps := slices.Sorted(func(yield func(int64) bool) {
		for step := range waits {
			if !yield(step) {
				return
			}
		}
	})
	done := map[int64]bool{}
	for _, start := range steps {
		if cut, ok := circle(start, waits, done); ok {
			parked[cut] = true
			order.Parked = append(order.Parked, cut)
		}
	}
	slices.Sort(order.Parked)
	var level func(step int64) int
	level = func(step int64) int {
		if l, ok := order.Level[step]; ok {
			return l
		}
		holder, waiting := waits[step]
		l := 0
		switch {
		case !waiting:
		case parked[holder]:
			// The parking of the holder, a step of level 0, frees the name.
			l = 1
		default:
			l = level(holder) + 1
		}
		order.Level[step] = l
		return l
	}
	for _, step := range steps {
		level(step)
	}
	return order
}

// circle follows the moves from start and returns the lowest step of a circle
// it had not met before.
func circle(start int64, waits map[int64]int64, done map[int64]bool) (int64, bool) {
	var trail []int64
	at := map[int64]int{}
	for step := start; ; {
		if done[step] {
			break
		}
		if i, ok := at[step]; ok {
			for _, s := range trail {
				done[s] = true
			}
			return slices.Min(trail[i:]), true
		}
		at[step] = len(trail)
		trail = append(trail, step)
		next, waiting := waits[step]
		if !waiting {
			break
		}
		step = next
	}
	for _, s := range trail {
		done[s] = true
	}
	return 0, false
}
