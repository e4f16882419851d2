package notify

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, time.August, 22, 12, 0, 0, 0, time.UTC)

func TestDue(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2026, time.December, 31, 15, 0, 0, 0, time.UTC)
	day := func(d, h, m int) time.Time { return time.Date(2026, time.December, d, h, m, 0, 0, time.UTC) }
	const none = 99 * wholeDay
	tests := map[string]struct {
		expiry, now time.Time
		warn        []time.Duration
		want        time.Duration
	}{
		"long before":                 {end, day(1, 0, 0), DefaultWarn(), none},
		"just before 15 days":         {end, day(15, 23, 59), DefaultWarn(), none},
		"15 days":                     {end, day(16, 0, 0), DefaultWarn(), 15 * wholeDay},
		"3 days, first look":          {end, day(28, 0, 0), DefaultWarn(), 15 * wholeDay},
		"the day before":              {end, day(30, 0, 0), DefaultWarn(), wholeDay},
		"the day, before the hour":    {end, day(31, 0, 0), DefaultWarn(), 0},
		"the day, after the hour":     {end, day(31, 23, 59), DefaultWarn(), 0},
		"the day after":               {end, day(32, 0, 0), DefaultWarn(), -wholeDay},
		"long after":                  {end, day(31+200, 0, 0), DefaultWarn(), -wholeDay},
		"any order":                   {end, day(30, 1, 0), []time.Duration{-wholeDay, 15 * wholeDay, 0, wholeDay}, wholeDay},
		"hours are exact, before":     {end, day(31, 2, 59), []time.Duration{12 * time.Hour}, none},
		"hours are exact, at":         {end, day(31, 3, 0), []time.Duration{12 * time.Hour}, 12 * time.Hour},
		"no thresholds":               {end, end, nil, none},
		"no end":                      {time.Time{}, end, DefaultWarn(), none},
		"midnight of the end's place": {time.Date(2026, 3, 29, 12, 0, 0, 0, berlin), time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC), DefaultWarn(), 0},
		"a day before a 23-hour day":  {time.Date(2026, 3, 30, 0, 0, 0, 0, berlin), time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC), DefaultWarn(), wholeDay},
		"not yet, before 23-hour day": {time.Date(2026, 3, 30, 0, 0, 0, 0, berlin), time.Date(2026, 3, 28, 22, 59, 0, 0, time.UTC), []time.Duration{wholeDay}, none},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			got, due := Due(test.expiry, test.warn, test.now)
			if !due {
				got = none
			}
			if got != test.want {
				t.Errorf("Due = %s, want %s", got, test.want)
			}
		})
	}
}

func TestCredentialExpiringSays(t *testing.T) {
	t.Parallel()
	end := noon.Add(3 * wholeDay)
	e, due := CredentialExpiring("s", "target alation", end, DefaultWarn(), noon)
	if !due || e.Severity != Warning || !strings.Contains(e.Text, "target alation ends at 2026-08-25 12:00 UTC, in 3 days: renew it") {
		t.Errorf("%v %+v", due, e)
	}
	e, due = CredentialExpiring("s", "target alation", end, DefaultWarn(), end.Add(2*time.Hour))
	if !due || e.Severity != Grave || !strings.Contains(e.Text, "ended at 2026-08-25 12:00 UTC, 2 hours ago") {
		t.Errorf("%v %+v", due, e)
	}
	if e, due = CredentialExpiring("s", "target alation", end, DefaultWarn(), noon.Add(-30*wholeDay)); due {
		t.Errorf("due already: %+v", e)
	}
}
