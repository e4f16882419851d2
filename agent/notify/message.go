package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/identity"
)

const (
	messageVersion = 1
	// mostListed bounds the objects of a section; the others are counted.
	mostListed = 200
	// mostShown bounds those that the built-in text names.
	mostShown = 20
)

// Message is what a Notifier sends: the digest of a run, or one object. Its JSON
// form is the body of a webhook. Texts and names in it are cleaned: each is one
// line of bounded length.
type Message struct {
	// Version is 1.
	Version int `json:"version"`
	// ID is the same for every try to send the same thing, so that a
	// receiver can drop one that arrives again.
	ID   string `json:"id"`
	Sync string `json:"sync"`
	// Run is empty where no run is concerned.
	Run  string    `json:"run,omitempty"`
	Time time.Time `json:"time"`
	// Severity is that of the gravest section.
	Severity Severity `json:"severity"`
	// Title says it in one line.
	Title    string    `json:"title"`
	Sections []Section `json:"events"`
}

// Section is one kind of event in a message.
type Section struct {
	Event    Kind     `json:"event"`
	Severity Severity `json:"severity"`
	// Closes is what a recovered section closes.
	Closes Kind `json:"closes,omitempty"`
	// Title says what and how many: "3 groups created".
	Title string `json:"title"`
	// Text is a sentence about it; it may be empty.
	Text string `json:"text,omitempty"`
	// Count is how many objects are new in this message, Known how many more
	// stand and were told before.
	Count int `json:"count"`
	Known int `json:"known,omitempty"`
	// Objects are the first 200 of Count.
	Objects []Item `json:"objects,omitempty"`
}

// More returns how many objects a section counts and does not list.
func (s Section) More() int { return max(s.Count-len(s.Objects), 0) }

// Item is an object in a message.
type Item struct {
	Kind   identity.Kind `json:"kind"`
	ID     string        `json:"source_id"`
	Name   string        `json:"name"`
	Detail string        `json:"detail,omitempty"`
}

// String returns "group Finance [00g1]: detail".
func (i Item) String() string {
	name := cmp.Or(i.Name, i.ID)
	text := string(i.Kind) + " " + name
	if i.ID != "" && i.ID != name {
		text += " [" + i.ID + "]"
	}
	if i.Detail != "" {
		text += ": " + i.Detail
	}
	return text
}

func itemOf(o Object) Item {
	return Item{
		Kind: o.Ref.Kind, ID: line(o.Ref.ID, longestName),
		Name: line(o.Name, longestName), Detail: line(o.Detail, longestDetail),
	}
}

// compose makes one message of news about one sync, in the order of Kinds.
func compose(all []news, now time.Time) Message {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b news) int {
		return cmp.Compare(slices.Index(Kinds(), a.event.Kind), slices.Index(Kinds(), b.event.Kind))
	})
	m := Message{Version: messageVersion, Severity: Info}
	var keys []string
	for _, n := range all {
		e := n.event
		keys = append(append(keys, n.keys...), n.forget()...)
		m.Sync = cmp.Or(m.Sync, line(e.Sync, longestName))
		m.Run = cmp.Or(m.Run, line(e.Run, longestName))
		if m.Time.IsZero() || e.Time.After(m.Time) {
			m.Time = e.Time
		}
		if e.Severity.rank() > m.Severity.rank() {
			m.Severity = e.Severity
		}
		m.add(n)
	}
	if m.Time.IsZero() {
		m.Time = now
	}
	m.Time = m.Time.UTC()
	m.ID = fingerprint(keys...) + fingerprint(m.Sync, m.Run)
	titles := make([]string, len(m.Sections))
	for i := range m.Sections {
		s := &m.Sections[i]
		s.Title = s.title()
		titles[i] = s.Title
	}
	if len(m.Sections) == 1 {
		titles[0] = m.Sections[0].subject()
	}
	m.Title = line("scimsync "+m.Sync+": "+strings.Join(titles, ", "), longestSubject)
	return m
}

// add appends news as a section, or to the section of its kind.
func (m *Message) add(n news) {
	e := n.event
	at := slices.IndexFunc(m.Sections, func(s Section) bool {
		return s.Event == e.Kind && s.Closes == e.Closes && s.Count > 0 && n.size() > 0
	})
	if at < 0 {
		m.Sections = append(m.Sections, Section{
			Event: e.Kind, Severity: e.Severity, Closes: e.Closes, Text: line(e.Text, longestDetail),
		})
		at = len(m.Sections) - 1
	}
	s := &m.Sections[at]
	s.Count += n.size()
	s.Known += n.known
	for _, o := range e.Objects[:min(len(e.Objects), mostListed-len(s.Objects))] {
		s.Objects = append(s.Objects, itemOf(o))
	}
}

// title says what a section is about and how many objects it counts.
func (s Section) title() string {
	n := s.Count
	switch s.Event {
	case GroupCreated:
		return counted(n, "group") + " created"
	case GroupExists:
		if n == 1 {
			return "1 group exists already"
		}
		return counted(n, "group") + " exist already"
	case Failed:
		if n == 0 {
			return "run failed"
		}
		return fmt.Sprintf("%d failed", n)
	case Held:
		return counted(n, "change") + " held by a guard"
	case Expiring:
		return "credential ends"
	case Stale:
		return "no complete run"
	case Recovered:
		return s.recovery()
	}
	return string(s.Event)
}

// subject is the title of the only section of a message: it names the only
// object, or says what the event is about.
func (s Section) subject() string {
	switch {
	case s.Count == 1 && len(s.Objects) == 1:
		return s.Title + ": " + cmp.Or(s.Objects[0].Name, s.Objects[0].ID)
	case s.Count == 0 && s.Text != "":
		return s.Title + ": " + s.Text
	}
	return s.Title
}

func (s Section) recovery() string {
	switch {
	case s.Closes == Held:
		return "nothing is held any more"
	case s.Closes == Stale:
		return "complete runs again"
	case s.Closes == Failed && s.Count == 0:
		return "runs again"
	}
	return fmt.Sprintf("%d recovered", s.Count)
}

// Text returns the message as plain text, the built-in body: each section with
// its first 20 objects and how many more there are.
func (m Message) Text() string {
	var b strings.Builder
	b.WriteString("Sync " + m.Sync)
	if m.Run != "" {
		b.WriteString(", run " + m.Run)
	}
	b.WriteString(", " + stamp(m.Time) + "\n")
	for _, s := range m.Sections {
		b.WriteString("\n" + capital(s.Title) + "\n")
		if s.Text != "" {
			b.WriteString("  " + s.Text + "\n")
		}
		shown := s.Objects[:min(len(s.Objects), mostShown)]
		for _, o := range shown {
			b.WriteString("  - " + o.String() + "\n")
		}
		if more := s.Count - len(shown); more > 0 && len(shown) > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
		if s.Known > 0 {
			fmt.Fprintf(&b, "  %d more still stand and were told before\n", s.Known)
		}
	}
	return b.String()
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
