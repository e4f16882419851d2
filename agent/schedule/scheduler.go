package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// What the options are where they are zero.
const (
	defaultJitter   = 30 * time.Second
	defaultDebounce = 10 * time.Second
	defaultPause    = 30 * time.Second
	defaultBusy     = time.Minute
	defaultAfter    = 5
	defaultFirst    = 5 * time.Minute
	defaultMost     = 6 * time.Hour
)

const (
	// poll bounds each wait: timers stand still while a machine sleeps and know
	// nothing of a clock that was set.
	poll = 30 * time.Second
	// keepWait bounds one write of the memory.
	keepWait = 10 * time.Second
)

// Options are what a Scheduler is made of. Log and Memory are needed; the rest
// has defaults.
type Options struct {
	Log    *slog.Logger
	Memory Memory
	// Now is the clock on the wall; nil: the machine's.
	Now func() time.Time
	// Jitter is the most by which a scheduled start is spread, also bounded by
	// a tenth of the interval; 0: 30s, negative: not at all.
	Jitter time.Duration
	// Debounce is how long a hook waits for others to share its run; 0: 10s,
	// negative: not at all.
	Debounce time.Duration
	// Pause is the least time between the end of a run and one that a hook
	// asks for; 0: 30s, negative: none.
	Pause time.Duration
	// Busy is when a job is tried again that another process kept from
	// running; 0: 1m.
	Busy       time.Duration
	Quarantine Quarantine
}

// Quarantine says when a failing job is left alone.
type Quarantine struct {
	// After is how many failures in a row it takes; 0: 5.
	After int
	// First is the first pause, which doubles with every further failure up to
	// Most; 0: 5m and 6h. A pause ends with a fire, at the earliest with the
	// next one.
	First, Most time.Duration
}

// Scheduler runs jobs when they are due. It is safe for concurrent use.
type Scheduler struct {
	log        *slog.Logger
	memory     Memory
	clock      func() time.Time
	jitter     time.Duration
	debounce   time.Duration
	pause      time.Duration
	busy       time.Duration
	quarantine Quarantine

	wake chan struct{} // holds one
	runs sync.WaitGroup

	mu    sync.Mutex
	known map[string]Standing // of jobs that are not in jobs
	jobs  map[string]*job
	order []string // names as in Replace
	lanes map[string]bool
	cut   bool
	// The context of Run, and the end of that of the jobs; nil before Run.
	done   <-chan struct{}
	giveUp context.CancelFunc
}

// New returns a scheduler that does nothing before Run.
func New(o Options) *Scheduler {
	or := func(d, fallback time.Duration) time.Duration { return max(cmp.Or(d, fallback), 0) }
	s := &Scheduler{
		log: o.Log, memory: o.Memory, clock: o.Now,
		jitter:   or(o.Jitter, defaultJitter),
		debounce: or(o.Debounce, defaultDebounce),
		pause:    or(o.Pause, defaultPause),
		busy:     or(o.Busy, defaultBusy),
		quarantine: Quarantine{
			After: cmp.Or(o.Quarantine.After, defaultAfter),
			First: cmp.Or(o.Quarantine.First, defaultFirst),
			Most:  cmp.Or(o.Quarantine.Most, defaultMost),
		},
		wake:  make(chan struct{}, 1),
		jobs:  map[string]*job{},
		lanes: map[string]bool{},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	return s
}

// now returns the time on the wall, without the monotonic one beside it, at the
// precision of the memory.
func (s *Scheduler) now() time.Time { return s.clock().Round(0).UTC().Truncate(time.Millisecond) }

// Run starts jobs when they are due, until ctx ends. Then it starts nothing new,
// waits for what runs, and returns nil. Its error is that of reading the memory,
// before anything was started. It can be called once, with a context that can
// end; end it before jobs are told to stop, so that what they then leave undone
// is not taken for a failure.
func (s *Scheduler) Run(ctx context.Context) error {
	known, err := s.memory.Agendas(ctx)
	switch {
	case ctx.Err() != nil:
		return nil // stopped before there was anything to stop
	case err != nil:
		return fmt.Errorf("read when jobs last ran: %w", err)
	}
	work, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	s.mu.Lock()
	if s.begun() {
		s.mu.Unlock()
		return errors.New("a scheduler runs once")
	}
	s.known, s.done, s.giveUp = known, ctx.Done(), giveUp
	if s.cut {
		giveUp()
	}
	now := s.now()
	for _, name := range s.order {
		s.enter(s.jobs[name], now)
	}
	s.mu.Unlock()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(s.step(ctx, work))
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
	s.mu.Lock()
	unsaved := s.unsaved()
	s.mu.Unlock()
	s.log.Info("scheduler stopping", "running", s.active())
	s.save(context.WithoutCancel(ctx), unsaved)
	s.runs.Wait()
	return nil
}

// begun reports whether Run was called.
func (s *Scheduler) begun() bool { return s.done != nil }

// stopping reports whether the context of Run has ended, also before the loop
// has seen it.
func (s *Scheduler) stopping() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Cut ends the context of the jobs that run, for when they are no longer waited
// for. It starts and stops nothing else.
func (s *Scheduler) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	if s.giveUp != nil {
		s.giveUp()
	}
}

