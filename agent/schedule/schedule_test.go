package schedule

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/configs"
)

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// exact are options under which a start is where its fire is.
func exact() Options { return Options{Jitter: -1} }

func TestCronExpressionWaitsForItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june().Add(90 * time.Second))
		p := w.boot(1, exact(), does(Job{Name: "a", Schedule: at("0 */6 * * *")}, takes(time.Minute)))
		sleep(26 * time.Hour)
		same(t, "starts", walls(w.runs("a")), []string{"01 06:00:00", "01 12:00:00", "01 18:00:00", "02 00:00:00"})
		same(t, "triggers", triggers(w.runs("a"))[0], TriggerSchedule)
		st := p.status(t, "a")
		same(t, "next", st.Next.Format("02 15:04"), "02 06:00")
		same(t, "last fire", st.LastFire, june().Add(24*time.Hour))
		same(t, "result", st.Result, "ok")
		p.end(t)
		same(t, "remembered", w.disk["a"], st.Standing)
	})
}

func TestEveryCountsFromTheLastStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		job := does(Job{Name: "a", Schedule: at("@every 40m")}, takes(5*time.Minute))
		p := w.boot(1, Options{}, job) // with the spread, which must not add up
		sleep(100 * time.Minute)
		p.end(t)
		offset := spread("a", at("@every 40m"), june(), defaultJitter)
		if offset <= 0 {
			t.Fatalf("the name a has the offset %v, so that this test tells nothing", offset)
		}
		var want []string
		for i := range 3 {
			start := june().Add(time.Duration(i) * 40 * time.Minute)
			if i > 0 {
				start = start.Add(offset)
			}
			want = append(want, start.Format("02 15:04:05"))
		}
		same(t, "starts", walls(w.runs("a")), want)
		// 20 minutes after the last start; it is due 20 minutes on.
		p = w.boot(2, Options{}, job)
		sleep(20*time.Minute + offset - time.Second)
		same(t, "runs before it is due", len(w.runs("a")), 3)
		sleep(2 * time.Second)
		same(t, "runs", len(w.runs("a")), 4)
		p.end(t)
	})
}

func TestMissed(t *testing.T) {
	t.Parallel()
	const at3 = "0 3 * * *"
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		policy configs.Missed
		spec   string
		down   time.Duration // of which the middle is from 01 12:00
		want   []string
		how    []Trigger
		missed int
	}{
		{"nothing", "", at3, time.Hour, nil, nil, 0},
		{"one, run", configs.MissedRun, at3, 20 * time.Hour, []string{"02 08:00:00"}, []Trigger{TriggerMissed}, 0},
		{"run is the default", "", at3, 20 * time.Hour, []string{"02 08:00:00"}, []Trigger{TriggerMissed}, 0},
		{"many run once", configs.MissedRun, at3, 5*day + time.Hour, []string{"06 13:00:00"}, []Trigger{TriggerMissed}, 1},
		{"one, skip", configs.MissedSkip, at3, 20 * time.Hour, nil, nil, 1},
		{"many skipped", configs.MissedSkip, at3, 5*day + time.Hour, nil, nil, 1},
		{"a short restart misses nothing", configs.MissedSkip, at3, 15*time.Hour + 40*time.Second, []string{"02 03:00:40"}, []Trigger{TriggerSchedule}, 0},
		{"every, run", configs.MissedRun, "@every 2h", 3 * time.Hour, []string{"01 15:00:00"}, []Trigger{TriggerMissed}, 0},
		{"every, skip", configs.MissedSkip, "@every 2h", 3 * time.Hour, []string{"01 16:00:00"}, []Trigger{TriggerSchedule}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(june())
				job := does(Job{Name: "a", Schedule: at(c.spec), Missed: c.policy}, takes(time.Minute))
				p := w.boot(1, exact(), job)
				sleep(12*time.Hour + time.Second)
				if c.spec == at3 {
					same(t, "runs before", walls(w.runs("a")), []string{"01 03:00:00"})
				}
				p.end(t)
				before := len(w.runs("a"))
				time.Sleep(c.down - time.Second)
				p = w.boot(2, exact(), job)
				sleep(90 * time.Minute)
				got := w.runs("a")[before:]
				same(t, "starts", walls(got), c.want)
				same(t, "triggers", triggers(got), c.how)
				same(t, "missed", p.status(t, "a").Missed, c.missed)
				p.end(t)
			})
		})
	}
}

