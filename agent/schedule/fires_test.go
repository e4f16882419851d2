package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/configs"
)

// specs are schedules of every sort.
func specs() []*configs.Schedule {
	return []*configs.Schedule{
		at("0 3 * * *"), at("*/15 * * * *"), at("0 */6 * * *"), at("@every 40m"), at("@every 1m"), at("30 12 * * 1"), at("0 0 29 2 *"),
		at("* 3 * * 0"), at("@monthly"), at("@every 36h"), in("Europe/Berlin", "30 2 * * *"), in("America/New_York", "*/20 1-2 * * *"),
	}
}

// TestFiresAgainstCounting compares the search from the end with counting.
func TestFiresAgainstCounting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sch := rapid.SampledFrom(specs()).Draw(t, "schedule")
		from := june().Add(time.Duration(rapid.Int64Range(0, int64(400*24*time.Hour)).Draw(t, "from"))).Truncate(time.Second)
		span := time.Duration(rapid.OneOf(
			rapid.Int64Range(0, int64(time.Hour)), rapid.Int64Range(0, int64(60*24*time.Hour))).Draw(t, "span")).Truncate(time.Second)
		now := from.Add(span)
		var all []time.Time
		for f := sch.Next(from); !f.IsZero() && !f.After(now); f = sch.Next(f) {
			all = append(all, f)
		}
		first, last := fires(sch, from, now)
		if len(all) == 0 {
			if !first.IsZero() || !last.IsZero() {
				t.Fatalf("%v: %v to %v, want none", sch, first, last)
			}
			return
		}
		if !first.Equal(all[0]) || !last.Equal(all[len(all)-1]) {
			t.Fatalf("%v: %v to %v, want %v to %v", sch, first, last, all[0], all[len(all)-1])
		}
	})
}

// TestFiresOfTenYearsAreNotCounted: there are five million of them, and the
// scheduler stands still meanwhile.
func TestFiresOfTenYearsAreNotCounted(t *testing.T) {
	t.Parallel()
	began := time.Now()
	first, last := fires(at("* * * * *"), june(), june().AddDate(10, 0, 0))
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	same(t, "first", first, june().Add(time.Minute))
	same(t, "last", last, june().AddDate(10, 0, 0))
}

func TestSpread(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := range 200 {
		name := fmt.Sprintf("sync-%d", i)
		d := spread(name, at("0 3 * * *"), june(), 30*time.Second)
		if again := spread(name, at("0 3 * * *"), june().AddDate(0, 0, 9), 30*time.Second); d != again {
			t.Errorf("%s: %v and then %v", name, d, again)
		}
		if d < 0 || d >= 30*time.Second {
			t.Errorf("%s: %v", name, d)
		}
		all = append(all, d)
		if d := spread(name, at("@every 1m"), june(), 30*time.Second); d < 0 || d >= 6*time.Second {
			t.Errorf("%s: %v of a minute", name, d)
		}
		if d := spread(name, at("0 3 * * *"), june(), 0); d != 0 {
			t.Errorf("%s: %v although switched off", name, d)
		}
	}
	slices.Sort(all)
	for i, want := range []time.Duration{3, 15, 27} { // a tenth, half, nine tenths
		got := all[[]int{20, 100, 180}[i]]
		if got < (want-3)*time.Second || got > (want+3)*time.Second {
			t.Errorf("of 200, %v are below %v", []string{"a tenth", "half", "nine tenths"}[i], got)
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	now := june().Add(12 * time.Hour)
	nightly, hourly := at("0 3 * * *"), at("@every 1h")
	st := func(spec string, start, fire time.Duration) Standing {
		return Standing{Spec: spec, LastStart: june().Add(start), LastFire: june().Add(fire)}
	}
	for _, c := range []struct {
		name   string
		sch    *configs.Schedule
		missed configs.Missed
		st     Standing
		want   time.Time
	}{
		{"no schedule", nil, "", Standing{}, time.Time{}},
		{"no schedule, quarantined", nil, "", Standing{Until: now.Add(time.Minute)}, now.Add(time.Minute)},
		{"a quarantine that is over", nil, "", Standing{Until: now}, time.Time{}},
		{"cron, never seen", nightly, "", Standing{}, june().Add(27 * time.Hour)},
		{"cron, met", nightly, "", st("0 3 * * * UTC", 3*time.Hour, 3*time.Hour), june().Add(27 * time.Hour)},
		{"cron, missed", nightly, "", st("0 3 * * * UTC", 0, -21*time.Hour), now},
		{"cron, missed and skipped", nightly, configs.MissedSkip, st("0 3 * * * UTC", 0, -21*time.Hour), june().Add(27 * time.Hour)},
		{"cron, missed under another schedule", nightly, "", st("0 4 * * * UTC", 0, -21*time.Hour), june().Add(27 * time.Hour)},
		{"cron, remembered by a wrong clock", nightly, "", st("0 3 * * * UTC", 0, 999*time.Hour), june().Add(27 * time.Hour)},
		{"cron, clock set back a little", nightly, "", st("0 3 * * * UTC", 0, 13*time.Hour), june().Add(27 * time.Hour)},
		{"every, never seen", hourly, "", Standing{}, now},
		{"every, met", hourly, "", st("@every 1h UTC", 11*time.Hour+20*time.Minute, 11*time.Hour), now.Add(20 * time.Minute)},
		{"every, skipped since", hourly, "", st("@every 1h UTC", 10*time.Hour+20*time.Minute, 11*time.Hour+20*time.Minute), now.Add(20 * time.Minute)},
		{"every, missed", hourly, "", st("@every 1h UTC", time.Hour, time.Hour), now},
		{"every, missed and skipped", hourly, configs.MissedSkip, st("@every 1h UTC", 30*time.Minute, 30*time.Minute), now.Add(30 * time.Minute)},
		{"every, another interval", hourly, "", st("@every 9h UTC", 11*time.Hour+50*time.Minute, 0), now.Add(50 * time.Minute)},
		{"every, remembered by a wrong clock", hourly, "", st("@every 1h UTC", 99*time.Hour, 99*time.Hour), now.Add(time.Hour)},
	} {
		if got := Next(c.sch, c.missed, c.st, now); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
