package configs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func location(t interface {
	Helper()
	Fatal(...any)
}, name string,
) *time.Location {
	t.Helper()
	loc, err := zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestParseScheduleRefuses(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                                "is empty",
		"   ":                             "is empty",
		"@every":                          "is @every without an interval",
		"@every ":                         "is @every without an interval",
		"@every40m":                       "is @every without an interval",
		"@every 40":                       `has the interval "40", which is no duration (write it like "@every 40m"; units are s, m, h and d)`,
		"@every 1w":                       `has the interval "1w", which is no duration`,
		"@every 0s":                       `has the interval "0s", and the shortest is 1m`,
		"@every 0":                        `has the interval "0", and the shortest is 1m`,
		"@every -5m":                      `has the interval "-5m", and the shortest is 1m`,
		"@every -1d":                      `has the interval "-1d", and the shortest is 1m`,
		"@every 59s":                      `has the interval "59s", and the shortest is 1m`,
		"@every 99999999999h":             "which is no duration",
		"@evry 40m":                       `has the unknown descriptor "@evry 40m" (did you mean @every?)`,
		"@dayly":                          `has the unknown descriptor "@dayly" (did you mean @daily?)`,
		"@Daily":                          "did you mean @daily?",
		"@reboot":                         "missed: run",
		"@":                               "unknown descriptor",
		"0 0 30 2 *":                      "never fires (there is no such day)",
		"0 0 31 4,6,9,11 *":               "never fires",
		"CRON_TZ=Europe/Berlin 0 3 * * *": "holds a time zone (the key timezone sets it: timezone: Europe/Berlin)",
		"CRON_TZ=Europe/Berlin @every 9m": "holds a time zone",
		"TZ=UTC 0 3 * * *":                "holds a time zone",
		"CRON_TZ=X":                       "holds a time zone",
		"0 0 3 * * *":                     "has six fields, and there is none for seconds (leave the first one out: minute, hour,",
		"0 3 * *":                         "has 4 fields where a cron expression has five",
		"tomorrow":                        "has 1 fields where a cron expression has five",
		"0 0 3 * * * *":                   "has 7 fields",
		"60 * * * *":                      `has the field "60" for the minute, which is not understood (0 to 59`,
		"0 24 * * *":                      `has the field "24" for the hour`,
		"0 0 0 * *":                       `has the field "0" for the day of month`,
		"0 0 * 13 *":                      `for the month, which is not understood (1 to 12 or jan to dec`,
		"0 0 * * 7":                       `for the day of week, which is not understood (Sunday is 0 or sun)`,
		"0 22-6 * * *":                    "a range that runs over the end is two: 22-23,0-6",
		"*/0 * * * *":                     `"*/0" for the minute`,
		", * * * *":                       `"," for the minute`,
		"1,,2 * * * *":                    `"1,,2" for the minute`,
		"+5 * * * *":                      `"+5" for the minute`,
		"0 0 L * *":                       `"L" for the day of month`,
		"0 0 * * mon#1":                   `"mon#1" for the day of week`,
	} {
		s, err := ParseSchedule(spec, time.UTC)
		e, ok := errors.AsType[*ScheduleError](err)
		if !ok || !strings.Contains(e.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", spec, s, err, want)
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const layout = "2006-01-02 15:04:05 -0700"
	for _, test := range []struct {
		name, zone, spec, from string
		want                   []string
	}{
		{"every", "UTC", "@every 40m", "2026-11-22 10:00:30 +0000", []string{"2026-11-22 10:40:30 +0000", "2026-11-22 11:20:30 +0000"}},
		{"every day and a half", "UTC", "@every 1d12h", "2026-11-22 10:00:00 +0000", []string{"2026-11-23 22:00:00 +0000"}},
		{"blanks around", "UTC", "  0   3 * * *  ", "2026-11-22 03:00:00 +0000", []string{"2026-11-23 03:00:00 +0000"}},
		{"just before", "UTC", "0 3 * * *", "2026-11-22 02:59:59 +0000", []string{"2026-11-22 03:00:00 +0000"}},
		{"descriptor", "Europe/Berlin", "@daily", "2026-11-22 10:00:00 +0100", []string{"2026-11-23 00:00:00 +0100"}},
		{"names", "UTC", "0 9 * jan-mar mon-fri", "2026-11-22 10:00:00 +0000", []string{"2027-01-01 09:00:00 +0000", "2027-01-04 09:00:00 +0000"}},
		{"leap day", "UTC", "0 0 29 2 *", "2026-11-22 10:00:00 +0000", []string{"2028-02-29 00:00:00 +0000"}},
		{"the zone of the schedule, not of the time", "America/New_York", "0 3 * * *", "2026-11-22 12:00:00 +0000", []string{"2026-11-23 03:00:00 -0500"}},

		// Berlin leaps from 02:00 to 03:00 on 2027-03-28 and comes back from
		// 03:00 to 02:00 on 2026-10-25.
		{"spring: at the leap", "Europe/Berlin", "30 2 * * *", "2027-03-27 02:30:00 +0100", []string{"2027-03-28 03:00:00 +0200", "2027-03-29 02:30:00 +0200"}},
		{"spring: several times leapt over are one", "Europe/Berlin", "*/20 2 * * *", "2027-03-27 02:40:00 +0100", []string{"2027-03-28 03:00:00 +0200", "2027-03-29 02:00:00 +0200"}},
		{"spring: leapt over and due at the leap are one", "Europe/Berlin", "0 2,3,4 * * *", "2027-03-28 01:59:59 +0100", []string{"2027-03-28 03:00:00 +0200", "2027-03-28 04:00:00 +0200"}},
		{"spring: hourly", "Europe/Berlin", "30 * * * *", "2027-03-28 00:30:00 +0100", []string{"2027-03-28 01:30:00 +0100", "2027-03-28 03:30:00 +0200"}},
		{"spring: on the leap", "Europe/Berlin", "0 * * * *", "2027-03-28 01:00:00 +0100", []string{"2027-03-28 03:00:00 +0200", "2027-03-28 04:00:00 +0200"}},
		{"autumn: the first of two", "Europe/Berlin", "30 2 * * *", "2026-10-24 02:30:00 +0200", []string{"2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100"}},
		{"autumn: asked between the two", "Europe/Berlin", "30 2 * * *", "2026-10-25 02:10:00 +0100", []string{"2026-10-26 02:30:00 +0100"}},
		{"autumn: in the first of two", "Europe/Berlin", "30 2 * * *", "2026-10-25 02:10:00 +0200", []string{"2026-10-25 02:30:00 +0200"}},
		{"autumn: on the hour", "Europe/Berlin", "0 2,3 * * *", "2026-10-25 01:00:00 +0200", []string{"2026-10-25 02:00:00 +0200", "2026-10-25 03:00:00 +0100"}},
		{"autumn: by what has elapsed", "Europe/Berlin", "*/30 * * * *", "2026-10-25 02:00:00 +0200", []string{"2026-10-25 02:30:00 +0200", "2026-10-25 02:00:00 +0100", "2026-10-25 02:30:00 +0100", "2026-10-25 03:00:00 +0100"}},
		{"autumn: hourly within the hour", "Europe/Berlin", "@hourly", "2026-10-25 02:59:00 +0200", []string{"2026-10-25 02:00:00 +0100", "2026-10-25 03:00:00 +0100"}},

		// Half an hour, and a midnight that does not exist.
		{"half an hour", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03 02:15:00 +1030", []string{"2026-10-04 02:30:00 +1100", "2026-10-05 02:15:00 +1100"}},
		{"no midnight", "America/Sao_Paulo", "@daily", "2018-11-03 00:00:00 -0300", []string{"2018-11-04 01:00:00 -0200", "2018-11-05 00:00:00 -0200"}},
		{"a day that never was", "Pacific/Apia", "0 12 30 12 *", "2011-12-01 00:00:00 -1000", []string{"2011-12-31 00:00:00 +1400", "2012-12-30 12:00:00 +1400"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSchedule(test.spec, location(t, test.zone))
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(layout, test.from)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if at = s.Next(at); at.Format(layout) != want {
					t.Fatalf("fires at %s, want %s", at.Format(layout), want)
				}
			}
		})
	}
}

// TestNextGoesOn: whatever the zone and the expression, the next time is later,
// no time between is skipped by asking from one, and it is one that the
// expression names unless the clock leapt.
func TestNextGoesOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc := location(t, rapid.SampledFrom([]string{
			"UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia",
		}).Draw(t, "zone"))
		spec := rapid.SampledFrom([]string{
			"30 2 * * *", "*/7 * * * *", "0 * * * *", "0 */2 * * *", "15 1-3 * * *", "@daily", "0 0 * * sun", "59 23 31 * *", "*/20 0,2 1-7 * mon",
		}).Draw(t, "spec")
		s, err := ParseSchedule(spec, loc)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(1_200_000_000, 1_900_000_000).Draw(t, "from"), 0)
		next := s.Next(at)
		if !next.After(at) {
			t.Fatalf("%s after %s", next, at)
		}
		between := at.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(at)-1)).Draw(t, "between")))
		if again := s.Next(between); !again.Equal(next) {
			t.Fatalf("from %s it is %s, from %s it is %s", at, next, between, again)
		}
		named := s.times.spec.Next(wall(next).Add(-time.Second)).Equal(wall(next))
		start, _ := next.ZoneBounds()
		if !named && !next.Equal(start) {
			t.Fatalf("%s is none of %s", next, spec)
		}
	})
}

