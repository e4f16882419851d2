package mapping

import (
	"errors"
	"math"
	"time"
)

// maxSteps bounds the number of units DateAdd adds. It is more seconds than
// there are between the years 1 and 9999.
const maxSteps = 400_000_000_000

func dateFunctions() []function {
	dates := newDateReader()
	unit := func(int) map[int]literal { return map[int]literal{0: {parse: parseUnit}} }
	return []function{
		{
			name:  "FormatDateTime",
			usage: "FormatDateTime(source, inputFormat, outputFormat) or FormatDateTime(source, dateTimeStyles, inputFormat, outputFormat)",
			min:   3, max: 4, result: new(returnsText),
			literals: func(count int) map[int]literal {
				l := literal{parse: parseLayout}
				if count == 4 {
					return map[int]literal{1: {parse: parseStyles}, 2: l, 3: l}
				}
				return map[int]literal{1: l, 2: l}
			},
			call: func(args []any) (any, error) {
				first := 1
				if len(args) == 4 {
					if !missing(args[1]) {
						return nil, errStyles
					}
					first = 2
				}
				input, err := layoutArgument(args, first)
				if err != nil {
					return nil, err
				}
				output, err := layoutArgument(args, first+1)
				if err != nil {
					return nil, err
				}
				t, ok, err := dates.read(args, 0, input)
				if err != nil || !ok {
					return "", err
				}
				return output.format(t), nil
			},
		},
		{
			name: "DateAdd", usage: "DateAdd(unit, count, date)", min: 3, max: 3, literals: unit, result: new(returnsText),
			call: func(args []any) (any, error) {
				u, err := unitArgument(args)
				if err != nil {
					return nil, err
				}
				n, err := integer(args, 1)
				if err != nil {
					return nil, err
				}
				if n > maxSteps || n < -maxSteps {
					return nil, errors.New("argument 2 is too large")
				}
				t, ok, err := dates.read(args, 2, nil)
				if err != nil || !ok {
					return "", err
				}
				t, err = inRange(u.add(t, n))
				if err != nil {
					return nil, err
				}
				return (*dateLayout)(nil).format(t), nil
			},
		},
		{
			name: "DateDiff", usage: "DateDiff(unit, date1, date2)", min: 3, max: 3, literals: unit, result: new(returnsAny),
			call: func(args []any) (any, error) {
				u, err := unitArgument(args)
				if err != nil {
					return nil, err
				}
				a, ok, err := dates.read(args, 1, nil)
				if err != nil || !ok {
					return nil, err
				}
				b, ok, err := dates.read(args, 2, nil)
				if err != nil || !ok {
					return nil, err
				}
				return u.between(a, b), nil
			},
		},
	}
}

// usualDates are the forms a date is read in where no format is given:
// ISO 8601 and RFC 3339, Entra's own, and that of LDAP (RFC 4517, section
// 3.3.13).
type usualDates []*dateLayout

func newDateReader() usualDates {
	formats := []string{
		"yyyy-MM-dd", "yyyy-MM-ddK", "yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-dd HH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK", "yyyy-MM-dd HH:mm:ss.FFFFFFFK",
		"yyyy-MM-ddTHH:mmK", "yyyy-MM-dd HH:mmK", "M/d/yyyy h:mm:ss tt", "yyyyMMddHHmmssK", "yyyyMMddHHmmss.FFFFFFFK",
	}
	all := make(usualDates, 0, len(formats))
	for _, format := range formats {
		if l, err := parseLayout(format); err == nil {
			if layout, ok := l.(*dateLayout); ok {
				all = append(all, layout)
			}
		}
	}
	return all
}

// read reads args[i] by a format, or in a usual form where it is nil. It
// returns false for an absent date.
func (u usualDates) read(args []any, i int, layout *dateLayout) (time.Time, bool, error) {
	s, err := argument(args, i)
	if err != nil || s == "" {
		return time.Time{}, false, err
	}
	if layout != nil {
		t, err := layout.parse(s)
		return t, true, err
	}
	for _, usual := range u {
		if t, err := usual.parse(s); err == nil {
			return t, true, nil
		}
	}
	return time.Time{}, false, errors.New("the text is not a date in a usual form, such as 2026-01-31 or 2026-01-31T08:00:00Z")
}

func layoutArgument(args []any, i int) (*dateLayout, error) {
	switch v := args[i].(type) {
	case nil:
		return nil, nil
	case *dateLayout:
		return v, nil
	}
	format, err := argument(args, i)
	if err != nil {
		return nil, err
	}
	parsed, err := parseLayout(format)
	if err != nil {
		return nil, errors.New("the text given as a date format is none")
	}
	layout, _ := parsed.(*dateLayout)
	return layout, nil
}

var errStyles = errors.New("dateTimeStyles are not supported: write nil, or leave the argument out")

func parseStyles(s string) (any, error) {
	if s != "" {
		return nil, errStyles
	}
	return nil, nil
}

// dateUnit is an interval of DateAdd and DateDiff, under its Entra name.
type dateUnit string

func parseUnit(s string) (any, error) {
	switch u := dateUnit(s); u {
	case "yyyy", "m", "d", "ww", "h", "n", "s":
		return u, nil
	}
	return nil, errors.New(`the unit must be "yyyy" (years), "m" (months), "ww" (weeks), "d" (days), "h" (hours), "n" (minutes) or "s" (seconds)`)
}

func unitArgument(args []any) (dateUnit, error) {
	if u, ok := args[0].(dateUnit); ok {
		return u, nil
	}
	s, err := argument(args, 0)
	if err != nil {
		return "", err
	}
	parsed, err := parseUnit(s)
	if err != nil {
		return "", err
	}
	u, _ := parsed.(dateUnit)
	return u, nil
}

// add adds n units. A month that has no such day ends on its last.
func (u dateUnit) add(t time.Time, n int) time.Time {
	switch u {
	case "yyyy":
		return addMonths(t, 12*n)
	case "m":
		return addMonths(t, n)
	}
	// Not Add: a time.Duration ends after 292 years.
	return time.Unix(t.Unix()+int64(n)*u.seconds(), int64(t.Nanosecond())).UTC()
}

func (u dateUnit) seconds() int64 {
	switch u {
	case "ww":
		return 7 * 86400
	case "d":
		return 86400
	case "h":
		return 3600
	case "n":
		return 60
	}
	return 1
}

func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(d, last)-1)
}

// between counts the units from a to b as Visual Basic does, which Entra
// follows: years, months and weeks by the calendar (a week begins on Sunday),
// the others by the time that has passed, without a rest.
func (u dateUnit) between(a, b time.Time) int {
	switch u {
	case "yyyy":
		return b.Year() - a.Year()
	case "m":
		return 12*(b.Year()-a.Year()) + int(b.Month()) - int(a.Month())
	case "ww":
		sunday := func(t time.Time) time.Time { return t.AddDate(0, 0, -int(t.Weekday())) }
		return int(dateUnit("d").between(sunday(a), sunday(b))) / 7
	}
	// Subtract in whole seconds and a fraction, beyond what a Duration holds.
	seconds := float64(b.Unix()-a.Unix()) + float64(b.Nanosecond()-a.Nanosecond())/1e9
	return int(math.Trunc(seconds / float64(u.seconds())))
}
