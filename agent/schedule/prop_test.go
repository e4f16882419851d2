package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/configs"
)

// deed is something that happens to a world.
type deed struct {
	after time.Duration // since the one before
	what  string        // hook, restart, kill, jump, reload
	job   int
	by    time.Duration // of a jump; how long the process is down
}

// history is one test: jobs, what they do, and what happens.
type history struct {
	begin time.Time
	jobs  []Job
	seed  uint64
	deeds []deed
}

// most is the longest run; calm is how long a world is left alone in the end.
const (
	most = 2 * time.Hour
	calm = 30 * time.Hour
)

func histories() *rapid.Generator[history] {
	return rapid.Custom(func(t *rapid.T) history {
		h := history{
			begin: rapid.SampledFrom([]time.Time{
				june(), june().Add(2*time.Hour + 59*time.Minute + 50*time.Second),
				time.Date(2026, time.March, 28, 20, 0, 0, 0, time.UTC), time.Date(2026, time.October, 24, 20, 0, 0, 0, time.UTC),
			}).Draw(t, "begin"),
			seed: rapid.Uint64().Draw(t, "seed"),
		}
		schedules := []*configs.Schedule{
			at("0 3 * * *"), at("*/20 * * * *"), at("7 */2 * * *"), at("@every 40m"), at("@every 3h"), in("Europe/Berlin", "30 2 * * *"),
			in("Europe/Berlin", "*/30 1-3 * * *"), nil,
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "jobs") {
			h.jobs = append(h.jobs, Job{
				Name:     string(rune('a' + i)),
				Schedule: rapid.SampledFrom(schedules).Draw(t, "schedule"),
				Missed:   rapid.SampledFrom([]configs.Missed{configs.MissedRun, configs.MissedSkip}).Draw(t, "missed"),
				Lanes:    rapid.SampledFrom([][]string{nil, {"x"}, {"y"}, {"x", "y"}}).Draw(t, "lanes"),
			})
		}
		ahead := time.Duration(0) // of the clock, at most so far
		skew := time.Duration(0)
		for range rapid.IntRange(0, 10).Draw(t, "deeds") {
			d := deed{
				after: time.Duration(rapid.OneOf(rapid.Int64Range(0, int64(time.Minute)), rapid.Int64Range(0, int64(9*time.Hour))).Draw(t, "after")),
				what:  rapid.SampledFrom([]string{"hook", "hook", "restart", "kill", "jump", "reload"}).Draw(t, "what"),
				job:   rapid.IntRange(0, len(h.jobs)-1).Draw(t, "job"),
			}
			switch d.what {
			case "restart", "kill":
				d.by = time.Duration(rapid.OneOf(rapid.Int64Range(0, int64(time.Minute)), rapid.Int64Range(0, int64(20*time.Hour))).Draw(t, "down"))
			case "jump":
				// Back by no more than what is taken for a correction.
				d.by = time.Duration(rapid.Int64Range(int64(ahead-skew-ahead3), int64(9*time.Hour)).Draw(t, "by"))
				skew += d.by
				ahead = max(ahead, skew)
			}
			h.deeds = append(h.deeds, d)
		}
		return h
	})
}

// ahead3 leaves a margin for fires that are remembered a little later.
const ahead3 = ahead - 10*time.Minute

// span is a time during which the clock was right by a constant and a process
// was there, or was not.
type span struct {
	from, to time.Time // real
	skew     time.Duration
	life     int // 0: none
}

// seen is what came of a history.
type seen struct {
	*world
	history
	spans []span
	hooks []struct {
		job string
		at  time.Time
	}
}

// defect is a fault planted in what surrounds the scheduler, to show that the
// oracle sees it.
type defect struct {
	forge   func(*Standing) // what a process finds remembered
	options func(*Options)
	jobs    func(*Job)
	log     func(line) bool // which lines are kept
}

