package schedule

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/scimsync/scimsync/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a machine on which schedulers live one after another: its clock, its
// disk, and what was seen to happen. It is used within a synctest bubble, whose
// time is the real one; the clock on the wall may be wrong.
type world struct {
	mu    sync.Mutex
	skew  time.Duration
	disk  map[string]Standing
	kept  int // writes
	fails bool

	ran   []ran
	lines []line
	// pending is the fire of the start that was logged last, by job.
	pending map[string]time.Time
}

// ran is one call of a Run.
type ran struct {
	job        string
	trigger    Trigger
	fire       time.Time
	start, end time.Time // real
	wall       time.Time // of the start
	out        Outcome
	life       int // of which process
}

// line is one line of the log.
type line struct {
	at    time.Time // real
	life  int
	text  string
	attrs map[string]slog.Value
}

func (l line) str(key string) string       { return l.attrs[key].String() }
func (l line) time(key string) time.Time   { return l.attrs[key].Time() }
func (l line) about(job, text string) bool { return l.text == text && l.str(keyJob) == job }
func (w *world) now() time.Time            { w.mu.Lock(); defer w.mu.Unlock(); return time.Now().Add(w.skew) }
func (w *world) jump(by time.Duration)     { w.mu.Lock(); defer w.mu.Unlock(); w.skew += by }

// newWorld returns a world whose clock shows at.
func newWorld(at time.Time) *world {
	return &world{skew: time.Until(at).Round(0), disk: map[string]Standing{}, pending: map[string]time.Time{}}
}

// june is a Monday.
func june() time.Time { return time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC) }

// runs returns what ran of a job.
func (w *world) runs(job string) []ran {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []ran
	for _, r := range w.ran {
		if r.job == job {
			out = append(out, r)
		}
	}
	return out
}

// logged returns the lines about a job.
func (w *world) logged(job, text string) []line {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []line
	for _, l := range w.lines {
		if l.about(job, text) {
			out = append(out, l)
		}
	}
	return out
}

// life is one process: a scheduler with its memory until it dies.
type life struct {
	*world
	n      int
	s      *Scheduler
	cancel context.CancelFunc
	ended  chan error
	stop   chan struct{} // a clean stop: runs are to come to an end
	died   chan struct{}
}

// boot starts a process. The jobs are made for it by each of makers.
func (w *world) boot(n int, o Options, jobs ...func(*life) Job) *life {
	ctx, cancel := context.WithCancel(context.Background())
	p := &life{world: w, n: n, cancel: cancel, ended: make(chan error, 1), stop: make(chan struct{}), died: make(chan struct{})}
	o.Log = slog.New(journal{p})
	if o.Memory == nil {
		o.Memory = p
	}
	if o.Now == nil {
		o.Now = w.now
	}
	p.s = New(o)
	var all []Job
	for _, j := range jobs {
		all = append(all, j(p))
	}
	p.s.Replace(all)
	go func() { p.ended <- p.s.Run(ctx) }()
	return p
}

// end stops the process as SIGTERM does, and waits.
func (p *life) end(t testing.TB) {
	t.Helper()
	p.cancel()
	close(p.stop)
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
}

// kill ends it as SIGKILL does: nothing more is remembered.
func (p *life) kill() {
	p.mu.Lock()
	close(p.died)
	p.mu.Unlock()
	p.cancel()
	<-p.ended
}

func (p *life) dead() bool {
	select {
	case <-p.died:
		return true
	default:
		return false
	}
}

func (p *life) Agendas(context.Context) (map[string]Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails {
		return nil, errors.New("the disk is gone")
	}
	return maps.Clone(p.disk), nil
}

func (p *life) KeepAgenda(_ context.Context, name string, st Standing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.dead():
	case p.fails:
		return errors.New("the disk is full")
	default:
		p.disk[name] = st
		p.kept++
	}
	return nil
}

// journal is the handler of a process's log.
type journal struct{ *life }

func (journal) Enabled(context.Context, slog.Level) bool { return true }
func (h journal) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h journal) WithGroup(string) slog.Handler          { return h }
func (h journal) Handle(_ context.Context, r slog.Record) error {
	l := line{at: time.Now(), life: h.n, text: r.Message, attrs: map[string]slog.Value{}}
	r.Attrs(func(a slog.Attr) bool {
		l.attrs[a.Key] = a.Value
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead() {
		return nil
	}
	if l.text == "job started" {
		h.pending[l.str(keyJob)] = l.time(keyFire)
	}
	h.lines = append(h.lines, l)
	return nil
}

// outcomes gives the outcome and the duration of a job's nth run.
type outcomes func(n int) (time.Duration, Outcome)

// takes is a job that always succeeds.
func takes(d time.Duration) outcomes {
	return func(int) (time.Duration, Outcome) { return d, Outcome{Word: "ok"} }
}

// fails is one that fails the first times.
func fails(times int, d time.Duration) outcomes {
	return func(n int) (time.Duration, Outcome) {
		if n < times {
			return d, Outcome{Word: "failed", Failed: true, Err: errors.New("credential refused")}
		}
		return d, Outcome{Word: "ok"}
	}
}

// at returns a schedule in UTC.
func at(spec string) *configs.Schedule { return in("UTC", spec) }

func in(zone, spec string) *configs.Schedule {
	if spec == "" {
		return nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	s, err := configs.ParseSchedule(spec, loc)
	if err != nil {
		panic(err)
	}
	return s
}

// does makes the Run of a job: it lasts as long as its outcome says, or until
// the process is stopped.
func does(j Job, what outcomes) func(*life) Job {
	return func(p *life) Job {
		j.Run = func(ctx context.Context, t Trigger) Outcome {
			p.mu.Lock()
			if p.dead() {
				p.mu.Unlock()
				return Outcome{}
			}
			n := 0
			for _, r := range p.ran {
				if r.job == j.Name {
					n++
				}
			}
			i := len(p.ran)
			p.ran = append(p.ran, ran{
				job: j.Name, trigger: t, fire: p.pending[j.Name], start: time.Now(), wall: time.Now().Add(p.skew), life: p.n,
			})
			p.mu.Unlock()
			d, out := what(n)
			select {
			case <-time.After(d):
			case <-p.stop:
				out = Outcome{Word: "interrupted", Failed: true}
			case <-p.died:
				out = Outcome{}
			case <-ctx.Done():
				out = Outcome{Word: "cut", Failed: true}
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.ran[i].end, p.ran[i].out = time.Now(), out
			return out
		}
		return j
	}
}

// sleep lets time pass and everything come to rest.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// walls returns when runs started by the clock on the wall.
func walls(runs []ran) []string {
	var out []string
	for _, r := range runs {
		out = append(out, r.wall.UTC().Format("02 15:04:05"))
	}
	return out
}

func triggers(runs []ran) []Trigger {
	var out []Trigger
	for _, r := range runs {
		out = append(out, r.trigger)
	}
	return out
}

func (p *life) status(t testing.TB, name string) Status {
	t.Helper()
	for _, st := range p.s.Status() {
		if st.Name == name {
			return st
		}
	}
	t.Fatalf("there is no status of %s", name)
	return Status{}
}
