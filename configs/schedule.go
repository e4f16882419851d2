package configs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/scimsync/scimsync/connectors"
)

// Schedule is when a sync runs: a cron expression in a time zone, or @every.
type Schedule struct {
	// Spec is the expression as written.
	Spec string
	// Location is the zone that the expression is meant in.
	Location *time.Location

	times civil
	every time.Duration // of @every, else 0
}

// Next returns the first time after t that the schedule fires, in Location. For
// @every that is one interval after t, so pass the start of the last run. It is
// zero where the schedule never fires again.
//
// When clocks change, an expression with hours of its own fires once for each
// time it names: one that the clock leaps over fires at the leap, and of an hour
// that comes twice the first counts. One for every hour goes by what has
// elapsed, so that */10 is ten minutes on that day too.
func (s *Schedule) Next(t time.Time) time.Time {
	t = t.In(s.Location)
	if s.every > 0 {
		return t.Add(s.every)
	}
	return s.times.next(t)
}

// Every returns the interval of @every, and false for a cron expression.
func (s *Schedule) Every() (time.Duration, bool) { return s.every, s.every > 0 }

// String returns the expression as written.
func (s *Schedule) String() string { return s.Spec }

// minEvery is the shortest interval, 1m: a run takes its time, and the other side
// has its limits.
const minEvery = time.Minute

// fieldNames are the fields of a cron expression in their order.
func fieldNames() []string {
	return []string{"minute", "hour", "day of month", "month", "day of week"}
}

func descriptors() []string {
	return []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@every"}
}

// ParseSchedule reads a cron expression of five fields, a descriptor such as
// @daily, or @every with a duration in which d stands for days. It is stricter
// than robfig/cron, which turns @every 0s into every second, and takes what
// never fires and zones within the expression. The error is a *ScheduleError.
func ParseSchedule(spec string, zone *time.Location) (*Schedule, error) {
	text := strings.TrimSpace(spec)
	s := &Schedule{Spec: text, Location: zone}
	if text == "" {
		return nil, &ScheduleError{"is empty", `write a cron expression such as "0 3 * * *", or leave the key out`}
	}
	if strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") {
		return nil, &ScheduleError{"holds a time zone", "the key timezone sets it: timezone: Europe/Berlin"}
	}
	var err error
	switch {
	case strings.HasPrefix(text, "@every"):
		s.every, err = parseEvery(text)
	case strings.HasPrefix(text, "@"):
		s.times, err = parseDescriptor(text)
	default:
		s.times, err = parseFields(strings.Fields(text))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ScheduleError says what is wrong with a schedule, and how to mend it.
type ScheduleError struct{ Text, Hint string }

// Error returns TEXT (HINT).
func (e *ScheduleError) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + " (" + e.Hint + ")"
}

func parseEvery(text string) (time.Duration, error) {
	const hint = `write it like "@every 40m"; units are s, m, h and d`
	rest := strings.TrimPrefix(text, "@every")
	interval := strings.TrimSpace(rest)
	if interval == "" || rest == interval {
		return 0, &ScheduleError{"is @every without an interval", hint}
	}
	d, err := connectors.ParseDuration(interval)
	switch {
	case err != nil:
		return 0, &ScheduleError{fmt.Sprintf("has the interval %s, which is no duration", quoted(interval)), hint}
	case time.Duration(d) < minEvery:
		return 0, &ScheduleError{fmt.Sprintf("has the interval %s, and the shortest is 1m", quoted(interval)), ""}
	}
	return time.Duration(d), nil
}

func parseDescriptor(text string) (civil, error) {
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		word, _, _ := strings.Cut(text, " ")
		hint := suggest(word, "descriptors", descriptors())
		if strings.EqualFold(text, "@reboot") {
			hint = "the daemon does what it missed when it starts: missed: run"
		}
		return civil{}, &ScheduleError{fmt.Sprintf("has the unknown descriptor %s", quoted(text)), hint}
	}
	return newCivil(parsed)
}