// happen plays a history. It is called within a bubble.
func (h history) happen(t testing.TB, planted defect) *seen {
	w := newWorld(h.begin)
	out := &seen{world: w, history: h}
	rng := rand.New(rand.NewPCG(h.seed, 1))
	quiet := false // in the end all works, so that everything is settled
	what := func(int) (time.Duration, Outcome) {
		w.mu.Lock()
		defer w.mu.Unlock()
		d := []time.Duration{0, time.Second, 10 * time.Minute, time.Duration(rng.Int64N(int64(most)))}[rng.IntN(4)]
		kind := rng.IntN(10)
		switch {
		case quiet:
			return time.Second, Outcome{Word: "ok"}
		case kind == 0:
			return min(d, time.Minute), Outcome{Word: "locked", Busy: true}
		case kind < 3:
			return d, Outcome{Word: "failed", Failed: true}
		}
		return d, Outcome{Word: "ok"}
	}
	number := 0
	boot := func() *life {
		number++
		var makers []func(*life) Job
		for _, j := range h.jobs {
			if planted.jobs != nil {
				planted.jobs(&j)
			}
			makers = append(makers, does(j, what))
		}
		o := Options{Now: w.now, Quarantine: Quarantine{After: 2, First: 10 * time.Minute, Most: 2 * time.Hour}}
		if planted.options != nil {
			planted.options(&o)
		}
		return w.boot(number, o, makers...)
	}
	mark := func(life int) { // a new span begins
		now := time.Now()
		if n := len(out.spans); n > 0 {
			out.spans[n-1].to = now
		}
		out.spans = append(out.spans, span{from: now, skew: w.skew, life: life})
	}
	start := func() *life {
		for name, st := range w.disk {
			if planted.forge != nil {
				planted.forge(&st)
				w.disk[name] = st
			}
		}
		p := boot()
		mark(p.n)
		return p
	}
	p := start()
	for _, d := range h.deeds {
		sleep(d.after)
		switch d.what {
		case "hook":
			if p.s.Trigger(h.jobs[d.job].Name) == nil {
				out.hooks = append(out.hooks, struct {
					job string
					at  time.Time
				}{h.jobs[d.job].Name, time.Now()})
			}
			synctest.Wait()
		case "reload":
			var jobs []Job
			for _, j := range h.jobs {
				if planted.jobs != nil {
					planted.jobs(&j)
				}
				jobs = append(jobs, does(j, what)(p))
			}
			p.s.Replace(jobs)
		case "jump":
			w.jump(d.by)
			mark(p.n)
		case "restart", "kill":
			if d.what == "kill" {
				p.kill()
			} else {
				p.end(t)
			}
			mark(0)
			sleep(d.by)
			p = start()
		}
	}
	w.mu.Lock()
	quiet = true
	w.mu.Unlock()
	sleep(calm)
	p.end(t)
	mark(0)
	if planted.log != nil {
		w.lines = slices.DeleteFunc(w.lines, func(l line) bool { return !planted.log(l) })
	}
	return out
}

// judge plays a history in a bubble of its own.
func (h history) judge(t *testing.T, planted defect) []string {
	var out []string
	synctest.Test(t, func(t *testing.T) { out = h.happen(t, planted).faults() })
	return out
}

func (h history) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "from %v, seed %d\n", h.begin, h.seed)
	for _, j := range h.jobs {
		fmt.Fprintf(&b, "  job %s: %v, missed %s, lanes %v\n", j.Name, j.Schedule, j.Missed, j.Lanes)
	}
	for _, d := range h.deeds {
		fmt.Fprintf(&b, "  after %v: %s %s %v\n", d.after, d.what, h.jobs[d.job].Name, d.by)
	}
	return b.String()
}

// TestEveryFireHasOneAnswer plays random schedules, runs, restarts, crashes,
// hooks, reloads and clocks.
func TestEveryFireHasOneAnswer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		h := histories().Draw(r, "history")
		if faults := h.judge(t, defect{}); len(faults) > 0 {
			r.Fatalf("%v%s", h, strings.Join(faults, "\n"))
		}
	})
}