// TestMissedBeforeTheFirstRun: a cron job that came to no run yet still misses what
// came while nobody was there.
func TestMissedBeforeTheFirstRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		job := does(Job{Name: "a", Schedule: at("0 3 * * *")}, takes(time.Minute))
		p := w.boot(1, exact(), job)
		sleep(0)
		p.end(t)
		time.Sleep(30 * time.Hour)
		p = w.boot(2, exact(), job)
		sleep(time.Second)
		same(t, "triggers", triggers(w.runs("a")), []Trigger{TriggerMissed})
		p.end(t)
	})
}

func TestARunLongerThanItsIntervalSkips(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		job := does(Job{Name: "a", Schedule: at("0 * * * *")}, takes(150*time.Minute))
		p := w.boot(1, exact(), job)
		sleep(3*time.Hour + 40*time.Minute)
		same(t, "skipped", p.status(t, "a").Skipped, 2)
		p.end(t)
		p = w.boot(2, exact(), job) // to which they are not missed
		sleep(6*time.Hour + 50*time.Minute)
		same(t, "starts", walls(w.runs("a")), []string{"01 01:00:00", "01 04:00:00", "01 07:00:00", "01 10:00:00"})
		same(t, "skipped", p.status(t, "a").Skipped, 4)
		for _, l := range w.logged("a", "job skipped") {
			same(t, "why", l.str(keyWhy), "running")
		}
		p.end(t)
	})
}

func TestHooksShareARunAndNoneIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, Options{}, does(Job{Name: "a"}, takes(time.Minute)))
		ask := func() {
			t.Helper()
			if err := p.s.Trigger("a"); err != nil {
				t.Error(err)
			}
		}
		sleep(0)
		for range 5 { // within 8 s
			ask()
			sleep(2 * time.Second)
		}
		sleep(5 * time.Second) // runs since 00:00:10
		same(t, "first", walls(w.runs("a")), []string{"01 00:00:10"})
		ask() // during the run: it may have read past it
		ask()
		same(t, "running", p.status(t, "a").Running, &Activity{Since: june().Add(10 * time.Second), Trigger: TriggerHook})
		sleep(55*time.Second + time.Second) // the run ended at 00:01:10
		same(t, "waiting", p.status(t, "a").Waiting, &Activity{Since: june().Add(15 * time.Second), Trigger: TriggerHook})
		sleep(30 * time.Second)
		same(t, "with a pause", walls(w.runs("a")), []string{"01 00:00:10", "01 00:01:40"})
		sleep(time.Hour)
		same(t, "no more", len(w.runs("a")), 2)
		for range 3600 { // a storm
			ask()
			sleep(time.Second)
		}
		last := time.Now()
		sleep(5 * time.Minute)
		runs := w.runs("a")[2:]
		// Each takes a minute and is followed by half a minute of rest.
		if n := len(runs); n < 39 || n > 42 {
			t.Errorf("%d runs in an hour of hooks", n)
		}
		for i := 1; i < len(runs); i++ {
			if rest := runs[i].start.Sub(runs[i-1].end); rest < defaultPause {
				t.Errorf("%v between two runs", rest)
			}
		}
		if !runs[len(runs)-1].start.After(last.Add(-time.Second)) {
			t.Error("the last hook was not followed by a run")
		}
		p.end(t)
	})
}

func TestAHookSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(testing.TB, *life){
		"stopped": func(t testing.TB, p *life) { p.end(t) },
		"killed":  func(_ testing.TB, p *life) { p.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(june())
				job := does(Job{Name: "a"}, takes(time.Minute))
				p := w.boot(1, Options{}, job)
				sleep(0)
				if err := p.s.Trigger("a"); err != nil {
					t.Fatal(err)
				}
				sleep(time.Second)
				end(t, p)
				time.Sleep(time.Hour)
				p = w.boot(2, Options{}, job)
				sleep(time.Second)
				same(t, "triggers", triggers(w.runs("a")), []Trigger{TriggerHook})
				sleep(time.Hour)
				same(t, "runs", len(w.runs("a")), 1)
				p.end(t)
			})
		})
	}
}

func TestOneStartAnswersHookAndFire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact(), does(Job{Name: "a", Schedule: at("0 * * * *")}, takes(time.Second)))
		sleep(59*time.Minute + 55*time.Second)
		if err := p.s.Trigger("a"); err != nil {
			t.Fatal(err)
		}
		sleep(30 * time.Minute)
		same(t, "starts", walls(w.runs("a")), []string{"01 01:00:00"})
		same(t, "last fire", p.status(t, "a").LastFire, june().Add(time.Hour))
		p.end(t)
	})
}

func TestTriggerAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact(), does(Job{Name: "a"}, takes(time.Second)))
		sleep(0)
		if err := p.s.Trigger("b"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "b") {
			t.Errorf("unknown: %v", err)
		}
		p.end(t)
		if err := p.s.Trigger("a"); !errors.Is(err, ErrStopping) {
			t.Errorf("stopped: %v", err)
		}
		if err := p.s.Run(t.Context()); err == nil {
			t.Error("a scheduler ran twice")
		}
	})
}

func TestAskedBeforeRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact(), does(Job{Name: "a"}, takes(time.Second)))
		if err := p.s.Trigger("a"); err != nil {
			t.Error(err)
		}
		sleep(time.Minute)
		same(t, "triggers", triggers(w.runs("a")), []Trigger{TriggerHook})
		p.end(t)
	})
}

// TestLanes: a, b and c share lanes; who came due first is first, and one that
// waits for two lanes is not overtaken.
func TestLanes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact(),
			does(Job{Name: "c", Schedule: at("3 1 * * *"), Lanes: []string{"target:y"}}, takes(time.Minute)),
			does(Job{Name: "b", Schedule: at("2 1 * * *"), Lanes: []string{"source:x", "target:y"}}, takes(10*time.Minute)),
			does(Job{Name: "a", Schedule: at("1 1 * * *"), Lanes: []string{"source:x"}}, takes(30*time.Minute)),
			does(Job{Name: "d", Schedule: at("4 1 * * *"), Lanes: []string{"source:z"}}, takes(time.Minute)))
		sleep(70 * time.Minute)
		same(t, "b waits", p.status(t, "b").Waiting, &Activity{Since: june().Add(62 * time.Minute), Trigger: TriggerSchedule})
		sleep(50 * time.Minute)
		for name, want := range map[string]string{"a": "01 01:01:00", "b": "01 01:31:00", "c": "01 01:41:00", "d": "01 01:04:00"} {
			same(t, name, walls(w.runs(name)), []string{want})
		}
		p.end(t)
	})
}

func TestAWaitingJobSkipsFurtherFires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact(),
			does(Job{Name: "a", Schedule: at("0 1 * * *"), Lanes: []string{"x"}}, takes(45*time.Minute)),
			does(Job{Name: "b", Schedule: at("*/10 1 * * *"), Lanes: []string{"x"}}, takes(time.Minute)))
		sleep(3 * time.Hour)
		same(t, "b", walls(w.runs("b")), []string{"01 01:45:00", "01 01:50:00"})
		same(t, "skipped", p.status(t, "b").Skipped, 4)
		p.end(t)
	})
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		o := exact()
		o.Quarantine = Quarantine{After: 3, First: 10 * time.Minute, Most: 40 * time.Minute}
		job := does(Job{Name: "a", Schedule: at("*/15 * * * *")}, fails(7, 0))
		p := w.boot(1, o, job)
		sleep(50 * time.Minute) // failed at :15, :30, :45
		err := p.s.Trigger("a")
		quarantined, ok := errors.AsType[*QuarantineError](err)
		if !ok || quarantined.Failures != 3 || quarantined.Why != "credential refused" || !strings.Contains(err.Error(), "2026-06-01T01:00:00Z") {
			t.Errorf("hook: %v", err)
		}
		same(t, "next", p.status(t, "a").Next, june().Add(time.Hour))
		// A restart does not end it.
		p.kill()
		p = w.boot(2, o, job)
		sleep(6*time.Hour - 50*time.Minute)
		same(t, "starts", walls(w.runs("a")), []string{
			"01 00:15:00", "01 00:30:00", "01 00:45:00", // pause 10m, at least to the next fire
			"01 01:00:00", // pause 20m
			"01 01:20:00", // pause 40m
			"01 02:00:00", // and no longer
			"01 02:40:00", // the last that fails
			"01 03:20:00", // succeeds: back to normal
			"01 03:30:00", "01 03:45:00", "01 04:00:00", "01 04:15:00", "01 04:30:00", "01 04:45:00",
			"01 05:00:00", "01 05:15:00", "01 05:30:00", "01 05:45:00", "01 06:00:00",
		})
		same(t, "triggers", triggers(w.runs("a"))[2:9], []Trigger{
			TriggerSchedule, TriggerRetry, TriggerRetry, TriggerRetry, TriggerRetry, TriggerRetry, TriggerSchedule,
		})
		st := p.status(t, "a")
		if st.Failures != 0 || !st.Until.IsZero() || st.Why != "" || st.Result != "ok" {
			t.Errorf("after success: %+v", st)
		}
		if err := p.s.Trigger("a"); err != nil {
			t.Errorf("hook after success: %v", err)
		}
		p.end(t)
	})
}