// step does all that is due now and returns how long to wait for the next.
func (s *Scheduler) step(ctx, work context.Context) time.Duration {
	s.mu.Lock()
	now := s.now()
	for _, name := range s.order {
		s.advance(s.jobs[name], now)
	}
	if ctx.Err() == nil {
		s.dispatch(work, now)
	}
	wait := s.idleFor(now)
	unsaved := s.unsaved()
	s.mu.Unlock()
	s.save(context.WithoutCancel(ctx), unsaved)
	return wait
}

// poke makes the loop look again.
func (s *Scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Replace sets the jobs, as a reload does. A job that stays keeps its standing
// and what it is running; one that is gone ends its run and is not started
// again. Names must differ; of two the later counts.
func (s *Scheduler) Replace(jobs []Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.poke()
	now := s.now()
	listed := map[string]bool{}
	s.order = nil
	for _, spec := range jobs {
		if listed[spec.Name] {
			s.jobs[spec.Name].Job = spec
			continue
		}
		listed[spec.Name] = true
		s.order = append(s.order, spec.Name)
		j, ok := s.jobs[spec.Name]
		if !ok {
			j = &job{}
			s.jobs[spec.Name] = j
		}
		j.Job, j.listed = spec, true
		if s.begun() {
			s.enter(j, now)
		}
	}
	for name, j := range s.jobs {
		if !listed[name] {
			j.listed, j.wait = false, nil
			s.drop(j)
		}
	}
}

// drop forgets a job that is no longer listed, once it does not run.
func (s *Scheduler) drop(j *job) {
	if j.listed || j.run != nil {
		return
	}
	if j.entered {
		s.known[j.Name] = j.standing
	}
	delete(s.jobs, j.Name)
}

// Trigger asks for a run of the job, soon: hooks that come together share one.
// It answers ErrUnknown, ErrStopping or a *QuarantineError, else a run follows
// that begins after the call.
func (s *Scheduler) Trigger(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[name]
	now := s.now()
	switch {
	case !ok || !j.listed:
		return fmt.Errorf("job %s: %w", name, ErrUnknown)
	case s.stopping():
		return fmt.Errorf("job %s: %w", name, ErrStopping)
	case j.standing.Quarantined(now):
		return &QuarantineError{Name: name, Failures: j.standing.Failures, Until: j.standing.Until, Why: j.standing.Why}
	}
	if j.standing.Asked.IsZero() {
		j.standing.Asked, j.unsaved = now, true
		s.poke()
	}
	return nil
}

// Status returns how each job stands, in the order of Replace.
func (s *Scheduler) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	out := make([]Status, 0, len(s.order))
	for _, name := range s.order {
		j := s.jobs[name]
		st := Status{Name: name, Next: j.next(now), Skipped: j.skipped, Missed: j.missed, Standing: j.standing}
		if j.run != nil {
			st.Running = &Activity{Since: j.run.since, Trigger: j.run.trigger}
		}
		if j.wait != nil {
			st.Waiting = &Activity{Since: j.wait.due, Trigger: j.wait.trigger}
		}
		out = append(out, st)
	}
	return out
}

func (s *Scheduler) active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, j := range s.jobs {
		if j.run != nil {
			n++
		}
	}
	return n
}

// unsaved returns the jobs whose standing the memory does not know yet.
func (s *Scheduler) unsaved() []*job {
	var out []*job
	for _, name := range s.order {
		if j := s.jobs[name]; j.unsaved {
			out = append(out, j)
		}
	}
	return out
}

// save writes the standings of jobs. It is bounded as a whole: the loop waits.
func (s *Scheduler) save(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keepWait)
	defer cancel()
	for _, j := range jobs {
		s.keep(ctx, j)
	}
}

// keep writes the standing of a job as it is when its turn comes, so that the
// latest is written last. A memory that cannot be written makes a warning and no
// failure: the run says by itself what it misses.
func (s *Scheduler) keep(ctx context.Context, j *job) {
	ctx, cancel := context.WithTimeout(ctx, keepWait)
	defer cancel()
	j.saving.Lock()
	defer j.saving.Unlock()
	s.mu.Lock()
	name, st := j.Name, j.standing
	if j.run != nil { // a hook is answered by a run that ends
		st.Asked = earliestSet(j.run.asked, st.Asked)
	}
	j.unsaved = false
	s.mu.Unlock()
	if err := s.memory.KeepAgenda(ctx, name, st); err != nil {
		s.log.Warn("schedule not remembered; a restart may run a job again", keyJob, name, keyError, err)
	}
}