func TestEvery(t *testing.T) {
	t.Parallel()
	s, err := ParseSchedule("@every 2d", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if every, ok := s.Every(); !ok || every != 48*time.Hour || s.String() != "@every 2d" {
		t.Errorf("%s is every %s, %v", s, every, ok)
	}
	if s, err = ParseSchedule("@daily", time.UTC); err != nil {
		t.Fatal(err)
	}
	if every, ok := s.Every(); ok {
		t.Errorf("@daily is every %s", every)
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	known := strings.Fields(zones)
	if len(known) < 400 {
		t.Fatalf("%d zones", len(known))
	}
	for _, name := range known {
		if loc, err := zone(name); err != nil || loc.String() != name {
			t.Errorf("%s: %v, %v", name, loc, err)
		}
	}
	for name, want := range map[string]string{
		"Europe/Berln":      "did you mean Europe/Berlin?",
		"europe/berlin":     "did you mean Europe/Berlin?",
		"Berlin":            "did you mean Europe/Berlin?",
		"new york":          "did you mean America/New_York?",
		"local":             "did you mean Local?",
		"PST":               "IANA names are like Europe/Berlin",
		"Mars/Olympus_Mons": "IANA names are like Europe/Berlin",
		"../etc/passwd":     "IANA names are like Europe/Berlin",
		"/etc/localtime":    "IANA names are like Europe/Berlin",
	} {
		if loc, err := zone(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", name, loc, err, want)
		}
	}
	for name, want := range map[string]*time.Location{"": time.Local, "Local": time.Local, "UTC": time.UTC} {
		if loc, err := zone(name); err != nil || loc != want {
			t.Errorf("%q: %v, %v, want %v", name, loc, err, want)
		}
	}
}