func TestQuarantineOfANightlyJobKeepsItsHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		o := exact()
		o.Quarantine.After = 2
		p := w.boot(1, o, does(Job{Name: "a", Schedule: at("0 3 * * *")}, fails(4, 20*time.Minute)))
		sleep(6 * 24 * time.Hour)
		same(t, "starts", walls(w.runs("a")), []string{
			"01 03:00:00", "02 03:00:00", "03 03:00:00", "04 03:00:00", "05 03:00:00", "06 03:00:00",
		})
		p.end(t)
	})
}

func TestAnAcceptedHookOutlivesTheQuarantine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		o := exact()
		o.Quarantine = Quarantine{After: 1, First: 20 * time.Minute}
		p := w.boot(1, o, does(Job{Name: "a"}, fails(1, time.Minute)))
		sleep(0)
		for range 2 { // the second comes during the run that fails
			if err := p.s.Trigger("a"); err != nil {
				t.Fatal(err)
			}
			sleep(30 * time.Second)
		}
		sleep(time.Hour)
		same(t, "starts", walls(w.runs("a")), []string{"01 00:00:10", "01 00:21:10"})
		same(t, "triggers", triggers(w.runs("a")), []Trigger{TriggerHook, TriggerRetry})
		p.end(t)
	})
}

func TestAChangedConfigurationEndsTheQuarantine(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(june())
			o := exact()
			o.Quarantine = Quarantine{After: 1, First: 5 * time.Hour}
			job := func(version string) func(*life) Job {
				return does(Job{Name: "a", Schedule: at("0 * * * *"), Version: version}, fails(1, 0))
			}
			p := w.boot(1, o, job("1"))
			sleep(90 * time.Minute)
			for _, version := range []string{"1", "2"} {
				if restart {
					p.end(t)
					p = w.boot(2, o, job(version))
				} else {
					p.s.Replace([]Job{job(version)(p)})
				}
				sleep(time.Minute)
				want := []string{"01 01:00:00"}
				if version == "2" {
					want = append(want, "01 01:31:00")
				}
				same(t, "starts with "+version, walls(w.runs("a")), want)
			}
			p.end(t)
		})
	}
}

// TestCrashLoop: a run that ends the process each time is put in quarantine too.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		job := does(Job{Name: "a", Schedule: at("@every 1m")}, takes(time.Hour))
		for i := range 120 { // a service manager starts it anew each time
			p := w.boot(i, Options{}, job)
			sleep(time.Minute)
			p.kill()
			time.Sleep(5 * time.Second)
		}
		if n := len(w.runs("a")); n < 8 || n > 12 { // 5, then after 5, 10, 20, 40 … minutes
			t.Errorf("%d runs in two hours: %v", n, walls(w.runs("a")))
		}
	})
}

// TestARunThatWasCutOffIsMadeUpFor kills the process in the middle of a run that
// a fire at 03:00 or a hook a minute before asked for, and starts it anew at 03:10.
func TestARunThatWasCutOffIsMadeUpFor(t *testing.T) {
	t.Parallel()
	cut, next := "01 03:00:00", "02 03:00:00"
	hooked, again := "01 02:59:10", "01 03:10:00"
	for name, c := range map[string]struct {
		missed   configs.Missed
		hook     bool
		starts   []string
		triggers []Trigger
	}{
		"schedule":         {configs.MissedRun, false, []string{cut, again, next}, []Trigger{TriggerSchedule, TriggerMissed, TriggerSchedule}},
		"schedule, policy": {configs.MissedSkip, false, []string{cut, next}, []Trigger{TriggerSchedule, TriggerSchedule}},
		"hook":             {configs.MissedRun, true, []string{hooked, again, next}, []Trigger{TriggerHook, TriggerMissed, TriggerSchedule}},
		"hook, policy":     {configs.MissedSkip, true, []string{hooked, again, next}, []Trigger{TriggerHook, TriggerMissed, TriggerSchedule}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(june())
				job := does(Job{Name: "a", Schedule: at("0 3 * * *"), Missed: c.missed}, func(n int) (time.Duration, Outcome) {
					return []time.Duration{time.Hour, time.Second, time.Second}[n], Outcome{Word: "ok"}
				})
				p := w.boot(1, exact(), job)
				sleep(179 * time.Minute)
				if c.hook {
					if err := p.s.Trigger("a"); err != nil {
						t.Fatal(err)
					}
				}
				sleep(90 * time.Second)
				p.kill()
				sleep(time.Until(june().Add(3*time.Hour + 10*time.Minute - w.skew)))
				p = w.boot(2, exact(), job)
				sleep(0)
				same(t, "failures", p.status(t, "a").Failures, 1)
				sleep(24 * time.Hour)
				same(t, "starts", walls(w.runs("a")), c.starts)
				same(t, "triggers", triggers(w.runs("a")), c.triggers)
				same(t, "failures in the end", p.status(t, "a").Failures, 0)
				p.end(t)
			})
		})
	}
}