// TestOracleSeesDefects plants a fault for each thing the oracle looks for.
func TestOracleSeesDefects(t *testing.T) {
	t.Parallel()
	job := func(spec string, missed configs.Missed) Job {
		return Job{Name: "a", Schedule: at(spec), Missed: missed}
	}
	restart := func(after, down time.Duration) []deed { return []deed{{after: after, what: "restart", by: down}} }
	hours := []deed{{after: 9 * time.Hour, what: "reload"}}
	var storm []deed
	for range 600 {
		storm = append(storm, deed{after: time.Second, what: "hook"})
	}
	for _, c := range []struct {
		name  string
		want  string
		jobs  []Job
		deeds []deed
		defect
	}{
		{
			"a fire remembered as not met", "starts for the fire",
			[]Job{job("0 3 * * *", "")},
			restart(5*time.Hour, time.Minute),
			defect{forge: func(st *Standing) { st.LastFire = st.LastFire.Add(-26 * time.Hour) }},
		},
		{
			"a fire remembered as met", "nothing is said of the fire",
			[]Job{job("*/20 * * * *", "")},
			restart(5*time.Hour, time.Minute),
			defect{forge: func(st *Standing) { st.LastFire = st.LastFire.Add(150 * time.Minute) }},
		},
		{
			"a memory that forgets", "nothing is said of the fire",
			[]Job{job("*/20 * * * *", configs.MissedSkip)},
			restart(5*time.Hour, 2*time.Hour),
			defect{forge: func(st *Standing) { *st = Standing{} }},
		},
		{
			"a hook that is forgotten", "was lost",
			[]Job{job("", "")},
			[]deed{{what: "hook"}, {after: time.Second, what: "kill", by: time.Hour}},
			defect{forge: func(st *Standing) { st.Asked = time.Time{} }},
		},
		{
			"a cut-off run that is forgotten", "nothing made up for the run",
			[]Job{job("*/20 * * * *", "")},
			[]deed{{after: 20*time.Minute + 40*time.Second, what: "kill", by: time.Minute}},
			defect{forge: func(st *Standing) { st.LastEnd = st.LastStart }},
		},
		{
			"the hook of a cut-off run that is forgotten", "was lost",
			[]Job{job("", configs.MissedSkip)},
			[]deed{{what: "hook"}, {after: 15 * time.Second, what: "kill", by: time.Minute}},
			defect{forge: func(st *Standing) { st.Asked = time.Time{} }},
		},
		{
			"fires skipped in silence", "nothing is said of the fire",
			[]Job{job("*/20 * * * *", "")},
			hours,
			defect{log: func(l line) bool { return l.text != "job skipped" }},
		},
		{
			"fires missed in silence", "nothing is said of the fire",
			[]Job{job("*/20 * * * *", "")},
			restart(time.Hour, 5*time.Hour),
			defect{log: func(l line) bool { return l.text != "job missed" }},
		},
		{
			"another policy", "nothing is said of the fire",
			[]Job{job("0 3 * * *", configs.MissedRun)},
			restart(time.Hour, 5*time.Hour),
			defect{jobs: func(j *Job) { j.Missed = configs.MissedSkip }},
		},
		{
			"another schedule", "no start for the fire",
			[]Job{job("0 3 * * *", "")},
			nil,
			defect{jobs: func(j *Job) { j.Schedule = at("0 23 * * *") }},
		},
		{
			"a slow clock", "from the fire",
			[]Job{job("0 3 * * *", "")},
			nil,
			defect{options: func(o *Options) {
				now := o.Now
				o.Now = func() time.Time { return now().Add(-2 * time.Minute) }
			}},
		},
		{
			"a fast clock", "after the last one",
			[]Job{job("@every 40m", "")},
			hours,
			defect{options: func(o *Options) {
				now, began := o.Now, o.Now()
				o.Now = func() time.Time { at := now(); return at.Add(at.Sub(began) / 2) }
			}},
		},
		{
			"lanes ignored", "ran at once",
			[]Job{{Name: "a", Schedule: at("*/20 * * * *"), Lanes: []string{"x"}}, {Name: "b", Schedule: at("*/20 * * * *"), Lanes: []string{"x", "y"}}},
			hours,
			defect{jobs: func(j *Job) { j.Lanes = nil }},
		},
		{
			"no quarantine", "tried again",
			[]Job{job("*/5 * * * *", "")},
			hours,
			defect{options: func(o *Options) { o.Quarantine.After = 1000 }},
		},
		{
			"no pause", "a hook ran",
			[]Job{job("", "")},
			storm,
			defect{options: func(o *Options) { o.Pause, o.Debounce = -1, -1 }},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen := false
			for seed := range uint64(20) { // of what the runs do
				h := history{begin: june(), jobs: c.jobs, seed: seed, deeds: c.deeds}
				if faults := h.judge(t, defect{}); len(faults) > 0 {
					t.Fatalf("without the defect: %v%s", h, strings.Join(faults, "\n"))
				}
				if seen = strings.Contains(strings.Join(h.judge(t, c.defect), "\n"), c.want); seen {
					break
				}
			}
			if !seen {
				t.Errorf("the oracle never said %q", c.want)
			}
		})
	}
}