func parseFields(fields []string) (civil, error) {
	names := fieldNames()
	switch {
	case len(fields) == len(names)+1:
		return civil{}, &ScheduleError{"has six fields, and there is none for seconds", "leave the first one out: " + strings.Join(names, ", ")}
	case len(fields) != len(names):
		return civil{}, &ScheduleError{
			fmt.Sprintf("has %d fields where a cron expression has five", len(fields)), strings.Join(names, ", ") + `; or "@every 40m"`,
		}
	}
	for i, field := range fields {
		if err := checkCronField(i, field); err != nil {
			return civil{}, err
		}
	}
	parsed, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return civil{}, &ScheduleError{"is no cron expression: " + err.Error(), ""}
	}
	return newCivil(parsed)
}

// cronField is what a field may be made of; robfig/cron reads an empty item as
// one that matches nothing.
var cronField = regexp.MustCompile(`^[0-9A-Za-z*?/-]+(,[0-9A-Za-z*?/-]+)*$`)

// checkCronField reads one field by itself, to name it in the mistake.
func checkCronField(i int, field string) error {
	name := fieldNames()[i]
	alone := []string{"*", "*", "*", "*", "*"}
	alone[i] = field
	_, err := cron.ParseStandard(strings.Join(alone, " "))
	if err == nil && cronField.MatchString(field) {
		return nil
	}
	text := fmt.Sprintf("has the field %s for the %s, which is not understood", quoted(field), name)
	bounds := []string{"0 to 59", "0 to 23", "1 to 31", "1 to 12 or jan to dec", "0 to 6 or sun to sat"}[i]
	hint := fmt.Sprintf("%s, with * - , and /", bounds)
	switch {
	case err != nil && strings.Contains(err.Error(), "beyond end of range"):
		hint = "a range that runs over the end is two: 22-23,0-6"
	case i == 4 && strings.Contains(field, "7"):
		hint = "Sunday is 0 or sun"
	}
	return &ScheduleError{text, hint}
}

// civil are the times of a cron expression by the clock on the wall.
type civil struct {
	spec *cron.SpecSchedule // in UTC, which here means no zone at all
	// hourly says that it fires in every hour, so that elapsed time is meant.
	hourly bool
}

// searchStart is where the search for a first time begins. Next looks five years
// ahead, so that it sees a 29 February.
func searchStart() time.Time { return time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC) }

func newCivil(parsed cron.Schedule) (civil, error) {
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return civil{}, errors.New("is no cron expression")
	}
	spec.Location = time.UTC
	if spec.Next(searchStart()).IsZero() {
		return civil{}, &ScheduleError{"never fires", "there is no such day"}
	}
	const everyHour = 1<<24 - 1
	return civil{spec: spec, hourly: spec.Hour&everyHour == everyHour}, nil
}

// wall returns what the clock shows at t, as a time in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// next returns the first time after t, in the location of t.
func (c civil) next(t time.Time) time.Time {
	if c.hourly {
		return c.nextElapsed(t)
	}
	for w := wall(t); ; {
		if w = c.spec.Next(w); w.IsZero() {
			return time.Time{}
		}
		if at := instant(w, t.Location()); at.After(t) {
			return at
		}
		// The second of an hour that comes twice.
	}
}

// nextElapsed goes from one offset of the zone to the next, within each of which
// the clock on the wall runs as fast as any other.
func (c civil) nextElapsed(t time.Time) time.Time {
	for {
		_, offset := t.Zone()
		w := c.spec.Next(wall(t))
		if w.IsZero() {
			return time.Time{}
		}
		at := w.Add(-time.Duration(offset) * time.Second).In(t.Location())
		_, end := t.ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at
		}
		if wall(end).Equal(c.spec.Next(wall(end).Add(-time.Second))) {
			return end
		}
		t = end
	}
}

// instant returns when the clock in a zone first shows w, or the moment it leaps
// over it.
func instant(w time.Time, zone *time.Location) time.Time {
	at := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, zone)
	start, end := at.ZoneBounds()
	switch shown := wall(at); {
	case shown.After(w): // read with the offset before the leap
		return start
	case shown.Before(w): // with the one after it
		return end
	case start.IsZero():
		return at
	}
	_, before := start.Add(-time.Second).Zone()
	if first := w.Add(-time.Duration(before) * time.Second).In(zone); first.Before(start) {
		return first
	}
	return at
}
