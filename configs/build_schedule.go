package configs

import (
	"strings"
	"time"
)

// scheduleDoc is the text of a schedule; empty where it is off.
type scheduleDoc string

func (s *scheduleDoc) decodeNode(d *decoder, n *node, path string) {
	switch {
	case n.scalar() && n.isOff():
	case n.kind == textNode:
		if *s = scheduleDoc(n.text); *s == "" {
			_, err := ParseSchedule(n.text, time.UTC)
			d.atProblem(path, err)
		}
	default:
		d.mismatch(n, path, "a cron expression, @every 40m, or off", "put it in quotes")
	}
}

// schedules reads when a sync runs.
func (b *builder) schedules(out *Sync, path string, doc *syncDoc) {
	loc, err := zone(doc.Timezone)
	timezone := join(path, "timezone")
	_, zoned := b.places[timezone]
	switch {
	case err != nil && b.clean(timezone):
		b.atProblem(timezone, err)
	case doc.Timezone == "" && zoned && b.clean(timezone):
		b.atValue(timezone, "is empty", "leave the key out for the zone of the machine")
	}
	if loc == nil { // reported; the expressions are still read
		loc, _ = zone("")
	}
	read := func(key string, text scheduleDoc) *Schedule {
		key = join(path, key)
		if text == "" || !b.clean(key) {
			return nil
		}
		s, err := ParseSchedule(string(text), loc)
		if err != nil {
			b.atProblem(key, err)
			return nil
		}
		return s
	}
	out.Schedule, out.Full = read("schedule", doc.Schedule), read("full", doc.Full)
	out.Missed = doc.Missed
	if out.Missed == "" {
		out.Missed = MissedRun
	}
	if zoned && doc.Schedule.clockless() && doc.Full.clockless() {
		b.warn(timezone, "has no effect: neither schedule nor full is a cron expression")
	}
	if _, given := b.places[join(path, "missed")]; given && doc.Schedule == "" {
		b.warn(join(path, "missed"), "has no effect without schedule")
	}
}

// clockless reports whether no clock on a wall matters to the schedule.
func (s scheduleDoc) clockless() bool {
	return s == "" || strings.HasPrefix(strings.TrimSpace(string(s)), "@every")
}
