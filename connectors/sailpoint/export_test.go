package sailpoint

import (
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// SetPoll lets tests ask for the state of an aggregation without waiting.
func (s *Source) SetPoll(pause time.Duration) { s.poll = pacing{first: pause, most: pause} }

// SetWait sets a wait shorter than settings allow.
func (s *Source) SetWait(wait time.Duration) {
	s.settings.Aggregation = &Aggregation{Wait: connectors.Duration(wait)}
}

// Canonical returns the folded form of a distinguished name.
func Canonical(value string) (string, bool) { return canonical(value) }

// Equal writes a filter.
func Equal(field, value string) string { return equal(field, value) }
