package configs

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is when a sync runs: a cron expression in a time zone, or @every.
type Schedule struct {
	// Spec is the expression as written.
	Spec string
	// Location is the zone that the expression is meant in.
	Location *time.Location

	schedule cron.Schedule
	every    time.Duration // of @every, else 0
}

// Next returns the first time after t that the schedule fires, in Location. For
// @every that is one interval after t, so pass the start of the last run. It is
// zero where the schedule never fires again.
func (s *Schedule) Next(t time.Time) time.Time {
	return s.schedule.Next(t.In(s.Location))
}

// Every returns the interval of @every, and false for a cron expression.
func (s *Schedule) Every() (time.Duration, bool) { return s.every, s.every > 0 }

// String returns the expression as written.
func (s *Schedule) String() string { return s.Spec }
