package mapping

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// dateLayout is a compiled date format in the notation of .NET, which Entra
// uses (learn.microsoft.com/dotnet/standard/base-types/custom-date-and-time-format-strings):
// yyyy yy MMMM MMM MM M dddd ddd dd d HH H hh h mm m ss s f… F… tt t zzz zz z K,
// text in quotes or behind a backslash, and anything else as itself.
type dateLayout struct{ tokens []dateToken }

type dateToken struct {
	letter byte   // 0 for a literal
	width  int    // how often the letter is repeated
	text   string // of a literal
}

// maxWidth is how often a letter of a format may be repeated.
func maxWidth(letter byte) int {
	switch letter {
	case 'y', 'M', 'd':
		return 4
	case 'f', 'F':
		return 7
	case 'z':
		return 3
	case 'K':
		return 1
	}
	return 2
}

// parseLayout compiles a format. An empty one is nil and stands for the usual
// forms (reading) or RFC 3339 (writing).
func parseLayout(format string) (any, error) {
	if format == "" {
		return (*dateLayout)(nil), nil
	}
	l := &dateLayout{}
	literal := func(s string) {
		if n := len(l.tokens); n > 0 && l.tokens[n-1].letter == 0 {
			l.tokens[n-1].text += s
			return
		}
		l.tokens = append(l.tokens, dateToken{text: s})
	}
	for i := 0; i < len(format); {
		c := format[i]
		switch {
		case strings.IndexByte("yMdHhmsfFtzK", c) >= 0:
			n := 1
			for i+n < len(format) && format[i+n] == c {
				n++
			}
			if n > maxWidth(c) || c == 'y' && n != 2 && n != 4 {
				return nil, fmt.Errorf("%q is no part of a date format", format[i:i+n])
			}
			l.tokens = append(l.tokens, dateToken{letter: c, width: n})
			i += n
		case c == '\'' || c == '"':
			end := strings.IndexByte(format[i+1:], c)
			if end < 0 {
				return nil, fmt.Errorf("a quote in the date format %q is not closed", format)
			}
			literal(format[i+1 : i+1+end])
			i += end + 2
		case c == '\\':
			if i+1 == len(format) {
				return nil, fmt.Errorf("the date format %q ends in a lone backslash", format)
			}
			_, size := utf8.DecodeRuneInString(format[i+1:])
			literal(format[i+1 : i+1+size])
			i += 1 + size
		case c == '%':
			i++ // .NET writes %d for a d that stands alone
		default:
			literal(format[i : i+1])
			i++
		}
	}
	return l, nil
}

// format writes a time.
func (l *dateLayout) format(t time.Time) string {
	if l == nil {
		return t.Format(time.RFC3339)
	}
	var b []byte
	for _, token := range l.tokens {
		b = token.append(b, t)
	}
	return string(b)
}

func (t dateToken) append(b []byte, at time.Time) []byte {
	padded := func(n int) []byte { return fmt.Appendf(b, "%0*d", t.width, n) }
	switch t.letter {
	case 'y':
		if t.width == 2 {
			return padded(at.Year() % 100)
		}
		return padded(at.Year())
	case 'M':
		switch t.width {
		case 3:
			return append(b, at.Month().String()[:3]...)
		case 4:
			return append(b, at.Month().String()...)
		}
		return padded(int(at.Month()))
	case 'd':
		switch t.width {
		case 3:
			return append(b, at.Weekday().String()[:3]...)
		case 4:
			return append(b, at.Weekday().String()...)
		}
		return padded(at.Day())
	case 'H':
		return padded(at.Hour())
	case 'h':
		return padded((at.Hour()+11)%12 + 1)
	case 'm':
		return padded(at.Minute())
	case 's':
		return padded(at.Second())
	case 'f', 'F':
		digits := fmt.Sprintf("%09d", at.Nanosecond())[:t.width]
		if t.letter == 'F' {
			digits = strings.TrimRight(digits, "0")
		}
		return append(b, digits...)
	case 't':
		return append(b, at.Format("PM")[:t.width]...)
	case 'z':
		// Times are written in UTC.
		return append(b, [...]string{1: "+0", "+00", "+00:00"}[t.width]...)
	case 'K':
		return append(b, 'Z')
	}
	return append(b, t.text...)
}

var errDate = errors.New("the text is not a date in the expected format")

// dateReader is what a format has read so far, and what is left to read.
type dateReader struct {
	rest string

	year, month, day, hour, minute, second, nanosecond int

	weekday   string // as written
	afternoon string // "A", "P" or ""
	twelve    bool   // the hour is one of 12
	offset    int    // seconds east of UTC
}

