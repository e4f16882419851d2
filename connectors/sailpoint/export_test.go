package sailpoint

import "time"

// SetPoll lets tests ask for the state of an aggregation without waiting.
func (s *Source) SetPoll(pause time.Duration) { s.poll = pacing{first: pause, most: pause} }

// Canonical and Equal are tested and fuzzed from outside.
var (
	Canonical = canonical
	Equal     = equal
)
