package scimtest

import (
	"iter"
	"slices"
)

// memberSet is the members of a group in the order they were added. A member
// is there once, or several times under DuplicateMembersKept. The zero value is
// empty.
type memberSet struct {
	ids   []string       // "" where one was removed
	count map[string]int // how often each is there
	holes int
}

func (m *memberSet) len() int { return len(m.ids) - m.holes }

func (m *memberSet) has(id string) bool { return m.count[id] > 0 }

func (m *memberSet) add(id string) {
	if m.count == nil {
		m.count = map[string]int{}
	}
	m.ids = append(m.ids, id)
	m.count[id]++
}

// remove takes out every occurrence.
func (m *memberSet) remove(id string) {
	n := m.count[id]
	if n == 0 {
		return
	}
	delete(m.count, id)
	for i := range m.ids {
		if m.ids[i] == id {
			m.ids[i] = ""
			m.holes++
			if n--; n == 0 {
				break
			}
		}
	}
	if m.holes > 32 && m.holes > len(m.ids)/2 {
		m.ids = slices.DeleteFunc(m.ids, func(id string) bool { return id == "" })
		m.holes = 0
	}
}

// all yields the members in order, repeated ones repeatedly.
func (m *memberSet) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, id := range m.ids {
			if id != "" && !yield(id) {
				return
			}
		}
	}
}

// memberEdit is a change of members that has not happened yet, laid over the
// members as they are, so that a PATCH of a large group stays cheap and can be
// given up as a whole.
type memberEdit struct {
	base    *memberSet
	cleared bool
	removed map[string]bool
	added   []string
	isAdded map[string]bool
	// keepDuplicates is the hazard of that name.
	keepDuplicates bool
	duplicates     int
}

func (e *memberEdit) has(id string) bool {
	return e.isAdded[id] || !e.cleared && !e.removed[id] && e.base.has(id)
}

func (e *memberEdit) add(id string) {
	if e.has(id) {
		if !e.keepDuplicates {
			return
		}
		e.duplicates++
	}
	if e.isAdded == nil {
		e.isAdded = map[string]bool{}
	}
	e.isAdded[id] = true
	e.added = append(e.added, id)
}

func (e *memberEdit) remove(id string) {
	if e.isAdded[id] {
		delete(e.isAdded, id)
		e.added = slices.DeleteFunc(e.added, func(x string) bool { return x == id })
	}
	if !e.cleared && e.base.has(id) {
		if e.removed == nil {
			e.removed = map[string]bool{}
		}
		e.removed[id] = true
	}
}

func (e *memberEdit) clear() { e.cleared, e.removed, e.added, e.isAdded = true, nil, nil, nil }

// all yields the members as they will be.
func (e *memberEdit) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !e.cleared {
			for id := range e.base.all() {
				if !e.removed[id] && !yield(id) {
					return
				}
			}
		}
		for _, id := range e.added {
			if !yield(id) {
				return
			}
		}
	}
}

// into writes the change into a record and reports whether there is one. A
// member that was cleared or removed and added again did not change.
func (e *memberEdit) into(rec *record) bool {
	if e.cleared && slices.Equal(slices.Sorted(e.base.all()), slices.Sorted(slices.Values(e.added))) {
		return false
	}
	if e.cleared {
		rec.Clear, rec.Add = true, e.added
		return true
	}
	for _, id := range e.added {
		if e.removed[id] && e.base.count[id] == 1 {
			delete(e.removed, id)
			continue
		}
		rec.Add = append(rec.Add, id)
	}
	for id := range e.base.all() {
		if e.removed[id] {
			delete(e.removed, id) // once, where it is there several times
			rec.Remove = append(rec.Remove, id)
		}
	}
	return len(rec.Add)+len(rec.Remove) > 0
}