// parse reads a whole text. Without an offset in it, the time is UTC; a year of
// two digits lies between 1950 and 2049.
func (l *dateLayout) parse(s string) (time.Time, error) {
	r := dateReader{rest: strings.TrimSpace(s), year: 1, month: 1, day: 1}
	for _, token := range l.tokens {
		if !r.read(token) {
			return time.Time{}, errDate
		}
	}
	if r.rest != "" {
		return time.Time{}, errDate
	}
	if r.twelve {
		if r.hour < 1 || r.hour > 12 {
			return time.Time{}, errDate
		}
		r.hour %= 12
	}
	if r.afternoon == "P" && r.hour < 12 {
		r.hour += 12
	}
	t := time.Date(r.year, time.Month(r.month), r.day, r.hour, r.minute, r.second, r.nanosecond, time.UTC)
	// Date carries an impossible part over into the next; no such day exists.
	if t.Year() != r.year || int(t.Month()) != r.month || t.Day() != r.day || t.Hour() != r.hour || t.Minute() != r.minute || t.Second() != r.second {
		return time.Time{}, errDate
	}
	if r.weekday != "" && !strings.EqualFold(r.weekday, t.Weekday().String()[:len(r.weekday)]) {
		return time.Time{}, errDate
	}
	return inRange(t.Add(-time.Duration(r.offset) * time.Second))
}

// inRange refuses what RFC 3339 cannot write.
func inRange(t time.Time) (time.Time, error) {
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}, errors.New("the date is outside the years 1 to 9999")
	}
	return t, nil
}

func (r *dateReader) read(t dateToken) bool {
	ok := true
	switch t.letter {
	case 0:
		r.rest, ok = strings.CutPrefix(r.rest, t.text)
	case 'y':
		if r.year, ok = r.digits(t.width, t.width); t.width == 2 {
			if r.year += 1900; r.year < 1950 {
				r.year += 100
			}
		}
	case 'M':
		if t.width > 2 {
			r.month, ok = r.name(t.width == 3, 12, func(i int) string { return time.Month(i).String() })
			break
		}
		r.month, ok = r.digits(t.width, 2)
	case 'd':
		if t.width > 2 {
			before := r.rest
			if _, ok = r.name(t.width == 3, 7, func(i int) string { return time.Weekday(i % 7).String() }); ok {
				r.weekday = before[:len(before)-len(r.rest)]
			}
			break
		}
		r.day, ok = r.digits(t.width, 2)
	case 'H':
		r.hour, ok = r.digits(t.width, 2)
	case 'h':
		r.hour, ok = r.digits(t.width, 2)
		r.twelve = true
	case 'm':
		r.minute, ok = r.digits(t.width, 2)
	case 's':
		r.second, ok = r.digits(t.width, 2)
	case 'f':
		ok = r.fraction(t.width, t.width)
	case 'F':
		ok = r.fraction(0, t.width)
	case 't':
		ok = r.half(t.width)
	case 'z':
		ok = r.zone(t.width)
	case 'K':
		if rest, utc := strings.CutPrefix(r.rest, "Z"); utc {
			r.rest = rest
		} else if r.rest != "" {
			ok = r.zone(3)
		}
	}
	return ok
}

// digits reads a number of least to most digits.
func (r *dateReader) digits(least, most int) (int, bool) {
	n, value := 0, 0
	for n < most && n < len(r.rest) && '0' <= r.rest[n] && r.rest[n] <= '9' {
		value = value*10 + int(r.rest[n]-'0')
		n++
	}
	r.rest = r.rest[n:]
	return value, n >= least
}

func (r *dateReader) fraction(least, most int) bool {
	before := len(r.rest)
	value, ok := r.digits(least, most)
	for n := before - len(r.rest); n < 9; n++ {
		value *= 10
	}
	r.nanosecond = value
	return ok
}

func (r *dateReader) name(short bool, n int, of func(int) string) (int, bool) {
	for i := 1; i <= n; i++ {
		name := of(i)
		if short {
			name = name[:3]
		}
		if len(r.rest) >= len(name) && strings.EqualFold(r.rest[:len(name)], name) {
			r.rest = r.rest[len(name):]
			return i, true
		}
	}
	return 0, false
}

func (r *dateReader) half(width int) bool {
	if len(r.rest) < width {
		return false
	}
	letters := strings.ToUpper(r.rest[:width])
	r.afternoon, r.rest = letters[:1], r.rest[width:]
	return (r.afternoon == "A" || r.afternoon == "P") && (width == 1 || letters[1] == 'M')
}

func (r *dateReader) zone(width int) bool {
	if r.rest == "" || r.rest[0] != '+' && r.rest[0] != '-' {
		return false
	}
	sign := 1
	if r.rest[0] == '-' {
		sign = -1
	}
	r.rest = r.rest[1:]
	hours, ok := r.digits(min(width, 2), 2)
	minutes := 0
	if ok && width == 3 {
		r.rest = strings.TrimPrefix(r.rest, ":")
		minutes, ok = r.digits(2, 2)
	}
	r.offset = sign * (hours*3600 + minutes*60)
	return ok && hours <= 14 && minutes < 60
}