// TestWhatIsMadeUpForOutlivesTheProcess kills the process again before the run
// that makes up for the first one got its lane.
func TestWhatIsMadeUpForOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		lane := []string{"x"}
		a := does(Job{Name: "a", Schedule: at("0 3 * * *"), Lanes: lane}, takes(time.Minute))
		hog := does(Job{Name: "hog", Schedule: at("@every 24h"), Lanes: lane}, takes(30*time.Minute))
		p := w.boot(1, exact(), a)
		sleep(3*time.Hour + time.Second)
		p.kill()
		p = w.boot(2, exact(), hog, a)
		sleep(time.Second)
		same(t, "made up for behind the other", len(w.runs("a")), 1)
		p.kill()
		p = w.boot(3, exact(), a)
		sleep(time.Minute)
		same(t, "runs", len(w.runs("a")), 2)
		sleep(time.Hour)
		same(t, "and no more", len(w.runs("a")), 2)
		p.end(t)
	})
}

// TestACrashLoopOfANightlyJob restarts a process that each run ends.
func TestACrashLoopOfANightlyJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		job := does(Job{Name: "a", Schedule: at("0 3 * * *")}, takes(time.Hour))
		p := w.boot(0, exact(), job)
		sleep(3*time.Hour + time.Second)
		for i := range 60 {
			p.kill()
			sleep(5 * time.Second)
			p = w.boot(1+i, exact(), job)
			sleep(5 * time.Second)
		}
		same(t, "runs before the quarantine", len(w.runs("a")), 5)
		same(t, "until", p.status(t, "a").Until, june().Add(27*time.Hour))
		p.kill()
	})
}

func TestBusyIsNoFailureAndTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		o := exact()
		o.Quarantine.After = 1
		busy := func(n int) (time.Duration, Outcome) {
			if n < 3 {
				return 0, Outcome{Word: "locked", Busy: true}
			}
			return time.Second, Outcome{Word: "ok"}
		}
		job := does(Job{Name: "a", Schedule: at("0 3 * * *")}, busy)
		p := w.boot(1, o, job)
		sleep(3*time.Hour + 90*time.Second)
		same(t, "starts", walls(w.runs("a")), []string{"01 03:00:00", "01 03:01:00"})
		same(t, "failures", p.status(t, "a").Failures, 0)
		// Nothing is answered yet, also not after a crash.
		p.kill()
		time.Sleep(10 * time.Minute)
		p = w.boot(2, o, job)
		sleep(time.Hour)
		same(t, "starts", walls(w.runs("a")), []string{"01 03:00:00", "01 03:01:00", "01 03:11:30", "01 03:12:30"})
		same(t, "last fire", p.status(t, "a").LastFire, june().Add(3*time.Hour))
		p.end(t)
	})
}

func TestABusyHookIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		job := does(Job{Name: "a"}, func(n int) (time.Duration, Outcome) {
			return time.Second, Outcome{Word: "x", Busy: n < 2}
		})
		p := w.boot(1, exact(), job)
		sleep(0)
		if err := p.s.Trigger("a"); err != nil {
			t.Fatal(err)
		}
		sleep(30 * time.Second)
		p.kill()
		p = w.boot(2, exact(), job)
		sleep(time.Hour)
		same(t, "runs", len(w.runs("a")), 3)
		same(t, "asked", p.status(t, "a").Asked.IsZero(), true)
		p.end(t)
	})
}
