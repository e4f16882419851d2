package schedule

import (
	"context"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
)

// TestStop stops a scheduler in every state a job can be in. What was due and
// had not started is started by the next process.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after time.Duration
		hook  bool
		runs  int // before the stop
		next  []Trigger
	}{
		{"before its time", 30 * time.Minute, false, 0, nil},
		{"within the spread", time.Hour + 100*time.Millisecond, false, 0, []Trigger{TriggerSchedule}},
		{"running", time.Hour + 40*time.Second, false, 1, nil},
		{"after a run", 2*time.Hour - time.Minute, false, 1, nil},
		{"while a hook waits for others", 30 * time.Minute, true, 0, []Trigger{TriggerHook}},
		{"while a hook waits for the run", time.Hour + 40*time.Second, true, 1, []Trigger{TriggerHook}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(june())
				job := does(Job{Name: "a", Schedule: at("0 * * * *"), Missed: configs.MissedSkip}, takes(30*time.Minute))
				p := w.boot(1, Options{}, job)
				sleep(c.after)
				if c.hook {
					if err := p.s.Trigger("a"); err != nil {
						t.Fatal(err)
					}
				}
				same(t, "runs", len(w.runs("a")), c.runs)
				began := time.Now()
				p.end(t)
				if took := time.Since(began); took > time.Second {
					t.Errorf("the stop took %v", took)
				}
				sleep(30 * time.Second)
				same(t, "runs after the stop", len(w.runs("a")), c.runs)
				p = w.boot(2, Options{}, job)
				sleep(30 * time.Second)
				same(t, "what follows", triggers(w.runs("a")[c.runs:]), c.next)
				same(t, "failures", p.status(t, "a").Failures, 0) // also of what was interrupted
				p.end(t)
			})
		})
	}
}

func TestStopWaitsForWhatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		deaf := func(life *life) Job {
			return Job{Name: "a", Schedule: at("@every 1h"), Run: func(ctx context.Context, _ Trigger) Outcome {
				select {
				case <-ctx.Done(): // it hears nothing else
					return Outcome{Word: "cut", Failed: true}
				case <-time.After(20 * time.Minute):
					return Outcome{Word: "ok"}
				}
			}}
		}
		p := w.boot(1, exact(), deaf)
		sleep(time.Minute)
		p.cancel()
		sleep(10 * time.Minute)
		select {
		case <-p.ended:
			t.Fatal("it did not wait")
		default:
		}
		same(t, "running", p.status(t, "a").Running != nil, true)
		sleep(10 * time.Minute)
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
		same(t, "result", w.disk["a"].Result, "ok")

		p = w.boot(2, exact(), deaf)
		sleep(41 * time.Minute)
		p.cancel()
		p.s.Cut()
		sleep(0)
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
		same(t, "result", w.disk["a"].Result, "cut")
	})
}

func TestStoppedBeforeItBegan(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "scimsync.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(Options{Log: slog.New(slog.DiscardHandler), Memory: l}).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestOneBadJobDoesNotHarmOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		bad := func(name string, what func()) func(*life) Job {
			return func(*life) Job {
				return Job{Name: name, Schedule: at("0 * * * *"), Lanes: []string{"x"}, Run: func(context.Context, Trigger) Outcome {
					what()
					return Outcome{}
				}}
			}
		}
		p := w.boot(1, exact(),
			bad("panics", func() { panic("no such luck") }),
			bad("leaves", runtime.Goexit),
			does(Job{Name: "works", Schedule: at("0 * * * *"), Lanes: []string{"x"}}, takes(time.Second)))
		sleep(150 * time.Minute)
		same(t, "works", walls(w.runs("works")), []string{"01 01:00:00", "01 02:00:00"})
		same(t, "panics", p.status(t, "panics").Failures, 2)
		same(t, "why", p.status(t, "panics").Why, "panic: no such luck")
		same(t, "leaves", p.status(t, "leaves").Failures, 2)
		lines := w.logged("panics", "job panicked")
		if len(lines) != 2 || !strings.Contains(lines[0].str("stack"), "process_test.go") {
			t.Errorf("logged: %v", lines)
		}
		p.end(t)
	})
}

func TestMemoryThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		w.fails = true
		job := does(Job{Name: "a", Schedule: at("0 * * * *")}, takes(time.Second))
		p := w.boot(1, exact(), job)
		if err := <-p.ended; err == nil || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("a memory that cannot be read: %v", err)
		}
		p.cancel()
		w.fails = false
		p = w.boot(2, exact(), job)
		sleep(time.Minute)
		w.mu.Lock()
		w.fails = true
		w.mu.Unlock()
		sleep(3 * time.Hour)
		same(t, "starts", walls(w.runs("a")), []string{"01 01:00:00", "01 02:00:00", "01 03:00:00"})
		if n := len(w.logged("a", "schedule not remembered; a restart may run a job again")); n != 6 {
			t.Errorf("%d warnings", n)
		}
		p.end(t)
	})
}

func TestReplace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact())
		job := func(name, spec string, d time.Duration, lanes ...string) Job {
			return does(Job{Name: name, Schedule: at(spec), Lanes: lanes}, takes(d))(p)
		}
		a, b := job("a", "0 * * * *", 30*time.Minute, "x"), job("b", "10 * * * *", time.Minute, "x")
		p.s.Replace([]Job{a, b})
		sleep(75 * time.Minute) // a runs since 01:00, b waits since 01:10
		// What runs is not doubled and holds its lanes, also while it is away.
		p.s.Replace([]Job{b})
		if len(p.s.Status()) != 1 {
			t.Errorf("status: %+v", p.s.Status())
		}
		sleep(time.Minute)
		a.Lanes = nil
		p.s.Replace([]Job{a, b})
		sleep(time.Minute)
		same(t, "running", p.status(t, "a").Running != nil, true)
		same(t, "b", len(w.runs("b")), 1)
		sleep(20 * time.Minute) // 01:37
		same(t, "a", walls(w.runs("a")), []string{"01 01:00:00"})
		same(t, "b", walls(w.runs("b")), []string{"01 00:10:00", "01 01:30:00"})
		same(t, "last fire of a", p.status(t, "a").LastFire, june().Add(time.Hour))
		// Gone for a while, and back: what came meanwhile was missed.
		p.s.Replace([]Job{a})
		sleep(time.Hour) // 02:37
		p.s.Replace([]Job{a, b})
		sleep(time.Minute)
		same(t, "b", triggers(w.runs("b")), []Trigger{TriggerSchedule, TriggerSchedule, TriggerMissed})
		// Of a schedule that was not there yet, nothing was missed.
		sleep(time.Hour) // 03:38
		p.s.Replace([]Job{job("b", "30 3 * * *", time.Minute), job("c", "30 * * * *", time.Minute)})
		sleep(60 * time.Minute) // 04:38
		same(t, "b", len(w.runs("b")), 4)
		same(t, "c", walls(w.runs("c")), []string{"01 04:30:00"})
		// Without a schedule it runs when asked.
		p.s.Replace([]Job{job("b", "", time.Minute)})
		sleep(48 * time.Hour)
		same(t, "b", len(w.runs("b")), 4)
		same(t, "next", p.status(t, "b").Next.IsZero(), true)
		if err := p.s.Trigger("b"); err != nil {
			t.Error(err)
		}
		sleep(time.Minute)
		same(t, "b", len(w.runs("b")), 5)
		// @every counts from the last start, whatever it was.
		p.s.Replace([]Job{job("b", "@every 2h", time.Minute)})
		sleep(2 * time.Hour)
		same(t, "b", walls(w.runs("b"))[5:], []string{"03 06:38:10"})
		p.end(t)
	})
}

func TestReplaceDropsAStartOfAnotherSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		p := w.boot(1, exact())
		job := func(name, spec string) Job {
			return does(Job{Name: name, Schedule: at(spec), Lanes: []string{"x"}}, takes(30*time.Minute))(p)
		}
		p.s.Replace([]Job{job("a", "0 1 * * *"), job("b", "10 1 * * *")})
		sleep(75 * time.Minute)
		p.s.Replace([]Job{job("a", "0 1 * * *"), job("b", "0 5 * * *")})
		sleep(5 * time.Hour)
		same(t, "b", walls(w.runs("b")), []string{"01 05:00:00"})
		p.end(t)
	})
}

func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spec  string
		by    time.Duration // at 02:20
		want  []string      // by the clock on the wall, until 3:55 after the jump
		after []string
	}{
		{"forward over several fires", "0 * * * *", 5 * time.Hour, []string{"01 01:00:00", "01 02:00:00"}, []string{"01 07:20", "01 08:00", "01 09:00", "01 10:00", "01 11:00"}},
		{"forward, every", "@every 1h", 5 * time.Hour, []string{"01 00:00:00", "01 01:00:00", "01 02:00:00"}, []string{"01 07:20", "01 08:20", "01 09:20", "01 10:20"}},
		{"back over a fire", "0 * * * *", -30 * time.Minute, []string{"01 01:00:00", "01 02:00:00"}, []string{"01 03:00", "01 04:00", "01 05:00"}},
		{"back, every", "@every 1h", -30 * time.Minute, []string{"01 00:00:00", "01 01:00:00", "01 02:00:00"}, []string{"01 02:50", "01 03:50", "01 04:50"}},
		{"back by so much that it was wrong", "0 * * * *", -24 * time.Hour, []string{"01 01:00:00", "01 02:00:00"}, []string{"31 03:00", "31 04:00", "31 05:00", "31 06:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, restart := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(june())
					job := does(Job{Name: "a", Schedule: at(c.spec)}, takes(time.Second))
					p := w.boot(1, exact(), job)
					sleep(2*time.Hour + 20*time.Minute)
					same(t, "before", walls(w.runs("a")), c.want)
					w.jump(c.by)
					if restart {
						p.end(t)
						p = w.boot(2, exact(), job)
					}
					sleep(4*time.Hour - 5*time.Minute)
					var got []string // within half a minute
					for _, r := range w.runs("a")[len(c.want):] {
						got = append(got, r.wall.UTC().Format("02 15:04"))
					}
					same(t, "after", got, c.after)
					p.end(t)
				})
			}
		})
	}
}

// TestClockSetBackShortensWaits: no wait is longer than it ever is by itself.
func TestClockSetBackShortensWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		o := exact()
		o.Quarantine.After = 1
		p := w.boot(1, o, does(Job{Name: "a"}, fails(1, time.Second)))
		sleep(0)
		if err := p.s.Trigger("a"); err != nil {
			t.Fatal(err)
		}
		w.jump(-1000 * time.Hour)
		sleep(2 * time.Minute)
		same(t, "the hook", len(w.runs("a")), 1)
		w.jump(-1000 * time.Hour)
		sleep(6 * time.Minute)
		same(t, "the retry", len(w.runs("a")), 2)
		p.end(t)
	})
}

// TestDaylightSaving: a night job runs once a night, also in those whose clocks
// change, and an hourly one every hour that passes.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	for _, begin := range []time.Time{
		time.Date(2026, time.March, 27, 12, 0, 0, 0, time.UTC), time.Date(2026, time.October, 23, 12, 0, 0, 0, time.UTC),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(begin)
			nightly := does(Job{Name: "night", Schedule: in("Europe/Berlin", "30 2 * * *")}, takes(time.Minute))
			hourly := does(Job{Name: "hour", Schedule: in("Europe/Berlin", "0 * * * *")}, takes(time.Minute))
			p := w.boot(1, exact(), nightly, hourly)
			for range 4 * 24 { // with a restart every hour
				sleep(time.Hour)
				p.end(t)
				p = w.boot(2, exact(), nightly, hourly)
			}
			same(t, "nights", len(w.runs("night")), 4)
			same(t, "hours", len(w.runs("hour")), 4*24)
			p.end(t)
		})
	}
}
