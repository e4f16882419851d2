package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"github.com/scimsync/scimsync/configs"
)

const (
	// late is how long after its time a fire still counts as met, so that a
	// restart of a few seconds misses nothing.
	late = time.Minute
	// ahead is how far the memory of a fire may be ahead of the clock. Within
	// it the clock was set back, and the fires until then are answered; beyond
	// it the clock was wrong when the fire was remembered. Three hours are what
	// cron(8) takes for the border between the two.
	ahead = 3 * time.Hour
)

// Next returns when a job with the schedule is next due, as a daemon that is
// there at the time would decide it: at once for what was missed, at the end of
// the quarantine, else at the next fire. It is zero for a job that runs only
// when it is asked for. It ignores the spread of starts.
func Next(sch *configs.Schedule, missed configs.Missed, st Standing, now time.Time) time.Time {
	if st.Quarantined(now) {
		return st.Until
	}
	if sch == nil {
		return time.Time{}
	}
	from := anchor(sch, st, 0, now)
	first, last := fires(sch, from, now)
	switch {
	case first.IsZero():
		return sch.Next(from)
	case missed == configs.MissedSkip && now.Sub(last) > late:
		return sch.Next(last)
	}
	return now
}

// spec returns what a schedule is remembered as; empty: there is none.
func spec(sch *configs.Schedule) string {
	if sch == nil {
		return ""
	}
	return sch.String() + " " + sch.Location.String()
}

// anchor returns the time after which the next fire counts, from what is
// remembered at the time now. It is zero for @every that has never started and
// therefore fires at once. offset is the spread of its starts.
//
// The fires of a cron expression are moments on the clock: those up to LastFire
// are answered. @every counts from the last start, unless that start was late by
// no more than the spread, which would otherwise add up.
func anchor(sch *configs.Schedule, st Standing, offset time.Duration, now time.Time) time.Time {
	from := st.LastFire
	if _, every := sch.Every(); !every {
		if st.Spec != spec(sch) || from.IsZero() {
			return now // the fires of another schedule, or of none, say nothing
		}
		return trusted(sch, from, now)
	}
	if st.Spec != spec(sch) || st.LastStart.Sub(from) > offset+time.Second {
		from = st.LastStart
	}
	return trusted(sch, from, now)
}

// trusted returns from, or now where the clock must have been wrong when from
// was noted. What @every counts from is no moment by itself, so that one ahead
// of the clock would only prolong the interval.
func trusted(sch *configs.Schedule, from, now time.Time) time.Time {
	limit := now.Add(ahead)
	if _, every := sch.Every(); every {
		limit = now
	}
	if from.After(limit) {
		return now
	}
	return from
}

// fires returns the first and the last fire after from and until now; zero:
// there is none. A zero from is that of anchor.
func fires(sch *configs.Schedule, from, now time.Time) (time.Time, time.Time) {
	if from.IsZero() {
		return now, now
	}
	first := sch.Next(from)
	if first.IsZero() || first.After(now) {
		return time.Time{}, time.Time{}
	}
	if every, ok := sch.Every(); ok {
		return first, first.Add(now.Sub(first) / every * every)
	}
	// The last of perhaps very many is looked for from the end.
	last := first
	for span := time.Hour; ; span *= 2 {
		start := now.Add(-span)
		if start.Before(first) {
			start = first
		}
		f := sch.Next(start)
		for !f.IsZero() && !f.After(now) {
			last, f = f, sch.Next(f)
		}
		if last.After(first) || start.Equal(first) {
			return first, last
		}
	}
}

// spread returns how long after its fires a job starts, so that jobs with one
// schedule do not all start at once: the same for one name at all times, less
// than most, and less than a tenth of the interval that follows the fire.
func spread(name string, sch *configs.Schedule, fire time.Time, most time.Duration) time.Duration {
	if next := sch.Next(fire); !next.IsZero() {
		most = min(most, next.Sub(fire)/10)
	}
	if most <= 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(name)) // names that are alike differ in every bit
	share := float64(binary.BigEndian.Uint64(sum[:])) / math.MaxUint64
	return min(time.Duration(share*float64(most)), most-1).Truncate(time.Millisecond)
}
