package connectors

import (
	"errors"
	"fmt"
	"time"
)

// Expiry says when a credential ends and when to warn, under the key expiry.
type Expiry struct {
	// At is a date, 2026-12-31, or a time as in RFC 3339. A credential that
	// ends on a date is good until the last second of that day in UTC.
	At string `yaml:"at,omitempty" json:"at,omitempty" jsonschema:"description=When the credential ends: a date such as 2026-12-31 (the end of that day in UTC) or an RFC 3339 time; a JWT tells by itself"`
	// Warn are the times before the end at which to tell of it, negative ones
	// after it, in any order.
	Warn []Duration `yaml:"warn,omitzero" json:"warn,omitzero" jsonschema:"description=How long before the end to warn; negative is after it; default 15d 1d 0d -1d"`
}

const (
	mostWarnings    = 16
	longestWarning  = 10 * 366 * day
	earliestExpires = 2000
	latestExpires   = 9999
)

// Validate returns every mistake below key.
func (e Expiry) Validate(key string) []SettingError {
	var out []SettingError
	add := func(key, format string, args ...any) {
		out = append(out, SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	if _, err := e.End(); err != nil {
		add(key+".at", "%v", err)
	}
	if len(e.Warn) > mostWarnings {
		add(key+".warn", "has %d times; the most is %d", len(e.Warn), mostWarnings)
		return out
	}
	seen := map[Duration]bool{}
	for i, d := range e.Warn {
		at := fmt.Sprintf("%s.warn[%d]", key, i)
		if time.Duration(d).Abs() > longestWarning {
			add(at, "%s is out of range: write -3660d to 3660d", d)
		}
		if seen[d] {
			add(at, "%s is there twice", d)
		}
		seen[d] = true
	}
	return out
}

// End returns when At says that the credential ends, in UTC; zero where it says
// nothing.
func (e Expiry) End() (time.Time, error) {
	if e.At == "" {
		return time.Time{}, nil
	}
	end, err := time.Parse(time.RFC3339, e.At)
	if date, dateErr := time.Parse(time.DateOnly, e.At); dateErr == nil {
		end, err = date.Add(day-time.Second), nil
	}
	if err != nil || end.Year() < earliestExpires || end.Year() > latestExpires {
		return time.Time{}, errNoTime
	}
	return end.UTC(), nil
}

var errNoTime = errors.New("is not a date or time: write 2026-12-31, or 2026-12-31T18:00:00Z")

// Credential returns what At and Warn say, with ends as the end where At says
// nothing.
func (e Expiry) Credential(ends time.Time) (Credential, error) {
	at, err := e.End()
	if err != nil {
		return Credential{}, fmt.Errorf("expiry.at %w", err)
	}
	if at.IsZero() && !ends.IsZero() {
		at = ends.UTC()
	}
	c := Credential{Expires: at}
	if e.Warn != nil {
		c.Warn = make([]time.Duration, len(e.Warn))
		for i, d := range e.Warn {
			c.Warn[i] = time.Duration(d)
		}
	}
	return c, nil
}
