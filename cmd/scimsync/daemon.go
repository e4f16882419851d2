package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/schedule"
	endpoints "github.com/scimsync/scimsync/agent/serve"
)

func newDaemon(a *app) *cobra.Command {
	var pace hookPace
	c := &cobra.Command{
		Use:   "daemon [SYNC…]",
		Short: "Run every sync on its schedule",
		Long: `daemon runs every sync on its schedule, as "scimsync sync" would, and serves the
endpoints that server: of the configuration names. A sync without a schedule
runs when POST /hooks/SYNC asks for it.

SIGTERM or Ctrl-C ends it after what is in flight; SIGHUP, or a change of the
file, reads the configuration anew. It logs each run at level info.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("log-level") {
				a.logLevel = slog.LevelInfo.String()
				if err := a.startLog(); err != nil {
					return err
				}
			}
			return a.daemon(cmd.Context(), args, pace)
		},
	}
	c.Flags().DurationVar(&pace.delay, "hook-delay", 10*time.Second, "`TIME` a hook waits for others to share its run")
	c.Flags().DurationVar(&pace.pause, "hook-pause", 30*time.Second, "least `TIME` between a run and one that a hook asks for")
	return c
}

// hookPace keeps a storm of hooks from running a sync without end.
type hookPace struct{ delay, pause time.Duration }

// never says zero in the words of schedule.Options, where zero is the default.
func never(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

const (
	// stopWait is how long runs have to come to their end once the daemon is
	// asked to stop, cutWait how long they have once they are cut off, and
	// partWait what notifications get then.
	stopWait = time.Minute
	cutWait  = 10 * time.Second
	partWait = partingTime
	// lookEvery is how often the configuration file is looked at: a change that
	// has come to rest counts after two looks.
	lookEvery = 2 * time.Second
	// surveyEvery is how often the ledger is counted beside after each run.
	surveyEvery = time.Minute
	// watchEvery is how often credentials and staleness are looked at.
	watchEvery = time.Hour
	// turnEvery is how often a daemon asks whether the one before it has gone.
	turnEvery = 2 * time.Second
)

// daemonLock is held by the one daemon of a state file.
const daemonLock = "daemon"

// daemon is a running daemon.
type daemon struct {
	app *app
	log *slog.Logger
	// names are the syncs asked for; none: all.
	names     []string
	pace      hookPace
	ledger    *ledger.Ledger
	lease     *ledger.Lease
	metrics   *endpoints.Metrics
	scheduler *schedule.Scheduler
	server    *endpoints.Server // nil where nothing is served
	served    chan error        // how serving ended
	systemd   *supervisor
	watch     *fileWatch

	phase   atomic.Value // of phase
	inForce atomic.Pointer[generation]
	reloads int
	// counts is what the ledger held of each sync when it was last counted.
	counts    sync.Map // name to survey
	surveying sync.Mutex
	// surveyNow asks for the ledger to be counted.
	surveyNow chan struct{}
	// lookNow asks for credentials to be looked at.
	lookNow chan struct{}
	ends    atomic.Pointer[[]endpoints.CredentialState]
	telling *tellings
}

// phase is what a daemon is about; a daemon is ready while it works.
type phase string

const (
	starting phase = "starting"
	waiting  phase = "waiting" // for the daemon before it to end
	working  phase = "working"
	stopping phase = "stopping"
)

func (a *app) daemon(ctx context.Context, names []string, pace hookPace) error {
	if pace.delay < 0 || pace.pause < 0 {
		return usage("--hook-delay and --hook-pause take a time, such as 10s")
	}
	systemd, err := newSupervisor(os.LookupEnv)
	if err != nil {
		return err
	}
	defer func() { _ = systemd.close() }() // it was only written to
	d := &daemon{
		app: a, log: a.log, names: names, pace: pace, systemd: systemd,
		metrics: endpoints.NewMetrics(version), surveyNow: make(chan struct{}, 1), lookNow: make(chan struct{}, 1),
		served: make(chan error, 1),
	}
	d.phase.Store(starting)
	d.telling = newTellings(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if err := d.open(ctx); err != nil {
		if errors.Is(err, errGaveUp) {
			return nil
		}
		return err
	}
	return errors.Join(d.run(ctx, hup), d.close())
}

// open reads the configuration, opens the ledger and the endpoints, and waits for
// its turn.
func (d *daemon) open(ctx context.Context) error {
	d.watch = watchFile(d.app.path())
	g, err := d.load()
	if err != nil {
		return err
	}
	d.metrics.Reloaded(time.Now(), nil)
	if d.ledger, err = d.app.ledger(ctx, g.cfg); err != nil {
		return err
	}
	if err := d.begin(ctx, g); err != nil {
		d.hush(ctx)
		return errors.Join(err, d.close())
	}
	d.scheduler = schedule.New(schedule.Options{
		Log: d.log, Memory: d.ledger, Debounce: never(d.pace.delay), Pause: never(d.pace.pause),
	})
	d.install(g)
	return nil
}

// begin answers at the endpoints before it waits for its turn, so that probes see
// a process that lives and waits. Where the daemon before it has the same
// address, that comes free with the turn.
func (d *daemon) begin(ctx context.Context, g *generation) error {
	err := d.listen(ctx, g)
	taken := errors.Is(err, syscall.EADDRINUSE)
	if err != nil && !taken {
		return err
	}
	if err := d.turn(ctx, err); err != nil {
		return err
	}
	if taken {
		return d.listen(ctx, g)
	}
	return nil
}

// listen opens the endpoints, where the configuration has any, and serves them.
func (d *daemon) listen(ctx context.Context, g *generation) error {
	if g.cfg.Server == nil {
		return nil
	}
	server, err := endpoints.Listen(ctx, endpoints.Options{
		Addr: g.cfg.Server.Addr, Log: d.log, Health: d.healthy, Ready: d.unready, Trigger: d.trigger,
		Metrics: d.metrics, Now: time.Now,
	})
	if err != nil {
		return err
	}
	server.SetHooks(hooksOf(g)) // until d works they are told to come again
	d.server = server
	go func() { d.served <- server.Serve() }()
	d.log.Info("listening", "addr", server.Addr())
	return nil
}

// hush closes the endpoints.
func (d *daemon) hush(ctx context.Context) {
	if d.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		d.log.Warn("closing the endpoints", "err", err)
	}
}

// errGaveUp says that the daemon was asked to stop before its turn came.
var errGaveUp = errors.New("stopped while waiting for another daemon")

// turn takes the lock of the daemon, and waits for it where another has it: two
// daemons would run everything twice. unheard says why nothing is listened to
// meanwhile; nil: the endpoints answer.
func (d *daemon) turn(ctx context.Context, unheard error) error {
	ctx, over := d.app.interruptible(ctx)
	defer over()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	said := false
	for {
		d.lease, err = d.ledger.Lock(ctx, fmt.Sprintf("daemon, process %d on %s", os.Getpid(), host), daemonLock)
		locked, held := errors.AsType[*ledger.LockedError](err)
		if !held {
			return err
		}
		if !said {
			d.log.Warn("another daemon works on this state file; waiting for it to end", "state", d.ledger.Path(), "holder", locked.Holder)
			if unheard != nil {
				d.log.Warn("the endpoints do not answer before then", "err", unheard)
			}
			d.phase.Store(waiting)
			said = true
		}
		d.tell(status("waiting for another daemon on the same state file"),
			fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (10*turnEvery).Microseconds()))
		select {
		case <-ctx.Done():
			return errGaveUp
		case err := <-d.served:
			return err
		case <-time.After(turnEvery):
		}
	}
}

// close gives everything back.
func (d *daemon) close() error {
	var errs []error
	if d.lease != nil {
		if err := d.lease.Release(); err != nil {
			d.log.Warn("releasing the lock", "err", err)
		}
	}
	return errors.Join(append(errs, d.ledger.Close())...)
}

// run works until it is asked to stop.
func (d *daemon) run(ctx context.Context, hup <-chan os.Signal) error {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	halted := d.schedule(work)
	var side sync.WaitGroup
	side.Go(func() { d.survey(work) })
	side.Go(func() { d.watchEnds(work) })
	d.phase.Store(working)
	d.tell("READY=1")
	d.summarize()

	err := d.loop(ctx, hup, halted)
	d.phase.Store(stopping)
	d.tell("STOPPING=1", status("finishing what is in flight"))
	d.log.Info("daemon stopping")
	d.telling.endIn(stopWait / 2)
	halted.halt()
	err = errors.Join(err, d.finish(ctx, halted))
	d.telling.wait(partWait)
	end()
	side.Wait()
	d.hush(ctx)
	d.log.Info("daemon stopped")
	return err
}

// scheduling is the scheduler at work.
type scheduling struct {
	// halt asks it to start nothing more; it ends when its last run has.
	halt context.CancelFunc
	done chan struct{}
	err  error // once done is closed
}

func (d *daemon) schedule(ctx context.Context) *scheduling {
	ctx, halt := context.WithCancel(ctx)
	s := &scheduling{halt: halt, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = d.scheduler.Run(ctx)
	}()
	return s
}

// loop does what comes up until the daemon is to stop. Its error is a failure of
// the daemon itself.
func (d *daemon) loop(ctx context.Context, hup <-chan os.Signal, s *scheduling) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	alive := time.NewTicker(d.aliveEvery())
	defer alive.Stop()
	for {
		select {
		case <-d.app.stop:
			return nil
		case <-ctx.Done():
			return nil
		case err := <-d.served:
			return err
		case <-s.done:
			return errors.New("the scheduler ended by itself")
		case <-hup:
			d.reloads++
			d.reload("SIGHUP")
		case <-look.C:
			if d.watch.changed() {
				d.reload("the file changed")
			}
		case <-alive.C:
			d.tell("WATCHDOG=1")
			d.summarize()
		}
	}
}

// aliveEvery is how often systemd hears of us: twice in its interval.
func (d *daemon) aliveEvery() time.Duration {
	if d.systemd.watchdog > 0 {
		return max(d.systemd.watchdog/2, time.Millisecond)
	}
	return time.Minute
}

// finish waits for the runs that are on, and cuts them off when that takes too
// long or somebody asks a second time.
func (d *daemon) finish(ctx context.Context, s *scheduling) error {
	wait := time.NewTimer(stopWait)
	defer wait.Stop()
	alive := time.NewTicker(d.aliveEvery())
	defer alive.Stop()
	done := ctx.Done()
	interrupted := false
	for cut := false; ; {
		select {
		case <-s.done:
			if s.err == nil && interrupted {
				return code(exitInterrupted)
			}
			return s.err
		case <-alive.C:
			d.tell("WATCHDOG=1")
		case <-done:
			done, interrupted = nil, true
			d.scheduler.Cut()
			cut = true
			wait.Reset(cutWait)
		case <-wait.C:
			if cut {
				return errors.New("a run did not end when it was cut off")
			}
			d.log.Warn("runs did not end in time and are cut off; the next run looks up what became of their changes", "waited", stopWait)
			cut = true
			d.scheduler.Cut()
			wait.Reset(cutWait)
		}
	}
}

// tell tells systemd; that it cannot be told is no reason to stop.
func (d *daemon) tell(assignments ...string) {
	if err := d.systemd.say(assignments...); err != nil {
		d.log.Debug("systemd was not told", "err", err)
	}
}
