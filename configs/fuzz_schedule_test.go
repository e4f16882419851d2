package configs

import (
	"errors"
	"testing"
	"time"
)

// Whatever is written as a schedule is refused with a reason, or fires later and
// later, and soon enough to be computed at all.
func FuzzSchedule(f *testing.F) {
	for _, s := range []string{
		"@every 40m", "@every 1d", "@every 0s", "@every 90h30m1s", "@every 9999999d", "@daily", "@hourly", "@reboot", "0 3 * * *", "*/10 * * * *",
		"30 2 29 2 *", "0 0 31 2 *", "1-59/2 1,2,3 1-5 JAN-MAR MON", "60 * * * *", "* * * * * *", "TZ=UTC 0 3 * * *", "", "@", "? * * * ?", "0 2 25 10 0",
		"*/0 * * * *", "5-1 * * * *", "0 0 1 1 7", "99999999999999999999 * * * *", "@every -5m", "@every 1m59s",
	} {
		for _, zone := range []uint8{0, 1, 5} {
			f.Add(s, zone, int64(1793000000))
		}
	}
	zones := []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"}
	f.Fuzz(func(t *testing.T, spec string, zone uint8, unix int64) {
		location, err := time.LoadLocation(zones[int(zone)%len(zones)])
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSchedule(spec, location)
		if err != nil {
			if wrong, ok := errors.AsType[*ScheduleError](err); !ok || wrong.Text == "" {
				t.Fatalf("%q: %v", spec, err)
			}
			return
		}
		// From 1970 to 2100.
		at := time.Unix(unix&0xffffffff, 0).In(location)
		for range 3 {
			next := s.Next(at)
			if next.IsZero() {
				t.Fatalf("%q never fires after %s, and was taken", spec, at)
			}
			if !next.After(at) {
				t.Fatalf("%q fires at %s after %s", spec, next, at)
			}
			if every, ok := s.Every(); ok && (every < time.Minute || !next.Equal(at.Add(every))) {
				t.Fatalf("%q fires every %s: at %s after %s", spec, every, next, at)
			}
			if between := at.Add(next.Sub(at) / 2); s.times != (civil{}) && !s.Next(between).Equal(next) {
				t.Fatalf("%q fires at %s after %s, and at %s after %s", spec, next, at, s.Next(between), between)
			}
			at = next
		}
	})
}
